"""Files that staff send as rosters: of every program, of the wrong people, too large, twice, and hostile."""

from dataclasses import replace
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine

from domain.identities import new_id
from domain.roles import Role
from domain.tabular import MAXIMUM_BYTES
from tests.api.conftest import Person, sign_in
from tests.rosters import ADA, GRACE, Office, assert_problem, counts, published, table


@pytest.fixture
def office(coordinator: Person, engine: Engine) -> Office:
    return Office(coordinator, engine, published(engine))


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
    in_parts = {**office.person.headers, "Content-Type": "multipart/form-data; boundary=x"}
    for content in (b"", b"--x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n'):
        response = await office.person.client.post(path, content=content, headers=in_parts)
        assert_problem(response, 400, "request_invalid")
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


async def test_an_administrator_may_load_rosters_too(
    database_url: str, client: httpx2.AsyncClient, office: Office
) -> None:
    administrator = await sign_in(database_url, client, Role.ADMINISTRATOR)
    assert (await replace(office, person=administrator).upload(table(ADA))).status_code == 201
