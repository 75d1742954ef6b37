"""Why a claim does not go on by itself, and what is suggested to the office for each of these reasons.

The first reasons are attention codes: the claim waits for a person. So does one with a correction that is parked, and
one whose learner gave an id that the roster has for somebody else. Then there is what others sent and Laurel could not
take. The rest is Laurel's own lateness: the record says what should have happened by now, and it has not; for that
there may be a cause, which Temporal knows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.claims import Attention
from domain.office import OperatorAction


class StuckReason(StrEnum):
    """Why a claim is stuck; its attention code where it has one."""

    CERTIFICATE_FAILED = Attention.CERTIFICATE_FAILED
    EMAIL_FAILED = Attention.EMAIL_FAILED
    ON_HOLD = Attention.ON_HOLD
    ISSUANCE_PAUSED = Attention.ISSUANCE_PAUSED
    CORRECTION_CERTIFICATE_FAILED = "correction_certificate_failed"
    CORRECTION_EMAIL_FAILED = "correction_email_failed"
    ENTRY_OF_ANOTHER = "entry_of_another"
    PARTICIPATION_REFUSED = "participation_refused"
    EVENT_QUARANTINED = "event_quarantined"
    WORKFLOW_FAILING = "workflow_failing"
    SUBMISSION_UNDECIDED = "submission_undecided"
    GRADING_OVERDUE = "grading_overdue"
    OPENING_OVERDUE = "opening_overdue"
    CLOSING_OVERDUE = "closing_overdue"
    CERTIFICATE_OVERDUE = "certificate_overdue"
    EMAIL_OVERDUE = "email_overdue"
    NOTICE_FAILED = "notice_failed"


PARKED_CORRECTIONS: Final = frozenset({StuckReason.CORRECTION_CERTIFICATE_FAILED, StuckReason.CORRECTION_EMAIL_FAILED})
"""The reasons that are about a claim's correction, which is retried by its own id."""

TRIES_ITSELF: Final = frozenset({StuckReason.CERTIFICATE_FAILED, StuckReason.EMAIL_FAILED}) | PARKED_CORRECTIONS
"""The reasons for which what is parked tries itself again, every ``SELF_RETRY``."""

LATE_AFTER: Final[Mapping[StuckReason, timedelta]] = {
    StuckReason.PARTICIPATION_REFUSED: timedelta(minutes=15),
    StuckReason.SUBMISSION_UNDECIDED: timedelta(minutes=2),
    StuckReason.GRADING_OVERDUE: timedelta(minutes=2),
    StuckReason.OPENING_OVERDUE: timedelta(minutes=2),
    StuckReason.CLOSING_OVERDUE: timedelta(minutes=45),
    StuckReason.CERTIFICATE_OVERDUE: timedelta(minutes=5),
    StuckReason.EMAIL_OVERDUE: timedelta(minutes=5),
}
"""How long after its time something counts as stuck; what heals by itself within that is nobody's concern."""

SUGGESTED: Final[Mapping[StuckReason, OperatorAction | None]] = {
    **dict.fromkeys(StuckReason),
    StuckReason.CERTIFICATE_FAILED: OperatorAction.RETRY,
    StuckReason.EMAIL_FAILED: OperatorAction.RETRY,
    StuckReason.ON_HOLD: OperatorAction.RELEASE,
    StuckReason.ENTRY_OF_ANOTHER: OperatorAction.WAIVE,
}
"""The action that frees such claims; None where no decision about a claim is missing, but a roster, a worker,
a mail server, or the end of a pause; and where what is retried is a correction."""

SELF_RETRY: Final = timedelta(hours=6)
"""A parked step tries itself again after this long, in case nobody looked and the cause is gone."""


class StuckCause(StrEnum):
    """Why Laurel is late with claims, where Temporal can tell."""

    TEMPORAL_AWAY = "temporal_away"
    SEARCH_ATTRIBUTES_MISSING = "search_attributes_missing"
    CLAIMS_WORKER_MISSING = "claims_worker_missing"
    DOCUMENTS_WORKER_MISSING = "documents_worker_missing"
    DATABASE_AWAY = "database_away"
    DEFECT = "defect"


LATENESS: Final = frozenset(LATE_AFTER) - {StuckReason.PARTICIPATION_REFUSED}
"""The reasons that are Laurel's own lateness."""

# What a driver raises that finds no database behind its connection.
_DATABASE_ERRORS: Final = frozenset({"OperationalError", "InterfaceError"})
DEFECT_ERRORS: Final = frozenset(
    {
        "AssertionError",
        "AttributeError",
        "IndexError",
        "KeyError",
        "NameError",
        "RuntimeError",
        "TypeError",
        "UnboundLocalError",
        "ValueError",
        "ZeroDivisionError",
        "DataError",
        "IntegrityError",
        "ProgrammingError",
    }
)
"""What a mistake in a program raises, and no dependency that fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What Temporal says of itself: which search attributes are not registered, and which roles of worker are there.

    ``failing`` are the claims whose workflow fails in Laurel's own code, as far as they were listed.
    """

    missing_attributes: tuple[str, ...] = ()
    has_claims_worker: bool = True
    has_documents_worker: bool = True
    failing: tuple[str, ...] = ()


WORKFLOW_TASK: Final = "workflow_task"
"""The step of a claim whose workflow itself fails, where others are called as their activity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingStep:
    """What a claim's workflow tries at present: an activity, or its own task, and how often that was tried.

    ``error`` is the type of the last failure, never its message; a step that nobody took yet has none.
    """

    step: str
    tries: int
    next_try_at: datetime | None = None
    error: str | None = None


def cause_of(reason: StuckReason, engine: Engine | None, errors: Collection[str]) -> StuckCause | None:
    """Why Laurel is late for this reason, the most general cause first; None when nothing but time tells.

    ``engine`` is None when Temporal does not answer; ``errors`` are the types of what pending steps of such claims
    failed with.
    """
    if reason not in LATENESS:
        return None
    if engine is None:
        return StuckCause.TEMPORAL_AWAY
    if engine.missing_attributes:
        return StuckCause.SEARCH_ATTRIBUTES_MISSING
    if not engine.has_claims_worker:
        return StuckCause.CLAIMS_WORKER_MISSING
    if reason is StuckReason.CERTIFICATE_OVERDUE and not engine.has_documents_worker:
        return StuckCause.DOCUMENTS_WORKER_MISSING
    if not _DATABASE_ERRORS.isdisjoint(errors):
        return StuckCause.DATABASE_AWAY
    return None if DEFECT_ERRORS.isdisjoint(errors) else StuckCause.DEFECT
