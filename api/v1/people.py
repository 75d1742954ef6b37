"""Staff: finding learners, the pairs of them that may be one person, and merging those."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Office, Staff
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Body, Reason
from api.v1.envelope import Envelope, envelope
from api.v1.steps import json_response
from api.views import time_json
from domain.identities import is_id, new_id
from domain.people import Likeness, likenesses, shared_identifiers
from storage import intake, learners
from storage.intake import KeyReusedError
from storage.learners import (
    AlreadyMergedError,
    AwardSummary,
    ClaimSummary,
    LearnerSummary,
    LearnerView,
    MergeView,
    NewMerge,
)

router = APIRouter(prefix="/v1/staff", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
EnvelopeOf = Annotated[Envelope, Depends(envelope)]

_ACCEPTED: Final = 202


class MergeRequest(Body):
    """Make a duplicate part of the learner in the address."""

    duplicate: Annotated[str, StringConstraints(max_length=80)]
    reason: Reason


class Learner(BaseModel):
    """A learner in a list; ``claims`` and ``awards`` count, duplicates' included once they are merged."""

    id: str
    href: str
    email: str | None
    given_name: str | None
    family_name: str | None
    profession: str | None
    merged_into: str | None
    claims: int
    awards: int


class LearnerList(BaseModel):
    """A page of learners; pass ``next`` as ``after`` to go on."""

    data: list[Learner]
    has_more: bool
    next: str | None


class DuplicatePair(BaseModel):
    """Two learners that may be one person, and why; ``identifiers`` are the kinds that they share."""

    learner: Learner
    duplicate: Learner
    reasons: list[Likeness]
    identifiers: list[str]
    href: str


class DuplicateList(BaseModel):
    """A page of pairs; pass ``next`` as ``after`` to go on."""

    data: list[DuplicatePair]
    has_more: bool
    next: str | None


class ClaimOfLearner(BaseModel):
    """A claim in short."""

    id: str
    href: str
    ce_activity: str
    title: str
    stage: str
    opened_at: str
    closed_at: str | None


class AwardOfLearner(BaseModel):
    """An award in short."""

    id: str
    claim: str
    ce_activity: str
    credit_type: str
    units: str
    state: str
    completed_on: str


class Merge(BaseModel):
    """A merge: asked for, and done or not yet; ``details`` are the ids of what it changed."""

    id: str
    learner: str
    duplicate: str
    reason: str
    requested_by: str
    requested_at: str
    merged_at: str | None
    details: dict[str, Any]


class LearnerDetails(BaseModel):
    """Everything about one learner."""

    id: str
    href: str
    email: str | None
    role: str | None
    given_name: str | None
    family_name: str | None
    credentials: str | None
    profession: str | None
    time_zone: str | None
    wants_reminders: bool
    identifiers: dict[str, str]
    created_at: str
    erased_at: str | None
    merged_into: str | None
    merges: list[Merge]
    claims: list[ClaimOfLearner]
    awards: list[AwardOfLearner]


class LearnerFilter(BaseModel):
    """Whom to list; what is left out does not matter."""

    email: Annotated[str, Field(max_length=320)] | None = None
    name: Annotated[str, Field(max_length=200)] | None = None
    identifier: Annotated[str, Field(max_length=80)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[str, Field(max_length=80)] | None = None


@router.get("/learners", response_model=LearnerList)
async def list_learners(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    wanted: Annotated[LearnerFilter, Query()],
) -> Response:
    """Learners by address, by the words of their name, or by an identifier of any kind; oldest first."""
    if wanted.after is not None and not is_id(wanted.after, "lrn"):
        raise _cursor_invalid()
    texts = [each for each in (wanted.email, wanted.name, wanted.identifier) if each is not None]
    if any("\0" in each for each in texts):
        raise ProblemError("validation_failed", errors=[FieldError("query", "text_characters")])
    values = wanted.model_dump() | {"limit": wanted.limit + 1}
    found = await services.database.statements(lambda c: learners.find(c, **values))
    shown, has_more = found[: wanted.limit], len(found) > wanted.limit
    document = {
        "data": [_summary_json(each) for each in shown],
        "has_more": has_more,
        "next": shown[-1].id if has_more else None,
    }
    return json_response(document)


def _cursor_invalid() -> ProblemError:
    return ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])


def _summary_json(summary: LearnerSummary) -> dict[str, Any]:
    return {
        "id": summary.id,
        "href": f"/v1/staff/learners/{summary.id}",
        "email": summary.email,
        "given_name": summary.given_name,
        "family_name": summary.family_name,
        "profession": summary.profession,
        "merged_into": summary.merged_into,
        "claims": summary.claims,
        "awards": summary.awards,
    }


@router.get("/learners/{learner_id}", response_model=LearnerDetails)
async def show_learner(
    learner_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
) -> Response:
    """One learner, with identifiers, merges, and the newest claims and awards."""
    view = None
    if is_id(learner_id, "lrn"):
        view = await services.database.statements(lambda c: learners.learner(c, learner_id))
    if view is None:
        raise ProblemError("not_found")
    return json_response(learner_json(view))


