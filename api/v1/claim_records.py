"""Staff: what came with one claim: what was submitted, which e-mails went out, and what colleagues noted."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel
from sqlalchemy import Connection
from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Office
from api.history import actor_json, names_of
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import MAXIMUM_REASON_LENGTH, Body, ReasonRequest
from api.v1.certificates import sending_of_link
from api.v1.claiming import SessionSearch, sessions_page
from api.v1.once import answer_once
from api.v1.steps import StaffDesk, any_claim, json_response
from api.views import submission_json, time_json
from domain.identities import is_id
from domain.names import clean_text
from domain.notices import Resending, resending_of
from storage import claim_emails, claim_notes, failing_emails, intake
from storage.acts import Actor
from storage.claim_emails import ClaimEmail
from storage.claim_notes import ClaimNote
from storage.corrections import PurgedError
from storage.history import AccountName
from storage.queries import ClaimView

router = APIRouter(prefix="/v1/staff/claims/{claim_id}", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
Limit = Annotated[int, Query(ge=1, le=100, description="How many to answer with at most.")]
After = Annotated[str | None, Query(max_length=80, description="The `next` of the page before.")]


def _note_text(text: str) -> str:
    cleaned = clean_text(text, MAXIMUM_REASON_LENGTH)
    if not cleaned:
        raise ValueError("text_empty")
    return cleaned


class NoteRequest(Body):
    """Note something about a claim, for colleagues."""

    text: Annotated[str, AfterValidator(_note_text)]


class StaffSubmission(answers.Submission):
    """A submission as staff see it: also who sent it. What it said is in the audit bundle only."""

    actor: answers.AuditActor


class StaffSubmissionList(BaseModel):
    """A page of submissions, the newest first; pass ``next`` as ``after`` to go on."""

    data: list[StaffSubmission]
    has_more: bool
    next: str | None


class EmailOfClaim(BaseModel):
    """An e-mail about a claim: ``reserved`` with an award until its certificate is issued, then on its way, or not.

    ``resending`` says how it can be sent once more, if it can. ``recipient`` is empty until it is sent first, and
    ``last_error`` a code: why it was not sent, or is not wanted.
    """

    id: str
    purpose: str
    state: Literal["reserved", "queued", "sending", "sent", "failed", "dropped"]
    recipient: str
    tries: int
    created_at: answers.Time
    send_after: answers.Time
    sent_at: answers.Time | None
    last_error: str | None
    resending: Resending | None
    href: str


class EmailsOfClaim(BaseModel):
    """The e-mails about a claim, the newest first."""

    data: list[EmailOfClaim]


class EmailResent(BaseModel):
    """What goes out once more."""

    email: str
    resending: Resending


class Note(BaseModel):
    """What a member of staff noted."""

    id: str
    text: str
    author: answers.AuditActor
    written_at: answers.Time


class NoteList(BaseModel):
    """A page of notes, the newest first; pass ``next`` as ``after`` to go on."""

    data: list[Note]
    has_more: bool
    next: str | None


def _check_cursor(after: str | None, prefix: str) -> None:
    if after is not None and not is_id(after, prefix):
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])


@router.get("/submissions", response_model=StaffSubmissionList)
async def list_submissions(
    claim_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    limit: Limit = 50,
    after: After = None,
) -> Response:
    """What was submitted about a claim, by its learner and by staff, and what became of it, the newest first."""
    _check_cursor(after, "sub")
    view = await any_claim(services, claim_id)
    found = await services.database.statements(lambda c: intake.submissions_of_claim(c, view.id, after, limit + 1))
    shown, has_more = found[:limit], len(found) > limit
    names = await names_of(services, {each.actor for each in shown})
    data = [{**submission_json(each.view), "actor": actor_json(each.actor, names)} for each in shown]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].view.id if has_more else None})


@router.get("/sessions", response_model=answers.SessionList)
async def list_sessions(
    claim_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    wanted: Annotated[SessionSearch, Query()],
) -> Response:
    """The sessions of a claim's meeting in the programme's order, with what its learner claims for each."""
    return await sessions_page(services, await any_claim(services, claim_id), wanted)


@router.get("/emails", response_model=EmailsOfClaim)
async def list_emails(
    claim_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
) -> Response:
    """The e-mails about a claim, the newest first: to whom, how often tried, sent or not, and why not."""
    view = await any_claim(services, claim_id)
    emails = await services.database.statements(lambda c: claim_emails.of_claim(c, view.id))
    return json_response({"data": [_email_json(view.id, each) for each in emails]})


def _email_json(claim_id: str, email: ClaimEmail) -> dict[str, Any]:
    return {
        "id": email.id,
        "purpose": email.purpose,
        "state": email.state,
        "recipient": email.recipient,
        "tries": email.tries,
        "created_at": time_json(email.created_at),
        "send_after": time_json(email.send_after),
        "sent_at": time_json(email.sent_at),
        "last_error": email.last_error,
        "resending": resending_of(email.purpose, email.state),
        "href": f"/v1/staff/claims/{claim_id}/emails/{email.id}",
    }


@router.post("/emails/{email_id}/resend", response_model=EmailResent, responses={409: answers.TAKEN[409]})
async def resend_email(claim_id: str, email_id: str, body: ReasonRequest, desk: StaffDesk) -> Response:
    """Send an e-mail once more that was given up; of an award, a link to its certificate, at most five a day."""
    services = desk.services
    view = await any_claim(services, claim_id)
    actor = Actor(desk.principal.account_id, desk.envelope.request_id)

    async def resend(connection: AsyncConnection) -> dict[str, Any]:
        await connection.run_sync(_lock, view)
        emails = await claim_emails.of_claim(connection, view.id)
        email = next((each for each in emails if each.id == email_id), None)
        if email is None:
            raise ProblemError("not_found")
        way = resending_of(email.purpose, email.state)
        if way is None:
            raise ProblemError("email_not_resendable", details={"state": email.state})
        if way is Resending.AGAIN:
            await connection.run_sync(_queue_again, email.id, actor, body.reason)
        else:
            await (await sending_of_link(services, view))(connection)
            await connection.run_sync(claim_emails.enter_resending, view, email, body.reason, actor)
        return {"email": email.id, "resending": way}

    return await answer_once(services, desk.envelope.key, resend)


def _queue_again(connection: Connection, email_id: str, actor: Actor, reason: str) -> None:
    email = failing_emails.lock(connection, email_id)
    if email is not None:
        failing_emails.queue_again(connection, email, actor, reason)


def _lock(connection: Connection, view: ClaimView) -> None:
    """Hold a claim's row. Raises 409 when nothing can be entered about it: not yet, or not any more."""
    try:
        claim_notes.lock_claim(connection, view.id)
    except PurgedError:
        detail = "Nothing can be entered about it any more."
        raise ProblemError("retention_ended", detail=detail) from None
    except NoResultFound:
        raise ProblemError("wrong_state", details={"stage": view.stage}) from None


