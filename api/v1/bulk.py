"""Staff: one action on many claims, previewed first, so that what was looked at is what is done."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.acting import bar_of
from api.auth import Office
from api.history import actor_json, names_of
from api.policies import Policies
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Body, Code, Day, Reason
from api.v1.once import answer_once
from api.v1.operator_actions import RequirementKind
from api.v1.staff_claims import ClaimsMeant
from api.v1.steps import Desk, StaffDesk, json_response
from api.views import time_json
from domain.decisions import decide
from domain.identities import is_id, new_id
from domain.office import KIND_OF_ACTION, OperatorAction, may_act
from domain.policy import CEActivityPolicy
from domain.refusals import Refused
from domain.submissions import Submission, SubmissionBody, fields_of, staff_body, to_json
from storage import bulk_actions
from storage.acts import Actor
from storage.bulk_actions import BulkAction, PreviewUnknownError, TooManyClaimsError
from storage.queries import ClaimView

router = APIRouter(prefix="/v1/staff", tags=["freeing"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_MOST_NAMED: Final = 1_000
_IN_SAMPLE: Final = 20
_WORDS: Final = ("reason_code", "due_on", "requirement")


class BulkRequest(Body):
    """What to do, to which claims: those that a filter means, or those that are named.

    With ``preview`` nothing is done; else ``token`` is the one of a preview of exactly this.
    """

    action: Annotated[OperatorAction, Field(strict=False)]
    reason: Reason
    reason_code: Code | None = None
    due_on: Day | None = None
    requirement: RequirementKind | None = None
    filter: ClaimsMeant | None = None
    claim_ids: Annotated[list[Code], Field(min_length=1, max_length=_MOST_NAMED)] | None = None
    preview: bool
    token: Code | None = None

    @model_validator(mode="after")
    def _means_claims(self) -> Self:
        if (self.filter is None) == (self.claim_ids is None):
            raise ValueError("claims_missing" if self.filter is None else "claims_of_both")
        if self.preview is (self.token is not None):
            raise ValueError("token_of_preview" if self.preview else "token_missing")
        return self

    def body(self) -> SubmissionBody:
        """What every claim's submission says. Raises 422 for words that the action has no use for, or lacks."""
        kind = KIND_OF_ACTION[self.action]
        useless = [each for each in _WORDS if getattr(self, each) is not None and each not in fields_of(kind)]
        if useless:
            raise ProblemError("validation_failed", errors=[FieldError(f"/{each}", "field_unused") for each in useless])
        try:
            return staff_body(kind, {"reason": self.reason, **{each: getattr(self, each) for each in _WORDS}})
        except ValueError:
            wrong = [each for each in _WORDS if each in fields_of(kind)]
            errors = [FieldError(f"/{each}", "value_unknown" if getattr(self, each) else "missing") for each in wrong]
            raise ProblemError("validation_failed", errors=errors) from None

    def meant(self) -> dict[str, Any]:
        """Which claims are meant, as it is kept with the preview."""
        if self.filter is None:
            return {"claim_ids": sorted(set(self.claim_ids or ()))}
        return self.filter.model_dump(mode="json", exclude_defaults=True)


class CountOfOutcome(BaseModel):
    """How many claims have one refusal or one reason to be skipped, and the first twenty of them."""

    code: str
    count: int
    claims: list[str]


class SampleClaim(BaseModel):
    """One of the claims that are meant; ``refusal`` is why the action would be refused."""

    id: str
    href: str
    ce_activity: str
    stage: str
    attention: str | None
    refusal: str | None


class BulkPreview(BaseModel):
    """What would happen now to how many claims; ``token`` is good for an hour."""

    count: int
    possible: int
    refused: list[CountOfOutcome]
    sample: list[SampleClaim]
    token: str


class BulkProgress(BaseModel):
    """How far it has come. Claims that changed since the preview, and one's own, are skipped."""

    id: str
    href: str
    action: OperatorAction
    reason_code: str | None
    reason: str
    by: answers.AuditActor
    started_at: str
    count: int
    done: int
    left: int
    refused: list[CountOfOutcome]
    skipped: list[CountOfOutcome]


_BULK: Final[answers.Responses] = {
    202: {"model": BulkProgress, "description": "Recorded for every claim; `Location` tells how far it has come."},
    409: answers.TAKEN[409],
}


@router.post("/claims/bulk", response_model=BulkPreview, responses=_BULK)
async def act_on_many(body: BulkRequest, desk: StaffDesk) -> Response:
    """Preview an action on up to 10,000 claims (200), or do what was previewed (202)."""
    if not may_act(desk.principal.role, body.action):
        raise ProblemError("not_allowed")
    asked = BulkAction(
        id=body.token or new_id("blk"),
        actor=desk.principal.account_id,
        action=body.action,
        body=to_json(body.body()),
        filter=body.meant(),
    )
    return await (_preview(desk, body, asked) if body.preview else _start(desk, asked))


