"""What can be claimed: the available activities by event type, one page for each, and the way into a claim."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.filtering import listed, status_of
from api.pages.learner.steps import claim_address
from api.pages.visit import NEXT_COOKIE, ApiProblem, Reader, Visit, Visitor
from api.pages.wording import problem_words, profile_words

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]
_AT_ONCE: Final = 50
_REMEMBERED_SECONDS: Final = 3600
_CODE: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class Activities:
    """A page of the activities that can be claimed. ``next`` leads to the page after it, ``code`` was not found."""

    event_type: str
    found: Sequence[Json]
    next: str | None
    code: str
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Activity:
    """One CE activity. ``claim`` is my claim's address, ``missing`` what my profile lacks, ``code`` a link's code."""

    ce_activity: Json
    claim: str | None
    missing: Sequence[str]
    code: str
    error: str = ""


@router.get("/ce-activities")
async def list_ce_activities(visit: Visitor, event_type: str = "", after: str = "", code: str = "") -> Response:
    """The activities that can be claimed; with an activity's code, that activity."""
    if code:
        return await _by_code(visit, code)
    filters = {"event_type": event_type}
    page, errors = await listed(visit, "/v1/ce-activities", filters, after=after, limit=_AT_ONCE)
    view = Activities(event_type, page["data"], page["next"], "", errors)
    return visit.page("learner/ce_activities.html", status=status_of(errors), view=view)


async def _by_code(visit: Visit, code: str) -> Response:
    found = []
    if _CODE.fullmatch(code):
        found = (await visit.get("/v1/ce-activities", activity_code=code))["data"]
    if not found:
        return visit.page("learner/ce_activities.html", status=404, view=Activities("", [], None, code[:64]))
    return visit.redirect(f"/ce-activities/{found[0]['slug']}?code={quote(code)}")


@router.get("/ce-activities/{slug}")
async def show_ce_activity(visit: Visitor, slug: str, code: str = "") -> Response:
    """A CE activity: what it asks, what it offers, and the way to claim its credit."""
    return await _render(visit, slug, code[:80])


async def _render(visit: Visit, slug: str, code: str, error: str = "", status: int = 200) -> Response:
    ce_activity = await visit.get(f"/v1/ce-activities/{quote(slug, safe='')}")
    claim = ce_activity["claim"]
    view = Activity(
        ce_activity=ce_activity,
        claim=claim.removeprefix("/v1") if claim else None,
        missing=[profile_words(field) for field in ce_activity["missing_in_profile"]],
        code=code,
        error=error,
    )
    return visit.page("learner/ce_activity.html", status=status, view=view)


@router.get("/ce-activities/{slug}/claim")
async def sign_in_to_claim(visit: Reader, slug: str, code: str = "") -> Response:
    """Where the button of somebody who is not signed in leads: to sign in, and then back to the activity."""
    return visit.redirect(_address(slug, code))


@router.get("/ce-activities/{slug}/profile")
async def complete_profile(visit: Reader, slug: str, code: str = "") -> Response:
    """Lead to my profile with what the activity needs of it, and remember the activity that I came for."""
    ce_activity = await visit.get(f"/v1/ce-activities/{quote(slug, safe='')}")
    back = _address(slug, code)
    response = visit.redirect(
        "/profile?" + urlencode({"needs": ",".join(ce_activity["missing_in_profile"]), "back": back})
    )
    visit.set_cookie(response, NEXT_COOKIE, back, _REMEMBERED_SECONDS)
    return response


def _address(slug: str, code: str) -> str:
    return f"/ce-activities/{quote(slug, safe='')}" + (f"?code={quote(code[:80], safe='')}" if code else "")


@router.post("/ce-activities/{slug}/claim")
async def open_claim(visit: Reader, slug: str) -> Response:
    """Open my claim, or find the one that I have."""
    form = await visit.form()
    code = form.text("code")[:80]
    try:
        answer = await visit.send("POST", "/v1/claims", {"ce_activity": slug}, key=form.key)
    except ApiProblem as problem:
        if problem.status != 409:  # noqa: PLR2004  # refused
            raise
        ce_activity = await visit.get(f"/v1/ce-activities/{quote(slug, safe='')}")
        error = problem_words(problem.document, ce_activity["time_zone"])
        return await _render(visit, slug, code, error, problem.status)
    if answer.is_undecided:
        claim_id = answer.document["claim"].rpartition("/")[2]
        return visit.redirect(f"{claim_address(claim_id)}?submission={answer.document['id']}", notice="received")
    return visit.redirect(claim_address(answer.document["id"]) + (f"?code={quote(code, safe='')}" if code else ""))
