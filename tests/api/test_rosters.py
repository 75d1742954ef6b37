"""Rosters over HTTP: previewed row by row, applied as previewed, and told to the claims that wait for them."""

import asyncio
import csv
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, RowMapping, text

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimStep
from activities.relay import Relay
from domain.claims import Stage
from domain.identities import new_id
from domain.policy import ParticipationMethod
from domain.roles import Role
from domain.tabular import MAXIMUM_BYTES
from storage import rosters
from storage.audit import first_break
from storage.catalog import ce_activity_stream, publish
from storage.database import create_api_engine
from storage.definitions import Definition, DefinitionStatus
from storage.rosters import PreviewOutdatedError
from tests.api.conftest import Person, sign_in
from tests.platforms import roster_policy

HEADER = ["Badge", "First name", "Last name", "E-mail", "NPI"]
ADA = ["A-1", "Ada", "Lovelace", "ada@x.example", ""]
GRACE = ["A-2", "Grace", "Hopper", "", "1234567893"]


def table(*rows: Sequence[str], header: Sequence[str] = HEADER, **dialect: Any) -> str:
    written = io.StringIO(newline="")
    csv.writer(written, **dialect).writerows([header, *rows])
    return written.getvalue()


@dataclass
class Office:
    """A member of staff who loads rosters of one CE activity."""

    person: Person
    engine: Engine
    slug: str

    async def upload(self, content: str | bytes, query: str = "", **headers: str) -> httpx2.Response:
        named = {"Content-Type": "text/csv"} | {name.replace("_", "-"): value for name, value in headers.items()}
        raw = content.encode() if isinstance(content, str) else content
        path = f"/v1/staff/ce-activities/{self.slug}/roster{query}"
        return await self.person.client.post(path, content=raw, headers={**self.person.headers, **named})

    async def preview(self, content: str | bytes, query: str = "") -> dict[str, Any]:
        response = await self.upload(content, query)
        assert response.status_code == 201, response.text
        return dict(response.json())

    async def apply(self, preview: dict[str, Any], **headers: str) -> httpx2.Response:
        return await self.person.post(f"{preview['href']}/apply", **headers)

    async def load(self, *rows: Sequence[str], header: Sequence[str] = HEADER) -> dict[str, Any]:
        """Upload these rows and apply them; answers with the roster."""
        response = await self.apply(await self.preview(table(*rows, header=header)))
        assert response.status_code == 200, response.text
        return dict(response.json())

    def all(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.engine.begin() as connection:
            found = connection.execute(text(query), {"slug": self.slug, **parameters})
            return [dict(row) for row in found.mappings()] if found.returns_rows else []

    def entries(self) -> dict[str, str]:
        """Who is on the roster: name -> keys."""
        rows = self.all(
            "SELECT coalesce(e.given_name || ' ' || e.family_name, '') AS name, "
            "string_agg(k.kind || '=' || k.value, ' ' ORDER BY k.kind, k.value) AS keys "
            "FROM roster_entries e JOIN roster_keys k ON k.entry_id = e.id JOIN ce_activities a "
            "ON a.id = e.ce_activity_id WHERE a.slug = :slug GROUP BY e.id"
        )
        return {row["name"]: row["keys"] for row in rows}

    def use(self, badge: str) -> None:
        """Let an entry have proved somebody's participation."""
        self.all(
            "UPDATE roster_entries SET claim_id = 'clm_x' WHERE id IN (SELECT k.entry_id FROM roster_keys k JOIN "
            "ce_activities a ON a.id = k.ce_activity_id WHERE a.slug = :slug AND k.value = :badge)",
            badge=badge,
        )


def counts(**expected: int) -> dict[str, int]:
    return dict.fromkeys(("new", "changed", "unchanged", "removed", "problems", "warnings"), 0) | expected


def assert_problem(response: httpx2.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"


@pytest.fixture
def office(coordinator: Person, engine: Engine) -> Office:
    return Office(coordinator, engine, published(engine))


def published(engine: Engine, *methods: ParticipationMethod) -> str:
    slug = new_id("meeting").replace("_", "-")
    with engine.begin() as connection:
        publish(connection, Definition(slug, DefinitionStatus.PUBLISHED, roster_policy(*methods)), None)
    return slug


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
    assert audited(office) == ["roster.applied"]


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
    assert audited(office) == ["roster.applied"]


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
    assert warned[0]["values"] == {"badge_id": "A1", "given_name": "Ada"}


async def test_rosters_of_a_ce_activity_are_listed_newest_first(office: Office) -> None:
    ids = [(await office.preview(table(ADA)))["id"] for _ in range(3)]
    path = f"/v1/staff/ce-activities/{office.slug}/rosters"
    first = (await office.person.get(f"{path}?limit=2")).json()
    second = (await office.person.get(f"{path}?limit=2&after={first['next']}")).json()
    assert [each["id"] for each in (*first["data"], *second["data"])] == ids[::-1]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert_problem(await office.person.get(f"{path}?after=x"), 422, "validation_failed")


@pytest.mark.parametrize(
    ("content", "encoding", "separator"),
    [
        (table(["A-1", "Zoë", "Müller", "", ""]).encode("utf-8-sig"), "utf-8", ","),
        (b"\xff\xfe" + table(["A-1", "Zoë", "Müller", "", ""], delimiter="\t").encode("utf-16-le"), "utf-16", "\t"),
        (table(["A-1", "Zoë", "Müller", "", ""], delimiter=";").encode("cp1252"), "windows-1252", ";"),
        (b"sep=;\r\n" + table(["A-1", "Zoë", "Müller", "", ""], delimiter=";").encode(), "utf-8", ";"),
    ],
)
async def test_exports_of_spreadsheet_programs_are_read(
    content: bytes, encoding: str, separator: str, office: Office
) -> None:
    preview = await office.preview(content)
    assert (preview["encoding"], preview["separator"]) == (encoding, separator)
    await office.apply(preview)
    assert office.entries() == {"Zoë Müller": "badge_id=A1"}


async def test_a_file_may_come_in_a_form(office: Office) -> None:
    path = f"/v1/staff/ce-activities/{office.slug}/roster"
    files = {"file": ("../up/who.csv", table(ADA).encode(), "application/vnd.ms-excel")}
    response = await office.person.client.post(path, files=files, headers=office.person.headers)
    assert response.status_code == 201, response.text
    assert (response.json()["file_name"], response.json()["counts"]) == ("who.csv", counts(new=1))
    for wrong in ({"data": {"file": "text"}, "files": {}}, {"content": b"--x", "headers": {}}):
        headers = {**office.person.headers, "Content-Type": "multipart/form-data; boundary=x"}
        content = wrong.get("content", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n')
        assert_problem(await office.person.client.post(path, content=content, headers=headers), 400, "request_invalid")
    headers = {**office.person.headers, "Content-Type": "multipart/form-data"}
    assert_problem(await office.person.client.post(path, content=b"x", headers=headers), 400, "request_invalid")


@pytest.mark.parametrize(
    ("content", "pointer", "code"),
    [
        (b"", "", "empty"),
        (b"PK\x03\x04\x00", "", "workbook"),
        (b"A-1,Ada,Secret\nA-2,Grace,Hopper", "line 1", "header_unknown"),
        (b"Badge,Badge ID\nA-1,Secret", "line 1: badge_id", "column_repeated"),
        (b'Badge\n"Secret\n', "line 2", "quotes"),
        (b"\xff\xfeS", "", "encoding"),
        (b"Badge\n" + b"A\n" * 50_001, "line 50002", "too_many_rows"),
    ],
)
async def test_a_file_that_is_no_roster_is_refused_by_line_and_not_repeated(
    content: bytes, pointer: str, code: str, office: Office
) -> None:
    response = await office.upload(content)
    assert_problem(response, 422, "roster_invalid")
    [error] = response.json()["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert "Secret" not in response.text
    assert (
        office.all("SELECT 1 FROM rosters r JOIN ce_activities a ON a.id = r.ce_activity_id WHERE slug = :slug") == []
    )


async def test_hostile_cells_are_problems_and_harm_nothing(office: Office) -> None:
    rows = [
        ["A\x001", "Ada", "Lovelace", "", ""],
        ["A-2", "Ada\x07", "Lovelace", "", ""],
        ["=HYPERLINK(1)", "Ada", "Lovelace", "", ""],
        ["A-4", "=1+1", "@SUM(1)", "", ""],
        ["A-5", "x" * 5000, "'; DROP TABLE rosters; --", "", ""],
        ["A-6", "\ud7ff\uffff", "{{7*7}}", "", ""],
        ["1.23E+12", "Ada", "Lovelace", "", ""],
        ["A-8", "Ada", "Lovelace", "", "", "more"],
    ]
    preview = await office.preview(table(*rows))
    assert preview["counts"] == counts(new=1, problems=7)
    await office.apply(preview)
    assert office.entries() == {"=1+1 @SUM(1)": "badge_id=A4"}
    shown = (await office.person.get(f"{preview['rows_href']}?problems=true")).json()["data"]
    assert all(len(value) <= 254 for row in shown for value in row["values"].values())


async def test_a_file_that_is_too_large_is_refused_while_it_arrives(office: Office) -> None:
    sent = 0

    async def pieces() -> Any:
        nonlocal sent
        for _ in range(40):
            sent += 1
            yield b"x" * 1024 * 1024

    path = f"/v1/staff/ce-activities/{office.slug}/roster"
    headers = {**office.person.headers, "Content-Type": "text/csv"}
    response = await office.person.client.post(path, content=pieces(), headers=headers)
    assert_problem(response, 413, "body_too_large")
    assert_problem(await office.upload(b"x" * (MAXIMUM_BYTES + 1)), 413, "body_too_large")
    form = {"file": ("x.csv", b"x" * (MAXIMUM_BYTES + 1))}
    assert_problem(
        await office.person.client.post(path, files=form, headers=office.person.headers), 413, "body_too_large"
    )


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [("application/json", ""), ("application/octet-stream", ""), ("text/csv", "gzip"), ("application/yaml", "")],
)
async def test_another_content_type_is_refused(content_type: str, encoding: str, office: Office) -> None:
    response = await office.upload(b"{}", Content_Type=content_type, Content_Encoding=encoding)
    assert_problem(response, 415, "content_type_unsupported")


async def test_a_file_of_somebody_unknown_is_not_even_read(client: httpx2.AsyncClient, learner: Person) -> None:
    sent = 0

    async def pieces() -> Any:
        nonlocal sent
        for _ in range(10):
            sent += 1
            yield b"x" * 1024

    for headers, status in (({}, 401), (learner.headers, 403)):
        sent = 0
        response = await client.post(
            "/v1/staff/ce-activities/x/roster", content=pieces(), headers={**headers, "Content-Type": "text/csv"}
        )
        assert response.status_code == status
        assert sent == 0


async def test_what_is_absent_is_a_404(office: Office) -> None:
    for slug in ("no-such-thing", "A%00", "UPPER"):
        assert_problem(await replace(office, slug=slug).upload(table(ADA)), 404, "not_found")
        assert_problem(await office.person.get(f"/v1/staff/ce-activities/{slug}/rosters"), 404, "not_found")
    for roster_id in (new_id("ros"), "ros_x", "%00"):
        for path in ("", "/rows"):
            assert_problem(await office.person.get(f"/v1/staff/rosters/{roster_id}{path}"), 404, "not_found")
        assert_problem(await office.person.post(f"/v1/staff/rosters/{roster_id}/apply"), 404, "not_found")


async def test_only_staff_see_and_load_rosters(office: Office, learner: Person) -> None:
    preview = await office.preview(table(ADA))
    assert_problem(await replace(office, person=learner).upload(table(ADA)), 403, "not_allowed")
    for path in (preview["href"], preview["rows_href"], f"/v1/staff/ce-activities/{office.slug}/rosters"):
        assert_problem(await learner.get(path), 403, "not_allowed")
    assert_problem(await learner.post(preview["apply_href"]), 403, "not_allowed")


async def test_a_repeated_upload_is_one_roster(office: Office) -> None:
    key = new_id("key")
    first = await office.upload(table(ADA), Idempotency_Key=key)
    second = await office.upload(table(ADA), Idempotency_Key=key)
    assert (second.status_code, second.json()) == (201, first.json())
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]
    other = await office.upload(table(GRACE), Idempotency_Key=key)
    assert_problem(other, 422, "idempotency_key_reused")
    replaced = await office.upload(table(ADA), "?replace=true", Idempotency_Key=key)
    assert_problem(replaced, 422, "idempotency_key_reused")
    [found] = office.all(
        "SELECT count(*) AS rosters FROM rosters r JOIN ce_activities a ON a.id = r.ce_activity_id WHERE slug = :slug"
    )
    assert found["rosters"] == 1


async def test_a_form_sent_again_with_another_boundary_is_the_same_upload(office: Office) -> None:
    path = f"/v1/staff/ce-activities/{office.slug}/roster"
    headers = {**office.person.headers, "Idempotency-Key": new_id("key")}
    sent = [
        await office.person.client.post(path, files={"file": ("a.csv", table(ADA).encode())}, headers=headers)
        for _ in range(2)
    ]
    assert sent[0].json() == sent[1].json()


async def test_a_repeated_application_is_answered_as_the_first_time(office: Office) -> None:
    preview = await office.preview(table(ADA))
    key = new_id("key")
    first = await office.apply(preview, Idempotency_Key=key)
    second = await office.apply(preview, Idempotency_Key=key)
    assert (second.status_code, second.json()) == (200, first.json())
    assert second.headers["idempotent-replayed"] == "true"


async def waiting_claim(person: Person, slug: str) -> dict[str, Any]:
    claim = (await person.post("/v1/claims", {"ce_activity": slug})).json()
    assert claim["stage"] == Stage.VERIFYING_PARTICIPATION
    return dict(claim)


async def relayed(engine: Engine, ledger: PostgresClaimActivities, claim_id: str) -> None:
    """Let the real relay deliver what is due; the real ledger decides what is for this claim."""

    async def deliver(row: RowMapping) -> None:
        if row["claim_id"] == claim_id:
            await asyncio.to_thread(ledger.load_claim, ClaimStep(claim_id, datetime.now(UTC)))

    while await Relay(engine, deliver).deliver_due():
        pass


def statements(office: Office, claim_id: str) -> list[dict[str, Any]]:
    """What was handed in as proof of participation, and what became of it."""
    return office.all(
        "SELECT actor, body, outcome, refusal FROM submissions WHERE claim_id = :claim_id AND kind = 'participation'",
        claim_id=claim_id,
    )


@pytest.mark.parametrize("by", ["email", "npi"])
async def test_a_claim_that_waits_for_the_roster_goes_on_when_it_is_applied(
    by: str, office: Office, learner: Person, ledger: PostgresClaimActivities
) -> None:
    await learner.call("PATCH", "/v1/me", {"identifiers": {"npi": "1234567893"}})
    claim = await waiting_claim(learner, office.slug)
    row = ["", "Ada", "Lovelace", learner.email.upper(), ""] if by == "email" else GRACE
    applied = await office.load(row)
    [stated] = statements(office, claim["id"])
    assert (stated["actor"], stated["body"]) == (office.person.account_id, {"method": "roster", "value": ""})
    await relayed(office.engine, ledger, claim["id"])
    assert (await learner.get(claim["href"])).json()["stage"] == "ready_to_claim"
    assert [each["outcome"] for each in statements(office, claim["id"])] == ["accepted"]
    await office.apply(applied)
    await office.load(row)
    assert len(statements(office, claim["id"])) == 1


async def test_only_claims_that_the_roster_can_prove_are_told(
    office: Office, learner: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    stranger = await sign_in(database_url, client)
    elsewhere = published(office.engine, ParticipationMethod.BADGE_ID)
    claims = {
        "not on the roster": await waiting_claim(stranger, office.slug),
        "in another way": await waiting_claim(learner, elsewhere),
    }
    withdrawn = await waiting_claim(learner, office.slug)
    await learner.post(f"{withdrawn['href']}/withdrawal", {"reason": "Enough."})
    row = ["", "Ada", "Lovelace", learner.email, ""]
    await office.load(row)
    await replace(office, slug=elsewhere).load(row)
    for claim in (*claims.values(), withdrawn):
        assert statements(office, claim["id"]) == []


async def test_a_claim_is_told_once_per_roster_that_says_something_new(office: Office, learner: Person) -> None:
    claim = await waiting_claim(learner, office.slug)
    await office.load(["", "Ada", "Lovelace", learner.email, ""])
    await office.load(["", "Ada", "Lovelace", learner.email, ""])
    assert len(statements(office, claim["id"])) == 1
    await office.load(["A-9", "Ada", "Lovelace", learner.email, ""])
    assert len(statements(office, claim["id"])) == 2


async def test_a_learner_proves_participation_with_a_badge_of_the_roster(
    engine: Engine, coordinator: Person, learner: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    office = Office(coordinator, engine, published(engine, ParticipationMethod.BADGE_ID, ParticipationMethod.GROUP_ID))
    await office.load(["ab-001", "", "Ada", "Lovelace"], ["", "site 7", "", ""],
                      header=["Badge", "Group", "First", "Last"])  # fmt: skip
    claim = await waiting_claim(learner, office.slug)
    path = f"{claim['href']}/participation"
    missing = await learner.post(path, {"method": "badge_id", "value": "AB-002"})
    assert_problem(missing, 409, "identifier_not_found")
    assert (await learner.post(path, {"method": "badge_id", "value": " AB 001"})).status_code == 200
    for person in [await sign_in(database_url, client) for _ in range(2)]:
        other = await waiting_claim(person, office.slug)
        taken = await person.post(f"{other['href']}/participation", {"method": "badge_id", "value": "ab001"})
        assert_problem(taken, 409, "identifier_taken")
        shared = await person.post(f"{other['href']}/participation", {"method": "group_id", "value": "SITE-7"})
        assert shared.status_code == 200
    preview = await office.preview(table(["AB-001", "Alan", "Turing", "", ""]))
    assert preview["first_problems"][0]["problems"][0]["code"] == "key_used"


async def test_an_administrator_may_load_rosters_too(
    database_url: str, client: httpx2.AsyncClient, office: Office
) -> None:
    administrator = await sign_in(database_url, client, Role.ADMINISTRATOR)
    assert (await replace(office, person=administrator).upload(table(ADA))).status_code == 201
