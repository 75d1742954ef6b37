"""Who works in the office, and as what: administrators say so, and nobody about themselves."""

import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine

from domain.identities import new_id
from domain.roles import Role
from tests.api.conftest import Person, sign_in
from tests.api.records import merge


def body(**values: Any) -> dict[str, Any]:
    return {"reason": "Agreed with the director.", **values}


async def account_of(administrator: Person, person: Person) -> dict[str, Any]:
    after, found = "", None
    while found is None:
        page = (await administrator.get(f"/v1/staff/accounts?limit=100{after}")).json()
        found = next((each for each in page["data"] if each["id"] == person.account_id), None)
        if found is None and not page["has_more"]:
            raise LookupError(person.account_id)
        after = f"&after={page['next']}"
    return dict(found)


async def test_an_administrator_gives_a_new_address_a_role(
    administrator: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    email = f"{new_id('x')}@people.example"
    added = await administrator.post("/v1/staff/accounts", body(email=email, role="auditor"), Idempotency_Key=email[:9])
    assert (added.status_code, added.json()["role"], added.json()["is_active"]) == (200, "auditor", True)
    auditor = await sign_in(database_url, client, email=email)
    assert auditor.account_id == added.json()["id"]
    assert (await auditor.get("/v1/staff/audit?limit=1")).status_code == 200
    entries = (await auditor.get(f"/v1/staff/audit?stream=learner:{auditor.learner_id}")).json()["data"]
    given = next(each for each in entries if each["event"] == "account.role_given")
    assert (given["actor"]["id"], given["reason"]) == (administrator.account_id, "Agreed with the director.")


async def test_a_role_is_changed_an_account_closed_and_opened_again(administrator: Person, coordinator: Person) -> None:
    path = f"/v1/staff/accounts/{coordinator.account_id}"
    changed = await administrator.call("PATCH", path, body(role="viewer"))
    assert (changed.status_code, changed.json()["role"]) == (200, "viewer")
    # With other rights than before one signs in anew.
    assert (await coordinator.get("/v1/me")).status_code == 401
    closed = await administrator.call("PATCH", path, body(is_active=False))
    assert (closed.json()["is_active"], closed.json()["role"]) == (False, "viewer")
    assert (await coordinator.get("/v1/me")).status_code == 401
    still = await administrator.call("PATCH", path, body(role="coordinator"))
    assert (still.json()["is_active"], still.json()["role"]) == (False, "coordinator")
    opened = await administrator.call("PATCH", path, body(is_active=True))
    assert opened.json()["deactivated_at"] is None
    assert await account_of(administrator, coordinator) == opened.json()


async def test_who_becomes_a_learner_again_is_on_no_list(administrator: Person, coordinator: Person) -> None:
    path = f"/v1/staff/accounts/{coordinator.account_id}"
    changed = await administrator.call("PATCH", path, body(role="learner"))
    assert (changed.status_code, changed.json()["role"]) == (200, "learner")
    assert (await administrator.call("PATCH", path, body(role="viewer"))).status_code == 404
    with pytest.raises(LookupError):
        await account_of(administrator, coordinator)


async def test_nobody_changes_their_own_account_under_whatever_address(
    administrator: Person, database_url: str, client: httpx2.AsyncClient, engine: Engine
) -> None:
    other = await sign_in(database_url, client, Role.COORDINATOR)
    merge(engine, other.learner_id, administrator.learner_id)
    for person in (administrator, other):
        refused = await administrator.call("PATCH", f"/v1/staff/accounts/{person.account_id}", body(role="auditor"))
        assert (refused.status_code, refused.json()["code"]) == (403, "own_account")
        refused = await administrator.post("/v1/staff/accounts", body(email=person.email, role="auditor"))
        assert (refused.status_code, refused.json()["code"]) == (403, "own_account")
    assert (await account_of(administrator, other))["role"] == "coordinator"


async def test_two_administrators_who_dismiss_each_other_leave_one(
    administrator: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    other = await sign_in(database_url, client, Role.ADMINISTRATOR)
    answers = await asyncio.gather(
        *(
            one.call("PATCH", f"/v1/staff/accounts/{another.account_id}", body(role="learner"))
            for one, another in ((administrator, other), (other, administrator))
        )
    )
    assert sorted(answer.status_code for answer in answers) in ([200, 403], [200, 401])
    left = [await person.get("/v1/me") for person in (administrator, other)]
    assert sorted(each.json().get("role", "signed out") for each in left) == ["administrator", "signed out"]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [({}, "", "change_missing"), ({"role": "king"}, "/role", None), ({"is_active": "no"}, "/is_active", None)],
)
async def test_a_change_that_means_nothing_is_refused(
    change: dict[str, Any], pointer: str, code: str | None, administrator: Person, coordinator: Person
) -> None:
    path = f"/v1/staff/accounts/{coordinator.account_id}"
    refused = await administrator.call("PATCH", path, body(**change))
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["pointer"]) == (422, pointer)
    assert code is None or error["code"] == code


async def test_the_office_has_no_learners(administrator: Person) -> None:
    refused = await administrator.post("/v1/staff/accounts", body(email="a@people.example", role="learner"))
    assert refused.json()["errors"] == [{"pointer": "/role", "code": "role_not_of_office"}]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COORDINATOR, Role.APPROVER])
async def test_only_administrators_and_auditors_see_who_may_do_what(
    role: Role, database_url: str, client: httpx2.AsyncClient
) -> None:
    person = await sign_in(database_url, client, role)
    assert (await person.get("/v1/staff/accounts")).status_code == 403
    path = f"/v1/staff/accounts/{new_id('acc')}"
    assert (await person.call("PATCH", path, body(role="viewer"))).status_code == 403
