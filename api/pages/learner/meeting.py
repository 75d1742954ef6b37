"""A meeting's sessions: the paged list, one session with its evaluation, and the summary of what they add up to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.learner.evaluation import open_form
from api.pages.learner.questionnaire import Question, draft_of, errors_of, responses_of, shown
from api.pages.learner.steps import answered, claim_address
from api.pages.visit import ApiProblem, Reader, Visit
from api.pages.wording import field_words, problem_words
from domain.progress import Action

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]
_ON_A_PAGE: Final = 10
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class SessionsPage:
    """A page of a meeting's sessions; ``increment`` and ``unit`` are of the statement that is sought."""

    claim: Json
    sessions: Sequence[Json]
    number: int
    count: int
    offer: Json | None
    may_change: bool


async def _all_sessions(visit: Visit, claim_id: str) -> list[Json]:
    """Every session of the meeting, in the programme's order."""
    sessions: list[Json] = []
    after: str | None = ""
    while after is not None:
        page = await visit.get(f"/v1{claim_address(claim_id, 'sessions')}", limit=_AT_ONCE, after=after)
        sessions += page["data"]
        after = page["next"]
    return sessions


@router.get("/claims/{claim_id}/sessions")
async def show_sessions(visit: Reader, claim_id: str, page: int = 1) -> Response:
    """The programme, page by page, with what I claim for each session."""
    claim, form = await open_form(visit, claim_id, Action.CLAIM_SESSION)
    if claim["sessions"] is None:
        raise ApiProblem.not_found()
    sessions = await _all_sessions(visit, claim_id)
    count = -(-len(sessions) // _ON_A_PAGE)
    number = min(max(page, 1), count)
    view = SessionsPage(
        claim=claim,
        sessions=sessions[(number - 1) * _ON_A_PAGE : number * _ON_A_PAGE],
        number=number,
        count=count,
        offer=await _offer(visit, claim),
        may_change=form is not None,
    )
    return visit.page("learner/meeting.html", view=view)


async def _offer(visit: Visit, claim: Json) -> Json | None:
    """The credit that the statement is for, whose increment an amount is a multiple of."""
    chosen = claim["statement"] or (claim["credit"] or {}).get("credit_type")
    ce_activity = await visit.get(f"/v1/ce-activities/{claim['ce_activity']['slug']}")
    return next((each for each in ce_activity["credit"] if each["credit_type"] == chosen), None)


@router.get("/claims/{claim_id}/sessions/{code}")
async def show_session(visit: Reader, claim_id: str, code: str) -> Response:
    """One session: how much of it I claim, and its evaluation."""
    claim, form = await open_form(visit, claim_id, Action.CLAIM_SESSION)
    if form is None:
        return visit.redirect(claim_address(claim_id))
    evaluation = form["evaluation"]
    draft: Json = {"responses": {}, "saved_at": None}
    if evaluation is not None:
        draft = await draft_of(visit, claim_id, f"session.{code}")
    return await _session(visit, claim, code, evaluation, draft["responses"], saved_at=draft["saved_at"])


async def _session(
    visit: Visit,
    claim: Json,
    code: str,
    evaluation: Json | None,
    responses: Mapping[str, str | int],
    *,
    units: str | None = None,
    errors: Mapping[str, str] | None = None,
    saved_at: str | None = None,
    status: int = 200,
) -> Response:
    sessions = await _all_sessions(visit, claim["id"])
    at = next((at for at, each in enumerate(sessions) if each["code"] == code), None)
    if at is None:
        raise ApiProblem.not_found()
    titles = {each["code"]: each["title"] for each in sessions}
    return visit.page(
        "learner/meeting_session.html",
        status=status,
        claim=claim,
        session=sessions[at],
        page=at // _ON_A_PAGE + 1,
        overlaps=[titles[each] for each in sessions[at]["overlaps"]],
        offer=await _offer(visit, claim),
        questions=_questions(evaluation, responses, is_evaluated=sessions[at]["is_evaluated"]),
        units=units or sessions[at]["units"] or sessions[at]["maximum_units"],
        errors=errors or {},
        saved_at=saved_at,
    )


def _questions(evaluation: Json | None, responses: Mapping[str, str | int], *, is_evaluated: bool) -> list[Question]:
    """The questions of a session's evaluation; one that was completed may stay as it is."""
    questions = shown(evaluation["questions"], responses) if evaluation else []
    return [replace(each, is_required=each.is_required and not is_evaluated) for each in questions]


@router.post("/claims/{claim_id}/sessions/{code}")
async def claim_session(visit: Reader, claim_id: str, code: str) -> Response:
    """Save what I claim for a session, with its evaluation; one that is evaluated may stay as it is."""
    sent = await visit.form()
    claim, form = await open_form(visit, claim_id, Action.CLAIM_SESSION)
    evaluation = form["evaluation"] if form else None
    questions = evaluation["questions"] if evaluation else ()
    responses = responses_of(questions, sent)
    units = sent.text("units").replace(",", ".", 1)

    async def refused(problem: ApiProblem) -> Response:
        if form is None:
            return visit.redirect(claim_address(claim_id), notice="elsewhere")
        errors = _errors(problem, questions, claim)
        return await _session(
            visit, claim, code, evaluation, responses, units=units, errors=errors, status=problem.status
        )

    is_kept = sent.is_checked("is_evaluated") and not responses
    document = {"units": units} | ({"responses": responses} if questions and not is_kept else {})
    sending = visit.send("PUT", f"/v1{claim_address(claim_id, 'sessions', code)}", document, key=sent.key)
    page = sent.text("page")
    lead_to = f"{claim_address(claim_id, 'sessions')}?page={page if page.isdigit() else '1'}#{code}"
    return await answered(visit, claim_id, sending, refused, lead_to=lead_to)


def _errors(problem: ApiProblem, questions: Sequence[Json], claim: Json) -> dict[str, str]:
    zone = claim["ce_activity"]["time_zone"]
    if "units" in problem.errors_by_field():
        return {"units": field_words("units_format")}
    if problem.code.startswith("credit_"):
        return {"units": problem_words(problem.document, zone)}
    return errors_of(problem, questions, zone)


@router.post("/claims/{claim_id}/sessions/{code}/removal")
async def drop_session(visit: Reader, claim_id: str, code: str) -> Response:
    """Claim nothing for a session any more."""
    sent = await visit.form()

    async def refused(_problem: ApiProblem) -> Response:
        return visit.redirect(claim_address(claim_id), notice="elsewhere")

    sending = visit.send("DELETE", f"/v1{claim_address(claim_id, 'sessions', code)}", key=sent.key)
    return await answered(visit, claim_id, sending, refused, lead_to=claim_address(claim_id, "summary"))


@router.get("/claims/{claim_id}/summary")
async def show_summary(visit: Reader, claim_id: str) -> Response:
    """The credit summary: sessions, credit, what is not evaluated yet, and the total against the most there is."""
    return await _summary(visit, claim_id, {})


async def _summary(visit: Visit, claim_id: str, errors: Mapping[str, str], status: int = 200) -> Response:
    claim = await visit.get(f"/v1{claim_address(claim_id)}")
    if claim["sessions"] is None:
        raise ApiProblem.not_found()
    forms = {each["action"]: each.get("form") or {} for each in claim["next_actions"]}
    sessions = await _all_sessions(visit, claim_id)
    offers = forms.get(Action.CLAIM_CREDIT, {}).get("offers", ())
    return visit.page(
        "learner/meeting_summary.html",
        status=status,
        claim=claim,
        claimed=[each for each in sessions if each["units"] is not None],
        offer=await _offer(visit, claim),
        to_claim=offers[0] if len(offers) == 1 else None,
        may_change=Action.CLAIM_SESSION in forms,
        finalization=forms.get(Action.FINALIZE),
        errors=errors,
    )


@router.post("/claims/{claim_id}/summary")
async def claim_total(visit: Reader, claim_id: str) -> Response:
    """Claim what the sessions add up to, attesting to it."""
    sent = await visit.form()
    document = {
        "credit_type": sent.text("credit_type"),
        "attestation_version": sent.text("attestation_version"),
        "attested": sent.is_checked("attested"),
        "units": sent.text("units"),
    }

    async def refused(problem: ApiProblem) -> Response:
        claim = await visit.get(f"/v1{claim_address(claim_id)}")
        errors = {"form": problem_words(problem.document, claim["ce_activity"]["time_zone"])}
        return await _summary(visit, claim_id, errors, problem.status)

    sending = visit.send("PUT", f"/v1{claim_address(claim_id, 'credit')}", document, key=sent.key)
    return await answered(visit, claim_id, sending, refused)
