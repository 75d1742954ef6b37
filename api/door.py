"""The door: so many requests are worked on at once, and the others wait outside, where they cost nothing.

Too many at once would all be slow. Each would wait at every turn, for the processor and for a connection, until
time-outs pass that are there to notice failures elsewhere. A request leaves before it waits for anything outside this
process and its database, and when its answer begins: nobody waits for somebody else's Temporal or slow telephone.
"""

import asyncio
from contextvars import ContextVar
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.gate import is_upload
from api.problems import ProblemError, error_response
from config.metrics import AT_THE_DOOR

_PATIENCE_SECONDS: Final = 30.0
_RETRY_AFTER_SECONDS: Final = "5"
# Whoever watches this process must be answered when it has most to do.
_ALWAYS_OPEN: Final = frozenset({"/healthz", "/readyz", "/metrics"})


class _Place:
    """One request's place inside, given up once."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._is_taken = False

    async def take(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await self._places.acquire()
        self._is_taken = True

    def leave(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._places.release()


_place: ContextVar[_Place | None] = ContextVar("place", default=None)


def leave() -> None:
    """Let the next request in; to be called before waiting for anything but the database."""
    if place := _place.get():
        place.leave()


class Door:
    """Lets ``places`` requests in at once, first come, first served; plain ASGI, because it runs for every request.

    Who waits for half a minute is answered 503 ``busy``; nothing was done by then. Uploads pass, because their route
    waits for whoever sends them.
    """

    def __init__(self, app: ASGIApp, *, places: int, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._app = app
        self._places = asyncio.Semaphore(places)
        self._patience_seconds = patience_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, when there is a place."""
        is_of_page = scope.get("state", {}).get("is_of_page", False)
        if scope["type"] != "http" or is_of_page or scope["path"] in _ALWAYS_OPEN or is_upload(scope):
            await self._app(scope, receive, send)
            return
        place = _Place(self._places)
        try:
            with AT_THE_DOOR.track_inprogress():
                await place.take(self._patience_seconds)
        except TimeoutError:
            busy = ProblemError("busy", headers={"Retry-After": _RETRY_AFTER_SECONDS})
            await error_response(Request(scope), busy)(scope, receive, send)
            return
        await self._let_in(place, scope, receive, send)

    async def _let_in(self, place: _Place, scope: Scope, receive: Receive, send: Send) -> None:
        async def leave_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                place.leave()
            await send(message)

        token = _place.set(place)
        try:
            await self._app(scope, receive, leave_and_send)
        finally:
            _place.reset(token)
            place.leave()
