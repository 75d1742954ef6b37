"""A claim's life in the workflow: each transition, what it leaves in the record, and what it costs in events."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from domain.claims import Stage
from domain.policy import ClaimWindow, Participation, PostTest
from domain.refusals import RefusalCode
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    CreditClaimed,
    DeadlineExtended,
    ParticipationStated,
    SubmissionBody,
    Withdrawal,
)
from tests.claims import KeptMail, TestClaim, example_policy, wrong_answers
from tests.workflows.conftest import Forward
from workflows import contract

NewClaim = Callable[..., TestClaim]
pytestmark = pytest.mark.usefixtures("workers")

NEXT_MONTH = datetime.now(UTC).date() + timedelta(days=30)


async def history_of(claim: TestClaim) -> tuple[int, int]:
    """How many events a claim's history has, and how many bytes."""
    description = await claim.handle.describe()
    assert description.status is WorkflowExecutionStatus.COMPLETED
    return description.history_length, description.raw_description.workflow_execution_info.history_size_bytes


def without_participation() -> Any:
    return tuple(r for r in example_policy().requirements if not isinstance(r, Participation))


def allowing(attempts: int, grading_seconds: int = 1) -> Any:
    return tuple(
        replace(r, attempts_allowed=attempts, grading_seconds=grading_seconds) if isinstance(r, PostTest) else r
        for r in example_policy().requirements
    )


async def test_a_claim_runs_from_opening_to_certificate_in_56_events(new_claim: NewClaim, mail: KeptMail) -> None:
    claim = new_claim()
    await claim.complete()
    result = await claim.handle.result()
    assert result["stage"] == Stage.COMPLETED
    assert claim.events() == [
        "opening.accepted",
        "participation.accepted",
        "attempt.accepted",
        "answers.accepted",
        "attempt.graded",
        "evaluation.accepted",
        "credit.accepted",
        "credit.awarded",
        "certificate.issued",
        "email.sent",
    ]
    claim.assert_awarded_once()
    assert len(mail.to(claim.email)) == 1
    events, size = await history_of(claim)
    assert events == 56
    assert size <= 10_240


async def test_a_claim_of_four_learner_steps_costs_at_most_55_events(new_claim: NewClaim) -> None:
    claim = new_claim(requirements=without_participation())
    await claim.open()
    await claim.pass_test()
    await claim.submit(claim.evaluation())
    await claim.submit(claim.credit())
    await claim.handle.result()
    claim.assert_awarded_once()
    events, size = await history_of(claim)
    assert events <= 55
    assert size <= 10_240


async def test_each_step_moves_the_claim_to_the_stage_that_operators_see(new_claim: NewClaim) -> None:
    claim = new_claim(grading_seconds=30)
    await claim.open()
    seen = [claim.row()["stage"]]
    for body in (claim.participation(), AttemptStarted(), claim.answers()):
        await claim.submit(body)
        seen.append(claim.row()["stage"])
    assert seen == [Stage.VERIFYING_PARTICIPATION, Stage.AWAITING_TEST, Stage.AWAITING_TEST, Stage.GRADING]
    await claim.shows(contract.CE_ACTIVITY, claim.slug)
    await claim.shows(contract.CLAIM_DUE_AT, claim.row()["due_at"])
    await claim.shows(contract.CLAIM_STAGE, Stage.GRADING)


async def test_a_result_comes_when_the_grading_delay_of_the_policy_has_passed_and_not_before(
    new_claim: NewClaim, forward: Forward
) -> None:
    claim = new_claim(grading_seconds=30)
    await claim.brought_to(Stage.AWAITING_TEST)
    await claim.submit(AttemptStarted())
    await claim.submit(claim.answers())
    await forward(claim, timedelta(seconds=20))
    assert claim.row()["stage"] == Stage.GRADING
    await forward(claim, timedelta(seconds=11))
    await claim.reaches(Stage.AWAITING_EVALUATION)
    [attempt] = claim.attempts()
    assert attempt["has_passed"] is True
    assert attempt["graded_at"] - attempt["submitted_at"] == timedelta(seconds=30)


