"""Staff: defining CE activities, publishing and closing them, and making copies."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi import Body as FieldsOf
from pydantic import StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Office
from api.problems import FieldError, ProblemError
from api.v1 import answers
from api.v1.bodies import Body, Nothing, Slug
from api.v1.once import answer_once
from api.v1.programme import Defined, DefinedCEActivity, defined_ce_activity, summary_json
from api.v1.steps import Desk, StaffDesk, json_response
from storage import catalog, definition_views
from storage.catalog import DefinitionOutdatedError
from storage.definitions import (
    Definition,
    DefinitionError,
    DefinitionStatus,
    definition_values,
    definition_yaml,
    json_schema,
    read_definition,
)

router = APIRouter(prefix="/v1/staff", tags=["staff"], responses=answers.STAFF_PROBLEMS)

Base = Annotated[
    int | None,
    Query(ge=0, le=2**31 - 1, description="The version that was changed; if another is current, nothing is taken."),
]

_DEFINITION: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "application/yaml": {"schema": {"type": "string"}},
        },
    }
}
_OVERTAKEN: Final[answers.Responses] = {
    409: {**answers.TAKEN[409], "description": "Somebody else changed the definition meanwhile."}
}


class CloneRequest(Body):
    """What the copy is called."""

    slug: Slug
    title: Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)] | None = None


@router.put(
    "/ce-activities/{slug}",
    response_model=answers.PublishedCEActivity,
    responses=_OVERTAKEN,
    openapi_extra=_DEFINITION,
)
async def define_ce_activity(slug: str, desk: StaffDesk, base: Base = None) -> Response:
    """Define a CE activity in YAML or JSON; a new version is published only if the definition changes anything."""
    definition = await _read_definition(slug, await desk.request.body())

    async def publish(connection: AsyncConnection) -> Mapping[str, Any]:
        published = await connection.run_sync(catalog.publish, definition, desk.principal.account_id)
        if base not in (None, published.number - published.is_new):
            raise ProblemError("definition_outdated")
        return {
            "slug": slug,
            "version": published.number,
            "is_new": published.is_new,
            "href": f"/v1/ce-activities/{slug}",
        }

    try:
        return await answer_once(desk.services, desk.envelope.key, publish)
    except DefinitionError as error:
        raise _invalid(error) from None


async def _read_definition(slug: str, raw: bytes) -> Definition:
    try:
        # A large definition takes a while to read; other requests go on meanwhile.
        return await asyncio.to_thread(read_definition, raw.decode(), slug)
    except UnicodeDecodeError:
        errors = [FieldError("line 1", "definition_invalid", "is not text in UTF-8")]
        raise ProblemError("definition_invalid", errors=errors) from None
    except DefinitionError as error:
        raise _invalid(error) from None


def _invalid(error: DefinitionError) -> ProblemError:
    """The problem that says every mistake of a definition, by line and field."""
    errors = [
        FieldError(f"line {problem.line}: {problem.field}".rstrip(": "), "definition_invalid", problem.message)
        for problem in error.problems
    ]
    return ProblemError("definition_invalid", errors=errors)


@router.post("/ce-activities/{slug}/publish", response_model=DefinedCEActivity, responses=_OVERTAKEN)
async def publish_ce_activity(
    slug: str,
    desk: StaffDesk,
    body: Annotated[Nothing | None, FieldsOf()] = None,  # noqa: ARG001  # its being there says that fields are refused
) -> Response:
    """Let learners open claims: of a draft, or again of a CE activity that was closed."""
    return await _change_status(desk, slug, DefinitionStatus.PUBLISHED)


@router.post("/ce-activities/{slug}/close", response_model=DefinedCEActivity, responses=_OVERTAKEN)
async def close_ce_activity(
    slug: str,
    desk: StaffDesk,
    body: Annotated[Nothing | None, FieldsOf()] = None,  # noqa: ARG001  # its being there says that fields are refused
) -> Response:
    """Let nobody open a claim any more; claims that are open go on."""
    return await _change_status(desk, slug, DefinitionStatus.CLOSED)


async def _change_status(desk: Desk, slug: str, status: DefinitionStatus) -> Response:
    defined = await defined_ce_activity(desk.services, slug)

    async def change(connection: AsyncConnection) -> Mapping[str, Any]:
        definition = Definition(slug, status, defined.policy)
        await connection.run_sync(catalog.set_status, definition, desk.principal.account_id)
        view = await definition_views.one(connection, slug)
        assert view is not None  # noqa: S101  # its row is locked
        return summary_json(replace(defined, view=view))

    try:
        return await answer_once(desk.services, desk.envelope.key, change)
    except DefinitionOutdatedError:
        raise ProblemError("definition_outdated") from None
    except DefinitionError as error:
        raise _invalid(error) from None


@router.post("/ce-activities/{slug}/clone", status_code=201, response_model=DefinedCEActivity)
async def clone_ce_activity(slug: str, body: CloneRequest, desk: StaffDesk) -> Response:
    """Make a draft of another name that says the same, but for its title and the activity code, which is used once."""
    defined = await defined_ce_activity(desk.services, slug)
    copied = replace(defined.policy, title=body.title or defined.policy.title, activity_code=None)
    values = definition_values(body.slug, DefinitionStatus.DRAFT, copied)
    definition = await _read_definition(body.slug, definition_yaml(values).encode())

    async def clone(connection: AsyncConnection) -> Mapping[str, Any]:
        published = await connection.run_sync(catalog.publish, definition, desk.principal.account_id)
        if not (published.is_new and published.number == 1):
            raise ProblemError("validation_failed", errors=[FieldError("/slug", "slug_taken")])
        view = await definition_views.one(connection, body.slug)
        assert view is not None  # noqa: S101  # it was just made
        return summary_json(Defined(view, definition.policy))

    try:
        return await answer_once(desk.services, desk.envelope.key, clone, 201)
    except DefinitionError as error:
        raise _invalid(error) from None


@router.get("/ce-activity-schema", response_class=Response)
async def show_schema(principal: Office) -> Response:  # noqa: ARG001  # only the office comes this far
    """The JSON Schema of a definition, for editors."""
    return json_response(json_schema())
