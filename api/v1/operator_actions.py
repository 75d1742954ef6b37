"""Staff: freeing a claim that is stuck, and stopping one that should not go on. Each act is a submission of the claim.

``operator_actions`` of a claim lists what is possible now, for the one who asks: a page that shows it needs no rules.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from api.acting import bar_of
from api.auth import Principal
from api.problems import ProblemError
from api.sentences import REASON_CODES, REQUIREMENTS
from api.v1 import answers
from api.v1.bodies import Body, Day, Reason
from api.v1.steps import ApproverDesk, Desk, StaffDesk, any_claim
from config.languages import gettext, marked
from domain.office import KIND_OF_ACTION, OperatorAction, may_act, possible_actions, waivable
from domain.policy import CEActivityPolicy
from domain.reasons import (
    DenialReason,
    ExtensionReason,
    ExtensionRefusalReason,
    HoldReason,
    ReasonCode,
    ReleaseReason,
    ReopeningReason,
    ResolutionReason,
    RetryReason,
    WaiverReason,
    WithdrawalReason,
)
from domain.submissions import (
    REASONS,
    AttentionResolved,
    ClaimDenied,
    ClaimHeld,
    ClaimReleased,
    ClaimReopened,
    ClaimWithdrawn,
    DeadlineExtended,
    ExtensionRefused,
    RequirementWaived,
    StepRetried,
)
from storage.queries import ClaimView

router = APIRouter(prefix="/v1/staff/claims/{claim_id}", tags=["freeing"], responses=answers.STAFF_PROBLEMS)

RequirementKind = Literal[
    "participation",
    "statement",
    "disclosures",
    "content",
    "post_test",
    "evaluation",
    "sessions",
    "credit",
    "finalization",
]


class ExtensionRequest(Body):
    """Move a claim's deadline to the end of a local day."""

    due_on: Day
    reason_code: Annotated[ExtensionReason, Field(strict=False)] = ExtensionReason.OTHER
    reason: Reason


class ExtensionRefusalRequest(Body):
    """Answer a request for more time with no."""

    reason_code: Annotated[ExtensionRefusalReason, Field(strict=False)] = ExtensionRefusalReason.OTHER
    reason: Reason


class RetryRequest(Body):
    """Let a parked claim try its step again."""

    reason_code: Annotated[RetryReason, Field(strict=False)] = RetryReason.OTHER
    reason: Reason


class HoldRequest(Body):
    """Hold a claim; the learner reads the code in plain words, and the reason is for the office."""

    reason_code: Annotated[HoldReason, Field(strict=False)]
    reason: Reason


class ReleaseRequest(Body):
    """End a hold."""

    reason_code: Annotated[ReleaseReason, Field(strict=False)]
    reason: Reason


class WaiverRequest(Body):
    """Waive a requirement."""

    requirement: RequirementKind
    reason_code: Annotated[WaiverReason, Field(strict=False)]
    reason: Reason


class ResolutionRequest(Body):
    """Say that what Laurel could not do was done without it."""

    reason_code: Annotated[ResolutionReason, Field(strict=False)]
    reason: Reason


class DenialRequest(Body):
    """Deny a claim."""

    reason_code: Annotated[DenialReason, Field(strict=False)]
    reason: Reason


class ReopeningRequest(Body):
    """Open a claim again; where its deadline has passed, ``due_on`` is its new last day."""

    reason_code: Annotated[ReopeningReason, Field(strict=False)]
    reason: Reason
    due_on: Day | None = None


class WithdrawalByStaffRequest(Body):
    """Withdraw a claim for its learner."""

    reason_code: Annotated[WithdrawalReason, Field(strict=False)]
    reason: Reason


@router.post("/extend", response_model=answers.Claim, responses=answers.TAKEN)
async def extend_deadline(claim_id: str, body: ExtensionRequest, desk: StaffDesk) -> Response:
    """Move a claim's deadline to the end of a local day; an expired claim goes on."""
    view = await claim_of_another(desk, claim_id, OperatorAction.EXTEND)
    return await desk.take(view, DeadlineExtended(date.fromisoformat(body.due_on), body.reason, body.reason_code))


@router.post("/refuse-extension", response_model=answers.Claim, responses=answers.TAKEN)
async def refuse_extension(claim_id: str, body: ExtensionRefusalRequest, desk: StaffDesk) -> Response:
    """Answer a request for more time with no; the learner is told by e-mail."""
    view = await claim_of_another(desk, claim_id, OperatorAction.REFUSE_EXTENSION)
    return await desk.take(view, ExtensionRefused(body.reason, body.reason_code))


@router.post("/retry", response_model=answers.Claim, responses=answers.TAKEN)
async def retry_step(claim_id: str, body: RetryRequest, desk: StaffDesk) -> Response:
    """Let a parked claim try its step again."""
    view = await claim_of_another(desk, claim_id, OperatorAction.RETRY)
    return await desk.take(view, StepRetried(body.reason, body.reason_code))


@router.post("/hold", response_model=answers.Claim, responses=answers.TAKEN)
async def place_hold(claim_id: str, body: HoldRequest, desk: StaffDesk) -> Response:
    """Hold a claim: its learner's steps are received and stay undecided, and its deadline ends nothing meanwhile."""
    view = await claim_of_another(desk, claim_id, OperatorAction.HOLD)
    return await desk.take(view, ClaimHeld(body.reason_code, body.reason))


