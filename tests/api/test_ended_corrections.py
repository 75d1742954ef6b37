"""Ending a correction that is parked, over HTTP and in the console: who may, what is answered, what may follow."""

import asyncio

import httpx2
import pytest
from sqlalchemy import Engine, text

from activities.claims import PostgresClaimActivities
from activities.contract import CorrectionAttention
from activities.corrections import PostgresCorrectionActivities
from config.settings import Settings
from domain.claims import Attention
from domain.corrections import CreditChange
from domain.identities import new_id
from domain.roles import Role
from tests.api.conftest import AbsentTemporal, Person, running, sign_in
from tests.api.test_claim_over_http import issue
from tests.api.test_corrections import AGAIN, REVOKED, address, awarded, refused
from tests.api.test_staff_claim_pages import links, see, send
from tests.claims import TestClaim
from tests.corrections import asked, versions_of

__all__ = ["awarded"]

ENDED = {"reason_code": "corrected_again", "reason": "The template is at fault."}


class Parked:
    """A correction of a completed claim that is made in the record, and parked at its certificate."""

    def __init__(self, claim: TestClaim, corrections: PostgresCorrectionActivities) -> None:
        self.claim = claim
        self.ref = asked(claim, CreditChange(units=claim.awards()[0]["units"] / 2))
        corrections.load_correction(self.ref)
        corrections.apply_correction(self.ref)
        failure = CorrectionAttention(
            self.ref.correction_id, "run", 1, Attention.CERTIFICATE_FAILED, error="PageOverflows"
        )
        corrections.record_correction_attention(failure)

    @property
    def href(self) -> str:
        return f"/v1/staff/corrections/{self.ref.correction_id}"


@pytest.fixture
def parked(awarded: TestClaim, corrections: PostgresCorrectionActivities) -> Parked:
    return Parked(awarded, corrections)


async def test_a_parked_correction_is_ended_on_record_and_another_may_follow(
    parked: Parked, coordinator: Person
) -> None:
    claim = parked.claim
    assert refused(await coordinator.post(address(claim, "reissue"), AGAIN)) == (409, "correction_in_progress")
    response = await coordinator.post(f"{parked.href}/resolve", ENDED)
    document = response.json()
    assert (response.status_code, document["state"], document["attention"]) == (200, "resolved", None)
    assert (document["resolved_by"], document["resolver"]["email"]) == (coordinator.account_id, coordinator.email)
    assert (document["resolution_code"], document["resolution"]) == ("corrected_again", "The template is at fault.")
    assert document["resolved_at"] is not None
    assert document["finished_at"] is not None
    entry = claim.entries()[-1]
    assert (entry["event"], entry["actor"]) == ("correction.resolved", coordinator.account_id)
    assert (entry["after"]["reason_code"], entry["request_id"]) == (
        "corrected_again",
        response.headers["x-request-id"],
    )
    told = (await coordinator.get(f"{address(claim, 'history')}?limit=100")).json()["data"][-1]
    assert told["text"] == "The office ended a correction of the credit: it is corrected once more."
    assert versions_of(claim)[-1]["email"] == "dropped"
    again = await coordinator.post(address(claim, "reissue"), AGAIN)
    assert (again.status_code, again.json()["version"]) == (200, 3)
    assert [each["state"] for each in versions_of(claim)] == ["superseded", "superseded", "reserved"]
    claim.assert_audited()


async def test_the_end_of_a_correction_has_one_effect_and_what_is_not_parked_is_not_ended(
    parked: Parked, coordinator: Person
) -> None:
    first = await coordinator.post(f"{parked.href}/resolve", ENDED, Idempotency_Key="once")
    again = await coordinator.post(f"{parked.href}/resolve", ENDED, Idempotency_Key="once")
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert parked.claim.events().count("correction.resolved") == 1
    assert refused(await coordinator.post(f"{parked.href}/resolve", ENDED)) == (409, "correction_settled")
    running_one = (await coordinator.post(address(parked.claim, "reissue"), AGAIN)).json()
    assert refused(await coordinator.post(f"{running_one['href']}/resolve", ENDED)) == (409, "correction_settled")
    assert refused(await coordinator.post(f"/v1/staff/corrections/{new_id('cor')}/resolve", ENDED)) == (
        404, "not_found",
    )  # fmt: skip


