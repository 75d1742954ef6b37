"""The steps around the amount: statement, disclosures, sessions, finalisation, and asking for more time."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.auth import SignedIn
from api.forms import session_json
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import (
    DisclosuresRequest,
    FinalizationRequest,
    ReasonRequest,
    SessionCreditRequest,
    StatementRequest,
)
from api.v1.learning import cleaned_responses
from api.v1.steps import StepDesk, json_response, own_claim
from domain.submissions import (
    DisclosuresAcknowledged,
    ExtensionRequested,
    SessionClaimed,
    StatementChosen,
    StatementFinalized,
)
from storage.queries import ClaimView

router = APIRouter(prefix="/v1/claims/{claim_id}", tags=["steps"], responses=answers.PROBLEMS | answers.TAKEN)

ServicesOf = Annotated[Services, Depends(services_of)]


@router.put("/statement", response_model=answers.Claim)
async def choose_statement(claim_id: str, body: StatementRequest, desk: StepDesk) -> Response:
    """Choose the statement of credit that I seek, or another one while nothing is final."""
    view = await desk.own_claim(claim_id)
    return await desk.take(view, StatementChosen(body.credit_type))


@router.post("/disclosures", response_model=answers.Claim)
async def acknowledge_disclosures(claim_id: str, body: DisclosuresRequest, desk: StepDesk) -> Response:
    """Acknowledge that I read the disclosures."""
    view = await desk.own_claim(claim_id)
    return await desk.take(view, DisclosuresAcknowledged(body.version))


class SessionSearch(BaseModel):
    """Which sessions to list: all, or those that I claim, or those that I do not."""

    model_config = ConfigDict(extra="forbid")

    claimed: bool | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    after: Annotated[str, Field(max_length=80, description="The `next` of the page before.")] | None = None


@router.get("/sessions", response_model=answers.SessionList)
async def list_sessions(
    claim_id: str,
    principal: SignedIn,
    services: ServicesOf,
    wanted: Annotated[SessionSearch, Query()],
) -> Response:
    """The sessions of my meeting in the programme's order, with what I claim for each."""
    return await sessions_page(services, await own_claim(services, principal, claim_id), wanted)


async def sessions_page(services: Services, view: ClaimView, wanted: SessionSearch) -> Response:
    """A page of the sessions of a claim's meeting, with what is claimed for each."""
    policy = await services.policies.get(view.version_id)
    codes = [session.code for session in policy.sessions]
    if wanted.after is not None and wanted.after not in codes:
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])
    rest = policy.sessions[codes.index(wanted.after) + 1 :] if wanted.after is not None else policy.sessions
    found = [each for each in rest if wanted.claimed is None or (each.code in view.facts.sessions) is wanted.claimed]
    shown, has_more = found[: wanted.limit], len(found) > wanted.limit
    data = [session_json(view.id, policy, view.facts, session) for session in shown]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].code if has_more else None})


@router.put("/sessions/{session}", response_model=answers.Claim)
async def claim_session(claim_id: str, session: str, body: SessionCreditRequest, desk: StepDesk) -> Response:
    """Claim credit for a session and evaluate it; saved at once, and changeable until the statement is final."""
    view = await desk.own_claim(claim_id)
    policy = await desk.policy_of(view)
    if policy.session(session) is None:
        raise ProblemError("not_found")
    responses = body.responses
    if responses is not None and policy.session_evaluation is not None:
        responses = cleaned_responses(policy.session_evaluation, responses)
    return await desk.take(view, SessionClaimed(session, Decimal(body.units), responses))


@router.delete("/sessions/{session}", response_model=answers.Claim)
async def drop_session(claim_id: str, session: str, desk: StepDesk) -> Response:
    """Claim nothing for a session any more; its evaluation stays."""
    view = await desk.own_claim(claim_id)
    policy = await desk.policy_of(view)
    if policy.session(session) is None:
        raise ProblemError("not_found")
    return await desk.take(view, SessionClaimed(session, None))


@router.post("/finalization", response_model=answers.Claim)
async def finalize(claim_id: str, body: FinalizationRequest, desk: StepDesk) -> Response:
    """Make my statement final: the credit is awarded, and nothing can be changed in it any more."""
    view = await desk.own_claim(claim_id)
    return await desk.take(view, StatementFinalized(body.confirmed))


@router.post("/extension-requests", response_model=answers.Claim)
async def request_extension(claim_id: str, body: ReasonRequest, desk: StepDesk) -> Response:
    """Ask for more time, also when the deadline has passed."""
    view = await desk.own_claim(claim_id)
    return await desk.take(view, ExtensionRequested(body.reason))
