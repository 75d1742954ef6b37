"""Deadlines in calendars, and reminders that stop by one click."""

from datetime import UTC, datetime, timedelta

import httpx2
from sqlalchemy import Engine, update

from api.calendars import CalendarEntry, calendar
from storage import reminder_links
from storage.tables import ClaimRow
from tests.api.conftest import Person, publish_example, sign_in
from tests.api.records import merge
from tests.api.test_claim_over_http import awarded, opened
from tests.audit import entries_of

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def token_of(engine: Engine, person: Person) -> str:
    with engine.begin() as connection:
        return reminder_links.token_of(connection, person.learner_id)


async def test_the_token_of_a_reminder_stops_them_without_signing_in_and_is_one_act(
    learner: Person, engine: Engine, client: httpx2.AsyncClient
) -> None:
    token = token_of(engine, learner)
    assert token_of(engine, learner) == token
    for _ in range(2):
        stopped = await client.post("/v1/reminders/stop", json={"token": token})
        assert (stopped.status_code, stopped.json()) == (200, {"wants_reminders": False})
    assert (await learner.get("/v1/me")).json()["wants_reminders"] is False
    changes = [
        each for each in entries_of(engine, f"learner:{learner.learner_id}") if "wants_reminders" in each["after"]
    ]
    assert [(each["actor"], each["after"]["wants_reminders"]) for each in changes] == [(learner.account_id, False)]


async def test_the_token_of_an_account_that_became_part_of_another_stops_that_ones(
    learner: Person, engine: Engine, database_url: str, client: httpx2.AsyncClient
) -> None:
    duplicate = await sign_in(database_url, client)
    token = token_of(engine, duplicate)
    merge(engine, duplicate.learner_id, learner.learner_id)
    assert (await client.post("/v1/reminders/stop", json={"token": token})).status_code == 200
    assert (await learner.get("/v1/me")).json()["wants_reminders"] is False


async def test_a_token_that_nobody_has_stops_nothing(client: httpx2.AsyncClient) -> None:
    unknown = await client.post("/v1/reminders/stop", json={"token": "x" * 43})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


async def test_a_deadline_can_be_put_into_a_calendar(learner: Person, engine: Engine) -> None:
    slug = publish_example(engine, title="Sepsis, sooner; or later")
    claim = await opened(learner, slug)
    with engine.begin() as connection:
        due = datetime(2031, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)
        connection.execute(update(ClaimRow).where(ClaimRow.id == claim["id"]).values(due_at=due))
    response = await learner.get(f"/v1/claims/{claim['id']}/deadline.ics")
    assert response.headers["content-type"].startswith("text/calendar")
    lines = response.content.decode().split("\r\n")
    assert "DTSTART:20310131T235959Z" in lines
    assert f"UID:{claim['id']}@laurel.test" in lines
    assert any(line.endswith("Sepsis\\, sooner\\; or later") for line in lines if line.startswith("SUMMARY:Claim "))
    assert f"URL:http://laurel.test/claims/{claim['id']}" in lines


async def test_a_claim_without_a_deadline_has_no_entry(
    learner: Person, coordinator: Person, slug: str, engine: Engine, ledger: object
) -> None:
    claim = await awarded(learner, slug, ledger)  # type: ignore[arg-type]
    assert (await learner.get(f"/v1/claims/{claim['id']}/deadline.ics")).status_code == 404
    endless = await opened(learner, publish_example(engine))
    with engine.begin() as connection:
        connection.execute(update(ClaimRow).where(ClaimRow.id == endless["id"]).values(due_at=None))
    assert (await learner.get(f"/v1/claims/{endless['id']}/deadline.ics")).status_code == 404
    assert (await coordinator.get(f"/v1/claims/{endless['id']}/deadline.ics")).status_code == 404


def test_long_lines_of_a_calendar_are_folded_without_breaking_a_character() -> None:
    entry = CalendarEntry(uid="1@x", at=NOON + timedelta(days=1), summary="é" * 100 + "\n\\", url="https://x.example")
    made = calendar(entry, NOON)
    lines = made.split(b"\r\n")
    assert max(len(line) for line in lines) <= 75
    assert all(line.decode() is not None for line in lines)
    unfolded = made.decode().replace("\r\n ", "")
    assert f"SUMMARY:{'é' * 100}\\n\\\\\r\n" in unfolded
