"""Defining CE activities over HTTP: read as on the command line, with every mistake at once."""

from pathlib import Path

import httpx2
import pytest

from domain.identities import new_id
from storage.catalog import ImportRefusedError, read_files
from tests.api.conftest import Person, definition_text


async def put(person: Person, slug: str, text: str, key: str | None = None) -> httpx2.Response:
    headers = {"Content-Type": "application/yaml"} | ({"Idempotency-Key": key} if key else {})
    path = f"/v1/staff/ce-activities/{slug}"
    return await person.client.put(path, content=text.encode(), headers=person.headers | headers)


def mistakes(response: httpx2.Response) -> list[tuple[str, str]]:
    assert (response.status_code, response.json()["code"]) == (422, "definition_invalid"), response.text
    return [(error["pointer"], error["message"]) for error in response.json()["errors"]]


@pytest.fixture
def slug() -> str:
    return new_id("course").replace("_", "-")


async def test_every_mistake_is_answered_at_once_as_on_the_command_line(
    coordinator: Person, slug: str, tmp_path: Path
) -> None:
    text = definition_text(slug).replace("title: Grand rounds", "titel: &t Grand rounds").replace("1.25", "1.255", 1)
    text = text.replace("America/Chicago", "Mars/Base") + "reminder_days: [0]\n"
    answered = mistakes(await put(coordinator, slug, text))
    fields = ["title", "titel", "titel", "time_zone", "credit[0].designated_units", "reminder_days[0]"]
    assert [pointer.split(": ")[1] for pointer, _ in answered] == fields
    path = tmp_path / "definition.yaml"
    path.write_text(text)
    with pytest.raises(ImportRefusedError) as refused:
        read_files([path])
    (error,) = refused.value.problems.values()
    assert [(f"line {each.line}: {each.field}", each.message) for each in error.problems] == answered


async def test_the_slug_of_the_address_is_one_mistake_among_others(coordinator: Person, slug: str) -> None:
    text = definition_text("another-slug").replace("America/Chicago", "Mars/Base")
    assert mistakes(await put(coordinator, slug, text)) == [
        ("line 2: slug", "is the one in the address that this definition is sent to"),
        ("line 6: time_zone", "is an IANA time zone, such as America/Chicago"),
    ]


async def test_an_activity_code_of_another_ce_activity_is_refused_and_keeps_no_key(
    coordinator: Person, slug: str
) -> None:
    code = slug[-12:].upper()
    text = definition_text(slug) + f"activity_code: {code}\n"
    assert (await put(coordinator, slug, text)).json()["is_new"]
    other = new_id("course").replace("_", "-")
    text = text.replace(slug, other)
    refused = await put(coordinator, other, text, key="again")
    ((pointer, detail),) = mistakes(refused)
    assert pointer.endswith("activity_code")
    assert slug in detail
    text = text.replace(f"activity_code: {code}", "")
    assert (await put(coordinator, other, text, key="again")).json()["is_new"]


async def test_a_definition_with_the_mistakes_of_its_author_echoes_none_of_it(coordinator: Person, slug: str) -> None:
    text = definition_text(slug).replace("America/Chicago", "canary").replace("live_activity", "canary")
    response = await put(coordinator, slug, text)
    assert len(mistakes(response)) == 2
    assert "canary" not in response.text
