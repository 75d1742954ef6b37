"""Correcting, revoking and reissuing over HTTP: who may, what is answered, and what learners see of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx2
import pytest
from sqlalchemy import Engine, text
from temporalio.client import Client

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimStep, CorrectionRef
from activities.corrections import PostgresCorrectionActivities
from config.settings import Settings
from domain.claims import Stage
from domain.identities import new_id
from domain.roles import Role
from tests.api.conftest import AbsentTemporal, LedgerTemporal, Person, running, sign_in
from tests.claims import TestClaim, example_policy
from tests.corrections import versions_of

HALF = {"units": "0.50", "reason": "Left early."}
REVOKED = {"reason_class": "issued_in_error", "reason": "Was not there."}
AGAIN = {"reason": "It was true after all."}


@pytest.fixture
def awarded(engine: Engine, ledger: PostgresClaimActivities) -> TestClaim:
    """A learner's completed claim; its certificate is not rendered, which no answer here depends on."""
    claim = TestClaim(engine, cast(Client, None), example_policy())
    claim.receive_steps(Stage.COMPLETED, datetime.now(UTC) - timedelta(hours=1))
    step = ClaimStep(claim.claim_id, datetime.now(UTC))
    ledger.load_claim(step)
    ledger.grade_attempt(step)
    with ledger.ledger(claim.claim_id) as locked:
        locked.email_sent(new_id("eml"))
        locked.close()
    return claim


@pytest.fixture
async def approver(database_url: str, client: httpx2.AsyncClient) -> Person:
    return await sign_in(database_url, client, Role.APPROVER)


@pytest.fixture
async def auditor(database_url: str, client: httpx2.AsyncClient) -> Person:
    return await sign_in(database_url, client, Role.AUDITOR)


def address(claim: TestClaim, act: str) -> str:
    return f"/v1/staff/claims/{claim.claim_id}/{act}"


