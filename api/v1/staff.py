"""Staff: one claim, with what they may do to it."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.responses import Response

from api.auth import Office
from api.history import actor_json, names_of
from api.services import Services, services_of
from api.v1 import answers
from api.v1.operator_actions import operator_actions_json
from api.v1.steps import any_claim, json_response
from api.views import claim_json, time_json
from domain.claims import Stage
from domain.office import OperatorAction
from domain.submissions import SubmissionKind
from storage import queries, roster_views
from storage.queries import ClaimView, GivenReason

router = APIRouter(prefix="/v1/staff", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2200


def plausible(at: datetime) -> datetime:
    """A time that somebody may mean; else ``ValueError``."""
    try:
        year = at.astimezone(UTC).year
    except OverflowError:
        raise ValueError("time_implausible") from None
    if not _FIRST_YEAR <= year < _LAST_YEAR:
        raise ValueError("time_implausible")
    return at


class StaffHold(answers.HoldOfClaim):
    """A hold as staff see it: who holds the claim, and what they wrote about it."""

    by: answers.AuditActor
    reason: str | None


class ExtensionRequestOfClaim(BaseModel):
    """That the learner asked for more time and has no answer yet: when, and why, as long as the words are kept."""

    requested_at: answers.Time
    reason: str | None


class EntryOfAnother(BaseModel):
    """An entry of the roster that names somebody else, whose id the learner gave by ``method``; for staff to settle."""

    id: str
    given_name: str | None
    family_name: str | None
    emails: list[str]
    method: str
    stated_at: answers.Time


class OperatorActionOfClaim(BaseModel):
    """What staff may do now: where to send it, and what to fill in beside the reason."""

    action: OperatorAction
    method: str
    href: str
    form: dict[str, Any]


class StaffClaim(answers.Claim):
    """A claim as staff see it, with what they may do to it now.

    ``entries_of_others`` is empty once participation is proved or waived.
    """

    hold: StaffHold | None
    extension_request: ExtensionRequestOfClaim | None
    learner: answers.LearnerOfClaim
    workflow_id: str
    workflow_url: str
    entries_of_others: list[EntryOfAnother]
    operator_actions: list[OperatorActionOfClaim]


@router.get("/claims/{claim_id}", response_model=StaffClaim)
async def show_claim(claim_id: str, principal: Office, services: ServicesOf) -> Response:
    """One claim of any learner: whose it is, where operators find its workflow, and what this member may do to it."""
    view = await any_claim(services, claim_id)
    policy = await services.policies.get(view.version_id)
    contact = await services.database.statements(lambda c: queries.contact_of(c, view.learner_id))
    workflow_id = services.gateway.workflow_id(view.id)
    status = claim_json(view, policy, services.settings.public_url)
    document = {
        **status,
        "hold": status["hold"] and {**status["hold"], **await _staff_hold(services, view)},
        "extension_request": await _extension_request(services, view),
        "learner": {"id": view.learner_id, **contact},
        "workflow_id": workflow_id,
        "workflow_url": services.gateway.workflow_url(workflow_id, services.settings.temporal_ui_url),
        "entries_of_others": await _entries_of_others(services, view),
        "operator_actions": operator_actions_json(view, policy, principal),
    }
    return json_response(document)


async def _staff_hold(services: Services, view: ClaimView) -> dict[str, Any]:
    """Who holds a claim, and what they wrote about it."""
    actor = view.hold.by if view.hold else None
    said = await _newest_reason(services, view, SubmissionKind.HOLD)
    return {"by": actor_json(actor, await names_of(services, {actor})), "reason": said.reason if said else None}


async def _extension_request(services: Services, view: ClaimView) -> dict[str, Any] | None:
    """Why the learner asks for more time, as long as nobody answered."""
    if not view.facts.is_extension_requested:
        return None
    said = await _newest_reason(services, view, SubmissionKind.EXTENSION_REQUEST)
    return {"requested_at": time_json(said.given_at), "reason": said.reason} if said else None


async def _newest_reason(services: Services, view: ClaimView, kind: SubmissionKind) -> GivenReason | None:
    return await services.database.statements(lambda c: queries.newest_reason(c, view.id, kind))


async def _entries_of_others(services: Services, view: ClaimView) -> list[dict[str, Any]]:
    """Whose entries the learner named instead of their own, while participation is not proved."""
    if view.stage != Stage.VERIFYING_PARTICIPATION:
        return []
    found = await services.database.statements(lambda c: roster_views.entries_of_others(c, view.id))
    return [{**asdict(entry), "stated_at": time_json(entry.stated_at)} for entry in found]
