"""Why the office acts on a claim: one list of codes for each action, for reports and for what the learner is told.

The code goes with the claim wherever it is shown, into Temporal too; what staff write beside it stays in the office.
"""

from enum import StrEnum


class HoldReason(StrEnum):
    """Why a claim is put on hold."""

    PARTICIPATION_CHECK = "participation_check"
    IDENTITY_CHECK = "identity_check"
    ELIGIBILITY_CHECK = "eligibility_check"
    DUPLICATE_CHECK = "duplicate_check"
    ACTIVITY_REVIEW = "activity_review"
    OTHER = "other"


class ReleaseReason(StrEnum):
    """Why a hold ends."""

    CHECKED = "checked"
    CORRECTED = "corrected"
    HELD_IN_ERROR = "held_in_error"
    OTHER = "other"


class ExtensionReason(StrEnum):
    """Why a claim gets more time. What may say something of somebody's health is no code."""

    LEARNER_ASKED = "learner_asked"
    TECHNICAL_FAULT = "technical_fault"
    ACCOMMODATION = "accommodation"
    VERIFIED_LATE = "verified_late"
    OTHER = "other"


class ExtensionRefusalReason(StrEnum):
    """Why a learner who asked gets no more time."""

    PERIOD_OVER = "period_over"
    NOT_JUSTIFIED = "not_justified"
    OTHER = "other"


class RetryReason(StrEnum):
    """What was done so that a step that had stopped can be tried again."""

    REPAIRED = "repaired"
    ADDRESS_CORRECTED = "address_corrected"
    OTHER = "other"


class WaiverReason(StrEnum):
    """Why a requirement is waived."""

    DONE_OTHERWISE = "done_otherwise"
    TECHNICAL_FAULT = "technical_fault"
    ACCOMMODATION = "accommodation"
    ACTIVITY_CHANGED = "activity_changed"
    OTHER = "other"


class ResolutionReason(StrEnum):
    """How what Laurel could not do was done without it."""

    HANDED_OVER = "handed_over"
    TOLD_OTHERWISE = "told_otherwise"
    OTHER = "other"


class CorrectionResolutionReason(StrEnum):
    """Why a correction that is parked ends as it is: told or handed over otherwise, corrected once more, not wanted."""

    HANDED_OVER = "handed_over"
    TOLD_OTHERWISE = "told_otherwise"
    CORRECTED_AGAIN = "corrected_again"
    NOT_WANTED = "not_wanted"
    OTHER = "other"


class DenialReason(StrEnum):
    """Why a claim is denied."""

    PARTICIPATION_NOT_VERIFIED = "participation_not_verified"
    NOT_ELIGIBLE = "not_eligible"
    DUPLICATE = "duplicate"
    MISCONDUCT = "misconduct"
    OTHER = "other"


class ReopeningReason(StrEnum):
    """Why a claim that ended without an award goes on."""

    ENDED_IN_ERROR = "ended_in_error"
    APPEAL_GRANTED = "appeal_granted"
    LEARNER_ASKED = "learner_asked"
    TECHNICAL_FAULT = "technical_fault"
    OTHER = "other"


class WithdrawalReason(StrEnum):
    """Why the office withdraws a claim for its learner."""

    LEARNER_ASKED = "learner_asked"
    DUPLICATE = "duplicate"
    OPENED_IN_ERROR = "opened_in_error"
    OTHER = "other"


class PauseReason(StrEnum):
    """Why the office pauses issuance."""

    CREDIT_IN_DOUBT = "credit_in_doubt"
    CERTIFICATE_IN_DOUBT = "certificate_in_doubt"
    KEY_COMPROMISED = "key_compromised"
    ACCREDITATION_IN_DOUBT = "accreditation_in_doubt"
    TECHNICAL_FAULT = "technical_fault"
    OTHER = "other"


class ResumptionReason(StrEnum):
    """Why issuance goes on."""

    CHECKED = "checked"
    CORRECTED = "corrected"
    PAUSED_IN_ERROR = "paused_in_error"
    OTHER = "other"


ReasonCode = (
    HoldReason
    | ReleaseReason
    | ExtensionReason
    | ExtensionRefusalReason
    | RetryReason
    | WaiverReason
    | ResolutionReason
    | DenialReason
    | ReopeningReason
    | WithdrawalReason
)
