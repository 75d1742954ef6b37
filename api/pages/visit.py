"""One visit of a page: who is there, and the page's way to the API.

Pages are the API's first client. They ask it within the process and hold no rule of their own: what a page can do, a
front end of one's own can do, and both are refused alike (``docs/decisions/0015-pages-are-a-client.md``).
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx2
from fastapi import Depends
from starlette.datastructures import MutableHeaders, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from api.auth import Principal, client_address, count_request, find_principal, refuse_cross_site
from api.database import UNAVAILABLE
from api.pages.form import Form
from api.pages.rendering import page
from api.problems import PROBLEMS, ProblemError
from api.services import Services, services_of
from api.uploads import read_form
from config.languages import preferred_language, set_language
from domain.roles import OFFICE_ROLES, STAFF_ROLES

ServicesOf = Annotated[Services, Depends(services_of)]

NEXT_COOKIE: Final = "laurel_next"
LANGUAGE_COOKIE: Final = "laurel_language"
LANGUAGE_SECONDS: Final = 365 * 86_400
NOTICE_COOKIE: Final = "laurel_notice"
SECTION_COOKIE: Final = "laurel_section"
SESSION_COOKIE: Final = "laurel_session"
# Browsers take a cookie of this name over a safe connection only, and from this very host.
HOST_PREFIX: Final = "__Host-"
_SAFE: Final = frozenset({"GET", "HEAD"})
# Where signing in may lead: a page of this site that somebody has a reason to open.
_LOCAL_PATH: Final = re.compile(
    r"/(?:(?:ce-activities|claims|wallet|transcript|profile|staff)(?:[/?][!-\[\]-~]{0,400})?)?"
)
PLAIN_ADDRESS: Final = re.compile(r"/(?:[a-zA-Z0-9_.-][a-zA-Z0-9/_.-]{0,199})?(?:\?[a-zA-Z0-9=&%_.,+-]{0,400})?")
"""An address of this site that may be led back to; one that begins with two slashes would be another site's."""
_ACRONYM: Final = re.compile(r"[A-Za-z]{2,12}")
_NOTICE_SECONDS: Final = 60
_SECTION_SECONDS: Final = 365 * 86_400


Refused = Callable[["ApiProblem"], Awaitable[Response]]


class SignInNeededError(Exception):
    """Nobody is signed in in this browser; answered by leading to the sign-in page and back."""


