"""Staff: the list of the organisation's people, against which employee ids are checked."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from api.auth import Office, Staff
from api.history import actors_of, audit_json, names_of
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.uploads import read_upload
from api.v1 import answers
from api.v1.envelope import Envelope, envelope, fingerprint
from api.v1.once import answer_once
from api.v1.steps import json_response
from config.languages import gettext
from domain.employees import Employee, EmployeeListError, read_employees
from domain.tabular import MAXIMUM_BYTES
from storage import employees, history
from storage.acts import Actor

router = APIRouter(prefix="/v1/staff/employees", tags=["staff"], responses=answers.STAFF_PROBLEMS)

_FILE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "text/tab-separated-values": {"schema": {"type": "string"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
            },
        },
    }
}


class LoadedEmployees(BaseModel):
    """How many people are on the list that was loaded."""

    employees: int


class ListOfEmployees(BaseModel):
    """How many people are on the list, and who loaded it when; null when it was cleared or there never was one."""

    employees: int
    loaded_at: answers.Time | None
    loaded_by: answers.AuditActor | None


@router.get("", response_model=ListOfEmployees)
async def show_employees(
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: Annotated[Services, Depends(services_of)],
) -> Response:
    """The list against which employee ids are checked; nobody on it means that none is checked."""
    newest = await services.database.statements(lambda c: history.newest_of_stream(c, employees.STREAM, 0, 1))
    count = await services.database.statements(employees.count)
    loaded = audit_json(newest[0], await names_of(services, actors_of(newest))) if newest and count else None
    document = {
        "employees": count,
        "loaded_at": loaded and loaded["at"],
        "loaded_by": loaded and loaded["actor"],
    }
    return json_response(document)


@router.put("", response_model=LoadedEmployees, openapi_extra=_FILE)
async def load_employees(
    request: Request,
    principal: Staff,
    head: Annotated[Envelope, Depends(envelope)],
    services: Annotated[Services, Depends(services_of)],
) -> Response:
    """Put a CSV list in the place of the one before: employee id, and as it says them first name, last name, e-mail."""
    file = await read_upload(request, MAXIMUM_BYTES)
    key = replace(head.key, fingerprint=fingerprint(request)) if head.key else None
    listed = await _read(file.content)

    async def load(connection: AsyncConnection) -> Mapping[str, Any]:
        actor = Actor(principal.account_id, head.request_id)
        await connection.run_sync(employees.replace_list, listed, actor, file.sha256)
        return {"employees": len(listed)}

    return await answer_once(services, key, load)


async def _read(content: bytes) -> tuple[Employee, ...]:
    try:
        # A large list takes a second to read; other requests go on meanwhile.
        return await asyncio.to_thread(read_employees, content)
    except EmployeeListError as error:
        errors = [
            FieldError(each.place, each.code, gettext(each.words).format(first=each.first)) for each in error.mistakes
        ]
        raise ProblemError("employees_invalid", errors=errors) from None
