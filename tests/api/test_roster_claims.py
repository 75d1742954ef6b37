"""Claims that wait for a roster, and are told when it is applied."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, RowMapping

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimStep
from activities.relay import Relay
from domain.claims import Stage
from domain.policy import ParticipationMethod
from tests.api.conftest import Person, sign_in
from tests.api.test_pages import cookie
from tests.rosters import GRACE, Office, assert_problem, published, table


@pytest.fixture
def office(coordinator: Person, engine: Engine) -> Office:
    return Office(coordinator, engine, published(engine))


async def waiting_claim(person: Person, slug: str) -> dict[str, Any]:
    claim = (await person.post("/v1/claims", {"ce_activity": slug})).json()
    assert claim["stage"] == Stage.VERIFYING_PARTICIPATION
    return dict(claim)


async def relayed(engine: Engine, ledger: PostgresClaimActivities, claim_id: str) -> None:
    """Let the real relay deliver what is due; the real ledger decides what is for this claim."""

    async def deliver(row: RowMapping) -> None:
        if row["claim_id"] == claim_id:
            await asyncio.to_thread(ledger.load_claim, ClaimStep(claim_id, datetime.now(UTC)))

    while await Relay(engine, deliver).deliver_due():
        pass


def statements(office: Office, claim_id: str) -> list[dict[str, Any]]:
    """What was handed in as proof of participation, and what became of it."""
    return office.all(
        "SELECT actor, body, outcome, refusal FROM submissions WHERE claim_id = :claim_id AND kind = 'participation'",
        claim_id=claim_id,
    )


@pytest.mark.parametrize("by", ["email", "npi"])
async def test_a_claim_that_waits_for_the_roster_goes_on_when_it_is_applied(
    by: str, office: Office, learner: Person, ledger: PostgresClaimActivities
) -> None:
    await learner.call("PATCH", "/v1/me", {"identifiers": {"npi": "1234567893"}})
    claim = await waiting_claim(learner, office.slug)
    row = ["", "Ada", "Lovelace", *((learner.email.upper(), "") if by == "email" else ("", "1234567893"))]
    applied = await office.load(row)
    [stated] = statements(office, claim["id"])
    assert (stated["actor"], stated["body"]) == (office.person.account_id, {"method": "roster", "value": ""})
    await relayed(office.engine, ledger, claim["id"])
    assert (await learner.get(claim["href"])).json()["stage"] == "ready_to_claim"
    assert [each["outcome"] for each in statements(office, claim["id"])] == ["accepted"]
    await office.apply(applied)
    await office.load(row)
    assert len(statements(office, claim["id"])) == 1


async def test_only_claims_that_the_roster_can_prove_are_told(
    office: Office, learner: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    stranger = await sign_in(database_url, client)
    elsewhere = published(office.engine, ParticipationMethod.BADGE_ID)
    claims = {
        "not on the roster": await waiting_claim(stranger, office.slug),
        "in another way": await waiting_claim(learner, elsewhere),
    }
    withdrawn = await waiting_claim(learner, office.slug)
    await learner.post(f"{withdrawn['href']}/withdrawal", {"reason": "Enough."})
    row = ["", "Ada", "Lovelace", learner.email, ""]
    await office.load(row)
    await replace(office, slug=elsewhere).load(row)
    for claim in (*claims.values(), withdrawn):
        assert statements(office, claim["id"]) == []


async def test_a_claim_is_told_once_per_roster_that_says_something_new(office: Office, learner: Person) -> None:
    claim = await waiting_claim(learner, office.slug)
    await office.load(["", "Ada", "Lovelace", learner.email, ""])
    await office.load(["", "Ada", "Lovelace", learner.email, ""])
    assert len(statements(office, claim["id"])) == 1
    await office.load(["A-9", "Ada", "Lovelace", learner.email, ""])
    assert len(statements(office, claim["id"])) == 2


async def test_a_learner_proves_participation_with_a_badge_of_the_roster(
    engine: Engine, coordinator: Person, learner: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    office = Office(coordinator, engine, published(engine, ParticipationMethod.BADGE_ID, ParticipationMethod.GROUP_ID))
    await office.load(["ab-001", "", "Ada", "Lovelace"], ["", "site 7", "", ""],
                      header=["Badge", "Group", "First", "Last"])  # fmt: skip
    claim = await waiting_claim(learner, office.slug)
    path = f"{claim['href']}/participation"
    missing = await learner.post(path, {"method": "badge_id", "value": "AB-002"})
    assert_problem(missing, 409, "identifier_not_found")
    assert (await learner.post(path, {"method": "badge_id", "value": " AB 001"})).status_code == 200
    for person in [await sign_in(database_url, client) for _ in range(2)]:
        other = await waiting_claim(person, office.slug)
        taken = await person.post(f"{other['href']}/participation", {"method": "badge_id", "value": "ab001"})
        assert_problem(taken, 409, "identifier_taken")
        shared = await person.post(f"{other['href']}/participation", {"method": "group_id", "value": "SITE-7"})
        assert shared.status_code == 200
    preview = await office.preview(table(["AB-001", "Alan", "Turing", "", ""]))
    assert preview["first_problems"][0]["problems"][0]["code"] == "key_used"


async def stuck(office: Office) -> dict[str, Any]:
    """The group of claims whose learner gave an id of somebody else; empty if there is none."""
    groups = (await office.person.get("/v1/staff/claims/stuck")).json()["data"]
    return next((each for each in groups if each["reason"] == "entry_of_another"), {})


async def is_stuck(office: Office, claim: dict[str, Any]) -> bool:
    return claim["id"] in {each["id"] for each in (await stuck(office)).get("oldest", [])}


def told(answer: httpx2.Response) -> dict[str, Any]:
    """A problem without what is another in every answer."""
    return {name: value for name, value in answer.json().items() if name not in ("request_id", "instance")}


async def test_somebody_elses_badge_is_answered_like_an_unknown_one_and_only_the_office_hears_whose_it_is(
    engine: Engine, coordinator: Person, learner: Person
) -> None:
    office = Office(coordinator, engine, published(engine, ParticipationMethod.BADGE_ID))
    await office.load(["ab-001", "Grace", "Hopper", "hopper@x.example", ""])
    claim = await waiting_claim(learner, office.slug)
    path = f"{claim['href']}/participation"
    [unknown, anothers] = [
        await learner.post(path, {"method": "badge_id", "value": value}) for value in ("AB-002", "AB-001")
    ]
    assert_problem(anothers, 409, "identifier_not_found")
    assert told(anothers) == told(unknown)
    [entry] = office.all("SELECT e.id FROM roster_entries e JOIN ce_activities a ON a.id = e.ce_activity_id "
                         "WHERE a.slug = :slug")  # fmt: skip
    for seen in (claim["href"], f"{claim['href']}/history", f"/claims/{claim['id']}"):
        page = await learner.get(seen)
        assert not [each for each in ("Hopper", "hopper", "entries_of_others", entry["id"]) if each in page.text]
    shown = (await coordinator.get(f"/v1/staff/claims/{claim['id']}")).json()["entries_of_others"]
    assert [(each["given_name"], each["family_name"], each["emails"], each["method"]) for each in shown] == [
        ("Grace", "Hopper", ["hopper@x.example"], "badge_id")
    ]
    audited = (await coordinator.get(f"/v1/staff/claims/{claim['id']}/audit")).json()["data"]
    refusals = [each["after"] for each in audited if each["event"] == "participation.refused"]
    assert [each.get("roster_entry") for each in refusals] == [None, entry["id"]]


async def test_the_office_settles_whose_badge_it_is_by_the_roster(
    engine: Engine, coordinator: Person, learner: Person
) -> None:
    office = Office(coordinator, engine, published(engine, ParticipationMethod.BADGE_ID))
    row = ["ab-001", "Countess", "King", "", ""]
    await office.load(row)
    claim = await waiting_claim(learner, office.slug)
    badge = {"method": "badge_id", "value": "AB-001"}
    assert_problem(await learner.post(f"{claim['href']}/participation", badge), 409, "identifier_not_found")
    if (await stuck(office))["claims"] <= 20:  # more than that are only counted
        assert await is_stuck(office, claim)
    assert (await stuck(office))["suggested_action"] == "waive"
    page = await coordinator.client.get(f"/staff/claims/{claim['id']}", headers=cookie(coordinator))
    assert "It names Countess King." in page.text
    await office.load([*row[:3], learner.email, ""])
    assert (await learner.post(f"{claim['href']}/participation", badge)).status_code == 200
    assert not await is_stuck(office, claim)
    settled = await coordinator.get(f"/v1/staff/claims/{claim['id']}")
    assert (settled.json()["stage"], settled.json()["entries_of_others"]) == ("ready_to_claim", [])


async def test_whom_the_entry_names_ends_the_question_by_using_it(
    engine: Engine, coordinator: Person, learner: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    office = Office(coordinator, engine, published(engine, ParticipationMethod.BADGE_ID))
    await office.load(["ab-001", "Grace", "Hopper", "", ""])
    grace = await sign_in(database_url, client, given_name="Grace", family_name="Hopper")
    badge = {"method": "badge_id", "value": "AB-001"}
    asked, hers = await waiting_claim(learner, office.slug), await waiting_claim(grace, office.slug)
    assert_problem(await learner.post(f"{asked['href']}/participation", badge), 409, "identifier_not_found")
    assert (await grace.post(f"{hers['href']}/participation", badge)).status_code == 200
    assert_problem(await learner.post(f"{asked['href']}/participation", badge), 409, "identifier_not_found")
    assert not await is_stuck(office, asked)


async def test_a_number_of_somebody_else_in_the_profile_proves_nothing_and_goes_on_under_the_right_name(
    office: Office, learner: Person, ledger: PostgresClaimActivities
) -> None:
    await office.load(GRACE)
    claim = await waiting_claim(learner, office.slug)
    await learner.call("PATCH", "/v1/me", {"identifiers": {"npi": "1234567893"}})
    assert statements(office, claim["id"]) == []
    stated = await learner.post(f"{claim['href']}/participation", {"method": "roster"})
    assert_problem(stated, 409, "identifier_not_found")
    await learner.call("PATCH", "/v1/me", {"given_name": "G. Brewster", "family_name": "Hopper"})
    await relayed(office.engine, ledger, claim["id"])
    assert (await learner.get(claim["href"])).json()["participation"] == "roster"


async def test_a_claim_goes_on_when_its_learner_adds_the_number_by_which_the_roster_knows_them(
    office: Office, learner: Person, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await waiting_claim(learner, office.slug)
    await office.load(["", "A.", "Lovelace", "", "1234567893"])
    assert statements(office, claim["id"]) == []
    for _ in range(2):
        await learner.call("PATCH", "/v1/me", {"identifiers": {"npi": "1234567893"}})
    assert len(statements(office, claim["id"])) == 1
    await relayed(engine, ledger, claim["id"])
    assert (await learner.get(f"/v1/claims/{claim['id']}")).json()["participation"] == "roster"
