"""The layer that traces requests; it is only there where somebody collects traces."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.edge import method_of, route_of
from config import tracing


class Traced:
    """Begins a span for each request that comes from outside, around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request within its span."""
        if scope["type"] != "http" or scope.get("state", {}).get("is_of_page"):
            await self._app(scope, receive, send)
            return
        status = 500

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with tracing.request(Headers(scope=scope)) as span:
            try:
                await self._app(scope, receive, send_noting)
            finally:
                request_id = scope["state"]["request_id"]
                tracing.describe_request(span, method_of(scope), route_of(scope), status, request_id)
