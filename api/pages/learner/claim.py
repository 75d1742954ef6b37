"""My claim: one page with everything that is done, to do, locked or waited for, and the form for what is next."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.form import Form
from api.pages.learner.claim_view import ClaimPage, claim_page
from api.pages.learner.steps import answered, claim_address
from api.pages.visit import Answer, ApiProblem, Reader, Visit
from api.pages.wording import field_words, problem_words
from api.problems import refusal_kind
from config.languages import gettext as _
from domain.identities import is_id
from domain.progress import Action

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]
_MOST_ENTRIES: Final = 100
_METHODS: Final = frozenset({"attestation", "code", "badge_id", "group_id", "roster"})


@dataclass(frozen=True, slots=True)
class Shown:
    """How a claim's page is asked for: which form, what was typed, and what was wrong with it.

    ``code`` is the code that a link carried, ``submission`` a step whose outcome is waited for.
    """

    step: str = ""
    code: str = ""
    credit_type: str = ""
    submission: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)


@router.get("/claims/{claim_id}")
async def show_claim(
    visit: Reader, claim_id: str, *, step: str = "", code: str = "", credit_type: str = "", submission: str = ""
) -> Response:
    """My claim."""
    shown = Shown(step=step, code=code[:80], credit_type=credit_type, submission=submission)
    return await _render(visit, claim_id, shown)


@router.get("/claims/{claim_id}/events")
async def stream_events(visit: Reader, claim_id: str) -> Response:
    """The claim's status, live."""
    return visit.forward(f"/v1{claim_address(claim_id, 'events')}")


@router.get("/claims/{claim_id}/history")
async def show_history(visit: Reader, claim_id: str, after: int = 0) -> Response:
    """Everything that happened to my claim, refusals too."""
    claim = await visit.get(f"/v1{claim_address(claim_id)}")
    history = await visit.get(f"/v1{claim_address(claim_id, 'history')}", limit=_MOST_ENTRIES, after=after)
    return visit.page("learner/history.html", claim=claim, history=history)


async def _render(visit: Visit, claim_id: str, shown: Shown, status: int = 200) -> Response:
    claim = await visit.get(f"/v1{claim_address(claim_id)}")
    profile = await visit.get("/v1/me")
    zone = claim["ce_activity"]["time_zone"]
    outcome = await _outcome(visit, claim_id, shown.submission, zone)
    errors = {**shown.errors, **({"form": outcome} if outcome else {})}
    view = claim_page(
        claim,
        profile["time_zone"],
        wanted=shown.step,
        is_undecided=outcome == "",
        code=shown.code,
        errors=errors,
        typed=shown.typed,
    )
    return visit.page("learner/claim.html", status=status, view=view, offer=_offer(view, shown.credit_type))


async def _outcome(visit: Visit, claim_id: str, submission_id: str, zone: str) -> str | None:
    """Why a step was refused; empty while it is not decided, None when it was accepted or there is none."""
    if not is_id(submission_id, "sub"):
        return None
    submission = await visit.get(f"/v1{claim_address(claim_id, 'submissions', submission_id)}")
    if submission["outcome"] != "refused":
        return "" if submission["outcome"] == "undecided" else None
    return problem_words(refusal_document(submission), zone)


def refusal_document(submission: Json) -> Json:
    """A refused submission as the problem document that its step would have been answered with."""
    kind = refusal_kind(submission["code"])
    return {"code": submission["code"], "title": kind.title, "detail": kind.detail, "details": submission["details"]}


def _offer(view: ClaimPage, credit_type: str) -> Json | None:
    """The offer whose amount is asked for: the one that was chosen, or the only one."""
    offers = view.form.get("offers", ())
    chosen = view.typed.get("credit_type") or credit_type
    found = [each for each in offers if each["credit_type"] == chosen] or (offers if len(offers) == 1 else ())
    return found[0] if found else None


async def _step(visit: Visit, claim_id: str, sending: Awaitable[Answer], shown: Shown) -> Response:
    """Take a step whose form is on the claim's page; what is wrong with it is said beside it."""

    async def refused(problem: ApiProblem) -> Response:
        claim = await visit.get(f"/v1{claim_address(claim_id)}")
        errors = _errors(problem, claim["ce_activity"]["time_zone"])
        again = Shown(shown.step, shown.code, shown.credit_type, "", errors, shown.typed)
        return await _render(visit, claim_id, again, problem.status)

    return await answered(visit, claim_id, sending, refused)


