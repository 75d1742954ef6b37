"""Staff find learners, see which of them may be one person, and merge those."""

import asyncio
import itertools
import random
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, insert, select, text

from activities.contract import MergeRef
from activities.people import PostgresPeopleActivities
from config.settings import Settings
from domain.identities import new_id
from domain.people import Person as Compared
from domain.people import likenesses, name_key
from domain.roles import Role
from storage.database import create_api_engine
from storage.learners import duplicates
from storage.tables import LearnerIdentifierRow, LearnerMergeRow, LearnerRow
from tests.api.conftest import AbsentTemporal, LedgerTemporal, Person, SilentTemporal, running, sign_in

STATES = {"learner", "duplicate", "reason", "requested_by", "requested_at", "merged_at", "details", "id"}
Arrive = Callable[..., Any]


@pytest.fixture
def arrive(database_url: str, client: httpx2.AsyncClient) -> Arrive:
    """A learner who is signed in, with these identifiers."""

    async def sign(family_name: str | None = None, **identifiers: str) -> Person:
        person = await sign_in(database_url, client, family_name=family_name or secrets.token_hex(6))
        if identifiers:
            changed = await person.call("PATCH", "/v1/me", {"identifiers": identifiers})
            assert changed.status_code == 200
        return person

    return sign


def an_npi() -> str:
    return str(10**9 + secrets.randbelow(9 * 10**9))


async def pairs_of(coordinator: Person, *people: Person) -> list[dict[str, Any]]:
    """The pairs on all pages in which one of these people is."""
    ids, found, after = {each.learner_id for each in people}, [], ""
    while True:
        page = (await coordinator.get(f"/v1/staff/duplicates?limit=7{after}")).json()
        found += [pair for pair in page["data"] if {pair["learner"]["id"], pair["duplicate"]["id"]} & ids]
        if not page["has_more"]:
            return found
        after = f"&after={page['next']}"


async def merge(coordinator: Person, kept: Person, duplicate: Person, **headers: str) -> httpx2.Response:
    body = {"duplicate": duplicate.learner_id, "reason": "Two accounts of one person."}
    return await coordinator.post(f"/v1/staff/learners/{kept.learner_id}/merge", body, **headers)


async def found(coordinator: Person, query: str) -> list[str]:
    response = await coordinator.get(f"/v1/staff/learners?{query}")
    assert response.status_code == 200
    return [each["id"] for each in response.json()["data"]]


async def test_staff_find_learners_by_address_name_and_identifier(arrive: Arrive, coordinator: Person) -> None:
    family_name, npi = f"Nu\u00f1ez-{secrets.token_hex(6)}", an_npi()
    person = await arrive(family_name, npi=npi)
    assert await found(coordinator, f"email={person.email.upper()}") == [person.learner_id]
    assert await found(coordinator, f"name=nunez {family_name[-12:]} ADA") == [person.learner_id]
    assert await found(coordinator, f"identifier={npi[:3]} {npi[3:]}") == [person.learner_id]
    assert await found(coordinator, f"identifier={npi}&name=somebody-else") == []
    assert await found(coordinator, "name=%25") == []
    assert await found(coordinator, "identifier=NA") == []
    assert await found(coordinator, "email=nobody@people.example") == []


async def test_whoever_works_in_the_office_is_no_learner_before_a_claim(
    database_url: str, client: httpx2.AsyncClient, coordinator: Person, slug: str
) -> None:
    family_name = secrets.token_hex(6)
    viewer = await sign_in(database_url, client, Role.VIEWER, family_name=family_name)
    assert await found(coordinator, f"name={family_name}") == []
    [found_by_address] = await found(coordinator, f"email={viewer.email}")
    await viewer.post("/v1/claims", {"ce_activity": slug})
    assert await found(coordinator, f"name={family_name}") == [found_by_address]


async def test_lists_of_learners_are_cut_by_key(arrive: Arrive, coordinator: Person) -> None:
    family_name = secrets.token_hex(6)
    ids = [(await arrive(family_name)).learner_id for _ in range(3)]
    first = (await coordinator.get(f"/v1/staff/learners?name={family_name}&limit=2")).json()
    assert ([each["id"] for each in first["data"]], first["has_more"]) == (ids[:2], True)
    second = await coordinator.get(f"/v1/staff/learners?name={family_name}&limit=2&after={first['next']}")
    assert [each["id"] for each in second.json()["data"]] == ids[2:]