# Not frozen: whoever handles an exception sets its traceback, which would fail after the answer and end the connection.
@dataclass(eq=False)
class ApiProblem(Exception):  # noqa: N818  # a problem is what RFC 9457 calls it
    """What the API refused. Shown as a page, unless the page that asked shows it beside its form.

    ``document`` is the problem document: ``code``, ``title``, ``detail``, and where it is known ``errors``,
    ``details`` and ``next_actions``.
    """

    status: int
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, code: str) -> "ApiProblem":
        """What the API would refuse, known before it is asked: ``code`` is one of ``PROBLEMS``."""
        kind = PROBLEMS[code]
        return cls(kind.status, {"code": code, "title": kind.title, "detail": kind.detail})

    @classmethod
    def not_found(cls) -> "ApiProblem":
        """Nothing is here for whoever asks."""
        return cls.of("not_found")

    @property
    def code(self) -> str:
        """The stable code."""
        return str(self.document["code"])

    def errors_by_field(self) -> dict[str, Mapping[str, Any]]:
        """What is wrong with each field of a form, by the last part of the pointer."""
        errors = self.document.get("errors") or []
        return {str(each["pointer"]).rpartition("/")[2]: each for each in errors}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered: 200, 201 or 204 when it is done, 202 when it is received and not decided yet."""

    status: int
    document: Any
    headers: Mapping[str, str]

    @property
    def is_undecided(self) -> bool:
        """Whether a step is recorded and waits for its decision."""
        return self.status == HTTPStatus.ACCEPTED


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page, by ``principal`` or by nobody."""

    request: Request
    services: Services
    principal: Principal | None

    async def get(self, path: str, **query: Any) -> Any:
        """The API's document at a path, or its text; raises ``ApiProblem``.

        What is None or empty is left out of the query.
        """
        given = [(name, value) for name, value in query.items() if value not in (None, "", [])]
        address = f"{path}?{urlencode(given, doseq=True)}" if given else path
        return (await self._ask("GET", address, None, {})).document

    async def send(self, method: str, path: str, document: Any = None, *, key: str | None = None) -> Answer:
        """Send a document to the API; raises ``ApiProblem``. ``key`` makes a form that is sent twice count once."""
        body = None if document is None else json.dumps(document).encode()
        headers = {"content-type": "application/json"} if body is not None else {}
        return await self._ask(method, path, body, headers | ({"idempotency-key": key} if key else {}))

    async def upload(self, method: str, path: str, file: UploadFile, media_type: str, *, key: str | None) -> Answer:
        """Send a file to the API as its whole body; raises ``ApiProblem``."""
        headers = {"content-type": media_type} | ({"idempotency-key": key} if key else {})
        return await self._ask(method, path, await file.read(), headers)

    async def send_text(self, method: str, path: str, text: str, media_type: str, *, key: str | None) -> Answer:
        """Send a text to the API as its whole body; raises ``ApiProblem``."""
        headers = {"content-type": media_type} | ({"idempotency-key": key} if key else {})
        return await self._ask(method, path, text.encode(), headers)

    def forward(self, path: str, document: Any = None, *, accept: str = "", refused: Refused | None = None) -> Response:
        """Answer with whatever the API answers to a GET at another path: files, streams of events.

        With a ``document`` it is a POST of that. ``refused`` shows what the API refused beside a form; without it
        that is a page of its own.
        """
        body = None if document is None else json.dumps(document).encode()
        return _Forwarded(self, path, body, accept, refused)

    def page(
        self, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any
    ) -> Response:
        """Render a page of this site for whoever is there; ``values`` may call the section of the menu otherwise."""
        notice = self.request.cookies.get(NOTICE_COOKIE)
        response = page(
            template,
            status=status,
            headers=headers,
            principal=self.principal,
            is_signed_in=self.principal is not None,
            path=self._shown_path(),
            is_refused=status >= HTTPStatus.BAD_REQUEST and self.request.method not in _SAFE,
            back=self._way_back(),
            notice=notice,
            pauses=getattr(self.request.state, "pauses", ()),
            **{"section": self._section(), **values},
        )
        if notice:
            self.forget_cookie(response, NOTICE_COOKIE)
        return response

    def is_own(self, learner_id: str) -> bool:
        """Whether this learner is the visitor: what is about oneself, somebody else decides."""
        return self.principal is not None and self.principal.learner_id == learner_id

    def _section(self) -> str | None:
        """What this learner's providers call the credit, in the menu; see ``remember_section``."""
        acronym = self.request.cookies.get(SECTION_COOKIE, "")
        return acronym if _ACRONYM.fullmatch(acronym) else None

    def remember_section(self, response: Response, acronym: str | None) -> Response:
        """Call the section of the menu by the acronym that all providers of this learner share, from here on."""
        if acronym is None:
            self.forget_cookie(response, SECTION_COOKIE)
        elif acronym != self._section():
            self.set_cookie(response, SECTION_COOKIE, acronym, _SECTION_SECONDS)
        return response

    def _shown_path(self) -> str:
        """The page's own address, unless somebody typed something else into it."""
        path = self.request.url.path
        return path if PLAIN_ADDRESS.fullmatch(path) else "/"

    def _way_back(self) -> str:
        """Where this page can be asked for again: for a form that is shown again, where it was filled in."""
        referer = "" if self.request.method in _SAFE else self.request.headers.get("referer", "")
        came_from = urlsplit(referer)._replace(scheme="", netloc="", fragment="").geturl()
        return came_from if PLAIN_ADDRESS.fullmatch(came_from) else self._shown_path()

    def redirect(self, path: str, notice: str | None = None) -> Response:
        """Lead on after a form was taken; ``notice`` is a code of ``rendering.NOTICES`` that is said there once."""
        response = RedirectResponse(quote(path, safe="/?=&#%:,+~"), 303)
        if notice:
            self.set_cookie(response, NOTICE_COOKIE, notice, _NOTICE_SECONDS)
        return response

    def set_cookie(self, response: Response, name: str, value: str, seconds: int) -> None:
        """Leave something in this browser that no script can read."""
        is_https = is_safe(self.services)
        response.set_cookie(name, value, max_age=seconds, path="/", secure=is_https, httponly=True, samesite="lax")

    def forget_cookie(self, response: Response, name: str) -> None:
        """Take something from this browser that was left there."""
        self.set_cookie(response, name, "", 0)

    async def form(self, most_fields: int = 1000) -> "Form":
        """The form that was sent."""
        return Form(await self.request.form(max_fields=most_fields))

    @asynccontextmanager
    async def form_with_file(self, limit: int) -> "AsyncIterator[Form]":
        """The form that was sent with a file of at most ``limit`` bytes; raises 413 for a larger one."""
        fields = await read_form(self.request, limit)
        try:
            yield Form(fields)
        finally:
            await fields.close()

    async def _ask(self, method: str, address: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        settings = self.services.settings
        request = httpx2.Request(
            method, f"{settings.public_url}{address}", headers={"accept": "application/json", **headers}, content=body
        )
        client = (client_address(self.request), 0)
        transport = httpx2.ASGITransport(self._api, client=client)
        response = await transport.handle_async_request(request)
        raw = await response.aread()
        is_json = "json" in response.headers.get("content-type", "")
        document: Any = json.loads(raw) if is_json else raw.decode() or None
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            raise ApiProblem(response.status_code, document, dict(response.headers))
        return Answer(response.status_code, document, dict(response.headers))

    async def _api(self, scope: Any, receive: Any, send: Any) -> None:
        """The application, called by a page: whoever is signed in here is signed in there."""
        scope["state"] = {
            "request_id": self.request.state.request_id,
            "is_of_page": True,
            "principal": self.principal,
        }
        scope["app"] = self.request.app
        await self.request.app(scope, receive, send)


def is_safe(services: Services) -> bool:
    """Whether browsers reach these pages over a connection that nobody else reads."""
    return services.settings.public_url.startswith("https://")


def own_cookie(services: Services, name: str) -> str:
    """What a cookie is called that no other host may set, where browsers can see to that."""
    return f"{HOST_PREFIX}{name}" if is_safe(services) else name


class _Forwarded(Response):
    """The API's own answer to a browser's request."""

    def __init__(self, visit: Visit, path: str, body: bytes | None, accept: str, refused: Refused | None) -> None:
        super().__init__()
        self._visit = visit
        self._path, _, self._query = path.partition("?")
        self._asked = body
        self._accept = accept
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in place of the page."""
        caught = _Caught(send)
        await self._visit._api(self._scope(scope), self._receive(receive), caught)  # noqa: SLF001  # this class is a part of it
        if caught.problem is None:
            return
        if self._refused is None:
            raise caught.problem
        await (await self._refused(caught.problem))(scope, receive, send)

    def _scope(self, scope: Scope) -> dict[str, Any]:
        query = self._query.encode() or scope["query_string"]
        headers = MutableHeaders(raw=list(scope["headers"]))
        if self._accept:
            headers["accept"] = self._accept
        if self._asked is not None:
            headers["content-type"], headers["content-length"] = "application/json", str(len(self._asked))
        method = "GET" if self._asked is None else "POST"
        inner = {**scope, "method": method, "path": self._path, "raw_path": self._path.encode(), "query_string": query}
        inner.pop("route", None)
        return {**inner, "headers": headers.raw}

    def _receive(self, receive: Receive) -> Receive:
        """What the API reads: the document in place of the page's own form, then whether the browser went away."""
        waiting = [] if self._asked is None else [{"type": "http.request", "body": self._asked, "more_body": False}]

        async def asking() -> Message:
            return waiting.pop() if waiting else await receive()

        return asking


class _Caught:
    """Sends an answer on, unless it is a problem."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 0
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        """Take one message of the answer."""
        if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
            self._status = message["status"]
        if self._status:
            self._body += message.get("body", b"")
        else:
            await self._send(message)

    @property
    def problem(self) -> ApiProblem | None:
        """The problem that was caught, if there was one."""
        return ApiProblem(self._status, json.loads(self._body)) if self._status else None


async def visitor(request: Request, services: ServicesOf) -> Visit:
    """Anyone; counted like every request. A form that another site sends is refused."""
    # For the page of a problem: nobody, until it is known who is there; whoever is signed in stays so there.
    request.state.visit = Visit(request, services, None)
    principal = await find_principal(services, request.cookies.get(own_cookie(services, SESSION_COOKIE), ""))
    request.state.visit = visit = Visit(request, services, principal)
    count_request(request, services, principal.account_id if principal else client_address(request))
    if request.method not in _SAFE:
        refuse_cross_site(request, services.settings.public_url)
    chosen = request.cookies.get(LANGUAGE_COOKIE) or (principal.language if principal else None)
    set_language(chosen or preferred_language(request.headers.get("accept-language", "")))
    return visit


async def reader(visit: Annotated[Visit, Depends(visitor)]) -> Visit:
    """Whoever is signed in in this browser; anyone else is led to sign in.

    Each page of the office says whether issuance is paused.
    """
    if visit.principal is None:
        raise SignInNeededError
    if visit.request.url.path.startswith("/staff") and visit.principal.role in OFFICE_ROLES:
        visit.request.state.pauses = (await visit.get("/v1/staff/issuance-pauses"))["data"]
    return visit


async def clerk(visit: Annotated[Visit, Depends(reader)]) -> Visit:
    """Whoever does the office's work. Anyone else is refused before they fill in a form that the API would refuse."""
    if visit.principal is None or visit.principal.role not in STAFF_ROLES:
        raise ApiProblem.of("not_allowed")
    return visit


ACCESS: Final = frozenset({visitor, reader, clerk})
Visitor = Annotated[Visit, Depends(visitor)]
Reader = Annotated[Visit, Depends(reader)]
Clerk = Annotated[Visit, Depends(clerk)]


async def show_problem(request: Request, error: Exception) -> Response:
    """What the API refused, as a page."""
    assert isinstance(error, ApiProblem)  # noqa: S101  # registered for this class only
    if error.status == HTTPStatus.UNAUTHORIZED:
        return await lead_to_sign_in(request, error)
    headers = {name: error.headers[name] for name in ("retry-after",) if name in error.headers}
    return (await _visit_of(request)).page(
        "problem.html",
        status=error.status,
        headers=headers,
        problem=error.document,
        request_id=request.state.request_id,
    )


async def problem_page(request: Request, error: ProblemError) -> Response:
    """A problem as a page, in the words that its document would have."""
    return (await _visit_of(request)).page(
        "problem.html",
        status=error.kind.status,
        headers={name: value for name, value in error.headers.items() if name.lower() != "content-type"},
        problem={"title": error.kind.title, "detail": error.detail, "code": error.code},
        request_id=request.state.request_id,
    )


async def _visit_of(request: Request) -> Visit:
    """Whoever asks, also for an address where nothing is; nobody where that can't be told, so that there is a page."""
    services: Services = request.app.state.services
    if not hasattr(request.state, "visit"):
        with suppress(ProblemError, *UNAVAILABLE):
            await visitor(request, services)
    visit: Visit = request.state.visit
    return visit


async def lead_to_sign_in(request: Request, _error: Exception) -> Response:
    """Send a browser to the sign-in page, and remember where it wanted to go."""
    visit = Visit(request, request.app.state.services, None)
    response = RedirectResponse("/sign-in", 303)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method == "GET" and _LOCAL_PATH.fullmatch(wanted):
        visit.set_cookie(response, NEXT_COOKIE, wanted, 3600)
    return response


def wanted_path(request: Request) -> str:
    """Where the visitor wanted to go before signing in."""
    wanted = request.cookies.get(NEXT_COOKIE, "/")
    return wanted if _LOCAL_PATH.fullmatch(wanted) else "/"
