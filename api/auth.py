"""Who asks, and what they may do. Every route declares one of ``public``, ``known``, ``signed_in`` and ``staff``.

A route that declares none keeps the application from starting (``undeclared``).
"""

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from api.limits import Limit
from api.problems import ProblemError
from api.services import Services, services_of
from domain.policy import Profession
from domain.roles import APPROVING_ROLES, AUDITING_ROLES, OFFICE_ROLES, STAFF_ROLES, Role
from storage import login_sessions

_READING: Final = frozenset({"GET", "HEAD"})
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_bearer = HTTPBearer(auto_error=False, description="The access token that POST /v1/session answers with.")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is signed in. Every account has a learner, so staff may claim credit for themselves too."""

    account_id: str
    role: Role
    learner_id: str
    profession: Profession | None
    token: str
    language: str | None = None

    @property
    def is_staff(self) -> bool:
        """Whether the account may see and help with other people's claims."""
        return self.role in STAFF_ROLES


async def public(request: Request, services: Annotated[Services, Depends(services_of)]) -> None:
    """Anyone may ask, as often as one address may."""
    count_request(request, services, client_address(request))


async def signed_in(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    """Whoever holds a valid access token; else 401."""
    principal = page_principal(request) or await find_principal(
        services, credentials.credentials if credentials else ""
    )
    count_request(request, services, principal.account_id if principal else client_address(request))
    if principal is None:
        raise ProblemError("not_signed_in", headers={"WWW-Authenticate": "Bearer"})
    return principal


async def known(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal | None:
    """Whoever holds a valid access token, or anyone without one; a token that is dead is 401."""
    if credentials is None and page_principal(request) is None:
        count_request(request, services, client_address(request))
        return None
    return await signed_in(request, services, credentials)


async def staff(request: Request, principal: Annotated[Principal, Depends(signed_in)]) -> Principal:
    """Coordinators, approvers and administrators; auditors and viewers, too, where nothing is changed; else 403."""
    may_read = principal.role in OFFICE_ROLES and request.method in _READING
    if not (principal.is_staff or may_read):
        raise ProblemError("not_allowed")
    return principal


async def approver(principal: Annotated[Principal, Depends(signed_in)]) -> Principal:
    """Who may agree to what others asked for: approvers and administrators; else 403."""
    if principal.role not in APPROVING_ROLES:
        raise ProblemError("not_allowed")
    return principal


async def auditor(principal: Annotated[Principal, Depends(signed_in)]) -> Principal:
    """Auditors and administrators; else 403."""
    if principal.role not in AUDITING_ROLES:
        raise ProblemError("not_allowed")
    return principal


async def administrator(principal: Annotated[Principal, Depends(signed_in)]) -> Principal:
    """Administrators; else 403."""
    if principal.role is not Role.ADMINISTRATOR:
        raise ProblemError("not_allowed")
    return principal


async def office(principal: Annotated[Principal, Depends(signed_in)]) -> Principal:
    """Staff, auditors and viewers; else 403."""
    if principal.role not in OFFICE_ROLES:
        raise ProblemError("not_allowed")
    return principal


SignedIn = Annotated[Principal, Depends(signed_in)]
Known = Annotated[Principal | None, Depends(known)]
Staff = Annotated[Principal, Depends(staff)]
Approver = Annotated[Principal, Depends(approver)]
Auditor = Annotated[Principal, Depends(auditor)]
Administrator = Annotated[Principal, Depends(administrator)]
Office = Annotated[Principal, Depends(office)]

ACCESS: Final = frozenset({public, known, signed_in, staff})


async def find_principal(services: Services, token: str) -> Principal | None:
    """Who holds this token; a text that cannot be a token is not looked up."""
    if not _TOKEN.fullmatch(token):
        return None
    idle = services.settings.session_idle
    found = await services.database.statements(lambda c: login_sessions.find_session(c, token, idle))
    if found is None:
        return None
    return Principal(found.account_id, found.role, found.learner_id, found.profession, token, found.language)


def page_principal(request: Request) -> Principal | None:
    """Whoever is signed in at the page that asks; None for every request that came from outside."""
    principal: Principal | None = getattr(request.state, "principal", None)
    return principal


def client_address(request: Request) -> str:
    """The address that limits count by."""
    return request.client.host if request.client else "unknown"


def count_request(request: Request, services: Services, who: str) -> None:
    """Count a request for an account or an address; raises 429 when it has had its share of this minute.

    What a page asks of the API is part of the page's own request.
    """
    if getattr(request.state, "is_of_page", False):
        return
    limit = Limit("requests", services.settings.requests_per_minute)
    request.state.limit_headers = services.limiter.hit(limit, who)


def refuse_cross_site(request: Request, public_url: str) -> None:
    """Refuse a form that another site sends; browsers tell where a form comes from, and other clients need not."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    is_ours = origin in (None, _origin(public_url), f"{request.url.scheme}://{request.headers.get('host')}")
    if site not in ("same-origin", "none") or not is_ours:
        raise ProblemError("cross_site")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def undeclared(routes: Iterable[Any], access: AbstractSet[Any]) -> list[str]:
    """The paths of routes that depend on none of the functions that decide about access."""
    return [route.path for route in routes if not access & _calls(route.dependant)]


def _calls(dependant: Dependant) -> set[Any]:
    return {dependant.call}.union(*(_calls(inner) for inner in dependant.dependencies))
