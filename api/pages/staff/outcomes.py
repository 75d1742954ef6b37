"""What learners made of a CE activity, as charts that are tables at the same time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.staff.addresses import api_address
from api.pages.visit import Reader
from config.languages import gettext as _

router = APIRouter(prefix="/staff/ce-activities/{slug}/outcomes", include_in_schema=False)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of a CE activity; ``marked`` are the options of each test question, the right one said to be so."""

    slug: str
    title: str
    outcomes: Json
    marked: Mapping[str, Sequence[Json]]


@router.get("")
async def show_outcomes(visit: Reader, slug: str) -> Response:
    """Evaluations and first attempts, added up."""
    outcomes = await visit.get(api_address("ce-activities", slug, "outcomes"))
    marked = {each["code"]: _marked(each) for each in outcomes["post_test"]["questions"]}
    view = Outcomes(outcomes["ce_activity"], outcomes["title"], outcomes, marked)
    return visit.page("staff/outcomes.html", view=view)


def _marked(question: Json) -> list[Json]:
    return [
        {**option, "label": f"✓ {option['label']} ({_('right')})"} if option["code"] == question["correct"] else option
        for option in question["options"]
    ]


@router.get("/responses.csv")
async def download_responses(visit: Reader, slug: str) -> Response:
    """Every response to an evaluation, without names."""
    return visit.forward(api_address("ce-activities", slug, "outcomes", "responses.csv"))
