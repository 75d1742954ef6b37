"""The floor: a bare workflow with a claim's signals, timers, ledger writes and effects, all of which do nothing.

It says what the Temporal server and the SDK alone cost on this machine. Ledger writes are local activities, the two
effects ordinary ones, as in a real claim; the learner sends the next signal when the last one was worked off.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.worker import PollerBehaviorAutoscaling, Worker

with workflow.unsafe.imports_passed_through():
    from workflows.contract import CE_ACTIVITY, CLAIM_STAGE, PROVIDER

QUEUE = "floor"
_written: dict[str, asyncio.Queue[None]] = {}


@activity.defn(name="floor.write")
async def write(claim_id: str) -> str:
    _written[claim_id].put_nowait(None)
    return "a state of about the size that a ledger write answers with, so that the histories compare" * 2


@activity.defn(name="floor.effect")
async def effect(claim_id: str) -> None:
    """Stands where a certificate is rendered or a mail is sent."""


@dataclass(frozen=True)
class FloorStory:
    """Which of a claim's signals move it to another stage, and how long grading takes after which of them, if any."""

    moves: Sequence[bool]
    graded_after: int | None = None
    grading_seconds: float = 0


@workflow.defn(name="floor")
class FloorWorkflow:
    @workflow.init
    def __init__(self, _claim_id: str, _story: FloorStory) -> None:
        self._received = 0

    @workflow.run
    async def run(self, claim_id: str, story: FloorStory) -> None:
        deadline = asyncio.create_task(workflow.sleep(timedelta(days=30)))
        await self._write(claim_id)
        for number, is_moved in enumerate(story.moves, start=1):
            await workflow.wait_condition(partial(self._has_received, number))
            await self._write(claim_id)
            if is_moved:
                workflow.upsert_search_attributes([CLAIM_STAGE.value_set(f"stage {number}")])
            if number == story.graded_after:
                await workflow.sleep(timedelta(seconds=story.grading_seconds))
                await self._write(claim_id)
                workflow.upsert_search_attributes([CLAIM_STAGE.value_set("graded")])
        for _ in range(2):
            await workflow.execute_activity(effect, claim_id, start_to_close_timeout=timedelta(seconds=10))
        workflow.upsert_search_attributes([CLAIM_STAGE.value_set("completed")])
        del deadline

    def _has_received(self, number: int) -> bool:
        return self._received >= number

    async def _write(self, claim_id: str) -> None:
        await workflow.execute_local_activity(write, claim_id, schedule_to_close_timeout=timedelta(seconds=10))

    @workflow.signal
    def step(self, _number: int) -> None:
        self._received += 1


def floor_worker(client: Client, slots: int = 12) -> Worker:
    return Worker(
        client,
        task_queue=QUEUE,
        workflows=[FloorWorkflow],
        activities=[write, effect],
        activity_executor=ThreadPoolExecutor(4),
        max_concurrent_workflow_tasks=slots,
        max_cached_workflows=500,
        # As the product's: the slots are shared between asking for claims in memory and for all others.
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(maximum=slots // 3, initial=slots // 3),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(maximum=slots // 3, initial=slots // 3),
    )


async def floor_start(client: Client, claim_id: str, story: FloorStory) -> WorkflowHandle[FloorWorkflow, None]:
    """Start one, and let it come to where it waits for its first signal."""
    done = _written[claim_id] = asyncio.Queue()
    handle = await client.start_workflow(
        FloorWorkflow.run,
        args=[claim_id, story],
        id=f"floor-{claim_id}",
        task_queue=QUEUE,
        search_attributes=TypedSearchAttributes(
            [
                SearchAttributePair(CLAIM_STAGE, "open"),
                SearchAttributePair(CE_ACTIVITY, "floor"),
                SearchAttributePair(PROVIDER, "floor"),
            ]
        ),
    )
    await done.get()
    return handle


async def floor_claim(client: Client, claim_id: str, story: FloorStory) -> None:
    """One claim's worth of nothing, from start to completion."""
    handle = await floor_start(client, claim_id, story)
    done = _written[claim_id]
    for number in range(1, len(story.moves) + 1):
        await handle.signal(FloorWorkflow.step, number)
        await done.get()
        if number == story.graded_after:
            await done.get()
    await handle.result()
    del _written[claim_id]
