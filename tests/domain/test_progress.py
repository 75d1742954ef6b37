from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.claims import Attempt, Attention, ClaimedCredit, ClaimFacts, Stage, attempts_left, is_overdue, stage_of
from domain.deadlines import end_of_day, start_of_day
from domain.decisions import decide
from domain.policy import CEActivityPolicy, ClaimWindow, Profession
from domain.progress import (
    Action,
    Deadline,
    DeadlineName,
    Progress,
    Step,
    StepKind,
    StepState,
    WaitingFor,
    progress_of,
)
from domain.refusals import Accepted, RefusalCode
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    CreditClaimed,
    EvaluationCompleted,
    ParticipationStated,
    Submission,
    SubmissionBody,
    Withdrawal,
)

ZONE = "America/Chicago"
OPENS_AT = start_of_day(date(2026, 3, 1), ZONE)
DUE_AT = end_of_day(date(2026, 6, 30), ZONE)
EARLY = datetime(2026, 2, 1, tzinfo=UTC)
NOW = datetime(2026, 4, 1, tzinfo=UTC)
LATE = DUE_AT + timedelta(microseconds=1)

FRESH = ClaimFacts(profession=Profession.PHYSICIAN, due_at=DUE_AT)
PARTICIPATED = replace(FRESH, participation="yes")
ATTEMPTING = replace(PARTICIPATED, attempts=(Attempt(number=1),))
GRADING = replace(PARTICIPATED, attempts=(Attempt(number=1, submitted_at=NOW),))
FAILED_ONCE = replace(PARTICIPATED, attempts=(Attempt(number=1, submitted_at=NOW, has_passed=False),))
EXHAUSTED = replace(PARTICIPATED, attempts=tuple(Attempt(number=n, submitted_at=NOW, has_passed=False) for n in (1, 2)))
PASSED = replace(PARTICIPATED, attempts=(Attempt(number=1, submitted_at=NOW, has_passed=True),))
READY = replace(PASSED, is_evaluated=True)
AWARDING = replace(READY, credit=ClaimedCredit(credit_type="participation", units=Decimal(1)))
ISSUING = replace(AWARDING, is_awarded=True)
COMPLETED = replace(ISSUING, is_notified=True)
EVERY_STATE = [FRESH, PARTICIPATED, ATTEMPTING, GRADING, FAILED_ONCE, EXHAUSTED, PASSED, READY, AWARDING, ISSUING]
EVERY_STATE += [COMPLETED, *(replace(PASSED, closed_as=s) for s in (Stage.EXPIRED, Stage.DENIED, Stage.WITHDRAWN))]


def kinds_and_states(progress: Progress) -> dict[str, str]:
    return {str(step.kind): str(step.state) for step in progress.steps}


def step(progress: Progress, kind: StepKind) -> Step:
    return next(each for each in progress.steps if each.kind is kind)


@pytest.mark.parametrize(
    ("facts", "at", "status", "actions"),
    [
        (
            FRESH,
            NOW,
            ("verifying_participation", "learner", DUE_AT),
            ["state_participation", "request_extension", "withdraw"],
        ),
        (PARTICIPATED, NOW, ("awaiting_test", "learner", DUE_AT), ["start_attempt", "request_extension", "withdraw"]),
        (ATTEMPTING, NOW, ("awaiting_test", "learner", DUE_AT), ["submit_answers", "request_extension", "withdraw"]),
        (FAILED_ONCE, NOW, ("awaiting_test", "learner", DUE_AT), ["start_attempt", "request_extension", "withdraw"]),
        (GRADING, NOW, ("grading", "grading", NOW + timedelta(seconds=30)), ["request_extension", "withdraw"]),
        (
            PASSED,
            NOW,
            ("awaiting_evaluation", "learner", DUE_AT),
            ["complete_evaluation", "request_extension", "withdraw"],
        ),
        (READY, EARLY, ("awaiting_window", "claim_window", OPENS_AT), ["request_extension", "withdraw"]),
        (READY, NOW, ("ready_to_claim", "learner", DUE_AT), ["claim_credit", "request_extension", "withdraw"]),
        (AWARDING, NOW, ("awarding", "certificate", None), []),
        (ISSUING, NOW, ("issuing", "certificate", None), []),
        (COMPLETED, NOW, ("completed", "nothing", None), ["view_certificate"]),
        (EXHAUSTED, NOW, ("denied", "nothing", None), []),
        (READY, LATE, ("ready_to_claim", "nothing", None), ["request_extension"]),
        (replace(READY, closed_as=Stage.WITHDRAWN), NOW, ("withdrawn", "nothing", None), []),
    ],
)
def test_a_claim_says_where_it_is_what_it_waits_for_and_what_comes_next(
    policy: CEActivityPolicy, facts: ClaimFacts, at: datetime, status: tuple[object, ...], actions: list[str]
) -> None:
    progress = progress_of(policy, facts, at, None)
    assert (progress.stage, progress.waiting_for, progress.waiting_until) == status
    assert list(progress.next_actions) == actions


