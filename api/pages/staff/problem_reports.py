"""What learners report as wrong, and the answers of the office."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.filtering import listed, status_of
from api.pages.staff.addresses import api_address, form_errors
from api.pages.visit import ApiProblem, Reader, Visit
from config.languages import marked as _
from domain.problem_reports import ReportState

router = APIRouter(prefix="/staff/problem-reports", include_in_schema=False)

Json = Mapping[str, Any]

STATE_WORDS: Final = {
    ReportState.OPEN: _("Waiting for an answer"),
    ReportState.ANSWERED: _("Answered"),
    ReportState.CLOSED: _("Closed without an answer"),
}
_AT_ONCE: Final = 25
# One's own report is for a colleague; one that somebody settled meanwhile stays as it is.
_BESIDE_THE_FORM: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})


@dataclass(frozen=True, slots=True)
class Reports:
    """A page of reports in one state, the oldest first; ``settling`` is the one whose form was refused."""

    reports: Sequence[Json]
    state: str
    states: Mapping[ReportState, str]
    next_page: str | None
    settling: str = ""
    typed: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@router.get("")
async def list_reports(visit: Reader, state: str = ReportState.OPEN, after: str = "") -> Response:
    """Reports in a state, the oldest first."""
    found, errors = await listed(visit, "/v1/staff/problem-reports", {"state": state}, after=after, limit=_AT_ONCE)
    following = f"/staff/problem-reports?{urlencode({'state': state, 'after': found['next'] or ''})}"
    next_page = following if found["has_more"] else None
    view = Reports(found["data"], state, STATE_WORDS, next_page, errors=errors)
    return visit.page("staff/problem_reports.html", status=status_of(errors), view=view)


@router.get("/{report_id}")
async def show_report(visit: Reader, report_id: str) -> Response:
    """One report."""
    return await _show(visit, report_id)


async def _show(visit: Visit, report_id: str, typed: str = "", problem: ApiProblem | None = None) -> Response:
    report = await visit.get(api_address("problem-reports", report_id))
    view = Reports(
        [report],
        report["state"],
        STATE_WORDS,
        None,
        report["id"],
        typed,
        form_errors(problem) if problem else {},
    )
    status = problem.status if problem else HTTPStatus.OK
    return visit.page("staff/problem_reports.html", status=status, view=view)


@router.post("/{report_id}/answer")
async def answer_report(visit: Reader, report_id: str) -> Response:
    """Send the learner an answer."""
    return await _settle(visit, report_id, "answer", "answer")


@router.post("/{report_id}/close")
async def close_report(visit: Reader, report_id: str) -> Response:
    """Close a report that needs no answer."""
    return await _settle(visit, report_id, "close", "reason")


async def _settle(visit: Visit, report_id: str, act: str, name: str) -> Response:
    form = await visit.form()
    typed = form.text(name)
    try:
        await visit.send("POST", api_address("problem-reports", report_id, act), {name: typed}, key=form.key)
    except ApiProblem as problem:
        if problem.status not in _BESIDE_THE_FORM or problem.code == "not_allowed":
            raise
        return await _show(visit, report_id, typed, problem)
    return visit.redirect("/staff/problem-reports", notice="saved")
