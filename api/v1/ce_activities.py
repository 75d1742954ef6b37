"""What can be claimed."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.auth import Known, Principal
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.steps import json_response
from api.views import ce_activity_json, ce_activity_summary_json
from domain.people import missing_fields
from domain.policy import EventType, LearningFormat, Profession
from storage import people, queries
from storage.definitions import DefinitionStatus
from storage.queries import CEActivityFilter, CEActivityView

router = APIRouter(prefix="/v1/ce-activities", tags=["CE activities"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MAXIMUM_SLUG_LENGTH: Final = 80


class CEActivitySearch(BaseModel):
    """Which CE activities to list; what is left out does not matter. ``activity_code`` finds the one it belongs to."""

    model_config = ConfigDict(extra="forbid")

    format: LearningFormat | None = None
    event_type: EventType | None = None
    activity_code: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9-]+$")] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[str, Field(max_length=80, description="The `next` of the page before.")] | None = None


class CreditSummary(BaseModel):
    """Credit on offer, in short."""

    credit_type: str
    name: str
    designated_units: answers.Units


class CEActivitySummary(BaseModel):
    """A CE activity in a list."""

    slug: str
    href: str
    title: str
    format: str
    provider: str
    acronym: str
    event_type: str | None
    starts_on: str
    ends_on: str
    location: str | None
    time_zone: str
    credit: list[CreditSummary]
    claim: str | None


class CEActivityList(BaseModel):
    """A page of CE activities; pass ``next`` as ``after`` to go on."""

    data: list[CEActivitySummary]
    has_more: bool
    next: str | None


class CreditOffer(CreditSummary):
    """Credit on offer to a learner of my profession, with the statement to attest to."""

    is_italic: bool
    unit: str
    increment: answers.Units
    minimum_units: answers.Units
    designation_statement: str
    attestation_version: str
    attestation_text: str
    required_identifiers: list[str]
    formats: list[str]


class ClaimWindow(BaseModel):
    """When credit may be claimed."""

    opens_at: answers.Time | None
    due_at_if_opened_now: answers.Time | None
    days: int | None
    time_zone: str


class CEActivity(CEActivitySummary):
    """A CE activity in full."""

    version: int
    status: str
    description: str | None
    course_url: str | None
    contact: str
    certificate_elsewhere: answers.CertificateElsewhere | None
    profile_fields: list[str]
    missing_in_profile: list[str]
    session_count: int
    accreditation_statement: str
    requirements: list[dict[str, Any]]
    credit: list[CreditOffer]  # type: ignore[assignment]  # the offers in full instead of in short
    claim_window: ClaimWindow


@router.get("", response_model=CEActivityList)
async def list_ce_activities(
    principal: Known,
    services: ServicesOf,
    wanted: Annotated[CEActivitySearch, Query()],
) -> Response:
    """What can be claimed, with the credit that my profession may claim, or any profession for those not signed in."""
    if wanted.after is not None and not SLUG.fullmatch(wanted.after):
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])
    searched = CEActivityFilter(
        learning_format=wanted.format,
        event_type=wanted.event_type,
        activity_code=wanted.activity_code,
        after=wanted.after,
        limit=wanted.limit + 1,
    )
    views = await services.database.statements(
        lambda c: queries.published_ce_activities(c, _learner(principal), searched)
    )
    shown = views[: wanted.limit]
    has_more = len(views) > wanted.limit
    data = [
        ce_activity_summary_json(view, await services.policies.get(view.version_id), _profession(principal))
        for view in shown
    ]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].slug if has_more else None})


@router.get("/{slug}", response_model=CEActivity)
async def show_ce_activity(slug: str, principal: Known, services: ServicesOf) -> Response:
    """What a CE activity requires, also of my profile, which credit I may claim, and until when."""
    view = await visible_ce_activity(services, slug, _learner(principal))
    policy = await services.policies.get(view.version_id)
    document = ce_activity_json(view, policy, _profession(principal), datetime.now(UTC))
    missing: Iterable[str] = ()
    if principal is not None:
        learner_id = principal.learner_id
        profile = await services.database.statements(lambda c: people.profile(c, learner_id))
        missing = missing_fields(profile.fields, document["profile_fields"])
    return json_response({**document, "missing_in_profile": list(missing)})


def _learner(principal: Principal | None) -> str | None:
    return principal.learner_id if principal else None


def _profession(principal: Principal | None) -> Profession | None:
    return principal.profession if principal else None


async def visible_ce_activity(services: Services, slug: str, learner_id: str | None) -> CEActivityView:
    """A CE activity that is or was published, or that the learner has a claim for; else 404."""
    if not SLUG.fullmatch(slug) or len(slug) > _MAXIMUM_SLUG_LENGTH:
        raise ProblemError("not_found")
    view = await services.database.statements(lambda c: queries.ce_activity(c, slug, learner_id))
    if view is None or (view.status == DefinitionStatus.DRAFT and view.claim_id is None):
        raise ProblemError("not_found")
    return view
