"""Learners as staff see them: finding one, everything about one, putting a profile right, credit from elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.filtering import listed, status_of
from api.pages.form import Form
from api.pages.staff.addresses import answer_or_page, api_address, form_errors, staff_address
from api.pages.visit import Answer, ApiProblem, Clerk, Reader, Visit
from api.pages.wording import PROFESSION_WORDS, profile_words
from config.languages import gettext as _
from domain import credit
from domain.identifiers import IDENTIFIERS
from domain.roles import STAFF_ROLES

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]
_AWARD_FIELDS: Final = ("title", "provider", "credit_type", "units", "completed_on", "reference", "reason")
_NAME_PARTS: Final = ("given_name", "family_name", "credentials")


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What was looked for, and who was found."""

    wanted: Mapping[str, str]
    found: Json
    next_page: str
    errors: Mapping[str, str]


@router.get("/staff/learners")
async def search_learners(
    visit: Reader, name: str = "", email: str = "", identifier: str = "", after: str = ""
) -> Response:
    """Learners by name, address or identifier."""
    wanted = {"name": name.strip()[:200], "email": email.strip()[:320], "identifier": identifier.strip()[:80]}
    found, errors = await listed(visit, api_address("learners"), wanted, after=after, limit=50)
    next_page = str(visit.request.url.include_query_params(after=found["next"]).query) if found["has_more"] else ""
    view = SearchPage(wanted, found, next_page, errors)
    return visit.page("staff/learners/search.html", status=status_of(errors), view=view)


@dataclass(frozen=True, slots=True)
class LearnerPage:
    """A learner with everything that is theirs; ``awards`` is credit from before the portal's time."""

    learner: Json
    identifiers: Sequence[tuple[str, str]]
    historical_awards: Sequence[Json]
    credit_types: Mapping[str, str]
    is_own: bool
    may_change: bool
    errors: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the learner is called, or else how they can be reached."""
        return name_of(self.learner)

    @property
    def titles(self) -> Mapping[str, str]:
        """What the activities are called, by claim."""
        return {each["id"]: each["title"] for each in self.learner["claims"]}


def name_of(learner: Json) -> str:
    """What a learner is called, or else how they can be reached."""
    name = " ".join(part for part in (learner["given_name"], learner["family_name"]) if part)
    return name or str(learner["email"] or learner["id"])


@router.get("/staff/learners/{learner_id}")
async def show_learner(visit: Reader, learner_id: str) -> Response:
    """Everything about one learner."""
    return await _render(visit, learner_id, {}, {})


async def _render(visit: Visit, learner_id: str, errors: Mapping[str, str], typed: Mapping[str, str]) -> Response:
    learner = await visit.get(api_address("learners", learner_id))
    entered = await visit.get(api_address("learners", learner_id, "historical-awards"), limit=100)
    principal, is_own = visit.principal, visit.is_own(learner["id"])
    view = LearnerPage(
        learner=learner,
        identifiers=[(profile_words(kind), value) for kind, value in sorted(learner["identifiers"].items())],
        historical_awards=entered["data"],
        credit_types={rule.code: rule.name for rule in credit.rules()},
        is_own=is_own,
        may_change=principal is not None and principal.role in STAFF_ROLES and not is_own,
        errors=errors,
        typed=typed,
    )
    return visit.page("staff/learners/learner.html", status=422 if errors else 200, view=view)


@router.get("/staff/learners/{learner_id}/transcript.pdf")
async def print_transcript(visit: Reader, learner_id: str) -> Response:
    """A learner's transcript as PDF."""
    return visit.forward(api_address("learners", learner_id, "transcript"), accept="application/pdf")


@router.get("/staff/learners/{learner_id}/transcript.csv")
async def download_transcript(visit: Reader, learner_id: str) -> Response:
    """A learner's transcript as CSV."""
    return visit.forward(api_address("learners", learner_id, "transcript"), accept="text/csv")


