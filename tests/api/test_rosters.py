"""Rosters over HTTP: previewed row by row, and applied as they were previewed."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from domain.identities import new_id
from storage import rosters
from storage.audit import first_break
from storage.catalog import ce_activity_stream
from storage.database import create_api_engine
from storage.rosters import PreviewOutdatedError
from tests.api.conftest import Person
from tests.rosters import ADA, GRACE, HEADER, Office, assert_problem, counts, published, table


@pytest.fixture
def office(coordinator: Person, engine: Engine) -> Office:
    return Office(coordinator, engine, published(engine))


async def test_a_preview_says_what_applying_would_do_and_does_nothing(office: Office) -> None:
    rows = [ADA, GRACE, ["", "Nobody", "Here", "", ""], ["A-4", "", "Noether", "", ""], ["A-5", "X", "Y", "bad", ""]]
    response = await office.upload(table(*rows, header=[*HEADER[:-1], "Shoe size"]), "?file_name=C%3A%5Cwho.csv")
    assert response.status_code == 201
    preview = response.json()
    assert response.headers["location"] == preview["href"] == f"/v1/staff/rosters/{preview['id']}"
    assert (preview["state"], preview["file_name"], preview["ce_activity"]) == ("previewed", "who.csv", office.slug)
    assert preview["counts"] == counts(new=3, problems=2, warnings=1)
    assert (preview["row_count"], preview["problem_count"], preview["applied_count"]) == (5, 2, 0)
    assert (preview["encoding"], preview["separator"]) == ("utf-8", ",")
    assert preview["columns"] == ["badge_id", "given_name", "family_name", "email"]
    assert preview["ignored_columns"] == ["Shoe size"]
    assert [(row["line"], row["problems"][0]["code"]) for row in preview["first_problems"]] == [
        (4, "no_key"),
        (6, "email_format"),
        (5, "name_missing"),
    ]
    assert office.entries() == {}
    assert (await office.person.get(preview["href"])).json() == preview


async def test_applying_does_what_was_previewed_and_no_more_the_second_time(office: Office) -> None:
    preview = await office.preview(table(ADA, GRACE, ["", "Nobody", "Here", "", ""]))
    first = await office.apply(preview)
    assert first.status_code == 200
    applied = first.json()
    assert (applied["state"], applied["applied_count"], applied["apply_href"]) == ("applied", 2, None)
    assert applied["counts"] == preview["counts"] == counts(new=2, problems=1)
    assert applied["applied_by"] == office.person.account_id
    expected = {"Ada Lovelace": "badge_id=A1 email=ada@x.example", "Grace Hopper": "badge_id=A2 npi=1234567893"}
    assert office.entries() == expected
    second = await office.apply(preview)
    assert (second.status_code, second.json()) == (200, applied)
    assert office.entries() == expected


async def test_the_same_file_again_changes_nothing(office: Office) -> None:
    await office.load(ADA, GRACE)
    before = office.entries()
    again = await office.preview(table(ADA, GRACE))
    assert again["counts"] == counts(unchanged=2)
    assert (await office.apply(again)).json()["applied_count"] == 0
    assert office.entries() == before


async def test_a_newer_roster_adds_and_changes_and_leaves_who_is_not_on_it(office: Office) -> None:
    await office.load(ADA, GRACE)
    changed = await office.load(
        ["B-1", "Ada", "Lovelace", "ada@x.example", "1234567802"], ["A-3", "Emmy", "Noether", "", ""]
    )
    assert changed["counts"] == counts(new=1, changed=1)
    assert office.entries() == {
        "Ada Lovelace": "badge_id=B1 email=ada@x.example npi=1234567802",
        "Grace Hopper": "badge_id=A2 npi=1234567893",
        "Emmy Noether": "badge_id=A3",
    }


async def test_what_a_claim_used_is_never_taken_away(office: Office) -> None:
    await office.load(ADA)
    office.use("A1")
    preview = await office.preview(
        table(["B-1", "Ada", "Lovelace", "ada@x.example", ""], ["A-1", "Alan", "Turing", "", ""])
    )
    assert preview["counts"] == counts(changed=1, problems=1)
    [row] = preview["first_problems"]
    assert (row["line"], row["problems"][0]["code"], row["problems"][0]["column"]) == (3, "key_used", "badge_id")
    await office.apply(preview)
    assert office.entries() == {"Ada Lovelace": "badge_id=A1 badge_id=B1 email=ada@x.example"}


async def test_a_badge_of_another_person_is_a_problem_that_names_the_column(office: Office) -> None:
    await office.load(ADA, GRACE)
    preview = await office.preview(
        table(["A-1", "Alan", "Turing", "alan@x.example", ""], ["A-2", "", "", "ada@x.example", ""])
    )
    assert preview["counts"] == counts(problems=2)
    assert [row["problems"][0]["code"] for row in preview["first_problems"]] == ["key_of_another", "name_missing"]
    assert preview["first_problems"][1]["problems"][1]["code"] == "keys_of_several"


async def test_a_replacing_roster_removes_what_nobody_used(office: Office) -> None:
    await office.load(ADA, GRACE, ["A-3", "Emmy", "Noether", "", ""])
    office.use("A3")
    preview = await office.preview(table(ADA), "?replace=true")
    assert preview["is_replacement"]
    assert preview["counts"] == counts(unchanged=1, removed=1)
    rows = (await office.person.get(f"{preview['rows_href']}?outcome=removed")).json()
    assert rows["data"] == [
        {
            "line": None,
            "outcome": "removed",
            "values": {
                "given_name": "Grace",
                "family_name": "Hopper",
                "badge_id": "A2",
                "npi": "1234567893",
            },
            "problems": [],
        }
    ]
    assert "Grace Hopper" in office.entries()
    assert (await office.apply(preview)).status_code == 200
    assert set(office.entries()) == {"Ada Lovelace", "Emmy Noether"}
    assert (await office.apply(preview)).status_code == 200


async def test_a_removal_that_a_claim_came_before_is_not_done(office: Office) -> None:
    await office.load(ADA, GRACE)
    preview = await office.preview(table(ADA), "?replace=true")
    office.use("A2")
    assert_problem(await office.apply(preview), 409, "preview_outdated")
    assert set(office.entries()) == {"Ada Lovelace", "Grace Hopper"}


async def test_a_preview_that_no_longer_holds_is_not_applied(office: Office) -> None:
    preview = await office.preview(table(ADA, GRACE))
    await office.load(ADA)
    key = new_id("key")
    response = await office.apply(preview, Idempotency_Key=key)
    assert_problem(response, 409, "preview_outdated")
    assert office.entries() == {"Ada Lovelace": "badge_id=A1 email=ada@x.example"}
    assert (await office.person.get(preview["href"])).json()["state"] == "previewed"
    newer = await office.preview(table(ADA, GRACE))
    assert newer["counts"] == counts(new=1, unchanged=1)
    assert (await office.apply(newer)).status_code == 200


async def test_a_preview_holds_when_what_changed_since_does_not_matter_to_it(office: Office) -> None:
    preview = await office.preview(table(ADA))
    await office.load(GRACE)
    assert (await office.apply(preview)).status_code == 200
    assert set(office.entries()) == {"Ada Lovelace", "Grace Hopper"}


async def test_an_application_that_is_interrupted_changed_nothing_and_is_done_by_asking_again(
    office: Office, database_url: str
) -> None:
    preview = await office.preview(table(ADA, GRACE))
    engine = create_api_engine(database_url, 1)
    connection = await engine.connect()
    await rosters.apply(connection, preview["id"], "acc_interrupted", None)
    process = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    office.all("SELECT pg_terminate_backend(:process)", process=process)
    with pytest.raises(DBAPIError):
        await connection.commit()
    await engine.dispose()
    assert (await office.person.get(preview["href"])).json()["state"] == "previewed"
    assert (office.entries(), audited(office)) == ({}, ["roster.previewed"])
    assert (await office.apply(preview)).json()["applied_count"] == 2
    assert (len(office.entries()), audited(office)) == (2, ["roster.previewed", "roster.applied"])


def apply_in_a_thread(database_url: str, roster_id: str) -> str:
    async def apply() -> str:
        engine = create_api_engine(database_url, 1)
        try:
            async with engine.begin() as connection:
                await rosters.apply(connection, roster_id, "acc_thread", None)
        except PreviewOutdatedError:
            return "outdated"
        else:
            return "applied"
        finally:
            await engine.dispose()

    return asyncio.run(apply())


async def test_one_roster_applied_by_several_at_once_is_applied_once(office: Office, database_url: str) -> None:
    rows = [[f"A-{number}", f"Ada{number}", "Lovelace", "", ""] for number in range(500)]
    preview = await office.preview(table(*rows))
    with ThreadPoolExecutor(4) as pool:
        ends = await asyncio.to_thread(
            lambda: list(pool.map(apply_in_a_thread, [database_url] * 4, [preview["id"]] * 4))
        )
    assert ends == ["applied"] * 4
    assert len(office.entries()) == 500
    assert audited(office) == ["roster.previewed", "roster.applied"]


async def test_of_two_rosters_with_the_same_people_applied_at_once_one_is_outdated(
    office: Office, database_url: str
) -> None:
    rows = [[f"A-{number}", f"Ada{number}", "Lovelace", "", ""] for number in range(500)]
    first, second = await office.preview(table(*rows)), await office.preview(table(*reversed(rows)))
    with ThreadPoolExecutor(2) as pool:
        ends = await asyncio.to_thread(
            lambda: list(pool.map(apply_in_a_thread, [database_url] * 2, [first["id"], second["id"]]))
        )
    assert sorted(ends) == ["applied", "outdated"]
    assert len(office.entries()) == 500


def audited(office: Office) -> list[str]:
    found = office.all("SELECT id FROM ce_activities WHERE slug = :slug")
    stream = ce_activity_stream(found[0]["id"])
    with office.engine.connect() as connection:
        assert first_break(connection, stream) is None
    bodies = office.all(
        "SELECT convert_from(body, 'UTF8')::json AS body FROM audit_events WHERE stream = :stream ORDER BY seq",
        stream=stream,
    )
    return [row["body"]["event"] for row in bodies if row["body"]["event"].startswith("roster.")]


async def test_the_audit_trail_holds_who_applied_which_file_with_which_counts(office: Office) -> None:
    applied = await office.load(ADA, GRACE)
    [entry] = office.all(
        "SELECT convert_from(e.body, 'UTF8')::json AS body FROM audit_events e JOIN ce_activities a "
        "ON e.stream = 'ce_activity:' || a.id WHERE a.slug = :slug AND e.step_key = 'roster:' || :id",
        id=applied["id"],
    )
    [stored] = office.all("SELECT encode(sha256, 'hex') AS hash FROM rosters WHERE id = :id", id=applied["id"])
    body = entry["body"]
    assert (body["event"], body["actor"]) == ("roster.applied", office.person.account_id)
    assert body["after"]["sha256"] == stored["hash"]
    assert body["after"]["rows"] == {"new": 2, "changed": 0, "unchanged": 0, "problem": 0, "removed": 0}
    assert "Ada" not in str(body)
    assert audited(office) == ["roster.previewed", "roster.applied"]


async def test_twenty_thousand_rows_are_applied_and_unchanged_the_second_time(office: Office) -> None:
    rows = [
        [f"B-{number:06}", f"Ada{number}", "Lovelace", f"a{number}@x.example", str(1_000_000_000 + number)]
        for number in range(20_000)
    ]
    content = table(*rows)
    applied = (await office.apply(await office.preview(content))).json()
    assert (applied["state"], applied["applied_count"], applied["counts"]) == ("applied", 20_000, counts(new=20_000))
    [found] = office.all(
        "SELECT count(*) AS keys, count(DISTINCT k.entry_id) AS entries FROM roster_keys k "
        "JOIN ce_activities a ON a.id = k.ce_activity_id WHERE a.slug = :slug"
    )
    assert found == {"keys": 60_000, "entries": 20_000}
    assert (await office.preview(content))["counts"] == counts(unchanged=20_000)


async def test_rows_are_read_page_by_page_without_a_gap(office: Office) -> None:
    rows = [[f"A-{number}", "Ada", "" if number % 3 else "Lovelace", "", ""] for number in range(25)]
    preview = await office.preview(table(*rows))
    seen: list[int] = []
    after = ""
    while True:
        page = (await office.person.get(f"{preview['rows_href']}?limit=10{after}")).json()
        seen += [row["line"] for row in page["data"]]
        if not page["has_more"]:
            break
        after = f"&after={page['next']}"
    assert seen == list(range(2, 27))
    warned = (await office.person.get(f"{preview['rows_href']}?problems=true&limit=100")).json()["data"]
    assert [row["line"] for row in warned] == [line for line in range(2, 27) if (line - 2) % 3]
    assert {row["outcome"] for row in warned} == {"new"}
    assert warned[0]["values"] == {"badge_id": "A-1", "given_name": "Ada"}


async def test_rosters_of_a_ce_activity_are_listed_newest_first(office: Office) -> None:
    ids = [(await office.preview(table(ADA)))["id"] for _ in range(3)]
    path = f"/v1/staff/ce-activities/{office.slug}/rosters"
    first = (await office.person.get(f"{path}?limit=2")).json()
    second = (await office.person.get(f"{path}?limit=2&after={first['next']}")).json()
    assert [each["id"] for each in (*first["data"], *second["data"])] == ids[::-1]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert_problem(await office.person.get(f"{path}?after=x"), 422, "validation_failed")


async def test_a_repeated_application_is_answered_as_the_first_time(office: Office) -> None:
    preview = await office.preview(table(ADA))
    key = new_id("key")
    first = await office.apply(preview, Idempotency_Key=key)
    second = await office.apply(preview, Idempotency_Key=key)
    assert (second.status_code, second.json()) == (200, first.json())
    assert second.headers["idempotent-replayed"] == "true"
