"""What Prometheus is told: what this process counted, and the figures of the whole record."""

import asyncio
import time
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from prometheus_client import Gauge
from starlette.responses import Response

from api.auth import public
from api.services import Services, services_of
from config.metrics import exposition
from storage.measures import Measures, measures

router = APIRouter(tags=["health"])

_CLAIMS: Final = Gauge("laurel_claims", "Claims, by stage and by what needs attention.", ["stage", "attention"])
_WAITING: Final = Gauge("laurel_waiting", "What waits for us, by kind.", ["kind"])
_AGE: Final = Gauge("laurel_waiting_seconds", "Age of the oldest thing that waits for us, by kind.", ["kind"])
_KEPT_SECONDS: Final = 10.0


class _Reader:
    """Reads the figures at most every ten seconds, however many ask."""

    def __init__(self) -> None:
        self._read_at = float("-inf")
        self._turn = asyncio.Lock()

    async def refresh(self, services: Services) -> None:
        """Have the gauges show figures that are at most ten seconds old."""
        async with self._turn:
            if time.monotonic() - self._read_at >= _KEPT_SECONDS:
                _show(await services.database.statements(measures))
                self._read_at = time.monotonic()


_reader: Final = _Reader()


def _show(found: Measures) -> None:
    _CLAIMS.clear()
    for (stage, attention), number in found.claims.items():
        _CLAIMS.labels(stage, attention).set(number)
    _WAITING.labels("submission").set(found.undecided_submissions)
    _WAITING.labels("email").set(found.unsent_emails)
    _WAITING.labels("failing_email").set(found.failing_emails)
    _WAITING.labels("certificate").set(found.unissued_certificates)
    _AGE.labels("submission").set(found.undecided_seconds)
    _AGE.labels("email").set(found.unsent_seconds)
    _AGE.labels("checkpoint").set(found.checkpoint_seconds)


@router.get("/metrics", response_class=Response, dependencies=[Depends(public)])
async def show_metrics(services: Annotated[Services, Depends(services_of)]) -> Response:
    """Counters, durations and figures as Prometheus reads them; codes and numbers only.

    Proxies should keep it to the inside, although nobody is named in it.
    """
    await _reader.refresh(services)
    body, content_type = exposition()
    return Response(body, media_type=content_type)
