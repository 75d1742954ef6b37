"""What Prometheus is told of a process: counters of what it did, and whether it is alive and ready.

Nothing here holds a name, an address or an id: labels are codes. ``deploy/`` has a dashboard and alert rules for them.
"""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

REQUESTS: Final = Histogram(
    "laurel_http_request_seconds",
    "Time to answer a request.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
AT_THE_DOOR: Final = Gauge("laurel_http_requests_waiting", "Requests that wait until others are answered.")
STEPS: Final = Histogram(
    "laurel_step_seconds",
    "Time from taking a step in to its decision, or to the end of the caller's patience.",
    ["kind", "outcome"],
    buckets=(0.025, 0.05, 0.1, 0.2, 0.4, 1, 2, 5, 10, 30),
)
RENDERS: Final = Histogram(
    "laurel_render_seconds",
    "Time to render one certificate, by outcome.",
    ["outcome"],
    buckets=(0.01, 0.02, 0.04, 0.08, 0.16, 0.5, 1, 5, 10),
)
EMAILS: Final = Counter("laurel_emails", "E-mails handed to the mail server, by outcome.", ["outcome"])
DELIVERIES: Final = Counter(
    "laurel_relayed_submissions", "Submissions that the relay delivered, by outcome.", ["outcome"]
)

Check = Callable[[], bool]


def exposition() -> tuple[bytes, str]:
    """Everything that this process counted, and its content type."""
    return generate_latest(), CONTENT_TYPE_LATEST


class HealthServer:
    """Serves ``/metrics``, ``/healthz`` and ``/readyz`` of a process that serves nothing else, from a thread.

    ``checks`` are asked for each ``/readyz``: 200 while all hold, else 503, with each one's result as JSON.
    """

    def __init__(self, port: int, checks: Mapping[str, Check]) -> None:
        handler = type("Handler", (_Handler,), {"checks": dict(checks)})
        # Whoever scrapes a worker does so from another container.
        self._server = ThreadingHTTPServer(("0.0.0.0", port), handler)  # noqa: S104
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """The port that it listens on; of its own choosing where port 0 was asked for."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Serve until ``stop``."""
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    checks: Mapping[str, Check] = {}

    def do_GET(self) -> None:  # http.server calls it so
        """Answer one request."""
        match self.path:
            case "/metrics":
                self._answer(200, *exposition())
            case "/healthz":
                self._answer_json(200, {"status": "ok"})
            case "/readyz":
                results = {name: check() for name, check in self.checks.items()}
                is_ready = all(results.values())
                document = {"status": "ok" if is_ready else "unavailable", "checks": results}
                self._answer_json(200 if is_ready else 503, document)
            case _:
                self._answer_json(404, {"status": "unknown"})

    def _answer_json(self, status: int, document: Mapping[str, Any]) -> None:
        self._answer(status, json.dumps(document).encode(), "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Keep probes out of the log."""
