"""Signing in by an e-mailed link, and signing out."""

import hashlib
import secrets
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from api.auth import SignedIn, client_address, public
from api.limits import Limit
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import LinkRequest, SessionRequest
from api.v1.envelope import KeyHeader, checked_key, fingerprint
from api.v1.steps import json_response
from api.views import time_json
from config.languages import current_language, gettext, marked
from domain.devices import device_of
from domain.identities import new_id
from storage import intake, login_sessions, people
from storage.intake import IdempotencyKey, KeyReusedError

router = APIRouter(prefix="/v1/session", tags=["session"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

LINK_SENT: Final = marked("If this address can receive mail, a link to sign in is on its way.")
# Several times what one address may ask for, because a whole hospital may share one.
_LINKS_PER_CLIENT: Final = 10


class Session(BaseModel):
    """A session, until when it works, and whether its learner has still to create a profile."""

    access_token: str
    expires_at: str
    is_new: bool
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # the name of a scheme


@router.post("/links", status_code=202, response_model=answers.LinkSent, dependencies=[Depends(public)])
async def send_link(
    request: Request, body: LinkRequest, services: ServicesOf, idempotency_key: KeyHeader = None
) -> Response:
    """Ask for a link by e-mail. The answer is the same for every address, known or not."""
    key = checked_key(idempotency_key)
    await request_link(request, services, body.email, link_key(key, body.email, request))
    return json_response({"message": gettext(LINK_SENT)}, 202)


def link_key(key: str | None, email: str, request: Request) -> IdempotencyKey | None:
    """The key of a request for a link. Nobody is signed in yet, so it is the address's: nobody else can use it up."""
    if key is None:
        return None
    principal = f"email:{hashlib.sha256(email.lower().encode()).hexdigest()}"
    return IdempotencyKey(principal, key, fingerprint(request))


async def request_link(request: Request, services: Services, email: str, key: IdempotencyKey | None) -> None:
    """Queue the mail with a link, unless the address or the client has had its share of this hour."""
    settings = services.settings
    per_client = Limit("links", settings.sign_in_links_per_hour * _LINKS_PER_CLIENT, 3600)
    await services.shared_limiter.hit(per_client, client_address(request))
    token, taken = secrets.token_urlsafe(32), key or intake.own_key()

    async def store(connection: AsyncConnection) -> None:
        if await intake.begin_answer(connection, taken) is not None:
            return
        await people.request_link(
            connection,
            email,
            token,
            settings.sign_in_link_life,
            settings.sign_in_links_per_hour,
            language=current_language(),
        )

    try:
        await services.database.transaction(store)
    except KeyReusedError:
        raise ProblemError("idempotency_key_reused") from None


@router.post("", response_model=Session, dependencies=[Depends(public)])
async def sign_in(
    request: Request, body: SessionRequest, services: ServicesOf, idempotency_key: KeyHeader = None
) -> Response:
    """Use a link once; an unknown address becomes a learner's account, without a profile (`is_new`) at first.

    Repeated with the same idempotency key within ten minutes it answers with a new token.
    """
    session = await start_session(request, services, body.token, checked_key(idempotency_key))
    return json_response(session)


async def start_session(request: Request, services: Services, token: str, key: str | None) -> dict[str, Any]:
    """Exchange a link's token for an access token; raises ``link_invalid``."""
    # Without the client's key, one of ours lets the transaction be done again when its commit was not answered.
    access_token, key = secrets.token_urlsafe(32), key or new_id("key")
    life, device = services.settings.session_life, device_of(request.headers.get("user-agent", ""))
    started = await services.database.transaction(
        lambda c: people.use_link(c, token, key, access_token, life, device=device)
    )
    if started is None:
        raise ProblemError("link_invalid")
    return {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_at": time_json(started.expires_at),
        "is_new": started.is_new,
    }


@router.delete("", status_code=204)
async def sign_out(principal: SignedIn, services: ServicesOf) -> Response:
    """Sign out: the access token is dead from now on."""
    await services.database.statements(lambda c: login_sessions.end_session(c, principal.token))
    return Response(status_code=204)
