"""In which order Temporal is told of steps, and when the relay tells of them instead."""

import asyncio
from datetime import timedelta

from sqlalchemy import Engine, text

from activities.claims import PostgresClaimActivities
from api.delivery_queue import DeliveryQueue, Tell
from config.settings import Settings
from domain.submissions import SubmissionKind
from tests.api.conftest import (
    AbsentTemporal,
    LedgerTemporal,
    SilentTemporal,
    claim_of,
    running,
    sign_in,
    step_of,
    until,
)


def wait_of(engine: Engine, submission_id: str) -> timedelta:
    """How long a step waits for the relay."""
    query = text("SELECT deliver_after - clock_timestamp() FROM submissions WHERE id = :id")
    with engine.connect() as connection:
        wait: timedelta = connection.execute(query, {"id": submission_id}).scalar_one()
        return wait


async def test_a_slow_step_that_temporal_took_is_not_delivered_again_for_a_minute(
    settings: Settings, slug: str, engine: Engine
) -> None:
    async with running(settings, SilentTemporal()) as (_, client):
        person = await sign_in(settings.database_url, client)
        response = await person.post("/v1/claims", {"ce_activity": slug}, prefer="respond-async")
        step = step_of(response)
        assert wait_of(engine, step) <= timedelta(seconds=2)
        await until(lambda: wait_of(engine, step) > timedelta(seconds=30))
        assert wait_of(engine, step) <= timedelta(minutes=1)


async def test_only_so_many_undecided_steps_are_told_at_once(settings: Settings) -> None:
    told: list[str] = []
    async with running(settings, SilentTemporal()) as (app, _):
        queue = DeliveryQueue(app.state.services.database, app.state.services.wakeups, slot_seconds=3600)
        queue.start()
        for number in range(25):
            queue.put(f"sub_{number}", SubmissionKind.PARTICIPATION, teller(told, f"sub_{number}"))
        await until(lambda: len(told) == 16)
        await asyncio.sleep(0.1)
        await queue.stop(0)
    assert told == [f"sub_{number}" for number in range(16)]


def teller(told: list[str], step: str) -> Tell:
    """Notes that Temporal was told of a step, and took it."""

    async def tell() -> bool:
        told.append(step)
        return True

    return tell


async def test_few_claims_are_begun_at_once_and_those_that_wait_are_not_the_relays(
    settings: Settings, slug: str, engine: Engine
) -> None:
    temporal = SilentTemporal()
    async with running(settings, temporal) as (_, client):
        people = [await sign_in(settings.database_url, client) for _ in range(7)]
        opening = [each.post("/v1/claims", {"ce_activity": slug}, prefer="respond-async") for each in people]
        answers = await asyncio.gather(*opening)
        queued = [step_of(each) for each in answers if f"claim-{claim_of(each)}" not in temporal.deliveries]
        assert len(queued) == 3
        await until(lambda: all(wait_of(engine, step) > timedelta(seconds=10) for step in queued))
        assert len(temporal.deliveries) == 4
        await until(lambda: len(temporal.deliveries) == 7)


async def test_a_step_that_temporal_did_not_take_is_soon_the_relays(
    settings: Settings, slug: str, engine: Engine
) -> None:
    async with running(settings, AbsentTemporal()) as (app, client):
        person = await sign_in(settings.database_url, client)
        response = await person.post("/v1/claims", {"ce_activity": slug})
        await app.state.services.gateway.stop()
        assert wait_of(engine, step_of(response)) <= timedelta(seconds=2)


async def test_a_step_that_its_claim_keeps_gives_its_slot_to_the_next_one(
    settings: Settings, slug: str, engine: Engine, ledger: PostgresClaimActivities
) -> None:
    hold = "UPDATE claims SET attention = 'on_hold', held_at = now(), held_by = 'x', hold_reason = 'x' WHERE id = :id"
    told: list[str] = []
    async with running(settings, LedgerTemporal(ledger)) as (app, client):
        person = await sign_in(settings.database_url, client)
        claim = (await person.post("/v1/claims", {"ce_activity": slug})).json()
        with engine.begin() as connection:
            connection.execute(text(hold), {"id": claim["id"]})
        body = {"value": claim["next_actions"][0]["form"]["options"][0]["code"]}
        path = f"/v1/claims/{claim['id']}/participation"
        steps = [step_of(await person.post(path, body, prefer="respond-async")) for _ in range(2)]
        queue = DeliveryQueue(app.state.services.database, app.state.services.wakeups, slots=1, slot_seconds=3600)
        queue.start()
        for step in steps:
            queue.put(step, SubmissionKind.PARTICIPATION, teller(told, step))
        await until(lambda: len(told) == len(steps))
        await queue.stop(0)
    assert told == steps
    assert wait_of(engine, steps[0]) > timedelta(seconds=30), "the relay need not tell of what its claim keeps"
