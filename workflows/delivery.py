"""Delivering a submission: a signal, or signal-with-start, so that every delivery can also start or restart its claim.

Used by the API's gateway and by the relay; not by workflow code.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from domain.submissions import STAFF_KINDS, SubmissionKind
from workflows.contract import (
    CE_ACTIVITY,
    CLAIM_DUE_AT,
    CLAIM_STAGE,
    CLAIM_STAGE_SINCE,
    CLAIM_WORKFLOW,
    CLAIMS_QUEUE,
    CORRECTION_DECIDED,
    CORRECTION_WORKFLOW,
    ISSUANCE_RESUMED,
    MERGE_WORKFLOW,
    PROVIDER,
    RETRY_CORRECTION,
    SIGNAL_OF_KIND,
    ClaimInput,
    CorrectionInput,
    MergeInput,
    OperatorSignal,
    SubmissionReceived,
    claim_workflow_id,
    correction_workflow_id,
    merge_workflow_id,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimOutline:
    """What operators filter a claim by, known before its workflow runs."""

    claim_id: str
    ce_activity: str
    provider: str
    stage: str
    stage_since_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(ClaimOutline):
    """One submission on its way to its claim, and the request that it came with."""

    submission_id: str
    kind: SubmissionKind
    received_at: datetime
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionOutline:
    """A correction, what operators filter it by, and what it has to be told.

    That is a second person's word (``is_decided``), or that issuance goes on after a pause (``is_resumed``).
    """

    correction_id: str
    ce_activity: str
    provider: str
    is_decided: bool = False
    is_resumed: bool = False


async def deliver(client: Client, delivery: Delivery, rpc_timeout: timedelta = timedelta(seconds=2)) -> None:
    """Signal the claim's workflow, starting it if it does not run.

    A plain signal comes first: it is what nearly every delivery needs, and costs the server a sixth less per claim than
    signal-with-start (``bench/floor.py``). A closed claim's workflow starts again too: the late submission is decided
    and recorded like any other, by the one writer of claims, and the workflow ends at once. Uniqueness of awards is the
    database's, not the workflow id's.

    Raises what the client raises when Temporal can't be reached; the relay then delivers later.
    """
    if delivery.kind is SubmissionKind.OPENING:
        is_delivered = await start_if_absent(client, delivery, rpc_timeout)
    else:
        is_delivered = await _signal_running(client, delivery, rpc_timeout)
    if not is_delivered:
        await client.start_workflow(
            **_start_options(delivery, rpc_timeout),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=SIGNAL_OF_KIND[delivery.kind],
            start_signal_args=[_payload(delivery)],
        )


async def _signal_running(client: Client, delivery: Delivery, rpc_timeout: timedelta) -> bool:
    handle = client.get_workflow_handle(claim_workflow_id(delivery.claim_id))
    try:
        await handle.signal(SIGNAL_OF_KIND[delivery.kind], _payload(delivery), rpc_timeout=rpc_timeout)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


async def start_if_absent(client: Client, claim: ClaimOutline, rpc_timeout: timedelta = timedelta(seconds=2)) -> bool:
    """Start a claim's workflow without a signal; False when it runs already.

    A new claim needs no signal: its first act is to read the intake. A claim whose workflow was lost needs none either.
    """
    try:
        await client.start_workflow(
            **_start_options(claim, rpc_timeout), id_conflict_policy=WorkflowIDConflictPolicy.FAIL
        )
    except WorkflowAlreadyStartedError:
        return False
    return True


async def resume_claim(client: Client, claim: ClaimOutline, rpc_timeout: timedelta = timedelta(seconds=2)) -> None:
    """Tell a claim that issuance goes on, starting its workflow if it does not run."""
    await client.start_workflow(
        **_start_options(claim, rpc_timeout),
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        start_signal=ISSUANCE_RESUMED,
    )


async def start_merge(client: Client, merge_id: str, rpc_timeout: timedelta = timedelta(seconds=2)) -> None:
    """Start the workflow of a merge that was recorded, unless it runs already."""
    await client.start_workflow(
        MERGE_WORKFLOW,
        MergeInput(merge_id),
        id=merge_workflow_id(merge_id),
        task_queue=CLAIMS_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="Merge of two learners",
        rpc_timeout=rpc_timeout,
    )


async def start_correction(
    client: Client, correction: CorrectionOutline, rpc_timeout: timedelta = timedelta(seconds=2)
) -> None:
    """Start the workflow of a correction that was recorded, unless it runs already; tell it what there is to tell."""
    told = CORRECTION_DECIDED if correction.is_decided else ISSUANCE_RESUMED if correction.is_resumed else None
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(CE_ACTIVITY, correction.ce_activity),
        SearchAttributePair(PROVIDER, correction.provider),
    ]
    await client.start_workflow(
        CORRECTION_WORKFLOW,
        CorrectionInput(correction.correction_id),
        id=correction_workflow_id(correction.correction_id),
        task_queue=CLAIMS_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=TypedSearchAttributes(pairs),
        static_summary=f"Correction of a claim: {correction.ce_activity}",
        start_signal=told,
        rpc_timeout=rpc_timeout,
    )


async def retry_correction(
    client: Client, correction_id: str, operator: str, reason_code: str, rpc_timeout: timedelta = timedelta(seconds=2)
) -> None:
    """Have a parked correction try its step again. One without a workflow tries as soon as the restarter finds it.

    Raises what the client raises when Temporal can't be reached.
    """
    handle = client.get_workflow_handle(correction_workflow_id(correction_id))
    retry = OperatorSignal(operator=operator, reason=reason_code)
    try:
        await handle.signal(RETRY_CORRECTION, retry, rpc_timeout=rpc_timeout)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


def _start_options(claim: ClaimOutline, rpc_timeout: timedelta) -> dict[str, Any]:
    return {
        "workflow": CLAIM_WORKFLOW,
        "arg": ClaimInput(claim.claim_id),
        "id": claim_workflow_id(claim.claim_id),
        "task_queue": CLAIMS_QUEUE,
        "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        "search_attributes": _search_attributes(claim),
        "static_summary": f"Credit claim: {claim.ce_activity}",
        "rpc_timeout": rpc_timeout,
    }


def _payload(delivery: Delivery) -> SubmissionReceived | OperatorSignal:
    if delivery.kind in STAFF_KINDS or delivery.kind is SubmissionKind.WITHDRAWAL:
        return OperatorSignal(delivery.submission_id, delivery.kind, delivery.received_at)
    return SubmissionReceived(delivery.submission_id, delivery.kind, delivery.received_at)


def _search_attributes(claim: ClaimOutline) -> TypedSearchAttributes:
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(CLAIM_STAGE, claim.stage),
        SearchAttributePair(CLAIM_STAGE_SINCE, claim.stage_since_at),
        SearchAttributePair(CE_ACTIVITY, claim.ce_activity),
        SearchAttributePair(PROVIDER, claim.provider),
    ]
    if claim.due_at is not None:
        pairs.append(SearchAttributePair(CLAIM_DUE_AT, claim.due_at))
    return TypedSearchAttributes(pairs)
