"""Staff: credit from before the portal's time, entered into a learner's record, and voided if it was a mistake."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Office, Principal
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Body, Code, Day, Reason, ReasonRequest, Units
from api.v1.once import answer_once
from api.v1.steps import StaffDesk, json_response
from api.views import time_json
from domain.credit import parse_units
from domain.identities import is_id
from domain.names import clean_text
from domain.transcripts import historical_award_problems, rule_at
from storage import historical_awards, transcripts
from storage.acts import Actor
from storage.historical_awards import HistoricalAward, NewHistoricalAward

router = APIRouter(
    prefix="/v1/staff/learners/{learner_id}/historical-awards", tags=["staff"], responses=answers.STAFF_PROBLEMS
)

ServicesOf = Annotated[Services, Depends(services_of)]

_MAXIMUM_LINE_LENGTH: Final = 300
# Where the day begins first it is fourteen hours later than in UTC; the zone of a historical award is not known.
_FURTHEST_AHEAD: Final = timedelta(hours=14)


def _line(text: str) -> str:
    cleaned = " ".join(clean_text(text, _MAXIMUM_LINE_LENGTH).split())
    if not cleaned:
        raise ValueError("text_empty")
    return cleaned


Line = Annotated[str, AfterValidator(_line)]


class HistoricalAwardRequest(Body):
    """Credit that others have on record, and the reason for entering it."""

    title: Line
    provider: Line
    credit_type: Code
    units: Units
    completed_on: Day
    reference: Line | None = None
    reason: Reason

    def new_award(self, today: date) -> NewHistoricalAward:
        """What is to be entered; raises 422 with every field that is not right."""
        units, completed_on = parse_units(self.units), date.fromisoformat(self.completed_on)
        errors = [
            FieldError(f"/{problem.field}", problem.code, problem.message)
            for problem in historical_award_problems(self.credit_type, units, completed_on, today)
        ]
        if errors:
            raise ProblemError("validation_failed", errors=errors)
        return NewHistoricalAward(
            title=self.title,
            provider=self.provider,
            credit_type=self.credit_type,
            units=units,
            completed_on=completed_on,
            reference=self.reference,
            reason=self.reason,
        )


class HistoricalAwardAnswer(BaseModel):
    """Credit from before the portal's time; with ``voided_at`` it is on no transcript any more."""

    id: str
    href: str
    learner: str
    title: str
    provider: str
    credit_type: str
    credit_name: str
    credit_is_italic: bool
    unit: str
    units: answers.Units
    completed_on: str
    reference: str | None
    reason: str
    entered_by: str
    entered_at: answers.Time
    voided_by: str | None
    voided_at: answers.Time | None
    void_reason: str | None


class EnteredHistoricalAward(HistoricalAwardAnswer):
    """What was entered; ``is_new`` is false when the same credit was entered before."""

    is_new: bool


class HistoricalAwardList(BaseModel):
    """A page of historical awards; pass ``next`` as ``after`` to go on."""

    data: list[HistoricalAwardAnswer]
    has_more: bool
    next: str | None


def award_json(award: HistoricalAward) -> dict[str, Any]:
    """A historical award as staff see it."""
    rule = rule_at(award.credit_type, award.completed_on)
    return {
        "id": award.id,
        "href": f"/v1/staff/learners/{award.learner_id}/historical-awards/{award.id}",
        "learner": award.learner_id,
        "title": award.title,
        "provider": award.provider,
        "credit_type": award.credit_type,
        "credit_name": rule.name,
        "credit_is_italic": rule.is_italic,
        "unit": rule.unit,
        "units": str(award.units),
        "completed_on": award.completed_on.isoformat(),
        "reference": award.reference,
        "reason": award.reason,
        "entered_by": award.entered_by,
        "entered_at": time_json(award.entered_at),
        "voided_by": award.voided_by,
        "voided_at": time_json(award.voided_at),
        "void_reason": award.void_reason,
    }


async def _hold(connection: AsyncConnection, principal: Principal, learner_id: str) -> str:
    """Let nobody else write this learner's record for now; answers with whose it is since the last merge.

    Raises 404 without such a learner, 403 for one's own record.
    """
    lock = historical_awards.lock_learner
    kept_id = await connection.run_sync(lock, learner_id) if is_id(learner_id, "lrn") else None
    if kept_id is None:
        raise ProblemError("not_found")
    own = await transcripts.learner_name(connection, principal.learner_id)
    if own is not None and own.learner_id == kept_id:
        raise ProblemError("own_account")
    return kept_id


@router.post("", response_model=EnteredHistoricalAward)
async def enter_historical_award(learner_id: str, body: HistoricalAwardRequest, desk: StaffDesk) -> Response:
    """Enter credit from before the portal's time; the same credit is entered once, unless the first was voided."""
    new = body.new_award((datetime.now(UTC) + _FURTHEST_AHEAD).date())
    actor = Actor(desk.principal.account_id, desk.envelope.request_id)

    async def enter(connection: AsyncConnection) -> dict[str, Any]:
        kept_id = await _hold(connection, desk.principal, learner_id)
        award, is_new = await connection.run_sync(historical_awards.enter, kept_id, new, actor)
        return {**award_json(award), "is_new": is_new}

    return await answer_once(desk.services, desk.envelope.key, enter)


@router.post("/{award_id}/void", response_model=HistoricalAwardAnswer)
async def void_historical_award(learner_id: str, award_id: str, body: ReasonRequest, desk: StaffDesk) -> Response:
    """Take a historical award off every transcript; the record keeps it. One that is voided stays as it is."""
    if not is_id(award_id, "haw"):
        raise ProblemError("not_found")
    actor = Actor(desk.principal.account_id, desk.envelope.request_id)

    async def void(connection: AsyncConnection) -> dict[str, Any]:
        kept_id = await _hold(connection, desk.principal, learner_id)
        award = await connection.run_sync(historical_awards.void, kept_id, award_id, actor, body.reason)
        if award is None:
            raise ProblemError("not_found")
        return award_json(award)

    return await answer_once(desk.services, desk.envelope.key, void)


@router.get("", response_model=HistoricalAwardList)
async def list_historical_awards(
    learner_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, Query(max_length=80, description="The `next` of the page before.")] = None,
) -> Response:
    """Everything that was entered for a learner, voided or not, the newest completion first."""
    if after is not None and not is_id(after, "haw"):
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])

    async def read(connection: AsyncConnection) -> list[HistoricalAward] | None:
        if await transcripts.learner_name(connection, learner_id) is None:
            return None
        return await historical_awards.entered_for(connection, learner_id, after, limit + 1)

    awards = await services.database.statements(read) if is_id(learner_id, "lrn") else None
    if awards is None:
        raise ProblemError("not_found")
    shown, has_more = awards[:limit], len(awards) > limit
    data = [award_json(award) for award in shown]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].id if has_more else None})
