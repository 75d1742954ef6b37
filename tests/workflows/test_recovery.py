"""What Temporal forgets, the record remembers: reset, terminated and wiped claims go on with one outcome."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from activities.contract import ClaimStep
from activities.smtp import AddressRejectedError
from domain.claims import Attention, Stage
from domain.identities import new_id
from domain.submissions import AttemptStarted, StepRetried, SubmissionBody
from tests.claims import KeptMail, TestClaim
from tests.workflows.conftest import Forward
from worker import Activities

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