@router.get("/notes", response_model=NoteList)
async def list_notes(
    claim_id: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    limit: Limit = 50,
    after: After = None,
) -> Response:
    """What staff noted about a claim, the newest first; its learner does not read it."""
    _check_cursor(after, "cno")
    view = await any_claim(services, claim_id)
    found = await services.database.statements(lambda c: claim_notes.of_claim(c, view.id, after, limit + 1))
    shown, has_more = found[:limit], len(found) > limit
    names = await names_of(services, {each.account_id for each in shown})
    data = [_note_json(each, names) for each in shown]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].id if has_more else None})


def _note_json(note: ClaimNote, names: Mapping[str, AccountName]) -> dict[str, Any]:
    return {
        "id": note.id,
        "text": note.text,
        "author": actor_json(note.account_id, names),
        "written_at": time_json(note.written_at),
    }


@router.post("/notes", status_code=201, response_model=Note, responses={409: answers.TAKEN[409]})
async def write_note(claim_id: str, body: NoteRequest, desk: StaffDesk) -> Response:
    """Note something about a claim, for colleagues; what is noted stays."""
    services, account_id = desk.services, desk.principal.account_id
    view = await any_claim(services, claim_id)
    names = await names_of(services, {account_id})
    actor = Actor(account_id, desk.envelope.request_id)

    async def write(connection: AsyncConnection) -> dict[str, Any]:
        await connection.run_sync(_lock, view)
        note = await connection.run_sync(claim_notes.write, view.id, view.learner_id, body.text, actor)
        return _note_json(note, names)

    return await answer_once(services, desk.envelope.key, write, 201)
