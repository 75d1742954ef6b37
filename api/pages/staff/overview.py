"""The office's overview: what waits, how the programme goes, and whether every part of Laurel works."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.formats import day
from api.pages.staff.durations import duration_words
from api.pages.visit import ApiProblem, Reader
from api.pages.wording import STAGE_NAMES, STEP_WORDS
from config.languages import gettext as _
from config.languages import marked
from domain.claims import Stage

router = APIRouter(prefix="/staff", include_in_schema=False)

Json = Mapping[str, Any]

_WAITING_WORDS: Final = {
    "due_soon": marked("due in the next 7 days"),
    "attention": marked("need attention"),
    "extension_requests": marked("ask for more time"),
    "problem_reports": marked("problems reported"),
    "corrections": marked("corrections wait for a second person"),
    "failing_emails": marked("e-mails fail"),
}
_WAITING_PAGES: Final = {
    "attention": "/staff/stuck",
    "extension_requests": "/staff/claims?is_extension_requested=true",
    "problem_reports": "/staff/problem-reports?state=open",
    "corrections": "/staff/corrections?state=awaiting_approval",
    "failing_emails": "/staff/emails",
}
_PART_WORDS: Final = {
    "temporal": marked("Temporal"),
    "claims_workers": marked("Workers for claims and e-mails"),
    "documents_workers": marked("Workers for certificates"),
    "relay": marked("Steps that wait for their decision"),
    "outbox": marked("E-mails that wait to be sent"),
    "checkpoints": marked("Checkpoints of the audit trail"),
    "listener": marked("Live pages"),
}
_PART_HINTS: Final = {
    "temporal": marked("Claims are received, but nothing is decided while it is away. Start it, or look at its log."),
    "claims_workers": marked("Nobody works on claims. Start a worker: laurel worker --role claims."),
    "documents_workers": marked("Nobody makes certificates. Start a worker: laurel worker --role documents."),
    "relay": marked("Steps wait for more than two minutes. Look at Temporal and at the workers for claims."),
    "outbox": marked("E-mails wait for more than two minutes. Look at the mail server and at the workers."),
    "checkpoints": marked("Entries wait for their checkpoint. Start a worker: laurel worker --role audit."),
    "listener": marked("Pages learn of changes later than usual. Look at the database."),
}


@dataclass(frozen=True, slots=True)
class WaitingLine:
    """How much of something waits, in words, and where to look."""

    count: int
    words: str
    href: str
    is_urgent: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a chart."""

    label: str
    count: int
    percent: int | None
    duration: str


@dataclass(frozen=True, slots=True)
class Point:
    """A week of a chart."""

    label: str
    count: int


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """The overview of one CE activity, or of all."""

    overview: Json
    ce_activity: str
    waiting: Sequence[WaitingLine]
    steps: Sequence[Bar]
    stages: Sequence[Bar]
    opened: Sequence[Point]
    awarded: Sequence[Point]
    most_in_a_week: int
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of Laurel: how it is called, whether it works, how that is told, and what to do if it does not."""

    title: str
    is_working: bool
    told: Sequence[str]
    hint: str
    seen_at: str | None


@dataclass(frozen=True, slots=True)
class PartsPage:
    """Every part of Laurel."""

    parts: Sequence[Part]
    is_working: bool
    read_at: str


@router.get("")
async def show_overview(visit: Reader, ce_activity: str = "") -> Response:
    """How the programme goes, and what waits for the office."""
    asked, errors, status = ce_activity.strip()[:80], {}, 200
    try:
        overview = await visit.get("/v1/staff/overview", ce_activity=asked)
    except ApiProblem as problem:
        if not asked or problem.status not in (404, 422):
            raise
        errors = {"ce_activity": _("There is no activity with this address.")}
        status, overview = 422, await visit.get("/v1/staff/overview")
    page = OverviewPage(
        overview=overview,
        ce_activity=asked,
        waiting=[_waiting_line(each) for each in overview["waiting"]],
        steps=_steps(overview),
        stages=_stages(overview),
        opened=_weeks(overview, "opened"),
        awarded=_weeks(overview, "awarded"),
        most_in_a_week=max(max(week["opened"], week["awarded"]) for week in overview["weeks"]),
        errors=errors,
    )
    return visit.page("staff/overview.html", status=status, view=page)


def _waiting_line(waiting: Json) -> WaitingLine:
    kind = waiting["kind"]
    # What is due has the API's own filter, with its moment in it.
    href = _WAITING_PAGES.get(kind) or str(waiting["href"]).removeprefix("/v1")
    is_urgent = waiting["count"] > 0 and kind in ("attention", "failing_emails")
    return WaitingLine(waiting["count"], _(_WAITING_WORDS[kind]), href, is_urgent)


def _steps(overview: Json) -> list[Bar]:
    """How many claims did each step; one that nobody did is left out, as most activities ask for some steps only."""
    opened = overview["opened"]
    words = {str(kind): words for kind, words in STEP_WORDS.items()}
    words |= {"award": marked("Credit awarded"), "certificate": marked("Learner told")}
    rows = [Bar(_("Opened"), opened, 100 if opened else None, "")]
    for each in overview["steps"]:
        if each["claims"]:
            duration = "" if each["median_seconds"] is None else duration_words(each["median_seconds"])
            rows.append(Bar(_(words[each["step"]]), each["claims"], _percent(each["claims"], opened), duration))
    return rows


def _stages(overview: Json) -> list[Bar]:
    """How many claims are in each stage that has some."""
    total = sum(each["claims"] for each in overview["stages"])
    return [
        Bar(_(STAGE_NAMES[Stage(each["stage"])]), each["claims"], _percent(each["claims"], total), "")
        for each in overview["stages"]
        if each["claims"]
    ]


def _percent(part: int, whole: int) -> int:
    return round(100 * part / whole) if whole else 0


def _weeks(overview: Json, name: str) -> list[Point]:
    return [Point(day(date.fromisoformat(week["week_on"])), week[name]) for week in overview["weeks"]]


@router.get("/workers")
async def show_parts(visit: Reader) -> Response:
    """Whether every part works."""
    found = await visit.get("/v1/staff/parts")
    page = PartsPage([_part(each) for each in found["data"]], found["is_working"], found["read_at"])
    return visit.page("staff/workers.html", view=page)


def _part(part: Json) -> Part:
    told = []
    if part["workers"] is not None:
        told.append(_("{number} at work").format(number=part["workers"]))
    if part["waiting"] is not None:
        told.append(_("{number} wait").format(number=part["waiting"]))
    if part["seconds"] is not None:
        told.append(_("the oldest for {time}").format(time=duration_words(part["seconds"])))
    name = part["part"]
    return Part(_(_PART_WORDS[name]), part["is_working"], told, _(_PART_HINTS[name]), part["last_seen_at"])
