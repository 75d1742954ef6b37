"""The office's part in a claim's life, said as simply as ``reference.py`` says the learner's."""

from datetime import datetime
from typing import TYPE_CHECKING

from domain.policy import Content, Evaluation, Participation, PostTest, Requirement
from domain.submissions import (
    ClaimDenied,
    ClaimHeld,
    ClaimReleased,
    ClaimReopened,
    ClaimWithdrawn,
    DeadlineExtended,
    ExtensionRefused,
    ExtensionRequested,
    Opening,
    RequirementWaived,
    SubmissionBody,
    Withdrawal,
)

if TYPE_CHECKING:
    from tests.model.reference import ReferenceClaim

WAITS = {"verifying_participation", "awaiting_statement", "awaiting_disclosures", "awaiting_content", "awaiting_test"}
WAITS |= {"awaiting_evaluation", "awaiting_window", "ready_to_claim", "awaiting_finalization"}
UNDERWAY = WAITS | {"grading"}
ENDED = {"completed", "expired", "denied", "withdrawn"}
OF_STAFF = (ClaimHeld, ClaimReleased, RequirementWaived, ClaimDenied, ClaimReopened, ClaimWithdrawn)
AT_ONCE = (*OF_STAFF, Opening, ExtensionRequested, ExtensionRefused, DeadlineExtended)
"""What a claim on hold decides when it comes; everything else waits for the release."""


def turn(claim: "ReferenceClaim", body: SubmissionBody, stage: str) -> set[str]:
    """Why an act of the office, or what is asked of it, does not fit the stage."""
    match body:
        case ExtensionRequested():
            return set() if claim.due and stage in UNDERWAY | {"expired"} else {"wrong_state"}
        case DeadlineExtended():
            return set() if stage in UNDERWAY | {"expired"} else {"wrong_state"}
        case ExtensionRefused():
            return set() if claim.is_time_asked else {"wrong_state"}
        case ClaimReleased():
            return set() if claim.is_held else {"wrong_state"}
        case ClaimReopened():
            return set() if stage in ENDED and not claim.awards else {"wrong_state"}
        case ClaimHeld() if claim.is_held:
            return {"on_hold"}
    if stage == "expired":
        return {"deadline_passed"}
    return set() if stage in UNDERWAY else {"wrong_state"}


def wrong_waiver(claim: "ReferenceClaim", kind: str, at: datetime) -> set[str]:
    """Why a requirement can't be waived: nobody asks for it, it is met, or credit is not given without it."""
    if kind in ("statement", "finalization", "credit", "sessions"):
        return {"not_waivable"}
    asked = [each for each in claim.policy.requirements if claim.is_open() or claim.applies(each)]
    asked = [each for each in asked if each.kind == kind]
    if not asked:
        return {"step_not_required"}
    if all(_is_met(claim, each, at) for each in asked):
        return {"already_done"}
    is_graded = kind == "post_test" and claim.stage_of_test(at) == "grading"
    is_needed = any(_is_needed(claim, each) for each in asked)
    return ({"step_locked"} if is_graded else set()) | ({"not_waivable"} if is_needed else set())


def _is_met(claim: "ReferenceClaim", requirement: Requirement, at: datetime) -> bool:
    if requirement.kind in claim.waived:
        return True
    match requirement:
        case Evaluation(asked="per_session"):
            return bool(claim.sessions) and claim.sessions.keys() <= claim.evaluated_sessions
        case Evaluation():
            return claim.is_evaluated
    return claim.stage_of_missing(requirement, at) is None


def _is_needed(claim: "ReferenceClaim", requirement: Requirement) -> bool:
    options = claim.policy.participation.options if claim.policy.participation else ()
    formats = {option.format or claim.policy.format for option in options} or {claim.policy.format}
    match requirement:
        case Participation():
            return len(formats) > 1
        case Content():
            return requirement.allows_partial
        case PostTest():
            possible = formats if claim.is_open() else {claim.learning_format()}
            is_ama = any(offer.credit_type == "ama_pra_category_1" for offer in claim.offers())
            return is_ama and bool(possible & {"enduring_material", "journal_based"})
    return False


def wrong_reopening(claim: "ReferenceClaim", body: ClaimReopened, at: datetime) -> set[str]:
    if body.due_on is not None:
        return claim.wrong_extension(body.due_on, at)
    return {"deadline_passed"} if claim.due is not None and at > claim.due else set()


def act(claim: "ReferenceClaim", body: SubmissionBody, at: datetime) -> None:
    """What an act of the office, or an end by the learner, changes."""
    match body:
        case ClaimHeld():
            claim.is_held = True
        case ClaimReleased():
            claim.is_held = False
        case RequirementWaived(requirement=kind):
            claim.waived = claim.waived | {kind}
        case ClaimDenied() | ClaimWithdrawn() | Withdrawal():
            claim.end("denied" if isinstance(body, ClaimDenied) else "withdrawn")
        case ExtensionRequested() | ExtensionRefused():
            claim.is_time_asked = isinstance(body, ExtensionRequested)
        case DeadlineExtended():
            claim.move_deadline(body.due_on)
        case ClaimReopened():
            if claim.ended == "withdrawn" and claim.way in ("badge_id", "roster"):
                claim.way = None
            claim.ended = None
            claim.attempts_added += claim.is_exhausted(at)
            if body.due_on is not None:
                claim.move_deadline(body.due_on)
