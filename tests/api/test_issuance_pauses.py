"""The issuance pause over HTTP and on pages: who may place it, what it says everywhere, and what learners are told."""

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, insert, text

from activities.claims import PostgresClaimActivities
from api.pages.staff.words import PAUSE_WORDS, RESUMPTION_WORDS
from domain.identities import new_id
from domain.reasons import PauseReason, ResumptionReason
from domain.roles import Role
from storage.tables import ProviderRow, SubmissionRow
from tests.api.conftest import Person, sign_in
from tests.api.records import add_claim, add_learner
from tests.api.test_office_pages import Browser

PAUSES = "/v1/staff/issuance-pauses"
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
NEVER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def provider(engine: Engine) -> str:
    """A provider without claims, so that nobody else is paused."""
    slug = new_id("prv").replace("_", "-")
    with engine.begin() as connection:
        connection.execute(insert(ProviderRow).values(slug=slug, name=f"Academy {slug}", acronym="CE"))
    return slug


@pytest.fixture
async def approver(database_url: str, client: httpx2.AsyncClient) -> Person:
    return await sign_in(database_url, client, Role.APPROVER)


def asked(provider: str | None, **changes: Any) -> dict[str, Any]:
    return {"provider": provider, "reason_code": "credit_in_doubt", "reason": "Two sessions overlap."} | changes


LIFTING = {"reason_code": "checked", "reason": "They do not."}


async def test_a_pause_is_placed_listed_and_lifted(approver: Person, coordinator: Person, provider: str) -> None:
    placed = await approver.post(PAUSES, asked(provider))
    assert placed.status_code == 200, placed.text
    pause = placed.json()
    assert (pause["provider"], pause["reason_code"], pause["is_new"]) == (provider, "credit_in_doubt", True)
    assert (pause["placed_by"]["id"], pause["lifted_at"]) == (approver.account_id, None)
    again = (await approver.post(PAUSES, asked(provider, reason_code="other"))).json()
    assert (again["id"], again["reason_code"], again["is_new"]) == (pause["id"], "credit_in_doubt", False)
    listed = (await coordinator.get(PAUSES)).json()
    assert pause["id"] in {each["id"] for each in listed["data"]}
    assert listed["waiting"].keys() == {"claims", "corrections"}
    assert {"slug": provider, "name": f"Academy {provider}"} in listed["providers"]
    lifted = (await approver.post(f"{pause['href']}/lift", LIFTING)).json()
    assert (lifted["lifted_by"]["id"], lifted["lift_reason"]) == (approver.account_id, "They do not.")
    assert (await approver.post(f"{pause['href']}/lift", LIFTING)).json() == lifted
    assert pause["id"] not in {each["id"] for each in (await coordinator.get(PAUSES)).json()["data"]}
    assert lifted in (await coordinator.get(f"{PAUSES}?with_lifted=true")).json()["data"]


async def test_the_same_request_pauses_once_and_is_answered_the_same(approver: Person, provider: str) -> None:
    headers = {"Idempotency-Key": new_id("key")}
    first = await approver.post(PAUSES, asked(provider), **headers)
    again = await approver.post(PAUSES, asked(provider), **headers)
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    await approver.post(f"{first.json()['href']}/lift", LIFTING)


async def test_a_coordinator_may_neither_pause_nor_lift(coordinator: Person, approver: Person, provider: str) -> None:
    pause = (await approver.post(PAUSES, asked(provider))).json()
    for path, body in ((PAUSES, asked(provider)), (f"{pause['href']}/lift", LIFTING)):
        assert (await coordinator.post(path, body)).status_code == 403
    assert (await approver.post(f"{pause['href']}/lift", LIFTING)).json()["lifted_at"]


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"provider": "no-such-provider"}, "/provider", "provider_unknown"),
        ({"reason_code": "because"}, "/reason_code", None),
        ({"reason": " "}, "/reason", "text_empty"),
    ],
)
async def test_a_pause_that_is_not_filled_in_is_refused_with_its_place(
    approver: Person, provider: str, changes: dict[str, Any], pointer: str, code: str | None
) -> None:
    refused = await approver.post(PAUSES, asked(provider) | changes)
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert (error["pointer"], code or error["code"]) == (pointer, error["code"])


async def test_whose_issuance_is_paused_is_never_left_to_chance(approver: Person) -> None:
    refused = await approver.post(PAUSES, {"reason_code": "other", "reason": "A drill."})
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/provider"]