async def _preview(desk: Desk, body: BulkRequest, asked: BulkAction) -> Response:
    judge = Judge(desk.services.policies, desk.principal.learner_id)

    async def preview(connection: AsyncConnection) -> dict[str, Any]:
        return await previewed(connection, body, asked, judge)

    return await answer_once(desk.services, desk.envelope.key, preview)


async def previewed(
    connection: AsyncConnection, body: BulkRequest, asked: BulkAction, judge: "Judge"
) -> dict[str, Any]:
    """Keep what is meant, and say what would become of it. Raises 422 for too many claims."""
    claims = body.filter.wanted() if body.filter else asked.filter["claim_ids"]
    try:
        count = await bulk_actions.preview(connection, asked, claims)
    except TooManyClaimsError:
        raise ProblemError("too_many_claims") from None
    return {"count": count, **await judge.judged(connection, asked, body.body()), "token": asked.id}


@dataclass(frozen=True, slots=True)
class Judge:
    """Says what would be decided now; ``learner_id`` is the learner that the one who asks is, if they are one."""

    policies: Policies
    learner_id: str | None

    async def judged(self, connection: AsyncConnection, asked: BulkAction, body: SubmissionBody) -> dict[str, Any]:
        """What would be decided about each claim that is meant, and what the first of them are."""
        refused: dict[str, list[str]] = defaultdict(list)
        possible = 0
        sample: list[dict[str, Any]] = []
        async for views in bulk_actions.claims_of(connection, asked.id):
            for view in views:
                code = self._refusal(view, await self.policies.get(view.version_id), OperatorAction(asked.action), body)
                if code is None:
                    possible += 1
                else:
                    refused[code].append(view.id)
                if len(sample) < _IN_SAMPLE:
                    sample.append(_sample_json(view, code))
        counts = [_count_json(code, len(ids), ids[:_IN_SAMPLE]) for code, ids in sorted(refused.items())]
        return {"possible": possible, "refused": counts, "sample": sample}

    def _refusal(
        self, view: ClaimView, policy: CEActivityPolicy, action: OperatorAction, body: SubmissionBody
    ) -> str | None:
        if bar := bar_of(view, action, self.learner_id):
            return bar
        decision = decide(policy, view.facts, Submission(view.id, view.read_at, body))
        return decision.code if isinstance(decision, Refused) else None


def _sample_json(view: ClaimView, refusal: str | None) -> dict[str, Any]:
    return {
        "id": view.id,
        "href": f"/v1/staff/claims/{view.id}",
        "ce_activity": view.ce_activity,
        "stage": view.stage,
        "attention": view.attention,
        "refusal": refusal,
    }


async def _start(desk: Desk, asked: BulkAction) -> Response:
    actor = Actor(desk.principal.account_id, desk.envelope.request_id)

    async def start(connection: AsyncConnection) -> dict[str, Any]:
        try:
            await connection.run_sync(bulk_actions.start, asked, desk.principal.learner_id, actor)
        except PreviewUnknownError:
            raise ProblemError("bulk_preview_unknown") from None
        return {"href": f"/v1/staff/bulk/{asked.id}"}

    await answer_once(desk.services, desk.envelope.key, start)
    response = await show_bulk_action(asked.id, desk.principal, desk.services)
    response.status_code = 202
    response.headers["Location"] = f"/v1/staff/bulk/{asked.id}"
    return response


@router.get("/bulk/{bulk_id}", response_model=BulkProgress)
async def show_bulk_action(
    bulk_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
) -> Response:
    """How far an action on many claims has come: done, refused with codes, skipped, left. Kept for 30 days."""
    if not is_id(bulk_id, "blk"):
        raise ProblemError("not_found")

    async def read(connection: AsyncConnection) -> tuple[BulkAction | None, list[bulk_actions.Counted]]:
        return await bulk_actions.find(connection, bulk_id), await bulk_actions.outcomes(connection, bulk_id)

    found, outcomes = await services.database.statements(read)
    if found is None:
        raise ProblemError("not_found")
    names = await names_of(services, {found.actor})
    document = {
        "id": found.id,
        "href": f"/v1/staff/bulk/{found.id}",
        "action": found.action,
        "reason_code": found.body.get("reason_code"),
        "reason": found.body["reason"],
        "by": actor_json(found.actor, names),
        "started_at": time_json(found.started_at),
        **progress_json(outcomes),
    }
    return json_response(document)


def progress_json(outcomes: Sequence[bulk_actions.Counted]) -> dict[str, Any]:
    """How many claims there are, and what became of them so far."""

    def number(outcome: str) -> int:
        return sum(each.count for each in outcomes if each.outcome == outcome)

    def by_code(outcome: str) -> list[dict[str, Any]]:
        return [_count_json(each.code or "", each.count, each.claims) for each in outcomes if each.outcome == outcome]

    return {
        "count": sum(each.count for each in outcomes),
        "done": number("accepted"),
        "left": number("left"),
        "refused": by_code("refused"),
        "skipped": by_code("skipped"),
    }


def _count_json(code: str, count: int, claims: Sequence[str]) -> dict[str, Any]:
    return {"code": code, "count": count, "claims": list(claims)}
