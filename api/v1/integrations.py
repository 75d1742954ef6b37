"""Events that learning platforms send, signed as the Standard Webhooks specification (1.0) says.

An event is committed before it is acknowledged. What it says of its learner is never answered to the platform.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

import structlog
from fastapi import APIRouter, Depends, Header
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.requests import Request
from starlette.responses import Response

from api.auth import client_address, count_request
from api.gate import ASKED
from api.limits import Limit
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Body, Code
from api.v1.steps import json_response
from domain.intervals import MOST_INTERVALS, MOST_SECONDS
from domain.platform_events import LEARNER_KEYS, EventType, is_event_id
from storage import integrations, platform_events
from storage.platform_effects import Source
from storage.platform_events import EventIdReusedError

_log = structlog.get_logger("laurel.api")

router = APIRouter(prefix="/v1/integrations", tags=["integrations"])

ServicesOf = Annotated[Services, Depends(services_of)]

# A platform speaks for all its learners.
_LEARNERS_PER_PLATFORM: Final = 10
_SIGNED_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_CLOCKS_DIFFER: Final = timedelta(minutes=5)

RECEIVED: Final = {"message": "The event is recorded."}


class EventReceived(BaseModel):
    """The same for every event that was recorded."""

    message: str


async def signed(
    name: str,
    request: Request,
    services: ServicesOf,
    _webhook_id: Annotated[str | None, Header(alias="webhook-id", description="Which event this is, always.")] = None,
    _webhook_timestamp: Annotated[
        str | None, Header(alias="webhook-timestamp", description="When it is sent: seconds since 1970.")
    ] = None,
    _webhook_signature: Annotated[
        str | None, Header(alias="webhook-signature", description="`v1,` and the signature; several with blanks.")
    ] = None,
) -> Source:
    """Whoever signs with a valid secret of the integration; else 401, the same for an unknown one."""
    is_name = integrations.is_name(name)
    secrets = (
        await services.database.statements(lambda c: c.run_sync(integrations.valid_secrets, name)) if is_name else ()
    )
    headers = {header: values[0] for header in _SIGNED_HEADERS if len(values := request.headers.getlist(header)) == 1}
    body = await request.body()
    if not any(_is_signed(secret, headers, body) for secret in secrets):
        count_request(request, services, client_address(request))
        _log.warning("integration.refused", integration=name if secrets else None)
        raise ProblemError("signature_invalid")
    limit = Limit("events", services.settings.requests_per_minute * _LEARNERS_PER_PLATFORM)
    request.state.limit_headers = services.limiter.hit(limit, name)
    if not is_event_id(headers["webhook-id"]):
        raise ProblemError("validation_failed", errors=[FieldError("webhook-id", "format")])
    return Source(name, headers["webhook-id"], request.state.request_id)


def _is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        # The library raises ValueError for what is not even shaped like a signature.
        return False
    return True


ACCESS: Final = frozenset({signed})


def _time(text: str) -> str:
    try:
        at = datetime.fromisoformat(text.upper()) if _TIME.fullmatch(text) else None
    except ValueError:
        at = None
    if at is None:
        raise ValueError("time_format")
    if at > datetime.now(UTC) + _CLOCKS_DIFFER:
        raise ValueError("time_in_future")
    return text


def _ordered(interval: list[int]) -> list[int]:
    if interval[0] > interval[1]:
        raise ValueError("interval_reversed")
    return interval


def _one_known_key(learner: dict[str, str]) -> dict[str, str]:
    if not learner.keys() <= LEARNER_KEYS:
        raise ValueError("identifier_unknown")
    return learner


Second = Annotated[int, Field(ge=0, le=MOST_SECONDS)]
Interval = Annotated[list[Second], Field(min_length=2, max_length=2), AfterValidator(_ordered)]
LearnerValue = Annotated[str, StringConstraints(min_length=1, max_length=320)]
LearnerName = Annotated[dict[str, LearnerValue], Field(min_length=1, max_length=1), AfterValidator(_one_known_key)]


class EventRequest(Body):
    """One event: what its ``data`` holds follows from its ``type``."""

    type: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
    timestamp: Annotated[str, StringConstraints(max_length=40), AfterValidator(_time)]
    data: dict[str, Any]


class ProgressData(Body):
    """How much of a piece of content a learner watched or attended: intervals, the total so far, or both."""

    learner: LearnerName
    ce_activity: Code
    content: Code
    intervals: Annotated[list[Interval], Field(max_length=MOST_INTERVALS)] | None = None
    seconds: Second | None = None

    @model_validator(mode="after")
    def _says_how_much(self) -> Self:
        if self.intervals is None and self.seconds is None:
            raise ValueError("progress_missing")
        return self


class ParticipationData(Body):
    """A learner took part, which the platform vouches for."""

    learner: LearnerName
    ce_activity: Code
    method: Literal["attended"] = "attended"


_DATA: Final[dict[str, type[Body]]] = {
    EventType.PROGRESS_UPDATED: ProgressData,
    EventType.PARTICIPATION_RECORDED: ParticipationData,
}


@router.post(
    "/{name}/events",
    status_code=202,
    response_model=EventReceived,
    responses={**answers.PROBLEMS, 409: answers.TAKEN[409]},
)
async def receive_event(
    request: Request, source: Annotated[Source, Depends(signed)], body: EventRequest, services: ServicesOf
) -> Response:
    """Send one event. A repeated `webhook-id` has no further effect; types without an effect are kept, too."""
    _check(body)
    event: dict[str, Any] = request.scope[ASKED]

    async def receive(connection: AsyncConnection) -> bool:
        return await connection.run_sync(platform_events.receive, source, event)

    try:
        is_new = await services.database.transaction(receive)
    except EventIdReusedError:
        _log.warning("integration.event_id_reused", integration=source.integration)
        raise ProblemError("event_id_reused") from None
    return json_response(RECEIVED, 202, {} if is_new else {"Idempotent-Replayed": "true"})


def _check(body: EventRequest) -> None:
    """Refuse data that its type does not have."""
    if body.type not in _DATA:
        return
    try:
        _DATA[body.type].model_validate(body.data)
    except ValidationError as error:
        wrong = [{**each, "loc": ("body", "data", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(wrong) from None
