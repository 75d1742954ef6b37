"""Reporting a problem with a claim, and reading what was answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.learner.steps import claim_address
from api.pages.visit import ApiProblem, Reader, Visit
from api.pages.wording import field_words
from config.languages import gettext as _

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]

_LONGEST: Final = 2000


@dataclass(frozen=True, slots=True)
class ReportPage:
    """A claim with what was reported about it, the newest first; times are shown in ``time_zone``."""

    claim: Json
    reports: Sequence[Json]
    time_zone: str
    typed: str
    longest: int
    errors: Mapping[str, str]


@router.get("/claims/{claim_id}/report")
async def ask_for_report(visit: Reader, claim_id: str) -> Response:
    """Ask what is wrong."""
    return await _render(visit, claim_id)


async def _render(visit: Visit, claim_id: str, typed: str = "", error: str = "", status: int = 200) -> Response:
    claim = await visit.get(f"/v1{claim_address(claim_id)}")
    view = ReportPage(
        claim=claim,
        reports=(await visit.get(f"/v1{claim_address(claim_id, 'problem-reports')}"))["data"],
        time_zone=(await visit.get("/v1/me"))["time_zone"] or claim["ce_activity"]["time_zone"],
        typed=typed,
        longest=_LONGEST,
        errors={"message": error} if error else {},
    )
    return visit.page("learner/report.html", status=status, view=view)


@router.post("/claims/{claim_id}/report")
async def report_problem(visit: Reader, claim_id: str) -> Response:
    """Tell the office what is wrong."""
    form = await visit.form()
    message = form.text("message")
    address = f"/v1{claim_address(claim_id, 'problem-reports')}"
    try:
        await visit.send("POST", address, {"message": message}, key=form.key)
    except ApiProblem as problem:
        if problem.status == HTTPStatus.TOO_MANY_REQUESTS:
            error = _("You reported five problems within a day. Write to the contact of the activity.")
            return await _render(visit, claim_id, message, error, problem.status)
        if problem.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            error = next((field_words(each["code"]) for each in problem.errors_by_field().values()), "")
            return await _render(visit, claim_id, message, error or _("Check this field."), problem.status)
        raise
    return visit.redirect(claim_address(claim_id, "report"), notice="reported")
