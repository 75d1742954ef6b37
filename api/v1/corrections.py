"""Staff: correcting, revoking and reissuing what was awarded, and reading what became of it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from api.auth import Office
from api.gateway import Gateway
from api.history import actor_json, names_of
from api.problems import FieldError, ProblemError, refusal_response
from api.services import Services, services_of
from api.v1 import answers, bodies
from api.v1.bodies import Credentials, Key, Name, Reason, ReasonRequest, Units
from api.v1.steps import Desk, StaffDesk, any_claim, json_response
from api.views import time_json
from config.settings import Settings
from domain.corrections import (
    FINISHED_STATES,
    ApprovalPolicy,
    Change,
    CorrectionKind,
    CorrectionState,
    CreditChange,
    NameChange,
    Reissue,
    Revocation,
    RevocationClass,
    kind_of,
    to_json,
)
from domain.identities import is_id, new_id
from domain.reasons import CorrectionResolutionReason
from domain.refusals import RefusalCode
from storage import corrections, intake
from storage.corrections import Circumstances, Correction, InProgressError, NewCorrection, PurgedError
from storage.history import AccountName
from storage.intake import IdempotencyKey, KeyReusedError
from storage.queries import ClaimView

router = APIRouter(prefix="/v1/staff", tags=["corrections"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

ACCEPTED: Final = 202
_MOST_SESSIONS: Final = 500
_MOST_OF_A_CLAIM: Final = 200


class CorrectionRequest(bodies.Body):
    """Correct the credit of an award (its amount, or those of its sessions), or the name of its learner."""

    units: Units | None = None
    sessions: dict[Key, Units] | None = Field(default=None, min_length=1, max_length=_MOST_SESSIONS)
    given_name: Name | None = None
    family_name: Name | None = None
    credentials: Credentials | None = None
    reason: Reason

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        is_of_credit = self.units is not None or self.sessions is not None
        is_of_name = any(part is not None for part in (self.given_name, self.family_name, self.credentials))
        if is_of_credit == is_of_name:
            raise ValueError("change_of_both" if is_of_credit else "change_missing")
        return self

    def change(self) -> CreditChange | NameChange:
        """What is to be changed."""
        if self.units is None and self.sessions is None:
            return NameChange(self.given_name, self.family_name, self.credentials)
        units = None if self.units is None else Decimal(self.units)
        sessions = {code: Decimal(each) for code, each in self.sessions.items()} if self.sessions else None
        return CreditChange(units, sessions)


class RevocationRequest(bodies.Body):
    """Revoke an award with its certificate; the class of the reason is public, the reason itself is not."""

    reason_class: Annotated[RevocationClass, Field(strict=False)]
    reason: Reason


class CEActivityOfCorrection(BaseModel):
    """The CE activity of the claim."""

    slug: str
    title: str


class LearnerOfCorrection(BaseModel):
    """Whose award it is; without a name once the learner is erased."""

    id: str
    given_name: str | None
    family_name: str | None


class CorrectionDocument(BaseModel):
    """A correction. ``award``, ``certificate`` and ``version`` are what it made, or ended.

    ``attention`` says why it is parked. ``resolved_by`` wants it to end as it is, for ``resolution_code``
    and, in words, ``resolution``.
    """

    id: str
    href: str
    claim: str
    ce_activity: CEActivityOfCorrection
    learner: LearnerOfCorrection
    kind: CorrectionKind
    state: CorrectionState
    attention: str | None
    change: dict[str, Any]
    reason: str
    requested_by: str
    requester: answers.AuditActor
    requested_at: str
    is_approved: bool | None
    decided_by: str | None
    decider: answers.AuditActor | None
    decided_at: str | None
    resolved_by: str | None
    resolver: answers.AuditActor | None
    resolved_at: str | None
    resolution_code: CorrectionResolutionReason | None
    resolution: str | None
    applied_at: str | None
    finished_at: str | None
    award: str | None
    certificate: str | None
    version: int | None
    refusal: str | None
    workflow_url: str


class CorrectionList(BaseModel):
    """A page of corrections, the newest first; pass ``next`` as ``after`` to go on."""

    data: list[CorrectionDocument]
    has_more: bool
    next: str | None


TAKEN: Final[answers.Responses] = {
    202: {"model": CorrectionDocument, "description": "Recorded, and not made yet; `Location` tells when it is."},
    409: answers.TAKEN[409],
}


@router.post("/claims/{claim_id}/correct", response_model=CorrectionDocument, responses=TAKEN)
async def correct_award(claim_id: str, body: CorrectionRequest, desk: StaffDesk) -> Response:
    """Correct what was awarded, or the name that it was awarded to: the certificate gets a new version, and a mail."""
    return await _ask(desk, claim_id, body.change(), body.reason)


@router.post("/claims/{claim_id}/revoke", response_model=CorrectionDocument, responses=TAKEN)
async def revoke_award(claim_id: str, body: RevocationRequest, desk: StaffDesk) -> Response:
    """Revoke an award: it counts no more, its certificate's code says so to anyone, and the learner is told."""
    return await _ask(desk, claim_id, Revocation(body.reason_class), body.reason)