async def test_staff_see_one_learner_with_all_that_is_theirs(arrive: Arrive, coordinator: Person, slug: str) -> None:
    person = await arrive(npi=an_npi())
    claim = (await person.post("/v1/claims", {"ce_activity": slug})).json()
    shown = (await coordinator.get(f"/v1/staff/learners/{person.learner_id}")).json()
    assert (shown["email"], shown["role"], list(shown["identifiers"])) == (person.email, "learner", ["npi"])
    assert [(each["id"], each["ce_activity"]) for each in shown["claims"]] == [(claim["id"], slug)]
    assert (shown["claims"][0]["title"], shown["claims"][0]["stage"]) == (claim["ce_activity"]["title"], claim["stage"])
    assert (shown["awards"], shown["merges"], shown["merged_into"]) == ([], [], None)


async def test_the_same_identifier_makes_a_pair(arrive: Arrive, coordinator: Person) -> None:
    npi = an_npi()
    one, other = await arrive(npi=npi), await arrive(npi=npi)
    [pair] = await pairs_of(coordinator, one, other)
    assert (pair["learner"]["id"], pair["duplicate"]["id"]) == (one.learner_id, other.learner_id)
    assert (pair["learner"]["email"], pair["duplicate"]["email"]) == (one.email, other.email)
    assert (pair["reasons"], pair["identifiers"]) == (["same_identifier"], ["npi"])
    assert pair["href"] == f"/v1/staff/learners/{one.learner_id}/merge"


async def test_the_same_name_and_birthday_make_a_pair(arrive: Arrive, coordinator: Person) -> None:
    family_name = f"N\u00fa\u00f1ez {secrets.token_hex(6)}"
    one = await arrive(family_name, birth_month_day="07-04")
    other = await arrive(family_name.upper().replace("\u00da\u00d1", "UN"), birth_month_day="0704")
    await arrive(family_name, birth_month_day="07-05")
    await arrive(family_name)
    [pair] = await pairs_of(coordinator, one, other)
    assert (pair["reasons"], pair["identifiers"]) == (["same_name_and_birth_day"], [])


async def test_a_birthday_alone_and_no_employment_make_no_pair(arrive: Arrive, coordinator: Person) -> None:
    one = await arrive(birth_month_day="07-04", employee_id="NA")
    other = await arrive(birth_month_day="07-04", employee_id="n/a")
    assert await pairs_of(coordinator, one, other) == []


async def test_a_merged_pair_is_gone_at_once(arrive: Arrive, coordinator: Person) -> None:
    npi = an_npi()
    one, other, third = [await arrive(npi=npi) for _ in range(3)]
    assert len(await pairs_of(coordinator, one, other, third)) == 2
    await merge(coordinator, one, other)
    [left] = await pairs_of(coordinator, one, other, third)
    assert left["duplicate"]["id"] == third.learner_id


@pytest.fixture
async def crowd(engine: Engine) -> AsyncIterator[list[Compared]]:
    """Learners of whom many share something; they are gone afterwards."""
    dice = random.Random(7)  # noqa: S311  # the same crowd in every run
    people = [
        Compared(
            new_id("lrn"),
            name_key("Crowd", dice.choice(["One", "Two", "Three"])),
            {
                kind: value
                for kind, value in (
                    ("npi", f"900000000{dice.randrange(9)}"),
                    ("license_number", f"CROWD {dice.randrange(9)}"),
                    ("birth_month_day", f"01-0{dice.randrange(1, 4)}"),
                    ("employee_id", dice.choice(["NA", "CROWD-1"])),
                )
                if dice.random() < 0.4
            },
        )
        for _ in range(60)
    ]
    with engine.begin() as connection:
        connection.execute(insert(LearnerRow), [{"id": each.learner_id, "name_key": each.name} for each in people])
        rows = [
            {"learner_id": each.learner_id, "kind": kind, "value": value}
            for each in people
            for kind, value in each.identifiers.items()
        ]
        connection.execute(insert(LearnerIdentifierRow), rows)
    yield people
    with engine.begin() as connection:
        ids = {"ids": [each.learner_id for each in people]}
        connection.execute(text("DELETE FROM learner_identifiers WHERE learner_id = ANY(:ids)"), ids)
        connection.execute(text("DELETE FROM learners WHERE id = ANY(:ids)"), ids)


