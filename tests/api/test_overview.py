"""The office's overview: figures of claims, what waits for the office, and whether every part works."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Engine, text
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse

from config.settings import Settings
from domain.claims import Stage
from domain.roles import Role
from tests.api.conftest import AbsentTemporal, LedgerTemporal, Person, running, sign_in
from tests.api.records import NOON, add_attempt, add_claim, add_learner

MINUTE = timedelta(minutes=1)


class QueueTemporal(LedgerTemporal):
    """Tells of two workers that ask for claims, and of none for documents."""

    SEEN_AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)

    @property
    def workflow_service(self) -> "QueueTemporal":
        return self

    async def describe_task_queue(self, request: DescribeTaskQueueRequest) -> DescribeTaskQueueResponse:
        assert request.namespace == self.namespace
        seen = Timestamp()
        seen.FromDatetime(self.SEEN_AT)
        pollers = [PollerInfo(identity=f"worker {number}", last_access_time=seen) for number in (1, 2)]
        return DescribeTaskQueueResponse(pollers=pollers if request.task_queue.name == "claims" else [])


async def overview(person: Person, slug: str | None = None) -> dict[str, Any]:
    response = await person.get("/v1/staff/overview" + (f"?ce_activity={slug}" if slug else ""))
    assert response.status_code == 200, response.text
    return dict(response.json())


def count_of(document: dict[str, Any], kind: str) -> int:
    return next(int(each["count"]) for each in document["waiting"] if each["kind"] == kind)


async def test_claims_are_counted_by_stage_and_step_with_the_median_time_of_each(
    coordinator: Person, engine: Engine, slug: str
) -> None:
    for minutes in (2, 4, 60):
        told = NOON + minutes * 4 * MINUTE
        claim = add_claim(
            engine,
            add_learner(engine),
            slug,
            participation_at=NOON + minutes * MINUTE,
            disclosures_at=NOON + minutes * MINUTE,
            evaluated_at=NOON + minutes * 2 * MINUTE,
            attested_at=NOON + minutes * 3 * MINUTE,
            awarded_at=told,
            notified_at=told,
            closed_at=told,
        )
        add_attempt(engine, claim, 1, {}, has_passed=True)
    add_claim(engine, add_learner(engine), slug, stage="awaiting_test", participation_at=NOON)
    add_claim(engine, add_learner(engine), slug, stage="expired", closed_at=NOON)
    shown = await overview(coordinator, slug)
    stages = {each["stage"]: each["claims"] for each in shown["stages"]}
    assert list(stages) == list(Stage)
    assert {stage for stage, claims in stages.items() if claims} == {"completed", "awaiting_test", "expired"}
    assert (shown["opened"], shown["open"], shown["awarded"]) == (5, 1, 3)
    steps = {each["step"]: (each["claims"], each["median_seconds"]) for each in shown["steps"]}
    assert steps["participation"] == (4, 4 * 60)
    assert steps["disclosures"] == (3, 0)
    assert steps["evaluation"] == (3, 4 * 60)
    assert steps["finalization"] == (0, None)
    assert steps["post_test"][0] == 3
    assert steps["certificate"] == (3, 0)


async def test_twelve_weeks_show_how_many_claims_were_opened_and_credited_in_each(
    coordinator: Person, engine: Engine, slug: str
) -> None:
    now = datetime.now(UTC)
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    for opened, awarded in [(monday, None), (monday - MINUTE, now), (monday - timedelta(weeks=11), None)]:
        add_claim(engine, add_learner(engine), slug, opened_at=opened, awarded_at=awarded)
    add_claim(engine, add_learner(engine), slug, opened_at=monday - timedelta(weeks=11) - MINUTE)
    weeks = (await overview(coordinator, slug))["weeks"]
    assert [date.fromisoformat(each["week_on"]) for each in weeks] == [
        monday.date() - timedelta(weeks=ago) for ago in reversed(range(12))
    ]
    assert [each["opened"] for each in weeks] == [1] + [0] * 9 + [1, 1]
    assert [each["awarded"] for each in weeks] == [0] * 11 + [1]


async def test_what_waits_for_the_office_is_counted_as_of_now_and_says_where_it_is_listed(
    coordinator: Person, engine: Engine, slug: str
) -> None:
    before = await overview(coordinator)
    due_at = datetime.now(UTC) + timedelta(days=6)
    claim = add_claim(
        engine, add_learner(engine), slug, stage="awaiting_test", due_at=due_at, extension_requested_at=NOON
    )
    add_claim(engine, add_learner(engine), slug, stage="awaiting_test", due_at=due_at + timedelta(days=2))
    parked = add_claim(engine, add_learner(engine), slug, stage="issuing", attention="email_failed", awarded_at=NOON)
    after = await overview(coordinator)
    for kind in ("due_soon", "extension_requests", "attention"):
        assert count_of(after, kind) == count_of(before, kind) + 1
    for each in after["waiting"]:
        assert (await coordinator.get(each["href"])).status_code == 200, each["href"]
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE claims SET attention = NULL, stage = 'completed', closed_at = now() WHERE id = ANY(:ids)"),
            {"ids": [claim, parked]},
        )


async def test_an_overview_of_an_activity_that_is_not_there_is_not_found(coordinator: Person) -> None:
    response = await coordinator.get("/v1/staff/overview?ce_activity=nowhere-to-be-found")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_every_part_says_whether_it_works_and_who_works(settings: Settings) -> None:
    async with running(settings, QueueTemporal()) as (_, client):
        person = await sign_in(settings.database_url, client, Role.VIEWER)
        shown = (await person.get("/v1/staff/parts")).json()
    parts = {each["part"]: each for each in shown["data"]}
    assert parts["temporal"]["is_working"]
    assert (parts["claims_workers"]["is_working"], parts["claims_workers"]["workers"]) == (True, 2)
    assert parts["claims_workers"]["last_seen_at"] == "2026-11-22T09:30:00Z"
    assert (parts["documents_workers"]["is_working"], parts["documents_workers"]["workers"]) == (False, 0)
    assert not shown["is_working"]
    assert {"relay", "outbox", "checkpoints", "listener"} <= set(parts)


@pytest.mark.parametrize("temporal", [AbsentTemporal()])
async def test_without_temporal_the_parts_say_so_and_the_others_are_shown(
    temporal: LedgerTemporal, settings: Settings
) -> None:
    async with running(settings, temporal) as (_, client):
        person = await sign_in(settings.database_url, client, Role.COORDINATOR)
        shown = (await person.get("/v1/staff/parts")).json()
    parts = {each["part"]: each["is_working"] for each in shown["data"]}
    assert parts["temporal"] is False
    assert "claims_workers" not in parts
    assert "relay" in parts
