"""Staff: claims that do not go on by themselves, and e-mails that do not arrive, with what to do about them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Office
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.stuck_claims import find_stuck_claims
from api.stuck_words import CAUSE_WORDS, STUCK_WORDS, error_words
from api.v1 import answers
from api.v1.bodies import ReasonRequest
from api.v1.once import answer_once
from api.v1.steps import StaffDesk, json_response
from api.views import time_json
from config.languages import gettext
from domain.identities import is_id
from domain.office import OperatorAction
from domain.stuck import SUGGESTED, StuckCause, StuckReason
from storage import failing_emails
from storage.acts import Actor
from storage.failing_emails import FailingEmail
from storage.stuck import StuckClaim, StuckGroup

router = APIRouter(prefix="/v1/staff", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]


class LastError(BaseModel):
    """Why something failed last: a code, and what it means."""

    code: str
    words: str


class StuckClaimDocument(BaseModel):
    """A stuck claim. ``tries`` counts deliveries of a step, tries of an activity, or tries to send an e-mail.

    ``next_try_at`` is when it is tried again by itself, where that is known; ``correction`` is the id of the claim's
    correction that is parked, where it is one.
    """

    id: str
    href: str
    since: answers.Time
    tries: int | None
    next_try_at: answers.Time | None
    last_error: LastError | None
    correction: str | None


class Cause(BaseModel):
    """Why Laurel is late with claims."""

    code: StuckCause
    title: str
    meaning: str


class StuckGroupDocument(BaseModel):
    """Claims that are stuck for one reason, the twenty that have been for longest among them.

    ``cause`` is why, where Laurel is late and Temporal could tell; the suggestion is what removes it.
    """

    reason: StuckReason
    cause: Cause | None
    title: str
    meaning: str
    suggestion: str
    suggested_action: OperatorAction | None
    claims: int
    since: answers.Time
    most_tries: int | None
    last_errors: list[LastError]
    oldest: list[StuckClaimDocument]


class StuckClaims(BaseModel):
    """Every reason for which claims are stuck at present."""

    data: list[StuckGroupDocument]


class FailingEmailDocument(BaseModel):
    """An e-mail that was given up (``failed``), or whose sending failed and is tried again. Nobody's address."""

    id: str
    purpose: str
    claim: str | None
    state: Literal["queued", "sending", "failed"]
    tries: int
    created_at: answers.Time
    send_after: answers.Time
    last_error: LastError | None
    can_retry: bool


class FailingEmailList(BaseModel):
    """A page of e-mails; pass ``next`` as ``after`` to go on."""

    data: list[FailingEmailDocument]
    has_more: bool
    next: str | None


class EmailQueued(BaseModel):
    """What is sent once more."""

    email: str


@router.get("/claims/stuck", response_model=StuckClaims)
async def list_stuck_claims(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
) -> Response:
    """Claims that wait for a person, and those that Laurel is late with: grouped by the reason, with a suggestion."""
    groups = await find_stuck_claims(services.database, services.gateway)
    return json_response({"data": [group_json(group) for group in groups]})


def group_json(group: StuckGroup) -> dict[str, Any]:
    """A group with its words."""
    words = STUCK_WORDS[group.reason]
    cause = CAUSE_WORDS[group.cause] if group.cause else None
    return {
        "reason": group.reason,
        "cause": cause and {"code": group.cause, "title": gettext(cause.title), "meaning": gettext(cause.meaning)},
        "title": gettext(words.title),
        "meaning": gettext(words.meaning),
        "suggestion": gettext((cause or words).suggestion),
        "suggested_action": SUGGESTED[group.reason],
        "claims": group.claims,
        "since": time_json(group.since),
        "most_tries": group.most_tries,
        "last_errors": [_error_json(code) for code in group.last_errors],
        "oldest": [_claim_json(each) for each in group.oldest],
    }


def _claim_json(claim: StuckClaim) -> dict[str, Any]:
    return {
        "id": claim.claim_id,
        "href": f"/v1/staff/claims/{claim.claim_id}",
        "since": time_json(claim.since),
        "tries": claim.tries,
        "next_try_at": time_json(claim.next_try_at),
        "last_error": _error_json(claim.last_error) if claim.last_error else None,
        "correction": claim.correction_id,
    }


def _error_json(code: str) -> dict[str, str]:
    return {"code": code, "words": gettext(error_words(code))}


@router.get("/emails", response_model=FailingEmailList)
async def list_failing_emails(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    state: Literal["failing"] = "failing",  # noqa: ARG001  # what else there is of e-mails belongs to their claims
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, Query(max_length=80, description="The `next` of the page before.")] = None,
) -> Response:
    """E-mails that do not arrive, the oldest first: what they are for, how often they were tried, and why they fail."""
    if after is not None and not is_id(after, "eml"):
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])
    found = await services.database.statements(lambda c: failing_emails.listed(c, after, limit + 1))
    shown, has_more = found[:limit], len(found) > limit
    data = [_email_json(each) for each in shown]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].id if has_more else None})


def _email_json(email: FailingEmail) -> dict[str, Any]:
    return {
        "id": email.id,
        "purpose": email.purpose,
        "claim": email.claim_id,
        "state": email.state,
        "tries": email.tries,
        "created_at": time_json(email.created_at),
        "send_after": time_json(email.send_after),
        "last_error": _error_json(email.last_error) if email.last_error else None,
        "can_retry": email.can_retry,
    }


@router.post("/emails/{email_id}/retry", response_model=EmailQueued, responses={409: answers.TAKEN[409]})
async def retry_email(email_id: str, body: ReasonRequest, desk: StaffDesk) -> Response:
    """Send an e-mail once more that was given up, or now what would be tried again later.

    What a parked claim could not send is a step of that claim; a sign-in link is asked for anew.
    """
    actor = Actor(desk.principal.account_id, desk.envelope.request_id)

    async def retry(connection: AsyncConnection) -> Mapping[str, Any]:
        email = await connection.run_sync(failing_emails.lock, email_id) if is_id(email_id, "eml") else None
        if email is None:
            raise ProblemError("not_found")
        if not email.can_retry:
            raise ProblemError("email_not_resendable", details={"state": email.state})
        await connection.run_sync(failing_emails.queue_again, email, actor, body.reason)
        return {"email": email.id}

    return await answer_once(desk.services, desk.envelope.key, retry)
