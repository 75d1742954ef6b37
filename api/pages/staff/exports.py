"""Exports: the list of claims as a file, one claim's audit bundle, and who took what out of the record."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.staff.addresses import api_address, form_errors
from api.pages.staff.definition_fields import CREDIT_TYPES
from api.pages.visit import ApiProblem, Reader, Visit
from api.v1.staff_claims import ClaimsMeant
from documents.claims_list import ListFormat
from domain.identities import is_id

router = APIRouter(prefix="/staff/exports", include_in_schema=False)

Json = Mapping[str, Any]
_OF_FORM: Final = ("from", "to", "credit_type", "ce_activity", "format", "reason")
_OF_LIST: Final = tuple(name for name in ClaimsMeant.model_fields if name != "ce_activity")
"""What the list of claims can be filtered by besides; the page takes it from its address."""


@dataclass(frozen=True, slots=True)
class Exports:
    """The two forms with what was typed, and what was handed out. ``filters`` come from the list of claims."""

    typed: Mapping[str, str]
    filters: Mapping[str, str]
    errors: Mapping[str, str]
    bundle: Mapping[str, str]
    bundle_errors: Mapping[str, str]
    formats: Sequence[tuple[str, str]]
    credit_types: Sequence[tuple[str, str]]
    handed_out: Sequence[Json]
    next_page: str | None


@router.get("")
async def show_exports(visit: Reader, after: int = 0, claim: str = "") -> Response:
    """What can be exported, and what was."""
    query = visit.request.query_params
    typed = {name: query.get(name, "") for name in _OF_FORM}
    filters = {name: query[name] for name in _OF_LIST if query.get(name)}
    bundle = {"claim": claim, "reason": ""}
    return await _page(visit, typed, filters=filters, bundle=bundle, after=after)


async def _page(
    visit: Visit,
    typed: Mapping[str, str],
    *,
    filters: Mapping[str, str],
    bundle: Mapping[str, str],
    problem: ApiProblem | None = None,
    bundle_problem: ApiProblem | None = None,
    after: int = 0,
) -> Response:
    found = await visit.get("/v1/staff/exports", after=after or None, limit=25)
    shown = problem or bundle_problem
    view = Exports(
        typed=typed,
        filters=filters,
        errors=form_errors(problem) if problem else {},
        bundle=bundle,
        bundle_errors={f"bundle-{name}": words for name, words in form_errors(bundle_problem).items()}
        if bundle_problem
        else {},
        formats=[(str(each), each.upper().replace("JSONL", "JSON Lines")) for each in ListFormat],
        credit_types=CREDIT_TYPES,
        handed_out=found["data"],
        next_page=f"/staff/exports?after={found['next']}" if found["has_more"] else None,
    )
    return visit.page("staff/exports.html", status=shown.status if shown else 200, view=view)


@router.post("/claims")
async def export_claims(visit: Reader) -> Response:
    """The list of claims as a file; what is refused is shown beside the form."""
    form = await visit.form()
    typed = {name: form.text(name) for name in _OF_FORM}
    filters = {name: form.text(name) for name in _OF_LIST if form.text(name)}
    query = urlencode({name: value for name, value in {**typed, **filters}.items() if value})
    return visit.forward(f"/v1/staff/exports/claims?{query}", refused=_beside(visit, typed, filters))


def _beside(
    visit: Visit, typed: Mapping[str, str], filters: Mapping[str, str]
) -> Callable[[ApiProblem], Awaitable[Response]]:
    async def show(problem: ApiProblem) -> Response:
        empty = {"claim": "", "reason": ""}
        return await _page(visit, typed, filters=filters, bundle=empty, problem=_shown(problem))

    return show


def _shown(problem: ApiProblem) -> ApiProblem:
    """A problem to show beside the form; else it is raised."""
    if problem.code not in ("validation_failed", "rate_limited", "not_found"):
        raise problem
    return problem


@router.post("/audit")
async def export_bundle(visit: Reader) -> Response:
    """All that is on record of one claim, with its proofs."""
    form = await visit.form()
    bundle = {"claim": form.text("claim"), "reason": form.text("reason")}

    async def refused(problem: ApiProblem) -> Response:
        nothing = dict.fromkeys(_OF_FORM, "")
        return await _page(visit, nothing, filters={}, bundle=bundle, bundle_problem=_shown(problem))

    claim = bundle["claim"] if is_id(bundle["claim"], "clm") else "unknown"
    query = urlencode({"reason": bundle["reason"]})
    return visit.forward(f"{api_address('claims', claim, 'audit.zip')}?{query}", refused=refused)
