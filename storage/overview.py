"""The office's overview: how many claims stand where, how long steps take, and what waits for the office."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.audit_log import unsealed_since
from storage.kept import KEPT
from storage.stuck import UNDER_ANOTHER_NAME

WEEKS: Final = 12
# Medians are of the newest awards, so that they tell how it goes now and not how it went years ago.
SAMPLE: Final = 1_000

# A step with the time at which it was done; each takes as long as passed since the step before it that was done.
_TIMES: Final = {
    "participation": "c.participation_at",
    "disclosures": "c.disclosures_at",
    "post_test": "t.passed_at",
    "evaluation": "c.evaluated_at",
    "credit": "c.attested_at",
    "finalization": "c.finalized_at",
    "award": "c.awarded_at",
    "certificate": "c.notified_at",
}
STEPS: Final = tuple(_TIMES)

_OF_ONE: Final = " AND c.ce_activity_id = :ce_activity_id"


def _done_counts(times: Mapping[str, str]) -> str:
    return ", ".join(f"count({column}) AS {step}" for step, column in times.items())


def _medians() -> str:
    """For each step the median of the seconds since the step before it; negative ones are of an order of its own."""
    columns, before = [], ["c.opened_at"]
    for step, column in _TIMES.items():
        since = f"greatest({', '.join(before)})"
        seconds = f"extract(epoch FROM {column} - {since})"
        columns.append(
            f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {seconds}) FILTER (WHERE {column} >= {since}) AS {step}"
        )
        before.append(column)
    return ", ".join(columns)


_STAGES: Final = "SELECT c.stage, count(*) AS claims FROM claims c WHERE true{0} GROUP BY c.stage"
_PASSED: Final = """
    LEFT JOIN LATERAL (
        SELECT min(a.graded_at) AS passed_at FROM attempts a WHERE a.claim_id = c.id AND a.has_passed) t ON true
"""
_DONE: Final = """
    SELECT count(*) AS opened, {counts},
           (SELECT count(DISTINCT a.claim_id) FROM attempts a JOIN claims c ON c.id = a.claim_id
             WHERE a.has_passed{only}) AS post_test
      FROM claims c WHERE true{only}
"""
_DURATIONS: Final = """
    SELECT {medians} FROM (
        SELECT c.* FROM claims c WHERE c.awarded_at IS NOT NULL{only} ORDER BY c.awarded_at DESC LIMIT {sample}
    ) c {passed}