def learner_json(view: LearnerView) -> dict[str, Any]:
    """Everything about one learner, as staff see it."""
    return {
        **_summary_json(view.summary),
        "identifiers": dict(view.summary.person.identifiers),
        "role": view.role,
        "credentials": view.credentials,
        "time_zone": view.time_zone,
        "wants_reminders": view.wants_reminders,
        "created_at": time_json(view.created_at),
        "erased_at": time_json(view.erased_at),
        "merges": [_merge_json(each) for each in view.merges],
        "claims": [_claim_json(each) for each in view.claims],
        "awards": [_award_json(each) for each in view.awards],
    }


def _claim_json(claim: ClaimSummary) -> dict[str, Any]:
    return {
        "id": claim.id,
        "href": f"/v1/staff/claims/{claim.id}",
        "ce_activity": claim.ce_activity,
        "title": claim.title,
        "stage": claim.stage,
        "opened_at": time_json(claim.opened_at),
        "closed_at": time_json(claim.closed_at),
    }


def _award_json(award: AwardSummary) -> dict[str, Any]:
    return {
        "id": award.id,
        "claim": award.claim_id,
        "ce_activity": award.ce_activity,
        "credit_type": award.credit_type,
        "units": str(award.units),
        "state": award.state,
        "completed_on": award.completed_on.isoformat(),
    }


def _merge_json(merge: MergeView) -> dict[str, Any]:
    return {
        "id": merge.id,
        "learner": merge.learner_id,
        "duplicate": merge.duplicate_id,
        "reason": merge.reason,
        "requested_by": merge.requested_by,
        "requested_at": time_json(merge.requested_at),
        "merged_at": time_json(merge.merged_at),
        "details": dict(merge.details),
    }


@router.get("/duplicates", response_model=DuplicateList)
async def list_duplicates(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, Query(max_length=80, description="The `next` of the page before.")] = None,
) -> Response:
    """Pairs of learners that may be one person: the same identifier, or the same name and birthday."""
    cursor = _pair_cursor(after) if after is not None else None
    found = await services.database.statements(lambda c: learners.duplicates(c, cursor, limit + 1))
    shown, has_more = found[:limit], len(found) > limit
    document = {
        "data": [_pair_json(one, other) for one, other in shown],
        "has_more": has_more,
        "next": f"{shown[-1][0].id}.{shown[-1][1].id}" if has_more else None,
    }
    return json_response(document)


def _pair_cursor(after: str) -> tuple[str, str]:
    first, _, second = after.partition(".")
    if not (is_id(first, "lrn") and is_id(second, "lrn")):
        raise _cursor_invalid()
    return first, second


def _pair_json(one: LearnerSummary, other: LearnerSummary) -> dict[str, Any]:
    return {
        "learner": _summary_json(one),
        "duplicate": _summary_json(other),
        "reasons": list(likenesses(one.person, other.person)),
        "identifiers": list(shared_identifiers(one.person, other.person)),
        "href": f"/v1/staff/learners/{one.id}/merge",
    }


_MERGED: Final[answers.Responses] = {
    202: {"model": Merge, "description": "Recorded, and not done yet; `Location` tells when it is."},
    409: {**answers.TAKEN[409], "description": "One of the two is part of another learner."},
}


@router.post("/learners/{learner_id}/merge", response_model=Merge, responses=_MERGED)
async def merge_learners(
    learner_id: str, body: MergeRequest, principal: Staff, head: EnvelopeOf, services: ServicesOf
) -> Response:
    """Make a duplicate part of this learner: its claims, awards, identifiers, and its address for signing in."""
    if body.duplicate == learner_id:
        raise ProblemError("validation_failed", errors=[FieldError("/duplicate", "same_learner")])
    if principal.learner_id in (learner_id, body.duplicate):
        raise ProblemError("own_account")
    if not (is_id(learner_id, "lrn") and is_id(body.duplicate, "lrn")):
        raise ProblemError("not_found")
    new = NewMerge(
        id=new_id("mrg"),
        learner_id=learner_id,
        duplicate_id=body.duplicate,
        reason=body.reason,
        requested_by=principal.account_id,
        request_id=head.request_id,
    )
    merge_id = await _record(services, head, new)
    if merge_id == new.id:
        await services.gateway.merge(merge_id, head.patience)
    merge = await services.database.statements(lambda c: learners.merge(c, merge_id))
    headers = {} if merge_id == new.id else {"Idempotent-Replayed": "true"}
    if merge.merged_at is not None:
        return json_response(_merge_json(merge), headers=headers)
    headers |= {"Location": f"/v1/staff/learners/{learner_id}", "Retry-After": "1"}
    return json_response(_merge_json(merge), _ACCEPTED, headers)


async def _record(services: Services, head: Envelope, new: NewMerge) -> str:
    """Record a merge once per key; answers with the id of the one that stands for the request."""

    async def record(connection: AsyncConnection) -> str:
        if head.key is not None:
            stored = await intake.begin_answer(connection, head.key)
            if stored is not None:
                return str(stored.body["merge"])
        if not await learners.request_merge(connection, new):
            raise ProblemError("not_found")
        if head.key is not None:
            await intake.finish_answer(connection, head.key, _ACCEPTED, {"merge": new.id})
        return new.id

    try:
        return await services.database.transaction(record)
    except KeyReusedError:
        raise ProblemError("idempotency_key_reused") from None
    except AlreadyMergedError:
        raise ProblemError("already_merged") from None
