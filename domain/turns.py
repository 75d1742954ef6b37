"""Whose turn it is: which submissions a claim takes in which stage, and why it refuses the others for now.

Timeliness is ``received_at <= due_at`` (``docs/architecture.md``): what was received in time counts, whatever was down
when it was read, and what was received late does not, even if it is read first.
"""

from collections.abc import Mapping
from typing import Final

from domain import deadlines
from domain.claims import (
    CLOSED_STAGES,
    STAGES_OF_ISSUING,
    STAGES_UNDERWAY,
    ClaimFacts,
    Stage,
    graded_at,
    is_exhausted,
    is_overdue,
    is_way_known,
    requirements_of,
    stage_of,
)
from domain.policy import (
    CEActivityPolicy,
    Content,
    Disclosures,
    Evaluation,
    EvaluationTime,
    Finalization,
    Participation,
    PostTest,
    Statement,
)
from domain.refusals import RefusalCode, Refused
from domain.submissions import STAFF_KINDS, Submission, SubmissionKind

_OPEN: Final = frozenset(Stage) - CLOSED_STAGES
# What belongs to claiming may be changed until the statement is final.
_CLAIMING: Final = frozenset({Stage.READY_TO_CLAIM, Stage.AWAITING_FINALIZATION})
_STAGES_OF_KIND: Final = {
    SubmissionKind.OPENING: _OPEN,
    SubmissionKind.PARTICIPATION: frozenset({Stage.VERIFYING_PARTICIPATION}),
    SubmissionKind.STATEMENT: STAGES_UNDERWAY,
    SubmissionKind.DISCLOSURES: frozenset({Stage.AWAITING_DISCLOSURES}),
    SubmissionKind.PROGRESS: _OPEN,
    SubmissionKind.ATTEMPT: frozenset({Stage.AWAITING_TEST}),
    SubmissionKind.ANSWERS: frozenset({Stage.AWAITING_TEST}),
    # Before credit opens, or when it is claimed, as the policy asks for it.
    SubmissionKind.EVALUATION: frozenset({Stage.AWAITING_EVALUATION, Stage.READY_TO_CLAIM}),
    SubmissionKind.SESSION: _CLAIMING,
    SubmissionKind.CREDIT: _CLAIMING,
    SubmissionKind.FINALIZATION: frozenset({Stage.AWAITING_FINALIZATION}),
    SubmissionKind.WITHDRAWAL: STAGES_UNDERWAY | {Stage.AWARDING},
}
_REQUIREMENTS: Final = {
    SubmissionKind.PARTICIPATION: Participation,
    SubmissionKind.STATEMENT: Statement,
    SubmissionKind.DISCLOSURES: Disclosures,
    SubmissionKind.PROGRESS: Content,
    SubmissionKind.ATTEMPT: PostTest,
    SubmissionKind.ANSWERS: PostTest,
    SubmissionKind.FINALIZATION: Finalization,
}
# Most steps are called as the requirement that they fulfil.
_REQUIREMENT_KINDS: Final[Mapping[SubmissionKind, str]] = {
    SubmissionKind.ATTEMPT: "post_test",
    SubmissionKind.ANSWERS: "post_test",
}
_CHANGES_CREDIT: Final = frozenset({SubmissionKind.STATEMENT, SubmissionKind.SESSION, SubmissionKind.CREDIT})
LEARNER_STEPS: Final = frozenset(_STAGES_OF_KIND) - {SubmissionKind.OPENING, SubmissionKind.WITHDRAWAL}
KEPT_STEPS: Final = LEARNER_STEPS | {SubmissionKind.WITHDRAWAL}
# What is no longer possible once the deadline has passed.
ENDS_WITH_DEADLINE: Final = KEPT_STEPS | {
    SubmissionKind.HOLD,
    SubmissionKind.WAIVER,
    SubmissionKind.DENIAL,
    SubmissionKind.STAFF_WITHDRAWAL,
}


def refusal_by_turn(policy: CEActivityPolicy, facts: ClaimFacts, submission: Submission) -> Refused | None:
    """Why this submission may not be taken at the time it was received; None when it may."""
    stage, kind = stage_of(policy, facts, submission.received_at), submission.kind
    is_late = stage is Stage.EXPIRED or is_overdue(facts, stage, submission.received_at)
    if kind in STAFF_KINDS or kind is SubmissionKind.EXTENSION_REQUEST:
        return refusal_of_office_work(facts, kind, stage, is_late=is_late)
    if is_late:
        return deadline_passed(facts)
    if not _has_step(policy, facts, kind):
        return Refused(RefusalCode.STEP_NOT_REQUIRED, {"stage": stage})
    if stage in _STAGES_OF_KIND[kind] and not _is_done(kind, facts):
        return None
    return _refusal_out_of_turn(policy, facts, kind, stage)


def deadline_passed(facts: ClaimFacts) -> Refused:
    """The deadline had passed when it was received."""
    return Refused(RefusalCode.DEADLINE_PASSED, {"due_at": facts.due_at.isoformat()} if facts.due_at else {})


def wrong_state(stage: Stage) -> Refused:
    """The claim is in a stage that this does not fit."""
    return Refused(RefusalCode.WRONG_STATE, {"stage": stage})