async def test_a_pause_that_does_not_exist_is_not_lifted(approver: Person) -> None:
    for pause_id in (new_id("isp"), "isp_x"):
        assert (await approver.post(f"{PAUSES}/{pause_id}/lift", LIFTING)).status_code == 404


async def test_credit_that_waits_is_stuck_since_it_was_claimed_and_for_no_other_reason(
    coordinator: Person, engine: Engine, slug: str
) -> None:
    learner_id = add_learner(engine)
    claim = add_claim(engine, learner_id, slug, stage="ready_to_claim", attention="issuance_paused")
    row = {"id": new_id("sub"), "claim_id": claim, "learner_id": learner_id, "actor": "acc_x", "kind": "credit"}
    with engine.begin() as connection:
        connection.execute(insert(SubmissionRow).values(**row, body={}, received_at=LONG_AGO, deliver_after=NEVER))
    groups = {each["reason"]: each for each in (await coordinator.get("/v1/staff/claims/stuck")).json()["data"]}
    [shown] = [each for each in groups["issuance_paused"]["oldest"] if each["id"] == claim]
    assert shown["since"].startswith("2001-01-01")
    assert groups["issuance_paused"]["suggestion"].startswith("Lift the pause")
    others = (each["oldest"] for reason, each in groups.items() if reason != "issuance_paused")
    assert claim not in {each["id"] for oldest in others for each in oldest}
    assert 'href="/staff/issuance"' in await Browser(coordinator).shown("/staff/stuck")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM submissions WHERE id = :id"), {"id": row["id"]})
        connection.execute(text("UPDATE claims SET attention = NULL WHERE id = :id"), {"id": claim})


def test_every_reason_has_words() -> None:
    assert PAUSE_WORDS.keys() == set(PauseReason)
    assert RESUMPTION_WORDS.keys() == set(ResumptionReason)


async def test_an_approver_pauses_and_resumes_on_the_page_and_every_page_of_the_office_says_so(
    approver: Person, coordinator: Person, provider: str
) -> None:
    desk, reader = Browser(approver), Browser(coordinator)
    assert f"Issuance is paused for {provider}" not in await reader.shown("/staff/claims")
    sent = await desk.post("/staff/issuance", asked(provider))
    assert (sent.status_code, sent.headers["location"]) == (303, "/staff/issuance")
    shown = await desk.shown("/staff/issuance")
    assert "Two sessions overlap." in shown
    for path in ("/staff", "/staff/claims", "/staff/stuck", "/staff/ce-activities", "/staff/learners"):
        assert f"Issuance is paused for {provider}" in await reader.shown(path), path
    read = await reader.shown("/staff/issuance")
    assert "Approvers and administrators may pause issuance" in read
    assert "/lift" not in read
    assert f"Issuance is paused for {provider}" not in await reader.shown("/help")
    [pause] = [each for each in (await approver.get(PAUSES)).json()["data"] if each["provider"] == provider]
    unfilled = await desk.post(f"/staff/issuance/{pause['id']}/lift", {"reason_code": "checked"})
    assert unfilled.status_code == 422
    assert 'href="#reason"' in unfilled.text
    lifted = await desk.post(f"/staff/issuance/{pause['id']}/lift", LIFTING)
    assert lifted.status_code == 303
    assert f"Issuance is paused for {provider}" not in await reader.shown("/staff/claims")
    assert "They do not." in await desk.shown("/staff/issuance")


async def test_the_page_of_issuance_says_what_is_missing_in_a_form(approver: Person) -> None:
    refused = await Browser(approver).post("/staff/issuance", {"provider": "", "reason_code": "", "reason": "So."})
    assert refused.status_code == 422
    for name in ("provider", "reason_code"):
        assert f'href="#{name}"' in refused.text
    assert "So." in refused.text


async def test_a_learner_whose_credit_waits_is_told_calmly_that_it_is_kept(
    learner: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim_id = (await learner.post("/v1/claims", {"ce_activity": slug})).json()["id"]
    with engine.begin() as connection:
        waits = text("UPDATE claims SET attention = 'issuance_paused' WHERE id = :id")
        connection.execute(waits, {"id": claim_id})
    status = (await learner.get(f"/v1/claims/{claim_id}")).json()
    assert (status["attention"], status["waiting_for"], status["next_actions"]) == ("issuance_paused", "operator", [])
    browser = Browser(learner)
    shown = await browser.shown(f"/claims/{claim_id}")
    assert "Issuing is paused" in shown
    assert "The office has paused issuing. Your step is kept, with the time at which it came" in shown
    assert "A member of staff looks into this claim" not in shown
    assert "The office has paused issuing; your step is kept." in await browser.shown("/")
