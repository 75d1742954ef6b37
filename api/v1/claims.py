"""A learner's claims: opening one, and everything there is to see about it."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response, StreamingResponse

from api.acting import Step
from api.auth import Principal, SignedIn
from api.gateway import ClaimContext
from api.history import entry_json, is_for_office
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import ClaimRequest
from api.v1.ce_activities import visible_ce_activity
from api.v1.envelope import PreferHeader, patience
from api.v1.steps import Desk, StepDesk, json_response, own_claim
from api.views import claim_json, stage_if_opened, submission_json
from domain.claims import CLOSED_STAGES, Stage
from domain.identities import derived_id, is_id
from domain.policy import CEActivityPolicy
from domain.submissions import Opening
from storage import history, intake, queries
from storage.audit import claim_stream
from storage.definitions import DefinitionStatus
from storage.history import TrailEntry
from storage.intake import KeyReusedError, SubmissionView
from storage.queries import CEActivityView, ClaimView

router = APIRouter(prefix="/v1/claims", tags=["claims"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
Limit = Annotated[int, Query(ge=1, le=100, description="How many to answer with at most.")]
After = Annotated[str | None, Query(max_length=80, description="The `next` of the page before.")]

_HEARTBEAT_SECONDS: Final = 15.0
# A stream ends after a while and the browser opens it again, so that a session that ended ends its streams too.
_STREAM_SECONDS: Final = 900.0
_LOOK_AGAIN_SECONDS: Final = 15

# Credit may be claimed, or is claimed and not final yet.
_READY: Final = frozenset({Stage.READY_TO_CLAIM, Stage.AWAITING_FINALIZATION})


class ClaimGroup(StrEnum):
    """How a learner's claims are grouped."""

    IN_PROGRESS = "in_progress"
    READY_TO_CLAIM = "ready_to_claim"
    COMPLETED = "completed"
    CLOSED = "closed"

    @property
    def stages(self) -> list[str]:
        """The stages of the claims in this group."""
        match self:
            case ClaimGroup.READY_TO_CLAIM:
                return sorted(_READY)
            case ClaimGroup.COMPLETED:
                return [Stage.COMPLETED]
            case ClaimGroup.CLOSED:
                return sorted(CLOSED_STAGES - {Stage.COMPLETED})
            case ClaimGroup.IN_PROGRESS:
                return sorted(set(Stage) - CLOSED_STAGES - _READY)


@router.post("", status_code=201, response_model=answers.Claim, responses=answers.OPENED)
async def open_claim(body: ClaimRequest, desk: StepDesk) -> Response:
    """Open my claim for a CE activity (201), or find the one I have (200)."""
    learner_id = desk.principal.learner_id
    ce_activity = await visible_ce_activity(desk.services, body.ce_activity, learner_id)
    # A claim that came with a merge has the id that it was opened under.
    claim_id = ce_activity.claim_id or derived_id("clm", learner_id, ce_activity.id)
    earlier = await _earlier_opening(desk, claim_id, is_open=ce_activity.claim_id is not None)
    if earlier is not None:
        await desk.services.gateway.wait_for(earlier.submission_id, desk.envelope.patience)
        step = await desk.read(claim_id, earlier.submission_id, is_new=not earlier.is_repeated)
        return await desk.answer(step, desk.status(201 if earlier.is_repeated else 200))
    if ce_activity.claim_id is not None:
        return await show_claim(claim_id, desk.principal, desk.services)
    if ce_activity.status == DefinitionStatus.CLOSED:
        raise ProblemError("ce_activity_closed")
    step = await _open(desk, ce_activity, claim_id)
    return await desk.answer(step, desk.status(201))


@dataclass(frozen=True, slots=True)
class _EarlierOpening:
    """An opening that was received before; ``is_repeated`` when this request's own key stands for it."""

    submission_id: str
    is_repeated: bool


async def _earlier_opening(desk: Desk, claim_id: str, *, is_open: bool) -> _EarlierOpening | None:
    """The opening that this request repeats, or that another tab of the same learner has sent and that is undecided."""
    key = desk.envelope.key

    async def find(connection: AsyncConnection) -> _EarlierOpening | None:
        # The key is read last: a double click whose opening is already here has recorded its key too.
        pending = None if is_open else await intake.pending_opening(connection, claim_id)
        repeated = await intake.stored_submission(connection, key) if key else None
        if repeated is not None:
            return _EarlierOpening(repeated, is_repeated=True)
        if key is not None and (is_open or pending is not None):
            await intake.attach_key(connection, key, pending)
        return _EarlierOpening(pending, is_repeated=False) if pending else None

    try:
        return await desk.services.database.statements(find)
    except KeyReusedError:
        raise ProblemError("idempotency_key_reused") from None


async def _open(desk: Desk, ce_activity: CEActivityView, claim_id: str) -> Step:
    policy = await desk.services.policies.get(ce_activity.version_id)
    now = datetime.now(UTC)
    stage, due_at = stage_if_opened(policy, desk.principal.profession, now)
    context = ClaimContext(
        ce_activity=ce_activity.slug, provider=ce_activity.provider, stage=stage, stage_since_at=now, due_at=due_at
    )
    body = Opening(ce_activity_id=ce_activity.id, version_id=ce_activity.version_id)
    return await desk.submit(claim_id, desk.principal.learner_id, body, context)