def _errors(problem: ApiProblem, zone: str) -> dict[str, str]:
    wrong = problem.errors_by_field()
    named = {name: field_words("units_format" if name == "units" else wrong[name]["code"]) for name in wrong if name}
    return named or {"form": problem_words(problem.document, zone)}


@router.post("/claims/{claim_id}/participation")
async def state_participation(visit: Reader, claim_id: str) -> Response:
    """Prove that I took part."""
    form = await visit.form()
    method = form.text("method") if form.text("method") in _METHODS else "attestation"
    document = {"method": method, "value": form.text("value")}
    sending = visit.send("POST", f"/v1{claim_address(claim_id, 'participation')}", document, key=form.key)
    shown = Shown(Action.STATE_PARTICIPATION, code=form.text("code")[:80], typed=document)
    return await _step(visit, claim_id, sending, shown)


@router.post("/claims/{claim_id}/statement")
async def choose_statement(visit: Reader, claim_id: str) -> Response:
    """Choose the statement of credit that I seek."""
    form = await visit.form()
    document = {"credit_type": form.text("credit_type")}
    sending = visit.send("PUT", f"/v1{claim_address(claim_id, 'statement')}", document, key=form.key)
    return await _step(visit, claim_id, sending, Shown(Action.CHOOSE_STATEMENT, typed=document))


@router.post("/claims/{claim_id}/credit")
async def claim_credit(visit: Reader, claim_id: str) -> Response:
    """Claim an amount of a type of credit, attesting to it."""
    form = await visit.form()
    typed = {name: form.text(name) for name in ("credit_type", "units", "attested")}
    shown = Shown(Action.CLAIM_CREDIT, typed=typed)
    sending = visit.send("PUT", f"/v1{claim_address(claim_id, 'credit')}", _credit(form), key=form.key)
    return await _step(visit, claim_id, sending, shown)


def _credit(form: Form) -> Json:
    return {
        "credit_type": form.text("credit_type"),
        **({"units": _decimal(form.text("units"))} if "units" in form.names else {}),
        "attestation_version": form.text("attestation_version"),
        "attested": form.is_checked("attested"),
    }


def _decimal(text: str) -> str:
    """An amount as the API reads it: many people write a decimal comma."""
    return text.replace(",", ".", 1)


@router.post("/claims/{claim_id}/finalization")
async def finalize(visit: Reader, claim_id: str) -> Response:
    """Make my statement final, knowing that nothing can be changed in it afterwards."""
    form = await visit.form()
    document = {"confirmed": form.is_checked("confirmed")}
    sending = visit.send("POST", f"/v1{claim_address(claim_id, 'finalization')}", document, key=form.key)
    return await _step(visit, claim_id, sending, Shown(Action.FINALIZE))


@router.post("/claims/{claim_id}/extension-requests")
async def request_extension(visit: Reader, claim_id: str) -> Response:
    """Ask for more time."""
    form = await visit.form()
    document = {"reason": form.text("reason")}
    sending = visit.send("POST", f"/v1{claim_address(claim_id, 'extension-requests')}", document, key=form.key)
    return await _step(visit, claim_id, sending, Shown(typed=document))


@router.get("/claims/{claim_id}/withdrawal")
async def ask_to_withdraw(visit: Reader, claim_id: str) -> Response:
    """Say what giving a claim up means, and ask for a confirmation that is typed."""
    return await _withdrawal(visit, claim_id, {}, {})


@router.post("/claims/{claim_id}/withdrawal")
async def withdraw(visit: Reader, claim_id: str) -> Response:
    """Give my claim up."""
    form = await visit.form()
    typed = {"reason": form.text("reason"), "confirmation": form.text("confirmation")}
    if typed["confirmation"].casefold() != _("withdraw"):
        words = _("Type the word to confirm that you give this claim up.")
        return await _withdrawal(visit, claim_id, {"confirmation": words}, typed, 422)

    async def refused(problem: ApiProblem) -> Response:
        claim = await visit.get(f"/v1{claim_address(claim_id)}")
        return await _withdrawal(
            visit, claim_id, _errors(problem, claim["ce_activity"]["time_zone"]), typed, problem.status
        )

    document = {"reason": typed["reason"]}
    sending = visit.send("POST", f"/v1{claim_address(claim_id, 'withdrawal')}", document, key=form.key)
    return await answered(visit, claim_id, sending, refused)


async def _withdrawal(
    visit: Visit, claim_id: str, errors: Mapping[str, str], typed: Mapping[str, str], status: int = 200
) -> Response:
    claim = await visit.get(f"/v1{claim_address(claim_id)}")
    return visit.page("learner/withdrawal.html", status=status, claim=claim, errors=errors, typed=typed)
