"""The programme: CE activities in every state, what each says, its versions, and copies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.filtering import filter_errors, listed, status_of
from api.pages.staff.addresses import api_address, staff_address
from api.pages.staff.definition_fields import SECTIONS
from api.pages.staff.definition_parts import index_of
from api.pages.visit import ApiProblem, Reader, Visit
from api.pages.wording import LOCK_WORDS, PROFESSION_WORDS, STEP_WORDS, field_words
from config.languages import gettext as _
from domain.policy import Profession

router = APIRouter(prefix="/staff/ce-activities", include_in_schema=False)

Json = Mapping[str, Any]
_PROGRAMME = "/v1/staff/ce-activities"


@dataclass(frozen=True, slots=True)
class Programme:
    """A page of CE activities, and what was searched for."""

    ce_activities: Sequence[Json]
    search: str
    status: str
    next_page: str | None
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SectionLine:
    """One part of a definition in a list: whether it is used, and what for."""

    name: str
    title: str
    words: str
    is_used: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """One CE activity with its parts, and a copy that somebody wants to make of it."""

    ce_activity: Json
    sections: Sequence[SectionLine]
    public_url: str
    copy_slug: str
    copy_title: str
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Versions:
    """All versions of a CE activity, and the differences between two of them."""

    ce_activity: Json
    differences: Json | None
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ChecklistLine:
    """One step of a new claim: what it is called, how it stands, and why it is locked."""

    title: str
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a learner of some profession would see."""

    ce_activity: Json
    checklist: Sequence[ChecklistLine]
    profession: str
    professions: Sequence[tuple[str, str]]
    errors: Mapping[str, str]


@router.get("")
async def list_ce_activities(
    visit: Reader, search: str = "", status: str = "", after: str = "", ce_activity: str = ""
) -> Response:
    """CE activities in every state; ``ce_activity`` is what was typed into a field that offers their names."""
    filters = {"search": (search or ce_activity)[:100], "status": status}
    found, errors = await listed(visit, _PROGRAMME, filters, after=after, limit=25)
    query = {name: value for name, value in (("search", search), ("status", status)) if value}
    next_page = f"/staff/ce-activities?{urlencode({**query, 'after': found['next']})}" if found["has_more"] else None
    view = Programme(found["data"], search, status, next_page, errors)
    return visit.page("staff/ce_activities/list.html", status=status_of(errors), view=view)


@router.get("/{slug}")
async def show_ce_activity(visit: Reader, slug: str) -> Response:
    """One CE activity: how it stands, and what it says."""
    return visit.page("staff/ce_activities/show.html", view=await _overview(visit, slug))


async def _overview(visit: Visit, slug: str, copy_slug: str = "", copy_title: str = "") -> Overview:
    ce_activity = await visit.get(api_address("ce-activities", slug))
    return Overview(
        ce_activity=ce_activity,
        sections=[_line(section.name, section.title, section.lead, ce_activity["definition"]) for section in SECTIONS],
        public_url=visit.services.settings.public_url,
        copy_slug=copy_slug,
        copy_title=copy_title or ce_activity["title"],
        errors={},
    )


def _line(name: str, title: str, lead: str, definition: Json) -> SectionLine:
    section = next(each for each in SECTIONS if each.name == name)
    if section.requirement is not None:
        return SectionLine(name, _(title), _(lead), is_used=index_of(section, definition) is not None)
    is_used = name != "sessions" or bool(definition.get("sessions"))
    return SectionLine(name, _(title), _(lead), is_used)


@router.post("/{slug}/publish")
async def publish_ce_activity(visit: Reader, slug: str) -> Response:
    """Let learners open claims."""
    return await _change_status(visit, slug, "publish", "activity_published")


@router.post("/{slug}/close")
async def close_ce_activity(visit: Reader, slug: str) -> Response:
    """Let nobody open a claim any more."""
    return await _change_status(visit, slug, "close", "activity_closed")


async def _change_status(visit: Visit, slug: str, change: str, notice: str) -> Response:
    form = await visit.form()
    await visit.send("POST", api_address("ce-activities", slug, change), key=form.key)
    return visit.redirect(staff_address("ce-activities", slug), notice)


@router.post("/{slug}/clone")
async def clone_ce_activity(visit: Reader, slug: str) -> Response:
    """Make a copy, and go there."""
    form = await visit.form()
    wanted = {"slug": form.text("slug")} | ({"title": form.text("title")} if form.text("title") else {})
    try:
        copy = await visit.send("POST", api_address("ce-activities", slug, "clone"), wanted, key=form.key)
    except ApiProblem as problem:
        if problem.code not in ("validation_failed", "definition_invalid"):
            raise
        view = await _overview(visit, slug, form.text("slug"), form.text("title"))
        return visit.page("staff/ce_activities/show.html", status=422, view=_with_errors(view, problem))
    return visit.redirect(f"/staff/ce-activities/{copy.document['slug']}", "activity_copied")


def _with_errors(view: Overview, problem: ApiProblem) -> Overview:
    errors = {
        name: error["message"] if problem.code == "definition_invalid" else _slug_words(error["code"])
        for name, error in problem.errors_by_field().items()
    }
    return Overview(view.ce_activity, view.sections, view.public_url, view.copy_slug, view.copy_title, errors)


def _slug_words(code: str) -> str:
    if code == "slug_taken":
        return _("Another activity has this name. Choose another one.")
    if code == "format":
        return _("Write small letters, digits and hyphens, such as grand-rounds-2026.")
    return field_words(code)


@router.get("/{slug}/versions")
async def show_versions(visit: Reader, slug: str) -> Response:
    """All versions, and what changed from one to another."""
    ce_activity = await visit.get(api_address("ce-activities", slug))
    wanted = {name: visit.request.query_params.get(name, "") for name in ("from", "to")}
    differences, errors = None, {}
    if all(wanted.values()):
        try:
            differences = await visit.get(api_address("ce-activities", slug, "differences"), **wanted)
        except ApiProblem as problem:
            if problem.code != "not_found":
                filter_errors(problem, wanted)
            errors = {"versions": _("There is no such version. Choose one of the list.")}
    view = Versions(ce_activity, differences, errors)
    return visit.page("staff/ce_activities/versions.html", status=status_of(errors), view=view)


@router.get("/{slug}/preview")
async def preview_ce_activity(visit: Reader, slug: str, profession: str = Profession.PHYSICIAN) -> Response:
    """The CE activity as a learner of some profession would see it; nothing is opened."""
    path, errors = api_address("ce-activities", slug, "preview"), {}
    try:
        preview = await visit.get(path, profession=profession)
    except ApiProblem as problem:
        errors = filter_errors(problem, {"profession": profession})
        profession = Profession.PHYSICIAN
        preview = await visit.get(path, profession=profession)
    professions = [(str(code), _(words)) for code, words in PROFESSION_WORDS.items()]
    checklist = [
        ChecklistLine(_(STEP_WORDS[step["kind"]]), step["state"], _(LOCK_WORDS.get(step["reason"] or "", "")))
        for step in preview["checklist"]
    ]
    view = Preview(preview, checklist, profession, professions, errors)
    return visit.page("staff/ce_activities/preview.html", status=status_of(errors), view=view)


@router.get("/{slug}/certificate.pdf")
async def preview_certificate(visit: Reader, slug: str) -> Response:
    """What its certificate will look like, with an invented learner."""
    return visit.forward(api_address("ce-activities", slug, "certificate"), accept="application/pdf")
