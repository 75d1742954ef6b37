"""The office's list of claims: what the filter means, in which order, and the views that keep one."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, text

from domain.identities import new_id
from domain.roles import Role
from tests.api.conftest import Person, sign_in
from tests.api.records import NOON, add_claim, add_learner, merge
from tests.claims import PROVIDER


async def listed(person: Person, **query: Any) -> list[str]:
    response = await person.client.get("/v1/staff/claims", params=query, headers=person.headers)
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()["data"]]


@pytest.fixture
def claims(engine: Engine, slug: str) -> list[str]:
    """Five open claims of one CE activity, opened on five days; each is due four days after the one before it."""
    return [
        add_claim(
            engine,
            add_learner(engine),
            slug,
            stage="awaiting_test",
            opened_at=NOON + timedelta(days=day),
            due_at=NOON + timedelta(days=400 - 4 * day),
        )
        for day in range(5)
    ]


async def test_claims_are_listed_newest_first_or_by_their_deadlines(
    coordinator: Person, slug: str, claims: list[str]
) -> None:
    assert await listed(coordinator, ce_activity=slug) == claims[::-1]
    assert await listed(coordinator, ce_activity=slug, sort="due") == claims[::-1]
    assert await listed(coordinator, ce_activity=slug, opened_until="2026-06-01", sort="due") == claims[1::-1]


async def test_a_closed_claim_is_due_no_more(coordinator: Person, engine: Engine, slug: str, claims: list[str]) -> None:
    closed = add_claim(engine, add_learner(engine), slug, due_at=NOON, closed_at=NOON)
    assert closed in await listed(coordinator, ce_activity=slug)
    assert closed not in await listed(coordinator, ce_activity=slug, sort="due")
    assert closed not in await listed(coordinator, ce_activity=slug, due_before="2028-01-01")


@pytest.mark.parametrize("order", ["newest", "due"])
async def test_pages_are_cut_by_key_and_nothing_is_skipped_or_shown_twice(
    order: str, coordinator: Person, slug: str, claims: list[str]
) -> None:
    query: dict[str, Any] = {"ce_activity": slug, "sort": order, "limit": 2}
    seen: list[str] = []
    while True:
        page = (await coordinator.client.get("/v1/staff/claims", params=query, headers=coordinator.headers)).json()
        seen += [each["id"] for each in page["data"]]
        assert page["count"] == {"claims": 5, "is_more": False}
        if not page["has_more"]:
            break
        query["after"] = page["next"]
    assert seen == await listed(coordinator, ce_activity=slug, sort=order)
    assert set(seen) == set(claims)


async def test_days_of_the_filter_are_days_of_utc_and_inclusive(
    coordinator: Person, slug: str, claims: list[str]
) -> None:
    assert await listed(coordinator, ce_activity=slug, opened_from="2026-06-02", opened_until="2026-06-03") == [
        claims[3],
        claims[2],
    ]
    due = (NOON + timedelta(days=400 - 4 * 3)).date()
    assert await listed(coordinator, ce_activity=slug, due_before=due.isoformat()) == [claims[4]]
    later = datetime.combine(due, datetime.max.time(), tzinfo=UTC)
    assert await listed(coordinator, ce_activity=slug, due_before=later.isoformat()) == [claims[4], claims[3]]


async def test_claims_are_found_by_whose_they_are(
    coordinator: Person, database_url: str, client: httpx2.AsyncClient, engine: Engine, slug: str
) -> None:
    family_name = f"Núñez{new_id('x')[2:]}"
    learner = await sign_in(database_url, client, given_name="Inés", family_name=family_name)
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()["id"]
    number = str(secrets.randbelow(10**12) + 10**12)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO learner_identifiers (learner_id, kind, value) VALUES (:id, 'employee_id', :value)"),
            {"id": learner.learner_id, "value": number},
        )
    for words in (learner.email.upper(), f"ines {family_name.upper()}", family_name[:9], number, claim):
        assert await listed(coordinator, learner=words) == [claim], words
    assert await listed(coordinator, learner=f"{family_name} Otherwise") == []
    assert await listed(coordinator, learner="nobody@people.example") == []
    [shown] = (await coordinator.get(f"/v1/staff/claims?learner={claim}")).json()["data"]
    assert shown["learner"] == {
        "id": learner.learner_id,
        "given_name": "Inés",
        "family_name": family_name,
        "email": learner.email,
    }


async def test_claims_of_whoever_was_merged_are_found_with_the_learner(
    coordinator: Person, learner: Person, engine: Engine, slug: str
) -> None:
    duplicate = add_learner(engine)
    claim = add_claim(engine, duplicate, slug)
    assert await listed(coordinator, learner=learner.email) == []
    merge(engine, duplicate, learner.learner_id)
    assert await listed(coordinator, learner=learner.email) == [claim]


async def test_claims_are_found_by_provider_attention_and_a_request_for_more_time(
    coordinator: Person, engine: Engine, slug: str, claims: list[str]
) -> None:
    parked = add_claim(engine, add_learner(engine), slug, attention="email_failed", extension_requested_at=NOON)
    assert await listed(coordinator, ce_activity=slug, attention="email_failed") == [parked]
    assert await listed(coordinator, ce_activity=slug, is_extension_requested="true") == [parked]
    assert parked in await listed(coordinator, ce_activity=slug, provider=PROVIDER)
    assert await listed(coordinator, ce_activity=slug, provider="another-provider") == []


async def test_the_export_takes_the_filter_of_the_list_and_has_the_same_claims(
    coordinator: Person, engine: Engine, slug: str, claims: list[str]
) -> None:
    parked = add_claim(engine, add_learner(engine), slug, attention="email_failed", stage="issuing")

    async def exported(**query: str) -> set[str]:
        wanted = {**query, "reason": "Annual report", "format": "jsonl"}
        response = await coordinator.client.get("/v1/staff/exports/claims", params=wanted, headers=coordinator.headers)
        assert response.status_code == 200, response.text
        return {json.loads(line)["claim_id"] for line in response.text.splitlines()[1:]}

    for query in (
        {"ce_activity": slug},
        {"ce_activity": slug, "attention": "email_failed"},
        {"ce_activity": slug, "stage": "awaiting_test", "opened_from": "2026-06-02"},
        {"ce_activity": slug, "due_before": "2027-06-30"},
        {"learner": parked},
    ):
        assert await exported(**query) == set(await listed(coordinator, **query)), query


async def test_whom_an_export_searched_for_is_not_told_in_the_audit_trail(coordinator: Person, engine: Engine) -> None:
    query = {"learner": "Somebody Special", "reason": "A question", "format": "csv"}
    await coordinator.client.get("/v1/staff/exports/claims", params=query, headers=coordinator.headers)
    with engine.connect() as connection:
        bodies = connection.execute(
            text("SELECT body FROM audit_events WHERE stream = 'disclosures' AND audit_actor(body) = :actor"),
            {"actor": coordinator.account_id},
        )
        [body] = [bytes(each).decode() for each in bodies.scalars()]
    assert "is_of_learner" in body
    assert "Special" not in body


@pytest.mark.parametrize(
    "query",
    [
        "stage=dreaming",
        "sort=random",
        "opened_from=2026-02-30",
        "due_before=tomorrow",
        "due_before=9999-12-31",
        "learner=",
        "learner=%00",
        "unknown=1",
        "after=clm_x",
    ],
)
async def test_a_filter_that_cannot_be_meant_is_refused(query: str, coordinator: Person) -> None:
    response = await coordinator.get(f"/v1/staff/claims?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "validation_failed")


async def test_a_view_is_its_owners_until_it_is_shared_and_is_changed_by_its_owner_alone(
    coordinator: Person, administrator: Person, slug: str
) -> None:
    name = f"Due soon {new_id('v')[2:]}"
    path = f"/v1/staff/views/{name}"

    async def seen_by(person: Person) -> list[dict[str, Any]]:
        return [each for each in (await person.get("/v1/staff/views")).json()["data"] if each["name"] == name]

    query = {"ce_activity": slug, "sort": "due"}
    kept = await coordinator.call("PUT", path, {"query": query})
    assert (kept.status_code, kept.json()) == (200, {"name": name})
    [own] = await seen_by(coordinator)
    assert (own["query"], own["is_own"], own["is_shared"]) == (query, True, False)
    assert await seen_by(administrator) == []
    await coordinator.call("PUT", path, {"query": query | {"stage": "grading"}, "is_shared": True})
    [shared] = await seen_by(administrator)
    assert (shared["query"]["stage"], shared["is_own"], shared["owner"]) == ("grading", False, coordinator.email)
    assert (await administrator.call("DELETE", path)).status_code == 404
    assert (await coordinator.call("DELETE", path)).json() == {"name": name}
    assert await seen_by(coordinator) == []


async def test_each_change_of_a_view_is_entered_once_and_a_repeated_request_is_one(
    coordinator: Person, engine: Engine
) -> None:
    for _ in range(2):
        response = await coordinator.call("PUT", "/v1/staff/views/Mine", {"query": {}}, idempotency_key="k")
        assert response.status_code == 200
    await coordinator.call("DELETE", "/v1/staff/views/Mine")
    with engine.connect() as connection:
        events = connection.execute(
            text("SELECT audit_event(body) FROM audit_events WHERE stream = :stream ORDER BY seq"),
            {"stream": f"views:{coordinator.account_id}"},
        )
        assert events.scalars().all() == ["view.saved", "view.removed"]


@pytest.mark.parametrize("query", [{"learner": "Ada"}, {"after": "clm_x"}, {"stage": "dreaming"}])
async def test_a_view_holds_no_learner_and_nothing_that_the_list_would_refuse(
    query: dict[str, str], coordinator: Person
) -> None:
    response = await coordinator.call("PUT", "/v1/staff/views/Mine", {"query": query})
    assert (response.status_code, response.json()["code"]) == (422, "validation_failed")


async def test_an_account_keeps_at_most_fifty_views(coordinator: Person, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO saved_views (account_id, name, query, is_shared) "
                "SELECT :id, 'View ' || n, '{}', false FROM generate_series(1, 50) AS n"
            ),
            {"id": coordinator.account_id},
        )
    assert (await coordinator.call("PUT", "/v1/staff/views/View 7", {"query": {}})).status_code == 200
    refused = await coordinator.call("PUT", "/v1/staff/views/One more", {"query": {}})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_views")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
async def test_those_who_only_read_use_shared_views_and_keep_none(
    role: Role, database_url: str, client: httpx2.AsyncClient
) -> None:
    person = await sign_in(database_url, client, role)
    assert (await person.get("/v1/staff/views")).status_code == 200
    assert (await person.call("PUT", "/v1/staff/views/Mine", {"query": {}})).status_code == 403