@router.post("/claims/{claim_id}/reissue", response_model=CorrectionDocument, responses=TAKEN)
async def reissue_certificate(claim_id: str, body: ReasonRequest, desk: StaffDesk) -> Response:
    """Issue the certificate anew with what is true today; after a revocation in error this grants the credit again."""
    return await _ask(desk, claim_id, Reissue(), body.reason)


async def _ask(desk: Desk, claim_id: str, change: Change, reason: str) -> Response:
    view = await any_claim(desk.services, claim_id)
    if view.learner_id == desk.principal.learner_id:
        raise ProblemError("own_claim")
    if view.is_pending:
        return refusal_response(desk.request, RefusalCode.WRONG_STATE, {}, [])
    is_approval_asked = needs_approval(desk.services.settings, kind_of(change), view)
    new = NewCorrection(
        id=new_id("cor"),
        claim_id=view.id,
        kind=kind_of(change),
        state=CorrectionState.AWAITING_APPROVAL if is_approval_asked else CorrectionState.APPROVED,
        body=to_json(change),
        reason=reason,
        requested_by=desk.principal.account_id,
        request_id=desk.envelope.request_id,
    )
    correction_id = await _record(desk.services, desk.envelope.key, new)
    if correction_id == new.id:
        await desk.services.gateway.correct(
            new.id, desk.envelope.patience, ce_activity=view.ce_activity, provider=view.provider
        )
    return await answer(desk.request, desk.services, correction_id, is_new=correction_id == new.id)


def needs_approval(settings: Settings, kind: CorrectionKind, view: ClaimView) -> bool:
    """Whether this office wants a second person for this."""
    approvals = ApprovalPolicy(settings.correction_needs_approval, settings.revocation_needs_approval)
    return approvals.is_asked(kind, view.award.state if view.award else None)


async def _record(services: Services, key: IdempotencyKey | None, new: NewCorrection) -> str:
    """Record a correction once per key; answers with the id of the one that stands for the request."""

    async def record(connection: AsyncConnection) -> str:
        if key is not None:
            stored = await intake.begin_answer(connection, key)
            if stored is not None:
                return str(stored.body["correction"])
        await corrections.request(connection, new)
        if key is not None:
            await intake.finish_answer(connection, key, ACCEPTED, {"correction": new.id})
        return new.id

    try:
        return await services.database.transaction(record)
    except KeyReusedError:
        raise ProblemError("idempotency_key_reused") from None
    except PurgedError:
        raise ProblemError("retention_ended") from None
    except InProgressError as error:
        raise ProblemError("correction_in_progress", details={"correction": error.correction_id}) from None


async def answer(request: Request, services: Services, correction_id: str, *, is_new: bool = True) -> Response:
    """What became of a correction so far: 200 when it is made or declined, 202 before that, 409 when it can't be."""
    found = await find(services, correction_id)
    headers = {} if is_new else {"Idempotent-Replayed": "true"}
    (document,) = await _documents(services, [found])
    if found.state is CorrectionState.REFUSED and found.outcome is not None:
        response = refusal_response(request, found.outcome["refusal"], found.outcome["details"], [])
        response.headers.update(headers)
        return response
    if found.state is CorrectionState.APPLIED or found.state in FINISHED_STATES:
        return json_response(document, headers=headers)
    headers |= {"Location": document["href"], "Retry-After": "1"}
    return json_response(document, ACCEPTED, headers)


