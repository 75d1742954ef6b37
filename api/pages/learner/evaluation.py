"""The evaluation and the disclosures: forms of a claim that have a page of their own."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.learner.questionnaire import draft_of, errors_of, responses_of, shown
from api.pages.learner.steps import answered, claim_address
from api.pages.visit import ApiProblem, Reader, Visit
from api.pages.wording import problem_words
from config.languages import gettext as _
from domain.progress import Action

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]


async def open_form(visit: Visit, claim_id: str, action: Action) -> tuple[Json, Json | None]:
    """My claim, and the form of an action that can be taken now; None when it is locked or done."""
    claim = await visit.get(f"/v1{claim_address(claim_id)}")
    return claim, next((each["form"] for each in claim["next_actions"] if each["action"] == action), None)


@router.get("/claims/{claim_id}/evaluation")
async def show_evaluation(visit: Reader, claim_id: str) -> Response:
    """The evaluation in full, with what was filled in before."""
    claim, form = await open_form(visit, claim_id, Action.COMPLETE_EVALUATION)
    if form is None:
        # The claim's page says why, and opens it as soon as it can be filled in.
        return visit.redirect(claim_address(claim_id))
    draft = await draft_of(visit, claim_id, "evaluation")
    return _evaluation(visit, claim, form["questions"], draft["responses"], saved_at=draft["saved_at"])


def _evaluation(
    visit: Visit,
    claim: Json,
    questions: Sequence[Json],
    responses: Mapping[str, str | int],
    *,
    errors: Mapping[str, str] | None = None,
    saved_at: str | None = None,
    status: int = 200,
) -> Response:
    return visit.page(
        "learner/evaluation.html",
        status=status,
        claim=claim,
        questions=shown(questions, responses),
        errors=errors or {},
        saved_at=saved_at,
    )


@router.post("/claims/{claim_id}/evaluation")
async def complete_evaluation(visit: Reader, claim_id: str) -> Response:
    """Complete the evaluation."""
    sent = await visit.form()
    claim, form = await open_form(visit, claim_id, Action.COMPLETE_EVALUATION)
    questions = form["questions"] if form else ()
    responses = responses_of(questions, sent)

    async def refused(problem: ApiProblem) -> Response:
        if not questions:
            return visit.redirect(claim_address(claim_id), notice="elsewhere")
        errors = errors_of(problem, questions, claim["ce_activity"]["time_zone"])
        return _evaluation(visit, claim, questions, responses, errors=errors, status=problem.status)

    document = {"responses": responses}
    sending = visit.send("POST", f"/v1{claim_address(claim_id, 'evaluations')}", document, key=sent.key)
    return await answered(visit, claim_id, sending, refused)


@router.get("/claims/{claim_id}/disclosures")
async def show_disclosures(visit: Reader, claim_id: str, page: int = 1) -> Response:
    """One page of the disclosures after the other; the last one asks to acknowledge them."""
    claim, form = await open_form(visit, claim_id, Action.ACKNOWLEDGE_DISCLOSURES)
    if form is None:
        return visit.redirect(claim_address(claim_id))
    return _disclosures(visit, claim, form, page)


def _disclosures(
    visit: Visit, claim: Json, form: Json, number: int, *, errors: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    number = min(max(number, 1), len(form["pages"]))
    return visit.page(
        "learner/disclosures.html", status=status, claim=claim, form=form, number=number, errors=errors or {}
    )


@router.post("/claims/{claim_id}/disclosures")
async def acknowledge_disclosures(visit: Reader, claim_id: str) -> Response:
    """Acknowledge that I read the disclosures."""
    sent = await visit.form()
    claim, form = await open_form(visit, claim_id, Action.ACKNOWLEDGE_DISCLOSURES)

    async def refused(problem: ApiProblem) -> Response:
        if form is None:
            return visit.redirect(claim_address(claim_id), notice="elsewhere")
        errors = {"form": problem_words(problem.document, claim["ce_activity"]["time_zone"])}
        return _disclosures(visit, claim, form, len(form["pages"]), errors=errors, status=problem.status)

    if form is not None and not sent.is_checked("acknowledged"):
        errors = {"acknowledged": _("Confirm that you have read the disclosures.")}
        return _disclosures(visit, claim, form, len(form["pages"]), errors=errors, status=422)
    document = {"version": sent.text("version")}
    sending = visit.send("POST", f"/v1{claim_address(claim_id, 'disclosures')}", document, key=sent.key)
    return await answered(visit, claim_id, sending, refused)
