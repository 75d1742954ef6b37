"""Signing in and out: a link by e-mail opens a page with a button, because mail scanners open links too."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from api.auth import Principal, find_principal
from api.pages.visit import NEXT_COOKIE, SESSION_COOKIE, Visit, Visitor, own_cookie, wanted_path
from api.problems import ProblemError
from api.v1.envelope import checked_key
from api.v1.session import link_key, request_link, start_session
from config.languages import gettext as _
from domain.names import email_address
from domain.roles import OFFICE_ROLES, Role
from storage import login_sessions

router = APIRouter(include_in_schema=False)

_LONGEST_TOKEN = 100
_LONGEST_ADDRESS = 254


@dataclass(frozen=True, slots=True)
class SignIn:
    """The page where one signs in: it asks for an address, says that a link was sent, or asks for a click.

    ``provider`` names the identity provider, if there is one. ``errors`` are sentences by field.
    """

    provider: str | None = None
    token: str = ""
    is_sent: bool = False
    minutes: int = 0
    email: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


def sign_in_page(
    visit: Visit, status: int = 200, *, email: str = "", errors: Mapping[str, str] | None = None
) -> Response:
    """Ask for an address, and say what was wrong before."""
    view = SignIn(visit.services.settings.oidc_provider, email=email, errors=errors or {})
    return visit.page("public/sign_in.html", status=status, view=view)


@router.get("/sign-in")
async def show_sign_in(visit: Visitor, token: str = "") -> Response:
    """Ask for an address; with a link's token, ask for a click."""
    if token:
        return visit.page("public/sign_in.html", view=SignIn(token=token[:_LONGEST_TOKEN]))
    return sign_in_page(visit)


@router.post("/sign-in/links")
async def send_link(visit: Visitor) -> Response:
    """Send a link; the page says the same for every address."""
    form = await visit.form()
    typed = form.text("email")
    try:
        address = email_address(typed)
    except ValueError:
        words = _("Enter an address such as ada@example.org.")
        return sign_in_page(visit, 422, email=typed[:_LONGEST_ADDRESS], errors={"email": words})
    await request_link(visit.request, visit.services, address, link_key(checked_key(form.key), address, visit.request))
    view = SignIn(is_sent=True, minutes=visit.services.settings.sign_in_link_minutes)
    return visit.page("public/sign_in.html", view=view)


@router.post("/sign-in")
async def sign_in(visit: Visitor) -> Response:
    """Use a link, and go where the learner wanted to go."""
    form = await visit.form()
    try:
        session = await start_session(visit.request, visit.services, form.text("token")[:_LONGEST_TOKEN], None)
    except ProblemError as error:
        return sign_in_page(visit, error.kind.status, errors={"email": _(error.detail or error.kind.detail)})
    return await signed_in(visit, str(session["access_token"]))


async def signed_in(visit: Visit, access_token: str) -> Response:
    """Keep the session in this browser in place of the one before, and go where the visitor wanted to go.

    A learner without a profile is looked up first, and goes there afterwards. The office starts at its overview.
    """
    await _end_session(visit)
    principal = await find_principal(visit.services, access_token)
    is_unknown = principal is not None and await _has_no_profile(visit, principal)
    wanted = wanted_path(visit.request)
    if wanted == "/" and principal is not None and principal.role in OFFICE_ROLES:
        wanted = "/staff"
    response = RedirectResponse("/profile/look-up" if is_unknown else wanted, 303)
    seconds = int(visit.services.settings.session_life.total_seconds())
    visit.set_cookie(response, own_cookie(visit.services, SESSION_COOKIE), access_token, seconds)
    if not is_unknown:
        visit.forget_cookie(response, NEXT_COOKIE)
    return response


async def _has_no_profile(visit: Visit, principal: Principal) -> bool:
    if principal.role is not Role.LEARNER:
        return False
    profile = await Visit(visit.request, visit.services, principal).get("/v1/me")
    return bool(profile["is_new"])


@router.post("/sign-out")
async def sign_out(visit: Visitor) -> Response:
    """Sign out in this browser."""
    await _end_session(visit)
    response = RedirectResponse("/sign-in", 303)
    visit.forget_cookie(response, own_cookie(visit.services, SESSION_COOKIE))
    return response


async def _end_session(visit: Visit) -> None:
    if (principal := visit.principal) is not None:
        await visit.services.database.statements(lambda c: login_sessions.end_session(c, principal.token))
