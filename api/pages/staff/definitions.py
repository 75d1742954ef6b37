"""Editing a definition: section by section as forms, or as a whole in YAML. The API judges what comes out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.form import Form
from api.pages.staff.addresses import api_address, staff_address
from api.pages.staff.definition_fields import BY_NAME, NEW, Section
from api.pages.staff.definition_forms import Json, Rows, Shown, ShownRows, errors_of_form, read, show
from api.pages.staff.definition_parts import changed, index_of, label_elsewhere, place_of, values_of
from api.pages.visit import Answer, ApiProblem, Clerk, Reader, Visit
from config.languages import gettext as _

router = APIRouter(prefix="/staff/ce-activities", include_in_schema=False)

_PROGRAMME: Final = "/v1/staff/ce-activities"
_MOST_FIELDS: Final = 20_000
_SLUG_LINE: Final = re.compile(r"^[\"']?slug[\"']?:[ \t]*[\"']?([a-z0-9-]{1,80})[\"']?[ \t]*(?:#.*)?$", re.MULTILINE)
_SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MAXIMUM_SLUG_LENGTH: Final = 80
_PLACE: Final = re.compile(r"line (\d+)(?:: (.*))?")
_YAML: Final = "application/yaml"


@dataclass(frozen=True, slots=True)
class SectionForm:
    """One section of a definition as a form. ``is_asked`` is None where there is nothing to switch off."""

    slug: str
    ce_activity_title: str
    title: str
    lead: str
    base: int
    is_asked: bool | None
    parts: Sequence[Shown | ShownRows]
    has_rows: bool
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NewForm:
    """What a new CE activity cannot be without."""

    lead: str
    parts: Sequence[Shown | ShownRows]
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in a text: where it is, what stands there, and what would be right."""

    line: int | None
    field: str
    message: str
    text: str


@dataclass(frozen=True, slots=True)
class YamlForm:
    """A definition as text; without a slug a new one. ``base`` is the version that is current."""

    slug: str | None
    title: str | None
    yaml: str
    base: int
    shown_version: int | None
    mistakes: Sequence[Mistake]


@router.get("/new")
async def show_new(visit: Clerk) -> Response:
    """The form for a new CE activity; an office with one provider need not describe it again."""
    newest = (await visit.get(_PROGRAMME))["data"]
    values: Json = {}
    if len({each["provider"] for each in newest}) == 1:
        definition = (await visit.get(api_address("ce-activities", newest[0]["slug"])))["definition"]
        values = {name: definition[name] for name in ("provider", "time_zone", "contact")}
    return _new_page(visit, values)


def _new_page(visit: Visit, values: Mapping[str, Any], problem: ApiProblem | None = None) -> Response:
    parts = show(NEW.fields, values)
    view = NewForm(_(NEW.lead), parts, _errors(problem, parts, NEW, values) if problem else {})
    return visit.page("staff/ce_activities/new.html", status=problem.status if problem else 200, view=view)


@router.post("/new")
async def add_ce_activity(visit: Reader) -> Response:
    """Save a new CE activity as a draft, with participation by the learner's word until somebody decides otherwise."""
    form = await visit.form()
    typed = read(NEW.fields, form, {})
    attended = {"code": "attended", "label": "I took part"}
    definition = {**typed, "status": "draft", "requirements": [{"kind": "participation", "options": [attended]}]}
    slug = str(typed.get("slug", ""))
    try:
        await _send(visit, slug if _is_slug(slug) else "new-activity", definition, 0, form.key)
    except ApiProblem as problem:
        return _new_page(visit, typed, _shown(problem))
    return visit.redirect(staff_address("ce-activities", slug), "saved")


def _is_slug(text: str) -> bool:
    return _SLUG.fullmatch(text) is not None and len(text) <= _MAXIMUM_SLUG_LENGTH


async def _send(visit: Visit, slug: str, definition: Mapping[str, Any], base: int, key: str | None) -> Answer:
    return await visit.send("PUT", f"{api_address('ce-activities', slug)}?base={base}", definition, key=key)


def _shown(problem: ApiProblem) -> ApiProblem:
    """The problem, if it is one to show beside the form; else it is raised."""
    # A form that was sent before comes again by the browser's back button, when its version is not current any more.
    if problem.code in ("definition_invalid", "definition_outdated", "idempotency_key_reused"):
        return problem
    raise problem


def _errors(
    problem: ApiProblem, parts: Sequence[Shown | ShownRows], section: Section, definition: Mapping[str, Any]
) -> dict[str, str]:
    if problem.code != "definition_invalid":
        return {"definition": _outdated()}

    def elsewhere(path: str) -> str:
        return label_elsewhere(definition, path)

    return errors_of_form(problem.document["errors"], parts, place_of(section, definition), elsewhere)


def _outdated() -> str:
    return _(
        "Somebody else changed this activity meanwhile, or its name is taken. Nothing was saved; open it again to see."
    )


