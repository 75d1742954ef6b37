"""CE activities and their published policies. A version is written once; claims keep the one they opened with."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from domain.identities import new_id
from domain.policy import CEActivityPolicy
from storage.database import create_sync_engine
from storage.definitions import Definition, policy_from_json, policy_to_json, read_definition
from storage.tables import CEActivityRow, CEActivityVersionRow, ProviderRow

_NOT_IN_SLUG: Final = re.compile(r"[^a-z0-9]+")
_MAXIMUM_SLUG_LENGTH: Final = 80


@dataclass(frozen=True, slots=True)
class Published:
    """The current version of a CE activity; ``is_new`` is False when the definition changed nothing."""

    slug: str
    ce_activity_id: str
    version_id: str
    number: int
    is_new: bool


def publish(connection: Connection, definition: Definition, actor: str | None) -> Published:
    """Make a definition the current one: a new version only if its policy differs from the current version's.

    Two publishers of one CE activity wait for each other. The caller commits.
    """
    provider_slug = _upsert_provider(connection, definition)
    ce_activity = {
        "id": new_id("cea"),
        "slug": definition.slug,
        "provider_slug": provider_slug,
        "status": definition.status,
        "version_id": "",
    }
    connection.execute(insert(CEActivityRow).values(**ce_activity).on_conflict_do_nothing())
    row = connection.execute(
        select(CEActivityRow.id, CEActivityRow.version_id)
        .where(CEActivityRow.slug == definition.slug)
        .with_for_update()
    ).one()
    version = _version_of(connection, row.id, row.version_id, definition, actor)
    connection.execute(
        update(CEActivityRow)
        .where(CEActivityRow.id == row.id)
        .values(provider_slug=provider_slug, status=definition.status, version_id=version.version_id)
    )
    return version


def _version_of(
    connection: Connection, ce_activity_id: str, current_id: str, definition: Definition, actor: str | None
) -> Published:
    current = connection.execute(
        select(CEActivityVersionRow.number, CEActivityVersionRow.sha256).where(CEActivityVersionRow.id == current_id)
    ).one_or_none()
    today: date = connection.execute(select(func.current_date())).scalar_one()
    policy = policy_to_json(definition.policy, today)
    sha256 = hashlib.sha256(_canonical(policy)).digest()
    if current is not None and bytes(current.sha256) == sha256:
        return Published(definition.slug, ce_activity_id, current_id, current.number, is_new=False)
    number = (current.number if current else 0) + 1
    version_id = new_id("ver")
    connection.execute(
        insert(CEActivityVersionRow).values(
            id=version_id,
            ce_activity_id=ce_activity_id,
            number=number,
            policy=policy,
            sha256=sha256,
            created_by=actor,
        )
    )
    return Published(definition.slug, ce_activity_id, version_id, number, is_new=True)


def _upsert_provider(connection: Connection, definition: Definition) -> str:
    provider = definition.policy.provider
    statement = insert(ProviderRow).values(
        slug=provider_slug(provider.name), name=provider.name, acronym=provider.acronym
    )
    changes = {"name": statement.excluded.name, "acronym": statement.excluded.acronym}
    slug: str = connection.execute(
        statement.on_conflict_do_update(index_elements=["slug"], set_=changes).returning(ProviderRow.slug)
    ).scalar_one()
    return slug


def provider_slug(name: str) -> str:
    """The name of a provider for addresses and search attributes: ``Rush University`` becomes ``rush-university``."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = _NOT_IN_SLUG.sub("-", ascii_name).strip("-")[:_MAXIMUM_SLUG_LENGTH].strip("-")
    # A name without a single letter of ASCII still needs a slug of its own.
    return slug or f"provider-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _canonical(policy: dict[str, object]) -> bytes:
    return json.dumps(policy, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def policy_of(connection: Connection, version_id: str) -> CEActivityPolicy:
    """The policy of a published version; immutable, so callers may keep it. Raises ``NoResultFound``."""
    stored = connection.execute(select(CEActivityVersionRow.policy).where(CEActivityVersionRow.id == version_id))
    return policy_from_json(stored.scalar_one())


def import_files(database_url: str, paths: Iterable[Path]) -> list[Published]:
    """Publish the definitions in these files, all or none.

    Raises ``storage.definitions.DefinitionError`` for the first file that has mistakes, with a note naming the file.
    """
    engine = create_sync_engine(database_url, pool_size=1)
    try:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '30s'"))
            return [publish(connection, _read_file(path), actor=None) for path in paths]
    finally:
        engine.dispose()


def _read_file(path: Path) -> Definition:
    try:
        return read_definition(path.read_text(encoding="utf-8"))
    except ValueError as error:
        error.add_note(f"in {path}")
        raise
