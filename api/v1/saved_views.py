"""Staff: filters of the claims list that are kept under a name, for oneself or for the whole office."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, StringConstraints, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Office
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Body
from api.v1.once import answer_once
from api.v1.staff_claims import SharedFilter
from api.v1.steps import StaffDesk, json_response
from api.views import time_json
from domain.names import clean_text
from storage import saved_views
from storage.acts import Actor
from storage.claim_lists import ClaimOrder
from storage.saved_views import SavedView, TooManyViewsError

router = APIRouter(prefix="/v1/staff/views", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]


class ViewQuery(SharedFilter):
    """What a view lists. A learner is no part of it: views are shared, and kept."""

    sort: ClaimOrder = ClaimOrder.NEWEST


class ViewRequest(Body):
    """Keep a view."""

    query: ViewQuery
    is_shared: bool = False


class SavedViewDocument(BaseModel):
    """A view; ``query`` is what ``GET /v1/staff/claims`` takes, as far as it matters."""

    name: str
    owner: str
    is_own: bool
    is_shared: bool
    query: dict[str, Any]
    saved_at: answers.Time


class SavedViewList(BaseModel):
    """The views of the account, and after them those that others share."""

    data: list[SavedViewDocument]


class ViewKept(BaseModel):
    """The name under which a view is kept, or was."""

    name: str


ViewName = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x1f/]{1,60}$"), AfterValidator(lambda name: clean_text(name, 60))
]
_NAME: TypeAdapter[str] = TypeAdapter(ViewName)


def _name(name: str) -> str:
    """A name that a view may have; any other is of none."""
    try:
        cleaned = _NAME.validate_python(name)
    except ValidationError:
        raise ProblemError("not_found") from None
    if not cleaned:
        raise ProblemError("not_found")
    return cleaned


@router.get("", response_model=SavedViewList)
async def list_views(principal: Office, services: ServicesOf) -> Response:
    """My saved views, and those that others share."""
    views = await services.database.statements(lambda c: saved_views.visible(c, principal.account_id))
    return json_response({"data": [_json(view) for view in views]})


@router.put("/{name}", response_model=ViewKept)
async def save_view(name: str, body: ViewRequest, desk: StaffDesk) -> Response:
    """Keep a view under a name of at most 60 characters, in the place of my earlier one of this name."""
    kept, actor = _name(name), Actor(desk.principal.account_id, desk.envelope.request_id)
    query = body.query.model_dump(mode="json", exclude_defaults=True)

    async def save(connection: AsyncConnection) -> Mapping[str, Any]:
        await connection.run_sync(lambda each: saved_views.save(each, kept, query, actor, is_shared=body.is_shared))
        return {"name": kept}

    try:
        return await answer_once(desk.services, desk.envelope.key, save)
    except TooManyViewsError:
        raise ProblemError("too_many_views") from None


@router.delete("/{name}", response_model=ViewKept)
async def remove_view(name: str, desk: StaffDesk) -> Response:
    """Remove a view of my own."""
    kept, actor = _name(name), Actor(desk.principal.account_id, desk.envelope.request_id)

    async def remove(connection: AsyncConnection) -> Mapping[str, Any]:
        if not await connection.run_sync(lambda each: saved_views.remove(each, kept, actor)):
            raise ProblemError("not_found")
        return {"name": kept}

    return await answer_once(desk.services, desk.envelope.key, remove)


def _json(view: SavedView) -> dict[str, Any]:
    return {
        "name": view.name,
        "owner": view.owner,
        "is_own": view.is_own,
        "is_shared": view.is_shared,
        "query": dict(view.query),
        "saved_at": time_json(view.saved_at),
    }