async def test_the_pairs_join_exactly_those_whom_the_rule_joins(crowd: list[Compared], database_url: str) -> None:
    ids = {each.learner_id for each in crowd}
    engine, pairs, after = create_api_engine(database_url, 1), [], None
    async with engine.connect() as connection:
        while page := await duplicates(connection, after, 25):
            pairs += [(one.id, other.id) for one, other in page if {one.id, other.id} <= ids]
            after = (page[-1][0].id, page[-1][1].id)
    await engine.dispose()
    by_rule = [
        (one.learner_id, other.learner_id)
        for one, other in itertools.combinations(sorted(crowd, key=lambda each: each.learner_id), 2)
        if likenesses(one, other)
    ]
    assert len(set(pairs)) == len(pairs)
    assert set(pairs) <= set(by_rule)
    assert len(pairs) < len(by_rule)
    # Fewer pairs, because everybody is paired with the oldest only: following them joins the same people.
    assert groups(pairs) == groups(by_rule)


def groups(pairs: list[tuple[str, str]]) -> set[frozenset[str]]:
    """Who is joined with whom by following pairs."""
    group_of: dict[str, set[str]] = {}
    for one, other in pairs:
        joined = group_of.get(one, {one}) | group_of.get(other, {other})
        for each in joined:
            group_of[each] = joined
    return {frozenset(group) for group in group_of.values()}


async def test_either_address_signs_in_one_learner_after_a_merge(
    arrive: Arrive, coordinator: Person, slug: str
) -> None:
    kept, duplicate = await arrive(), await arrive(npi=an_npi())
    claim = (await duplicate.post("/v1/claims", {"ce_activity": slug})).json()
    response = await merge(coordinator, kept, duplicate)
    assert (response.status_code, set(response.json())) == (200, STATES)
    assert response.json()["merged_at"] is not None
    profiles = [(await person.get("/v1/me")).json() for person in (kept, duplicate)]
    assert profiles[0] == profiles[1]
    assert (profiles[0]["email"], list(profiles[0]["identifiers"])) == (kept.email, ["npi"])
    for person in (kept, duplicate):
        assert (await person.get(f"/v1/claims/{claim['id']}")).status_code == 200
        listed = (await person.get("/v1/claims")).json()["data"]
        assert [each["id"] for each in listed] == [claim["id"]]


async def test_a_profession_is_the_kept_learners(
    database_url: str, client: httpx2.AsyncClient, coordinator: Person, slug: str
) -> None:
    kept = await sign_in(database_url, client, profession="other")
    duplicate = await sign_in(database_url, client, profession="physician")
    await merge(coordinator, kept, duplicate)
    shown = (await duplicate.get(f"/v1/ce-activities/{slug}")).json()
    assert "ama_pra_category_1" not in {each["credit_type"] for each in shown["credit"]}


async def test_a_new_link_to_either_address_reaches_one_learner(
    arrive: Arrive, coordinator: Person, engine: Engine
) -> None:
    kept, duplicate = await arrive(), await arrive()
    await merge(coordinator, kept, duplicate)
    await duplicate.client.post("/v1/session/links", json={"email": duplicate.email})
    query = text("SELECT token FROM sign_in_links WHERE email = :email AND token IS NOT NULL")
    with engine.connect() as connection:
        token = connection.execute(query, {"email": duplicate.email}).scalar_one()
    session = (await duplicate.client.post("/v1/session", json={"token": token})).json()
    assert session["is_new"] is False
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    assert (await duplicate.client.get("/v1/me", headers=headers)).json()["email"] == kept.email


async def test_staff_see_what_was_merged(arrive: Arrive, coordinator: Person, slug: str) -> None:
    kept, duplicate = await arrive(), await arrive()
    claim = (await duplicate.post("/v1/claims", {"ce_activity": slug})).json()
    merged = (await merge(coordinator, kept, duplicate)).json()
    shown = (await coordinator.get(f"/v1/staff/learners/{kept.learner_id}")).json()
    assert shown["merges"] == [merged]
    assert merged["details"]["claims_moved"] == [claim["id"]]
    assert [each["id"] for each in shown["claims"]] == [claim["id"]]
    gone = (await coordinator.get(f"/v1/staff/learners/{duplicate.learner_id}")).json()
    assert (gone["merged_into"], gone["merges"], gone["claims"]) == (kept.learner_id, [merged], [])


async def test_who_was_merged_is_merged_once_only(arrive: Arrive, coordinator: Person) -> None:
    kept, duplicate, third = await arrive(), await arrive(), await arrive()
    assert (await merge(coordinator, kept, duplicate)).status_code == 200
    for one, other in ((kept, duplicate), (duplicate, third), (third, duplicate)):
        response = await merge(coordinator, one, other)
        assert (response.status_code, response.json()["code"]) == (409, "already_merged")
    assert (await merge(coordinator, third, kept)).status_code == 200
    me = (await duplicate.get("/v1/me")).json()
    assert me["email"] == third.email


