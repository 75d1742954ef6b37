"""Home: everything a learner has under way, and what they have earned."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.visit import Reader
from domain.claims import CLOSED_STAGES

router = APIRouter(include_in_schema=False)

_MOST_CLAIMS: Final = 100

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
    """A learner's claims, in the groups in which they are shown."""

    open_claims: Sequence[Json]
    awards: Sequence[Json]
    closed_claims: Sequence[Json]
    totals: Sequence[Total]


@router.get("/")
async def show_home(visit: Reader) -> Response:
    """My claims, my certificates and my totals."""
    claims = (await visit.get("/v1/claims", limit=_MOST_CLAIMS))["data"]
    home = Home(
        open_claims=[each for each in claims if each["stage"] not in CLOSED_STAGES and not each["award"]],
        awards=[each for each in claims if each["award"]],
        closed_claims=[each for each in claims if each["stage"] in CLOSED_STAGES and not each["award"]],
        totals=totals(claims),
    )
    return visit.page("learner/home.html", home=home)


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
