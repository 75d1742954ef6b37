"""Correcting, revoking and reissuing from a claim's page: what would change is shown before anybody asks for it."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.form import Form
from api.pages.staff.addresses import answer_or_page, api_address, form_errors, staff_address
from api.pages.visit import Answer, ApiProblem, Clerk, Reader, Refused, Visit
from api.pages.wording import problem_words
from config.languages import gettext as _
from domain.corrections import CorrectionState, RevocationClass

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]
_NAME_PARTS = ("given_name", "family_name", "credentials")
_SESSION = "session."


@dataclass(frozen=True, slots=True)
class CorrectionPage:
    """The form of a correction, or its preview if there is one."""

    claim: Json
    learner: Json
    sessions: Mapping[str, Json]
    errors: Mapping[str, str]
    typed: Mapping[str, str]
    preview: Json | None = None


@router.get("/staff/claims/{claim_id}/correct")
async def ask_for_correction(visit: Clerk, claim_id: str) -> Response:
    """Ask what is wrong: the amount of credit, or the name."""
    return await _render(visit, claim_id, {}, {})


async def _render(
    visit: Visit,
    claim_id: str,
    errors: Mapping[str, str],
    typed: Mapping[str, str],
    *,
    preview: Json | None = None,
    status: int = 200,
) -> Response:
    claim = await _awarded(visit, claim_id)
    learner = await visit.get(api_address("learners", claim["learner"]["id"]))
    view = CorrectionPage(claim, learner, await _sessions(visit, claim), errors, typed, preview)
    return visit.page("staff/claims/correct.html", status=status, view=view)


async def _awarded(visit: Visit, claim_id: str) -> Json:
    """A claim with credit, of somebody else."""
    claim: Json = await visit.get(api_address("claims", claim_id))
    if claim["award"] is None:
        raise ApiProblem.not_found()
    if visit.is_own(claim["learner"]["id"]):
        raise ApiProblem.of("own_claim")
    return claim


async def _sessions(visit: Visit, claim: Json) -> Mapping[str, Json]:
    """The sessions of the CE activity by code, if it has any."""
    if not claim["sessions"]:
        return {}
    sessions: dict[str, Json] = {}
    after: str | None = None
    while True:
        page = await visit.get(api_address("claims", claim["id"], "sessions"), limit=100, after=after)
        sessions |= {each["code"]: each for each in page["data"]}
        if not page["has_more"]:
            return sessions
        after = page["next"]


@router.post("/staff/claims/{claim_id}/correct/preview")
async def preview_correction(visit: Reader, claim_id: str) -> Response:
    """Show what a correction would change, before anybody asks for it."""
    form = await visit.form()
    typed = _typed(form)

    async def refused(problem: ApiProblem) -> Response:
        return await _render(visit, claim_id, _errors(problem), typed, status=problem.status)

    sending = visit.send("POST", api_address("claims", claim_id, "correct", "preview"), _document(form))
    answer = await answer_or_page(sending, refused)
    if not isinstance(answer, Answer):
        return answer
    preview = answer.document
    if preview["refusal"] is not None:
        words = {"form": problem_words(preview["refusal"], "UTC")}
        return await _render(visit, claim_id, words, typed, status=409)
    return await _render(visit, claim_id, {}, typed, preview=preview)


@router.post("/staff/claims/{claim_id}/correct")
async def correct(visit: Reader, claim_id: str) -> Response:
    """Ask for a correction that was previewed."""
    form = await visit.form()

    async def refused(problem: ApiProblem) -> Response:
        return await _render(visit, claim_id, _errors(problem), _typed(form), status=problem.status)

    sending = visit.send("POST", api_address("claims", claim_id, "correct"), _document(form), key=form.key)
    return await _taken(visit, claim_id, sending, refused)


async def _taken(visit: Visit, claim_id: str, sending: Awaitable[Answer], refused: Refused) -> Response:
    answer = await answer_or_page(sending, refused)
    if not isinstance(answer, Answer):
        return answer
    is_waiting = answer.document["state"] == CorrectionState.AWAITING_APPROVAL
    notice = "correction_waits" if is_waiting else "correction_made"
    return visit.redirect(f"{staff_address('claims', claim_id)}#certificates", notice=notice)


def _typed(form: Form) -> dict[str, str]:
    return {name: form.text(name) for name in form.names if name not in ("key", "confirmation")}


def _document(form: Form) -> dict[str, Any]:
    """The correction that was filled in: of the amount, or of those parts of the name that were changed."""
    reason = {"reason": form.text("reason")}
    if form.text("what") == "name":
        was = {part: form.text(f"was_{part}") for part in _NAME_PARTS}
        return {part: form.text(part) for part in _NAME_PARTS if form.text(part) != was[part]} | reason
    sessions = {name.removeprefix(_SESSION): form.text(name) for name in form.names if name.startswith(_SESSION)}
    claimed = {code: _decimal(units) for code, units in sessions.items() if units}
    return ({"sessions": claimed} if sessions else {"units": _decimal(form.text("units"))}) | reason


def _decimal(text: str) -> str:
    """An amount as the API reads it: many people write a decimal comma."""
    return text.replace(",", ".", 1)


def _errors(problem: ApiProblem) -> dict[str, str]:
    """What is wrong, in words; that nothing was changed concerns no single field."""
    if any(error["code"] == "change_missing" for error in problem.document.get("errors") or []):
        return {"form": _("Change what is wrong first: everything is as it was.")}
    return form_errors(problem)


@dataclass(frozen=True, slots=True)
class CertificatePage:
    """The form of a revocation, or of issuing a certificate anew."""

    claim: Json
    errors: Mapping[str, str]
    typed: Mapping[str, str]
    classes: tuple[str, ...] = tuple(RevocationClass)

    @property
    def word(self) -> str:
        """What is typed before a revocation, in the present language."""
        return _("revoke")


@router.get("/staff/claims/{claim_id}/revoke")
async def ask_for_revocation(visit: Clerk, claim_id: str) -> Response:
    """Say what a revocation means, and ask for a confirmation that is typed."""
    return await _certificate(visit, claim_id, "revoke", {}, {})


@router.get("/staff/claims/{claim_id}/reissue")
async def ask_for_reissue(visit: Clerk, claim_id: str) -> Response:
    """Say what issuing a certificate anew does."""
    return await _certificate(visit, claim_id, "reissue", {}, {})


async def _certificate(
    visit: Visit, claim_id: str, act: str, errors: Mapping[str, str], typed: Mapping[str, str]
) -> Response:
    claim = await _awarded(visit, claim_id)
    status = 422 if errors else 200
    return visit.page(f"staff/claims/{act}.html", status=status, view=CertificatePage(claim, errors, typed))


@router.post("/staff/claims/{claim_id}/revoke")
async def revoke(visit: Reader, claim_id: str) -> Response:
    """Ask for a revocation."""
    form = await visit.form()
    typed = _typed(form)
    if form.text("confirmation").casefold() != _("revoke"):
        words = {"confirmation": _("Type the word to confirm that you mean it.")}
        return await _certificate(visit, claim_id, "revoke", words, typed)

    async def refused(problem: ApiProblem) -> Response:
        return await _certificate(visit, claim_id, "revoke", form_errors(problem), typed)

    document = {"reason_class": form.text("reason_class"), "reason": form.text("reason")}
    sending = visit.send("POST", api_address("claims", claim_id, "revoke"), document, key=form.key)
    return await _taken(visit, claim_id, sending, refused)


@router.post("/staff/claims/{claim_id}/reissue")
async def reissue(visit: Reader, claim_id: str) -> Response:
    """Ask for the certificate to be issued anew."""
    form = await visit.form()

    async def refused(problem: ApiProblem) -> Response:
        return await _certificate(visit, claim_id, "reissue", form_errors(problem), _typed(form))

    sending = visit.send(
        "POST", api_address("claims", claim_id, "reissue"), {"reason": form.text("reason")}, key=form.key
    )
    return await _taken(visit, claim_id, sending, refused)
