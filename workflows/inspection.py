"""What Temporal knows of stuck claims: whether it can work at all, and which step of a claim is being tried again.

Used by the API's gateway and by the command line; not by workflow code. Everything here only asks.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState, TaskQueueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.stuck import WORKFLOW_TASK, Engine, PendingStep
from workflows.contract import (
    CLAIM_WORKFLOW,
    CLAIMS_QUEUE,
    DOCUMENTS_QUEUE,
    SEARCH_ATTRIBUTES,
    claim_workflow_id,
)

# More claims than this with a defect are one defect.
_MOST_FAILING: Final = 1_000
# A worker asks for tasks about once a minute at least; one that is silent for longer is gone.
_SILENT_AFTER: Final = timedelta(minutes=2)
_AT_ONCE: Final = 16
# Who may not ask which search attributes there are, as in Temporal Cloud, has no reason to think that any is missing.
_NOT_TOLD: Final = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED})
FAILING_CLAIMS: Final = (
    f'WorkflowType = "{CLAIM_WORKFLOW}" AND ExecutionStatus = "Running" AND TemporalReportedProblems IS NOT NULL'
)
"""The list query of claims whose workflow fails in Laurel's own code; the server notes it after a few failed tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poller:
    """How many workers asked a queue for work in the last minutes, and when one did last."""

    workers: int
    last_seen_at: datetime | None

    @property
    def is_there(self) -> bool:
        """Whether anybody takes what comes into the queue."""
        return self.last_seen_at is not None and self.last_seen_at > datetime.now(UTC) - _SILENT_AFTER


async def inspect(client: Client) -> Engine:
    """Whether Temporal can work on claims at all, and which claims fail in Laurel's own code.

    Raises what the client raises when Temporal can't be reached.
    """
    registered, claims, documents, failing = await asyncio.gather(
        _registered(client), pollers(client, CLAIMS_QUEUE), pollers(client, DOCUMENTS_QUEUE), _failing(client)
    )
    return Engine(
        missing_attributes=tuple(name for name in SEARCH_ATTRIBUTES if name not in registered),
        has_claims_worker=claims.is_there,
        has_documents_worker=documents.is_there,
        failing=failing,
    )


async def _registered(client: Client) -> frozenset[str]:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        answer = await client.operator_service.list_search_attributes(request)
    except RPCError as error:
        if error.status not in _NOT_TOLD:
            raise
        return frozenset(SEARCH_ATTRIBUTES)
    return frozenset(answer.custom_attributes)


async def pollers(client: Client, queue: str) -> Poller:
    """Who works on a queue."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    described = await client.workflow_service.describe_task_queue(request)
    seen = {each.identity: each.last_access_time.ToDatetime(UTC) for each in described.pollers}
    return Poller(workers=len(seen), last_seen_at=max(seen.values(), default=None))


async def _failing(client: Client) -> tuple[str, ...]:
    """The claims; none on a server that does not know of reported problems."""
    # A listing by the client itself raises as soon as one workflow is paused, so the service is asked.
    request = ListWorkflowExecutionsRequest(namespace=client.namespace, query=FAILING_CLAIMS, page_size=_MOST_FAILING)
    try:
        listed = await client.workflow_service.list_workflow_executions(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.INVALID_ARGUMENT:
            raise
        return ()
    prefix = claim_workflow_id("")
    return tuple(each.execution.workflow_id.removeprefix(prefix) for each in listed.executions)


async def pending_steps(client: Client, claim_ids: Sequence[str]) -> Mapping[str, PendingStep]:
    """What each of these claims tries at present; those that try nothing, or run no more, are left out."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def ask(claim_id: str) -> PendingStep | None:
        async with slots:
            return await pending_step(client, claim_id)

    found = await asyncio.gather(*(ask(each) for each in claim_ids))
    return {claim_id: step for claim_id, step in zip(claim_ids, found, strict=True) if step is not None}


async def pending_step(client: Client, claim_id: str) -> PendingStep | None:
    """What a claim tries at present; None if it tries nothing, or has no workflow."""
    request = DescribeWorkflowExecutionRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=claim_workflow_id(claim_id))
    )
    try:
        described = await client.workflow_service.describe_workflow_execution(request)
    except RPCError:
        return None
    return _step_of(described)


def _step_of(described: DescribeWorkflowExecutionResponse) -> PendingStep | None:
    task = described.pending_workflow_task
    if task.attempt > 1:
        return PendingStep(step=WORKFLOW_TASK, tries=task.attempt, next_try_at=None, error=_problem(described))
    activities = sorted(described.pending_activities, key=lambda each: each.attempt, reverse=True)
    if not activities:
        return None
    worst = activities[0]
    failure = worst.last_failure if worst.HasField("last_failure") else None
    return PendingStep(
        step=worst.activity_type.name,
        # One that waits has the number of the try that comes.
        tries=worst.attempt - (worst.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED),
        next_try_at=_time(worst.next_attempt_schedule_time) if worst.HasField("next_attempt_schedule_time") else None,
        error=(failure.application_failure_info.type or "TimeoutError") if failure else None,
    )


def _problem(described: DescribeWorkflowExecutionResponse) -> str | None:
    """What the server reports about failing workflow tasks, such as ``NonDeterministicError``."""
    payload = described.workflow_execution_info.search_attributes.indexed_fields.get("TemporalReportedProblems")
    if payload is None:
        return None
    words = payload.data.decode().replace('"', "").strip("[]").split(",")
    causes = [each.partition("=")[2] for each in words if each.strip().startswith("cause=")]
    return causes[0].removeprefix("WorkflowTaskFailedCause") if causes else None


def _time(at: Timestamp) -> datetime:
    return at.ToDatetime(UTC)