async def find(services: Services, correction_id: str) -> Correction:
    """A correction of any claim; raises 404."""
    found = None
    if is_id(correction_id, "cor"):
        found = await services.database.statements(lambda c: corrections.correction(c, correction_id))
    if found is None:
        raise ProblemError("not_found")
    return found


async def _documents(services: Services, found: Sequence[Correction]) -> list[dict[str, Any]]:
    """Corrections as staff see them, with what each is about and who was at it."""
    if not found:
        return []
    ids = [each.id for each in found]
    about = await services.database.statements(lambda c: corrections.circumstances(c, ids))
    names = await names_of(services, [actor for each in found for actor in _actors(each)])
    return [_correction_json(each, about[each.id], names, services) for each in found]


def _actors(correction: Correction) -> tuple[str | None, ...]:
    """Who had a part in a correction, perhaps."""
    resolution = correction.resolution
    return correction.requested_by, correction.decided_by, resolution.by if resolution else None


def _correction_json(
    correction: Correction, about: Circumstances, names: Mapping[str, AccountName], services: Services
) -> dict[str, Any]:
    outcome, resolution = correction.outcome or {}, correction.resolution
    workflow_id = Gateway.workflow_id_of_correction(correction.id)
    return {
        "id": correction.id,
        "href": f"/v1/staff/corrections/{correction.id}",
        "claim": f"/v1/staff/claims/{correction.claim_id}",
        "ce_activity": {"slug": about.ce_activity, "title": about.title},
        "learner": {"id": about.learner_id, "given_name": about.given_name, "family_name": about.family_name},
        "kind": correction.kind,
        "state": correction.state,
        "attention": correction.attention,
        "change": dict(correction.body),
        "reason": correction.reason,
        "requested_by": correction.requested_by,
        "requester": actor_json(correction.requested_by, names),
        "requested_at": time_json(correction.requested_at),
        "is_approved": correction.is_approved,
        "decided_by": correction.decided_by,
        "decider": actor_json(correction.decided_by, names),
        "decided_at": time_json(correction.decided_at),
        "resolved_by": resolution and resolution.by,
        "resolver": actor_json(resolution.by if resolution else None, names),
        "resolved_at": time_json(resolution.at if resolution else None),
        "resolution_code": resolution and resolution.reason_code,
        "resolution": resolution and resolution.reason,
        "applied_at": time_json(correction.applied_at),
        "finished_at": time_json(correction.finished_at),
        **{name: outcome.get(name) for name in ("award", "certificate", "version", "refusal")},
        "workflow_url": services.gateway.workflow_url(workflow_id, services.settings.temporal_ui_url),
    }


@router.get("/claims/{claim_id}/corrections", response_model=CorrectionList)
async def list_corrections_of_claim(
    claim_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
) -> Response:
    """Everything that was corrected about one claim, or was to be, the newest first."""
    view = await any_claim(services, claim_id)
    found = await services.database.statements(
        lambda c: corrections.listed(c, claim_id=view.id, limit=_MOST_OF_A_CLAIM)
    )
    return await _page(services, found, _MOST_OF_A_CLAIM)


@router.get("/corrections", response_model=CorrectionList)
async def list_corrections(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    state: CorrectionState | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, Query(max_length=80, description="The `next` of the page before.")] = None,
) -> Response:
    """Corrections of all claims, the newest first; ``state=awaiting_approval`` are those that wait for somebody."""
    if after is not None and not is_id(after, "cor"):
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])
    found = await services.database.statements(
        lambda c: corrections.listed(c, state=state, after=after, limit=limit + 1)
    )
    return await _page(services, found, limit)


async def _page(services: Services, found: list[Correction], limit: int) -> Response:
    shown, has_more = found[:limit], len(found) > limit
    document = {
        "data": await _documents(services, shown),
        "has_more": has_more,
        "next": shown[-1].id if has_more else None,
    }
    return json_response(document)


@router.get("/corrections/{correction_id}", response_model=CorrectionDocument)
async def show_correction(
    correction_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
) -> Response:
    """One correction, and how far it has come."""
    (document,) = await _documents(services, [await find(services, correction_id)])
    return json_response(document)
