"""Staff: defining CE activities, and helping with claims."""

from datetime import UTC, date, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.auth import Office
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import ExtensionRequest, ReasonRequest
from api.v1.envelope import Envelope, envelope
from api.v1.steps import Desk, StaffDesk, any_claim, json_response
from api.views import claim_json
from domain.submissions import DeadlineExtended, ExtensionRefused, StepRetried
from storage import queries
from storage.queries import ClaimView

router = APIRouter(prefix="/v1/staff", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
EnvelopeOf = Annotated[Envelope, Depends(envelope)]

_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2200


def plausible(at: datetime) -> datetime:
    """A time that somebody may mean; else ``ValueError``."""
    try:
        year = at.astimezone(UTC).year
    except OverflowError:
        raise ValueError("time_implausible") from None
    if not _FIRST_YEAR <= year < _LAST_YEAR:
        raise ValueError("time_implausible")
    return at


@router.get("/claims/{claim_id}", response_model=answers.StaffClaim)
async def show_claim(
    claim_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
) -> Response:
    """One claim of any learner, with whose it is and where operators find its workflow."""
    view = await any_claim(services, claim_id)
    policy = await services.policies.get(view.version_id)
    contact = await services.database.statements(lambda c: queries.contact_of(c, view.learner_id))
    workflow_id = services.gateway.workflow_id(view.id)
    document = {
        **claim_json(view, policy, services.settings.public_url),
        "learner": {"id": view.learner_id, **contact},
        "workflow_id": workflow_id,
        "workflow_url": services.gateway.workflow_url(workflow_id, services.settings.temporal_ui_url),
    }
    return json_response(document)


@router.post("/claims/{claim_id}/extend", response_model=answers.Claim, responses=answers.TAKEN)
async def extend_deadline(
    claim_id: str,
    body: ExtensionRequest,
    desk: StaffDesk,
) -> Response:
    """Move a claim's deadline to the end of a local day; an expired claim goes on."""
    view = await _claim_of_another(desk, claim_id)
    return await desk.take(view, DeadlineExtended(date.fromisoformat(body.due_on), body.reason))


@router.post("/claims/{claim_id}/refuse-extension", response_model=answers.Claim, responses=answers.TAKEN)
async def refuse_extension(
    claim_id: str,
    body: ReasonRequest,
    desk: StaffDesk,
) -> Response:
    """Answer a request for more time with no; the learner is told by e-mail."""
    view = await _claim_of_another(desk, claim_id)
    return await desk.take(view, ExtensionRefused(body.reason))


@router.post("/claims/{claim_id}/retry", response_model=answers.Claim, responses=answers.TAKEN)
async def retry_step(
    claim_id: str,
    body: ReasonRequest,
    desk: StaffDesk,
) -> Response:
    """Let a parked claim try its step again."""
    view = await _claim_of_another(desk, claim_id)
    return await desk.take(view, StepRetried(body.reason))


async def _claim_of_another(desk: Desk, claim_id: str) -> ClaimView:
    """A claim to decide about: nobody decides about their own credit."""
    view = await any_claim(desk.services, claim_id)
    if view.learner_id == desk.principal.learner_id:
        raise ProblemError("own_claim")
    return view
