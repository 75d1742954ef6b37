"""Staff: how the programme goes, what waits for the office, and whether every part of Laurel works."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.auth import Office
from api.gateway import QueueView
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Slug
from api.v1.steps import json_response
from api.views import time_json
from domain.claims import CLOSED_STAGES, Stage
from storage import overview, queries
from storage.overview import STEPS, WEEKS, Figures, Lags

router = APIRouter(prefix="/v1/staff", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_DUE_WITHIN: Final = timedelta(days=7)
_KEPT_SECONDS: Final = 10.0
_MOST_KEPT: Final = 100
# What takes longer than this is said to be late.
_LATE_SECONDS: Final = 120
_LATE_CHECKPOINT_SECONDS: Final = 900


class StageCount(BaseModel):
    """How many claims are in a stage."""

    stage: Stage
    claims: int


class StepFigures(BaseModel):
    """How many claims have done a step, and the median of the seconds since the step before, of the newest awards."""

    step: str
    claims: int
    median_seconds: int | None


class WeekFigures(BaseModel):
    """How many claims were opened, and how many credited, in the week (UTC) that begins on a Monday."""

    week_on: str
    opened: int
    awarded: int


class WaitingCount(BaseModel):
    """How much waits for the office, and where it is listed."""

    kind: Literal["due_soon", "attention", "extension_requests", "problem_reports", "corrections", "failing_emails"]
    count: int
    href: str


class Overview(BaseModel):
    """The overview; figures of claims are at most ten seconds old, what waits is of now."""

    ce_activity: str | None
    read_at: answers.Time
    opened: int
    open: int
    awarded: int
    stages: list[StageCount]
    steps: list[StepFigures]
    weeks: list[WeekFigures]
    waiting: list[WaitingCount]


class PartDocument(BaseModel):
    """A part of Laurel: whether it works, how many workers it has, how much waits for it and for how many seconds.

    ``last_seen_at`` is when a worker last asked for work, or when the newest checkpoint was made.
    """

    part: Literal["temporal", "claims_workers", "documents_workers", "relay", "outbox", "checkpoints", "listener"]
    is_working: bool
    workers: int | None = None
    waiting: int | None = None
    seconds: int | None = None
    last_seen_at: answers.Time | None = None


class Parts(BaseModel):
    """Every part of Laurel."""

    is_working: bool
    read_at: answers.Time
    data: list[PartDocument]


class _Kept:
    """Figures that are counted over all claims, read at most every ten seconds for each CE activity."""

    def __init__(self) -> None:
        self._figures: dict[str | None, tuple[float, Figures]] = {}
        self._turn = asyncio.Lock()

    async def of(self, services: Services, ce_activity_id: str | None) -> Figures:
        """The figures of one CE activity, or of all."""
        # Many who look at once wait for one reading.
        async with self._turn:
            read_at, kept = self._figures.get(ce_activity_id, (float("-inf"), None))
            if kept is None or time.monotonic() - read_at >= _KEPT_SECONDS:
                kept = await services.database.statements(lambda c: overview.figures(c, ce_activity_id))
                if len(self._figures) >= _MOST_KEPT:
                    self._figures.clear()
                self._figures[ce_activity_id] = (time.monotonic(), kept)
            return kept


async def kept_figures(request: Request) -> _Kept:
    """The figures that this application keeps."""
    state = request.app.state
    if not hasattr(state, "kept_figures"):
        state.kept_figures = _Kept()
    kept: _Kept = state.kept_figures
    return kept


@router.get("/overview", response_model=Overview)
async def show_overview(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    kept: Annotated[_Kept, Depends(kept_figures)],
    ce_activity: Slug | None = None,
) -> Response:
    """How many claims stand where, how long steps take, how it went in twelve weeks, and what waits for the office."""
    ce_activity_id = None
    if ce_activity is not None:
        view = await services.database.statements(lambda c: queries.ce_activity(c, ce_activity))
        if view is None:
            raise ProblemError("not_found")
        ce_activity_id = view.id
    figures = await kept.of(services, ce_activity_id)
    waiting = await services.database.statements(lambda c: overview.waiting(c, _DUE_WITHIN))
    now = datetime.now(UTC)
    due_before = time_json((now + _DUE_WITHIN).replace(microsecond=0))
    hrefs = {
        "due_soon": f"/v1/staff/claims?sort=due&due_before={due_before}",
        "attention": "/v1/staff/claims/stuck",
        "extension_requests": "/v1/staff/claims?is_extension_requested=true",
        "problem_reports": "/v1/staff/problem-reports?state=open",
        "corrections": "/v1/staff/corrections?state=awaiting_approval",
        "failing_emails": "/v1/staff/emails?state=failing",
    }
    counts = [{"kind": kind, "count": getattr(waiting, kind), "href": href} for kind, href in hrefs.items()]
    return json_response(
        {"ce_activity": ce_activity, "read_at": time_json(now), **_figures_json(figures), "waiting": counts}
    )


def _figures_json(figures: Figures) -> dict[str, Any]:
    weeks = [figures.this_week_on - timedelta(weeks=ago) for ago in reversed(range(WEEKS))]
    return {
        "opened": figures.opened,
        "open": sum(count for stage, count in figures.stages.items() if stage not in CLOSED_STAGES),
        "awarded": figures.done["award"],
        "stages": [{"stage": stage, "claims": figures.stages.get(stage, 0)} for stage in Stage],
        "steps": [
            {"step": step, "claims": figures.done[step], "median_seconds": _whole(figures.medians[step])}
            for step in STEPS
        ],
        "weeks": [
            {
                "week_on": week.isoformat(),
                "opened": figures.opened_by_week.get(week, 0),
                "awarded": figures.awarded_by_week.get(week, 0),
            }
            for week in weeks
        ],
    }


@router.get("/parts", response_model=Parts)
async def show_parts(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
) -> Response:
    """Whether every part works: Temporal, the workers of each queue, and what is behind time in the record."""
    queues = await services.gateway.queues()
    lags = await services.database.statements(overview.lags)
    data = [
        {"part": "temporal", "is_working": queues is not None},
        *(_queue_json(queue) for queue in queues or ()),
        _lag_json("relay", lags.undecided, lags.undecided_seconds),
        _lag_json("outbox", lags.unsent, lags.unsent_seconds),
        _checkpoints_json(lags),
        {"part": "listener", "is_working": services.wakeups.is_listening},
    ]
    full = [{**dict.fromkeys(("workers", "waiting", "seconds", "last_seen_at")), **each} for each in data]
    is_working = all(each["is_working"] for each in data)
    return json_response({"is_working": is_working, "read_at": time_json(datetime.now(UTC)), "data": full})


def _queue_json(queue: QueueView) -> dict[str, Any]:
    return {
        "part": f"{queue.name}_workers",
        "is_working": queue.workers > 0,
        "workers": queue.workers,
        "last_seen_at": time_json(queue.last_seen_at),
    }


def _lag_json(part: str, waiting: int, seconds: float | None) -> Mapping[str, Any]:
    is_working = seconds is None or seconds < _LATE_SECONDS
    return {"part": part, "is_working": is_working, "waiting": waiting, "seconds": _whole(seconds)}


def _checkpoints_json(lags: Lags) -> Mapping[str, Any]:
    seconds = lags.unsealed_seconds
    return {
        "part": "checkpoints",
        "is_working": seconds is None or seconds < _LATE_CHECKPOINT_SECONDS,
        "seconds": _whole(seconds),
        "last_seen_at": time_json(lags.sealed_at),
    }


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)
