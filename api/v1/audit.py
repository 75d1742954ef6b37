"""The audit trail: a claim's for staff, the whole of it for auditors, and its newest checkpoint for anyone."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import PlainTextResponse, Response

from api.auth import Auditor, Office, public
from api.history import actors_of, audit_json, names_of
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.claims import history_page
from api.v1.staff import plausible
from api.v1.steps import any_claim, json_response
from api.views import time_json
from domain.policy import CEActivityPolicy
from storage import audit_log, history
from storage.audit import claim_stream
from storage.history import TrailEntry, TrailFilter

router = APIRouter(tags=["audit"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
Limit = Annotated[int, Query(ge=1, le=100, description="How many to answer with at most.")]
After = Annotated[int, Query(ge=0, le=2**31 - 1, description="The `next` of the page before.")]
Time = Annotated[AwareDatetime, AfterValidator(plausible)]

# Witnesses on other sites keep checkpoints, and compare them.
_FOR_ALL_SITES: Final = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
_LARGEST: Final = 2**31
_CHECKPOINT: Final = "/.well-known/laurel-audit/checkpoint"


@router.get("/v1/staff/claims/{claim_id}/history", response_model=answers.History)
async def show_history(
    claim_id: str, principal: Office, services: ServicesOf, limit: Limit = 50, after: After = 0
) -> Response:
    """Everything that happened to a claim, refusals too, oldest first, in the words that its learner reads."""
    policy, entries = await _entries_of(services, claim_id, after, limit)
    own = await services.database.statements(lambda c: history.accounts_of_person(c, principal.learner_id))
    return history_page(entries, limit, own, policy, is_office=True)


@router.get("/v1/staff/claims/{claim_id}/audit", response_model=answers.AuditTrail)
async def show_claims_entries(
    claim_id: str,
    principal: Office,  # noqa: ARG001  # only staff and auditors come this far
    services: ServicesOf,
    limit: Limit = 50,
    after: After = 0,
    *,
    order: Literal["oldest", "newest"] = "oldest",
) -> Response:
    """A claim's entries in full: who, what before and after, by which rule, on what evidence; hashes.

    `order` says which come first.
    """
    policy, entries = await _entries_of(services, claim_id, after, limit, is_newest_first=order == "newest")
    return await _page(services, entries, limit, policy, lambda last: last.seq)


async def _entries_of(
    services: Services, claim_id: str, after: int, limit: int, *, is_newest_first: bool = False
) -> tuple[CEActivityPolicy, list[TrailEntry]]:
    view = await any_claim(services, claim_id)
    stream = claim_stream(view.id)
    read = history.newest_of_stream if is_newest_first else history.of_stream
    entries = await services.database.statements(lambda c: read(c, stream, after, limit + 1))
    return await services.policies.get(view.version_id), entries


class EntryFilter(BaseModel):
    """Which entries to list; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    stream: Annotated[str, Field(pattern=r"^[a-z_]{1,40}(:[!-~]{1,200})?$")] | None = None
    event: Annotated[str, Field(pattern=r"^[a-z_]{1,40}(\.[a-z_]{1,40})?$")] | None = None
    actor: Annotated[str, Field(min_length=1, max_length=320, pattern=r"^[^\x00]*$")] | None = None
    since: Time | None = None
    until: Time | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[str, Field(max_length=300, pattern=r"^[^\x00]*$")] | None = None


@router.get("/v1/staff/audit", response_model=answers.AuditTrail)
async def list_entries(
    principal: Auditor,  # noqa: ARG001  # only auditors come this far
    services: ServicesOf,
    wanted: Annotated[EntryFilter, Query()],
) -> Response:
    """Entries of all streams, newest first.

    `stream` is one stream (`claim:clm_…`) or a kind (`claim`), `event` a code or its first part, `actor` an id or an
    address.
    """
    values = wanted.model_dump() | {"limit": wanted.limit + 1, "after": wanted.after and _place(wanted.after)}
    found = await services.database.statements(lambda c: history.search(c, TrailFilter(**values)))
    return await _page(services, found, wanted.limit, None, lambda last: f"{last.stream}:{last.seq}")


class NewestCheckpoint(BaseModel):
    """The newest signed checkpoint: of how many entries, their root in hex, and the note that anyone may keep."""

    entries: int
    root: str
    signed_at: answers.Time | None
    note: str
    href: str


@router.get("/v1/staff/audit/checkpoint", response_model=NewestCheckpoint)
async def show_newest_checkpoint(
    principal: Auditor,  # noqa: ARG001  # only auditors come this far
    services: ServicesOf,
) -> Response:
    """The newest signed checkpoint of the audit trail, with when it was signed; 404 before the first one."""
    newest = await services.database.statements(lambda c: c.run_sync(audit_log.last_signed_checkpoint))
    if newest is None:
        raise ProblemError("not_found")
    document = {
        "entries": newest.size,
        "root": newest.root.hex(),
        "signed_at": time_json(newest.signed_at),
        "note": newest.note,
        "href": _CHECKPOINT,
    }
    return json_response(document)


def _place(after: str) -> tuple[str, int]:
    """Stream and number of the entry that a cursor names."""
    stream, separator, seq = after.rpartition(":")
    if not (separator and seq.isascii() and seq.isdigit() and int(seq) < _LARGEST):
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])
    return stream, int(seq)


async def _page(
    services: Services, entries: list[TrailEntry], limit: int, policy: CEActivityPolicy | None, place: Any
) -> Response:
    """A page of entries with the names of those who acted; ``entries`` may hold one more than the limit."""
    shown = entries[:limit]
    names = await names_of(services, actors_of(shown))
    has_more = len(entries) > limit
    data = [audit_json(entry, names, policy) for entry in shown]
    return json_response({"data": data, "has_more": has_more, "next": place(shown[-1]) if has_more else None})


@router.get(
    _CHECKPOINT,
    response_class=PlainTextResponse,
    include_in_schema=False,
    dependencies=[Depends(public)],
)
async def show_checkpoint(services: ServicesOf) -> Response:
    """The newest signed checkpoint of the audit trail, a C2SP signed note, for whoever keeps it as an anchor."""

    async def read(connection: AsyncConnection) -> str | None:
        checkpoint = await connection.run_sync(audit_log.last_signed_checkpoint)
        return checkpoint.note if checkpoint else None

    note = await services.database.statements(read)
    if note is None:
        raise ProblemError("not_found")
    return PlainTextResponse(note, headers={**_FOR_ALL_SITES, "Cache-Control": "public, max-age=60"})
