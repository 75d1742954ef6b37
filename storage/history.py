"""The audit trail as people read it: by stream, or over all streams, with what was sealed. Nothing here writes."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.sealing import open_entries


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEntry:
    """One entry at its place. ``body`` is None once its retention has ended; the hashes stay.

    ``body["private"]`` is what was sealed, and None when its key was destroyed.
    """

    stream: str
    seq: int
    recorded_at: datetime
    body: Mapping[str, Any] | None
    body_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailFilter:
    """Which entries to list, newest first; what is None does not matter.

    ``stream`` is a stream or a kind of stream (``claim``), ``event`` a code or its first part (``correction``),
    ``actor`` an actor's id or the address of an account. ``after`` is stream and number of the entry to go on from.
    """

    stream: str | None = None
    event: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: tuple[str, int] | None = None
    limit: int


@dataclass(frozen=True, slots=True)
class AccountName:
    """Who an account is, for staff."""

    email: str
    name: str | None


_ENTRY: Final = "SELECT stream, seq, recorded_at, body, body_hash, hash FROM audit_events e"
_OF_STREAM: Final = text(f"{_ENTRY} WHERE stream = :stream AND seq > :after ORDER BY seq LIMIT :limit")
_NEWEST_OF_STREAM: Final = text(
    f"{_ENTRY} WHERE stream = :stream AND (:after = 0 OR seq < :after) ORDER BY seq DESC LIMIT :limit"
)
_ACTORS: Final = text(
    "SELECT id FROM accounts WHERE lower(email) = lower(:actor) UNION ALL"
    " SELECT encode(convert_to(substr(:written, 2, length(:written) - 2), 'UTF8'), 'escape')"
)
_CONDITIONS: Final = {
    "stream": "(stream = :stream OR starts_with(stream, :stream || ':'))",
    "event": "(audit_event(body) = :event OR starts_with(audit_event(body), :event || '.'))",
    "actor": "audit_actor(body) = ANY(:actors)",
    "since": "recorded_at >= :since",
    "until": "recorded_at < :until",
    "after": (
        "(recorded_at, stream, seq) < (SELECT p.recorded_at, p.stream, p.seq FROM audit_events p"
        " WHERE p.stream = :after_stream AND p.seq = :after_seq)"
    ),
}


async def of_stream(connection: AsyncConnection, stream: str, after: int, limit: int) -> list[TrailEntry]:
    """Entries of a stream in their order, those that follow number ``after``."""
    return await _entries(connection, _OF_STREAM, {"stream": stream, "after": after, "limit": limit})


async def newest_of_stream(connection: AsyncConnection, stream: str, after: int, limit: int) -> list[TrailEntry]:
    """Entries of a stream, the newest first, those before number ``after``; from the end when that is 0."""
    return await _entries(connection, _NEWEST_OF_STREAM, {"stream": stream, "after": after, "limit": limit})


async def search(connection: AsyncConnection, wanted: TrailFilter) -> list[TrailEntry]:
    """Entries of all streams, newest first."""
    names = ("stream", "event", "actor", "since", "until", "after")
    given = {name: value for name in names if (value := getattr(wanted, name)) is not None}
    where = " AND ".join(_CONDITIONS[name] for name in given) or "true"
    query = text(f"{_ENTRY} WHERE {where} ORDER BY recorded_at DESC, stream DESC, seq DESC LIMIT :limit")
    after_stream, after_seq = given.pop("after", (None, None))
    place = {} if after_stream is None else {"after_stream": after_stream, "after_seq": after_seq}
    if wanted.actor is not None:
        given["actors"] = await _actors(connection, given.pop("actor"))
    return await _entries(connection, query, {**given, **place, "limit": wanted.limit})


async def _actors(connection: AsyncConnection, actor: str) -> list[str]:
    """An actor and the account of that address, as ``audit_actor`` reads them from an entry."""
    return list(await connection.scalars(_ACTORS, {"actor": actor, "written": json.dumps(actor, ensure_ascii=False)}))


async def _entries(connection: AsyncConnection, query: TextClause, values: Mapping[str, Any]) -> list[TrailEntry]:
    rows = (await connection.execute(query, values)).all()
    bodies = [bytes(row.body) for row in rows if row.body is not None]
    opened = iter(await connection.run_sync(open_entries, bodies))
    return [
        TrailEntry(
            stream=row.stream,
            seq=row.seq,
            recorded_at=row.recorded_at,
            body=None if row.body is None else next(opened),
            body_hash=bytes(row.body_hash),
            hash=bytes(row.hash),
        )
        for row in rows
    ]


_ACCOUNTS_OF_PERSON: Final = text(
    "SELECT account_id FROM learners WHERE (id = :learner_id OR merged_into = :learner_id) AND account_id IS NOT NULL"
)
_NAMES: Final = text(
    "SELECT a.id, a.email, nullif(concat_ws(' ', l.given_name, l.family_name), '') AS name FROM accounts a "
    "LEFT JOIN learners o ON o.account_id = a.id LEFT JOIN learners l ON l.id = coalesce(o.merged_into, o.id) "
    "WHERE a.id = ANY(:ids)"
)


async def accounts_of_person(connection: AsyncConnection, learner_id: str) -> frozenset[str]:
    """The accounts of a learner, and of whoever was merged into them: they are one person."""
    rows = await connection.execute(_ACCOUNTS_OF_PERSON, {"learner_id": learner_id})
    return frozenset(rows.scalars())


async def names_of(connection: AsyncConnection, account_ids: Collection[str]) -> Mapping[str, AccountName]:
    """Who these accounts are, as far as they still exist."""
    rows: Sequence[Any] = (await connection.execute(_NAMES, {"ids": sorted(account_ids)})).all()
    return {row.id: AccountName(row.email, row.name) for row in rows}
