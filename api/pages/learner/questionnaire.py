"""Forms with questions: what is filled in so far, reading them from a form, and keeping them as a draft."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.form import Form
from api.pages.learner.steps import claim_address
from api.pages.visit import ApiProblem, Reader, Visit
from api.pages.wording import field_words, problem_words
from domain.policy import QuestionKind

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]
_PREFIX: Final = "q-"
_MOST_DIGITS: Final = 4
_SESSION: Final = "session."


@dataclass(frozen=True, slots=True)
class Question:
    """One question as it is shown: ``name`` is its field, ``value`` what was filled in, as text."""

    name: str
    number: int
    text: str
    kind: str
    is_required: bool
    options: Sequence[tuple[str, str]]
    maximum_length: int | None
    value: str


def shown(questions: Sequence[Json], responses: Mapping[str, str | int]) -> list[Question]:
    """The questions of a form, with what was filled in."""
    return [
        Question(
            name=f"{_PREFIX}{each['code']}",
            number=number,
            text=each["text"],
            kind=each.get("kind", QuestionKind.CHOICE),
            is_required=each.get("is_required", True),
            options=_options(each),
            maximum_length=each.get("maximum_length"),
            value=str(responses.get(each["code"], "")),
        )
        for number, each in enumerate(questions, 1)
    ]


def _options(question: Json) -> list[tuple[str, str]]:
    if question.get("kind") == QuestionKind.SCALE:
        return [(str(each), str(each)) for each in range(question["minimum"], question["maximum"] + 1)]
    return [(each["code"], each["label"]) for each in question.get("options", ())]


def responses_of(questions: Sequence[Json], form: Form) -> dict[str, str | int]:
    """What a form says to these questions; what was left out is left out."""
    given = {each["code"]: form.text(f"{_PREFIX}{each['code']}") for each in questions}
    scales = {each["code"] for each in questions if each.get("kind") == QuestionKind.SCALE}
    return {code: _number(text) if code in scales else text for code, text in given.items() if text}


def _number(text: str) -> str | int:
    """A number of a scale; what is none is left as it is, for the API to refuse."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else text


def errors_of(problem: ApiProblem, questions: Sequence[Json], time_zone: str) -> dict[str, str]:
    """What is wrong with which field, in words; ``form`` stands for what is wrong with all of it."""
    wrong = problem.errors_by_field()
    errors = {
        f"{_PREFIX}{each['code']}": f"{number}. {field_words(wrong[each['code']]['code'])}"
        for number, each in enumerate(questions, 1)
        if each["code"] in wrong
    }
    return errors or {"form": problem_words(problem.document, time_zone)}


async def draft_of(visit: Visit, claim_id: str, form: str) -> Json:
    """The draft of a form: its responses, and when they were saved."""
    draft: Json = await visit.get(f"/v1{claim_address(claim_id, 'drafts', form)}")
    return draft


@router.post("/claims/{claim_id}/drafts/{form_name}")
async def save_draft(visit: Reader, claim_id: str, form_name: str) -> Response:
    """Save what is filled in; asked for by the button beside the form, or by its script with ``auto``."""
    form = await visit.form()
    questions = await _questions_of(visit, claim_id, form_name)
    document = {"responses": responses_of(questions, form)}
    await visit.send("PUT", f"/v1{claim_address(claim_id, 'drafts', form_name)}", document)
    if form.is_checked("auto"):
        return Response(status_code=204)
    return visit.redirect(await _page_of(visit, claim_id, form_name), notice="draft_saved")


async def _questions_of(visit: Visit, claim_id: str, form_name: str) -> Sequence[Json]:
    """The questions of a form that is open; raises 404 for one that the claim does not have."""
    claim = await visit.get(f"/v1{claim_address(claim_id)}")
    actions = {each["action"]: each.get("form") for each in claim["next_actions"]}
    if form_name == "answers" and claim["attempts"]:
        attempt = await visit.get(f"/v1{claim_address(claim_id, 'attempts', str(claim['attempts'][-1]['number']))}")
        questions: Sequence[Json] = attempt["questions"]
    elif form_name == "evaluation":
        questions = (actions.get("complete_evaluation") or {}).get("questions", ())
    elif form_name.startswith(_SESSION):
        questions = ((actions.get("claim_session") or {}).get("evaluation") or {}).get("questions", ())
    else:
        raise ApiProblem.not_found()
    return questions


async def _page_of(visit: Visit, claim_id: str, form_name: str) -> str:
    if form_name.startswith(_SESSION):
        return claim_address(claim_id, "sessions", form_name.removeprefix(_SESSION))
    if form_name == "evaluation":
        return claim_address(claim_id, "evaluation")
    claim = await visit.get(f"/v1{claim_address(claim_id)}")
    return claim_address(claim_id, "attempts", str(claim["attempts"][-1]["number"]))