@router.get("/{slug}/edit/{name}")
async def show_section(visit: Clerk, slug: str, name: str) -> Response:
    """One section of a definition as a form."""
    section, current = await _section(visit, slug, name)
    return _section_page(visit, section, current, current["definition"])


async def _section(visit: Visit, slug: str, name: str) -> tuple[Section, Mapping[str, Any]]:
    if name not in BY_NAME:
        raise ApiProblem.not_found()
    return BY_NAME[name], await visit.get(api_address("ce-activities", slug))


def _section_page(
    visit: Visit,
    section: Section,
    current: Mapping[str, Any],
    definition: Mapping[str, Any],
    *,
    base: int | None = None,
    problem: ApiProblem | None = None,
) -> Response:
    parts = show(section.fields, values_of(section, definition))
    view = SectionForm(
        slug=current["slug"],
        ce_activity_title=current["title"],
        title=_(section.title),
        lead=_(section.lead),
        base=current["version"] if base is None else base,
        is_asked=None if section.requirement is None else index_of(section, definition) is not None,
        parts=parts,
        has_rows=any(isinstance(each, Rows) for each in section.fields),
        errors=_errors(problem, parts, section, definition) if problem else {},
    )
    return visit.page("staff/ce_activities/edit.html", status=problem.status if problem else 200, view=view)


@router.post("/{slug}/edit/{name}")
async def save_section(visit: Reader, slug: str, name: str) -> Response:
    """Save one section; the rest of the definition stays as it is."""
    form = await visit.form(_MOST_FIELDS)
    section, current = await _section(visit, slug, name)
    base = _base(form)
    definition = changed(section, current["definition"], form)
    try:
        answer = await _send(visit, slug, definition, base, form.key)
    except ApiProblem as problem:
        return _section_page(visit, section, current, definition, base=base, problem=_shown(problem))
    notice = "saved" if answer.document["is_new"] else "nothing_changed"
    here = staff_address("ce-activities", slug)
    return visit.redirect(f"{here}/edit/{name}" if form.text("next") == "stay" else here, notice)


def _base(form: Form) -> int:
    """The version that was changed, which the form carries."""
    text = form.text("base")
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


@router.get("/new/yaml")
async def show_new_yaml(visit: Clerk) -> Response:
    """A text field for a new definition."""
    return visit.page("staff/ce_activities/yaml.html", view=YamlForm(None, None, "", 0, None, ()))


@router.post("/new/yaml")
async def add_yaml(visit: Reader) -> Response:
    """Define a CE activity that is new; its slug stands in the text."""
    form = await visit.form()
    text = _text(form)
    found = _SLUG_LINE.search(text)
    slug = found[1] if found and _is_slug(found[1]) else "new-activity"
    return await _save_yaml(visit, form, YamlForm(None, None, text, 0, None, ()), slug)


@router.get("/{slug}/yaml")
async def show_yaml(visit: Reader, slug: str, version: str = "") -> Response:
    """A definition as text, in one of its versions."""
    current = await visit.get(api_address("ce-activities", slug), version=version)
    text = await visit.get(current["yaml_href"])
    view = YamlForm(slug, current["title"], text, current["version"], current["shown_version"], ())
    return visit.page("staff/ce_activities/yaml.html", view=view)


@router.get("/{slug}/definition.yaml")
async def download_yaml(visit: Reader, slug: str) -> Response:
    """The definition as a file."""
    return visit.forward(api_address("ce-activities", slug, "definition.yaml"))


@router.post("/{slug}/yaml")
async def save_yaml(visit: Reader, slug: str) -> Response:
    """Save a definition as it is written."""
    form = await visit.form()
    current = await visit.get(api_address("ce-activities", slug))
    view = YamlForm(slug, current["title"], _text(form), _base(form), None, ())
    return await _save_yaml(visit, form, view, slug)


def _text(form: Form) -> str:
    return form.text("yaml").replace("\r\n", "\n")


async def _save_yaml(visit: Visit, form: Form, view: YamlForm, slug: str) -> Response:
    path = f"{api_address('ce-activities', slug)}?base={view.base}"
    try:
        answer = await visit.send_text("PUT", path, view.yaml, _YAML, key=form.key)
    except ApiProblem as problem:
        mistakes = _mistakes(_shown(problem), view.yaml.split("\n"))
        view = YamlForm(view.slug, view.title, view.yaml, view.base, None, mistakes)
        return visit.page("staff/ce_activities/yaml.html", status=problem.status, view=view)
    notice = "saved" if answer.document["is_new"] else "nothing_changed"
    return visit.redirect(staff_address("ce-activities", slug), notice)


def _mistakes(problem: ApiProblem, lines: Sequence[str]) -> list[Mistake]:
    if problem.code != "definition_invalid":
        return [Mistake(None, "", _outdated(), "")]
    mistakes = []
    for error in problem.document["errors"]:
        found = _PLACE.fullmatch(str(error["pointer"]))
        line = int(found[1]) if found else None
        text = lines[line - 1].strip()[:200] if line and line <= len(lines) else ""
        mistakes.append(Mistake(line, (found[2] or "") if found else "", str(error["message"]), text))
    return mistakes
