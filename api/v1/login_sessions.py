"""Where I am signed in, and signing out there."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.responses import Response

from api.auth import SignedIn
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.steps import json_response
from api.views import time_json
from domain.identities import is_id
from storage import login_sessions
from storage.login_sessions import ShownSession

router = APIRouter(prefix="/v1/me/sessions", tags=["me"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]


class LoginSession(BaseModel):
    """One of my sessions: with which browser and system, as far as they are known, and until when it works.

    ``last_seen_at`` is exact to five minutes. ``is_current`` marks the session that asks.
    """

    id: str
    browser: str | None
    system: str | None
    created_at: answers.Time
    last_seen_at: answers.Time
    expires_at: answers.Time
    is_current: bool
    href: str


class LoginSessions(BaseModel):
    """My sessions, the one that asks first."""

    data: list[LoginSession]


@router.get("", response_model=LoginSessions)
async def list_sessions(principal: SignedIn, services: ServicesOf) -> Response:
    """Where I am signed in."""
    idle = services.settings.session_idle
    found = await services.database.statements(
        lambda c: login_sessions.sessions_of(c, principal.account_id, principal.token, idle)
    )
    return json_response({"data": [_json(each) for each in found]})


def _json(session: ShownSession) -> dict[str, Any]:
    return {
        "id": session.id,
        "browser": session.browser,
        "system": session.system,
        "created_at": time_json(session.created_at),
        "last_seen_at": time_json(session.last_seen_at),
        "expires_at": time_json(session.expires_at),
        "is_current": session.is_current,
        "href": f"/v1/me/sessions/{session.id}",
    }


@router.delete("", status_code=204)
async def end_other_sessions(principal: SignedIn, services: ServicesOf) -> Response:
    """Sign out everywhere else: every other access token of mine is dead from now on."""
    await services.database.statements(
        lambda c: login_sessions.end_other_sessions(c, principal.account_id, principal.token)
    )
    return Response(status_code=204)


@router.delete("/{session_id}", status_code=204)
async def end_session(session_id: str, principal: SignedIn, services: ServicesOf) -> Response:
    """Sign out there; a session that has ended already stays so."""
    is_mine = is_id(session_id, "ses") and await services.database.statements(
        lambda c: login_sessions.end_session_of(c, principal.account_id, session_id)
    )
    if not is_mine:
        raise ProblemError("not_found")
    return Response(status_code=204)
