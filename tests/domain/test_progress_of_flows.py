"""What the status of a claim says in every stage of the four flows."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from domain.claims import Attempt, Attention, ClaimedCredit, ClaimFacts, Stage
from domain.deadlines import start_of_day
from domain.policy import CEActivityPolicy, ClaimWindow
from domain.progress import Action, DeadlineName, Progress, StepKind, StepState, WaitingFor, progress_of
from domain.refusals import RefusalCode
from tests.domain.flows import (
    AT_CLAIM,
    AT_MEETING,
    CONFERENCE_VIDEOS,
    DUE_AT,
    EVALUATION,
    LATE,
    LEARNER,
    MEETING,
    NOW,
    PHARMACY_LECTURE,
    RECORDED_LECTURE,
)

A, B, C, D = PHARMACY_LECTURE, CONFERENCE_VIDEOS, RECORDED_LECTURE, MEETING
ONE = Decimal("1.00")
CREDIT = ClaimedCredit(credit_type="ama_pra_category_1", units=ONE)

HALF_WATCHED = replace(LEARNER, content_seconds={"opening": 1200})
READY_AT_B = replace(HALF_WATCHED, is_evaluated=True)
IN_PERSON = replace(LEARNER, participation="in_person")
RECORDED = replace(LEARNER, participation="recorded")
ANSWERED = replace(RECORDED, attempts=(Attempt(number=1, submitted_at=NOW),))
CHOSEN = replace(LEARNER, statement="ama_pra_category_1")
PROVED = replace(CHOSEN, participation="badge_id")
SAVED = replace(AT_MEETING, sessions={"keynote": ONE})
EVALUATED = replace(SAVED, evaluated_sessions=frozenset({"keynote"}))
CLAIMED = replace(EVALUATED, credit=CREDIT)


def states(progress: Progress) -> dict[str, str]:
    return {str(step.kind): str(step.state) for step in progress.steps}


def awarded(facts: ClaimFacts) -> ClaimFacts:
    return replace(facts, credit=CREDIT, is_awarded=True)


def told(facts: ClaimFacts) -> ClaimFacts:
    return replace(awarded(facts), is_notified=True)


MORE = "request_extension withdraw"


@pytest.mark.parametrize(
    ("policy", "facts", "stage", "waiting_for", "actions"),
    [
        (A, LEARNER, "verifying_participation", "learner", f"state_participation {MORE}"),
        (A, replace(LEARNER, participation="code"), "awaiting_evaluation", "learner", f"complete_evaluation {MORE}"),
        (
            A,
            replace(LEARNER, participation="code", is_evaluated=True),
            "ready_to_claim",
            "learner",
            f"claim_credit {MORE}",
        ),
        (A, awarded(LEARNER), "issuing", "certificate", ""),
        (A, told(LEARNER), "completed", "nothing", "view_certificate"),
        (B, LEARNER, "awaiting_content", "platform", f"complete_content {MORE}"),
        (B, HALF_WATCHED, "ready_to_claim", "learner", f"complete_evaluation {MORE}"),
        (B, READY_AT_B, "ready_to_claim", "learner", f"claim_credit {MORE}"),
        (B, awarded(READY_AT_B), "awarding", "certificate", ""),
        (B, told(READY_AT_B), "completed", "nothing", ""),
        (C, LEARNER, "verifying_participation", "learner", f"state_participation {MORE}"),
        (C, RECORDED, "awaiting_test", "learner", f"start_attempt {MORE}"),
        (C, replace(RECORDED, attempts=(Attempt(number=1),)), "awaiting_test", "learner", f"submit_answers {MORE}"),
        (C, ANSWERED, "grading", "grading", MORE),
        (
            C,
            replace(LEARNER, participation="in_person"),
            "awaiting_evaluation",
            "learner",
            f"complete_evaluation {MORE}",
        ),
        (D, LEARNER, "awaiting_statement", "learner", f"choose_statement {MORE}"),
        (D, CHOSEN, "verifying_participation", "learner", f"state_participation {MORE}"),
        (D, PROVED, "awaiting_disclosures", "learner", f"acknowledge_disclosures {MORE}"),
        (D, AT_MEETING, "ready_to_claim", "learner", f"claim_session choose_statement {MORE}"),
        (D, SAVED, "ready_to_claim", "learner", f"claim_session choose_statement {MORE}"),
        (D, EVALUATED, "ready_to_claim", "learner", f"claim_credit claim_session choose_statement {MORE}"),
        (
            D,
            CLAIMED,
            "awaiting_finalization",
            "learner",
            f"finalize claim_credit claim_session choose_statement {MORE}",
        ),
        (D, replace(CLAIMED, is_final=True), "awarding", "certificate", ""),
        (D, awarded(replace(CLAIMED, is_final=True)), "issuing", "certificate", ""),
        (D, told(replace(CLAIMED, is_final=True)), "completed", "nothing", "view_certificate"),
        (D, replace(SAVED, closed_as=Stage.EXPIRED), "expired", "nothing", "request_extension"),
        (D, replace(SAVED, closed_as=Stage.WITHDRAWN), "withdrawn", "nothing", ""),
    ],
)
def test_every_stage_says_whom_it_waits_for_and_what_the_learner_may_do(
    policy: CEActivityPolicy, facts: ClaimFacts, stage: str, waiting_for: str, actions: str
) -> None:
    progress = progress_of(policy, facts, NOW, None)
    assert (progress.stage, progress.waiting_for, " ".join(progress.next_actions)) == (stage, waiting_for, actions)


@pytest.mark.parametrize(
    ("policy", "facts", "steps"),
    [
        (A, LEARNER, "participation:to_do evaluation:locked credit:locked certificate:locked"),
        (A, told(LEARNER), "participation:done evaluation:done credit:done certificate:done"),
        (B, LEARNER, "content:to_do evaluation:locked credit:locked certificate:locked"),
        (B, HALF_WATCHED, "content:done evaluation:to_do credit:locked certificate:locked"),
        (B, READY_AT_B, "content:done evaluation:done credit:to_do certificate:locked"),
        (B, awarded(LEARNER), "content:done evaluation:done credit:done certificate:done"),
        (C, LEARNER, "participation:to_do evaluation:locked credit:locked certificate:locked"),
        (C, ANSWERED, "participation:done post_test:waiting evaluation:locked credit:locked certificate:locked"),
    ],
)
def test_every_step_has_its_state_in_the_order_of_the_policy(
    policy: CEActivityPolicy, facts: ClaimFacts, steps: str
) -> None:
    shown = states(progress_of(policy, facts, NOW, None))
    assert " ".join(f"{kind}:{state}" for kind, state in shown.items()) == steps


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        (LEARNER, "to_do locked locked locked locked locked locked"),
        (PROVED, "done done to_do locked locked locked locked"),
        (AT_MEETING, "done done done to_do locked locked locked"),
        (SAVED, "done done done to_do locked locked locked"),
        (EVALUATED, "done done done done to_do locked locked"),
        (CLAIMED, "done done done done done to_do locked"),
        (replace(CLAIMED, is_final=True), "done done done done done done waiting"),
        (told(replace(CLAIMED, is_final=True)), "done done done done done done done"),
    ],
)
def test_a_meeting_goes_from_the_statement_to_the_certificate_step_by_step(facts: ClaimFacts, shown: str) -> None:
    kinds = ["statement", "participation", "disclosures", "sessions", "credit", "finalization", "certificate"]
    assert states(progress_of(D, facts, NOW, None)) == dict(zip(kinds, shown.split(), strict=True))


@pytest.mark.parametrize(
    ("policy", "facts", "blocked_by"),
    [
        (A, LEARNER, "participation evaluation"),
        (B, LEARNER, "content evaluation"),
        (C, RECORDED, "post_test evaluation"),
        (D, CHOSEN, "participation disclosures sessions"),
        (D, SAVED, "sessions"),
        (D, EVALUATED, ""),
        (D, CLAIMED, ""),
        (D, awarded(CLAIMED), ""),
        (D, replace(CHOSEN, closed_as=Stage.WITHDRAWN), ""),
    ],
)
def test_credit_is_blocked_by_what_is_unfinished_before_it(
    policy: CEActivityPolicy, facts: ClaimFacts, blocked_by: str
) -> None:
    assert " ".join(progress_of(policy, facts, NOW, None).blocked_by) == blocked_by


def test_credit_opens_when_every_session_is_evaluated_and_closes_again_when_one_is_added() -> None:
    added = replace(EVALUATED, sessions={"keynote": ONE, "sepsis": ONE})
    for facts, is_open in ((EVALUATED, True), (added, False)):
        assert (Action.CLAIM_CREDIT in progress_of(D, facts, NOW, None).next_actions) == is_open


def test_sessions_without_evaluations_open_the_credit_with_the_first_that_is_claimed() -> None:
    plain = replace(D, requirements=())
    assert progress_of(plain, LEARNER, NOW, None).next_actions[0] is Action.CLAIM_SESSION
    assert progress_of(plain, SAVED, NOW, None).next_actions[:2] == (Action.CLAIM_CREDIT, Action.CLAIM_SESSION)


def test_an_evaluation_at_claiming_and_sessions_may_be_done_in_any_order_and_credit_waits_for_both() -> None:
    both = replace(D, requirements=(AT_CLAIM,))
    progress = progress_of(both, LEARNER, NOW, None)
    assert progress.next_actions[:2] == (Action.COMPLETE_EVALUATION, Action.CLAIM_SESSION)
    assert states(progress) == {
        "evaluation": "to_do",
        "sessions": "to_do",
        "credit": "locked",
        "certificate": "locked",
    }
    for half_done in (replace(LEARNER, is_evaluated=True), SAVED):
        assert Action.CLAIM_CREDIT not in progress_of(both, half_done, NOW, None).next_actions
    done = progress_of(both, replace(SAVED, is_evaluated=True), NOW, None)
    assert done.next_actions[:2] == (Action.CLAIM_CREDIT, Action.CLAIM_SESSION)


def test_steps_of_claiming_wait_for_the_window_and_say_when_it_opens() -> None:
    opens_at: datetime = start_of_day(date(2026, 6, 25), "America/Chicago")
    later = replace(B, claim_window=ClaimWindow(opens_on=date(2026, 6, 25)))
    progress = progress_of(later, HALF_WATCHED, NOW, None)
    assert (progress.waiting_for, progress.waiting_until) == (WaitingFor.CLAIM_WINDOW, opens_at)
    waiting = [(step.kind, step.reason, step.until) for step in progress.steps if step.state is not StepState.DONE]
    assert waiting[:3] == [
        (StepKind.CLAIM_WINDOW, RefusalCode.WINDOW_NOT_OPEN, opens_at),
        (StepKind.EVALUATION, RefusalCode.WINDOW_NOT_OPEN, opens_at),
        (StepKind.CREDIT, RefusalCode.WINDOW_NOT_OPEN, opens_at),
    ]
    assert [deadline.name for deadline in progress.deadlines] == [DeadlineName.OPENS, DeadlineName.CLAIM]


@pytest.mark.parametrize(
    ("policy", "facts", "kind"),
    [
        (B, HALF_WATCHED, StepKind.EVALUATION),
        (D, SAVED, StepKind.SESSIONS),
        (D, EVALUATED, StepKind.CREDIT),
        (D, CLAIMED, StepKind.FINALIZATION),
        (D, CLAIMED, StepKind.CERTIFICATE),
    ],
)
def test_after_the_deadline_what_is_left_undone_says_so_and_more_time_can_be_asked_for(
    policy: CEActivityPolicy, facts: ClaimFacts, kind: StepKind
) -> None:
    for late in (facts, replace(facts, closed_as=Stage.EXPIRED)):
        progress = progress_of(policy, late, LATE, None)
        step = next(each for each in progress.steps if each.kind is kind)
        assert (step.state, step.reason) == (StepState.LOCKED, RefusalCode.DEADLINE_PASSED)
        assert progress.next_actions == (Action.REQUEST_EXTENSION,)
        assert (progress.waiting_for, progress.deadlines, progress.blocked_by) == (WaitingFor.NOTHING, (), ())


def test_more_time_is_asked_for_once_and_only_where_time_is_limited() -> None:
    for changes in ({"is_extension_requested": True}, {"due_at": None}):
        facts = replace(CLAIMED, **changes)
        for closed_as in (None, Stage.EXPIRED):
            actions = progress_of(D, replace(facts, closed_as=closed_as), NOW, None).next_actions
            assert Action.REQUEST_EXTENSION not in actions


def test_a_statement_that_waits_to_be_final_still_has_its_deadline() -> None:
    progress = progress_of(D, CLAIMED, NOW, None)
    assert progress.waiting_until == DUE_AT
    assert [(each.name, each.at) for each in progress.deadlines] == [(DeadlineName.CLAIM, DUE_AT)]


def test_a_certificate_that_another_system_issues_is_not_viewed_here() -> None:
    for facts in (awarded(READY_AT_B), told(READY_AT_B)):
        progress = progress_of(B, facts, NOW, None)
        assert progress.next_actions == ()
        assert states(progress)["certificate"] == "done"
    assert progress_of(B, awarded(READY_AT_B), NOW, Attention.EMAIL_FAILED).waiting_for is WaitingFor.OPERATOR


def test_whatever_keeps_a_claim_parked_there_is_no_certificate_before_the_award() -> None:
    for attention in Attention:
        progress = progress_of(D, CLAIMED, NOW, attention)
        assert Action.VIEW_CERTIFICATE not in progress.next_actions
        assert states(progress)["certificate"] == "locked"


def test_a_mixed_ce_activity_shows_each_learner_their_own_steps() -> None:
    assert "post_test" not in states(progress_of(C, IN_PERSON, NOW, None))
    assert "post_test" in states(progress_of(C, RECORDED, NOW, None))
    recorded_only = replace(C, requirements=(C.requirements[0], replace(AT_CLAIM, formats=C.credit[1].formats)))
    assert Action.CLAIM_CREDIT in progress_of(recorded_only, IN_PERSON, NOW, None).next_actions
    assert Action.COMPLETE_EVALUATION in progress_of(recorded_only, RECORDED, NOW, None).next_actions


def test_an_attempt_that_may_still_be_made_after_a_failure_is_to_do() -> None:
    failed = replace(RECORDED, attempts=(Attempt(number=1, submitted_at=NOW, has_passed=False),))
    progress = progress_of(C, failed, NOW + timedelta(minutes=1), None)
    assert states(progress)["post_test"] == "to_do"
    assert progress.next_actions[0] is Action.START_ATTEMPT
    assert C.requirements[2] == EVALUATION