def refused(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def finish(corrections: PostgresCorrectionActivities, document: dict[str, Any]) -> None:
    """Let the certificate be issued and the learner told, as far as the correction is concerned."""
    await asyncio.to_thread(corrections.complete_correction, CorrectionRef(document["id"]))


async def test_corrected_credit_is_answered_with_what_became_of_it(
    awarded: TestClaim, coordinator: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    response = await coordinator.post(address(awarded, "correct"), HALF)
    document = response.json()
    assert response.status_code == 200
    assert (document["kind"], document["state"], document["version"]) == ("credit", "applied", 2)
    assert (document["change"], document["reason"]) == ({"units": "0.50"}, "Left early.")
    assert document["requested_by"] == coordinator.account_id
    assert document["workflow_url"].endswith(f"/workflows/correction-{document['id']}")
    assert (await coordinator.get(document["href"])).json() == document
    assert (await coordinator.get(address(awarded, "corrections"))).json()["data"] == [document]
    learner = await sign_in(database_url, client, email=awarded.email)
    claim = (await learner.get(f"/v1/claims/{awarded.claim_id}")).json()
    assert (claim["stage"], claim["award"]["units"], claim["credit"]["units"]) == ("completed", "0.50", "0.50")
    assert (claim["certificate"]["version"], claim["certificate"]["state"]) == (2, "reserved")
    assert refused(await learner.get(f"/v1/claims/{awarded.claim_id}/certificate")) == (409, "certificate_not_issued")
    (entry,) = (await learner.get("/v1/transcript")).json()["entries"]
    assert entry["units"] == "0.50"


async def test_a_name_is_corrected_in_the_profile_too(
    awarded: TestClaim, coordinator: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    changed = {"given_name": "Alicia", "credentials": "", "reason": "Misspelt."}
    response = await coordinator.post(address(awarded, "correct"), changed)
    assert (response.status_code, response.json()["kind"]) == (200, "name")
    assert response.json()["change"] == {"given_name": "Alicia", "credentials": ""}
    data = versions_of(awarded)[-1]["data"]
    assert (data["learner_name"], data["learner_credentials"]) == ("Alicia Moreau", "")
    staff_view = (await coordinator.get(f"/v1/staff/claims/{awarded.claim_id}")).json()
    assert staff_view["learner"]["given_name"] == "Alicia"


async def test_a_revoked_award_is_on_no_transcript_and_its_certificate_not_served(
    awarded: TestClaim, coordinator: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    learner = await sign_in(database_url, client, email=awarded.email)
    code = (await learner.get(f"/v1/claims/{awarded.claim_id}")).json()["certificate"]["verification_code"]
    response = await coordinator.post(address(awarded, "revoke"), REVOKED)
    assert (response.status_code, response.json()["state"]) == (200, "completed")
    claim = (await learner.get(f"/v1/claims/{awarded.claim_id}")).json()
    assert (claim["stage"], claim["award"]["state"], claim["certificate"]["state"]) == (
        "completed", "revoked", "revoked",
    )  # fmt: skip
    assert claim["next_actions"] == []
    assert refused(await learner.get(f"/v1/claims/{awarded.claim_id}/certificate")) == (410, "certificate_revoked")
    transcript = (await learner.get("/v1/transcript")).json()
    assert (transcript["entries"], transcript["totals"]) == ([], [])
    assert claim["certificate"]["verification_code"] == code
    history = (await learner.get(f"/v1/claims/{awarded.claim_id}/history?limit=100")).json()["data"]
    assert history[-1]["event"] == "credit.revoked"


async def test_what_staff_write_about_a_correction_is_for_the_office(
    awarded: TestClaim, coordinator: Person, auditor: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    learner = await sign_in(database_url, client, email=awarded.email)
    secret = REVOKED | {"reason": "Was not there, says J. Doe."}
    assert (await coordinator.post(address(awarded, "revoke"), secret)).status_code == 200
    told = await learner.get(f"/v1/claims/{awarded.claim_id}/history?limit=100")
    assert [entry["event"] for entry in told.json()["data"]][-2:] == ["correction.requested", "credit.revoked"]
    assert "J. Doe" not in told.text
    for path in (address(awarded, "history"), address(awarded, "audit")):
        requested = (await auditor.get(f"{path}?limit=100")).json()["data"][-2]
        assert requested["reason"] == "Was not there, says J. Doe."


async def test_entries_of_a_correction_say_which_request_brought_it_and_what_became_of_the_award(
    awarded: TestClaim, coordinator: Person, corrections: PostgresCorrectionActivities
) -> None:
    await finish(corrections, (await coordinator.post(address(awarded, "correct"), HALF)).json())
    await coordinator.post(address(awarded, "correct"), {"given_name": "Alicia", "reason": "Misspelt."})
    entries = (await coordinator.get(f"{address(awarded, 'audit')}?limit=100")).json()["data"]
    by_event = {entry["event"]: entry for entry in entries}
    granted, corrected, renamed = (by_event[name] for name in ("credit.awarded", "credit.corrected", "name.corrected"))
    assert corrected["rule"] == granted["rule"]
    assert "ama_pra_category_1@" in corrected["rule"]
    # No award was granted by another spelling.
    assert granted["rule"].startswith(f"{renamed['rule']} ")
    asked = [entry["request_id"] for entry in entries if entry["event"] == "correction.requested"]
    assert [corrected["request_id"], renamed["request_id"]] == asked
    assert all(each.startswith("req_") for each in asked)
    assert corrected["before"]["award"] == granted["after"]["award"] == corrected["after"]["supersedes"]
    assert (corrected["before"]["award_state"], corrected["after"]["award_state"]) == ("active", "active")


async def test_times_are_written_in_one_way_everywhere(
    awarded: TestClaim, coordinator: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    learner = await sign_in(database_url, client, email=awarded.email)
    own = (await learner.get(f"/v1/claims/{awarded.claim_id}/history?limit=100")).json()["data"]
    entries = (await coordinator.get(f"{address(awarded, 'audit')}?limit=100")).json()["data"]
    times = [entry["at"] for entry in own + entries] + [entry["recorded_at"] for entry in entries]
    values = [entry["details"] for entry in own] + [entry["after"] for entry in entries]
    within = [at for each in values for name, at in each.items() if name.endswith("_at") and at]
    assert within
    assert {at[-1] for at in times + within} == {"Z"}


async def test_a_claim_whose_retention_ended_takes_no_correction_and_nothing_is_kept_of_the_request(
    awarded: TestClaim, coordinator: Person, owner_engine: Engine
) -> None:
    with owner_engine.begin() as connection:
        purged = text("UPDATE claims SET purged_at = now() WHERE id = :id")
        connection.execute(purged, {"id": awarded.claim_id})
    before = awarded.events()
    for act, body in (("correct", HALF), ("reissue", AGAIN), ("revoke", REVOKED)):
        assert refused(await coordinator.post(address(awarded, act), body)) == (409, "retention_ended")
    assert (await coordinator.get(address(awarded, "corrections"))).json()["data"] == []
    assert awarded.events() == before
    assert [award["state"] for award in awarded.awards()] == ["active"]


async def test_a_revocation_in_error_is_taken_back(awarded: TestClaim, coordinator: Person) -> None:
    await coordinator.post(address(awarded, "revoke"), REVOKED)
    assert refused(await coordinator.post(address(awarded, "correct"), HALF)) == (409, "no_active_award")
    response = await coordinator.post(address(awarded, "reissue"), AGAIN)
    assert (response.status_code, response.json()["version"]) == (200, 2)
    claim = (await coordinator.get(f"/v1/staff/claims/{awarded.claim_id}")).json()
    assert (claim["award"]["state"], claim["award"]["units"]) == ("active", "1.00")


async def test_what_the_rules_forbid_is_refused_with_its_code(awarded: TestClaim, coordinator: Person) -> None:
    path = address(awarded, "correct")
    for body, code in (
        ({"units": "99.00"}, "credit_maximum"),
        ({"units": "0.60"}, "credit_increment"),
        ({"units": "1.00"}, "nothing_to_correct"),
        ({"family_name": "Moreau"}, "nothing_to_correct"),
    ):
        response = await coordinator.post(path, body | {"reason": "Wrong."})
        assert refused(response) == (409, code)
    listed = (await coordinator.get(address(awarded, "corrections"))).json()["data"]
    assert {each["state"] for each in listed} == {"refused"}
    assert listed[0]["refusal"] == "nothing_to_correct"


@pytest.mark.parametrize(
    ("act", "body", "error"),
    [
        ("correct", {}, {"pointer": "", "code": "change_missing"}),
        ("correct", {"units": "1.00", "given_name": "Ann"}, {"pointer": "", "code": "change_of_both"}),
        ("correct", {"units": "1.005"}, {"pointer": "/units", "code": "format"}),
        ("correct", {"sessions": {}}, {"pointer": "/sessions", "code": "too_short"}),
        ("correct", {"given_name": "A\u202eB"}, {"pointer": "/given_name", "code": "name_characters"}),
        ("revoke", {"reason_class": "spite"}, {"pointer": "/reason_class", "code": "enum"}),
        ("revoke", {}, {"pointer": "/reason_class", "code": "required"}),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    awarded: TestClaim, coordinator: Person, act: str, body: dict[str, Any], error: dict[str, str]
) -> None:
    response = await coordinator.post(address(awarded, act), body | {"reason": "Wrong."})
    assert refused(response) == (422, "validation_failed")
    assert response.json()["errors"] == [error]


async def test_a_claim_has_one_correction_at_a_time(
    awarded: TestClaim, coordinator: Person, corrections: PostgresCorrectionActivities
) -> None:
    first = (await coordinator.post(address(awarded, "correct"), HALF)).json()
    response = await coordinator.post(address(awarded, "reissue"), AGAIN)
    assert refused(response) == (409, "correction_in_progress")
    assert response.json()["details"] == {"correction": first["id"]}
    await finish(corrections, first)
    assert (await coordinator.post(address(awarded, "reissue"), AGAIN)).json()["version"] == 3


async def test_two_that_ask_at_once_are_one_correction_and_one_refusal(
    awarded: TestClaim, coordinator: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    other = await sign_in(database_url, client, Role.COORDINATOR)
    answers = await asyncio.gather(
        coordinator.post(address(awarded, "correct"), HALF), other.post(address(awarded, "reissue"), AGAIN)
    )
    assert sorted(each.status_code for each in answers) == [200, 409]
    assert len(versions_of(awarded)) == 2


async def test_a_repeated_request_has_one_effect(awarded: TestClaim, coordinator: Person) -> None:
    path = address(awarded, "correct")
    first = await coordinator.post(path, HALF, Idempotency_Key="once")
    again = await coordinator.post(path, HALF, Idempotency_Key="once")
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    other = await coordinator.post(path, HALF | {"reason": "Other."}, Idempotency_Key="once")
    assert refused(other) == (422, "idempotency_key_reused")
    assert len(versions_of(awarded)) == 2


async def test_learners_and_auditors_correct_nothing_and_auditors_read(
    awarded: TestClaim, coordinator: Person, auditor: Person, learner: Person
) -> None:
    made = (await coordinator.post(address(awarded, "correct"), HALF)).json()
    reads = (made["href"], address(awarded, "corrections"), "/v1/staff/corrections?limit=1")
    for path in reads:
        assert (await auditor.get(path)).status_code == 200
        assert refused(await learner.get(path)) == (403, "not_allowed")
    for person in (auditor, learner):
        for act, body in (("correct", HALF), ("revoke", REVOKED), ("reissue", AGAIN)):
            assert refused(await person.post(address(awarded, act), body)) == (403, "not_allowed")
        for word in ("approve", "decline"):
            assert refused(await person.post(f"{made['href']}/{word}")) == (403, "not_allowed")


async def test_what_is_absent_is_not_found(coordinator: Person, approver: Person) -> None:
    for path in (f"/v1/staff/corrections/{new_id('cor')}", "/v1/staff/corrections/cor_x"):
        assert refused(await coordinator.get(path)) == (404, "not_found")
        assert refused(await approver.post(f"{path}/approve")) == (404, "not_found")
    for claim_id in (new_id("clm"), "clm_x"):
        assert refused(await coordinator.post(f"/v1/staff/claims/{claim_id}/correct", HALF)) == (404, "not_found")
        assert refused(await coordinator.get(f"/v1/staff/claims/{claim_id}/corrections")) == (404, "not_found")


async def test_all_corrections_are_listed_by_state_page_by_page(awarded: TestClaim, coordinator: Person) -> None:
    for units in ("99.00", "98.00", "97.00"):
        await coordinator.post(address(awarded, "correct"), {"units": units, "reason": "Wrong."})
    first = (await coordinator.get("/v1/staff/corrections?state=refused&limit=2")).json()
    second = (await coordinator.get(f"/v1/staff/corrections?state=refused&limit=2&after={first['next']}")).json()
    ids = [each["id"] for each in (*first["data"], *second["data"])]
    assert len(ids) >= 3
    assert ids == sorted(set(ids), reverse=True)
    assert {each["state"] for each in (*first["data"], *second["data"])} == {"refused"}
    wrong = await coordinator.get("/v1/staff/corrections?after=cor_x")
    assert wrong.json()["errors"] == [{"pointer": "after", "code": "cursor_invalid"}]


@pytest.fixture
async def careful(settings: Settings, temporal: LedgerTemporal) -> Any:
    """An office where a second person must agree to whatever is corrected or revoked."""
    wanted = settings.model_copy(update={"correction_needs_approval": True, "revocation_needs_approval": True})
    async with running(wanted, temporal) as (_, client):
        yield client


@pytest.fixture
async def two(database_url: str, careful: httpx2.AsyncClient) -> tuple[Person, Person]:
    """A coordinator, and an approver."""
    return (
        await sign_in(database_url, careful, Role.COORDINATOR),
        await sign_in(database_url, careful, Role.APPROVER),
    )


async def test_a_second_person_agrees_before_anything_is_changed(
    awarded: TestClaim, two: tuple[Person, Person]
) -> None:
    one, other = two
    asked = await one.post(address(awarded, "revoke"), REVOKED)
    document = asked.json()
    assert (asked.status_code, document["state"]) == (202, "awaiting_approval")
    assert asked.headers["location"] == document["href"]
    assert versions_of(awarded)[-1]["award_state"] == "active"
    waiting = (await other.get("/v1/staff/corrections?state=awaiting_approval&limit=100")).json()["data"]
    assert document["id"] in [each["id"] for each in waiting]
    approved = await other.post(f"{document['href']}/approve", Idempotency_Key="yes")
    assert (approved.status_code, approved.json()["state"]) == (200, "completed")
    assert (approved.json()["is_approved"], approved.json()["decided_by"]) == (True, other.account_id)
    assert versions_of(awarded)[-1]["award_state"] == "revoked"
    requests = {entry["event"]: entry.get("request_id") for entry in awarded.entries()}
    assert requests["correction.requested"] == asked.headers["x-request-id"]
    assert requests["correction.approved"] == approved.headers["x-request-id"]
    again = await other.post(f"{document['href']}/approve", Idempotency_Key="yes")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert refused(await other.post(f"{document['href']}/decline")) == (409, "correction_settled")
    reissue = await one.post(address(awarded, "reissue"), AGAIN)
    assert (reissue.status_code, reissue.json()["state"]) == (202, "awaiting_approval")


async def test_what_is_declined_is_not_made_and_makes_way(awarded: TestClaim, two: tuple[Person, Person]) -> None:
    one, other = two
    href = (await one.post(address(awarded, "correct"), HALF)).json()["href"]
    declined = await other.post(f"{href}/decline")
    assert (declined.status_code, declined.json()["state"], declined.json()["is_approved"]) == (200, "declined", False)
    assert len(versions_of(awarded)) == 1
    assert (await one.post(address(awarded, "correct"), HALF)).status_code == 202


async def test_nobody_agrees_to_what_they_asked_for_or_what_is_about_themselves(
    awarded: TestClaim, two: tuple[Person, Person], database_url: str, careful: httpx2.AsyncClient, engine: Engine
) -> None:
    one, other = two
    href = (await other.post(address(awarded, "correct"), HALF)).json()["href"]
    for word in ("approve", "decline"):
        assert refused(await other.post(f"{href}/{word}")) == (403, "own_request")
        assert refused(await one.post(f"{href}/{word}")) == (403, "not_allowed")
    with engine.begin() as connection:
        promoted = text("UPDATE accounts SET role = 'approver' WHERE id = :id")
        connection.execute(promoted, {"id": awarded.account_id})
    themselves = await sign_in(database_url, careful, email=awarded.email)
    assert refused(await themselves.post(f"{href}/approve")) == (403, "own_claim")
    assert refused(await themselves.post(address(awarded, "revoke"), REVOKED)) == (403, "own_claim")


async def test_what_is_recorded_while_temporal_is_away_is_acknowledged_and_made_later(
    awarded: TestClaim, settings: Settings, database_url: str, corrections: PostgresCorrectionActivities
) -> None:
    async with running(settings, AbsentTemporal()) as (_, client):
        person = await sign_in(database_url, client, Role.COORDINATOR)
        response = await person.post(address(awarded, "correct"), HALF)
        document = response.json()
        assert (response.status_code, document["state"]) == (202, "approved")
        ref = CorrectionRef(document["id"])
        await asyncio.to_thread(corrections.load_correction, ref)
        await asyncio.to_thread(corrections.apply_correction, ref)
        assert (await person.get(document["href"])).json()["state"] == "applied"
