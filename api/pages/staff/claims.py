"""The claims of all learners: filtered in the address, page by page; saved views; and exactly this as a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.staff.addresses import api_address, form_errors
from api.pages.staff.claim_filters import LABELS, NAMES, Filter
from api.pages.staff.words import ATTENTION_WORDS
from api.pages.visit import ApiProblem, Reader, Visit
from api.pages.wording import STAGE_NAMES
from config.languages import gettext as _
from config.languages import ngettext

router = APIRouter(prefix="/staff/claims", include_in_schema=False)

Json = Mapping[str, Any]
_ON_A_PAGE: Final = 50
_PAGE: Final = "/staff/claims"
_OF_A_VIEW: Final = (*(name for name in NAMES if name != "learner"), "sort")
_ORDERS: Final = ("newest", "due")
_FOLDED: Final = frozenset(NAMES) - {"learner", "stage", "attention"}


@dataclass(frozen=True, slots=True)
class ViewLink:
    """A saved view as a link; ``owner`` is named where it is another's."""

    name: str
    href: str
    owner: str | None
    is_shared: bool
    is_current: bool


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim in the list, in words of the present language."""

    claim: Json
    learner_name: str
    stage: str
    attention: str | None


@dataclass(frozen=True, slots=True)
class ClaimsPage:
    """A page of the list with everything around it."""

    filter: Filter
    sort: str
    rows: Sequence[ClaimRow]
    count: str
    newer: str | None
    older: str | None
    views: Sequence[ViewLink]
    export_fields: Mapping[str, str]
    view_fields: Mapping[str, str]
    attention_words: Mapping[Any, str]
    stage_names: Mapping[Any, str]
    labels: Mapping[str, str]
    errors: Mapping[str, str]
    typed: Mapping[str, str]

    @property
    def has_more_filters(self) -> bool:
        """Whether a filter is chosen, or wrong, that is folded away otherwise."""
        return bool(_FOLDED & (self.filter.chosen.keys() | self.errors.keys()))


@router.get("")
async def list_claims(visit: Reader) -> Response:
    """Claims of all learners."""
    return await _render(visit, _filter_of(visit), visit.request.query_params.get("after", ""))


def _filter_of(visit: Visit) -> Filter:
    return Filter.of(visit.request.query_params, (*NAMES, "sort"))


async def _render(
    visit: Visit,
    asked: Filter,
    after: str = "",
    *,
    status: int = 200,
    errors: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    """The list, and beside its forms what is wrong with them."""
    found: Json = {"data": [], "count": {"claims": 0, "is_more": False}, "has_more": False, "next": None}
    errors = dict(errors or {})
    try:
        found = await visit.get("/v1/staff/claims", **asked.chosen, after=after, limit=_ON_A_PAGE)
    except ApiProblem as problem:
        if problem.status != 422:  # noqa: PLR2004
            raise
        status = 422
        errors |= {name: _filter_words(name, words) for name, words in form_errors(problem).items()}
    views = (await visit.get("/v1/staff/views"))["data"]
    page = ClaimsPage(
        filter=asked,
        sort=asked.value("sort") or _ORDERS[0],
        rows=[_row(claim) for claim in found["data"]],
        count=_count(found["count"]),
        newer=asked.address(_PAGE) if after else None,
        older=asked.address(_PAGE, after=found["next"]) if found["has_more"] else None,
        views=[_view_link(view, asked) for view in views],
        export_fields=asked.without("sort").chosen,
        view_fields=asked.without("learner").chosen,
        attention_words=ATTENTION_WORDS,
        stage_names=STAGE_NAMES,
        labels=LABELS,
        errors=errors,
        typed=typed or {},
    )
    return visit.page("staff/claims/list.html", status=status, view=page)


def _filter_words(name: str, words: str) -> str:
    return f"{_(LABELS[name])}: {words}" if name in LABELS else words


def _row(claim: Json) -> ClaimRow:
    learner, attention = claim["learner"], claim["attention"]
    names = [learner["given_name"], learner["family_name"]]
    name = " ".join(each for each in names if each) or learner["email"] or _("No name")
    return ClaimRow(claim, name, _(STAGE_NAMES[claim["stage"]]), _(ATTENTION_WORDS[attention]) if attention else None)


def _count(counted: Json) -> str:
    number = counted["claims"]
    if counted["is_more"]:
        return _("More than {number} claims").format(number=f"{number:,}")
    return ngettext("{number} claim", "{number} claims", number).format(number=f"{number:,}")


def _view_link(view: Json, asked: Filter) -> ViewLink:
    query = Filter.of({name: _text(value) for name, value in view["query"].items()}, _OF_A_VIEW)
    return ViewLink(
        name=view["name"],
        href=query.address(_PAGE),
        owner=None if view["is_own"] else view["owner"],
        is_shared=view["is_shared"],
        is_current=query.chosen == asked.chosen,
    )


def _text(value: object) -> str:
    return "true" if value is True else str(value)


@router.post("/views")
async def save_view(visit: Reader) -> Response:
    """Keep the filter that is shown under a name."""
    form = await visit.form()
    name = form.text("name")
    kept = Filter.of({each: form.text(each) for each in _OF_A_VIEW}, _OF_A_VIEW)
    typed = {"name": name, "is_shared": form.text("is_shared")}
    if not name:
        return await _render(visit, kept, status=422, errors={"name": _("Fill this in.")}, typed=typed)
    body = {"query": _query_of(kept), "is_shared": form.is_checked("is_shared")}
    try:
        await visit.send("PUT", api_address("views", name), body, key=form.key)
    except ApiProblem as problem:
        if problem.status not in (404, 409, 422):
            raise
        words = _("Choose a name of at most 60 letters, without a slash.")
        errors = {"name": words} if problem.status == 404 else form_errors(problem)  # noqa: PLR2004
        return await _render(visit, kept, status=422, errors=errors, typed=typed)
    return visit.redirect(kept.address(_PAGE), notice="view_saved")


def _query_of(kept: Filter) -> dict[str, Any]:
    return {name: True if name == "is_extension_requested" else value for name, value in kept.chosen.items()}


@router.post("/views/remove")
async def remove_view(visit: Reader) -> Response:
    """Remove one of my views; one that is gone already is gone."""
    form = await visit.form()
    try:
        await visit.send("DELETE", api_address("views", form.text("name")), key=form.key)
    except ApiProblem as problem:
        if problem.status != 404:  # noqa: PLR2004
            raise
    return visit.redirect(_PAGE, notice="view_removed")


@router.get("/export")
async def export_claims(visit: Reader) -> Response:
    """Exactly the claims that the list shows, on all its pages, as a file."""
    asked = _filter_of(visit)

    async def refused(problem: ApiProblem) -> Response:
        if problem.status not in (422, 429):
            raise problem
        return await _render(visit, asked, status=problem.status, errors=form_errors(problem))

    return visit.forward("/v1/staff/exports/claims", refused=refused)