@router.post("/staff/learners/{learner_id}/historical-awards")
async def enter_award(visit: Reader, learner_id: str) -> Response:
    """Enter credit from before the portal's time."""
    form = await visit.form()
    typed = {name: form.text(name) for name in _AWARD_FIELDS}
    document = {**typed, "units": typed["units"].replace(",", ".", 1), "reference": typed["reference"] or None}

    async def refused(problem: ApiProblem) -> Response:
        return await _render(visit, learner_id, form_errors(problem), typed)

    path = api_address("learners", learner_id, "historical-awards")
    answer = await answer_or_page(visit.send("POST", path, document, key=form.key), refused)
    if not isinstance(answer, Answer):
        return answer
    return visit.redirect(f"{staff_address('learners', learner_id)}#historical", notice="award_entered")


@router.post("/staff/learners/{learner_id}/historical-awards/{award_id}/void")
async def void_award(visit: Reader, learner_id: str, award_id: str) -> Response:
    """Take a historical award off every transcript."""
    form = await visit.form()

    async def refused(problem: ApiProblem) -> Response:
        words = next(iter(form_errors(problem).values()))
        return await _render(visit, learner_id, {f"reason-{award_id}": words}, {})

    path = api_address("learners", learner_id, "historical-awards", award_id, "void")
    answer = await answer_or_page(visit.send("POST", path, {"reason": form.text("reason")}, key=form.key), refused)
    if not isinstance(answer, Answer):
        return answer
    return visit.redirect(f"{staff_address('learners', learner_id)}#historical", notice="award_voided")


@dataclass(frozen=True, slots=True)
class EditPage:
    """The form to put a profile right; ``identifiers`` are kinds, labels, examples and values."""

    learner: Json
    name: str
    identifiers: Sequence[tuple[str, str, str, str]]
    professions: Sequence[tuple[str, str]]
    errors: Mapping[str, str]
    typed: Mapping[str, str]


@router.get("/staff/learners/{learner_id}/edit")
async def ask_for_change(visit: Clerk, learner_id: str) -> Response:
    """The form to put a profile right."""
    return await _edit(visit, learner_id, {}, {})


async def _edit(visit: Visit, learner_id: str, errors: Mapping[str, str], typed: Mapping[str, str]) -> Response:
    learner = await visit.get(api_address("learners", learner_id))
    if visit.is_own(learner["id"]):
        raise ApiProblem.of("own_account")
    identifiers = [
        (kind, _(each.label), each.example, typed.get(kind, learner["identifiers"].get(kind, "")))
        for kind, each in IDENTIFIERS.items()
    ]
    professions = [(str(each), _(words)) for each, words in PROFESSION_WORDS.items()]
    view = EditPage(learner, name_of(learner), identifiers, professions, errors, typed)
    return visit.page("staff/learners/edit.html", status=422 if errors else 200, view=view)


@router.post("/staff/learners/{learner_id}/edit")
async def change_learner(visit: Reader, learner_id: str) -> Response:
    """Put a profile right: what differs from how it was when the form was shown."""
    form = await visit.form()
    typed = {name: form.text(name) for name in form.names if name != "key"}

    async def refused(problem: ApiProblem) -> Response:
        return await _edit(visit, learner_id, _errors(problem), typed)

    sending = visit.send("PATCH", api_address("learners", learner_id), _document(form), key=form.key)
    answer = await answer_or_page(sending, refused)
    if not isinstance(answer, Answer):
        return answer
    return visit.redirect(staff_address("learners", answer.document["id"]), notice="saved")


def _document(form: Form) -> Json:
    def changed(name: str) -> bool:
        return f"was_{name}" in form.names and form.text(name) != form.text(f"was_{name}")

    fields = {name: form.text(name) for name in (*_NAME_PARTS, "profession") if changed(name)}
    identifiers = {kind: form.text(kind) or None for kind in IDENTIFIERS if changed(kind)}
    return fields | {"identifiers": identifiers, "reason": form.text("reason")}


def _errors(problem: ApiProblem) -> dict[str, str]:
    codes = {error["code"] for error in problem.document.get("errors") or []}
    if "change_missing" in codes:
        return {"form": _("Change what is wrong first: everything is as it was.")}
    if "identifier_format" in codes:
        return {"form": _("An identifier is not written as it should be; compare it with its example.")}
    return form_errors(problem)