async def test_the_end_of_a_correction_needs_a_known_code_and_a_reason(parked: Parked, coordinator: Person) -> None:
    for body, pointer in (
        ({"reason": "Why."}, "/reason_code"),
        ({"reason_code": "spite", "reason": "Why."}, "/reason_code"),
        ({"reason_code": "other"}, "/reason"),
    ):
        response = await coordinator.post(f"{parked.href}/resolve", body)
        assert refused(response) == (422, "validation_failed")
        assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_nobody_ends_a_correction_of_their_own_claim(
    parked: Parked, database_url: str, client: httpx2.AsyncClient, engine: Engine
) -> None:
    with engine.begin() as connection:
        promoted = text("UPDATE accounts SET role = 'coordinator' WHERE id = :id")
        connection.execute(promoted, {"id": parked.claim.account_id})
    themselves = await sign_in(database_url, client, email=parked.claim.email)
    assert refused(await themselves.post(f"{parked.href}/resolve", ENDED)) == (403, "own_claim")
    assert (await see(themselves, f"/staff/corrections/{parked.ref.correction_id}/resolve")).status_code == 403


async def test_what_is_ended_while_temporal_is_away_ends_with_the_next_step_of_its_workflow(
    parked: Parked, settings: Settings, database_url: str, corrections: PostgresCorrectionActivities
) -> None:
    async with running(settings, AbsentTemporal()) as (_, client):
        person = await sign_in(database_url, client, Role.COORDINATOR)
        response = await person.post(f"{parked.href}/resolve", ENDED)
        assert (response.status_code, response.json()["resolved_by"]) == (200, person.account_id)
        assert response.json()["state"] == "applied"
    going_on = CorrectionAttention(parked.ref.correction_id, "run", 2, None)
    status = await asyncio.to_thread(corrections.record_correction_attention, going_on)
    assert (status.state, status.attention) == ("resolved", None)
    assert parked.claim.events()[-1] == "correction.resolved"


async def test_a_revocation_of_what_was_never_issued_is_told_by_the_code_of_the_version_before(
    awarded: TestClaim,
    coordinator: Person,
    ledger: PostgresClaimActivities,
    corrections: PostgresCorrectionActivities,
    engine: Engine,
) -> None:
    first = versions_of(awarded)[0]
    claim = {"id": awarded.claim_id, "certificate": {"id": first["id"]}}
    await asyncio.to_thread(issue, engine, ledger, claim, b"%PDF-1.7 " + new_id("pdf").encode())
    parked = await asyncio.to_thread(Parked, awarded, corrections)
    assert (await coordinator.post(f"{parked.href}/resolve", ENDED)).status_code == 200
    assert (await coordinator.post(address(awarded, "revoke"), REVOKED)).status_code == 200
    found = (await coordinator.client.get(f"/v1/certificates/{first['data']['verification_code']}")).json()
    assert (found["status"], found["revocation_class"]) == ("revoked", "issued_in_error")
    second = versions_of(awarded)[1]
    assert (second["state"], second["is_stored"]) == ("revoked", False)
    unknown = await coordinator.client.get(f"/v1/certificates/{second['data']['verification_code']}")
    assert (unknown.status_code, unknown.json()["status"]) == (404, "unknown")


async def test_staff_end_a_parked_correction_in_the_console(parked: Parked, coordinator: Person) -> None:
    page, form = f"/staff/claims/{parked.claim.claim_id}", f"/staff/corrections/{parked.ref.correction_id}/resolve"
    assert form in links(await see(coordinator, page))
    assert "What it changed stays" in (await see(coordinator, form)).text
    wrong = await send(coordinator, form, reason_code="", reason="")
    assert (wrong.status_code, 'id="reason-error"' in wrong.text) == (422, True)
    ended = await send(coordinator, form, **ENDED)
    assert (ended.status_code, ended.headers["location"].partition("#")[0].partition("?")[0]) == (303, page)
    shown = await see(coordinator, page)
    assert form not in links(shown)
    assert "The template is at fault." in shown.text
    late = await send(coordinator, form, **ENDED)
    assert (late.status_code, "The correction waits for nobody" in late.text) == (409, True)
