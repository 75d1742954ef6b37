"""Reports of problems: learners write what is wrong about a claim, staff answer or close it."""

import math
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Office
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import MAXIMUM_REASON_LENGTH, Body, Reason, ReasonRequest
from api.v1.once import answer_once
from api.v1.steps import Desk, StaffDesk, StepDesk, json_response
from api.views import time_json
from domain.claims import Stage
from domain.identities import is_id
from domain.names import clean_text
from domain.problem_reports import ReportState
from storage import problem_reports
from storage.acts import Actor
from storage.problem_reports import ProblemReport, ReportForStaff, Settlement

router = APIRouter(tags=["claims"], responses=answers.PROBLEMS)
staff_router = APIRouter(prefix="/v1/staff/problem-reports", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]


def _message(text: str) -> str:
    cleaned = clean_text(text, MAXIMUM_REASON_LENGTH)
    if not cleaned:
        raise ValueError("text_empty")
    return cleaned


class ReportRequest(Body):
    """What is wrong, in my own words."""

    message: Annotated[str, AfterValidator(_message)]


class AnswerRequest(Body):
    """What the learner is sent."""

    answer: Reason


class ReportAnswer(BaseModel):
    """A report and what became of it."""

    id: str
    claim: str
    state: ReportState
    message: str
    reported_at: answers.Time
    answer: str | None
    settled_at: answers.Time | None


class ReportList(BaseModel):
    """The reports about one claim, the newest first."""

    data: list[ReportAnswer]


class CEActivityOfReport(BaseModel):
    """The CE activity that a report is about."""

    slug: str
    title: str
    href: str


class StaffReport(ReportAnswer):
    """A report as staff see it; ``settled_by`` is the account that answered or closed it."""

    href: str
    claim_id: str
    stage: Stage
    learner: answers.LearnerOfClaim
    ce_activity: CEActivityOfReport
    settled_by: str | None


class StaffReportList(BaseModel):
    """A page of reports, the oldest first; pass ``next`` as ``after`` to go on."""

    data: list[StaffReport]
    has_more: bool
    next: str | None


def _report_json(report: ProblemReport) -> dict[str, Any]:
    return {
        "id": report.id,
        "claim": f"/v1/claims/{report.claim_id}",
        "state": report.state,
        "message": report.message,
        "reported_at": time_json(report.reported_at),
        "answer": report.answer,
        "settled_at": time_json(report.settled_at),
    }


async def _staff_json(services: Services, report: ReportForStaff) -> dict[str, Any]:
    policy = await services.policies.get(report.version_id)
    return {
        **_report_json(report),
        "href": f"/v1/staff/problem-reports/{report.id}",
        "claim": f"/v1/staff/claims/{report.claim_id}",
        "claim_id": report.claim_id,
        "stage": report.stage,
        "learner": {
            "id": report.learner_id,
            "given_name": report.given_name,
            "family_name": report.family_name,
            "email": report.email,
        },
        "ce_activity": {
            "slug": report.ce_activity,
            "title": policy.title,
            "href": f"/v1/ce-activities/{report.ce_activity}",
        },
        "settled_by": report.settled_by,
    }


@router.post("/v1/claims/{claim_id}/problem-reports", status_code=201, response_model=ReportAnswer)
async def report_problem(claim_id: str, body: ReportRequest, desk: StepDesk) -> Response:
    """Report a problem with my claim: staff read it, and I am sent the answer. Five a day."""
    view = await desk.own_claim(claim_id)
    if view.is_pending:
        # There is nothing yet that the report could be about; a moment later there is.
        raise ProblemError("not_found")
    actor = _actor(desk)

    async def take(connection: AsyncConnection) -> dict[str, Any]:
        made = await connection.run_sync(problem_reports.report, view.id, body.message, actor)
        if not isinstance(made, ProblemReport):
            raise ProblemError("rate_limited", headers={"Retry-After": str(math.ceil(made.total_seconds()))})
        return _report_json(made)

    return await answer_once(desk.services, desk.envelope.key, take, 201)


def _actor(desk: Desk) -> Actor:
    return Actor(desk.principal.account_id, desk.envelope.request_id)


@router.get("/v1/claims/{claim_id}/problem-reports", response_model=ReportList)
async def list_reports_of_claim(claim_id: str, desk: StepDesk) -> Response:
    """What I reported about my claim, and what was answered."""
    view = await desk.own_claim(claim_id)
    reports = await desk.services.database.statements(lambda c: problem_reports.reports_of_claim(c, view.id))
    return json_response({"data": [_report_json(report) for report in reports]})


@staff_router.get("", response_model=StaffReportList)
async def list_reports(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    state: ReportState | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, Query(max_length=80, description="The `next` of the page before.")] = None,
) -> Response:
    """What learners report, the oldest first; ``state=open`` are those that wait for somebody."""
    if after is not None and not is_id(after, "prb"):
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])
    reports = await services.database.statements(
        lambda c: problem_reports.reports_for_staff(c, state, after, limit + 1)
    )
    shown, has_more = reports[:limit], len(reports) > limit
    data = [await _staff_json(services, report) for report in shown]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].id if has_more else None})


@staff_router.get("/{report_id}", response_model=StaffReport)
async def show_report(
    report_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
) -> Response:
    """One report, with whose it is."""
    return json_response(await _staff_json(services, await _found(services, report_id)))


async def _found(services: Services, report_id: str) -> ReportForStaff:
    is_possible = is_id(report_id, "prb")
    found = (
        await services.database.statements(lambda c: problem_reports.report_for_staff(c, report_id))
        if is_possible
        else None
    )
    if found is None:
        raise ProblemError("not_found")
    return found


@staff_router.post("/{report_id}/answer", response_model=StaffReport, responses={409: answers.TAKEN[409]})
async def answer_report(report_id: str, body: AnswerRequest, desk: StaffDesk) -> Response:
    """Answer a report: its learner is sent the answer, and reads it beside the claim."""
    return await _settle(desk, report_id, Settlement(ReportState.ANSWERED, body.answer))


@staff_router.post("/{report_id}/close", response_model=StaffReport, responses={409: answers.TAKEN[409]})
async def close_report(report_id: str, body: ReasonRequest, desk: StaffDesk) -> Response:
    """Close a report that needs no answer, with a `reason` for the office."""
    return await _settle(desk, report_id, Settlement(ReportState.CLOSED, body.reason))


async def _settle(desk: Desk, report_id: str, settlement: Settlement) -> Response:
    found = await _found(desk.services, report_id)
    if found.learner_id == desk.principal.learner_id:
        raise ProblemError("own_claim")

    async def settle(connection: AsyncConnection) -> dict[str, Any]:
        settled = await connection.run_sync(problem_reports.settle, found.id, settlement, _actor(desk))
        current = await problem_reports.report_for_staff(connection, found.id)
        if settled is None or current is None:
            raise ProblemError("report_settled")
        return await _staff_json(desk.services, current)

    return await answer_once(desk.services, desk.envelope.key, settle)
