"""What Temporal forgets, the record remembers: reset, terminated and wiped claims go on with one outcome."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, RowMapping, text
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.testing import WorkflowEnvironment

from activities.contract import ClaimStep
from activities.relay import Restarter
from activities.smtp import AddressRejectedError
from domain.claims import Attention, Stage
from domain.identities import new_id
from domain.policy import ClaimWindow
from domain.refusals import RefusalCode
from domain.submissions import AttemptStarted, StepRetried, SubmissionBody
from storage.claims import stalled_claims
from tests.claims import KeptMail, TestClaim
from tests.workflows.conftest import LONG_HISTORY, Forward
from worker import Activities
from workflows.delivery import ClaimOutline, start_if_absent

NewClaim = Callable[..., TestClaim]
# Started, task scheduled, task started, task completed.
_FIRST_TASK = 4
pytestmark = pytest.mark.usefixtures("workers")


async def reset_to_first_task(claim: TestClaim) -> None:
    """Run the claim again from its first workflow task, as an operator does in the Temporal UI."""
    await claim.described(lambda description: description.history_length >= _FIRST_TASK)
    request = ResetWorkflowExecutionRequest(
        namespace=claim.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=claim.handle.id),
        reason="test",
        workflow_task_finish_event_id=_FIRST_TASK,
        request_id=new_id("req"),
    )
    await claim.client.workflow_service.reset_workflow_execution(request)


def steps_from(claim: TestClaim, stage: Stage) -> list[tuple[Stage, SubmissionBody]]:
    """What the learner still has to do once the claim is in this stage."""
    stages = [each for each, _ in claim.steps()]
    return claim.steps()[stages.index(stage) :] if stage in stages else []


@pytest.mark.parametrize(
    "stage", [Stage.AWAITING_TEST, Stage.AWAITING_EVALUATION, Stage.READY_TO_CLAIM, Stage.COMPLETED]
)
async def test_a_claim_that_is_reset_to_its_first_task_ends_with_one_award(
    new_claim: NewClaim, mail: KeptMail, stage: Stage
) -> None:
    claim = new_claim()
    before = await claim.brought_to(stage)
    await reset_to_first_task(claim)
    assert claim.row() == before
    for step_stage, body in steps_from(claim, stage):
        await claim.reaches(step_stage)
        assert (await claim.submit(body))["outcome"] == "accepted"
    await claim.reaches(Stage.COMPLETED)
    await claim.handle.result()
    claim.assert_awarded_once()
    assert len(mail.to(claim.email)) == 1


async def test_a_terminated_claim_goes_on_with_the_next_delivery(new_claim: NewClaim, mail: KeptMail) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.READY_TO_CLAIM)
    await claim.handle.terminate("test")
    assert (await claim.submit(claim.credit()))["outcome"] == "accepted"
    await claim.reaches(Stage.COMPLETED)
    claim.assert_awarded_once()
    assert len(mail.to(claim.email)) == 1


async def test_a_claim_terminated_while_grading_still_gets_its_result_at_the_right_time(
    new_claim: NewClaim, forward: Forward
) -> None:
    claim = new_claim(grading_seconds=600)
    await claim.brought_to(Stage.AWAITING_TEST)
    await claim.submit(AttemptStarted())
    await claim.submit(claim.answers())
    await claim.handle.terminate("test")
    assert (await claim.submit(claim.opening()))["outcome"] == "accepted"
    await forward(claim, timedelta(seconds=500))
    assert claim.row()["stage"] == Stage.GRADING
    await forward(claim, timedelta(seconds=101))
    await claim.reaches(Stage.AWAITING_EVALUATION)
    assert claim.attempts()[0]["graded_at"] - claim.attempts()[0]["submitted_at"] == timedelta(seconds=600)


async def test_a_parked_claim_that_is_terminated_is_no_longer_parked_once_it_completes(
    new_claim: NewClaim, mail: KeptMail
) -> None:
    claim = new_claim()
    mail.failures[claim.email] = AddressRejectedError()
    await claim.brought_to(Stage.ISSUING)
    await claim.until(lambda: claim.row()["attention"] == Attention.EMAIL_FAILED)
    await claim.handle.terminate("test")
    del mail.failures[claim.email]
    await claim.submit(StepRetried("mail server repaired"))
    await claim.reaches(Stage.COMPLETED)
    assert claim.row()["attention"] is None
    claim.assert_awarded_once()


async def test_a_claim_of_which_temporal_knows_nothing_goes_on_from_the_record(
    new_claim: NewClaim, activities: Activities
) -> None:
    claim = new_claim()
    claim.receive_steps(Stage.AWAITING_EVALUATION, datetime.now(UTC) - timedelta(hours=1))
    # The ledger's own write, without a workflow: what is left when Temporal's database is lost.
    activities.claims.load_claim(ClaimStep(claim.claim_id, datetime.now(UTC)))
    assert claim.row()["stage"] == Stage.GRADING
    assert (await claim.submit(claim.evaluation()))["outcome"] == "accepted"
    assert (await claim.submit(claim.credit()))["outcome"] == "accepted"
    await claim.reaches(Stage.COMPLETED)
    claim.assert_awarded_once()


async def test_a_claim_whose_engine_was_lost_in_the_middle_of_grading_is_started_again(
    new_claim: NewClaim, engine: Engine, environment: WorkflowEnvironment
) -> None:
    claim = new_claim(grading_seconds=3600)
    await claim.brought_to(Stage.AWAITING_TEST)
    await claim.submit(AttemptStarted())
    await claim.submit(claim.answers())
    await claim.handle.terminate("the engine is lost")
    # An hour and more goes by: nobody signals a claim that only waits for its result.
    with engine.begin() as connection:
        for statement in (
            "UPDATE attempts SET submitted_at = submitted_at - interval '2 hours' WHERE claim_id = :id",
            "UPDATE claims SET wakes_at = wakes_at - interval '2 hours' WHERE id = :id",
        ):
            connection.execute(text(statement), {"id": claim.claim_id})

    async def start(row: RowMapping) -> None:
        await start_if_absent(environment.client, ClaimOutline(**row))

    assert await Restarter(engine, start).restart_stalled() >= 1
    await claim.reaches(Stage.AWAITING_EVALUATION)
    assert claim.claim_id not in {row["claim_id"] for row in stalled(engine)}


async def test_a_claim_whose_engine_was_lost_before_a_reminder_is_started_again_and_reminds(
    new_claim: NewClaim, activities: Activities, engine: Engine, environment: WorkflowEnvironment
) -> None:
    claim = new_claim(claim_window=ClaimWindow(days=12))
    # Of three reminders the second was due yesterday, while nothing ran.
    claim.receive(claim.opening(), datetime.now(UTC) - timedelta(days=10))
    activities.claims.load_claim(ClaimStep(claim.claim_id, datetime.now(UTC)))
    assert claim.claim_id in {row["claim_id"] for row in stalled(engine)}

    async def start(row: RowMapping) -> None:
        await start_if_absent(environment.client, ClaimOutline(**row))

    await Restarter(engine, start).restart_stalled()
    await claim.until(lambda: claim.row()["reminded_at"] is not None)
    assert claim.claim_id not in {row["claim_id"] for row in stalled(engine)}


def stalled(engine: Engine) -> Sequence[RowMapping]:
    with engine.connect() as connection:
        return stalled_claims(connection)


async def test_a_claim_that_waits_for_its_learner_is_left_alone(new_claim: NewClaim, engine: Engine) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.READY_TO_CLAIM)
    with engine.begin() as connection:
        long_ago = text("UPDATE claims SET stage_since_at = stage_since_at - interval '30 days' WHERE id = :id")
        connection.execute(long_ago, {"id": claim.claim_id})
    assert claim.claim_id not in {row["claim_id"] for row in stalled(engine)}


async def test_a_claim_with_thousands_of_refused_steps_goes_on_in_a_new_run(new_claim: NewClaim) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.AWAITING_TEST)
    first_run = (await claim.handle.describe()).run_id
    for _ in range(LONG_HISTORY // 4):
        assert (await claim.submit(claim.credit()))["refusal"] == RefusalCode.STEP_LOCKED
    await claim.described(lambda description: description.run_id != first_run)
    assert (await claim.handle.describe()).history_length < LONG_HISTORY
    for stage, body in steps_from(claim, Stage.AWAITING_TEST):
        await claim.reaches(stage)
        assert (await claim.submit(body))["outcome"] == "accepted"
    await claim.reaches(Stage.COMPLETED)
    claim.assert_awarded_once()