async def test_a_failed_attempt_leaves_another_one(new_claim: NewClaim) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.AWAITING_TEST)
    await claim.submit(AttemptStarted())
    await claim.submit(AnswersGiven(1, wrong_answers(claim.policy)))
    await claim.reaches(Stage.AWAITING_TEST)
    assert (await claim.submit(AttemptStarted()))["details"] == {"attempt": 2}
    await claim.submit(claim.answers(2))
    await claim.reaches(Stage.AWAITING_EVALUATION)
    assert [attempt["has_passed"] for attempt in claim.attempts()] == [False, True]
    claim.assert_audited()


async def test_the_last_failed_attempt_denies_the_claim(new_claim: NewClaim) -> None:
    claim = new_claim(requirements=allowing(1))
    await claim.brought_to(Stage.AWAITING_TEST)
    await claim.submit(AttemptStarted())
    await claim.submit(AnswersGiven(1, wrong_answers(claim.policy)))
    await claim.reaches(Stage.DENIED)
    assert (await claim.handle.result())["stage"] == Stage.DENIED
    assert claim.awards() == []
    claim.assert_audited()


async def test_a_claim_waits_for_its_window_and_goes_on_when_it_opens(new_claim: NewClaim, forward: Forward) -> None:
    claim = new_claim(claim_window=ClaimWindow(opens_on=NEXT_MONTH))
    await claim.brought_to(Stage.AWAITING_WINDOW)
    await forward(claim, timedelta(days=20))
    assert claim.row()["stage"] == Stage.AWAITING_WINDOW
    await forward(claim, timedelta(days=12))
    row = await claim.reaches(Stage.READY_TO_CLAIM)
    assert claim.events()[-1] == "window.opened"
    assert row["stage_since_at"].date() >= NEXT_MONTH
    claim.assert_audited()


async def test_credit_received_after_the_opening_counts_although_the_timer_has_not_fired(new_claim: NewClaim) -> None:
    claim = new_claim(claim_window=ClaimWindow(opens_on=NEXT_MONTH))
    await claim.brought_to(Stage.AWAITING_WINDOW)
    received_at = datetime.now(UTC) + timedelta(days=31)
    assert (await claim.submit(claim.credit(), received_at))["outcome"] == "accepted"
    await claim.handle.result()
    claim.assert_awarded_once()


async def test_the_award_is_what_the_learner_claimed_and_not_the_maximum(new_claim: NewClaim) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.READY_TO_CLAIM)
    await claim.submit(claim.credit("0.75"))
    await claim.reaches(Stage.COMPLETED)
    [award] = claim.awards()
    assert award["units"] == Decimal("0.75")
    assert claim.row()["claimed_units"] == Decimal("0.75")


@pytest.mark.parametrize(
    "stage",
    [Stage.VERIFYING_PARTICIPATION, Stage.AWAITING_TEST, Stage.AWAITING_EVALUATION, Stage.READY_TO_CLAIM],
)
async def test_a_claim_can_be_withdrawn_while_it_waits_for_the_learner(new_claim: NewClaim, stage: Stage) -> None:
    claim = new_claim()
    await claim.brought_to(stage)
    assert (await claim.submit(Withdrawal("no longer needed")))["outcome"] == "accepted"
    assert (await claim.handle.result())["stage"] == Stage.WITHDRAWN
    assert claim.row()["closed_as"] == Stage.WITHDRAWN
    assert claim.entries()[-1]["before"]["stage"] == stage
    claim.assert_audited()


async def test_a_claim_can_be_withdrawn_while_an_attempt_is_graded(new_claim: NewClaim) -> None:
    claim = new_claim(grading_seconds=30)
    await claim.brought_to(Stage.AWAITING_TEST)
    await claim.submit(AttemptStarted())
    await claim.submit(claim.answers())
    await claim.submit(Withdrawal("no longer needed"))
    assert (await claim.handle.result())["stage"] == Stage.WITHDRAWN
    assert claim.attempts()[0]["has_passed"] is None
    claim.assert_audited()


def credit(claim: TestClaim, **changes: Any) -> CreditClaimed:
    return replace(claim.credit(), **changes)


