"""The accounts of the office: who works here, and as what. Administrators change it, auditors read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.form import Form
from api.pages.staff.addresses import answer_or_page, api_address, form_errors, staff_address
from api.pages.visit import Answer, ApiProblem, Reader, Visit
from domain.roles import Role

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]
_ACCOUNTS = 100


@dataclass(frozen=True, slots=True)
class AccountsPage:
    """The accounts of the office, and the form for another one."""

    accounts: Sequence[Json]
    next: str | None
    may_change: bool
    errors: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    roles: Sequence[str] = tuple(role for role in Role if role is not Role.LEARNER)


@dataclass(frozen=True, slots=True)
class AccountPage:
    """One account, and the form to change it."""

    account: Json
    errors: Mapping[str, str]
    typed: Mapping[str, str]
    roles: Sequence[str] = tuple(role for role in Role if role is not Role.LEARNER)


@router.get("/staff/accounts")
async def list_accounts(visit: Reader, after: str = "") -> Response:
    """Who works here, and as what."""
    return await _render(visit, after)


async def _render(
    visit: Visit, after: str = "", errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None
) -> Response:
    page = await visit.get(api_address("accounts"), limit=_ACCOUNTS, after=after)
    may_change = visit.principal is not None and visit.principal.role is Role.ADMINISTRATOR
    view = AccountsPage(page["data"], page["next"], may_change, errors or {}, typed or {})
    return visit.page("staff/accounts.html", status=422 if errors else 200, view=view)


@router.post("/staff/accounts")
async def add_account(visit: Reader) -> Response:
    """Give an address a role in the office."""
    form = await visit.form()
    typed = _typed(form, "email")

    async def refused(problem: ApiProblem) -> Response:
        return await _render(visit, errors=form_errors(problem), typed=typed)

    answer = await answer_or_page(visit.send("POST", api_address("accounts"), typed, key=form.key), refused)
    return visit.redirect(staff_address("accounts"), notice="saved") if isinstance(answer, Answer) else answer


@router.get("/staff/accounts/{account_id}")
async def show_account(visit: Reader, account_id: str) -> Response:
    """One account, for administrators to change it."""
    if visit.principal is None or visit.principal.role is not Role.ADMINISTRATOR:
        raise ApiProblem.of("not_allowed")
    return await _account(visit, account_id, {}, {})


async def _account(visit: Visit, account_id: str, errors: Mapping[str, str], typed: Mapping[str, str]) -> Response:
    account = await visit.get(api_address("accounts", account_id))
    return visit.page("staff/account.html", status=422 if errors else 200, view=AccountPage(account, errors, typed))


@router.post("/staff/accounts/{account_id}")
async def change_account(visit: Reader, account_id: str) -> Response:
    """Change what somebody may do, or close or open their account."""
    form = await visit.form()
    typed = _typed(form)

    async def refused(problem: ApiProblem) -> Response:
        return await _account(visit, account_id, form_errors(problem), typed)

    document = {**typed, "is_active": form.text("is_active") != "no"}
    answer = await answer_or_page(
        visit.send("PATCH", api_address("accounts", account_id), document, key=form.key), refused
    )
    return visit.redirect(staff_address("accounts"), notice="saved") if isinstance(answer, Answer) else answer


def _typed(form: Form, *more: str) -> dict[str, str]:
    return {name: form.text(name) for name in ("role", "reason", *more)}