@pytest.mark.parametrize(
    ("facts", "at", "states"),
    [
        (FRESH, EARLY, "to_do locked locked waiting locked locked"),
        (GRADING, NOW, "done waiting locked done locked locked"),
        (FAILED_ONCE, NOW, "done to_do locked done locked locked"),
        (READY, EARLY, "done done done waiting locked locked"),
        (READY, NOW, "done done done done to_do locked"),
        (READY, OPENS_AT, "done done done done to_do locked"),
        (READY, DUE_AT, "done done done done to_do locked"),
        (AWARDING, EARLY, "done done done done done waiting"),
        (COMPLETED, NOW, "done done done done done done"),
        (PASSED, LATE, "done done locked done locked locked"),
        (replace(AWARDING, closed_as=Stage.WITHDRAWN), NOW, "done done done done done locked"),
    ],
)
def test_every_step_has_its_state(policy: CEActivityPolicy, facts: ClaimFacts, at: datetime, states: str) -> None:
    shown = kinds_and_states(progress_of(policy, facts, at, None))
    assert list(shown) == ["participation", "post_test", "evaluation", "claim_window", "credit", "certificate"]
    assert list(shown.values()) == states.split()


@pytest.mark.parametrize(
    ("facts", "at", "kind", "why"),
    [
        (GRADING, NOW, StepKind.EVALUATION, (RefusalCode.STEP_LOCKED, NOW + timedelta(seconds=30))),
        (GRADING, NOW, StepKind.POST_TEST, (None, NOW + timedelta(seconds=30))),
        (FRESH, EARLY, StepKind.CLAIM_WINDOW, (RefusalCode.WINDOW_NOT_OPEN, OPENS_AT)),
        (READY, EARLY, StepKind.CREDIT, (RefusalCode.WINDOW_NOT_OPEN, OPENS_AT)),
        (FRESH, NOW, StepKind.CREDIT, (RefusalCode.STEP_LOCKED, None)),
        (FRESH, LATE, StepKind.EVALUATION, (RefusalCode.DEADLINE_PASSED, None)),
        (READY, LATE, StepKind.CREDIT, (RefusalCode.DEADLINE_PASSED, None)),
        (READY, LATE, StepKind.CERTIFICATE, (RefusalCode.DEADLINE_PASSED, None)),
        (replace(FRESH, closed_as=Stage.EXPIRED), NOW, StepKind.CREDIT, (RefusalCode.DEADLINE_PASSED, None)),
        (EXHAUSTED, NOW, StepKind.POST_TEST, (RefusalCode.ATTEMPTS_EXHAUSTED, None)),
        (EXHAUSTED, NOW, StepKind.EVALUATION, (RefusalCode.ATTEMPTS_EXHAUSTED, None)),
        (replace(PASSED, closed_as=Stage.DENIED), NOW, StepKind.EVALUATION, (RefusalCode.WRONG_STATE, None)),
        (replace(PASSED, closed_as=Stage.WITHDRAWN), NOW, StepKind.CREDIT, (RefusalCode.WRONG_STATE, None)),
    ],
)
def test_a_step_that_cannot_be_done_says_why_and_until_when(
    policy: CEActivityPolicy, facts: ClaimFacts, at: datetime, kind: StepKind, why: tuple[object, ...]
) -> None:
    shown = step(progress_of(policy, facts, at, None), kind)
    assert (shown.reason, shown.until) == why


def test_credit_is_blocked_by_the_unfinished_steps_before_it(policy: CEActivityPolicy) -> None:
    assert progress_of(policy, PASSED, EARLY, None).blocked_by == (StepKind.EVALUATION, StepKind.CLAIM_WINDOW)
    for facts, at in ((READY, NOW), (AWARDING, NOW), (PASSED, LATE)):
        assert progress_of(policy, facts, at, None).blocked_by == ()


def test_deadlines_carry_their_zone_and_end_with_the_claim(policy: CEActivityPolicy) -> None:
    graded = GRADING.attempts[0].submitted_at
    assert graded is not None
    assert progress_of(policy, GRADING, EARLY, None).deadlines == (
        Deadline(DeadlineName.GRADING, graded + timedelta(seconds=30), ZONE),
        Deadline(DeadlineName.OPENS, OPENS_AT, ZONE),
        Deadline(DeadlineName.CLAIM, DUE_AT, ZONE),
    )
    assert [d.name for d in progress_of(policy, READY, NOW, None).deadlines] == [DeadlineName.CLAIM]
    assert progress_of(policy, AWARDING, NOW, None).deadlines == ()
    assert progress_of(policy, FRESH, LATE, None).deadlines == ()