"""
_WEEKS_OF: Final = """
    SELECT date_trunc('week', c.{column} AT TIME ZONE 'UTC')::date AS week_on, count(*) AS claims FROM claims c
     WHERE c.{column} >= date_trunc('week', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - :weeks{only} GROUP BY 1
"""
_COUNTED: Final = _done_counts({step: column for step, column in _TIMES.items() if step != "post_test"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Claims by stage; how many did each of ``STEPS``, and the median seconds that it took; claims by week (Monday)."""

    stages: Mapping[str, int]
    opened: int
    done: Mapping[str, int]
    medians: Mapping[str, float | None]
    opened_by_week: Mapping[date, int]
    awarded_by_week: Mapping[date, int]
    this_week_on: date


async def figures(connection: AsyncConnection, ce_activity_id: str | None) -> Figures:
    """The figures of one CE activity, or of all."""
    only = _OF_ONE if ce_activity_id else ""
    values: dict[str, Any] = {"ce_activity_id": ce_activity_id} if ce_activity_id else {}

    async def one(query: str, **more: Any) -> Mapping[Any, Any]:
        return (await connection.execute(text(query), values | more)).mappings().one()

    async def by_key(query: str, **more: Any) -> dict[Any, int]:
        return {row[0]: row[1] for row in await connection.execute(text(query), values | more)}

    weeks = {"weeks": timedelta(weeks=WEEKS - 1)}
    done = dict(await one(_DONE.format(counts=_COUNTED, only=only)))
    medians = await one(_DURATIONS.format(medians=_medians(), only=only, sample=SAMPLE, passed=_PASSED))
    monday = await connection.execute(text("SELECT date_trunc('week', now() AT TIME ZONE 'UTC')::date"))
    return Figures(
        stages=await by_key(_STAGES.format(only)),
        opened=done["opened"],
        done={step: done[step] for step in STEPS},
        medians={step: None if medians[step] is None else float(medians[step]) for step in STEPS},
        opened_by_week=await by_key(_WEEKS_OF.format(column="opened_at", only=only), **weeks),
        awarded_by_week=await by_key(_WEEKS_OF.format(column="awarded_at", only=only), **weeks),
        this_week_on=monday.scalar_one(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How much waits for the office at this moment."""

    due_soon: int
    attention: int
    extension_requests: int
    problem_reports: int
    corrections: int
    failing_emails: int


_WAITING: Final = text(
    f"""
    SELECT
      (SELECT count(*) FROM claims WHERE closed_at IS NULL AND awarded_at IS NULL
          AND due_at >= now() AND due_at < now() + :due_within) AS due_soon,
      (SELECT count(*) FROM claims WHERE attention IS NOT NULL)
        + (SELECT count(*) FROM corrections WHERE attention IS NOT NULL)
        + (SELECT count(DISTINCT c.id) {UNDER_ANOTHER_NAME}) AS attention,
      (SELECT count(*) FROM claims WHERE extension_requested_at IS NOT NULL) AS extension_requests,
      (SELECT count(*) FROM problem_reports WHERE state = 'open') AS problem_reports,
      (SELECT count(*) FROM corrections WHERE state = 'awaiting_approval') AS corrections,
      (SELECT count(*) FROM outgoing_emails
        WHERE state = 'failed' OR state IN ('queued', 'sending') AND (last_error IS NOT NULL OR tries > 1)
      ) AS failing_emails
    """  # noqa: S608  # constants only
)


async def waiting(connection: AsyncConnection, due_within: timedelta) -> Waiting:
    """What waits for the office, and how many open claims are due soon."""
    row = (await connection.execute(_WAITING, {"due_within": due_within})).mappings().one()
    return Waiting(**{field.name: row[field.name] for field in fields(Waiting)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lags:
    """What waits for Laurel itself: numbers, and the age of the oldest in seconds; None where nothing waits.

    Steps that a hold or a pause keeps are not among them. ``unsealed_seconds`` is the age of the oldest audit entry
    that no signature covers; ``sealed_at`` is when the newest checkpoint was made.
    """

    undecided: int
    undecided_seconds: float | None
    unsent: int
    unsent_seconds: float | None
    unsealed_seconds: float | None
    sealed_at: datetime | None


_LAGS: Final = text(
    f"""
    SELECT s.number AS undecided, extract(epoch FROM now() - s.since) AS undecided_seconds,
           m.number AS unsent, extract(epoch FROM now() - m.since) AS unsent_seconds,
           (SELECT stored_at FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 1) AS sealed_at,
           clock_timestamp() AS read_at
      FROM (SELECT count(*) AS number, min(s.received_at) AS since
              FROM submissions s WHERE s.decided_at IS NULL AND NOT {KEPT}) s
     CROSS JOIN (SELECT count(*) AS number, min(created_at) AS since FROM outgoing_emails
                  WHERE state IN ('queued', 'sending') AND purpose <> 'award') m
    """  # noqa: S608  # constants only
)


async def lags(connection: AsyncConnection) -> Lags:
    """How far Laurel's own work is behind."""
    row = (await connection.execute(_LAGS)).mappings().one()
    unsealed = await connection.run_sync(unsealed_since)
    seconds = {name: None if row[name] is None else float(row[name]) for name in row if name.endswith("_seconds")}
    return Lags(
        undecided=row["undecided"],
        unsent=row["unsent"],
        sealed_at=row["sealed_at"],
        unsealed_seconds=None if unsealed is None else max(0.0, (row["read_at"] - unsealed).total_seconds()),
        **seconds,
    )
