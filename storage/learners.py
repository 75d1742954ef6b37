"""Learners as staff see them, and as they are compared with each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, TextClause, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.people import EMPLOYEE_ID, Person, name_words, possible_identifiers
from domain.roles import Role
from storage.acts import Actor, enter
from storage.audit import learner_stream
from storage.tables import LearnerMergeRow, LearnerRow

# ruff: noqa: S608  # statements are put together from this module's own constants

# As much as a page about one learner shows of each.
_MOST_SHOWN: Final = 200


class AlreadyMergedError(Exception):
    """One of the two learners is part of another one already, or is about to be."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who may be meant, with the address on record."""

    person: Person
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerSummary:
    """A learner in a list; ``email`` is None when the learner has no account."""

    id: str
    email: str | None
    given_name: str | None
    family_name: str | None
    profession: str | None
    merged_into: str | None
    claims: int
    awards: int
    person: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSummary:
    """A claim of a learner, or of a duplicate that was merged into them."""

    id: str
    ce_activity: str
    title: str
    stage: str
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardSummary:
    """An award of a learner, in whatever state."""

    id: str
    claim_id: str
    ce_activity: str
    credit_type: str
    units: Decimal
    state: str
    completed_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMerge:
    """A merge that is about to be recorded: the duplicate is to become part of the learner."""

    id: str
    learner_id: str
    duplicate_id: str
    reason: str
    requested_by: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeView:
    """A merge that was asked for; ``merged_at`` is None until it is done. ``details`` are ids and kinds only."""

    id: str
    learner_id: str
    duplicate_id: str
    reason: str
    requested_by: str
    requested_at: datetime
    merged_at: datetime | None
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerView:
    """Everything that staff see of one learner."""

    summary: LearnerSummary
    credentials: str | None
    time_zone: str | None
    wants_reminders: bool
    role: str | None
    created_at: datetime
    erased_at: datetime | None
    claims: tuple[ClaimSummary, ...]
    awards: tuple[AwardSummary, ...]
    merges: tuple[MergeView, ...]


async def lock_new(connection: AsyncConnection, learner_id: str) -> bool:
    """Lock a learner; True while there is no profile."""
    row = await connection.execute(
        select(LearnerRow.given_name, LearnerRow.family_name)
        .where(LearnerRow.id == learner_id)
        .with_for_update(key_share=True)
    )
    return not all(row.one())


_IDENTIFIERS: Final = """
    (SELECT json_object_agg(i.kind, i.value) FROM learner_identifiers i
      WHERE i.learner_id = l.id AND l.erased_at IS NULL) AS identifiers
"""
_CANDIDATES: Final = text(
    f"""
    SELECT l.id, l.name_key, a.email, {_IDENTIFIERS}
      FROM learners l JOIN accounts a ON a.id = l.account_id
     WHERE l.id IN (SELECT n.id FROM learners n WHERE n.name_key = :name
                    UNION ALL
                    SELECT e.learner_id FROM learner_identifiers e WHERE e.kind = :kind AND e.value = :employee_id)
       AND l.id <> :learner_id AND l.merged_into IS NULL AND a.deactivated_at IS NULL
    """
)


async def candidates(
    connection: AsyncConnection, name: str | None, employee_id: str | None, learner_id: str
) -> list[Candidate]:
    """Who has this name or this employee id and could sign in, apart from the learner who asks."""
    values = {"name": name, "kind": EMPLOYEE_ID, "employee_id": employee_id, "learner_id": learner_id}
    rows = await connection.execute(_CANDIDATES, values)
    return [Candidate(_person(row), row["email"]) for row in rows.mappings()]


def _person(row: Mapping[Any, Any]) -> Person:
    return Person(row["id"], row["name_key"], row["identifiers"] or {})


# What was merged into a learner counts as theirs; merges are flat, so one step finds all of it.
_PERSON: Final = "(SELECT o.id FROM learners o WHERE o.id = {0} OR o.merged_into = {0})"
# What must be kept of the erased is shown to nobody.
_NAMED: Final = ", ".join(
    f"CASE WHEN l.erased_at IS NULL THEN l.{column} END AS {column}"
    for column in ("given_name", "family_name", "profession", "name_key", "credentials")
)
_SUMMARY: Final = f"""
    SELECT l.id, a.email, {_NAMED}, l.merged_into, {_IDENTIFIERS},
           (SELECT count(*) FROM claims c WHERE c.learner_id IN {_PERSON.format("l.id")}) AS claims,
           (SELECT count(*) FROM awards w WHERE w.learner_id = l.id AND w.state = 'active') AS awards,
           l.time_zone, l.wants_reminders, a.role, l.created_at, l.erased_at
      FROM learners l LEFT JOIN accounts a ON a.id = l.account_id
"""