@router.post("/release", response_model=answers.Claim, responses=answers.TAKEN)
async def release_hold(claim_id: str, body: ReleaseRequest, desk: StaffDesk) -> Response:
    """End a hold: what was received meanwhile is decided now, as of its receipt; the deadline is where it was."""
    view = await claim_of_another(desk, claim_id, OperatorAction.RELEASE)
    return await desk.take(view, ClaimReleased(body.reason_code, body.reason))


@router.post("/waive", response_model=answers.Claim, responses=answers.TAKEN)
async def waive_requirement(claim_id: str, body: WaiverRequest, desk: StaffDesk) -> Response:
    """Ask nothing more of the learner for one requirement; what measures credit can't be waived."""
    view = await claim_of_another(desk, claim_id, OperatorAction.WAIVE)
    return await desk.take(view, RequirementWaived(body.requirement, body.reason_code, body.reason))


@router.post("/resolve", response_model=answers.Claim, responses=answers.TAKEN)
async def resolve_step(claim_id: str, body: ResolutionRequest, desk: StaffDesk) -> Response:
    """Complete a claim whose e-mail could not be sent, because its learner was told without it."""
    view = await claim_of_another(desk, claim_id, OperatorAction.RESOLVE)
    return await desk.take(view, AttentionResolved(body.reason_code, body.reason))


@router.post("/withdraw", response_model=answers.Claim, responses=answers.TAKEN)
async def withdraw_claim(claim_id: str, body: WithdrawalByStaffRequest, desk: StaffDesk) -> Response:
    """Withdraw a claim for its learner, as long as no credit is awarded."""
    view = await claim_of_another(desk, claim_id, OperatorAction.WITHDRAW)
    return await desk.take(view, ClaimWithdrawn(body.reason_code, body.reason))


@router.post("/deny", response_model=answers.Claim, responses=answers.TAKEN)
async def deny_claim(claim_id: str, body: DenialRequest, desk: ApproverDesk) -> Response:
    """Deny a claim, as long as no credit is awarded."""
    view = await claim_of_another(desk, claim_id, OperatorAction.DENY)
    return await desk.take(view, ClaimDenied(body.reason_code, body.reason))


@router.post("/reopen", response_model=answers.Claim, responses=answers.TAKEN)
async def reopen_claim(claim_id: str, body: ReopeningRequest, desk: ApproverDesk) -> Response:
    """Open a claim again that was denied, expired or withdrawn; attempts that were used up become one more."""
    view = await claim_of_another(desk, claim_id, OperatorAction.REOPEN)
    due_on = date.fromisoformat(body.due_on) if body.due_on else None
    return await desk.take(view, ClaimReopened(body.reason_code, body.reason, due_on))


async def claim_of_another(desk: Desk, claim_id: str, action: OperatorAction) -> ClaimView:
    """A claim to decide about, which may be acted on like this by the one who asks."""
    view = await any_claim(desk.services, claim_id)
    bar = bar_of(view, action, desk.principal.learner_id)
    if bar is not None:
        raise ProblemError(bar)
    return view


_OTHERWISE: Final = {"other": marked("another reason")}


def operator_actions_json(view: ClaimView, policy: CEActivityPolicy, principal: Principal) -> list[dict[str, Any]]:
    """What this member of staff may do to a claim now: where to send it, and what to fill in."""
    if view.learner_id == principal.learner_id or view.is_pending:
        return []
    actions = possible_actions(policy, view.facts, view.read_at)
    return [
        {
            "action": action,
            "method": "POST",
            "href": f"/v1/staff/claims/{view.id}/{action.replace('_', '-')}",
            "form": _form(action, view, policy),
        }
        for action in actions
        if may_act(principal.role, action) and not (action is OperatorAction.REOPEN and view.is_purged)
    ]


def _form(action: OperatorAction, view: ClaimView, policy: CEActivityPolicy) -> Mapping[str, Any]:
    """What goes with an action: codes to choose from, the requirements that may be waived, whether a day is needed."""
    reasons = REASONS.get(KIND_OF_ACTION[action])
    form: dict[str, Any] = {"reason_codes": reason_codes_json(reasons)} if reasons else {}
    match action:
        case OperatorAction.WAIVE:
            kinds = waivable(policy, view.facts)
            form["requirements"] = [{"code": kind, "label": gettext(REQUIREMENTS[kind])} for kind in kinds]
        case OperatorAction.EXTEND:
            form["due_on"] = {"is_required": True, "time_zone": policy.time_zone}
        case OperatorAction.REOPEN:
            due_at = view.facts.due_at
            is_past = due_at is not None and due_at < view.read_at
            form["due_on"] = {"is_required": is_past, "time_zone": policy.time_zone}
        case _:
            pass
    return form


def reason_codes_json(reasons: type[ReasonCode]) -> list[dict[str, str]]:
    """Codes to choose from, with the words that the learner reads."""
    words = {**REASON_CODES, **_OTHERWISE}
    return [{"code": code, "label": gettext(words[code])} for code in reasons]
