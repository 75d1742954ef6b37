"""One claim as staff see it: whose it is, where it stands, what happened to it, and what they may do about it."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.learner.claim import refusal_document
from api.pages.learner.claim_view import ClaimPage, StepRow, claim_page
from api.pages.staff.addresses import answer_or_page, api_address, form_errors, staff_address
from api.pages.visit import Answer, ApiProblem, Reader, Visit
from api.pages.wording import problem_words
from domain.corrections import FINISHED_STATES, AwardState
from domain.roles import AUDITING_ROLES, STAFF_ROLES

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]
_ENTRIES: Final = 12
_ENTRIES_OF_A_PAGE: Final = 50
_SUBMISSIONS: Final = 50


@dataclass(frozen=True, slots=True)
class StaffClaimPage:
    """A claim with all that came with it.

    ``sent`` is the id of the act that was just sent, if its outcome is waited for; ``outcome`` says why it was refused.
    """

    claim: Json
    steps: Sequence[StepRow]
    entries: Json
    submissions: Json
    emails: Sequence[Json]
    versions: Sequence[Json]
    corrections: Sequence[Json]
    notes: Json
    is_own: bool
    may_act: bool
    may_audit: bool
    sent: str
    is_undecided: bool
    outcome: str
    errors: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The claim's id."""
        return str(self.claim["id"])

    @property
    def zone(self) -> str:
        """The time zone of the activity."""
        return str(self.claim["ce_activity"]["time_zone"])

    @property
    def is_correcting(self) -> bool:
        """Whether a correction is under way, besides which there can be no other."""
        return any(each["state"] not in FINISHED_STATES for each in self.corrections)

    @property
    def may_correct(self) -> bool:
        """Whether there is credit that counts, and nothing else is being changed about it."""
        award = self.claim["award"]
        is_counting = award is not None and award["state"] == AwardState.ACTIVE
        return is_counting and self.may_act and not self.is_correcting

    @property
    def may_reissue(self) -> bool:
        """Whether a certificate can be issued anew: also one that was revoked in error."""
        award = self.claim["award"]
        is_there = award is not None and award["state"] in (AwardState.ACTIVE, AwardState.REVOKED)
        return is_there and self.may_act and not self.is_correcting

    @property
    def changes_soon(self) -> bool:
        """Whether something changes by itself within moments, so that the page looks again."""
        is_made = any(each["state"] in ("approved", "applied") for each in self.corrections)
        return self.is_undecided or is_made


@router.get("/staff/claims/{claim_id}")
async def show_claim(visit: Reader, claim_id: str, submission: str = "") -> Response:
    """One claim of any learner."""
    return await render_claim(visit, claim_id, submission)


async def render_claim(
    visit: Visit,
    claim_id: str,
    submission: str = "",
    errors: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
    *,
    status: int = 200,
) -> Response:
    """The page of a claim, with what was wrong with one of its forms."""
    claim, submissions, entries, emails, versions, corrections, notes = await _read(visit, claim_id)
    sent = next((each for each in submissions["data"] if each["id"] == submission), None)
    role, is_own = _reader_of(visit, claim)
    view = StaffClaimPage(
        claim=claim,
        steps=claim_page(claim, None).steps,
        entries=entries,
        submissions=submissions,
        emails=emails["data"],
        versions=versions["data"],
        corrections=corrections["data"],
        notes=notes,
        is_own=is_own,
        may_act=role in STAFF_ROLES and not is_own,
        may_audit=role in AUDITING_ROLES,
        sent=sent["id"] if sent else "",
        is_undecided=sent is not None and sent["outcome"] == "undecided",
        outcome=_outcome(sent, claim),
        errors=errors or {},
        typed=typed or {},
    )
    return visit.page("staff/claims/claim.html", status=status, view=view)


async def _read(visit: Visit, claim_id: str) -> Sequence[Json]:
    """The claim and all that came with it, read at the same time."""

    def of_claim(*parts: str, **query: Any) -> Awaitable[Json]:
        return visit.get(api_address("claims", claim_id, *parts), **query)

    return await asyncio.gather(
        of_claim(),
        of_claim("submissions", limit=_SUBMISSIONS),
        of_claim("audit", limit=_ENTRIES, order="newest"),
        of_claim("emails"),
        of_claim("certificates"),
        of_claim("corrections"),
        of_claim("notes", limit=_ENTRIES_OF_A_PAGE),
    )


