"""What staff see of rosters: the uploaded ones, and their rows with what each does and what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.roster_changes import Outcome
from domain.rosters import RowProblem
from storage.rosters import ENTRY_ID, RosterState, problem_from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterView:
    """An uploaded roster; ``ce_activity`` is the slug, ``reading`` how the file was written and what was used of it."""

    id: str
    ce_activity: str
    file_name: str
    reading: Mapping[str, Any]
    is_replacement: bool
    state: RosterState
    row_count: int
    problem_count: int
    applied_count: int
    uploaded_by: str
    uploaded_at: datetime
    applied_by: str | None
    applied_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows do what; ``removed`` counts entries that no row names, ``warnings`` applied rows with one."""

    new: int
    changed: int
    unchanged: int
    removed: int
    problems: int
    warnings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """One row; ``line`` is negative for an entry that a replacing roster removes, which stands on no line."""

    line: int
    values: Mapping[str, str]
    problems: Sequence[RowProblem]
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFilter:
    """Which rows to show: those with problems or warnings only, those with one outcome only, those after a line."""

    has_problems: bool = False
    outcome: Outcome | None = None
    after: int | None = None
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryOfAnother:
    """Somebody else's entry that a learner gave an id of: whom it names, by which method, and when they first did."""

    id: str
    given_name: str | None
    family_name: str | None
    emails: Sequence[str]
    method: str
    stated_at: datetime


_ROSTERS: Final = """
    SELECT r.id, a.slug AS ce_activity, r.file_name, r.reading, r.is_replacement, r.state, r.row_count, r.problem_count,
           r.applied_count, r.uploaded_by, r.uploaded_at, r.applied_by, r.applied_at
      FROM rosters r JOIN ce_activities a ON a.id = r.ce_activity_id
"""
_ONE: Final = text(f"{_ROSTERS} WHERE r.id = :roster_id")
# Ids are made when a roster is uploaded, and sort by that time.
_NEWEST: Final = text(
    f"{_ROSTERS} WHERE r.ce_activity_id = :ce_activity_id AND (CAST(:after AS text) IS NULL OR r.id < :after) "
    "ORDER BY r.id DESC LIMIT :limit"
)
_COUNTS: Final = text(
    """
    SELECT count(*) FILTER (WHERE outcome = 'new') AS new,
           count(*) FILTER (WHERE outcome = 'changed') AS changed,
           count(*) FILTER (WHERE outcome = 'unchanged') AS unchanged,
           count(*) FILTER (WHERE outcome = 'removed') AS removed,
           count(*) FILTER (WHERE outcome = 'problem') AS problems,
           count(*) FILTER (WHERE outcome <> 'problem' AND problems <> '[]') AS warnings
      FROM roster_lines WHERE roster_id = :roster_id
    """
)
_LINES: Final = text(
    """
    SELECT line, "values", problems, outcome FROM roster_lines
     WHERE roster_id = :roster_id AND (CAST(:after AS int) IS NULL OR line > :after)
       AND (CAST(:outcome AS text) IS NULL OR outcome = :outcome)
       AND (NOT :has_problems OR problems <> '[]')
     ORDER BY line LIMIT :limit
    """
)
# Rows that are not applied come before those that only have a warning.
_FIRST_PROBLEMS: Final = text(
    """
    SELECT line, "values", problems, outcome FROM roster_lines
     WHERE roster_id = :roster_id AND problems <> '[]'
     ORDER BY outcome <> 'problem', line LIMIT :limit
    """
)
_OF_OTHERS: Final = text(
    """
    SELECT r.id, r.given_name, r.family_name, s.body ->> 'method' AS method, min(s.received_at) AS stated_at,
           ARRAY(SELECT k.value FROM roster_keys k WHERE k.entry_id = r.id AND k.kind = 'email' ORDER BY 1) AS emails
      FROM submissions s JOIN roster_entries r ON r.id = s.roster_entry
     WHERE s.claim_id = :claim_id AND s.roster_entry IS NOT NULL
     GROUP BY r.id, s.body ->> 'method' ORDER BY stated_at, r.id
    """
)


async def roster(connection: AsyncConnection, roster_id: str) -> RosterView | None:
    """One uploaded roster."""
    row = (await connection.execute(_ONE, {"roster_id": roster_id})).mappings().one_or_none()
    return _view(row) if row else None


async def rosters_of(
    connection: AsyncConnection, ce_activity_id: str, after: str | None, limit: int
) -> list[RosterView]:
    """The rosters that were uploaded for a CE activity, newest first."""
    values = {"ce_activity_id": ce_activity_id, "after": after, "limit": limit}
    return [_view(row) for row in (await connection.execute(_NEWEST, values)).mappings()]


async def counts(connection: AsyncConnection, roster_id: str) -> Counts:
    """How many rows of a roster do what."""
    return Counts(**(await connection.execute(_COUNTS, {"roster_id": roster_id})).mappings().one())


async def lines(connection: AsyncConnection, roster_id: str, wanted: LineFilter) -> list[LineView]:
    """Rows of a roster in their order; entries that it removes come first."""
    values = {
        "roster_id": roster_id,
        "after": wanted.after,
        "outcome": wanted.outcome,
        "has_problems": wanted.has_problems,
        "limit": wanted.limit,
    }
    return [_line(row) for row in (await connection.execute(_LINES, values)).mappings()]


async def first_problems(connection: AsyncConnection, roster_id: str, limit: int) -> list[LineView]:
    """The first rows with problems, and if there is room for them, those with warnings."""
    values = {"roster_id": roster_id, "limit": limit}
    return [_line(row) for row in (await connection.execute(_FIRST_PROBLEMS, values)).mappings()]


async def entries_of_others(connection: AsyncConnection, claim_id: str) -> list[EntryOfAnother]:
    """The entries for which a claim's proof was refused, because they name somebody else."""
    rows = await connection.execute(_OF_OTHERS, {"claim_id": claim_id})
    return [EntryOfAnother(**row) for row in rows.mappings()]


def _view(row: RowMapping) -> RosterView:
    return RosterView(**{**row, "state": RosterState(row["state"])})


def _line(row: RowMapping) -> LineView:
    return LineView(
        line=row["line"],
        values={column: value for column, value in row["values"].items() if column != ENTRY_ID},
        problems=[problem_from_json(each) for each in row["problems"]],
        outcome=Outcome(row["outcome"]),
    )
