"""Loading the list of an organisation's people, over HTTP and by command."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Engine, text

from domain.employees import Employee
from storage.employees import replace_list
from tests.api.conftest import Person
from tests.cli.test_command import laurel

CSV = "Employee ID,First name,Last name,E-mail\nE-7,Ada,Lovelace,ada@hospital.example\nE-8,Grace,Hopper,\n"


@pytest.fixture(autouse=True)
def _no_list_afterwards(engine: Engine) -> Iterator[None]:
    yield
    with engine.begin() as connection:
        replace_list(connection, ())


def listed(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT employee_id FROM employees ORDER BY 1")).scalars())


async def load(person: Person, content: bytes, content_type: str = "text/csv", **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await person.client.put(
        "/v1/staff/employees", content=content, headers={**person.headers, "Content-Type": content_type, **named}
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
async def test_a_list_replaces_the_one_before(encoding: str, coordinator: Person, engine: Engine) -> None:
    first = await load(coordinator, CSV.encode(encoding))
    assert (first.status_code, first.json()) == (200, {"employees": 2})
    assert listed(engine) == ["E-7", "E-8"]
    await load(coordinator, b"id\n9\n")
    assert listed(engine) == ["9"]


async def test_a_form_may_bring_the_file(coordinator: Person, engine: Engine) -> None:
    response = await coordinator.client.put(
        "/v1/staff/employees", files={"file": ("people.csv", CSV.encode(), "text/csv")}, headers=coordinator.headers
    )
    assert response.json() == {"employees": 2}


async def test_a_list_with_mistakes_changes_nothing_and_names_each(coordinator: Person, engine: Engine) -> None:
    await load(coordinator, CSV.encode())
    refused = await load(coordinator, b"id,E-mail\n1,\n1,\n2,canary-7f3a\n")
    assert (refused.status_code, refused.json()["code"]) == (422, "employees_invalid")
    assert [(each["pointer"], each["code"]) for each in refused.json()["errors"]] == [
        ("line 3: employee_id", "employee_id_repeated"),
        ("line 4: email", "email_format"),
    ]
    assert "canary" not in refused.text
    assert listed(engine) == ["E-7", "E-8"]


@pytest.mark.parametrize("content", [b"", b"\x00\x01", b"PK\x03\x04", b"id\n", b'id\n"', b"{}"])
async def test_what_is_no_list_is_refused(content: bytes, coordinator: Person, engine: Engine) -> None:
    response = await load(coordinator, content)
    assert (response.status_code, response.json()["code"]) == (422, "employees_invalid")


async def test_only_tables_are_taken_and_only_from_staff(coordinator: Person, learner: Person) -> None:
    assert (await load(coordinator, b"{}", "application/json")).status_code == 415
    assert (await load(coordinator, b"id\n7\n", Content_Encoding="gzip")).status_code == 415
    assert (await load(learner, CSV.encode())).status_code == 403


async def test_a_repeated_upload_is_answered_the_same(coordinator: Person, engine: Engine) -> None:
    await load(coordinator, CSV.encode(), Idempotency_Key="employees")
    await load(coordinator, b"id\n9\n")
    again = await load(coordinator, CSV.encode(), Idempotency_Key="employees")
    assert (again.json(), again.headers["idempotent-replayed"]) == ({"employees": 2}, "true")
    assert listed(engine) == ["9"]
    reused = await load(coordinator, b"id\n9\n", Idempotency_Key="employees")
    assert reused.json()["code"] == "idempotency_key_reused"


def test_a_command_loads_and_clears_the_list(database_url: str, engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(CSV)
    loaded = laurel("employees", "load", str(file), LAUREL_DATABASE_URL=database_url)
    assert (loaded.stdout, listed(engine)) == ("2 employees\n", ["E-7", "E-8"]), loaded.stderr
    file.write_text("id\n?\n")
    refused = laurel("employees", "load", str(file), LAUREL_DATABASE_URL=database_url)
    assert (refused.returncode, refused.stderr.splitlines()) == (
        1,
        ["laurel: line 2: employee_id is letters and digits, with . / or - between them"],
    )
    assert listed(engine) == ["E-7", "E-8"]
    assert laurel("employees", "clear", LAUREL_DATABASE_URL=database_url).returncode == 0
    assert listed(engine) == []


def test_twenty_thousand_employees_are_loaded_in_one_go(engine: Engine) -> None:
    people = [Employee(employee_id=str(n)) for n in range(20_000)]
    with engine.begin() as connection:
        replace_list(connection, people)
    assert len(listed(engine)) == 20_000
