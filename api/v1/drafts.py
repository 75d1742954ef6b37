"""Drafts of a claim's long forms, so that nothing is lost between two sittings, devices or connections."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import SignedIn
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Body, Key
from api.v1.once import answer_once
from api.v1.steps import StepDesk, json_response, own_claim
from api.views import time_json
from domain.assessments import MAXIMUM_TEXT_LENGTH
from domain.names import clean_text
from domain.policy import CEActivityPolicy
from domain.progress import Action, progress_of
from domain.refusals import RefusalCode
from storage import drafts
from storage.drafts import Draft

router = APIRouter(prefix="/v1/claims/{claim_id}/drafts", tags=["drafts"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_MAXIMUM_RESPONSES: Final = 500
_SESSION: Final = "session."
_NOT_OPEN: Final[answers.Responses] = {409: {**answers.TAKEN[409], "description": "The form is not open."}}


class DraftRequest(Body):
    """What is filled in so far, in place of the draft before: question code to option code, number, or text."""

    responses: dict[Key, str | int] = Field(max_length=_MAXIMUM_RESPONSES)


class DraftAnswer(BaseModel):
    """The draft of a form; without responses and ``saved_at`` where none was saved, or the form was accepted."""

    form: str
    responses: dict[str, str | int]
    saved_at: answers.Time | None


@router.get("/{form}", response_model=DraftAnswer)
async def show_draft(claim_id: str, form: str, principal: SignedIn, services: ServicesOf) -> Response:
    """What I have filled in of a form: `answers`, `evaluation`, or `session.` and a session's code."""
    view = await own_claim(services, principal, claim_id)
    _questions_of(await services.policies.get(view.version_id), form)
    draft = await services.database.statements(lambda c: drafts.read(c, view.id, form))
    return json_response(_draft_json(form, draft))


@router.put("/{form}", response_model=DraftAnswer, responses=_NOT_OPEN)
async def save_draft(claim_id: str, form: str, body: DraftRequest, desk: StepDesk) -> Response:
    """Save what I have filled in so far; as often as I like while the form is open, complete or not."""
    view = await desk.own_claim(claim_id)
    policy = await desk.policy_of(view)
    responses = _cleaned(body.responses, _questions_of(policy, form))
    if _action_of(form) not in progress_of(policy, view.facts, view.read_at, view.attention).next_actions:
        raise ProblemError(RefusalCode.WRONG_STATE)

    async def save(connection: AsyncConnection) -> Mapping[str, Any]:
        return _draft_json(form, await drafts.save(connection, view.id, form, responses))

    return await answer_once(desk.services, desk.envelope.key, save)


def _draft_json(form: str, draft: Draft | None) -> dict[str, Any]:
    return {
        "form": form,
        "responses": dict(draft.responses) if draft else {},
        "saved_at": time_json(draft.saved_at) if draft else None,
    }


def _action_of(form: str) -> Action:
    if form.startswith(_SESSION):
        return Action.CLAIM_SESSION
    return Action.SUBMIT_ANSWERS if form == "answers" else Action.COMPLETE_EVALUATION


def _questions_of(policy: CEActivityPolicy, form: str) -> frozenset[str]:
    """The codes of a form's questions; raises 404 for a form that the CE activity does not have."""
    if form == "answers" and policy.post_test is not None:
        return frozenset(question.code for question in policy.post_test.questions)
    evaluation = policy.evaluation if form == "evaluation" else None
    if form.startswith(_SESSION) and policy.session(form.removeprefix(_SESSION)) is not None:
        evaluation = policy.session_evaluation
    if evaluation is None:
        raise ProblemError("not_found")
    return frozenset(question.code for question in evaluation.questions)


def _cleaned(responses: Mapping[str, str | int], known: Collection[str]) -> dict[str, str | int]:
    """Responses as they are kept; whether they are complete, or possible, is judged when they are handed in."""
    if not set(responses) <= set(known):
        raise ProblemError("validation_failed", errors=[FieldError("/responses", "unknown_question")])
    return {code: _clean(code, value) for code, value in responses.items()}


def _clean(code: str, value: str | int) -> str | int:
    if not isinstance(value, str):
        return value
    try:
        return clean_text(value, MAXIMUM_TEXT_LENGTH)
    except ValueError as error:
        raise ProblemError("validation_failed", errors=[FieldError(f"/responses/{code}", str(error))]) from None
