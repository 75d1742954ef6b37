"""The office: who took which export out of the record, and why."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.responses import Response

from api.auth import Office
from api.history import actors_of, audit_json, names_of
from api.services import Services, services_of
from api.v1 import answers
from api.v1.steps import json_response
from storage import history
from storage.disclosures import STREAM

router = APIRouter(prefix="/v1/staff", tags=["staff"], responses=answers.STAFF_PROBLEMS)

_SHOWN: Final = ("at", "event", "text", "actor", "reason", "after", "evidence")


class HandedOut(BaseModel):
    """One export: when, what in words and in numbers, who took it and why; ``evidence`` is the hash of the file."""

    number: int
    at: answers.Time | None
    event: str | None
    text: str
    actor: answers.AuditActor | None
    reason: str | None
    after: dict[str, object]
    evidence: dict[str, str]


class HandedOutList(BaseModel):
    """A page of exports, newest first; pass ``next`` as ``after`` to go on."""

    data: list[HandedOut]
    has_more: bool
    next: int | None


@router.get("/exports", response_model=HandedOutList)
async def list_exports(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: Annotated[Services, Depends(services_of)],
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="The `next` of the page before.")] = 0,
) -> Response:
    """What left the record: lists of claims, audit bundles and entries, newest first."""
    entries = await services.database.statements(lambda c: history.newest_of_stream(c, STREAM, after, limit + 1))
    shown, has_more = entries[:limit], len(entries) > limit
    names = await names_of(services, actors_of(shown))
    data = [
        {"number": entry.seq, **{name: told[name] for name in _SHOWN}}
        for entry in shown
        for told in [audit_json(entry, names)]
    ]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].seq if has_more else None})
