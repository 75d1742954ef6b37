"""Deadlines and reminders: an entry for a calendar, and the one click that stops the e-mails."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from api.auth import SignedIn, public
from api.calendars import MEDIA_TYPE, CalendarEntry, calendar
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Body, Token
from api.v1.steps import json_response, own_claim
from config.languages import gettext
from storage import people, reminder_links
from storage.acts import Actor

router = APIRouter(tags=["me"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]


class StopRequest(Body):
    """The token from a reminder."""

    token: Token


class Reminders(BaseModel):
    """Whether deadlines are announced by e-mail."""

    wants_reminders: bool


@router.post("/v1/reminders/stop", response_model=Reminders, dependencies=[Depends(public)])
async def stop_reminders(request: Request, body: StopRequest, services: ServicesOf) -> Response:
    """Stop all reminders of whoever has the e-mail with this token; as often as you like. Nobody needs to sign in."""
    await stop_with(services, body.token, request.state.request_id)
    return json_response({"wants_reminders": False})


async def stop_with(services: Services, token: str, request_id: str) -> None:
    """Stop the reminders that carry this token; raises 404 when none do."""

    async def stop(connection: AsyncConnection) -> bool:
        found = await reminder_links.learner_with(connection, token)
        if found is None:
            return False
        learner_id, account_id = found
        changes = {"wants_reminders": False}
        await people.change_profile(connection, learner_id, changes, {}, Actor(account_id, request_id))
        return True

    if not await services.database.transaction(stop):
        raise ProblemError("not_found")


@router.get(
    "/v1/claims/{claim_id}/deadline.ics",
    response_class=Response,
    responses={200: {"description": "The deadline as an iCalendar event.", "content": {MEDIA_TYPE: {}}}},
)
async def download_deadline(claim_id: str, principal: SignedIn, services: ServicesOf) -> Response:
    """The deadline of my claim for a calendar; 404 when it has none, or none any more."""
    view = await own_claim(services, principal, claim_id)
    due_at = view.facts.due_at
    if due_at is None or view.award is not None:
        raise ProblemError("not_found")
    policy = await services.policies.get(view.version_id)
    public_url = services.settings.public_url
    entry = CalendarEntry(
        uid=f"{view.id}@{urlsplit(public_url).hostname}",
        at=due_at,
        summary=gettext("Claim {acronym} credit: {title}").format(acronym=policy.provider.acronym, title=policy.title),
        url=f"{public_url}/claims/{view.id}",
    )
    headers = {"Content-Disposition": f'attachment; filename="{view.ce_activity}.ics"', "Cache-Control": "no-store"}
    return Response(calendar(entry, datetime.now(UTC)), media_type=MEDIA_TYPE, headers=headers)
