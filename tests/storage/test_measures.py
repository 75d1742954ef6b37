"""What monitoring is told: what waits for Laurel, and not what it keeps on purpose; and what waits for a person."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.identities import new_id
from storage import overview
from storage.database import create_api_engine
from storage.measures import measures
from storage.tables import ClaimRow, CorrectionRow, OutgoingEmailRow, SubmissionRow
from tests.api.conftest import publish_example
from tests.api.records import add_claim, add_learner

# Longer ago than anything that other tests leave behind.
LONG_AGO = datetime(1971, 1, 1, tzinfo=UTC)
DECADES = timedelta(days=50 * 365).total_seconds()
HELD = {"attention": "on_hold", "held_at": LONG_AGO, "held_by": "operator:ada", "hold_reason": "identity_check"}
STAGE = {"stage": "ready_to_claim"}
PAUSED = {"attention": "issuance_paused"}


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[AsyncConnection]:
    """A transaction that is rolled back: the other tests share the record."""
    engine = create_api_engine(database_url, 1)
    async with engine.connect() as connection:
        yield connection
        await connection.rollback()
    await engine.dispose()


@pytest.fixture
def slug(engine: Engine) -> str:
    return publish_example(engine)


def submission(claim_id: str, learner_id: str, kind: str) -> dict[str, Any]:
    return {
        "id": new_id("sub"),
        "claim_id": claim_id,
        "learner_id": learner_id,
        "actor": "acc_x",
        "kind": kind,
        "body": {},
        "received_at": LONG_AGO,
        "deliver_after": LONG_AGO,
        "deliveries": 0,
    }


@pytest.mark.parametrize(
    ("kind", "claim", "waits"),
    [
        ("credit", {}, 1),
        ("credit", HELD, 0),
        ("credit", PAUSED, 0),
        ("withdrawal", PAUSED, 0),
        ("release", HELD, 1),
    ],
)
async def test_a_step_that_a_hold_or_a_pause_keeps_waits_for_nobody_and_any_other_for_laurel(
    kind: str, claim: dict[str, Any], waits: int, connection: AsyncConnection, engine: Engine
) -> None:
    learner = add_learner(engine)
    claim_id = add_claim(engine, learner, publish_example(engine), **STAGE)
    await connection.execute(update(ClaimRow).where(ClaimRow.id == claim_id).values(**STAGE | claim))
    before, lags_before = await measures(connection), await overview.lags(connection)
    await connection.execute(insert(SubmissionRow).values(**submission(claim_id, learner, kind)))
    after, lags_after = await measures(connection), await overview.lags(connection)
    assert after.undecided_submissions - before.undecided_submissions == waits
    assert lags_after.undecided - lags_before.undecided == waits
    assert (after.undecided_seconds > DECADES) is bool(waits)
    assert ((lags_after.undecided_seconds or 0) > DECADES) is bool(waits)


@pytest.mark.parametrize("parked", ["claim", "correction", None])
async def test_an_award_email_at_which_its_claim_or_a_correction_is_parked_waits_for_a_person(
    parked: str | None, connection: AsyncConnection, engine: Engine, slug: str
) -> None:
    claim_id = add_claim(engine, add_learner(engine), slug)
    before = await measures(connection)
    email = {
        "id": new_id("eml"),
        "purpose": "award",
        "subject_id": new_id("crt"),
        "claim_id": claim_id,
        "recipient": "",
        "state": "sending",
        "tries": 9,
        "last_error": "TimeoutError",
        "created_at": LONG_AGO,
    }
    await connection.execute(insert(OutgoingEmailRow).values(**email))
    if parked == "claim":
        await connection.execute(update(ClaimRow).where(ClaimRow.id == claim_id).values(attention="email_failed"))
    if parked == "correction":
        await connection.run_sync(add_parked_correction, claim_id, "email_failed")
    after = await measures(connection)
    assert after.unsent_emails - before.unsent_emails == (parked is None)
    assert (after.unsent_seconds > DECADES) is (parked is None)
    assert after.failing_emails - before.failing_emails == 1


def add_parked_correction(connection: Connection, claim_id: str, attention: str) -> None:
    row = {"id": new_id("cor"), "claim_id": claim_id, "kind": "reissue", "state": "applied", "attention": attention}
    connection.execute(insert(CorrectionRow).values(**row, body={}, reason="x", requested_by="acc_x"))


@pytest.mark.parametrize(
    ("attention", "label"),
    [
        ("certificate_failed", "correction_certificate_failed"),
        ("email_failed", "correction_email_failed"),
        ("issuance_paused", "issuance_paused"),
    ],
)
async def test_a_parked_correction_is_counted_as_what_its_claim_needs_a_person_for(
    attention: str, label: str, connection: AsyncConnection, engine: Engine, slug: str
) -> None:
    claim_id = add_claim(engine, add_learner(engine), slug)
    before = (await measures(connection)).claims
    needing = (await overview.waiting(connection, timedelta(days=7))).attention
    await connection.run_sync(add_parked_correction, claim_id, attention)
    after = (await measures(connection)).claims
    assert after["completed", label] == before.get(("completed", label), 0) + 1
    assert after.get(("completed", ""), 0) == before["completed", ""] - 1
    assert (await overview.waiting(connection, timedelta(days=7))).attention == needing + 1