# Stage -> what is refused there, and why. Together they reach every code.
REFUSED: dict[Stage, dict[RefusalCode, Callable[[TestClaim], SubmissionBody]]] = {
    Stage.VERIFYING_PARTICIPATION: {
        RefusalCode.STEP_LOCKED: lambda claim: claim.evaluation(),
        RefusalCode.OPTION_UNKNOWN: lambda _: ParticipationStated("attestation", "by_telepathy"),
        RefusalCode.DEADLINE_NOT_LATER: lambda _: DeadlineExtended(date(2027, 1, 1), "illness"),
        RefusalCode.DEADLINE_TOO_LATE: lambda _: DeadlineExtended(date(2099, 1, 1), "illness"),
    },
    Stage.AWAITING_TEST: {
        RefusalCode.ALREADY_DONE: lambda claim: claim.participation(),
        RefusalCode.ATTEMPT_CLOSED: lambda claim: claim.answers(1),
    },
    Stage.AWAITING_EVALUATION: {
        RefusalCode.ANSWERS_INCOMPLETE: lambda claim: replace(claim.evaluation(), responses={}),
    },
    Stage.AWAITING_WINDOW: {RefusalCode.WINDOW_NOT_OPEN: lambda claim: claim.credit()},
    Stage.READY_TO_CLAIM: {
        RefusalCode.NOT_ELIGIBLE: lambda claim: credit(claim, credit_type="ancc_contact_hours"),
        RefusalCode.CREDIT_INCREMENT: lambda claim: claim.credit("0.80"),
        RefusalCode.CREDIT_MAXIMUM: lambda claim: claim.credit("1.25"),
        RefusalCode.CREDIT_MINIMUM: lambda claim: claim.credit("0.10"),
        RefusalCode.ATTESTATION_REQUIRED: lambda claim: credit(claim, is_attested=False),
        RefusalCode.ATTESTATION_OUTDATED: lambda claim: credit(claim, attestation_version="1999"),
    },
    Stage.COMPLETED: {RefusalCode.ALREADY_CLAIMED: lambda claim: claim.credit()},
}


async def assert_refused(claim: TestClaim, body: SubmissionBody, code: RefusalCode) -> None:
    """The refusal is answered and recorded, and changes nothing."""
    before = claim.row()
    result = await claim.submit(body)
    assert (result["outcome"], result["refusal"]) == ("refused", code)
    entry = claim.entries()[-1]
    assert entry["event"].endswith(".refused")
    assert entry["after"]["refusal"] == code
    assert entry["actor"] == claim.account_id
    assert claim.row() == before


@pytest.mark.parametrize("stage", REFUSED)
async def test_a_refusal_is_answered_and_recorded_and_changes_nothing(new_claim: NewClaim, stage: Stage) -> None:
    window = ClaimWindow(opens_on=NEXT_MONTH if stage is Stage.AWAITING_WINDOW else None, closes_on=date(2028, 9, 30))
    claim = new_claim(claim_window=window)
    await claim.brought_to(stage)
    for code, body in REFUSED[stage].items():
        await assert_refused(claim, body(claim), code)
    claim.assert_audited()


async def test_a_claim_without_attempts_left_refuses_another_one(new_claim: NewClaim) -> None:
    claim = new_claim(requirements=allowing(1))
    await claim.brought_to(Stage.AWAITING_TEST)
    await claim.submit(AttemptStarted())
    await claim.submit(AnswersGiven(1, wrong_answers(claim.policy)))
    await claim.reaches(Stage.DENIED)
    await assert_refused(claim, AttemptStarted(), RefusalCode.ATTEMPTS_EXHAUSTED)


async def test_a_withdrawn_claim_refuses_every_step_and_every_extension(new_claim: NewClaim) -> None:
    claim = new_claim()
    await claim.open()
    await claim.submit(Withdrawal("by mistake"))
    await claim.reaches(Stage.WITHDRAWN)
    for body in (claim.participation(), claim.opening(), DeadlineExtended(date(2029, 1, 1), "illness")):
        await assert_refused(claim, body, RefusalCode.WRONG_STATE)
    claim.assert_audited()


async def test_credit_waits_for_the_name_that_the_certificate_prints(new_claim: NewClaim) -> None:
    claim = new_claim(learner={"given_name": None})
    await claim.brought_to(Stage.READY_TO_CLAIM)
    await assert_refused(claim, claim.credit(), RefusalCode.PROFILE_INCOMPLETE)
    claim.change_learner(given_name="Ana")
    await claim.submit(claim.credit())
    await claim.reaches(Stage.COMPLETED)
    claim.assert_awarded_once()