async def test_two_merges_of_the_same_two_at_once_make_one(arrive: Arrive, coordinator: Person) -> None:
    one, other = await arrive(), await arrive()
    responses = await asyncio.gather(
        *(merge(coordinator, one, other) for _ in range(2)), *(merge(coordinator, other, one) for _ in range(2))
    )
    assert sorted(response.status_code for response in responses) == [200, 409, 409, 409]


async def test_nobody_is_merged_with_themselves(arrive: Arrive, coordinator: Person) -> None:
    person = await arrive()
    response = await merge(coordinator, person, person)
    assert (response.status_code, response.json()["code"]) == (422, "validation_failed")
    assert response.json()["errors"] == [{"pointer": "/duplicate", "code": "same_learner"}]


async def test_nobody_merges_their_own_account(arrive: Arrive, coordinator: Person) -> None:
    person = await arrive()
    for one, other in ((coordinator, person), (person, coordinator)):
        response = await merge(coordinator, one, other)
        assert (response.status_code, response.json()["code"]) == (403, "own_account")


@pytest.mark.parametrize("absent", ["lrn_x", "../x", "", "lrn_00000000000000000000000000"])
async def test_learners_who_are_not_there_are_not_found(absent: str, arrive: Arrive, coordinator: Person) -> None:
    person = await arrive()
    nobody = Person(person.client, "", "", absent, "", {})
    assert (await merge(coordinator, person, nobody)).status_code == 404
    if absent.startswith("lrn"):
        assert (await merge(coordinator, nobody, person)).status_code == 404
        assert (await coordinator.get(f"/v1/staff/learners/{absent}")).status_code == 404


async def test_a_repeated_merge_is_answered_the_same(arrive: Arrive, coordinator: Person) -> None:
    kept, duplicate = await arrive(), await arrive()
    first = await merge(coordinator, kept, duplicate, Idempotency_Key=kept.learner_id)
    again = await merge(coordinator, kept, duplicate, Idempotency_Key=kept.learner_id)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    reused = await merge(coordinator, duplicate, kept, Idempotency_Key=kept.learner_id)
    assert reused.json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("away", [SilentTemporal(), AbsentTemporal()], ids=["no worker", "no Temporal"])
async def test_a_merge_is_recorded_while_nobody_can_do_it(
    away: LedgerTemporal, settings: Settings, arrive: Arrive, engine: Engine
) -> None:
    kept, duplicate = await arrive(), await arrive()
    async with running(settings, away) as (_, client):
        staff = await sign_in(settings.database_url, client, Role.ADMINISTRATOR)
        response = await merge(staff, kept, duplicate, Prefer="wait=1", Idempotency_Key="k")
        assert (response.status_code, response.json()["merged_at"]) == (202, None)
        assert response.headers["location"] == f"/v1/staff/learners/{kept.learner_id}"
        assert await pairs_of(staff, kept, duplicate) == []
        await asyncio.to_thread(finish_merges, engine)
        again = await merge(staff, kept, duplicate, Idempotency_Key="k")
    assert (again.status_code, again.json()["id"]) == (200, response.json()["id"])
    assert again.json()["merged_at"] is not None


def finish_merges(engine: Engine) -> None:
    """What the worker does once it is back."""
    with engine.connect() as connection:
        waiting = connection.execute(select(LearnerMergeRow.id).where(LearnerMergeRow.merged_at.is_(None))).scalars()
        for merge_id in list(waiting):
            PostgresPeopleActivities(engine).merge_learners(MergeRef(merge_id))


async def test_the_erased_are_in_no_list_and_shown_without_a_name(
    learner: Person, coordinator: Person, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE learners SET given_name = 'Zelda' WHERE id = :id"), {"id": learner.learner_id})
        erased = "UPDATE learners SET erased_at = clock_timestamp() WHERE id = :id"
        connection.execute(text(erased), {"id": learner.learner_id})
    found = await coordinator.get(f"/v1/staff/learners?email={learner.email}")
    assert (found.status_code, found.json()["data"]) == (200, [])
    shown = await coordinator.get(f"/v1/staff/learners/{learner.learner_id}")
    assert shown.status_code == 200
    assert "Zelda" not in shown.text