def test_a_policy_without_requirements_and_window_goes_straight_to_the_credit(policy: CEActivityPolicy) -> None:
    bare = replace(policy, requirements=(), claim_window=ClaimWindow())
    progress = progress_of(bare, replace(FRESH, due_at=None), NOW, None)
    assert kinds_and_states(progress) == {"credit": "to_do", "certificate": "locked"}
    assert (progress.waiting_until, progress.deadlines) == (None, ())


def test_a_claim_denied_without_a_post_test_was_closed_by_staff(policy: CEActivityPolicy) -> None:
    bare = replace(policy, requirements=())
    denied = progress_of(bare, replace(FRESH, closed_as=Stage.DENIED), NOW, None)
    assert step(denied, StepKind.CREDIT).reason is RefusalCode.WRONG_STATE


def test_a_parked_claim_waits_for_an_operator(policy: CEActivityPolicy) -> None:
    parked = progress_of(policy, ISSUING, NOW, Attention.CERTIFICATE_FAILED)
    assert (parked.waiting_for, parked.next_actions) == (WaitingFor.OPERATOR, ())
    assert step(parked, StepKind.CERTIFICATE).state is StepState.WAITING


def test_a_certificate_whose_email_failed_can_be_viewed(policy: CEActivityPolicy) -> None:
    parked = progress_of(policy, ISSUING, NOW, Attention.EMAIL_FAILED)
    assert (parked.waiting_for, parked.next_actions) == (WaitingFor.OPERATOR, (Action.VIEW_CERTIFICATE,))
    assert step(parked, StepKind.CERTIFICATE).state is StepState.DONE


@given(
    # An expired claim takes what was received before its deadline, but by now the deadline has passed.
    facts=st.sampled_from([facts for facts in EVERY_STATE if facts.closed_as is not Stage.EXPIRED]),
    at=st.sampled_from([EARLY, OPENS_AT, NOW, DUE_AT, LATE]),
)
def test_an_action_is_offered_exactly_when_the_claim_would_accept_it(
    policy: CEActivityPolicy, facts: ClaimFacts, at: datetime
) -> None:
    bodies: dict[Action, SubmissionBody] = {
        Action.STATE_PARTICIPATION: ParticipationStated("attestation", "yes"),
        Action.START_ATTEMPT: AttemptStarted(),
        Action.SUBMIT_ANSWERS: AnswersGiven(1, dict.fromkeys(("q0", "q1", "q2", "q3"), "yes")),
        Action.COMPLETE_EVALUATION: EvaluationCompleted({"balance": "yes", "relevance": 1, "change": "All"}),
        Action.CLAIM_CREDIT: CreditClaimed("participation", Decimal(1), "participation-2026-1", is_attested=True),
        Action.WITHDRAW: Withdrawal("mistake"),
    }
    offered = progress_of(policy, facts, at, None).next_actions
    for action, body in bodies.items():
        decision = decide(policy, facts, Submission("sub_1", at, body))
        has_effect = isinstance(decision, Accepted) and decision.facts != facts
        # A withdrawal still counts while the award is being made, but nobody is invited to it.
        is_being_awarded = action is Action.WITHDRAW and facts == AWARDING
        assert (action in offered) == (has_effect and not is_being_awarded), action


@given(at=st.datetimes(timezones=st.just(UTC)), facts=st.sampled_from(EVERY_STATE))
def test_there_is_a_stage_and_a_progress_at_any_time(policy: CEActivityPolicy, facts: ClaimFacts, at: datetime) -> None:
    assert progress_of(policy, facts, at, None).stage is stage_of(policy, facts, at)


def test_grace_delays_the_end_of_what_waits_for_the_learner_only() -> None:
    grace = timedelta(seconds=60)
    assert is_overdue(READY, Stage.READY_TO_CLAIM, LATE)
    assert not is_overdue(READY, Stage.READY_TO_CLAIM, LATE, grace)
    assert is_overdue(READY, Stage.READY_TO_CLAIM, LATE + grace, grace)
    assert not is_overdue(GRADING, Stage.GRADING, LATE)
    assert not is_overdue(replace(READY, due_at=None), Stage.READY_TO_CLAIM, LATE)


def test_attempts_are_counted_down_to_none(policy: CEActivityPolicy) -> None:
    assert policy.post_test is not None
    counts = [attempts_left(policy.post_test, facts) for facts in (FRESH, ATTEMPTING, EXHAUSTED)]
    assert counts == [2, 1, 0]
    assert attempts_left(replace(policy.post_test, attempts_allowed=None), EXHAUSTED) is None
