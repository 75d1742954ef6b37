"""What the office does to a claim: holding it, waiving what is asked, ending it and opening it again."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from domain.claims import (
    Attempt,
    Attention,
    ClaimedCredit,
    ClaimFacts,
    Stage,
    attempts_left,
    is_exhausted,
    is_overdue,
    stage_of,
)
from domain.deadlines import end_of_day
from domain.office import (
    APPROVERS_ACTIONS,
    KIND_OF_ACTION,
    OperatorAction,
    WaiverBar,
    may_act,
    possible_actions,
    refusal_of_waiver,
    waivable,
)
from domain.policy import CEActivityPolicy, LearningFormat, ParticipationMethod
from domain.progress import Action, Step, StepKind, StepState, WaitingFor, progress_of
from domain.reasons import (
    DenialReason,
    HoldReason,
    ReleaseReason,
    ReopeningReason,
    ResolutionReason,
    WaiverReason,
    WithdrawalReason,
)
from domain.refusals import RefusalCode
from domain.roles import Role
from domain.submissions import (
    STAFF_KINDS,
    AnswersGiven,
    AttentionResolved,
    ClaimDenied,
    ClaimHeld,
    ClaimReleased,
    ClaimReopened,
    ClaimWithdrawn,
    DeadlineExtended,
    DisclosuresAcknowledged,
    EvaluationCompleted,
    RequirementWaived,
    SubmissionBody,
    SubmissionKind,
    Withdrawal,
    kind_of,
)
from domain.turns import KEPT_STEPS, LEARNER_STEPS, is_kept
from tests.domain.flows import (
    AT_MEETING,
    CONFERENCE_VIDEOS,
    DUE_AT,
    LATE,
    LEARNER,
    MEETING,
    NOW,
    PHARMACY_LECTURE,
    POST_TEST,
    RECORDED_LECTURE,
    RESPONSES,
    VIDEOS,
    ZONE,
    accepted,
    credit_claimed,
    decided,
    refused,
    session_claimed,
)

A, B, C, D = PHARMACY_LECTURE, CONFERENCE_VIDEOS, RECORDED_LECTURE, MEETING
HOLD = ClaimHeld(HoldReason.IDENTITY_CHECK, "Two people, one badge.")
RELEASE = ClaimReleased(ReleaseReason.CHECKED, "It is hers.")
RESOLVE = AttentionResolved(ResolutionReason.TOLD_OTHERWISE, "By telephone.")
DENY = ClaimDenied(DenialReason.NOT_ELIGIBLE, "A student.")
REOPEN = ClaimReopened(ReopeningReason.APPEAL_GRANTED, "The board agreed.")
WITHDRAW = ClaimWithdrawn(WithdrawalReason.LEARNER_ASKED, "By telephone.")
EXTEND = DeadlineExtended(date(2026, 9, 30), "Illness.")

HELD = replace(LEARNER, attention=Attention.ON_HOLD)
CREDIT = ClaimedCredit(credit_type="ama_pra_category_1", units=Decimal("1.00"))
AWARDED = replace(LEARNER, participation="code", is_evaluated=True, credit=CREDIT, is_awarded=True)
UNSENT = replace(AWARDED, attention=Attention.EMAIL_FAILED)
UNMADE = replace(AWARDED, attention=Attention.CERTIFICATE_FAILED)
COMPLETED = replace(AWARDED, is_notified=True)
WITHDRAWN = replace(LEARNER, closed_as=Stage.WITHDRAWN)
EXPIRED = replace(LEARNER, closed_as=Stage.EXPIRED)
RECORDED = replace(LEARNER, participation="recorded")
FAILED = tuple(Attempt(number=number, submitted_at=NOW, has_passed=False) for number in (1, 2))
GRADING = replace(RECORDED, attempts=(Attempt(number=1, submitted_at=NOW),))


def waive(requirement: str) -> RequirementWaived:
    return RequirementWaived(requirement, WaiverReason.DONE_OTHERWISE, "On paper.")


def step(policy: CEActivityPolicy, facts: ClaimFacts, kind: StepKind) -> Step:
    return next(each for each in progress_of(policy, facts, NOW, facts.attention).steps if each.kind is kind)


def test_a_held_claim_keeps_what_its_learner_does_and_decides_what_staff_do() -> None:
    kept = {kind for kind in SubmissionKind if is_kept(HELD, kind)}
    assert kept == KEPT_STEPS == LEARNER_STEPS | {SubmissionKind.WITHDRAWAL}
    assert not kept & STAFF_KINDS
    assert not any(is_kept(LEARNER, kind) for kind in SubmissionKind)


def test_a_claim_is_held_once_and_released_once() -> None:
    held = accepted(A, LEARNER, HOLD)
    assert held == HELD
    assert refused(A, held, HOLD).code is RefusalCode.ON_HOLD
    assert accepted(A, held, RELEASE) == LEARNER
    assert refused(A, LEARNER, RELEASE).code is RefusalCode.WRONG_STATE


def test_a_held_claim_outlives_its_deadline_until_it_is_released() -> None:
    assert not is_overdue(HELD, Stage.VERIFYING_PARTICIPATION, LATE)
    released = accepted(A, HELD, RELEASE, LATE)
    assert is_overdue(released, Stage.VERIFYING_PARTICIPATION, LATE)
    later = accepted(A, HELD, EXTEND, LATE)
    assert (later.is_held, later.due_at) == (True, end_of_day(date(2026, 9, 30), ZONE))


def test_the_status_of_a_held_claim_offers_its_learner_nothing_and_waits_for_the_office() -> None:
    progress = progress_of(A, HELD, LATE, Attention.ON_HOLD)
    assert (progress.waiting_for, progress.waiting_until) == (WaitingFor.OPERATOR, None)
    assert progress.next_actions == ()
    assert step(A, HELD, StepKind.PARTICIPATION) == Step(StepKind.PARTICIPATION, StepState.LOCKED, RefusalCode.ON_HOLD)
    proved = replace(HELD, participation="code", is_evaluated=True)
    assert step(A, proved, StepKind.CREDIT).reason is RefusalCode.ON_HOLD
    claimed = replace(AT_MEETING, attention=Attention.ON_HOLD, credit=CREDIT, sessions={"keynote": Decimal(1)})
    final = replace(claimed, evaluated_sessions=frozenset({"keynote"}))
    assert step(D, final, StepKind.FINALIZATION).reason is RefusalCode.ON_HOLD


@pytest.mark.parametrize("body", [DENY, WITHDRAW, Withdrawal("mistake")])
def test_the_end_of_a_claim_is_the_end_of_its_hold(body: SubmissionBody) -> None:
    ended = accepted(A, HELD, body)
    assert not ended.is_held
    assert ended.closed_as is (Stage.DENIED if body is DENY else Stage.WITHDRAWN)


@pytest.mark.parametrize("body", [HOLD, waive("evaluation"), DENY, WITHDRAW])
@pytest.mark.parametrize("facts", [AWARDED, COMPLETED, WITHDRAWN])
def test_what_is_awarded_or_ended_is_not_held_waived_or_ended(facts: ClaimFacts, body: SubmissionBody) -> None:
    assert refused(A, facts, body).code is RefusalCode.WRONG_STATE


@pytest.mark.parametrize("body", [HOLD, waive("evaluation"), DENY, WITHDRAW])
def test_after_its_deadline_a_claim_is_extended_first_whether_its_timer_has_fired_or_not(body: SubmissionBody) -> None:
    for facts in (LEARNER, EXPIRED):
        refusal = refused(A, facts, body, LATE)
        assert (refusal.code, refusal.details) == (RefusalCode.DEADLINE_PASSED, {"due_at": DUE_AT.isoformat()})
        assert accepted(A, facts, body, DUE_AT).closed_as is not Stage.EXPIRED, "what was received in time counts"
        extended = accepted(A, facts, EXTEND, LATE)
        assert accepted(A, extended, body, LATE) != extended


@pytest.mark.parametrize(
    ("policy", "facts", "requirement", "stage"),
    [
        (A, LEARNER, "participation", Stage.AWAITING_EVALUATION),
        (A, replace(LEARNER, participation="code"), "evaluation", Stage.READY_TO_CLAIM),
        (D, replace(AT_MEETING, disclosures_version=None), "disclosures", Stage.READY_TO_CLAIM),
        (replace(B, requirements=(replace(VIDEOS, allows_partial=False),)), LEARNER, "content", Stage.READY_TO_CLAIM),
        (replace(A, requirements=(POST_TEST,)), LEARNER, "post_test", Stage.READY_TO_CLAIM),
    ],
)
def test_a_waived_requirement_is_met_and_shown_as_waived(
    policy: CEActivityPolicy, facts: ClaimFacts, requirement: str, stage: Stage
) -> None:
    waived = accepted(policy, facts, waive(requirement))
    assert waived == replace(facts, waived=frozenset({requirement}))
    assert stage_of(policy, waived, NOW) is stage
    assert step(policy, waived, StepKind(requirement)) == Step(StepKind(requirement), StepState.WAIVED)
    assert StepKind(requirement) not in progress_of(policy, waived, NOW, None).blocked_by
    assert refused(policy, waived, waive(requirement)).code is RefusalCode.ALREADY_DONE


def test_a_step_that_was_waived_is_done_for_its_learner() -> None:
    waived = replace(LEARNER, participation="code", waived=frozenset({"evaluation"}))
    assert refused(A, waived, EvaluationCompleted(RESPONSES)).code is RefusalCode.ALREADY_DONE
    tested = replace(A, requirements=(POST_TEST,))
    open_attempt = replace(LEARNER, attempts=(Attempt(number=1),), waived=frozenset({"post_test"}))
    assert refused(tested, open_attempt, AnswersGiven(1, {"q1": "yes"})).code is RefusalCode.ALREADY_DONE
    disclosed = replace(AT_MEETING, disclosures_version=None, waived=frozenset({"disclosures"}))
    assert refused(D, disclosed, DisclosuresAcknowledged("2026-1")).code is RefusalCode.ALREADY_DONE


def test_credit_is_claimed_without_the_evaluations_that_were_waived() -> None:
    waived = accepted(D, AT_MEETING, waive("evaluation"))
    claimed = accepted(D, waived, session_claimed("keynote", evaluated=False))
    assert Action.CLAIM_CREDIT in progress_of(D, claimed, NOW, None).next_actions
    assert accepted(D, claimed, credit_claimed()).credit == CREDIT
    assert Action.CLAIM_CREDIT not in progress_of(D, waived, NOW, None).next_actions, "a session is still missing"
    at_claim = replace(LEARNER, content_seconds={"opening": 1200, "wounds": 2400}, waived=frozenset({"evaluation"}))
    assert step(B, at_claim, StepKind.EVALUATION).state is StepState.WAIVED
    assert accepted(B, at_claim, credit_claimed(units="1.00")).credit == CREDIT


@pytest.mark.parametrize(
    ("policy", "facts", "requirement", "bar"),
    [
        (D, AT_MEETING, "statement", WaiverBar.LEARNERS_WORD),
        (D, AT_MEETING, "finalization", WaiverBar.LEARNERS_WORD),
        (A, LEARNER, "credit", WaiverBar.LEARNERS_WORD),
        (C, LEARNER, "participation", WaiverBar.LEARNERS_WORD),
        (D, AT_MEETING, "sessions", WaiverBar.MEASURES_CREDIT),
        (B, LEARNER, "content", WaiverBar.MEASURES_CREDIT),
        (C, LEARNER, "post_test", WaiverBar.MINIMUM_SCORE),
        (C, RECORDED, "post_test", WaiverBar.MINIMUM_SCORE),
    ],
)
def test_what_measures_credit_or_is_the_learners_own_word_is_never_waived(
    policy: CEActivityPolicy, facts: ClaimFacts, requirement: str, bar: WaiverBar
) -> None:
    refusal = refused(policy, facts, waive(requirement))
    assert (refusal.code, refusal.details) == (RefusalCode.NOT_WAIVABLE, {"because": bar})


def test_a_test_is_waived_where_no_accreditor_asks_for_its_score() -> None:
    tested = replace(A, requirements=(POST_TEST,), format=LearningFormat.ENDURING_MATERIAL)
    assert refusal_of_waiver(tested, LEARNER, "post_test") is not None
    no_ama = replace(tested, credit=tuple(each for each in tested.credit if each.credit_type != "ama_pra_category_1"))
    assert refusal_of_waiver(no_ama, LEARNER, "post_test") is None


def test_a_test_is_not_waived_while_it_is_graded() -> None:
    tested = replace(A, requirements=(POST_TEST,))
    refusal = refused(tested, GRADING, waive("post_test"))
    assert refusal.code is RefusalCode.STEP_LOCKED
    assert refusal.details == {"unlocks_at": (NOW + timedelta(seconds=30)).isoformat()}


def test_only_a_requirement_of_this_learner_is_waived() -> None:
    assert refused(A, LEARNER, waive("post_test")).code is RefusalCode.STEP_NOT_REQUIRED
    in_person = replace(LEARNER, participation="in_person")
    assert refused(C, in_person, waive("post_test")).code is RefusalCode.STEP_NOT_REQUIRED
    assert waivable(C, in_person) == ("evaluation",)
    assert waivable(A, LEARNER) == ("participation", "evaluation")
    assert waivable(B, LEARNER) == ("evaluation",)


def test_an_e_mail_that_could_not_be_sent_is_resolved_and_the_claim_is_complete() -> None:
    resolved = accepted(A, UNSENT, RESOLVE)
    assert (resolved.attention, stage_of(A, resolved, NOW)) == (None, Stage.COMPLETED)
    assert refused(A, resolved, RESOLVE).code is RefusalCode.WRONG_STATE


@pytest.mark.parametrize("facts", [UNMADE, HELD])
def test_only_laurel_makes_certificates_and_only_a_release_ends_a_hold(facts: ClaimFacts) -> None:
    refusal = refused(A, facts, RESOLVE)
    assert (refusal.code, refusal.details) == (RefusalCode.NOT_RESOLVABLE, {"attention": facts.attention})


@pytest.mark.parametrize("stage", [Stage.WITHDRAWN, Stage.DENIED])
def test_an_ended_claim_goes_on_where_it_was(stage: Stage) -> None:
    proved = replace(LEARNER, participation="code")
    assert accepted(A, replace(proved, closed_as=stage), REOPEN) == proved


def test_a_claim_that_gave_its_badge_back_proves_participation_anew() -> None:
    withdrawn = replace(AT_MEETING, closed_as=Stage.WITHDRAWN)
    assert AT_MEETING.participation == ParticipationMethod.BADGE_ID
    assert accepted(D, withdrawn, REOPEN) == replace(AT_MEETING, participation=None)
    denied = replace(AT_MEETING, closed_as=Stage.DENIED)
    assert accepted(D, denied, REOPEN) == AT_MEETING


def test_a_claim_without_attempts_gets_one_more() -> None:
    for closed_as in (None, Stage.DENIED):
        exhausted = replace(RECORDED, attempts=FAILED, closed_as=closed_as)
        reopened = accepted(C, exhausted, REOPEN)
        assert (reopened.attempts_added, reopened.closed_as) == (1, None)
        assert stage_of(C, reopened, NOW) is Stage.AWAITING_TEST
        assert attempts_left(POST_TEST, reopened) == 1
        again = replace(reopened, attempts=(*FAILED, replace(FAILED[0], number=3)))
        assert is_exhausted(C, again)
        assert accepted(C, again, REOPEN).attempts_added == 2
    waived = replace(RECORDED, attempts=FAILED, waived=frozenset({"post_test"}))
    assert not is_exhausted(C, waived)


def test_a_claim_is_reopened_after_its_deadline_with_a_new_day() -> None:
    assert refused(A, EXPIRED, REOPEN, LATE).details == {"due_at": DUE_AT.isoformat()}
    reopened = accepted(A, EXPIRED, replace(REOPEN, due_on=date(2026, 9, 30)), LATE)
    assert (reopened.closed_as, reopened.due_at) == (None, end_of_day(date(2026, 9, 30), ZONE))
    assert accepted(A, LEARNER, replace(REOPEN, due_on=date(2026, 9, 30)), LATE) == reopened, "its timer is late"
    earlier = refused(A, EXPIRED, replace(REOPEN, due_on=date(2026, 8, 1)), LATE)
    assert earlier.code is RefusalCode.DEADLINE_NOT_LATER
    in_time = replace(REOPEN, due_on=date(2026, 9, 30))
    assert refused(A, EXPIRED, in_time, DUE_AT).code is RefusalCode.WRONG_STATE, "it was open when this was received"


@pytest.mark.parametrize("facts", [LEARNER, HELD, AWARDED, COMPLETED, replace(AWARDED, closed_as=Stage.EXPIRED)])
def test_an_open_or_awarded_claim_is_not_reopened(facts: ClaimFacts) -> None:
    assert refused(A, facts, REOPEN).code is RefusalCode.WRONG_STATE


ALWAYS = {"extend", "hold", "waive", "withdraw", "deny"}


@pytest.mark.parametrize(
    ("facts", "actions"),
    [
        (LEARNER, ALWAYS),
        (HELD, ALWAYS - {"hold"} | {"release"}),
        (replace(LEARNER, is_extension_requested=True), ALWAYS | {"refuse_extension"}),
        (replace(LEARNER, participation="code", is_evaluated=True), ALWAYS - {"waive"}),
        (UNSENT, {"retry", "resolve"}),
        (UNMADE, {"retry"}),
        (AWARDED, set()),
        (COMPLETED, set()),
        (WITHDRAWN, {"reopen"}),
    ],
)
def test_what_staff_may_do_is_what_they_would_not_be_refused_for(facts: ClaimFacts, actions: set[str]) -> None:
    assert set(possible_actions(A, facts, NOW)) == actions
    bodies = {kind_of(body): body for body in (HOLD, RELEASE, RESOLVE, DENY, REOPEN, WITHDRAW, EXTEND)}
    for action, kind in KIND_OF_ACTION.items():
        if kind in bodies:
            is_refused = hasattr(decided(A, facts, bodies[kind]), "code")
            assert is_refused is (action not in actions), action


def test_an_expired_claim_is_extended_or_opened_again_whether_its_timer_has_fired_or_not() -> None:
    for facts in (LEARNER, EXPIRED):
        assert set(possible_actions(A, facts, LATE)) == {OperatorAction.EXTEND, OperatorAction.REOPEN}


def test_every_action_of_staff_is_a_kind_of_its_own() -> None:
    assert set(KIND_OF_ACTION) == set(OperatorAction)
    assert set(KIND_OF_ACTION.values()) == STAFF_KINDS


def test_approvers_alone_deny_and_reopen_and_readers_do_nothing() -> None:
    may = {role: {action for action in OperatorAction if may_act(role, action)} for role in Role}
    assert may[Role.ADMINISTRATOR] == may[Role.APPROVER] == set(OperatorAction)
    assert may[Role.COORDINATOR] == set(OperatorAction) - APPROVERS_ACTIONS
    assert all(not may[role] for role in Role if role not in (Role.ADMINISTRATOR, Role.APPROVER, Role.COORDINATOR))
