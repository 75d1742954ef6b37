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

from api.auth import Staff
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.uploads import read_upload
from api.v1 import answers
from api.v1.envelope import Envelope, envelope, fingerprint
from api.v1.once import answer_once
from domain.employees import Employee, EmployeeListError, read_employees
from domain.tabular import MAXIMUM_BYTES
from storage import employees
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
        errors = [FieldError(each.place, each.code, each.message) for each in error.mistakes]
        raise ProblemError("employees_invalid", errors=errors) from None
