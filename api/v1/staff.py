"""Staff: defining CE activities, and helping with claims."""

import asyncio
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from api.auth import Office, Staff
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import ExtensionRequest, ReasonRequest, Slug
from api.v1.claims import check_cursor, claims_page
from api.v1.envelope import Envelope, envelope
from api.v1.steps import Desk, StaffDesk, any_claim, json_response
from api.views import claim_json
from domain.claims import Attention, Stage
from domain.submissions import DeadlineExtended, ExtensionRefused, StepRetried
from storage import catalog, intake, queries
from storage.definitions import Definition, DefinitionError, json_schema, read_definition
from storage.intake import KeyReusedError, StoredAnswer
from storage.queries import ClaimView

router = APIRouter(prefix="/v1/staff", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
EnvelopeOf = Annotated[Envelope, Depends(envelope)]
Limit = Annotated[int, Query(ge=1, le=100)]

_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2200
_DEFINITION: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "application/yaml": {"schema": {"type": "string"}},
        },
    }
}


def plausible(at: datetime) -> datetime:
    """A time that somebody may mean; else ``ValueError``."""
    try:
        year = at.astimezone(UTC).year
    except OverflowError:
        raise ValueError("time_implausible") from None
    if not _FIRST_YEAR <= year < _LAST_YEAR:
        raise ValueError("time_implausible")
    return at


@router.put("/ce-activities/{slug}", response_model=answers.PublishedCEActivity, openapi_extra=_DEFINITION)
async def define_ce_activity(
    request: Request, slug: str, principal: Staff, head: EnvelopeOf, services: ServicesOf
) -> Response:
    """Define a CE activity in YAML or JSON; a new version is published only if the definition changes anything."""
    definition = await _read_definition(slug, await request.body())

    async def publish(connection: AsyncConnection) -> StoredAnswer | dict[str, Any]:
        if head.key is not None:
            stored = await intake.begin_answer(connection, head.key)
            if stored is not None:
                return stored
        published = await connection.run_sync(catalog.publish, definition, principal.account_id)
        document = {
            "slug": slug,
            "version": published.number,
            "is_new": published.is_new,
            "href": f"/v1/ce-activities/{slug}",
        }
        if head.key is not None:
            await intake.finish_answer(connection, head.key, 200, document)
        return document

    try:
        outcome = await services.database.transaction(publish)
    except KeyReusedError:
        raise ProblemError("idempotency_key_reused") from None
    except DefinitionError as error:
        raise _definition_invalid(error) from None
    if isinstance(outcome, StoredAnswer):
        return json_response(dict(outcome.body), outcome.status or 200, {"Idempotent-Replayed": "true"})
    return json_response(outcome)


async def _read_definition(slug: str, raw: bytes) -> Definition:
    try:
        # A large definition takes a while to read; other requests go on meanwhile.
        return await asyncio.to_thread(read_definition, raw.decode(), slug)
    except UnicodeDecodeError:
        errors = [FieldError("line 1", "definition_invalid", "is not text in UTF-8")]
        raise ProblemError("definition_invalid", errors=errors) from None
    except DefinitionError as error:
        raise _definition_invalid(error) from None


def _definition_invalid(error: DefinitionError) -> ProblemError:
    errors = [
        FieldError(f"line {problem.line}: {problem.field}".rstrip(": "), "definition_invalid", problem.message)
        for problem in error.problems
    ]
    return ProblemError("definition_invalid", errors=errors)


class ClaimFilter(BaseModel):
    """Which claims to list; what is left out does not matter."""

    stage: Stage | None = None
    attention: Attention | None = None
    ce_activity: Slug | None = None
    due_before: Annotated[AwareDatetime, AfterValidator(plausible)] | None = None
    is_extension_requested: bool = False
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[str, Field(max_length=80)] | None = None


@router.get("/claims", response_model=answers.ClaimList)
async def list_claims(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    wanted: Annotated[ClaimFilter, Query()],
) -> Response:
    """Claims of all learners, newest first; ``due_before`` keeps open claims with an earlier deadline.

    ``is_extension_requested`` keeps those whose learner asked for more time and has no answer yet.
    """
    check_cursor(wanted.after)
    values = wanted.model_dump() | {"limit": wanted.limit + 1}
    views = await services.database.statements(lambda c: queries.claims_for_staff(c, **values))
    return await claims_page(services, views, wanted.limit)


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


@router.get("/ce-activity-schema", response_class=Response)
async def show_schema(principal: Office) -> Response:  # noqa: ARG001  # only the office comes this far
    """The JSON Schema of a definition, for editors."""
    return json_response(json_schema())
