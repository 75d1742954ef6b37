"""Home: what needs me now, what waits for others, what I can claim, and what I have earned."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.public.start import show_start
from api.pages.visit import Visit, Visitor
from domain.claims import CLOSED_STAGES, Stage
from domain.progress import WaitingFor

router = APIRouter(include_in_schema=False)

_AT_ONCE: Final = 100
_MOST_PAGES: Final = 10
_MOST_POLLS: Final = 30
_NEWEST_AWARDS: Final = 5
_NEWEST_ACTIVITIES: Final = 6
_READY: Final = frozenset({Stage.READY_TO_CLAIM, Stage.AWAITING_FINALIZATION})
_OURS: Final = frozenset({WaitingFor.GRADING, WaitingFor.CERTIFICATE, WaitingFor.OPERATOR, WaitingFor.CLAIM_WINDOW})

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Total:
    """What a learner earned of one type of credit in one year."""

    year: int
    credit_name: str
    credit_is_italic: bool
    units: Decimal


@dataclass(frozen=True, slots=True)
class Home:
    """A learner's claims in the groups in which they are shown, each with the next deadline first.

    ``acronym`` is what all their providers call the credit, or None where they differ. ``available`` are activities
    that the learner has no claim for.
    """

    acronym: str | None
    own_zone: str | None
    needs_me: Sequence[Json]
    ready: Sequence[Json]
    waiting: Sequence[Json]
    available: Sequence[Json]
    awards: Sequence[Json]
    award_count: int
    closed: Sequence[Json]
    totals: Sequence[Total]


@router.get("/")
async def show_home(visit: Visitor, polls: int = 0) -> Response:
    """My claims, what I could claim, and my totals; for a stranger, where to begin.

    ``polls`` counts how often the page has looked for news by itself.
    """
    if visit.principal is None:
        return show_start(visit)
    claims = await _claims(visit)
    profile = await visit.get("/v1/me")
    offered = (await visit.get("/v1/ce-activities", limit=_AT_ONCE))["data"]
    available = [each for each in offered if each["claim"] is None]
    home = home_of(claims, available, profile["time_zone"])
    next_poll = polls + 1 if 0 <= polls < _MOST_POLLS else None
    page = visit.page("learner/home.html", home=home, next_poll=next_poll, section=home.acronym)
    return visit.remember_section(page, home.acronym)


async def _claims(visit: Visit) -> list[Json]:
    """My claims, newest first."""
    claims: list[Json] = []
    after = None
    for _ in range(_MOST_PAGES):
        page = await visit.get("/v1/claims", limit=_AT_ONCE, after=after)
        claims += page["data"]
        after = page["next"]
        if after is None:
            break
    return claims


def home_of(claims: Sequence[Json], available: Sequence[Json], own_zone: str | None) -> Home:
    """Group the claims; a claim with an award is in the wallet, whatever became of it."""
    underway = [each for each in claims if each["stage"] not in CLOSED_STAGES and not each["award"]]
    ready = [each for each in underway if each["stage"] in _READY and each["waiting_for"] not in _OURS]
    waiting = [each for each in underway if each["waiting_for"] in _OURS]
    awards = [each for each in claims if each["award"]]
    acronyms = {each["ce_activity"]["acronym"] for each in claims} or {each["acronym"] for each in available}
    return Home(
        acronym=acronyms.pop() if len(acronyms) == 1 else None,
        own_zone=own_zone,
        needs_me=_by_deadline([each for each in underway if each not in ready and each not in waiting]),
        ready=_by_deadline(ready),
        waiting=_by_deadline(waiting),
        available=available[:_NEWEST_ACTIVITIES],
        awards=awards[:_NEWEST_AWARDS],
        award_count=len(awards),
        closed=[each for each in claims if each["stage"] in CLOSED_STAGES and not each["award"]],
        totals=totals(claims),
    )


def _by_deadline(claims: Sequence[Json]) -> list[Json]:
    """The next deadline first; what has none comes last."""
    return sorted(claims, key=lambda each: min((one["at"] for one in each["deadlines"]), default="9"))


def totals(claims: Sequence[Json]) -> list[Total]:
    """Sums of awarded units by year and credit type, newest year first."""
    sums: defaultdict[tuple[int, str, bool], Decimal] = defaultdict(Decimal)
    for award in (claim["award"] for claim in claims):
        if award is not None and award["state"] == "active":
            year = date.fromisoformat(award["completed_on"]).year
            sums[year, award["credit_name"], award["credit_is_italic"]] += Decimal(award["units"])
    return [
        Total(year, name, is_italic, units)
        for (year, name, is_italic), units in sorted(sums.items(), key=lambda each: (-each[0][0], each[0][1]))
    ]
