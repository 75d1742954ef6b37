"""My wallet and my transcript: everything I have earned, what it adds up to, and who else may read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.pages.form import Form
from api.pages.visit import ApiProblem, Reader, Visit
from api.pages.wording import field_words
from config.languages import gettext as _

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]

_FILTERS_OF_WALLET: Final = ("year", "credit_type", "provider", "text")
_FILTERS_OF_TRANSCRIPT: Final = ("from", "to", "year", "credit_type")
_MOST_CHARACTERS: Final = 200
_DAYS: Final = ("7", "30", "90", "365")


@dataclass(frozen=True, slots=True)
class WalletPage:
    """My awards as far as they are asked for; ``chosen`` are the filters, ``next`` leads to the page after this."""

    wallet: Json
    chosen: Mapping[str, str]
    next: str | None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_filtered(self) -> bool:
        """Whether anything is left out."""
        return any(self.chosen.values())

    @property
    def credit_types(self) -> Sequence[Json]:
        """The types of credit there are."""
        found: Sequence[Json] = self.wallet["totals"]
        return found


@dataclass(frozen=True, slots=True)
class TranscriptPage:
    """My transcript as far as it is asked for; ``files`` is the query of the same as a file.

    ``years`` and ``credit_types`` are what may be chosen.
    """

    transcript: Json
    chosen: Mapping[str, str]
    files: str
    years: Sequence[int]
    credit_types: Sequence[Json]
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinksPage:
    """The links to my transcript. ``made`` is the one that was just made, with its address, which is told once."""

    links: Sequence[Json]
    credit_types: Sequence[Json]
    names: Mapping[str, str]
    years: Sequence[int]
    time_zone: str
    days: Sequence[str]
    made: Json | None
    typed: Mapping[str, str]
    errors: Mapping[str, str]


@router.get("/wallet")
async def show_wallet(visit: Reader) -> Response:
    """Every award of mine, with totals by type and year."""
    chosen, errors = chosen_filters(visit.request, _FILTERS_OF_WALLET), {}
    after = visit.request.query_params.get("after", "")[:80]
    try:
        wallet = await visit.get("/v1/wallet", **chosen, after=after)
    except ApiProblem as problem:
        errors = _filter_errors(problem)
        wallet = await visit.get("/v1/wallet")
    following = f"/wallet?{urlencode({**_given(chosen), 'after': wallet['next']})}" if wallet["next"] else None
    view = WalletPage(wallet, chosen, None if errors else following, errors)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    return visit.page("learner/wallet.html", status=status, view=view)


def chosen_filters(request: Request, names: Sequence[str]) -> dict[str, str]:
    """What was typed into the fields of a filter."""
    return {name: request.query_params.get(name, "").strip()[:_MOST_CHARACTERS] for name in names}


def _given(chosen: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in chosen.items() if value}


def _filter_errors(problem: ApiProblem) -> dict[str, str]:
    """What is wrong with each field; raises whatever is no mistake of the one who typed."""
    if problem.status != HTTPStatus.UNPROCESSABLE_ENTITY:
        raise problem
    return {name: field_words(error["code"]) for name, error in problem.errors_by_field().items()}


@router.get("/transcript")
async def show_transcript(visit: Reader) -> Response:
    """My transcript, to read and to print."""
    chosen, errors = chosen_filters(visit.request, _FILTERS_OF_TRANSCRIPT), {}
    everything = await visit.get("/v1/wallet", limit=1)
    try:
        transcript = await visit.get("/v1/transcript", **chosen)
    except ApiProblem as problem:
        errors = _filter_errors(problem)
        transcript = await visit.get("/v1/transcript")
    view = TranscriptPage(
        transcript=transcript,
        chosen=chosen,
        files=urlencode(_given(chosen)) if not errors else "",
        years=[each["year"] for each in everything["years"]],
        credit_types=everything["totals"],
        errors=errors,
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    return visit.page("learner/transcript.html", status=status, view=view)


@router.get("/transcript/file")
async def download_transcript(visit: Reader) -> Response:
    """The same as PDF or CSV, as ``format`` says."""
    return visit.forward("/v1/transcript")


@router.get("/transcript/links")
async def show_links(visit: Reader) -> Response:
    """With whom I share my transcript."""
    return await _render_links(visit, {}, {})


async def _render_links(
    visit: Visit, typed: Mapping[str, str], errors: Mapping[str, str], made: Json | None = None
) -> Response:
    everything = await visit.get("/v1/wallet", limit=1)
    view = LinksPage(
        links=(await visit.get("/v1/me/transcript-links"))["data"],
        credit_types=everything["totals"],
        names={each["credit_type"]: each["credit_name"] for each in everything["totals"]},
        years=[each["year"] for each in everything["years"]],
        time_zone=(await visit.get("/v1/me"))["time_zone"] or "UTC",
        days=_DAYS,
        made=made,
        typed=typed,
        errors=errors,
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    return visit.page("learner/transcript_links.html", status=status, view=view)


@router.post("/transcript/links")
async def make_link(visit: Reader) -> Response:
    """Share my transcript for a while; the link is shown once, on this answer."""
    form = await visit.form()
    typed = {name: form.text(name)[:_MOST_CHARACTERS] for name in ("days", "year", "credit_type")}
    try:
        answer = await visit.send("POST", "/v1/me/transcript-links", _wanted(form), key=form.key)
    except ApiProblem as problem:
        if problem.status == HTTPStatus.TOO_MANY_REQUESTS:
            return await _render_links(visit, typed, {"days": _("You made many links. Wait an hour, then go on.")})
        return await _render_links(visit, typed, _filter_errors(problem))
    return await _render_links(visit, {}, {}, answer.document)


def _wanted(form: Form) -> dict[str, Any]:
    """What to share, as the API reads it: numbers are numbers, and what was left open is left out."""
    days, year = form.text("days"), form.text("year")
    wanted: dict[str, Any] = {"days": int(days) if _is_number(days) else 0}
    if year:
        wanted["year"] = int(year) if _is_number(year) else 0
    if form.text("credit_type"):
        wanted["credit_type"] = form.text("credit_type")
    return wanted


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4  # noqa: PLR2004  # neither days nor years are longer


@router.post("/transcript/links/{link_id}/revoke")
async def revoke_link(visit: Reader, link_id: str) -> Response:
    """End a link now."""
    await visit.send("DELETE", f"/v1/me/transcript-links/{quote(link_id, safe='')}")
    return visit.redirect("/transcript/links", notice="link_ended")
