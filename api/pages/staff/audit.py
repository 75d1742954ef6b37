"""The audit trail for auditors: searching it, its newest checkpoint, and how anyone checks it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.staff.addresses import api_address, form_errors
from api.pages.visit import ApiProblem, Reader, Visit

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]
_NAMES: Final = ("stream", "event", "actor", "since", "until")
_DAY_LENGTH: Final = len("2026-01-01")


@dataclass(frozen=True, slots=True)
class AuditPage:
    """What was looked for in the trail and found, and the newest checkpoint, if one was signed."""

    wanted: Mapping[str, str]
    entries: Json
    next_page: str
    checkpoint: Json | None
    errors: Mapping[str, str] = field(default_factory=dict)


@router.get("/staff/audit")
async def search_trail(visit: Reader) -> Response:
    """Entries of all streams, newest first."""
    query = visit.request.query_params
    wanted = {name: query.get(name, "").strip() for name in _NAMES}
    asked = {**wanted, **{name: _moment(wanted[name]) for name in ("since", "until")}, "after": query.get("after", "")}
    errors: dict[str, str] = {}
    entries: Json = {"data": [], "has_more": False, "next": None}
    try:
        entries = await visit.get(api_address("audit"), **asked, limit=50)
    except ApiProblem as problem:
        if problem.status != 422:  # noqa: PLR2004
            raise
        errors = form_errors(problem)
    next_page = str(visit.request.url.include_query_params(after=entries["next"]).query) if entries["has_more"] else ""
    view = AuditPage(wanted, entries, next_page, await _checkpoint(visit), errors)
    return visit.page("staff/audit.html", status=422 if errors else 200, view=view)


def _moment(day: str) -> str:
    """A day stands for its beginning in UTC."""
    return f"{day}T00:00:00Z" if len(day) == _DAY_LENGTH else day


async def _checkpoint(visit: Visit) -> Json | None:
    try:
        newest: Json = await visit.get(api_address("audit", "checkpoint"))
    except ApiProblem as problem:
        if problem.code != "not_found":
            raise
        return None
    return newest
