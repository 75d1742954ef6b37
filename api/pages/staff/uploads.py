"""Files that the office uploads: rosters, with a preview before anything is applied, and the list of employees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.form import Form
from api.pages.staff.addresses import api_address, staff_address
from api.pages.visit import ApiProblem, Reader, Visit
from api.pages.wording import problem_words
from config.languages import gettext as _
from domain.roster_changes import Outcome
from domain.roster_columns import LABELS
from domain.tabular import MAXIMUM_BYTES

router = APIRouter(prefix="/staff", include_in_schema=False)

Json = Mapping[str, Any]
_CSV: Final = "text/csv"
_ROWS_SHOWN: Final = 50
_EXAMPLES: Final = {
    "roster": "Badge ID,First Name,Last Name,Email\r\nGL26-439563,Ada,Lovelace,ada@hospital.example\r\n",
    "employees": "Employee ID,First Name,Last Name,Email\r\nE-10442,Ada,Lovelace,ada@hospital.example\r\n",
}


@dataclass(frozen=True, slots=True)
class Rosters:
    """The rosters of a CE activity, and what is wrong with a file that was sent."""

    ce_activity: Json
    rosters: Sequence[Json]
    next_page: str | None
    mistakes: Sequence[str]


@dataclass(frozen=True, slots=True)
class RosterRows:
    """One roster with a page of its rows. ``show`` says which: all, those with problems, or those of an outcome."""

    roster: Json
    ce_activity: Json
    rows: Sequence[Json]
    column_words: Mapping[str, str]
    show: str
    next_page: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Employees:
    """The list of employees that is loaded, and what is wrong with a file that was sent."""

    loaded: Json
    mistakes: Sequence[str]


@router.get("/examples/{name}.csv")
async def download_example(
    visit: Reader,  # noqa: ARG001  # only those who are signed in come this far
    name: str,
) -> Response:
    """A small file to begin with, in a form that spreadsheet programs open."""
    if name not in _EXAMPLES:
        raise ApiProblem.not_found()
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(f"\ufeff{_EXAMPLES[name]}", media_type=_CSV, headers=headers)


@router.get("/ce-activities/{slug}/roster")
async def show_rosters(visit: Reader, slug: str, after: str = "") -> Response:
    """Upload a roster, and see those that were uploaded."""
    return visit.page("staff/rosters/list.html", view=await _rosters(visit, slug, after))


async def _rosters(visit: Visit, slug: str, after: str = "", mistakes: Sequence[str] = ()) -> Rosters:
    ce_activity = await visit.get(api_address("ce-activities", slug))
    found = await visit.get(api_address("ce-activities", slug, "rosters"), after=after, limit=25)
    here = staff_address("ce-activities", slug, "roster")
    next_page = f"{here}?{urlencode({'after': found['next']})}" if found["has_more"] else None
    return Rosters(ce_activity, found["data"], next_page, mistakes)


@router.post("/ce-activities/{slug}/roster")
async def upload_roster(visit: Reader, slug: str) -> Response:
    """Read a roster, and show what applying it would do; nothing is applied yet."""
    ce_activity = await visit.get(api_address("ce-activities", slug))
    async with visit.form_with_file(MAXIMUM_BYTES) as form:
        file = form.file("file")
        if file is None:
            return await _refused_roster(visit, slug, [_("Choose a file.")])
        name, is_whole = (file.filename or "")[:300], form.is_checked("replace")
        query = urlencode({"file_name": name, "replace": "true" if is_whole else "false"})
        path = f"{api_address('ce-activities', ce_activity['slug'], 'roster')}?{query}"
        try:
            answer = await visit.upload("POST", path, file, _CSV, key=form.key)
        except ApiProblem as problem:
            return await _refused_roster(visit, slug, _mistakes(problem))
    return visit.redirect(staff_address("rosters", answer.document["id"]))


async def _refused_roster(visit: Visit, slug: str, mistakes: Sequence[str]) -> Response:
    return visit.page("staff/rosters/list.html", status=422, view=await _rosters(visit, slug, mistakes=mistakes))


def _mistakes(problem: ApiProblem) -> list[str]:
    """What is wrong with a file, to show beside the form; anything else is raised."""
    if problem.code not in ("roster_invalid", "employees_invalid", "image_invalid", "idempotency_key_reused"):
        raise problem
    errors = problem.document.get("errors") or []
    return [_sentence(error) for error in errors] or [problem_words(problem.document, "UTC")]


def _sentence(error: Json) -> str:
    words = f"{error['pointer']}: {error['message']}" if error["pointer"] else str(error["message"])
    return f"{words[:1].upper()}{words[1:]}"


@router.get("/rosters/{roster_id}")
async def show_roster(visit: Reader, roster_id: str, show: str = "", after: str = "") -> Response:
    """What applying a roster does, or did, row by row."""
    return await _roster_page(visit, roster_id, show, after)


async def _roster_page(
    visit: Visit, roster_id: str, show: str = "", after: str = "", problem: ApiProblem | None = None
) -> Response:
    roster = await visit.get(api_address("rosters", roster_id))
    ce_activity = await visit.get(api_address("ce-activities", roster["ce_activity"]))
    wanted = {"problems": "true"} if show == "problems" else {"outcome": show if show in set(Outcome) else ""}
    rows = await visit.get(api_address("rosters", roster_id, "rows"), **wanted, after=after, limit=_ROWS_SHOWN)
    query = urlencode({"show": show, "after": rows["next"]})
    view = RosterRows(
        roster=roster,
        ce_activity=ce_activity,
        rows=rows["data"],
        column_words={column: _(LABELS.get(column, column)) for column in roster["columns"]},
        show=show,
        next_page=f"{staff_address('rosters', roster_id)}?{query}" if rows["has_more"] else None,
        error=problem_words(problem.document, "UTC") if problem else None,
    )
    return visit.page("staff/rosters/show.html", status=problem.status if problem else 200, view=view)


@router.post("/rosters/{roster_id}/apply")
async def apply_roster(visit: Reader, roster_id: str) -> Response:
    """Do what the preview says, all of it or nothing."""
    form = await visit.form()
    try:
        await visit.send("POST", api_address("rosters", roster_id, "apply"), key=form.key)
    except ApiProblem as problem:
        if problem.code != "preview_outdated":
            raise
        return await _roster_page(visit, roster_id, problem=problem)
    return visit.redirect(staff_address("rosters", roster_id), "roster_applied")


@router.get("/employees")
async def show_employees(visit: Reader) -> Response:
    """The list against which employee ids are checked."""
    view = Employees(await visit.get("/v1/staff/employees"), ())
    return visit.page("staff/employees.html", view=view)


@router.post("/employees")
async def load_employees(visit: Reader) -> Response:
    """Put another list in its place."""
    loaded = await visit.get("/v1/staff/employees")
    async with visit.form_with_file(MAXIMUM_BYTES) as form:
        mistakes = await _load(visit, form)
    if mistakes:
        return visit.page("staff/employees.html", status=422, view=Employees(loaded, mistakes))
    return visit.redirect("/staff/employees", "saved")


async def _load(visit: Visit, form: Form) -> Sequence[str]:
    """Send the file on; answers what is wrong with it."""
    file = form.file("file")
    if file is None:
        return [_("Choose a file.")]
    try:
        await visit.upload("PUT", "/v1/staff/employees", file, _CSV, key=form.key)
    except ApiProblem as problem:
        return _mistakes(problem)
    return ()
