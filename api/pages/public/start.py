"""Where a stranger begins, help, the accessibility statement, and the choice of a language."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.visit import LANGUAGE_COOKIE, LANGUAGE_SECONDS, PLAIN_ADDRESS, Visit, Visitor
from config.languages import LANGUAGES
from domain.identities import is_id

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class HelpPage:
    """Help; ``contact`` is whom people ask about this site, ``claim_id`` the claim that somebody came from."""

    contact: str | None
    claim_id: str | None
    minutes: int


def show_start(visit: Visit) -> Response:
    """What this is, for somebody who is not signed in."""
    return visit.page("public/start.html")


@router.get("/help")
async def show_help(visit: Visitor, claim: str = "") -> Response:
    """How claiming works, and whom to ask."""
    settings = visit.services.settings
    claim_id = claim if visit.principal is not None and is_id(claim, "clm") else None
    view = HelpPage(settings.help_contact, claim_id, settings.sign_in_link_minutes)
    return visit.page("public/help.html", view=view)


@router.get("/accessibility")
async def show_accessibility(visit: Visitor) -> Response:
    """What these pages promise to everyone, what was tested, and what is known to be missing."""
    return visit.page("public/accessibility.html", contact=visit.services.settings.help_contact)


@router.post("/language")
async def choose_language(visit: Visitor) -> Response:
    """Read these pages in another language, from now on and, for those who are signed in, on every device."""
    form = await visit.form()
    language, back = form.text("language"), form.text("back")
    came_from = urlsplit(visit.request.headers.get("referer", ""))
    # Browsers say with which code, filter or link the page was open; the page itself repeats nothing that was typed.
    if came_from.query and came_from.path == back:
        back = f"{back}?{came_from.query}"
    response = visit.redirect(back if PLAIN_ADDRESS.fullmatch(back) else "/")
    if language in LANGUAGES:
        if visit.principal is not None:
            await visit.send("PATCH", "/v1/me", {"language": language})
        visit.set_cookie(response, LANGUAGE_COOKIE, language, LANGUAGE_SECONDS)
    return response
