"""Staff: rosters of who took part. A file is read and previewed, and what was previewed is applied."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Office
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.uploads import UploadedFile, plain_name, read_upload
from api.v1 import answers
from api.v1.bodies import Nothing
from api.v1.ce_activities import SLUG
from api.v1.envelope import fingerprint
from api.v1.once import answer_once
from api.v1.steps import StaffDesk, json_response
from api.views import time_json
from config.languages import gettext
from domain.identities import is_id, new_id
from domain.roster_changes import Outcome
from domain.rosters import Roster, RosterError, RowProblem, read_roster
from domain.tabular import MAXIMUM_BYTES
from storage import queries, roster_views, rosters
from storage.queries import CEActivityView
from storage.roster_views import LineFilter, LineView, RosterView
from storage.rosters import PreviewOutdatedError, RosterState, Upload

router = APIRouter(prefix="/v1/staff", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
Limit = Annotated[int, Query(ge=1, le=100)]

_FIRST_PROBLEMS: Final = 20
_LAST_LINE: Final = 2**31 - 1
_FILE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "text/tab-separated-values": {"schema": {"type": "string"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
            },
        },
    }
}

_OUTDATED: Final[answers.Responses] = {
    409: {**answers.TAKEN[409], "description": "The roster changed since the preview; upload the file again."}
}


class RowProblemAnswer(BaseModel):
    """What is wrong with a row; ``is_warning`` when it is applied nevertheless, ``lines`` other rows it is about."""

    code: str
    column: str | None
    message: str
    is_warning: bool
    lines: list[int]


class RosterRowAnswer(BaseModel):
    """One row and what applying it does; ``line`` is null for an entry that is removed."""

    line: int | None
    outcome: Outcome
    values: dict[str, str]
    problems: list[RowProblemAnswer]


class RosterRowList(BaseModel):
    """A page of rows; pass ``next`` as ``after`` to go on."""

    data: list[RosterRowAnswer]
    has_more: bool
    next: int | None


class RosterSummary(BaseModel):
    """An uploaded roster; ``applied_count`` counts the rows that were new or changed something."""

    id: str
    href: str
    ce_activity: str
    file_name: str
    state: RosterState
    is_replacement: bool
    row_count: int
    problem_count: int
    applied_count: int
    uploaded_by: str
    uploaded_at: answers.Time
    applied_by: str | None
    applied_at: answers.Time | None


class RosterCounts(BaseModel):
    """How many rows do what. ``removed`` are entries that no row of a replacing roster names."""

    new: int
    changed: int
    unchanged: int
    removed: int
    problems: int
    warnings: int


class RosterAnswer(RosterSummary):
    """What a roster does, or did: how it was read, how many rows do what, and the first rows with problems."""

    encoding: str
    separator: str
    columns: list[str]
    ignored_columns: list[str]
    counts: RosterCounts
    first_problems: list[RosterRowAnswer]
    rows_href: str
    apply_href: str | None


class RosterList(BaseModel):
    """A page of rosters; pass ``next`` as ``after`` to go on."""

    data: list[RosterSummary]
    has_more: bool
    next: str | None


class UploadOptions(BaseModel):
    """What the file is called, and whether entries that it does not name, and nobody used, are to be removed."""

    file_name: Annotated[str, Field(max_length=300)] = ""
    replace: bool = False


class RowFilter(BaseModel):
    """Which rows to show; what is left out does not matter."""

    problems: bool = False
    outcome: Outcome | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[int, Field(ge=-_LAST_LINE, le=_LAST_LINE, description="The `next` of the page before.")] | None = (
        None
    )


@router.post("/ce-activities/{slug}/roster", status_code=201, response_model=RosterAnswer, openapi_extra=_FILE)
async def preview_roster(slug: str, asked: Annotated[UploadOptions, Query()], desk: StaffDesk) -> Response:
    """Read a roster and say what applying it would do, row by row; nothing is applied yet."""
    ce_activity = await _ce_activity(desk.services, slug)
    file = await read_upload(desk.request, MAXIMUM_BYTES, replace=asked.replace)
    head = desk.envelope
    key = replace(head.key, fingerprint=fingerprint(desk.request)) if head.key else None
    roster = await _read(file)
    upload = Upload(
        id=new_id("ros"),
        ce_activity_id=ce_activity.id,
        file_name=plain_name(asked.file_name) or file.name,
        sha256=file.sha256,
        actor=desk.principal.account_id,
        is_replacement=asked.replace,
        request_id=head.request_id,
    )

    async def keep(connection: AsyncConnection) -> Mapping[str, Any]:
        await rosters.preview(connection, upload, roster)
        return await _roster_json(connection, upload.id)

    response = await answer_once(desk.services, key, keep, 201)
    response.headers["Location"] = json.loads(bytes(response.body))["href"]
    return response


async def _ce_activity(services: Services, slug: str) -> CEActivityView:
    view = await services.database.statements(lambda c: queries.ce_activity(c, slug)) if SLUG.fullmatch(slug) else None
    if view is None:
        raise ProblemError("not_found")
    return view


async def _read(file: UploadedFile) -> Roster:
    try:
        # A large roster takes a second to read; other requests go on meanwhile.
        return await asyncio.to_thread(read_roster, file.content)
    except RosterError as error:
        mistake = FieldError(error.place, error.code, gettext(str(error)))
        raise ProblemError("roster_invalid", errors=[mistake]) from None


@router.get("/ce-activities/{slug}/rosters", response_model=RosterList)
async def list_rosters(
    slug: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    limit: Limit = 50,
    after: Annotated[str | None, Query(max_length=80, description="The `next` of the page before.")] = None,
) -> Response:
    """The rosters that were uploaded for a CE activity, newest first."""
    if after is not None and not is_id(after, "ros"):
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])
    ce_activity = await _ce_activity(services, slug)
    views = await services.database.statements(lambda c: roster_views.rosters_of(c, ce_activity.id, after, limit + 1))
    shown, has_more = views[:limit], len(views) > limit
    data = [_summary_json(view) for view in shown]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].id if has_more else None})


@router.get("/rosters/{roster_id}", response_model=RosterAnswer)
async def show_roster(
    roster_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
) -> Response:
    """A roster, with what applying it does or did."""
    return json_response(await services.database.statements(lambda c: _roster_json(c, roster_id)))


@router.get("/rosters/{roster_id}/rows", response_model=RosterRowList)
async def list_rows(
    roster_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    wanted: Annotated[RowFilter, Query()],
) -> Response:
    """The rows of a roster in their order, entries that it removes first."""
    searched = LineFilter(
        has_problems=wanted.problems, outcome=wanted.outcome, after=wanted.after, limit=wanted.limit + 1
    )

    async def read(connection: AsyncConnection) -> list[LineView]:
        await _found(connection, roster_id)
        return await roster_views.lines(connection, roster_id, searched)

    lines = await services.database.statements(read)
    shown, has_more = lines[: wanted.limit], len(lines) > wanted.limit
    data = [_line_json(line) for line in shown]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].line if has_more else None})


@router.post("/rosters/{roster_id}/apply", response_model=RosterAnswer, responses=_OUTDATED)
async def apply_roster(
    roster_id: str,
    desk: StaffDesk,
    body: Annotated[Nothing | None, Body()] = None,  # noqa: ARG001  # its being there says that fields are refused
) -> Response:
    """Do what the preview said, all of it or nothing; a roster that is applied already stays as it is."""

    async def apply(connection: AsyncConnection) -> Mapping[str, Any]:
        await _found(connection, roster_id)
        await rosters.apply(connection, roster_id, desk.principal.account_id, desk.envelope.request_id)
        return await _roster_json(connection, roster_id)

    try:
        return await answer_once(desk.services, desk.envelope.key, apply)
    except PreviewOutdatedError:
        raise ProblemError("preview_outdated") from None


async def _found(connection: AsyncConnection, roster_id: str) -> RosterView:
    view = await roster_views.roster(connection, roster_id) if is_id(roster_id, "ros") else None
    if view is None:
        raise ProblemError("not_found")
    return view


async def _roster_json(connection: AsyncConnection, roster_id: str) -> dict[str, Any]:
    view = await _found(connection, roster_id)
    counts = await roster_views.counts(connection, roster_id)
    problems = await roster_views.first_problems(connection, roster_id, _FIRST_PROBLEMS)
    href = f"/v1/staff/rosters/{view.id}"
    return {
        **_summary_json(view),
        **view.reading,
        "counts": asdict(counts),
        "first_problems": [_line_json(line) for line in problems],
        "rows_href": f"{href}/rows",
        "apply_href": f"{href}/apply" if view.state is RosterState.PREVIEWED else None,
    }


def _summary_json(view: RosterView) -> dict[str, Any]:
    return {
        "id": view.id,
        "href": f"/v1/staff/rosters/{view.id}",
        "ce_activity": view.ce_activity,
        "file_name": view.file_name,
        "state": view.state,
        "is_replacement": view.is_replacement,
        "row_count": view.row_count,
        "problem_count": view.problem_count,
        "applied_count": view.applied_count,
        "uploaded_by": view.uploaded_by,
        "uploaded_at": time_json(view.uploaded_at),
        "applied_by": view.applied_by,
        "applied_at": time_json(view.applied_at),
    }


def _line_json(line: LineView) -> dict[str, Any]:
    return {
        "line": line.line if line.line > 0 else None,
        "outcome": line.outcome,
        "values": dict(line.values),
        "problems": [_problem_json(problem) for problem in line.problems],
    }


def _problem_json(problem: RowProblem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "column": problem.column,
        "message": gettext(problem.code.words),
        "is_warning": problem.code.is_warning,
        "lines": list(problem.lines),
    }
