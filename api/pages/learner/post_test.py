"""The post-test: starting an attempt, its questions in one list, and its result."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.learner.questionnaire import draft_of, errors_of, responses_of, shown
from api.pages.learner.steps import answered, claim_address
from api.pages.visit import ApiProblem, Reader, Visit

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]


@router.post("/claims/{claim_id}/attempts")
async def start_attempt(visit: Reader, claim_id: str) -> Response:
    """Start an attempt, or go on with the one that is open."""
    form = await visit.form()

    async def show_why(_problem: ApiProblem) -> Response:
        # Another tab was faster; the claim's page shows how things stand.
        return visit.redirect(claim_address(claim_id), notice="elsewhere")

    address = claim_address(claim_id, "attempts")
    try:
        answer = await visit.send("POST", f"/v1{address}", key=form.key)
    except ApiProblem as problem:
        if problem.status != 409:  # noqa: PLR2004  # refused
            raise
        return await show_why(problem)
    if answer.is_undecided:
        return visit.redirect(f"{claim_address(claim_id)}?submission={answer.document['id']}", notice="received")
    return visit.redirect(f"{address}/{answer.document['number']}")


@router.get("/claims/{claim_id}/attempts/{number}")
async def show_attempt(visit: Reader, claim_id: str, number: str) -> Response:
    """The questions of an attempt, or its result once its answers are given."""
    attempt = await visit.get(f"/v1{claim_address(claim_id, 'attempts', number)}")
    if attempt["submitted_at"] is not None:
        return await _render(visit, claim_id, attempt, {}, {})
    draft = await draft_of(visit, claim_id, "answers")
    return await _render(visit, claim_id, attempt, draft["responses"], {}, saved_at=draft["saved_at"])


async def _render(
    visit: Visit,
    claim_id: str,
    attempt: Json,
    responses: Mapping[str, str | int],
    errors: Mapping[str, str],
    *,
    saved_at: str | None = None,
    status: int = 200,
) -> Response:
    claim = await visit.get(f"/v1{claim_address(claim_id)}")
    questions = shown(attempt["questions"], responses)
    return visit.page(
        "learner/attempt.html",
        status=status,
        claim=claim,
        attempt=attempt,
        questions=questions,
        errors=errors,
        saved_at=saved_at,
    )


@router.post("/claims/{claim_id}/attempts/{number}/answers")
async def give_answers(visit: Reader, claim_id: str, number: str) -> Response:
    """Give the final answers; grading begins."""
    form = await visit.form()
    attempt = await visit.get(f"/v1{claim_address(claim_id, 'attempts', number)}")
    answers = responses_of(attempt["questions"], form)

    async def refused(problem: ApiProblem) -> Response:
        claim = await visit.get(f"/v1{claim_address(claim_id)}")
        errors = errors_of(problem, attempt["questions"], claim["ce_activity"]["time_zone"])
        return await _render(visit, claim_id, attempt, answers, errors, status=problem.status)

    address = claim_address(claim_id, "attempts", number, "answers")
    return await answered(
        visit, claim_id, visit.send("POST", f"/v1{address}", {"answers": answers}, key=form.key), refused
    )
