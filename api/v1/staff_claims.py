"""Staff: the list of all learners' claims, by a filter that stands in the address."""

import re
from dataclasses import fields
from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Office
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Day, Slug
from api.v1.claims import check_cursor
from api.v1.staff import plausible
from api.v1.steps import json_response
from api.views import local_time_json, time_json
from domain.claims import Attention, Stage
from storage import claim_lists
from storage.claim_lists import MOST_COUNTED, ClaimFilter, ClaimOrder

router = APIRouter(prefix="/v1/staff", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_A_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _from_midnight(value: Any) -> Any:
    """A day stands for its first moment in UTC."""
    return f"{value}T00:00:00Z" if isinstance(value, str) and _A_DAY.fullmatch(value) else value


def _words(text: str) -> str:
    if "\0" in text:
        raise ValueError("text_characters")
    return text.strip()


Learner = Annotated[str, Field(min_length=1, max_length=320), AfterValidator(_words)]


class SharedFilter(BaseModel):
    """Which claims are meant, by anything but whose they are; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    stage: Stage | None = None
    attention: Attention | None = None
    ce_activity: Slug | None = None
    provider: Slug | None = None
    due_before: Annotated[AwareDatetime, BeforeValidator(_from_midnight), AfterValidator(plausible)] | None = None
    is_extension_requested: bool = False
    opened_from: Annotated[Day | None, Field(description="The first day, in UTC.")] = None
    opened_until: Annotated[Day | None, Field(description="The last day, in UTC.")] = None

    def wanted(self) -> ClaimFilter:
        """The same for the record."""
        chosen: dict[str, Any] = {field.name: getattr(self, field.name, None) for field in fields(ClaimFilter)}
        for name in ("opened_from", "opened_until"):
            chosen[name] = date.fromisoformat(chosen[name]) if chosen[name] else None
        return ClaimFilter(**chosen)


class ClaimsMeant(SharedFilter):
    """Which claims are meant."""

    learner: Annotated[Learner | None, Field(description="An address, an identifier, words of a name, a claim.")] = None


class ListQuery(ClaimsMeant):
    """Which claims to list, in which order, and which page of them."""

    sort: ClaimOrder = ClaimOrder.NEWEST
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[str, Field(max_length=80)] | None = None


class ListedLearner(BaseModel):
    """Whose claim it is; of whoever was erased only the id."""

    id: str
    given_name: str | None
    family_name: str | None
    email: str | None


class ListedCEActivity(BaseModel):
    """The CE activity that a claim is for."""

    slug: str
    title: str
    provider: str
    acronym: str
    time_zone: str


class ListedClaim(BaseModel):
    """A claim and whose it is; ``due_at`` is its deadline as long as it is open."""

    id: str
    href: str
    ce_activity: ListedCEActivity
    stage: Stage
    stage_since: answers.Time
    attention: Attention | None
    opened_at: answers.Time
    closed_at: answers.Time | None
    due_at: answers.Time | None
    is_extension_requested: bool
    learner: ListedLearner


class CountOfClaims(BaseModel):
    """How many claims are meant; if ``is_more``, more than this."""

    claims: int
    is_more: bool


class StaffClaimList(BaseModel):
    """A page of claims; pass ``next`` as ``after`` to go on."""

    data: list[ListedClaim]
    count: CountOfClaims
    has_more: bool
    next: str | None


@router.get("/claims", response_model=StaffClaimList)
async def list_claims(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    asked: Annotated[ListQuery, Query()],
) -> Response:
    """Claims of all learners, newest first; ``due_before``, a time or a day, keeps open claims with earlier deadlines.

    ``is_extension_requested`` keeps those whose learner asked for more time and has no answer yet. ``sort=due`` lists
    those that are open and have a deadline, the earliest first.
    """
    check_cursor(asked.after)
    wanted = asked.wanted()

    async def read(connection: AsyncConnection) -> tuple[list[str], int, list[claim_lists.ListedClaim]]:
        ids = await claim_lists.claim_ids(connection, wanted, asked.sort, asked.after, asked.limit + 1)
        is_all = asked.after is None and len(ids) <= asked.limit
        counted = len(ids) if is_all else await claim_lists.count(connection, wanted, asked.sort)
        return ids, counted, await claim_lists.listed(connection, ids[: asked.limit])

    ids, counted, claims = await services.database.statements(read)
    has_more = len(ids) > asked.limit
    document = {
        "data": [await _listed_json(services, claim) for claim in claims],
        "count": {"claims": min(counted, MOST_COUNTED), "is_more": counted > MOST_COUNTED},
        "has_more": has_more,
        "next": ids[asked.limit - 1] if has_more else None,
    }
    return json_response(document)


async def _listed_json(services: Services, claim: claim_lists.ListedClaim) -> dict[str, Any]:
    policy = await services.policies.get(claim.version_id)
    is_due = claim.due_at is not None and claim.closed_at is None
    return {
        "id": claim.id,
        "href": f"/v1/staff/claims/{claim.id}",
        "ce_activity": {
            "slug": claim.ce_activity,
            "title": policy.title,
            "provider": policy.provider.name,
            "acronym": policy.provider.acronym,
            "time_zone": policy.time_zone,
        },
        "stage": claim.stage,
        "stage_since": time_json(claim.stage_since_at),
        "attention": claim.attention,
        "opened_at": time_json(claim.opened_at),
        "closed_at": time_json(claim.closed_at),
        "due_at": local_time_json(claim.due_at, policy.time_zone) if is_due and claim.due_at else None,
        "is_extension_requested": claim.is_extension_requested,
        "learner": {
            "id": claim.learner_id,
            "given_name": claim.given_name,
            "family_name": claim.family_name,
            "email": claim.email,
        },
    }
