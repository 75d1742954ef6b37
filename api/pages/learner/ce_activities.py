"""What can be claimed: one page for each CE activity, for anyone."""

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.visit import Visitor

router = APIRouter(include_in_schema=False)


@router.get("/ce-activities/{slug}")
async def show_ce_activity(visit: Visitor, slug: str) -> Response:
    """A CE activity: what it asks, what it offers, and where its own page is."""
    return visit.page("learner/ce_activity.html", ce_activity=await visit.get(f"/v1/ce-activities/{slug}"))