def refusal_of_office_work(facts: ClaimFacts, kind: SubmissionKind, stage: Stage, *, is_late: bool) -> Refused | None:
    """Why what staff do to a claim, or what a learner asks of staff, does not fit its stage; None when it does.

    A claim is held, denied or withdrawn as long as its credit is not settled; what was awarded is corrected or revoked.
    ``is_late`` is one that expired, or will when its timer fires: it is extended or opened again first.
    """
    if kind is SubmissionKind.HOLD and facts.is_held:
        return Refused(RefusalCode.ON_HOLD, {"stage": stage})
    if is_late and kind in ENDS_WITH_DEADLINE:
        return deadline_passed(facts)
    is_underway, is_ended = stage in STAGES_UNDERWAY, is_late or stage in CLOSED_STAGES - {Stage.COMPLETED}
    is_due = {
        SubmissionKind.EXTENSION_REQUEST: facts.due_at is not None and (is_underway or stage is Stage.EXPIRED),
        SubmissionKind.EXTENSION: is_underway,
        SubmissionKind.EXTENSION_REFUSAL: facts.is_extension_requested,
        SubmissionKind.HOLD: is_underway,
        SubmissionKind.RELEASE: facts.is_held,
        SubmissionKind.WAIVER: is_underway,
        # Even where nothing is parked any more: the step may have gone on while this was on its way.
        SubmissionKind.RETRY: stage in STAGES_OF_ISSUING,
        SubmissionKind.RESOLUTION: facts.attention is not None,
        SubmissionKind.STAFF_WITHDRAWAL: is_underway,
        SubmissionKind.DENIAL: is_underway,
        SubmissionKind.REOPENING: is_ended and not facts.is_awarded,
    }[kind]
    return None if is_due else wrong_state(stage)


def is_kept(facts: ClaimFacts, kind: SubmissionKind) -> bool:
    """Whether a submission of this kind is kept until the office lets the claim go on, and decided then.

    It is judged as of its receipt, so that no hold and no issuance pause makes anybody late. What staff do is decided
    at once.
    """
    return facts.keeps_steps and kind in KEPT_STEPS


def _has_step(policy: CEActivityPolicy, facts: ClaimFacts, kind: SubmissionKind) -> bool:
    """Whether a learner's claim has this step; as long as their learning format is open it may get it yet."""
    requirements = requirements_of(policy, facts) if is_way_known(policy, facts) else policy.requirements
    if kind is SubmissionKind.SESSION:
        return bool(policy.sessions)
    if kind is SubmissionKind.EVALUATION:
        evaluations = (each for each in requirements if isinstance(each, Evaluation))
        return any(each.asked is not EvaluationTime.PER_SESSION for each in evaluations)
    return kind not in _REQUIREMENTS or any(isinstance(each, _REQUIREMENTS[kind]) for each in requirements)


def _refusal_out_of_turn(policy: CEActivityPolicy, facts: ClaimFacts, kind: SubmissionKind, stage: Stage) -> Refused:
    if is_exhausted(policy, facts):
        return Refused(RefusalCode.ATTEMPTS_EXHAUSTED, {"stage": stage})
    if stage in CLOSED_STAGES - {Stage.COMPLETED} or kind is SubmissionKind.WITHDRAWAL:
        return wrong_state(stage)
    if facts.is_final and kind in _CHANGES_CREDIT | {SubmissionKind.FINALIZATION}:
        return Refused(RefusalCode.FINALIZED, {"stage": stage})
    if facts.credit is not None and kind in _CHANGES_CREDIT:
        return Refused(RefusalCode.ALREADY_CLAIMED, {"stage": stage})
    if stage is Stage.COMPLETED:
        return wrong_state(stage)
    if _is_done(kind, facts):
        return Refused(RefusalCode.ALREADY_DONE, {"stage": stage})
    opening = deadlines.opens_at(policy.claim_window, policy.time_zone)
    if stage is Stage.AWAITING_WINDOW and opening is not None:
        return Refused(RefusalCode.WINDOW_NOT_OPEN, {"stage": stage, "opens_at": opening.isoformat()})
    if kind is SubmissionKind.FINALIZATION and stage is Stage.READY_TO_CLAIM:
        return Refused(RefusalCode.CREDIT_MISSING, {"stage": stage})
    result_at = graded_at(policy, facts)
    details = {"stage": str(stage)} | ({"unlocks_at": result_at.isoformat()} if result_at else {})
    return Refused(RefusalCode.STEP_LOCKED, details)


def _is_done(kind: SubmissionKind, facts: ClaimFacts) -> bool:
    """Whether a step that is done once is done or waived, or too late: what was granted cannot be given up."""
    if _REQUIREMENT_KINDS.get(kind, kind) in facts.waived:
        return True
    has_passed = any(attempt.has_passed for attempt in facts.attempts)
    return {
        SubmissionKind.PARTICIPATION: facts.participation is not None,
        SubmissionKind.DISCLOSURES: facts.disclosures_version is not None,
        SubmissionKind.ATTEMPT: has_passed,
        SubmissionKind.ANSWERS: has_passed,
        SubmissionKind.EVALUATION: facts.is_evaluated,
        SubmissionKind.WITHDRAWAL: facts.is_awarded,
    }.get(kind, False)
