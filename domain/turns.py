"""Whose turn it is: which submissions a claim takes in which stage, and why it refuses the others for now.

Timeliness is ``received_at <= due_at`` (``docs/architecture.md``): what was received in time counts, whatever was down
when it was read, and what was received late does not, even if it is read first.
"""

from typing import Final

from domain import deadlines
from domain.claims import (
    CLOSED_STAGES,
    ClaimFacts,
    Stage,
    graded_at,
    is_overdue,
    stage_of,
)
from domain.policy import CEActivityPolicy, EvaluationTime
from domain.refusals import RefusalCode, Refused
from domain.submissions import STAFF_KINDS, Submission, SubmissionKind

# What belongs to claiming may be changed until the statement is final.
_CLAIMING: Final = frozenset({Stage.READY_TO_CLAIM, Stage.AWAITING_FINALIZATION})
_STAGES_OF_KIND: Final = {
    SubmissionKind.PARTICIPATION: frozenset({Stage.VERIFYING_PARTICIPATION}),
    SubmissionKind.DISCLOSURES: frozenset({Stage.AWAITING_DISCLOSURES}),
    SubmissionKind.ATTEMPT: frozenset({Stage.AWAITING_TEST}),
    SubmissionKind.ANSWERS: frozenset({Stage.AWAITING_TEST}),
    SubmissionKind.EVALUATION: frozenset({Stage.AWAITING_EVALUATION}),
    SubmissionKind.SESSION: _CLAIMING,
    SubmissionKind.CREDIT: _CLAIMING,
    SubmissionKind.FINALIZATION: frozenset({Stage.AWAITING_FINALIZATION}),
}
# Taken in whatever stage a learner's claim is, as long as it is open.
_ANY_TIME: Final = frozenset({SubmissionKind.STATEMENT, SubmissionKind.OPENING, SubmissionKind.WITHDRAWAL})
_CHANGES_STATEMENT: Final = frozenset(
    {SubmissionKind.STATEMENT, SubmissionKind.SESSION, SubmissionKind.CREDIT, SubmissionKind.FINALIZATION}
)
LEARNER_STEPS: Final = frozenset({*_STAGES_OF_KIND, SubmissionKind.STATEMENT, SubmissionKind.PROGRESS})


def refusal_by_turn(policy: CEActivityPolicy, facts: ClaimFacts, submission: Submission) -> Refused | None:
    """Why this submission may not be taken at the time it was received; None when it may."""
    stage, kind = stage_of(policy, facts, submission.received_at), submission.kind
    if kind in STAFF_KINDS or kind is SubmissionKind.EXTENSION_REQUEST:
        return None if _is_office_work_due(facts, kind, stage) else wrong_state(stage)
    if stage is Stage.EXPIRED or is_overdue(facts, stage, submission.received_at):
        return _deadline_passed(facts)
    if kind is SubmissionKind.PROGRESS:
        return None
    if not _has_step(policy, kind):
        return Refused(RefusalCode.STEP_NOT_REQUIRED, {"stage": stage})
    if kind in _ANY_TIME and not facts.is_awarded:
        return wrong_state(stage) if stage in CLOSED_STAGES else None
    if kind is SubmissionKind.OPENING and stage not in CLOSED_STAGES:
        return None
    if stage in _stages_for(policy, kind):
        return None
    return _refusal_out_of_turn(policy, facts, kind, stage)


def is_asked_at_claim(policy: CEActivityPolicy) -> bool:
    """Whether the evaluation is asked for when credit is claimed, not before."""
    return policy.evaluation is not None and policy.evaluation.asked is EvaluationTime.AT_CLAIM


def wrong_state(stage: Stage) -> Refused:
    """The claim is in a stage that this does not fit."""
    return Refused(RefusalCode.WRONG_STATE, {"stage": stage})


def _is_office_work_due(facts: ClaimFacts, kind: SubmissionKind, stage: Stage) -> bool:
    """Whether what staff do to a claim, or what a learner asks of staff, fits its stage."""
    is_open = stage not in CLOSED_STAGES
    return {
        SubmissionKind.EXTENSION_REQUEST: stage is Stage.EXPIRED or (is_open and not facts.is_awarded),
        SubmissionKind.EXTENSION_REFUSAL: facts.is_extension_requested,
        SubmissionKind.CORRECTION: facts.is_awarded and stage is Stage.COMPLETED,
    }.get(kind, is_open)


def _has_step(policy: CEActivityPolicy, kind: SubmissionKind) -> bool:
    return {
        SubmissionKind.PARTICIPATION: policy.participation is not None,
        SubmissionKind.STATEMENT: policy.has_statement,
        SubmissionKind.DISCLOSURES: policy.disclosures is not None,
        SubmissionKind.ATTEMPT: policy.post_test is not None,
        SubmissionKind.ANSWERS: policy.post_test is not None,
        SubmissionKind.EVALUATION: policy.evaluation is not None,
        SubmissionKind.SESSION: bool(policy.sessions),
        SubmissionKind.FINALIZATION: policy.finalization is not None,
    }.get(kind, True)


def _stages_for(policy: CEActivityPolicy, kind: SubmissionKind) -> frozenset[Stage]:
    stages = _STAGES_OF_KIND.get(kind, frozenset())
    is_at_claim = kind is SubmissionKind.EVALUATION and is_asked_at_claim(policy)
    return frozenset({Stage.READY_TO_CLAIM}) if is_at_claim else stages


def _refusal_out_of_turn(policy: CEActivityPolicy, facts: ClaimFacts, kind: SubmissionKind, stage: Stage) -> Refused:
    if facts.is_final and kind in _CHANGES_STATEMENT:
        return Refused(RefusalCode.FINALIZED, {"stage": stage})
    if kind is SubmissionKind.CREDIT and facts.credit is not None:
        return Refused(RefusalCode.ALREADY_CLAIMED, {"stage": stage})
    if stage is Stage.DENIED:
        return Refused(RefusalCode.ATTEMPTS_EXHAUSTED, {"stage": stage})
    if stage in CLOSED_STAGES:
        return wrong_state(stage)
    if _is_done(kind, facts):
        return Refused(RefusalCode.ALREADY_DONE, {"stage": stage})
    if stage is Stage.AWAITING_WINDOW:
        opening = deadlines.opens_at(policy.claim_window, policy.time_zone)
        return Refused(
            RefusalCode.WINDOW_NOT_OPEN, {"stage": stage, "opens_at": opening.isoformat() if opening else ""}
        )
    if kind is SubmissionKind.FINALIZATION and stage is Stage.READY_TO_CLAIM:
        return Refused(RefusalCode.CREDIT_MISSING, {"stage": stage})
    result_at = graded_at(policy, facts)
    details = {"stage": str(stage)} | ({"unlocks_at": result_at.isoformat()} if result_at else {})
    return Refused(RefusalCode.STEP_LOCKED, details)


def _is_done(kind: SubmissionKind, facts: ClaimFacts) -> bool:
    has_passed = any(attempt.has_passed for attempt in facts.attempts)
    return {
        SubmissionKind.PARTICIPATION: facts.participation is not None,
        SubmissionKind.DISCLOSURES: facts.disclosures_version is not None,
        SubmissionKind.ATTEMPT: has_passed,
        SubmissionKind.ANSWERS: has_passed,
        SubmissionKind.EVALUATION: facts.is_evaluated,
        SubmissionKind.WITHDRAWAL: False,
    }.get(kind, False)


def _deadline_passed(facts: ClaimFacts) -> Refused:
    return Refused(RefusalCode.DEADLINE_PASSED, {"due_at": facts.due_at.isoformat()} if facts.due_at else {})
