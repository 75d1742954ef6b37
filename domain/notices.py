"""Notices by e-mail: when a learner is reminded of a deadline, and which notices are still wanted when they are sent.

A notice is queued with the ledger write that causes it and sent later by the outbox. What is true then decides: nobody
is reminded of a step that is done.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from domain.claims import CLOSED_STAGES, STAGES_WITH_DEADLINE, Stage
from domain.deadlines import jitter_of, local_date, time_of_day
from domain.submissions import SubmissionKind

_TIME_OF_REMINDERS: Final = time(9)
# Reminders of one deadline are spread over this long.
_MOST_JITTER: Final = timedelta(minutes=30)

# The learner can move these claims on.
_STAGES_OF_LEARNER: Final = STAGES_WITH_DEADLINE - {Stage.AWAITING_WINDOW}
# An extension still matters to these claims.
_STAGES_BEFORE_CREDIT: Final = STAGES_WITH_DEADLINE | {Stage.GRADING}


class NoticePurpose(StrEnum):
    """What an e-mail is for; each purpose and occasion is written about once."""

    SIGN_IN_LINK = "sign_in_link"
    AWARD = "award"
    DEADLINE_REMINDER = "deadline_reminder"
    WINDOW_OPENED = "window_opened"
    CLAIM_EXPIRED = "claim_expired"
    DEADLINE_EXTENDED = "deadline_extended"
    EXTENSION_REFUSED = "extension_refused"
    CLAIM_HELD = "claim_held"
    CLAIM_RELEASED = "claim_released"
    CLAIM_DENIED = "claim_denied"
    CLAIM_REOPENED = "claim_reopened"
    CERTIFICATE_LINK = "certificate_link"
    AWARD_REVOKED = "award_revoked"
    PROBLEM_REPORTED = "problem_reported"
    PROBLEM_ANSWERED = "problem_answered"
    AUDIT_CHECKPOINT = "audit_checkpoint"


NOTICE_OF: Final[Mapping[SubmissionKind, NoticePurpose]] = {
    SubmissionKind.EXTENSION: NoticePurpose.DEADLINE_EXTENDED,
    SubmissionKind.EXTENSION_REFUSAL: NoticePurpose.EXTENSION_REFUSED,
    SubmissionKind.HOLD: NoticePurpose.CLAIM_HELD,
    SubmissionKind.RELEASE: NoticePurpose.CLAIM_RELEASED,
    SubmissionKind.DENIAL: NoticePurpose.CLAIM_DENIED,
    SubmissionKind.REOPENING: NoticePurpose.CLAIM_REOPENED,
}
"""What the office does to a claim that its learner is told by e-mail."""

OFFICE_ACTS: Final = frozenset(
    {
        NoticePurpose.CLAIM_HELD,
        NoticePurpose.CLAIM_RELEASED,
        NoticePurpose.CLAIM_DENIED,
        NoticePurpose.CLAIM_REOPENED,
    }
)
"""Notices that tell the kind of the office's reason; their occasion is the submission that has it."""


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder of one deadline: how many local days before it, and when exactly."""

    days: int
    at: datetime
    due_at: datetime

    @property
    def occasion(self) -> str:
        """Names this reminder among all of a claim: another deadline is another occasion."""
        return f"{_deadline_of(self.due_at)}/{self.days}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What decides whether a notice is still wanted, as the record has it when the notice is about to be sent."""

    stage: Stage
    due_at: datetime | None
    wants_reminders: bool
    is_awarded: bool
    is_held: bool


def reminders(due_at: datetime, reminder_days: Iterable[int], time_zone: str, claim_id: str) -> tuple[Reminder, ...]:
    """Every reminder of a deadline, the earliest first.

    They go out at 9 in the morning in the CE activity's zone (R-TZ), within half an hour that depends on the claim id.
    """
    planned = (Reminder(days, reminder_at(due_at, days, time_zone, claim_id), due_at) for days in set(reminder_days))
    return tuple(sorted((each for each in planned if each.at < due_at), key=lambda each: each.at))


def reminder_at(due_at: datetime, days: int, time_zone: str, claim_id: str) -> datetime:
    """When a claim's reminder goes out, this many local days before the deadline's local day; in UTC."""
    on = local_date(due_at, time_zone) - timedelta(days=days)
    return time_of_day(on, _TIME_OF_REMINDERS, time_zone) + jitter_of(claim_id, _MOST_JITTER)


def next_reminder(planned: Iterable[Reminder], after: datetime) -> Reminder | None:
    """The first reminder strictly later than ``after``; those before it are skipped."""
    return next((each for each in planned if each.at > after), None)


def due_reminder(planned: Iterable[Reminder], after: datetime, at: datetime) -> Reminder | None:
    """The reminder to send at ``at``: the newest one later than ``after``, so that an outage ends with one only."""
    passed = [each for each in planned if after < each.at <= at]
    return passed[-1] if passed else None


def is_still_wanted(purpose: NoticePurpose, occasion: str, now: Circumstances, at: datetime) -> bool:
    """Whether a notice that was queued for an occasion should still be sent.

    Only reminders can be switched off: the other notices say what became of the claim, or were asked for.
    """
    is_in_time = now.due_at is None or at <= now.due_at
    match purpose:
        case NoticePurpose.DEADLINE_REMINDER:
            is_current = now.due_at is not None and occasion.startswith(f"{_deadline_of(now.due_at)}/")
            return now.wants_reminders and is_current and is_in_time and now.stage in _STAGES_OF_LEARNER
        case NoticePurpose.WINDOW_OPENED:
            return is_in_time and now.stage is Stage.READY_TO_CLAIM
        case NoticePurpose.CLAIM_EXPIRED:
            return now.stage is Stage.EXPIRED
        case NoticePurpose.DEADLINE_EXTENDED:
            return is_in_time and now.stage in _STAGES_BEFORE_CREDIT
        case NoticePurpose.EXTENSION_REFUSED:
            return now.stage is Stage.EXPIRED or now.stage in _STAGES_BEFORE_CREDIT
        case NoticePurpose.CERTIFICATE_LINK:
            return now.is_awarded
        case _:
            return purpose not in OFFICE_ACTS or _is_so_still(purpose, now)


def _is_so_still(purpose: NoticePurpose, now: Circumstances) -> bool:
    """Whether what the office did to a claim is how it stands."""
    match purpose:
        case NoticePurpose.CLAIM_HELD:
            return now.is_held
        case NoticePurpose.CLAIM_DENIED:
            return now.stage is Stage.DENIED
        case _:
            return not now.is_held and now.stage not in CLOSED_STAGES


class Resending(StrEnum):
    """How staff have an e-mail sent once more: the one that was given up, or a link to what it announced."""

    AGAIN = "again"
    CERTIFICATE_LINK = "certificate_link"


def resending_of(purpose: NoticePurpose, state: str) -> Resending | None:
    """How an e-mail about a claim can be sent once more; None when it can't, or its claim is still at it.

    An award's e-mail is sent by its claim, which is parked when that fails: trying again is an action on the claim.
    """
    if purpose is NoticePurpose.AWARD:
        return Resending.CERTIFICATE_LINK if state in ("sent", "dropped") else None
    return Resending.AGAIN if state == "failed" else None


def _deadline_of(due_at: datetime) -> str:
    return f"{due_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
