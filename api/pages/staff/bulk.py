"""One action on many claims: chosen, filled in, previewed, confirmed by typing how many, and watched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.form import Form
from api.pages.staff.addresses import api_address, form_errors, staff_address
from api.pages.staff.claim_filters import NAMES, Filter
from api.pages.staff.words import ACTION_HINTS, ACTION_WORDS
from api.pages.visit import ApiProblem, Clerk, Reader, Visit
from api.problems import PROBLEMS
from config.languages import gettext as _
from config.languages import ngettext

router = APIRouter(prefix="/staff/bulk", include_in_schema=False)

Json = Mapping[str, Any]
_MOST_NAMED: Final = 100
_BESIDE_THE_FORM: Final = frozenset({409, 422})
_TYPED: Final = ("reason_code", "requirement", "due_on", "reason")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which claims are meant: those that are named, or those that a filter means."""

    claims: tuple[str, ...]
    filter: Filter

    @property
    def is_empty(self) -> bool:
        """Whether nothing was chosen: neither claims nor any part of a filter."""
        return not self.claims and not self.filter.chosen

    @property
    def words(self) -> str:
        """What is meant, as people say it."""
        if self.claims:
            number = len(self.claims)
            return ngettext("{number} chosen claim", "{number} chosen claims", number).format(number=number)
        return _("All claims with this filter: {filter}").format(filter=" · ".join(self.filter.words))

    @property
    def document(self) -> dict[str, Any]:
        """The same for the API."""
        if self.claims:
            return {"claim_ids": list(self.claims)}
        chosen = dict(self.filter.chosen)
        is_extension_requested = {"is_extension_requested": True} if chosen.pop("is_extension_requested", "") else {}
        return {"filter": chosen | is_extension_requested}


@dataclass(frozen=True, slots=True)
class BulkPage:
    """An action on the way to be taken; ``form`` is its form once it is chosen, ``preview`` what it would do."""

    chosen: Chosen
    forms: Sequence[Json]
    form: Json | None
    preview: Json | None = None
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    refusals: Sequence[tuple[str, Json]] = ()
    action_words: Mapping[Any, str] = field(default_factory=lambda: ACTION_WORDS)
    action_hints: Mapping[Any, str] = field(default_factory=lambda: ACTION_HINTS)


@dataclass(frozen=True, slots=True)
class BulkProgressPage:
    """How far an action has come."""

    bulk: Json
    percent: int
    refused: Sequence[tuple[str, Json]]
    skipped: Sequence[tuple[str, Json]]
    action_words: Mapping[Any, str] = field(default_factory=lambda: ACTION_WORDS)

    @property
    def is_under_way(self) -> bool:
        """Whether some claims have no outcome yet."""
        return bool(self.bulk["left"])


@router.get("")
async def choose_action(visit: Clerk, action: str = "") -> Response:
    """Which action, and what it asks for."""
    query = visit.request.query_params
    return await _render(visit, _chosen(query.getlist("claim"), Filter.of(query)), action)


def _chosen(claims: Sequence[str], asked: Filter) -> Chosen:
    return Chosen(tuple(dict.fromkeys(each[:80] for each in claims[:_MOST_NAMED])), Filter({}) if claims else asked)


async def _render(visit: Visit, chosen: Chosen, action: str, *, status: int = 200, **values: Any) -> Response:
    forms = (await visit.get(api_address("bulk")))["data"]
    form = next((each for each in forms if each["action"] == action), None)
    if chosen.is_empty:
        status, errors = 422, {"form": _("Choose claims in the list, or narrow the list down.")}
        values = {**values, "errors": errors}
    return visit.page("staff/bulk.html", status=status, view=BulkPage(chosen, forms, form, **values))


@router.post("")
async def preview_action(visit: Clerk) -> Response:
    """What the action would do now; nothing is done."""
    form = await visit.form()
    chosen, action, typed = _read(form)
    if chosen.is_empty:
        return await _render(visit, chosen, action)
    try:
        answer = await visit.send("POST", "/v1/staff/claims/bulk", _body(chosen, action, typed) | {"preview": True})
    except ApiProblem as problem:
        return await _beside_the_form(visit, problem, form)
    return await _render(visit, chosen, action, typed=typed, **_of_preview(answer.document))


def _read(form: Form) -> tuple[Chosen, str, dict[str, str]]:
    filled = Filter.of({name: form.text(name) for name in NAMES})
    typed = {name: form.text(name) for name in _TYPED}
    return _chosen(form.texts("claim"), filled), form.text("action"), typed


def _body(chosen: Chosen, action: str, typed: Mapping[str, str]) -> dict[str, Any]:
    return {"action": action, **chosen.document, **{name: value for name, value in typed.items() if value}}


def _of_preview(preview: Json) -> dict[str, Any]:
    return {"preview": preview, "refusals": _in_words(preview["refused"])}


def _in_words(counts: Sequence[Json]) -> list[tuple[str, Json]]:
    """What each code of a refusal means, with how many claims have it."""
    return [(_refusal_words(each["code"]), each) for each in counts]


def _refusal_words(code: str) -> str:
    if code == "changed":
        return _("The claim changed after the preview")
    return _(PROBLEMS[code].title) if code in PROBLEMS else code


async def _beside_the_form(visit: Visit, problem: ApiProblem, form: Form) -> Response:
    if problem.status not in _BESIDE_THE_FORM:
        raise problem
    chosen, action, typed = _read(form)
    return await _render(visit, chosen, action, status=problem.status, typed=typed, errors=form_errors(problem))


@router.post("/start")
async def start_action(visit: Clerk) -> Response:
    """Do what was previewed, once the number of claims was typed."""
    form = await visit.form()
    chosen, action, typed = _read(form)
    token = form.text("token")
    if form.text("confirmation") != form.text("count"):
        errors = {"confirmation": _("Type the number of claims to confirm.")}
        preview = await visit.send("POST", "/v1/staff/claims/bulk", _body(chosen, action, typed) | {"preview": True})
        view = _of_preview(preview.document)
        return await _render(visit, chosen, action, status=422, typed=typed, errors=errors, **view)
    body = _body(chosen, action, typed) | {"preview": False, "token": token}
    try:
        answer = await visit.send("POST", "/v1/staff/claims/bulk", body, key=form.key)
    except ApiProblem as problem:
        return await _beside_the_form(visit, problem, form)
    return visit.redirect(staff_address("bulk", answer.document["id"]))


@router.get("/{bulk_id}")
async def show_action(visit: Reader, bulk_id: str) -> Response:
    """How far it has come; the page looks again until every claim has its outcome."""
    bulk = await visit.get(api_address("bulk", bulk_id))
    settled = bulk["count"] - bulk["left"]
    view = BulkProgressPage(
        bulk=bulk,
        percent=100 * settled // bulk["count"] if bulk["count"] else 100,
        refused=_in_words(bulk["refused"]),
        skipped=_in_words(bulk["skipped"]),
    )
    return visit.page("staff/bulk_progress.html", view=view)
