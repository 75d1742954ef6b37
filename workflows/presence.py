"""Which workflows run, as Temporal itself says, and how to bring one back to what the record says.

Used by ``laurel reconcile``; not by workflow code.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, ListWorkflowExecutionsRequest
from temporalio.client import Client
from temporalio.common import TypedSearchAttributes
from temporalio.converter import decode_typed_search_attributes
from temporalio.service import RPCError, RPCStatusCode

from workflows.contract import (
    CLAIM_WORKFLOW,
    CORRECTION_DECIDED,
    CORRECTION_WORKFLOW,
    MERGE_WORKFLOW,
    READ_RECORD,
    claim_workflow_id,
    correction_workflow_id,
    merge_workflow_id,
)

_PATIENCE: Final = timedelta(seconds=10)
_PAGE: Final = 500
_LIVES: Final = (
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED,
)


class Kind(StrEnum):
    """What has workflows; the values are their types."""

    CLAIM = CLAIM_WORKFLOW
    CORRECTION = CORRECTION_WORKFLOW
    MERGE = MERGE_WORKFLOW


@dataclass(frozen=True, slots=True)
class _Contract:
    """How a kind's workflows are called, and the signal after which one reads the record, if it has one."""

    workflow_id: Callable[[str], str]
    look_again: str | None


_CONTRACTS: Final = {
    Kind.CLAIM: _Contract(claim_workflow_id, READ_RECORD),
    Kind.CORRECTION: _Contract(correction_workflow_id, CORRECTION_DECIDED),
    Kind.MERGE: _Contract(merge_workflow_id, None),
}


async def shown(client: Client, kind: Kind, row_id: str) -> TypedSearchAttributes | None:
    """What operators see of a workflow; None when it does not run.

    The service is asked, because a list may lag behind, and because the client can't read the status of one that is
    paused.
    """
    workflow_id = _CONTRACTS[kind].workflow_id(row_id)
    request = DescribeWorkflowExecutionRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
    )
    try:
        described = await client.workflow_service.describe_workflow_execution(request, timeout=_PATIENCE)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    info = described.workflow_execution_info
    return decode_typed_search_attributes(info.search_attributes) if info.status in _LIVES else None


async def running(client: Client, kind: Kind) -> AsyncIterator[list[str]]:
    """The ids whose workflows run, in pages; the list may lag a second or two behind."""
    prefix, token = _CONTRACTS[kind].workflow_id(""), b""
    query = f'WorkflowType = "{kind}" AND ExecutionStatus = "Running"'
    while True:
        request = ListWorkflowExecutionsRequest(
            namespace=client.namespace, query=query, page_size=_PAGE, next_page_token=token
        )
        listed = await client.workflow_service.list_workflow_executions(request, timeout=_PATIENCE)
        yield [each.execution.workflow_id.removeprefix(prefix) for each in listed.executions]
        token = listed.next_page_token
        if not token:
            return


async def tell(client: Client, kind: Kind, row_id: str) -> None:
    """Let a workflow read the record. One that ended meanwhile did so by itself; a merge reads it all the time."""
    contract = _CONTRACTS[kind]
    if contract.look_again is None:
        return
    handle = client.get_workflow_handle(contract.workflow_id(row_id))
    try:
        await handle.signal(contract.look_again, rpc_timeout=_PATIENCE)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def end(client: Client, kind: Kind, row_id: str, reason: str) -> None:
    """End a workflow of which the record knows nothing, so that it can read nothing either."""
    handle = client.get_workflow_handle(_CONTRACTS[kind].workflow_id(row_id))
    try:
        await handle.terminate(reason=reason, rpc_timeout=_PATIENCE)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
