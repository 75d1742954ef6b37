"""The relay: what the API could not deliver is delivered, by one relay at a time, for as long as it takes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection, Engine, RowMapping, text

from activities.contract import ClaimStep
from activities.relay import Relay
from domain.claims import Stage
from tests.activities.test_ledger_twice import brought_to
from tests.claims import PROVIDER, TestClaim
from worker import Activities

NewClaim = Callable[..., TestClaim]

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Delivered:
    """Notes what a relay delivers; fails for the submissions in ``failing``."""

    def __init__(self) -> None:
        self.rows: list[RowMapping] = []
        self.failing: set[str] = set()

    async def __call__(self, row: RowMapping) -> None:
        self.rows.append(row)
        await asyncio.sleep(0)
        if row["submission_id"] in self.failing:
            raise ConnectionRefusedError("Temporal is away")

    def of(self, claim: TestClaim) -> list[str]:
        return [row["submission_id"] for row in self.rows if row["claim_id"] == claim.claim_id]


def make_due(engine: Engine, submission_ids: list[str], deliveries: int = 0) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE submissions SET deliver_after = :then, deliveries = :deliveries WHERE id = ANY(:ids)"),
            {"then": LONG_AGO, "deliveries": deliveries, "ids": submission_ids},
        )


def wait_of(engine: Engine, submission_id: str) -> timedelta:
    """How long a submission waits for its next delivery."""
    with engine.connect() as connection:
        query = text("SELECT deliver_after - clock_timestamp() FROM submissions WHERE id = :id")
        waits: timedelta = connection.execute(query, {"id": submission_id}).scalar_one()
        return waits


async def test_two_relays_deliver_each_submission_once(new_claim: NewClaim, engine: Engine) -> None:
    claim, delivered = new_claim(), Delivered()
    due = claim.receive_steps(Stage.COMPLETED, LONG_AGO)
    due += [claim.receive(claim.opening()) for _ in range(30)]
    make_due(engine, due)
    # The claim is not in the record, so only its openings say what they belong to.
    openings = {due[0], *due[-30:]}
    await asyncio.gather(*(Relay(engine, delivered).deliver_due() for _ in range(2)))
    assert sorted(delivered.of(claim)) == sorted(openings)
    await Relay(engine, delivered).deliver_due()
    assert len(delivered.of(claim)) == len(openings)


async def test_a_delivery_says_what_operators_filter_by(
    new_claim: NewClaim, engine: Engine, activities: Activities
) -> None:
    claim, delivered = brought_to(new_claim(), activities, Stage.AWAITING_TEST), Delivered()
    submission_id = claim.receive(claim.evaluation())
    make_due(engine, [submission_id])
    await Relay(engine, delivered).deliver_due()
    [row] = [row for row in delivered.rows if row["submission_id"] == submission_id]
    assert (row["ce_activity"], row["provider"], row["stage"]) == (claim.slug, PROVIDER, Stage.AWAITING_TEST)
    assert row["due_at"] == claim.row()["due_at"]


async def waits_after(relay: Relay, engine: Engine, submission_id: str) -> list[float]:
    """How long a submission waits for its next delivery after its 1st, 2nd, 3rd, 6th, 9th and 10th: seconds."""
    waits = []
    for deliveries in (0, 1, 2, 5, 8, 9):
        make_due(engine, [submission_id], deliveries)
        await relay.deliver_due()
        waits.append(round(wait_of(engine, submission_id).total_seconds(), -1))
    return waits


async def test_a_submission_that_cannot_be_delivered_is_tried_again_later_and_later(
    new_claim: NewClaim, engine: Engine
) -> None:
    claim, delivered = new_claim(), Delivered()
    opening = claim.receive(claim.opening())
    delivered.failing = {opening}
    assert await waits_after(Relay(engine, delivered), engine, opening) == [10, 20, 40, 320, 2560, 3600]
    assert delivered.of(claim) == [opening] * 6


async def test_what_temporal_took_is_left_to_it_for_minutes_and_not_delivered_once_it_is_decided(
    new_claim: NewClaim, engine: Engine, activities: Activities
) -> None:
    claim, delivered = new_claim(), Delivered()
    relay, opening = Relay(engine, delivered), claim.receive(claim.opening())
    assert await waits_after(relay, engine, opening) == [120, 240, 480, 3600, 3600, 3600]
    assert delivered.of(claim) == [opening] * 6
    make_due(engine, [opening])
    activities.claims.load_claim(ClaimStep(claim.claim_id, datetime.now(UTC)))
    await relay.deliver_due()
    assert len(delivered.of(claim)) == 6


async def test_a_submission_that_was_delivered_a_thousand_times_stops_nobody(
    new_claim: NewClaim, engine: Engine
) -> None:
    old, new, delivered = new_claim(), new_claim(), Delivered()
    first, second = old.receive(old.opening()), new.receive(new.opening())
    make_due(engine, [first], deliveries=1_000)
    make_due(engine, [second])
    await Relay(engine, delivered).deliver_due()
    assert delivered.of(old) == [first]
    assert delivered.of(new) == [second]


async def test_a_failed_delivery_stops_no_other_and_stays_due(new_claim: NewClaim, engine: Engine) -> None:
    claim, delivered = new_claim(), Delivered()
    openings = [claim.receive(claim.opening()) for _ in range(5)]
    delivered.failing = {openings[0], openings[3]}
    make_due(engine, openings)
    await Relay(engine, delivered).deliver_due()
    assert sorted(delivered.of(claim)) == sorted(openings)
    assert timedelta() < wait_of(engine, openings[0]) <= timedelta(seconds=10)


class AwayAtFirst:
    """An engine whose first transactions fail."""

    def __init__(self, engine: Engine, failures: int) -> None:
        self._engine = engine
        self.failures = failures

    def begin(self) -> Any:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the database is away")
        return self._engine.begin()

    def connect(self) -> Connection:
        return self._engine.connect()


async def test_a_relay_goes_on_when_the_database_is_back(new_claim: NewClaim, engine: Engine) -> None:
    claim, delivered = new_claim(), Delivered()
    opening = claim.receive(claim.opening())
    make_due(engine, [opening])
    away = AwayAtFirst(engine, failures=2)
    running = asyncio.create_task(Relay(cast(Engine, away), delivered).run(pause=timedelta(milliseconds=10)))
    await claim.until(lambda: delivered.of(claim) == [opening])
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert away.failures == 0
