"""What the API answers when Temporal, the worker, notifications or PostgreSQL are away."""

import asyncio
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimStep
from config.settings import Settings
from tests.api.conftest import (
    AbsentTemporal,
    LedgerTemporal,
    Person,
    SilentTemporal,
    claim_of,
    running,
    sign_in,
    step_of,
    until,
)


async def decide(ledger: PostgresClaimActivities, claim_id: str) -> None:
    await asyncio.to_thread(ledger.load_claim, ClaimStep(claim_id, datetime.now(UTC)))


async def test_a_step_is_received_while_temporal_is_away(
    settings: Settings, slug: str, ledger: PostgresClaimActivities
) -> None:
    async with running(settings, AbsentTemporal()) as (_, client):
        person = await sign_in(settings.database_url, client)
        started = time.monotonic()
        response = await person.post("/v1/claims", {"ce_activity": slug})
        assert response.status_code == 202
        assert time.monotonic() - started < 1.5
        assert response.headers["retry-after"] == "1"
        location = response.headers["location"]
        assert (await person.get(location)).json()["outcome"] == "undecided"
        status = (await person.get(response.json()["claim"])).json()
        assert (status["is_pending"], status["stage"]) == (True, "verifying_participation")
        await decide(ledger, claim_of(response))
        assert (await person.get(location)).json()["outcome"] == "accepted"
        assert (await person.get(response.json()["claim"])).json()["is_pending"] is False


async def test_steps_of_a_claim_that_is_still_pending_are_taken_in_order(
    settings: Settings, slug: str, ledger: PostgresClaimActivities
) -> None:
    async with running(settings, AbsentTemporal()) as (_, client):
        person = await sign_in(settings.database_url, client)
        opening = await person.post("/v1/claims", {"ce_activity": slug})
        status = (await person.get(opening.json()["claim"])).json()
        value = status["next_actions"][0]["form"]["options"][0]["code"]
        stated = await person.post(f"{status['href']}/participation", {"value": value})
        assert stated.status_code == 202
        again = await person.post("/v1/claims", {"ce_activity": slug})
        assert again.json()["id"] == opening.json()["id"]
        await decide(ledger, claim_of(opening))
        assert (await person.get(stated.headers["location"])).json()["outcome"] == "accepted"


async def test_a_decision_wakes_the_request_that_waits_for_it(
    settings: Settings, slug: str, ledger: PostgresClaimActivities
) -> None:
    temporal = SilentTemporal()
    async with running(settings, temporal) as (_, client):
        person = await sign_in(settings.database_url, client)
        request = asyncio.create_task(person.post("/v1/claims", {"ce_activity": slug}, prefer="wait=20"))
        await until(lambda: temporal.deliveries)
        assert not request.done()
        await decide(ledger, temporal.deliveries[0].removeprefix("claim-"))
        response = await asyncio.wait_for(request, 15)
        assert response.status_code == 201


async def test_without_a_decision_the_answer_comes_after_two_seconds(settings: Settings, slug: str) -> None:
    async with running(settings, SilentTemporal()) as (_, client):
        person = await sign_in(settings.database_url, client)
        started = time.monotonic()
        assert (await person.post("/v1/claims", {"ce_activity": slug})).status_code == 202
        assert 1.9 < time.monotonic() - started < 6


