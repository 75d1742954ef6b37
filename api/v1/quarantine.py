"""Events of learning platforms that staff look at: those in quarantine, and what became of the others."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Office
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers, bodies
from api.v1.bodies import Nothing, ReasonRequest
from api.v1.once import answer_once
from api.v1.steps import Desk, StaffDesk, json_response
from api.views import time_json
from domain.platform_events import EventProblem, EventState, is_event_id
from storage import platform_events
from storage.integrations import is_name
from storage.platform_effects import Source
from storage.platform_events import EventNotFoundError, EventSettledError, EventView, LearnerNotFoundError

router = APIRouter(prefix="/v1/staff/integration-events", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
_SETTLED: Final[answers.Responses] = {409: answers.TAKEN[409]}


class IntegrationEvent(BaseModel):
    """An event as its platform sent it, and what became of it."""

    integration: str
    id: str
    type: str
    body: dict[str, Any]
    state: EventState
    problem: EventProblem | None
    learner_id: str | None
    received_at: answers.Time
    settled_at: answers.Time | None
    settled_by: str | None


class IntegrationEventList(BaseModel):
    """A page of events, oldest first; pass ``next`` as ``after`` to go on."""

    data: list[IntegrationEvent]
    has_more: bool
    next: str | None


class AssignmentRequest(bodies.Body):
    """Whose event it is."""

    learner: Annotated[str, StringConstraints(pattern=r"^lrn_[0-9a-z]{26}$")]


class EventFilter(BaseModel):
    """Which events to list."""

    state: EventState = EventState.QUARANTINED
    integration: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[str, Field(max_length=200)] | None = None


@router.get("", response_model=IntegrationEventList)
async def list_events(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    wanted: Annotated[EventFilter, Query()],
) -> Response:
    """Events in a state, by default those in quarantine, oldest first."""
    after, limit = wanted.after, wanted.limit
    last = _source_of(*after.partition("/")[::2]) if after is not None else None
    if after is not None and last is None:
        raise _wrong_cursor()

    async def read(connection: AsyncConnection) -> list[EventView]:
        return await connection.run_sync(platform_events.events, wanted.state, wanted.integration, last, limit + 1)

    try:
        views = await services.database.transaction(read)
    except EventNotFoundError:
        raise _wrong_cursor() from None
    shown, has_more = views[:limit], len(views) > limit
    cursor = f"{shown[-1].integration}/{shown[-1].id}" if has_more else None
    return json_response({"data": [_event_json(view) for view in shown], "has_more": has_more, "next": cursor})


def _wrong_cursor() -> ProblemError:
    return ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])


def _source_of(integration: str, event_id: str, request_id: str | None = None) -> Source | None:
    """The event that an address names; None for what can name none."""
    is_event = is_name(integration) and is_event_id(event_id)
    return Source(integration, event_id, request_id) if is_event else None


def _event_json(view: EventView) -> dict[str, Any]:
    times = {
        name: at and time_json(at) for name, at in (("received_at", view.received_at), ("settled_at", view.settled_at))
    }
    return {**asdict(view), **times}


Settle = Callable[[Connection, Source], EventView]


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Where one request settles one event: once per idempotency key."""

    source: Source
    desk: Desk

    @property
    def actor(self) -> str:
        """The account that settles it."""
        return self.desk.principal.account_id

    async def settle(self, change: Settle) -> Response:
        """Change the event in one transaction, and answer with it as it is then."""

        async def work(connection: AsyncConnection) -> dict[str, Any]:
            return _event_json(await connection.run_sync(change, self.source))

        try:
            return await answer_once(self.desk.services, self.desk.envelope.key, work)
        except EventNotFoundError:
            raise ProblemError("not_found") from None
        except EventSettledError:
            raise ProblemError("event_settled") from None
        except LearnerNotFoundError:
            raise ProblemError("validation_failed", errors=[FieldError("/learner", "learner_unknown")]) from None


def quarantine(integration: str, event_id: str, desk: StaffDesk) -> Quarantine:
    """The event that staff want to settle; what cannot be an event's address is as absent as any other."""
    source = _source_of(integration, event_id, desk.envelope.request_id)
    if source is None:
        raise ProblemError("not_found")
    return Quarantine(source, desk)


QuarantineOf = Annotated[Quarantine, Depends(quarantine)]


@router.post("/{integration}/{event_id}/assign", response_model=IntegrationEvent, responses=_SETTLED)
async def assign_event(body: AssignmentRequest, at: QuarantineOf) -> Response:
    """Say whose event it is, and apply it; if that is not possible it stays in quarantine, with another problem."""
    if body.learner == at.desk.principal.learner_id:
        raise ProblemError("own_claim")
    return await at.settle(lambda c, source: platform_events.assign(c, source, body.learner, at.actor))


@router.post("/{integration}/{event_id}/retry", response_model=IntegrationEvent, responses=_SETTLED)
async def retry_event(
    at: QuarantineOf,
    body: Annotated[Nothing | None, Body()] = None,  # noqa: ARG001  # its being there says that fields are refused
) -> Response:
    """Try to apply an event again, for example after the CE activity that it names was published."""
    return await at.settle(lambda c, source: platform_events.retry(c, source, at.actor))


@router.post("/{integration}/{event_id}/dismiss", response_model=IntegrationEvent, responses=_SETTLED)
async def dismiss_event(body: ReasonRequest, at: QuarantineOf) -> Response:
    """Let an event have no effect, for a reason."""
    return await at.settle(lambda c, source: platform_events.dismiss(c, source, body.reason, at.actor))
