"""The two answers to a submission, and every reason for the second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from domain.assessments import Problem
from domain.claims import ClaimFacts


class RefusalCode(StrEnum):
    """Why a submission was refused; part of the API and of the audit trail."""

    STEP_LOCKED = "step_locked"
    STEP_NOT_REQUIRED = "step_not_required"
    ALREADY_DONE = "already_done"
    ALREADY_CLAIMED = "already_claimed"
    DEADLINE_PASSED = "deadline_passed"
    WINDOW_NOT_OPEN = "window_not_open"
    WRONG_STATE = "wrong_state"
    METHOD_NOT_OFFERED = "method_not_offered"
    OPTION_UNKNOWN = "option_unknown"
    IDENTIFIER_NOT_FOUND = "identifier_not_found"
    IDENTIFIER_TAKEN = "identifier_taken"
    TOO_MANY_TRIES = "too_many_tries"
    DISCLOSURES_OUTDATED = "disclosures_outdated"
    SESSION_UNKNOWN = "session_unknown"
    SESSION_NOT_OVER = "session_not_over"
    SESSIONS_OVERLAP = "sessions_overlap"
    SESSIONS_MISSING = "sessions_missing"
    EVALUATIONS_MISSING = "evaluations_missing"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    ATTEMPT_CLOSED = "attempt_closed"
    ANSWERS_INCOMPLETE = "answers_incomplete"
    PROFILE_INCOMPLETE = "profile_incomplete"
    NOT_ELIGIBLE = "not_eligible"
    CREDIT_INCREMENT = "credit_increment"
    CREDIT_MAXIMUM = "credit_maximum"
    CREDIT_MINIMUM = "credit_minimum"
    CREDIT_WHOLE_ONLY = "credit_whole_only"
    CREDIT_MISSING = "credit_missing"
    CREDIT_TOTAL_DIFFERS = "credit_total_differs"
    FINALIZED = "finalized"
    CONFIRMATION_REQUIRED = "confirmation_required"
    ATTESTATION_REQUIRED = "attestation_required"
    ATTESTATION_OUTDATED = "attestation_outdated"
    DEADLINE_NOT_LATER = "deadline_not_later"
    DEADLINE_TOO_LATE = "deadline_too_late"
    FORM_INCOMPLETE = "form_incomplete"
    NOT_WAIVABLE = "not_waivable"
    NOT_RESOLVABLE = "not_resolvable"
    ON_HOLD = "on_hold"
    NO_ACTIVE_AWARD = "no_active_award"
    NOTHING_TO_CORRECT = "nothing_to_correct"
    NAME_NOT_PRINTABLE = "name_not_printable"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The submission counts; ``facts`` are the claim's facts with it.

    ``roster_entry`` is the entry of a person that the submission used up as proof of participation.
    """

    facts: ClaimFacts
    roster_entry: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The submission does not count. ``details`` are codes, numbers and times that explain it, never personal data.

    ``roster_entry`` is the entry of somebody else that was named as proof; only the office may know of it.
    """

    code: RefusalCode
    details: Mapping[str, str] = field(default_factory=dict)
    roster_entry: str | None = None


Decision = Accepted | Refused


def incomplete(problems: Sequence[Problem]) -> Refused:
    """The refusal of a form with these problems.

    Questions that the policy does not know have no code here, so that nothing a learner typed is repeated.
    """
    details = {
        "questions": ",".join(dict.fromkeys(problem.question for problem in problems if problem.question)),
        "reasons": ",".join(dict.fromkeys(problem.reason for problem in problems)),
    }
    return Refused(RefusalCode.ANSWERS_INCOMPLETE, details)
