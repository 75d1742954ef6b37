"""Saved views: filters of the claims list that staff keep under a name, for themselves or for the whole office."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.acts import Actor, enter
from storage.tables import SavedViewRow

MOST_VIEWS: Final = 50


class TooManyViewsError(ValueError):
    """An account keeps as many views as it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """A view; ``owner`` is the e-mail address of whoever saved it, ``query`` what it lists."""

    name: str
    owner: str
    is_own: bool
    is_shared: bool
    query: Mapping[str, Any]
    saved_at: datetime


_VISIBLE: Final = text(
    f"""
    SELECT v.name, a.email AS owner, v.account_id = :account_id AS is_own, v.is_shared, v.query, v.saved_at
      FROM saved_views v JOIN accounts a ON a.id = v.account_id
     WHERE v.account_id = :account_id OR (v.is_shared AND a.deactivated_at IS NULL)
     ORDER BY v.account_id <> :account_id, lower(v.name), v.name, a.email LIMIT {4 * MOST_VIEWS}
    """  # noqa: S608  # constants only
)
# Whoever writes to the stream of an account's views holds the account's row.
_LOCK: Final = text("SELECT 1 FROM accounts WHERE id = :account_id FOR NO KEY UPDATE")


async def visible(connection: AsyncConnection, account_id: str) -> list[SavedView]:
    """The views of an account, and after them those that others share, each by name."""
    rows = await connection.execute(_VISIBLE, {"account_id": account_id})
    return [SavedView(**row) for row in rows.mappings()]


def save(connection: Connection, name: str, query: Mapping[str, Any], actor: Actor, *, is_shared: bool) -> None:
    """Keep a view in the place of the one of this name. Raises ``TooManyViewsError``."""
    connection.execute(_LOCK, {"account_id": actor.id})
    kept = select(func.count()).where(SavedViewRow.account_id == actor.id, SavedViewRow.name != name)
    if connection.execute(kept).scalar_one() >= MOST_VIEWS:
        raise TooManyViewsError
    values = {"query": dict(query), "is_shared": is_shared, "saved_at": func.clock_timestamp()}
    statement = upsert(SavedViewRow).values(account_id=actor.id, name=name, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["account_id", "name"], set_=values))
    _enter(connection, "view.saved", name, actor, after={"query": dict(query), "is_shared": is_shared})


def remove(connection: Connection, name: str, actor: Actor) -> bool:
    """Remove a view of the actor's own; False when there is none of this name."""
    connection.execute(_LOCK, {"account_id": actor.id})
    is_it = (SavedViewRow.account_id == actor.id) & (SavedViewRow.name == name)
    if connection.execute(delete(SavedViewRow).where(is_it)).rowcount == 0:
        return False
    _enter(connection, "view.removed", name, actor)
    return True


def _enter(connection: Connection, event: str, name: str, actor: Actor, after: Mapping[str, Any] | None = None) -> None:
    enter(connection, f"views:{actor.id}", event, actor, after={"name": name, **(after or {})})
