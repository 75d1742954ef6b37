"""Facts that come early, late, twice or in the wrong order: one claim, one outcome."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus

from domain.claims import Stage
from domain.refusals import RefusalCode
from domain.submissions import AttemptStarted, SubmissionBody
from tests.claims import KeptMail, TestClaim
from tests.workflows.conftest import Forward, Workers

NewClaim = Callable[..., TestClaim]
pytestmark = pytest.mark.usefixtures("workers")


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


async def test_everything_recorded_before_the_workflow_first_starts_counts(new_claim: NewClaim) -> None:
    claim = new_claim(grading_seconds=30)
    received = claim.receive_steps(Stage.COMPLETED, an_hour_ago())
    await claim.deliver(received[0])
    await claim.reaches(Stage.COMPLETED)
    for submission_id in received:
        assert (await claim.outcome(submission_id))["outcome"] == "accepted"
    [attempt] = claim.attempts()
    assert attempt["graded_at"] - attempt["submitted_at"] == timedelta(seconds=30)
    claim.assert_awarded_once()


async def test_facts_that_came_faster_than_the_grading_delay_are_refused_by_their_receipt(new_claim: NewClaim) -> None:
    claim = new_claim(grading_seconds=30)
    received = claim.receive_steps(Stage.COMPLETED, an_hour_ago(), pace=timedelta(seconds=10))
    await claim.deliver(received[0])
    outcomes = [await claim.outcome(submission_id) for submission_id in received]
    assert [outcome["refusal"] for outcome in outcomes] == [None] * 4 + [RefusalCode.STEP_LOCKED] * 2
    unlocks_at = outcomes[4]["details"]["unlocks_at"]
    assert datetime.fromisoformat(unlocks_at) == claim.attempts()[0]["submitted_at"] + timedelta(seconds=30)
    await claim.reaches(Stage.AWAITING_EVALUATION)
    claim.assert_audited()


async def test_facts_delivered_in_the_wrong_order_are_decided_in_the_order_of_receipt(new_claim: NewClaim) -> None:
    claim = new_claim()
    received = claim.receive_steps(Stage.COMPLETED, an_hour_ago())
    for submission_id in reversed(received):
        await claim.deliver(submission_id)
    await claim.reaches(Stage.COMPLETED)
    for submission_id in received:
        assert (await claim.outcome(submission_id))["outcome"] == "accepted"
    claim.assert_awarded_once()


async def test_facts_that_are_each_delivered_three_times_at_once_count_once(
    new_claim: NewClaim, mail: KeptMail
) -> None:
    claim = new_claim()
    received = claim.receive_steps(Stage.COMPLETED, an_hour_ago())
    await asyncio.gather(*(claim.deliver(submission_id) for submission_id in received * 3))
    await claim.reaches(Stage.COMPLETED)
    await claim.handle.result()
    claim.assert_awarded_once()
    assert len(claim.events()) == 10
    assert len(mail.to(claim.email)) == 1


async def test_two_tabs_that_open_and_start_an_attempt_share_one_claim_and_one_attempt(new_claim: NewClaim) -> None:
    claim = new_claim()
    openings = [claim.receive(claim.opening()) for _ in range(2)]
    await asyncio.gather(*(claim.deliver(opening) for opening in openings))
    assert [(await claim.outcome(opening))["outcome"] for opening in openings] == ["accepted", "accepted"]
    await claim.submit(claim.participation())
    starts = [claim.receive(AttemptStarted()) for _ in range(2)]
    await asyncio.gather(*(claim.deliver(start) for start in starts))
    assert [(await claim.outcome(start))["details"] for start in starts] == [{"attempt": 1}, {"attempt": 1}]
    assert len(claim.attempts()) == 1
    answers = [claim.receive(claim.answers()) for _ in range(2)]
    await asyncio.gather(*(claim.deliver(each) for each in answers))
    assert [(await claim.outcome(each))["refusal"] for each in answers] == [None, RefusalCode.STEP_LOCKED]
    claim.assert_audited()


async def test_two_claims_of_credit_at_once_leave_one_award(new_claim: NewClaim) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.READY_TO_CLAIM)
    amounts = [claim.receive(claim.credit(units)) for units in ("0.50", "1.00")]
    await asyncio.gather(*(claim.deliver(each) for each in amounts))
    outcomes = [await claim.outcome(each) for each in amounts]
    assert [outcome["refusal"] for outcome in outcomes] == [None, RefusalCode.ALREADY_CLAIMED]
    await claim.reaches(Stage.COMPLETED)
    claim.assert_awarded_once()
    assert str(claim.awards()[0]["units"]) == "0.50"


async def test_an_evaluation_received_after_the_grading_delay_counts_although_the_worker_was_down(
    new_claim: NewClaim, workers: Workers
) -> None:
    claim = new_claim(grading_seconds=30)
    await claim.brought_to(Stage.AWAITING_TEST)
    answered_at = datetime.now(UTC)
    await claim.submit(AttemptStarted(), answered_at - timedelta(seconds=1))
    async with workers.away():
        answers = claim.receive(claim.answers(), answered_at)
        evaluation = claim.receive(claim.evaluation(), answered_at + timedelta(seconds=30))
        await claim.deliver(answers)
        await claim.deliver(evaluation)
    assert (await claim.outcome(evaluation))["outcome"] == "accepted"
    assert claim.events()[-2:] == ["attempt.graded", "evaluation.accepted"]
    await claim.reaches(Stage.READY_TO_CLAIM)


async def test_an_evaluation_received_during_the_grading_delay_is_locked_and_unlocks_by_itself(
    new_claim: NewClaim, forward: Forward
) -> None:
    claim = new_claim(grading_seconds=30)
    await claim.brought_to(Stage.AWAITING_TEST)
    await claim.submit(AttemptStarted())
    await claim.submit(claim.answers())
    submitted_at = claim.attempts()[0]["submitted_at"]
    result = await claim.submit(claim.evaluation(), submitted_at + timedelta(seconds=30, microseconds=-1))
    assert result["refusal"] == RefusalCode.STEP_LOCKED
    assert result["details"]["unlocks_at"] == (submitted_at + timedelta(seconds=30)).isoformat()
    await forward(claim, timedelta(seconds=31))
    await claim.reaches(Stage.AWAITING_EVALUATION)
    assert (await claim.submit(claim.evaluation()))["outcome"] == "accepted"


async def test_submissions_to_a_completed_claim_are_refused_and_recorded_and_leave_the_award_alone(
    new_claim: NewClaim, mail: KeptMail
) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.COMPLETED)
    await claim.handle.result()
    award, first_run = claim.awards(), (await claim.handle.describe()).run_id
    refused: dict[RefusalCode, SubmissionBody] = {
        RefusalCode.ALREADY_CLAIMED: claim.credit("0.25"),
        RefusalCode.WRONG_STATE: claim.opening(),
    }
    for code, body in refused.items():
        assert (await claim.submit(body))["refusal"] == code
    assert (await claim.submit(claim.evaluation()))["refusal"] == RefusalCode.WRONG_STATE
    assert claim.events()[-3:] == ["credit.refused", "opening.refused", "evaluation.refused"]
    await claim.handle.result()
    await claim.described(lambda description: description.status is WorkflowExecutionStatus.COMPLETED)
    assert (await claim.handle.describe()).run_id != first_run
    assert claim.awards() == award
    assert len(mail.to(claim.email)) == 1
    claim.assert_awarded_once()
