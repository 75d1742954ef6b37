"""Administrators: who works in the office, and as what."""

from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, Field, model_validator
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Administrator, Auditor, Principal
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Body, Email, Reason
from api.v1.envelope import Envelope, envelope
from api.v1.once import answer_once
from api.v1.steps import json_response
from api.views import time_json
from domain.identities import is_id
from domain.roles import OFFICE_ROLES, Role
from storage import accounts, history
from storage.acts import Actor
from storage.staff_accounts import StaffAccount, lock_administrators, staff_account, staff_accounts

router = APIRouter(prefix="/v1/staff/accounts", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
EnvelopeOf = Annotated[Envelope, Depends(envelope)]


def _of_office(role: Role) -> Role:
    if role not in OFFICE_ROLES:
        raise ValueError("role_not_of_office")
    return role


class NewStaffRequest(Body):
    """Give an address a role in the office; a new account is made, and a closed one opened again."""

    email: Email
    role: Annotated[Role, Field(strict=False), AfterValidator(_of_office)]
    reason: Reason


class AccountChangeRequest(Body):
    """Change what an account may do, or whether it may sign in. The role ``learner`` takes all rights of the office."""

    role: Annotated[Role, Field(strict=False)] | None = None
    is_active: bool | None = None
    reason: Reason

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.role is None and self.is_active is None:
            raise ValueError("change_missing")
        return self

    @property
    def changes(self) -> dict[str, Any]:
        """What is to be changed."""
        return self.model_dump(include={"role", "is_active"}, exclude_none=True)


class AccountOfStaff(BaseModel):
    """An account of the office. One that is not active can't sign in; what it did stays."""

    id: str
    href: str
    email: str
    name: str | None
    role: Role
    is_active: bool
    is_own: bool
    created_at: answers.Time
    deactivated_at: answers.Time | None


class AccountOfStaffList(BaseModel):
    """A page of accounts, the oldest first; pass ``next`` as ``after`` to go on."""

    data: list[AccountOfStaff]
    has_more: bool
    next: str | None


def _account_json(account: StaffAccount, principal: Principal) -> dict[str, Any]:
    return {
        "id": account.id,
        "href": f"/v1/staff/accounts/{account.id}",
        "email": account.email,
        "name": account.name,
        "role": account.role,
        "is_active": account.deactivated_at is None,
        "is_own": account.id == principal.account_id,
        "created_at": time_json(account.created_at),
        "deactivated_at": time_json(account.deactivated_at),
    }


@router.get("", response_model=AccountOfStaffList)
async def list_accounts(
    principal: Auditor,
    services: ServicesOf,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, Query(max_length=80, description="The `next` of the page before.")] = None,
) -> Response:
    """Who works in the office, and as what, the oldest account first; those that were closed, too."""
    if after is not None and not is_id(after, "acc"):
        raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])
    found = await services.database.statements(lambda c: staff_accounts(c, after, limit + 1))
    shown, has_more = found[:limit], len(found) > limit
    data = [_account_json(each, principal) for each in shown]
    return json_response({"data": data, "has_more": has_more, "next": shown[-1].id if has_more else None})


@router.post("", response_model=AccountOfStaff)
async def add_account(
    body: NewStaffRequest, principal: Administrator, head: EnvelopeOf, services: ServicesOf
) -> Response:
    """Give an address a role in the office. Nobody gives themselves another one."""

    async def add(connection: AsyncConnection) -> dict[str, Any]:
        def give(each: Connection) -> str:
            _check_administrator(each, principal)
            return accounts.give_role(each, body.email, body.role, actor, body.reason)

        account_id = await connection.run_sync(give)
        await _refuse_own(connection, principal, account_id)
        return await _shown(connection, account_id, principal)

    actor = Actor(principal.account_id, head.request_id)
    return await answer_once(services, head.key, add)


@router.get("/{account_id}", response_model=AccountOfStaff)
async def show_account(account_id: str, principal: Auditor, services: ServicesOf) -> Response:
    """One account of the office."""
    known = is_id(account_id, "acc")
    account = await services.database.statements(lambda c: staff_account(c, account_id)) if known else None
    if account is None:
        raise ProblemError("not_found")
    return json_response(_account_json(account, principal))


@router.patch("/{account_id}", response_model=AccountOfStaff)
async def change_account(
    account_id: str, body: AccountChangeRequest, principal: Administrator, head: EnvelopeOf, services: ServicesOf
) -> Response:
    """Change what somebody may do, or close their account. Nobody changes their own, so an administrator remains."""

    async def change(connection: AsyncConnection) -> dict[str, Any]:
        await connection.run_sync(_check_administrator, principal)
        before = await staff_account(connection, account_id) if is_id(account_id, "acc") else None
        if before is None:
            raise ProblemError("not_found")
        await _refuse_own(connection, principal, account_id)
        await connection.run_sync(accounts.change_account, account_id, body.changes, actor, body.reason)
        after = await staff_account(connection, account_id)
        return _account_json(after, principal) if after else {**_account_json(before, principal), **body.changes}

    actor = Actor(principal.account_id, head.request_id)
    return await answer_once(services, head.key, change)


def _check_administrator(connection: Connection, principal: Principal) -> None:
    """Whoever asks must be an administrator still, once nobody else can change that: else 403."""
    if principal.account_id not in lock_administrators(connection):
        raise ProblemError("not_allowed")


async def _refuse_own(connection: AsyncConnection, principal: Principal, account_id: str) -> None:
    """Nobody changes an account of their own, under whatever address; raised within the transaction, it undoes it."""
    if account_id in await history.accounts_of_person(connection, principal.learner_id):
        raise ProblemError("own_account")


async def _shown(connection: AsyncConnection, account_id: str, principal: Principal) -> dict[str, Any]:
    account = await staff_account(connection, account_id)
    assert account is not None  # noqa: S101  # it was just given a role of the office
    return _account_json(account, principal)
