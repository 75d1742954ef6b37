"""Signing in through an organisation's identity provider: there, and back."""

import secrets
from typing import Final

import structlog
from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import RedirectResponse, Response

from api.auth import client_address
from api.limits import Limit
from api.oidc import Identity, IdentityProvider, OidcError, OidcFailure, new_secret
from api.pages.public.sign_in import sign_in_page, signed_in
from api.pages.visit import ApiProblem, Visit, Visitor, own_cookie
from config.languages import gettext
from config.languages import marked as _
from domain.devices import device_of
from storage.account_identities import IdentityRefusal, IdentityRefusedError, account_of_identity, take_role
from storage.login_sessions import start_session

router = APIRouter(prefix="/sign-in/provider", include_in_schema=False)

_log = structlog.get_logger("laurel.api")

_COOKIE: Final = "laurel_provider"
_AWAY_SECONDS: Final = 600
# Each is answered after asking the provider up to four times; a whole hospital may share an address.
_SIGN_INS: Final = Limit("provider_sign_ins", 120)

_WORDS: Final = {
    OidcFailure.PROVIDER_FAILED: (502, _("Your organisation's sign-in did not answer as it should. Try again later.")),
    OidcFailure.NOT_BEGUN_HERE: (
        400,
        _("This sign-in was begun in another browser, or too long ago. Please begin again."),
    ),
    OidcFailure.REFUSED_THERE: (403, _("You were not signed in there. Try again, or ask for a link by e-mail.")),
    OidcFailure.EMAIL_UNVERIFIED: (
        403,
        _("Your organisation does not confirm an e-mail address of yours. Ask for a link by e-mail instead."),
    ),
    OidcFailure.DOMAIN_NOT_ALLOWED: (
        403,
        _("Your address is not one of this organisation's. Ask for a link by e-mail instead."),
    ),
    IdentityRefusal.ACCOUNT_CLOSED: (403, _("This account was closed. Please write to the office.")),
    IdentityRefusal.ANOTHER_IDENTITY: (
        403,
        _("This address belongs to the account of somebody else whom your organisation knows. Write to the office."),
    ),
}


@router.get("")
async def go_to_provider(visit: Visitor) -> Response:
    """Lead to the provider. A link and not a form, because forms may lead to this site only."""
    provider = _provider(visit)
    secret = new_secret()
    try:
        address = await provider.sign_in_address(secret)
    except OidcError as error:
        return _refused(visit, error.failure, error.__cause__)
    response = RedirectResponse(address, 303)
    visit.set_cookie(response, own_cookie(visit.services, _COOKIE), secret, _AWAY_SECONDS)
    return response


@router.get("/callback")
async def come_back(visit: Visitor) -> Response:
    """Sign in whoever the provider vouches for."""
    provider, cookie = _provider(visit), own_cookie(visit.services, _COOKIE)
    secret = visit.request.cookies.get(cookie, "")
    try:
        if not secret:
            raise OidcError(OidcFailure.NOT_BEGUN_HERE)  # noqa: TRY301  # answered like every other failure
        identity = await provider.identify(secret, visit.request.query_params)
        response = await signed_in(visit, await _start(visit, identity))
    except OidcError as error:
        response = _refused(visit, error.failure, error.__cause__)
    except IdentityRefusedError as error:
        response = _refused(visit, error.refusal)
    visit.forget_cookie(response, cookie)
    return response


def _provider(visit: Visit) -> IdentityProvider:
    """The provider that the settings name; where they name none, there is no such page."""
    if visit.services.settings.oidc_provider is None:
        raise ApiProblem.not_found()
    visit.services.limiter.hit(_SIGN_INS, client_address(visit.request))
    return IdentityProvider(visit.services.settings)


async def _start(visit: Visit, identity: Identity) -> str:
    """Begin a session of whoever this is; answers with its access token."""
    access_token = secrets.token_urlsafe(32)
    life, device = visit.services.settings.session_life, device_of(visit.request.headers.get("user-agent", ""))

    async def start(connection: AsyncConnection) -> None:
        account_id = await account_of_identity(connection, identity.issuer, identity.subject, identity.email)
        if identity.role is not None:
            await take_role(connection, account_id, identity.role, identity.issuer)
        await start_session(connection, account_id, access_token, life, device)

    await visit.services.database.transaction(start)
    return access_token


def _refused(visit: Visit, why: OidcFailure | IdentityRefusal, cause: BaseException | None = None) -> Response:
    """Say why, beside the button; an operator reads in the log what kind of failure it was, and of nobody."""
    status, words = _WORDS[why]
    _log.warning("sign_in.refused", reason=why.value, cause=type(cause).__name__ if cause else None)
    return sign_in_page(visit, status, errors={"provider": gettext(words)})