def _learners_where(condition: str) -> TextClause:
    return text(f"{_SUMMARY} WHERE {condition}")


# Every account may become a learner; those of the office are looked for as learners once they claimed something.
_FOUND: Final = _learners_where(
    f"""
    l.erased_at IS NULL
    AND (a.role IS NULL OR a.role = '{Role.LEARNER}' OR CAST(:email AS text) IS NOT NULL
         OR CAST(:kinds AS text[]) IS NOT NULL
         OR EXISTS (SELECT 1 FROM claims c WHERE c.learner_id IN {_PERSON.format("l.id")})
         OR EXISTS (SELECT 1 FROM awards w WHERE w.learner_id = l.id))
    AND (CAST(:email AS text) IS NULL OR lower(a.email) = lower(:email))
    AND l.name_key LIKE ALL (CAST(:words AS text[]))
    AND (CAST(:kinds AS text[]) IS NULL
         OR l.id IN (SELECT e.learner_id FROM learner_identifiers e
                       JOIN unnest(CAST(:kinds AS text[]), CAST(:numbers AS text[])) AS wanted (kind, value)
                         ON e.kind = wanted.kind AND e.value = wanted.value))
    AND (CAST(:after AS text) IS NULL OR l.id > :after)
    ORDER BY l.id LIMIT :limit
    """
)
_AMONG: Final = _learners_where("l.id = ANY(:ids)")


async def find(
    connection: AsyncConnection,
    *,
    email: str | None,
    name: str | None,
    identifier: str | None,
    after: str | None,
    limit: int,
) -> list[LearnerSummary]:
    """Learners to whom all of this applies, oldest first; a name applies if every word occurs in it.

    Whoever works in the office and has no claim is found by their address or a number only.
    """
    words = name_words(name or "")
    if name is not None and not words:
        return []
    numbers = possible_identifiers(identifier) if identifier is not None else None
    values = {
        "email": email,
        # Words hold nothing that LIKE reads as a sign.
        "words": [f"%{word}%" for word in words],
        "kinds": None if numbers is None else [kind for kind, _ in numbers],
        "numbers": None if numbers is None else [value for _, value in numbers],
        "after": after,
        "limit": limit,
    }
    rows = await connection.execute(_FOUND, values)
    return [_summary(row) for row in rows.mappings()]


def _summary(row: RowMapping) -> LearnerSummary:
    names = ("id", "email", "given_name", "family_name", "profession", "merged_into", "claims", "awards")
    return LearnerSummary(**{name: row[name] for name in names}, person=_person(row))


_CLAIMS: Final = text(
    f"""
    SELECT c.id, a.slug AS ce_activity, v.policy ->> 'title' AS title, c.stage, c.opened_at, c.closed_at
      FROM claims c
      JOIN ce_activities a ON a.id = c.ce_activity_id
      JOIN ce_activity_versions v ON v.id = c.version_id
     WHERE c.learner_id IN {_PERSON.format(":learner_id")}
     ORDER BY c.opened_at DESC, c.id DESC LIMIT {_MOST_SHOWN}
    """
)
_AWARDS: Final = text(
    f"""
    SELECT w.id, w.claim_id, a.slug AS ce_activity, w.credit_type, w.units, w.state, w.completed_on
      FROM awards w JOIN ce_activities a ON a.id = w.ce_activity_id
     WHERE w.learner_id = :learner_id
     ORDER BY w.completed_on DESC, w.id DESC LIMIT {_MOST_SHOWN}
    """
)
_MERGE_COLUMNS: Final = (
    "m.id, m.learner_id, m.duplicate_id, m.reason, m.requested_by, m.requested_at, m.merged_at, m.details"
)
_MERGES: Final = text(
    f"""
    SELECT {_MERGE_COLUMNS} FROM learner_merges m
     WHERE m.learner_id IN {_PERSON.format(":learner_id")} OR m.duplicate_id = :learner_id
     ORDER BY m.requested_at, m.id
    """
)
_ONE_MERGE: Final = text(f"SELECT {_MERGE_COLUMNS} FROM learner_merges m WHERE m.id = :merge_id")


