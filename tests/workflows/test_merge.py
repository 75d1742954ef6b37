"""A merge on a real Temporal server: done by the product's worker, and claims that it ends are withdrawn."""

from collections.abc import Callable

from sqlalchemy import Engine, RowMapping
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from activities.relay import Relay
from domain.claims import Stage
from tests.activities.test_merge import asked, details_of
from tests.claims import TestClaim
from tests.workflows.conftest import Workers
from worker import _delivery
from workflows.contract import merge_workflow_id
from workflows.delivery import deliver, start_merge

NewClaim = Callable[..., TestClaim]


async def test_a_merge_is_done_and_the_second_claim_is_withdrawn_by_its_own_workflow(
    new_claim: NewClaim, environment: WorkflowEnvironment, workers: Workers, engine: Engine
) -> None:
    kept = new_claim()
    duplicate = TestClaim(engine, environment.client, kept.policy, slug=kept.slug)
    for claim in (kept, duplicate):
        await claim.brought_to(Stage.AWAITING_TEST)
    ref = asked(engine, kept.learner_id, duplicate.learner_id)
    await start_merge(environment.client, ref.merge_id)
    await environment.client.get_workflow_handle(merge_workflow_id(ref.merge_id)).result()
    assert details_of(engine, ref)["claims_withdrawn"] == [duplicate.claim_id]

    async def deliver_row(row: RowMapping) -> None:
        if row["claim_id"] == duplicate.claim_id:
            await deliver(environment.client, _delivery(row))

    await Relay(engine, deliver_row).deliver_due()
    await duplicate.reaches(Stage.WITHDRAWN)
    await duplicate.handle.result()
    assert (await kept.reaches(Stage.AWAITING_TEST))["closed_as"] is None


async def test_a_merge_waits_for_a_worker_and_may_be_started_again(
    new_claim: NewClaim, environment: WorkflowEnvironment, workers: Workers, engine: Engine
) -> None:
    kept, duplicate = new_claim(), new_claim()
    ref = asked(engine, kept.learner_id, duplicate.learner_id)
    handle = environment.client.get_workflow_handle(merge_workflow_id(ref.merge_id))
    async with workers.away():
        await start_merge(environment.client, ref.merge_id)
        await start_merge(environment.client, ref.merge_id)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    await handle.result()
    first = details_of(engine, ref)
    await start_merge(environment.client, ref.merge_id)
    await handle.result()
    assert details_of(engine, ref) == first


async def test_the_history_of_a_merge_holds_its_id_and_nothing_else(
    new_claim: NewClaim, environment: WorkflowEnvironment, workers: Workers, engine: Engine
) -> None:
    kept, duplicate = new_claim(), new_claim()
    ref = asked(engine, kept.learner_id, duplicate.learner_id, reason="canary-7f3a")
    await start_merge(environment.client, ref.merge_id)
    handle = environment.client.get_workflow_handle(merge_workflow_id(ref.merge_id))
    await handle.result()
    history = (await handle.fetch_history()).to_json()
    for personal in ("canary", kept.learner_id, duplicate.learner_id, kept.email, duplicate.email, "Moreau"):
        assert personal not in history
