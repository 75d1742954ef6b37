"""Staff: agreeing to a correction that somebody else asked for, and ending one that is parked."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.problems import ProblemError
from api.v1 import answers, bodies
from api.v1.bodies import Nothing, Reason
from api.v1.corrections import ACCEPTED, TAKEN, CorrectionDocument, answer, find
from api.v1.steps import ApproverDesk, Desk, StaffDesk, any_claim
from domain.corrections import may_decide
from domain.reasons import CorrectionResolutionReason
from storage import corrections, intake
from storage.corrections import Correction, Resolution
from storage.intake import KeyReusedError

router = APIRouter(
    prefix="/v1/staff/corrections/{correction_id}", tags=["corrections"], responses=answers.STAFF_PROBLEMS
)

Record = Callable[[AsyncConnection], Awaitable[bool]]
"""Records somebody's word about a correction; False when the correction waits for none."""


class ResolutionRequest(bodies.Body):
    """End a correction that is parked, as it is; the reason is for the office."""

    reason_code: Annotated[CorrectionResolutionReason, Field(strict=False)]
    reason: Reason


@router.post("/approve", response_model=CorrectionDocument, responses=TAKEN)
async def approve_correction(
    correction_id: str,
    desk: ApproverDesk,
    body: Annotated[Nothing | None, Body()] = None,  # noqa: ARG001  # its being there says that fields are refused
) -> Response:
    """Agree to what somebody else asked for; then it is made."""
    return await _decide(desk, correction_id, is_approved=True)


@router.post("/decline", response_model=CorrectionDocument, responses=TAKEN)
async def decline_correction(
    correction_id: str,
    desk: ApproverDesk,
    body: Annotated[Nothing | None, Body()] = None,  # noqa: ARG001  # its being there says that fields are refused
) -> Response:
    """Decline what somebody else asked for; nothing is changed."""
    return await _decide(desk, correction_id, is_approved=False)


async def _decide(desk: Desk, correction_id: str, *, is_approved: bool) -> Response:
    found, principal = await find(desk.services, correction_id), desk.principal
    if not may_decide(principal.role, principal.account_id, found.requested_by):
        raise ProblemError("own_request")

    async def record(connection: AsyncConnection) -> bool:
        return await corrections.decide(
            connection,
            found.id,
            principal.account_id,
            is_approved=is_approved,
            request_id=desk.envelope.request_id,
        )

    return await _take(desk, found, record)


@router.post("/resolve", response_model=CorrectionDocument, responses=TAKEN)
async def resolve_correction(correction_id: str, body: ResolutionRequest, desk: StaffDesk) -> Response:
    """End a correction that is parked, as it is: what it changed stays, its e-mail is dropped, another may follow."""
    found = await find(desk.services, correction_id)
    resolution = Resolution(
        by=desk.principal.account_id,
        reason_code=body.reason_code,
        reason=body.reason,
        request_id=desk.envelope.request_id,
    )
    return await _take(desk, found, lambda connection: corrections.resolve(connection, found.id, resolution))


async def _take(desk: Desk, found: Correction, record: Record) -> Response:
    """Record somebody's word about another's correction, tell the workflow, and wait for what it brings about."""
    services = desk.services
    view = await any_claim(services, found.claim_id)
    if view.learner_id == desk.principal.learner_id:
        raise ProblemError("own_claim")
    is_new = await _record_once(desk, found, record)
    if is_new:
        await services.gateway.correct(
            found.id, desk.envelope.patience, ce_activity=view.ce_activity, provider=view.provider, is_decided=True
        )
    return await answer(desk.request, services, found.id, is_new=is_new)


async def _record_once(desk: Desk, found: Correction, record: Record) -> bool:
    """Record a word once; False when the same request recorded it before, 409 when the correction waits for none."""
    key = desk.envelope.key or intake.own_key()

    async def once(connection: AsyncConnection) -> bool:
        if await intake.begin_answer(connection, key) is not None:
            return desk.envelope.key is None
        if not await record(connection):
            raise ProblemError("correction_settled", details={"state": found.state})
        await intake.finish_answer(connection, key, ACCEPTED, {"correction": found.id})
        return True

    try:
        return await desk.services.database.transaction(once)
    except KeyReusedError:
        raise ProblemError("idempotency_key_reused") from None
