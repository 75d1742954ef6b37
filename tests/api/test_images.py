"""Logos and signatures over HTTP: staff upload pictures, everything else is refused with its reason."""

import json
from io import BytesIO
from typing import Any

import httpx2
import pytest
from PIL import Image
from sqlalchemy import Engine, text

from domain.identities import new_id
from domain.roles import Role
from tests.api.conftest import Person, definition_text, sign_in

CANARY = "canary-51bd"


def picture(shade: int = 10, kind: str = "PNG") -> bytes:
    content = BytesIO()
    Image.new("RGB", (200, 80), (shade, shade, 90)).save(content, kind)
    return content.getvalue()


@pytest.fixture
def address() -> str:
    return f"/v1/staff/images/{new_id('logo').replace('_', '-').lower()}"


async def put(person: Person, address: str, content: bytes, media_type: str = "image/png", **more: str) -> Any:
    headers = {**person.headers, "Content-Type": media_type} | {name.replace("_", "-"): more[name] for name in more}
    return await person.client.put(address, content=content, headers=headers)


def problem(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_staff_add_a_picture_and_see_its_versions(coordinator: Person, address: str) -> None:
    first = (await put(coordinator, address, picture(10))).json()
    assert (first["version"], first["is_new"], first["width"], first["height"]) == (1, True, 200, 80)
    assert first["uploaded_by"] == coordinator.account_id
    assert (await put(coordinator, address, picture(10))).json()["is_new"] is False
    second = (await put(coordinator, address, picture(20, "JPEG"), "image/jpeg")).json()
    assert (second["version"], second["media_type"]) == (2, "image/jpeg")
    shown = (await coordinator.get(address)).json()
    assert [each["version"] for each in shown["versions"]] == [2, 1]
    assert shown["sha256"] == second["sha256"]
    content = await coordinator.get(address, Accept="image/*")
    assert content.headers["content-type"] == "image/jpeg"
    assert len(content.content) == second["size"]
    name = first["name"]
    listed = (await coordinator.get(f"/v1/staff/images?limit=1&after={name[:-1]}")).json()
    assert [each["name"] for each in listed["data"]] == [name]


async def test_a_picture_may_come_in_a_form(coordinator: Person, address: str) -> None:
    response = await coordinator.client.put(
        address, files={"file": ("logo.png", picture(30), "image/png")}, headers=coordinator.headers
    )
    assert (response.status_code, response.json()["version"]) == (200, 1)


async def test_a_repeated_upload_has_one_effect(coordinator: Person, address: str, engine: Engine) -> None:
    answers = [await put(coordinator, address, picture(40), Idempotency_Key="once") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replayed"] == "true"
    other = await put(coordinator, address, picture(41), Idempotency_Key="once")
    assert problem(other) == (422, "idempotency_key_reused")
    name = answers[0].json()["name"]
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM audit_events WHERE stream = :stream")
        assert connection.execute(query, {"stream": f"image:{name}"}).scalar_one() == 1


@pytest.mark.parametrize(
    ("content", "media_type", "expected"),
    [
        (b"", "image/png", (422, "image_invalid")),
        (CANARY.encode(), "image/png", (422, "image_invalid")),
        (b"<svg onload='alert(1)'/>", "image/png", (422, "image_invalid")),
        (picture()[:50], "image/png", (422, "image_invalid")),
        (bytes(1_000_001), "image/png", (413, "body_too_large")),
        (picture(), "image/gif", (415, "content_type_unsupported")),
        (picture(), "image/svg+xml", (415, "content_type_unsupported")),
        (picture(), "text/csv", (415, "content_type_unsupported")),
        (b"{}", "application/json", (415, "content_type_unsupported")),
        (b"no form", "multipart/form-data; boundary=x", (400, "request_invalid")),
    ],
)
async def test_what_is_no_picture_is_refused(
    content: bytes, media_type: str, expected: tuple[int, str], coordinator: Person, address: str
) -> None:
    response = await put(coordinator, address, content, media_type)
    assert problem(response) == expected
    assert CANARY not in response.text
    assert problem(await coordinator.get(address)) == (404, "not_found")


@pytest.mark.parametrize("name", ["Logo", "a--b", "-a", "a_b", "a.png", "x" * 65, "%2e%2e"])
async def test_a_picture_has_a_name_for_addresses(name: str, coordinator: Person) -> None:
    response = await put(coordinator, f"/v1/staff/images/{name}", picture())
    assert response.status_code in (404, 422)
    assert response.json()["code"] in ("validation_failed", "not_found")
    assert problem(await coordinator.get(f"/v1/staff/images/{name}")) == (404, "not_found")


async def test_only_staff_add_pictures_and_auditors_look_at_them(
    database_url: str, client: httpx2.AsyncClient, coordinator: Person, learner: Person, address: str
) -> None:
    auditor = await sign_in(database_url, client, Role.AUDITOR)
    await put(coordinator, address, picture(50))
    for person in (learner, auditor):
        assert problem(await put(person, address, picture(60))) == (403, "not_allowed")
    assert (await auditor.get(address)).status_code == 200
    assert problem(await learner.get(address)) == (403, "not_allowed")
    assert problem(await client.put(address, content=picture(), headers={"Content-Type": "image/png"})) == (
        401,
        "not_signed_in",
    )


async def test_a_wrong_page_of_the_list_is_refused(coordinator: Person) -> None:
    for query in ("after=A%00", "limit=0", "limit=101"):
        assert problem(await coordinator.get(f"/v1/staff/images?{query}")) == (422, "validation_failed")


async def test_a_definition_names_a_picture_only_once_it_is_there(coordinator: Person, address: str) -> None:
    name, slug = address.rpartition("/")[2], new_id("course").replace("_", "-")
    definition = definition_text(slug).replace("{name: Example", f"{{logo: {name}, name: Example").encode()
    headers = {**coordinator.headers, "Content-Type": "application/yaml"}
    path = f"/v1/staff/ce-activities/{slug}"
    refused = await coordinator.client.put(path, content=definition, headers=headers)
    assert problem(refused) == (422, "definition_invalid")
    line = definition.decode().split("\n").index(next(x for x in definition.decode().split("\n") if "logo:" in x)) + 1
    assert json.loads(refused.content)["errors"][0]["pointer"] == f"line {line}: provider.logo"
    await put(coordinator, address, picture(70))
    assert (await coordinator.client.put(path, content=definition, headers=headers)).status_code == 200