async def learner(connection: AsyncConnection, learner_id: str) -> LearnerView | None:
    """One learner with identifiers, merges, and the newest claims and awards."""
    row = (await connection.execute(_AMONG, {"ids": [learner_id]})).mappings().one_or_none()
    if row is None:
        return None
    values = {"learner_id": learner_id}
    claims = await connection.execute(_CLAIMS, values)
    awards = await connection.execute(_AWARDS, values)
    merges = await connection.execute(_MERGES, values)
    return LearnerView(
        summary=_summary(row),
        credentials=row["credentials"],
        time_zone=row["time_zone"],
        wants_reminders=row["wants_reminders"],
        role=row["role"],
        created_at=row["created_at"],
        erased_at=row["erased_at"],
        claims=tuple(ClaimSummary(**each) for each in claims.mappings()),
        awards=tuple(AwardSummary(**each) for each in awards.mappings()),
        merges=tuple(_merge(each) for each in merges.mappings()),
    )


def _merge(row: RowMapping) -> MergeView:
    return MergeView(**{**row, "details": row["details"] or {}})


async def merge(connection: AsyncConnection, merge_id: str) -> MergeView:
    """A merge that was asked for; raises ``NoResultFound``."""
    return _merge((await connection.execute(_ONE_MERGE, {"merge_id": merge_id})).mappings().one())


# Everybody who shares an identifier, or name and birthday, is paired with the oldest of them: that is linear in the
# number of learners, however many share one. ``domain.people.likenesses`` is the rule that this finds the pairs of.
_PAIRS: Final = text(
    """
    WITH alone AS MATERIALIZED (
        SELECT l.id, l.name_key FROM learners l
         WHERE l.merged_into IS NULL AND l.erased_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM learner_merges m WHERE m.duplicate_id = l.id)
    ), shared AS (
        SELECT i.kind || ' ' || i.value AS what, l.id
          FROM learner_identifiers i JOIN alone l ON l.id = i.learner_id
         WHERE i.kind <> 'birth_month_day' AND i.value <> 'NA'
         UNION ALL
        SELECT i.value || ' ' || l.name_key, l.id
          FROM learner_identifiers i JOIN alone l ON l.id = i.learner_id
         WHERE i.kind = 'birth_month_day' AND l.name_key IS NOT NULL
    ), oldest AS (
        SELECT what, min(id) AS first_id FROM shared GROUP BY what HAVING count(*) > 1
    )
    SELECT DISTINCT first_id, id AS second_id FROM shared JOIN oldest USING (what)
     WHERE id <> first_id
       AND (CAST(:after_first AS text) IS NULL OR (first_id, id) > (:after_first, :after_second))
     ORDER BY first_id, second_id LIMIT :limit
    """
)


async def duplicates(
    connection: AsyncConnection, after: tuple[str, str] | None, limit: int
) -> list[tuple[LearnerSummary, LearnerSummary]]:
    """Pairs of learners that may be one person, in the order of their ids; whoever was merged is in none."""
    first, second = after or (None, None)
    pairs = (await connection.execute(_PAIRS, {"after_first": first, "after_second": second, "limit": limit})).all()
    ids = sorted({learner_id for pair in pairs for learner_id in pair})
    rows = await connection.execute(_AMONG, {"ids": ids})
    known = {row["id"]: _summary(row) for row in rows.mappings()}
    return [(known[pair.first_id], known[pair.second_id]) for pair in pairs]


async def request_merge(connection: AsyncConnection, new: NewMerge) -> bool:
    """Record that two learners are to be merged; False when there are not both of them.

    Raises ``AlreadyMergedError``. The merge itself is an activity's, because it changes claims.
    """
    both = [new.learner_id, new.duplicate_id]
    locked = await connection.execute(
        select(LearnerRow.merged_into)
        .where(LearnerRow.id.in_(both))
        .order_by(LearnerRow.id)
        .with_for_update(key_share=True)
    )
    found = locked.scalars().all()
    if len(found) < len(both):
        return False
    asked = await connection.execute(select(LearnerMergeRow.id).where(LearnerMergeRow.duplicate_id.in_(both)))
    earlier = asked.scalars().all()
    if earlier == [new.id]:
        # The first try was committed, and its answer was lost.
        return True
    if earlier or any(found):
        raise AlreadyMergedError
    await connection.execute(
        insert(LearnerMergeRow).values(
            id=new.id,
            learner_id=new.learner_id,
            duplicate_id=new.duplicate_id,
            reason=new.reason,
            requested_by=new.requested_by,
        )
    )
    await connection.run_sync(_enter_request, new)
    return True


def _enter_request(connection: Connection, new: NewMerge) -> None:
    enter(
        connection,
        learner_stream(new.learner_id),
        "learner.merge_requested",
        Actor(new.requested_by, new.request_id),
        after={"merge": new.id, "duplicate": new.duplicate_id},
        private={"reason": new.reason},
        subject=new.learner_id,
    )
