"""Signing in and out: a link by e-mail opens a page with a button, because mail scanners open links too."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from api.pages.visit import NEXT_COOKIE, SESSION_COOKIE, Visit, Visitor, own_cookie, wanted_path
from api.problems import ProblemError
from api.v1.session import request_link, start_session
from config.languages import gettext as _
from domain.names import email_address
from storage import login_sessions

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def show_sign_in(visit: Visitor, token: str = "") -> Response:
    """Ask for an address; with a link's token, ask for a click."""
    return visit.page("public/sign_in.html", token=token[:100], sent=False, error=None)


@router.post("/sign-in/links")
async def send_link(visit: Visitor) -> Response:
    """Send a link; the page says the same for every address."""
    form = await visit.form()
    try:
        address = email_address(form.text("email"))
    except ValueError:
        error = _("Enter an address such as ada@example.org.")
        return visit.page("public/sign_in.html", status=422, token="", sent=False, error=error)
    await request_link(visit.request, visit.services, address, None)
    return visit.page("public/sign_in.html", token="", sent=True, error=None)


@router.post("/sign-in")
async def sign_in(visit: Visitor) -> Response:
    """Use a link, and go where the learner wanted to go."""
    form = await visit.form()
    try:
        session = await start_session(visit.request, visit.services, form.text("token")[:100], None)
    except ProblemError as error:
        return visit.page("public/sign_in.html", status=error.kind.status, token="", sent=False, error=error.detail)
    return signed_in(visit, str(session["access_token"]))


def signed_in(visit: Visit, access_token: str) -> Response:
    """Keep the session in this browser, and go where the visitor wanted to go."""
    response = RedirectResponse(wanted_path(visit.request), 303)
    seconds = int(visit.services.settings.session_life.total_seconds())
    visit.set_cookie(response, own_cookie(visit.services, SESSION_COOKIE), access_token, seconds)
    visit.forget_cookie(response, NEXT_COOKIE)
    return response


@router.post("/sign-out")
async def sign_out(visit: Visitor) -> Response:
    """Sign out in this browser."""
    if (principal := visit.principal) is not None:
        await visit.services.database.statements(lambda c: login_sessions.end_session(c, principal.token))
    response = RedirectResponse("/sign-in", 303)
    visit.forget_cookie(response, own_cookie(visit.services, SESSION_COOKIE))
    return response
