"""Reports of problems with claims: written by learners, settled by staff. Their words are sealed in the audit trail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.claims import Stage
from domain.identities import new_id
from domain.notices import NoticePurpose
from domain.problem_reports import ReportState
from storage.acts import Actor, enter
from storage.audit import claim_stream
from storage.emails import queue_notice
from storage.tables import ClaimRow, ProblemReportRow

_A_DAY: Final = timedelta(days=1)
_REPORTS_PER_DAY: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemReport:
    """A report as it stands; the last three are set once it is settled."""

    id: str
    claim_id: str
    account_id: str
    state: ReportState
    message: str
    reported_at: datetime
    answer: str | None
    settled_by: str | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportForStaff(ProblemReport):
    """A report with whose claim it is about, under which version of a CE activity, and where that claim stands."""

    learner_id: str
    given_name: str | None
    family_name: str | None
    email: str | None
    ce_activity: str
    version_id: str
    stage: Stage


@dataclass(frozen=True, slots=True)
class Settlement:
    """What settles a report: an answer that its learner is sent, or the reason for closing it without one."""

    state: ReportState
    words: str


_COLUMNS: Final = tuple(ProblemReportRow.__table__.columns)


def _report(row: RowMapping) -> ProblemReport:
    return ProblemReport(**{**row, "state": ReportState(row["state"])})


def report(connection: Connection, claim_id: str, message: str, actor: Actor) -> ProblemReport | timedelta:
    """Take a report, and tell the CE activity's contact; or how long to wait after five within a day."""
    _lock_claim(connection, claim_id)
    recent = connection.execute(_RECENT, {"claim_id": claim_id, "since": _A_DAY}).one()
    if len(recent.times) >= _REPORTS_PER_DAY:
        wait: timedelta = recent.times[-_REPORTS_PER_DAY] + _A_DAY - recent.now
        return wait
    values = {
        "id": new_id("prb"),
        "claim_id": claim_id,
        "account_id": actor.id,
        "state": ReportState.OPEN,
        "message": message,
    }
    made = _report(connection.execute(insert(ProblemReportRow).values(**values).returning(*_COLUMNS)).mappings().one())
    _enter(connection, "problem.reported", made, actor, {"message": message})
    queue_notice(connection, NoticePurpose.PROBLEM_REPORTED, claim_id, made.id)
    return made


_RECENT: Final = text(
    """
    SELECT clock_timestamp() AS now, coalesce(array_agg(reported_at ORDER BY reported_at), '{}') AS times
      FROM problem_reports WHERE claim_id = :claim_id AND reported_at > clock_timestamp() - CAST(:since AS interval)
    """
)


def settle(connection: Connection, report_id: str, settlement: Settlement, actor: Actor) -> ProblemReport | None:
    """Answer or close a report; an answer is sent to the learner. One that is settled stays as it is.

    None when there is no such report. Whoever settles it is not its learner: the caller has seen to that.
    """
    found = connection.execute(select(ProblemReportRow.claim_id).where(ProblemReportRow.id == report_id)).one_or_none()
    if found is None:
        return None
    _lock_claim(connection, found.claim_id)
    is_answer = settlement.state is ReportState.ANSWERED
    settled = (
        connection.execute(
            update(ProblemReportRow)
            .where(ProblemReportRow.id == report_id, ProblemReportRow.state == ReportState.OPEN)
            .values(
                state=settlement.state,
                answer=settlement.words if is_answer else None,
                settled_by=actor.id,
                settled_at=func.clock_timestamp(),
            )
            .returning(*_COLUMNS)
        )
        .mappings()
        .one_or_none()
    )
    if settled is None:
        return None
    made = _report(settled)
    event = "problem.answered" if is_answer else "problem.closed"
    _enter(connection, event, made, actor, {"answer" if is_answer else "reason": settlement.words})
    if is_answer:
        queue_notice(connection, NoticePurpose.PROBLEM_ANSWERED, made.claim_id, made.id)
    return made


def _lock_claim(connection: Connection, claim_id: str) -> None:
    """Entries in a claim's stream are written one after the other."""
    connection.execute(select(ClaimRow.id).where(ClaimRow.id == claim_id).with_for_update())


def _enter(connection: Connection, event: str, made: ProblemReport, actor: Actor, private: Mapping[str, Any]) -> None:
    is_new = made.state is ReportState.OPEN
    subject = connection.execute(select(ClaimRow.learner_id).where(ClaimRow.id == made.claim_id)).scalar_one()
    enter(
        connection,
        claim_stream(made.claim_id),
        event,
        actor,
        step_key=f"{made.id}:{made.state}",
        at=made.settled_at or made.reported_at,
        before={"report_state": None if is_new else ReportState.OPEN},
        after={"report": made.id, "report_state": made.state},
        private=private,
        subject=subject,
    )


async def reports_of_claim(connection: AsyncConnection, claim_id: str) -> Sequence[ProblemReport]:
    """The reports about one claim, the newest first."""
    rows = await connection.execute(
        select(*_COLUMNS)
        .where(ProblemReportRow.claim_id == claim_id)
        .order_by(ProblemReportRow.reported_at.desc(), ProblemReportRow.id)
        .limit(100)
    )
    return [_report(row) for row in rows.mappings()]


# The oldest come first, because they have waited longest.
_FOR_STAFF: Final = text(
    """
    SELECT r.*, c.learner_id, c.version_id, c.stage, l.given_name, l.family_name, m.email, a.slug AS ce_activity
      FROM problem_reports r
      JOIN claims c ON c.id = r.claim_id
      JOIN learners o ON o.id = c.learner_id
      JOIN learners l ON l.id = coalesce(o.merged_into, o.id)
      LEFT JOIN accounts m ON m.id = l.account_id
      JOIN ce_activities a ON a.id = c.ce_activity_id
     WHERE (CAST(:report_id AS text) IS NULL OR r.id = :report_id)
       AND (CAST(:state AS text) IS NULL OR r.state = :state)
       AND (CAST(:after AS text) IS NULL OR (r.reported_at, r.id) > (
              SELECT p.reported_at, p.id FROM problem_reports p WHERE p.id = :after))
     ORDER BY r.reported_at, r.id LIMIT :limit
    """
)


async def reports_for_staff(
    connection: AsyncConnection, state: ReportState | None, after: str | None, limit: int
) -> Sequence[ReportForStaff]:
    """Reports of all claims, the oldest first, optionally of one state."""
    return await _for_staff(connection, state=state, after=after, limit=limit)


async def report_for_staff(connection: AsyncConnection, report_id: str) -> ReportForStaff | None:
    """One report with whose it is; None when there is none."""
    found = await _for_staff(connection, report_id=report_id)
    return found[0] if found else None


async def _for_staff(
    connection: AsyncConnection,
    *,
    report_id: str | None = None,
    state: ReportState | None = None,
    after: str | None = None,
    limit: int = 1,
) -> Sequence[ReportForStaff]:
    values = {"report_id": report_id, "state": state, "after": after, "limit": limit}
    rows = await connection.execute(_FOR_STAFF, values)
    return [
        ReportForStaff(**{**row, "state": ReportState(row["state"]), "stage": Stage(row["stage"])})
        for row in rows.mappings()
    ]


def words_of(connection: Connection, report_id: str) -> RowMapping:
    """``message`` and ``answer`` of a report, for the e-mails about it; raises ``NoResultFound``."""
    query = select(ProblemReportRow.message, ProblemReportRow.answer).where(ProblemReportRow.id == report_id)
    return connection.execute(query).mappings().one()