async def test_a_look_at_a_step_waits_for_its_decision_if_it_is_asked_to(
    settings: Settings, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    async with running(settings, SilentTemporal()) as (_, client):
        person = await sign_in(settings.database_url, client)
        opening = await person.post("/v1/claims", {"ce_activity": slug}, prefer="respond-async")
        location = opening.headers["location"]
        at_once = await person.get(location)
        assert (at_once.json()["outcome"], at_once.headers["retry-after"]) == ("undecided", "1")
        with engine.begin() as connection:
            old = "UPDATE submissions SET received_at = received_at - interval '20 seconds' WHERE id = :id"
            connection.execute(text(old), {"id": step_of(opening)})
        assert (await person.get(location, prefer="wait=0")).headers["retry-after"] == "10"
        looking = asyncio.create_task(person.get(location, prefer="wait=20"))
        await asyncio.sleep(0.3)
        assert not looking.done()
        await decide(ledger, claim_of(opening))
        decided = await asyncio.wait_for(looking, 15)
        assert decided.json()["outcome"] == "accepted"
        assert "retry-after" not in decided.headers


async def test_a_client_that_does_not_want_to_wait_is_answered_while_another_still_waits(
    settings: Settings, slug: str, ledger: PostgresClaimActivities
) -> None:
    temporal = SilentTemporal()
    async with running(settings, temporal) as (_, client):
        person = await sign_in(settings.database_url, client)
        patient = asyncio.create_task(person.post("/v1/claims", {"ce_activity": slug}, prefer="wait=20"))
        await until(lambda: temporal.deliveries)
        response = await person.post("/v1/claims", {"ce_activity": slug}, prefer="respond-async")
        assert response.status_code == 202
        assert not patient.done()
        await decide(ledger, temporal.deliveries[0].removeprefix("claim-"))
        assert (await patient).status_code == 201


async def test_a_decision_is_found_even_if_its_notification_was_lost(
    settings: Settings, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    temporal = SilentTemporal()
    async with running(settings, temporal) as (app, client):
        person = await sign_in(settings.database_url, client)
        wakeups = app.state.services.wakeups
        await until(lambda: wakeups.is_listening)
        request = asyncio.create_task(person.post("/v1/claims", {"ce_activity": slug}, prefer="wait=20"))
        await until(lambda: temporal.deliveries)
        assert terminate(engine, "laurel-listener") >= 1
        await decide(ledger, temporal.deliveries[0].removeprefix("claim-"))
        assert (await asyncio.wait_for(request, 15)).status_code == 201
        await until(lambda: wakeups.is_listening)


def terminate(engine: Engine, application_name: str) -> int:
    """End the database's side of connections, as a restart of PostgreSQL does; answers with how many there were."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"
    with engine.begin() as connection:
        return len(connection.execute(text(query), {"name": application_name}).all())


async def test_requests_go_on_after_the_database_closed_every_connection(
    settings: Settings, temporal: LedgerTemporal, engine: Engine
) -> None:
    async with running(settings, temporal) as (app, client):
        person = await sign_in(settings.database_url, client)
        name_it = text("SET application_name = 'api-under-test'")
        await app.state.services.database.statements(lambda c: c.execute(name_it))
        assert (await person.get("/v1/me")).status_code == 200
        assert terminate(engine, "api-under-test") == 1
        assert [(await person.get("/v1/me")).status_code for _ in range(3)] == [200, 200, 200]


@pytest.fixture
def without_database(settings: Settings) -> Settings:
    return settings.model_copy(update={"database_url": "postgresql://laurel:wrong@127.0.0.1:1/laurel"})


async def test_without_its_database_the_api_starts_and_says_so(
    without_database: Settings, temporal: LedgerTemporal, learner: Person
) -> None:
    async with running(without_database, temporal) as (_, client):
        assert (await client.get("/healthz")).status_code == 200
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["database"]) == (503, False)
        for method, path in (
            ("GET", "/v1/me"),
            ("POST", "/v1/claims"),
            ("GET", "/v1/certificates/0000-0000-0000-0000"),
        ):
            body = {"json": {"ce_activity": "x"}} if method == "POST" else {}
            response = await client.request(method, path, headers=learner.headers, **body)  # type: ignore[arg-type]
            assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
        signed_in = {"Cookie": f"laurel_session={learner.token}", "Accept": "text/html"}
        for path, status in (("/no-such-page", 404), ("/wallet", 503)):
            page = await client.get(path, headers=signed_in)
            assert page.status_code == status
            assert "Verify a certificate" in page.text
            assert response.headers["retry-after"] == "1"
        page = await client.get("/verify/0000-0000-0000-0000", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")


async def test_without_temporal_the_api_is_ready_but_degraded(settings: Settings) -> None:
    async with running(settings, AbsentTemporal()) as (app, client):
        await until(lambda: app.state.services.wakeups.is_listening)
        ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"status": "degraded", "checks": {"database": True, "listener": True, "temporal": False}}