@router.get("", response_model=answers.ClaimList)
async def list_claims(
    principal: SignedIn,
    services: ServicesOf,
    group: ClaimGroup | None = None,
    limit: Limit = 50,
    after: After = None,
) -> Response:
    """My claims, newest first, optionally of one group."""
    check_cursor(after)
    stages = group.stages if group else None
    views = await services.database.statements(
        lambda c: queries.claims_of_learner(c, principal.learner_id, stages, after, limit + 1)
    )
    return await claims_page(services, views, limit)


def check_cursor(after: str | None) -> None:
    """Refuse a cursor that cannot have come from us."""
    if after is not None and not is_id(after, "clm"):
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])


async def claims_page(services: Services, views: list[ClaimView], limit: int) -> Response:
    """A page of claims; ``views`` may hold one more than the limit, which says that there is another page."""
    shown = views[:limit]
    data = [
        claim_json(view, await services.policies.get(view.version_id), services.settings.public_url) for view in shown
    ]
    has_more = len(views) > limit
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].id if has_more else None})


@router.get("/{claim_id}", response_model=answers.Claim)
async def show_claim(claim_id: str, principal: SignedIn, services: ServicesOf) -> Response:
    """One claim: where it is, what comes next, what it waits for and until when."""
    view = await own_claim(services, principal, claim_id)
    policy = await services.policies.get(view.version_id)
    return json_response(claim_json(view, policy, services.settings.public_url))


@router.get("/{claim_id}/submissions/{submission_id}", response_model=answers.Submission)
async def show_submission(
    claim_id: str, submission_id: str, principal: SignedIn, services: ServicesOf, prefer: PreferHeader = None
) -> Response:
    """One submission and what became of it; `Prefer: wait=N` waits until it is decided, for at most 30 seconds."""
    if not (is_id(claim_id, "clm") and is_id(submission_id, "sub")):
        raise ProblemError("not_found")
    found = await _own_submission(services, principal, claim_id, submission_id)
    is_awaited = found.outcome is None and prefer is not None
    if is_awaited and await services.gateway.wait_for(submission_id, patience(prefer)):
        found = await _own_submission(services, principal, claim_id, submission_id)
    headers = {} if found.outcome else {"Retry-After": str(_look_again(datetime.now(UTC) - found.received_at))}
    return json_response(submission_json(found), headers=headers)


async def _own_submission(
    services: Services, principal: Principal, claim_id: str, submission_id: str
) -> SubmissionView:
    found = await services.database.statements(lambda c: intake.submission(c, claim_id, submission_id))
    if found is None or found.learner_id != principal.learner_id:
        raise ProblemError("not_found")
    return found


def _look_again(age: timedelta) -> int:
    """Seconds until a look is worth its while: the longer a step has waited, the longer it may still."""
    return max(1, min(int(age.total_seconds() / 2), _LOOK_AGAIN_SECONDS))


@router.get("/{claim_id}/history", response_model=answers.History)
async def show_history(
    claim_id: str,
    principal: SignedIn,
    services: ServicesOf,
    limit: Limit = 50,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="The `next` of the page before.")] = 0,
) -> Response:
    """Everything that happened to my claim, refusals too, oldest first."""
    view = await own_claim(services, principal, claim_id)
    policy = await services.policies.get(view.version_id)

    async def read(connection: AsyncConnection) -> tuple[list[TrailEntry], frozenset[str]]:
        entries = await history.of_stream(connection, claim_stream(claim_id), after, limit + 1)
        return entries, await history.accounts_of_person(connection, principal.learner_id)

    entries, own = await services.database.statements(read)
    return history_page(entries, limit, own, policy)


def history_page(
    entries: list[TrailEntry], limit: int, reader: Collection[str], policy: CEActivityPolicy, *, is_office: bool = False
) -> Response:
    """A page of audit entries in words; ``entries`` may hold one more than the limit. Notes are for the office."""
    shown = entries[:limit]
    has_more = len(entries) > limit
    told = [entry for entry in shown if is_office or not is_for_office(entry)]
    data = [entry_json(entry, reader, policy, is_office=is_office) for entry in told]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].seq if has_more else None})


@router.get("/{claim_id}/events", response_class=StreamingResponse, responses=answers.EVENTS)
async def stream_events(claim_id: str, principal: SignedIn, services: ServicesOf) -> Response:
    """Live status as server-sent events: one `status` at once and one after each change, until the claim is closed."""
    view = await own_claim(services, principal, claim_id)
    return StreamingResponse(
        _events(services, view),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _events(services: Services, view: ClaimView) -> AsyncIterator[str]:
    with services.wakeups.watch(view.id) as changed:
        ends_at = asyncio.get_running_loop().time() + _STREAM_SECONDS
        # Between the check of access and the watch something may have happened.
        changed.set()
        sent = ""
        while asyncio.get_running_loop().time() < ends_at and not services.wakeups.is_stopped:
            try:
                async with asyncio.timeout(_HEARTBEAT_SECONDS):
                    await changed.wait()
            except TimeoutError:
                yield ": still here\n\n"
            changed.clear()
            current = await services.database.statements(lambda c: queries.claim(c, view.id))
            if current is None:
                return
            policy = await services.policies.get(current.version_id)
            status = json.dumps(claim_json(current, policy, services.settings.public_url), ensure_ascii=False)
            if status != sent:
                sent = status
                yield f"event: status\ndata: {status}\n\n"
            if current.closed_at is not None or current.facts.is_notified:
                yield "event: end\ndata: {}\n\n"
                return
