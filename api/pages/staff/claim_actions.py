"""Acting on a claim: one form for each act that is possible now, made from what the API says belongs to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.form import Form
from api.pages.staff.addresses import answer_or_page, api_address, form_errors, staff_address
from api.pages.staff.words import CONFIRMATIONS
from api.pages.visit import Answer, ApiProblem, Clerk, Visit
from config.languages import gettext as _
from domain.office import OperatorAction

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ActionPage:
    """The form of one act. ``word`` is to be typed if the act can't be undone, and is empty if it can."""

    claim: Json
    action: Json
    word: str
    errors: Mapping[str, str]
    typed: Mapping[str, str]

    @property
    def is_about_deadline(self) -> bool:
        """Whether the deadline is what is decided about, and so has to be seen."""
        return "due_on" in self.action["form"] or self.action["action"] == OperatorAction.REFUSE_EXTENSION


@router.get("/staff/claims/{claim_id}/actions/{action}")
async def show_action(visit: Clerk, claim_id: str, action: str) -> Response:
    """Ask for what an act needs; one that is not possible (any more) leads back to the claim."""
    return await _render(visit, claim_id, action, {}, {})


async def _render(
    visit: Visit, claim_id: str, name: str, errors: Mapping[str, str], typed: Mapping[str, str]
) -> Response:
    claim = await visit.get(api_address("claims", claim_id))
    action = next((each for each in claim["operator_actions"] if each["action"] == name), None)
    if action is None:
        return visit.redirect(staff_address("claims", claim["id"]), notice="not_possible_now")
    view = ActionPage(claim, action, confirmation_word(name), errors, typed)
    return visit.page("staff/claims/action.html", status=422 if errors else 200, view=view)


def confirmation_word(action: str) -> str:
    """The word that is typed before an act that can't be undone, in the present language; empty for the others."""
    return next((_(word) for each, word in CONFIRMATIONS.items() if each == action), "")


@router.post("/staff/claims/{claim_id}/actions/{action}")
async def act(visit: Clerk, claim_id: str, action: str) -> Response:
    """Send an act; what is wrong with it is said beside the form."""
    form = await visit.form()
    typed = {name: form.text(name) for name in ("reason", "reason_code", "requirement", "due_on")}
    word = confirmation_word(action)
    if word and form.text("confirmation").casefold() != word:
        errors = {"confirmation": _("Type the word to confirm that you mean it.")}
        return await _render(visit, claim_id, action, errors, typed)
    claim = await visit.get(api_address("claims", claim_id))
    possible = next((each for each in claim["operator_actions"] if each["action"] == action), None)
    if possible is None:
        return visit.redirect(staff_address("claims", claim["id"]), notice="not_possible_now")

    async def refused(problem: ApiProblem) -> Response:
        errors = form_errors(problem, claim["ce_activity"]["time_zone"])
        return await _render(visit, claim_id, action, errors, typed)

    sending = visit.send(possible["method"], possible["href"], _document(form, possible["form"]), key=form.key)
    answer = await answer_or_page(sending, refused)
    if not isinstance(answer, Answer):
        return answer
    path = staff_address("claims", claim["id"])
    if answer.is_undecided:
        return visit.redirect(f"{path}?submission={answer.document['id']}", notice="received")
    return visit.redirect(path, notice="saved")


def _document(form: Form, asked: Json) -> dict[str, str]:
    """What the act needs, as far as it was filled in."""
    names = {"reason_codes": "reason_code", "requirements": "requirement", "due_on": "due_on"}
    wanted = ["reason", *(name for part, name in names.items() if part in asked)]
    return {name: form.text(name) for name in wanted if name == "reason" or form.text(name)}
