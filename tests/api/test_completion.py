"""The completion matrix of a CE activity, on the screen and as a file."""

import csv
import io
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.api.conftest import Person
from tests.api.records import NOON, add_claim, add_learner

WHY = "reason=Annual+report"


async def matrix(person: Person, slug: str, query: str = "") -> dict[str, Any]:
    response = await person.get(f"/v1/staff/ce-activities/{slug}/completion?{query}")
    assert response.status_code == 200, response.text
    return dict(response.json())


@pytest.fixture
def claims(engine: Engine, slug: str) -> list[str]:
    """One that is new, one with the disclosures waived, one that is complete."""
    facts: list[dict[str, Any]] = [
        {"stage": "verifying_participation"},
        {"stage": "awaiting_test", "participation": "online", "waived": ["disclosures"]},
        {"participation": "online", "awarded_at": NOON, "notified_at": NOON, "closed_at": NOON},
    ]
    return [
        add_claim(
            engine,
            add_learner(engine, given_name="Ada", family_name=f"=Number {number}"),
            slug,
            opened_at=NOON - number * timedelta(hours=1),
            **values,
        )
        for number, values in enumerate(facts)
    ]


async def test_the_matrix_shows_the_state_of_each_step_and_marks_what_was_waived(
    coordinator: Person, slug: str, claims: list[str]
) -> None:
    shown = await matrix(coordinator, slug)
    assert {"participation", "post_test", "evaluation", "credit", "certificate"} <= set(shown["steps"])
    assert [row["claim"] for row in shown["data"]] == claims
    new, waived, complete = (row["steps"] for row in shown["data"])
    assert all(list(row) == shown["steps"] for row in (new, waived, complete))
    assert new["participation"] == "to_do"
    assert waived.get("disclosures", "waived") == "waived"
    assert (waived["participation"], complete["certificate"], complete["post_test"]) == ("done", "done", "done")
    assert shown["data"][0]["learner"]["family_name"] == "=Number 0"


async def test_the_matrix_is_paged_and_narrowed_down_by_stage_and_learner(
    coordinator: Person, slug: str, claims: list[str]
) -> None:
    first = await matrix(coordinator, slug, "limit=2")
    second = await matrix(coordinator, slug, f"limit=2&after={first['next']}")
    assert [row["claim"] for row in first["data"] + second["data"]] == claims
    assert (first["has_more"], second["has_more"], second["next"]) == (True, False, None)
    assert [row["claim"] for row in (await matrix(coordinator, slug, "stage=completed"))["data"]] == claims[2:]
    assert [row["claim"] for row in (await matrix(coordinator, slug, f"learner={claims[1]}"))["data"]] == [claims[1]]


async def test_an_activity_without_claims_shows_the_steps_of_its_current_version(
    coordinator: Person, slug: str
) -> None:
    shown = await matrix(coordinator, slug)
    assert shown["data"] == []
    assert "participation" in shown["steps"]


async def test_the_export_has_every_row_in_words_and_no_cell_is_a_formula(
    coordinator: Person, slug: str, claims: list[str], engine: Engine
) -> None:
    response = await coordinator.get(f"/v1/staff/ce-activities/{slug}/completion/export?{WHY}")
    assert response.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [row["Claim number"] for row in rows] == claims
    assert [row["Family name"] for row in rows] == ["'=Number 0", "'=Number 1", "'=Number 2"]
    assert rows[0]["Participation"] == "To do"
    assert rows[2]["Claim"] == "Completed"
    book = await coordinator.get(f"/v1/staff/ce-activities/{slug}/completion/export?{WHY}&format=xlsx&stage=completed")
    strings = zipfile.ZipFile(io.BytesIO(book.content)).read("xl/sharedStrings.xml").decode()
    assert claims[2] in strings
    assert claims[0] not in strings
    with engine.connect() as connection:
        entered = connection.execute(
            text(
                "SELECT count(*) FROM audit_events WHERE stream = 'disclosures' AND audit_actor(body) = :actor "
                "AND audit_event(body) = 'completion.exported'"
            ),
            {"actor": coordinator.account_id},
        )
        assert entered.scalar_one() == 2


@pytest.mark.parametrize("path", ["completion", f"completion/export?{WHY}"])
@pytest.mark.parametrize("slug_of_none", ["nowhere-to-be-found", "Not%00a-slug"])
async def test_the_matrix_of_an_activity_that_is_not_there_is_not_found(
    path: str, slug_of_none: str, coordinator: Person
) -> None:
    response = await coordinator.get(f"/v1/staff/ce-activities/{slug_of_none}/{path}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("query", ["", "reason=%20", f"{WHY}&format=jsonl", f"{WHY}&unknown=1"])
async def test_an_export_without_a_reason_or_of_another_kind_is_refused(
    query: str, coordinator: Person, slug: str
) -> None:
    response = await coordinator.get(f"/v1/staff/ce-activities/{slug}/completion/export?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "validation_failed")
