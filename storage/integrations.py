"""Learning platforms that may send events: their names and the secrets that they sign with.

A signature is checked with the very secret that makes it, so secrets are stored as they are.
"""

import base64
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from storage import acts
from storage.acts import LAUREL, Actor
from storage.database import create_sync_engine
from storage.tables import IntegrationRow

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MAXIMUM_NAME_LENGTH: Final = 40
_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Integration:
    """A platform as operators see it; ``has_previous_secret`` while two secrets are valid."""

    name: str
    created_at: datetime
    disabled_at: datetime | None
    has_previous_secret: bool


def is_name(text: str) -> bool:
    """Whether a text can be the name of an integration: small letters, digits and hyphens, at most 40."""
    return len(text) <= _MAXIMUM_NAME_LENGTH and _NAME.fullmatch(text) is not None


def valid_secrets(connection: Connection, name: str) -> tuple[str, ...]:
    """The secrets with which an integration may sign now; none when there is no such integration."""
    row = connection.execute(
        select(IntegrationRow.secret, IntegrationRow.previous_secret).where(
            IntegrationRow.name == name, IntegrationRow.disabled_at.is_(None)
        )
    ).one_or_none()
    return tuple(secret for secret in row or () if secret is not None)


def add(connection: Connection, name: str, actor: Actor = LAUREL) -> str:
    """Let a platform send events, one that was disabled again; answers with its new secret.

    Raises ``ValueError`` for a name that is not usable, or in use.
    """
    if not is_name(name):
        raise ValueError(
            f"{name!r} is no name: take small letters, digits and hyphens, at most {_MAXIMUM_NAME_LENGTH}."
        )
    secret = _new_secret()
    values = {"secret": secret, "previous_secret": None, "disabled_at": None}
    statement = insert(IntegrationRow).values(name=name, **values)
    added = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_=values, where=IntegrationRow.disabled_at.is_not(None)
        ).returning(IntegrationRow.name)
    ).one_or_none()
    if added is None:
        raise ValueError(f"{name} may send events already; `laurel integrations rotate {name}` makes a new secret.")
    enter(connection, name, "integration.added", actor, after={"state": "enabled"})
    return secret


def rotate(connection: Connection, name: str, actor: Actor = LAUREL) -> str:
    """Make a new secret; the one before stays valid until the next rotation, or until it is dropped.

    Raises ``ValueError`` when there is no such integration, or it is disabled.
    """
    secret = _new_secret()
    _change(connection, name, secret=secret, previous_secret=IntegrationRow.secret)
    enter(connection, name, "integration.secret_rotated", actor, after={"valid_secrets": 2})
    return secret


def drop_previous(connection: Connection, name: str, actor: Actor = LAUREL) -> None:
    """Let only the newest secret be valid. Raises ``ValueError`` as ``rotate`` does."""
    _change(connection, name, previous_secret=None)
    enter(connection, name, "integration.previous_secret_dropped", actor, after={"valid_secrets": 1})


def disable(connection: Connection, name: str, actor: Actor = LAUREL) -> None:
    """Take no more events from a platform; what it sent stays. Raises ``ValueError`` as ``rotate`` does."""
    _change(connection, name, disabled_at=func.clock_timestamp())
    before, after = {"state": "enabled"}, {"state": "disabled"}
    enter(connection, name, "integration.disabled", actor, before=before, after=after)


def listed(connection: Connection) -> list[Integration]:
    """Every integration by name, without its secrets."""
    rows = connection.execute(
        select(
            IntegrationRow.name,
            IntegrationRow.created_at,
            IntegrationRow.disabled_at,
            IntegrationRow.previous_secret.is_not(None).label("has_previous_secret"),
        ).order_by(IntegrationRow.name)
    )
    return [Integration(**row) for row in rows.mappings()]


def enter(
    connection: Connection,
    name: str,
    event: str,
    actor: Actor,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str | None = None,
    subject: str | None = None,
) -> None:
    """Write the next entry of an integration's audit stream; writers wait for each other.

    A ``reason`` is sealed, under the key of the learner whom it is about if that one is known.
    """
    connection.execute(
        select(IntegrationRow.name).where(IntegrationRow.name == name).with_for_update(key_share=True)
    ).one()
    private = {"reason": reason} if reason else {}
    stream = f"integration:{name}"
    acts.enter(connection, stream, event, actor, before=before, after=after, private=private, subject=subject)


@contextmanager
def connected(database_url: str) -> Iterator[Connection]:
    """One transaction of a command."""
    engine = create_sync_engine(database_url, pool_size=1)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _change(connection: Connection, name: str, **values: object) -> None:
    changed = connection.execute(
        update(IntegrationRow)
        .where(IntegrationRow.name == name, IntegrationRow.disabled_at.is_(None))
        .values(**values)
        .returning(IntegrationRow.name)
    ).one_or_none()
    if changed is None:
        raise ValueError(f"no integration {name!r} may send events; `laurel integrations list` shows all.")


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
