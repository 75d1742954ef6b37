"""Where I am signed in, and signing out there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.visit import Reader

router = APIRouter(prefix="/profile/sessions", include_in_schema=False)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoginSessions:
    """My sessions: this one, and the others, those seen last first; times are shown in ``time_zone``."""

    current: Json
    others: Sequence[Json]
    time_zone: str


@router.get("")
async def show_sessions(visit: Reader) -> Response:
    """Where I am signed in."""
    current, *others = (await visit.get("/v1/me/sessions"))["data"]
    time_zone = (await visit.get("/v1/me"))["time_zone"] or "UTC"
    return visit.page("learner/login_sessions.html", view=LoginSessions(current, others, time_zone))


@router.post("/end-others")
async def end_other_sessions(visit: Reader) -> Response:
    """Sign out everywhere else."""
    await visit.send("DELETE", "/v1/me/sessions")
    return visit.redirect("/profile/sessions", notice="signed_out_there")


@router.post("/{session_id}/end")
async def end_session(visit: Reader, session_id: str) -> Response:
    """Sign out there."""
    await visit.send("DELETE", f"/v1/me/sessions/{session_id}")
    return visit.redirect("/profile/sessions", notice="signed_out_there")
