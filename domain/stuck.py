"""Why a claim does not go on by itself, and what is suggested to the office for each of these reasons.

The first reasons are attention codes: the claim waits for a person. So does one whose learner gave an id that the
roster has for somebody else. The others are Laurel's own lateness: the record says what should have happened by now,
and it has not.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from domain.claims import Attention
from domain.office import OperatorAction


class StuckReason(StrEnum):
    """Why a claim is stuck; its attention code where it has one."""

    CERTIFICATE_FAILED = Attention.CERTIFICATE_FAILED
    EMAIL_FAILED = Attention.EMAIL_FAILED
    ON_HOLD = Attention.ON_HOLD
    ENTRY_OF_ANOTHER = "entry_of_another"
    SUBMISSION_UNDECIDED = "submission_undecided"
    GRADING_OVERDUE = "grading_overdue"
    OPENING_OVERDUE = "opening_overdue"
    CLOSING_OVERDUE = "closing_overdue"
    AWARDING_OVERDUE = "awarding_overdue"
    NOTICE_FAILED = "notice_failed"


LATE_AFTER: Final[Mapping[StuckReason, timedelta]] = {
    StuckReason.SUBMISSION_UNDECIDED: timedelta(minutes=2),
    StuckReason.GRADING_OVERDUE: timedelta(minutes=2),
    StuckReason.OPENING_OVERDUE: timedelta(minutes=2),
    StuckReason.CLOSING_OVERDUE: timedelta(minutes=15),
    StuckReason.AWARDING_OVERDUE: timedelta(minutes=5),
}
"""How long after its time something counts as stuck; what heals by itself within that is nobody's concern."""

SUGGESTED: Final[Mapping[StuckReason, OperatorAction | None]] = {
    StuckReason.CERTIFICATE_FAILED: OperatorAction.RETRY,
    StuckReason.EMAIL_FAILED: OperatorAction.RETRY,
    StuckReason.ON_HOLD: OperatorAction.RELEASE,
    StuckReason.ENTRY_OF_ANOTHER: OperatorAction.WAIVE,
    StuckReason.SUBMISSION_UNDECIDED: None,
    StuckReason.GRADING_OVERDUE: None,
    StuckReason.OPENING_OVERDUE: None,
    StuckReason.CLOSING_OVERDUE: None,
    StuckReason.AWARDING_OVERDUE: None,
    StuckReason.NOTICE_FAILED: None,
}
"""The action that frees such claims; None where no decision is missing, but a worker or a mail server."""
