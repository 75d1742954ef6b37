"""The outermost layer: request ids, security headers, the access log, and the last answer when code fails."""

import re
import time
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import PROBLEMS, problem_response
from config.languages import preferred_language, set_language
from config.metrics import REQUESTS
from domain.identities import new_id

_log = structlog.get_logger("laurel.api")

_COMMON_POLICY: Final = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY: Final = (
    f"{_COMMON_POLICY}; style-src 'self'; font-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'"
)

# A page tells this site only where it was left. It tells this site, because a browser that may say it to nobody sends
# the page's own forms as coming from nowhere (Origin: null).
PAGE_REFERRER: Final = "same-origin"

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TRANSPORT_SECURITY: Final = "max-age=31536000"
# What a log line of a request may name; the gateway adds the last two.
_BOUND: Final = ("request_id", "claim_id", "submission_id")
_PARAMETER: Final = re.compile(r"\{(\w+):\w+\}")


class Edge:
    """Wraps the whole application; plain ASGI, because it runs for every request."""

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        self._headers = _HEADERS | ({"Strict-Transport-Security": _TRANSPORT_SECURITY} if is_https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens below."""
        if scope["type"] != "http" or scope.get("state", {}).get("is_of_page"):
            # What a page asks of the API has passed here already, as the request for the page.
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        set_language(preferred_language(Headers(scope=scope).get("accept-language", "")))
        status = 500
        is_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, is_started
            if message["type"] == "http.response.start":
                status, is_started = message["status"], True
                self._add_headers(scope, message)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            if is_started:
                raise
            await self._answer_failure(scope, receive, send_with_headers, error)
        finally:
            seconds = time.perf_counter() - started
            REQUESTS.labels(method_of(scope), route_of(scope), status).observe(seconds)
            _log.info(
                "request", method=scope["method"], route=route_of(scope), status=status, ms=round(seconds * 1000, 1)
            )
            structlog.contextvars.unbind_contextvars(*_BOUND)

    def _add_headers(self, scope: Scope, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        state = scope["state"]
        headers["X-Request-ID"] = state["request_id"]
        for name, value in (*self._headers.items(), *state.get("limit_headers", {}).items()):
            headers.setdefault(name, value)
        is_page = headers.get("content-type", "").startswith("text/html")
        headers.setdefault("Content-Security-Policy", PAGE_POLICY if is_page else API_POLICY)
        headers.setdefault("Referrer-Policy", PAGE_REFERRER if is_page else "no-referrer")

    async def _answer_failure(self, scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
        """Answer 500 with an incident's id; what happened is in the log under that id, without any value."""
        incident = new_id("inc")
        _log.error("incident", incident=incident, route=route_of(scope), exc_info=error)
        response = problem_response(
            Request(scope), "internal_error", PROBLEMS["internal_error"], {"incident": incident}
        )
        await response(scope, receive, send)


def method_of(scope: Scope) -> str:
    """The method, unless a client made one up."""
    return scope["method"] if scope["method"] in _METHODS else "other"


def route_of(scope: Scope) -> str:
    """The route's template: paths themselves may hold tokens and codes."""
    template = getattr(scope.get("route"), "path_format", None) or getattr(scope.get("route"), "path", None)
    return _PARAMETER.sub(r"{\1}", template) if template else "none"