def _reader_of(visit: Visit, claim: Json) -> tuple[str, bool]:
    """The role of whoever looks, and whether it is their own claim."""
    principal = visit.principal
    assert principal is not None  # noqa: S101  # the route lets nobody else come here
    return principal.role, visit.is_own(claim["learner"]["id"])


def _outcome(sent: Json | None, claim: Json) -> str:
    if sent is None or sent["outcome"] != "refused":
        return ""
    return problem_words(refusal_document(sent), claim["ce_activity"]["time_zone"])


@dataclass(frozen=True, slots=True)
class EntriesPage:
    """A page of a claim's entries, the newest first."""

    claim: Json
    entries: Json

    @property
    def zone(self) -> str:
        """The time zone of the activity."""
        return str(self.claim["ce_activity"]["time_zone"])


@router.get("/staff/claims/{claim_id}/history")
async def show_history(visit: Reader, claim_id: str, after: int = 0) -> Response:
    """Everything that happened to a claim, each entry in full one click away."""
    claim = await visit.get(api_address("claims", claim_id))
    path = api_address("claims", claim_id, "audit")
    entries = await visit.get(path, limit=_ENTRIES_OF_A_PAGE, order="newest", after=after or None)
    return visit.page("staff/claims/history.html", view=EntriesPage(claim, entries))


@router.get("/staff/claims/{claim_id}/as-learner")
async def show_as_learner(visit: Reader, claim_id: str) -> Response:
    """The claim in the words that its learner reads; nothing can be done here."""
    claim = await visit.get(api_address("claims", claim_id))
    learner = await visit.get(api_address("learners", claim["learner"]["id"]))
    view: ClaimPage = claim_page(claim, learner["time_zone"])
    return visit.page("staff/claims/as_learner.html", view=view)


@router.get("/staff/claims/{claim_id}/certificates/{version}.pdf")
async def download_version(visit: Reader, claim_id: str, version: str) -> Response:
    """One version of the certificate, exactly as it was issued."""
    return visit.forward(api_address("claims", claim_id, "certificates", version))


@router.get("/staff/claims/{claim_id}/evidence.zip")
async def download_evidence(visit: Reader, claim_id: str) -> Response:
    """All that is on record of a claim, with the program that checks it; the reason is in the address's query."""

    async def refused(problem: ApiProblem) -> Response:
        errors = form_errors(problem)
        if problem.status not in (409, 422):
            raise problem
        return await render_claim(visit, claim_id, errors={"evidence_reason": next(iter(errors.values()))}, status=422)

    return visit.forward(api_address("claims", claim_id, "audit.zip"), refused=refused)


@router.post("/staff/claims/{claim_id}/notes")
async def write_note(visit: Reader, claim_id: str) -> Response:
    """Note something for colleagues."""
    form = await visit.form()
    text = form.text("text")

    async def refused(problem: ApiProblem) -> Response:
        errors = form_errors(problem)
        return await render_claim(visit, claim_id, errors=errors, typed={"text": text}, status=problem.status)

    sending = visit.send("POST", api_address("claims", claim_id, "notes"), {"text": text}, key=form.key)
    answer = await answer_or_page(sending, refused)
    if not isinstance(answer, Answer):
        return answer
    return visit.redirect(f"{staff_address('claims', claim_id)}#notes", notice="noted")


@router.post("/staff/claims/{claim_id}/emails/{email_id}/resend")
async def resend_email(visit: Reader, claim_id: str, email_id: str) -> Response:
    """Send an e-mail once more."""
    form = await visit.form()

    async def refused(problem: ApiProblem) -> Response:
        words = next(iter(form_errors(problem).values()))
        return await render_claim(visit, claim_id, errors={f"reason-{email_id}": words}, status=problem.status)

    path = api_address("claims", claim_id, "emails", email_id, "resend")
    answer = await answer_or_page(visit.send("POST", path, {"reason": form.text("reason")}, key=form.key), refused)
    if not isinstance(answer, Answer):
        return answer
    return visit.redirect(f"{staff_address('claims', claim_id)}#emails", notice="email_again")
