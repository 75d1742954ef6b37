"""Staff: the issuance pause, which stops awards and certificates of one provider or of all until it is lifted."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Office
from api.history import actor_json, names_of
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Body, Reason, Slug
from api.v1.once import answer_once
from api.v1.steps import ApproverDesk, Desk, json_response
from api.views import time_json
from domain.identities import is_id
from domain.reasons import PauseReason, ResumptionReason
from storage import issuance
from storage.acts import Actor
from storage.history import AccountName
from storage.issuance import IssuancePause, UnknownProviderError, Waiting

router = APIRouter(prefix="/v1/staff/issuance-pauses", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]


class PauseRequest(Body):
    """Stop issuance of a provider, by its slug, or of all with null."""

    provider: Slug | None
    reason_code: Annotated[PauseReason, Field(strict=False)]
    reason: Reason


class LiftRequest(Body):
    """Let issuance go on."""

    reason_code: Annotated[ResumptionReason, Field(strict=False)]
    reason: Reason


class IssuancePauseAnswer(BaseModel):
    """A pause of a provider, or of all (null); with ``lifted_at`` it is over."""

    id: str
    href: str
    provider: str | None
    reason_code: PauseReason
    reason: str
    placed_by: answers.AuditActor
    placed_at: answers.Time
    lifted_by: answers.AuditActor | None
    lifted_at: answers.Time | None
    lift_reason_code: ResumptionReason | None
    lift_reason: str | None


class PlacedIssuancePause(IssuancePauseAnswer):
    """The pause that is in force now; ``is_new`` is false when it was before."""

    is_new: bool


class WaitingForIssuance(BaseModel):
    """How much waits for issuance to go on."""

    claims: int
    corrections: int


class Provider(BaseModel):
    """A provider that has published a CE activity."""

    slug: str
    name: str


class IssuancePauseList(BaseModel):
    """Pauses, what waits for those that are in force, and the providers that one may be of."""

    data: list[IssuancePauseAnswer]
    waiting: WaitingForIssuance
    providers: list[Provider]


def pause_json(pause: IssuancePause, names: Mapping[str, AccountName]) -> dict[str, Any]:
    """A pause as the office sees it; ``names`` says who accounts are."""
    return {
        "id": pause.id,
        "href": f"/v1/staff/issuance-pauses/{pause.id}",
        "provider": pause.provider,
        "reason_code": pause.reason_code,
        "reason": pause.reason,
        "placed_by": actor_json(pause.placed_by, names),
        "placed_at": time_json(pause.placed_at),
        "lifted_by": actor_json(pause.lifted_by, names),
        "lifted_at": time_json(pause.lifted_at),
        "lift_reason_code": pause.lift_reason_code,
        "lift_reason": pause.lift_reason,
    }


@router.get("", response_model=IssuancePauseList)
async def list_issuance_pauses(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    *,
    with_lifted: Annotated[bool, Query(description="Also those that are over: the newest hundred of all.")] = False,
) -> Response:
    """The pauses in force, the oldest first, and how much waits for them."""

    def read(connection: Connection) -> tuple[list[IssuancePause], Waiting, list[tuple[str, str]]]:
        pauses = issuance.listed(connection, with_lifted=with_lifted)
        return pauses, issuance.waiting(connection), issuance.providers(connection)

    pauses, waiting, providers = await services.database.statements(lambda c: c.run_sync(read))
    names = await names_of(services, {actor for each in pauses for actor in (each.placed_by, each.lifted_by)})
    return json_response(
        {
            "data": [pause_json(each, names) for each in pauses],
            "waiting": {"claims": waiting.claims, "corrections": waiting.corrections},
            "providers": [{"slug": slug, "name": name} for slug, name in providers],
        }
    )


@router.post("", response_model=PlacedIssuancePause)
async def pause_issuance(body: PauseRequest, desk: ApproverDesk) -> Response:
    """Let no credit be awarded, no certificate be made and no award be announced, from this answer on.

    One that is in force for the same provider stays as it was placed. Credit that learners claim meanwhile is kept.
    """
    actor = Actor(desk.principal.account_id, desk.envelope.request_id)

    async def place(connection: AsyncConnection) -> Mapping[str, Any]:
        try:
            pause, is_new = await connection.run_sync(
                issuance.place, body.provider, body.reason_code, body.reason, actor
            )
        except UnknownProviderError:
            message = "is the slug of a provider that has published a CE activity"
            errors = [FieldError("/provider", "provider_unknown", message)]
            raise ProblemError("validation_failed", errors=errors) from None
        return {**pause_json(pause, await _names(desk, pause)), "is_new": is_new}

    return await answer_once(desk.services, desk.envelope.key, place)


@router.post("/{pause_id}/lift", response_model=IssuancePauseAnswer)
async def lift_issuance_pause(pause_id: str, body: LiftRequest, desk: ApproverDesk) -> Response:
    """Let issuance go on; what waited is decided and issued by itself. A pause that was lifted stays as it is."""
    actor = Actor(desk.principal.account_id, desk.envelope.request_id)

    async def lift(connection: AsyncConnection) -> Mapping[str, Any]:
        pause = None
        if is_id(pause_id, "isp"):
            pause = await connection.run_sync(issuance.lift, pause_id, body.reason_code, body.reason, actor)
        if pause is None:
            raise ProblemError("not_found")
        return pause_json(pause, await _names(desk, pause))

    return await answer_once(desk.services, desk.envelope.key, lift)


async def _names(desk: Desk, pause: IssuancePause) -> Mapping[str, AccountName]:
    return await names_of(desk.services, (pause.placed_by, pause.lifted_by))
