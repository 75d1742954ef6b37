"""Providers' own templates over HTTP: judged, tried out, published in versions, previewed, retired."""

from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import pypdf
import pytest
from sqlalchemy import Engine, text

from domain.identities import new_id
from domain.roles import Role
from tests.api.conftest import Person, sign_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "templates" / "great-lakes"
HTML = EXAMPLE.with_suffix(".html").read_text(encoding="utf-8")
CSS = EXAMPLE.with_suffix(".css").read_text(encoding="utf-8")
TEMPLATES = "/v1/staff/certificate-templates"
PREVIEW = f"{TEMPLATES}/preview"


@pytest.fixture
def provider(engine: Engine) -> str:
    """A provider of this test's own, so that no other test's certificates are made with its templates."""
    slug = new_id("prv").replace("_", "-").lower()
    with engine.begin() as connection:
        query = text("INSERT INTO providers (slug, name, acronym) VALUES (:slug, :slug, 'CE')")
        connection.execute(query, {"slug": slug})
    return slug


@pytest.fixture
def address() -> str:
    return f"{TEMPLATES}/{new_id('t').replace('_', '-').lower()}"


def written(provider: str, /, **changes: Any) -> dict[str, Any]:
    return {"provider": provider, "html": HTML, "css": CSS, "reason": "New looks."} | changes


def problem(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def text_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(BytesIO(pdf)).pages).split())


async def test_a_template_is_published_in_versions_previewed_and_retired(
    coordinator: Person, provider: str, address: str, engine: Engine
) -> None:
    name = address.rpartition("/")[2]
    first = (await coordinator.call("PUT", address, written(provider), Idempotency_Key="first")).json()
    assert (first["reference"], first["provider"], first["is_new"]) == (f"{name}@1", provider, True)
    again = await coordinator.call("PUT", address, written(provider), Idempotency_Key="first")
    assert (again.json(), again.headers["idempotent-replayed"]) == (first, "true")
    same = (await coordinator.call("PUT", address, written(provider))).json()
    assert (same["version"], same["is_new"]) == (1, False)
    changed = written(provider, credit_type="ancc_contact_hours")
    second = (await coordinator.call("PUT", address, changed)).json()
    assert (second["version"], second["credit_type"]) == (2, "ancc_contact_hours")

    shown = (await coordinator.get(address)).json()
    assert (shown["css"], [each["version"] for each in shown["versions"]]) == (changed["css"], [2, 1])
    assert (await coordinator.get(f"{address}?version=1")).json()["css"] == CSS
    assert problem(await coordinator.get(f"{address}?version=3")) == (404, "not_found")
    listed = (await coordinator.get(f"{TEMPLATES}?limit=1&after={name[:-1]}")).json()
    assert [each["reference"] for each in listed["data"]] == [f"{name}@2"]
    preview = await coordinator.post(PREVIEW, {"name": name, "version": 1})
    assert "1.25 AMA PRA Category 1 Credit(s)™" in text_of(preview.content)

    retired = (await coordinator.post(f"{address}/retire", {"reason": "Merged."})).json()
    assert (retired["version"], retired["is_retired"], retired["is_new"]) == (3, True, True)
    assert (await coordinator.post(f"{address}/retire", {"reason": "Merged."})).json()["is_new"] is False
    assert (await coordinator.get(address)).json()["html"] is None
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM audit_events WHERE stream = :stream")
        assert connection.execute(query, {"stream": f"certificate_template:{name}"}).scalar_one() == 3


async def test_everything_that_is_wrong_is_named_with_its_line(
    coordinator: Person, provider: str, address: str
) -> None:
    wrong = HTML.replace("{{ learner }}</p>", "{{ lerner|safe }}</p>\n<script>canary-91</script>")
    body = written(provider, html=wrong, css=f"{CSS}p {{ background: url(https://x.example) }}")
    line = HTML[: HTML.index("{{ learner }}</p>")].count("\n") + 1
    for response in (
        await coordinator.call("PUT", address, body),
        await coordinator.post(PREVIEW, {"html": body["html"], "css": body["css"]}),
    ):
        assert problem(response) == (422, "template_invalid")
        pointers = [error["pointer"] for error in response.json()["errors"]]
        assert {f"html line {line}", f"html line {line + 1}", f"css line {CSS.count(chr(10)) + 1}"} <= set(pointers)
        assert "canary" not in response.text
    assert problem(await coordinator.get(address)) == (404, "not_found")


async def test_a_template_that_does_not_fit_every_sample_is_not_published(
    coordinator: Person, provider: str, address: str
) -> None:
    body = written(provider, css=f"{CSS}.learner {{ white-space: nowrap }}")
    response = await coordinator.call("PUT", address, body)
    assert problem(response) == (422, "template_fails")
    assert response.json()["details"] == {"sample": "long", "paper": "letter", "reason": "PageOverflows"}
    assert response.json()["detail"] == "With the sample long on letter paper: page overflows."
    preview = await coordinator.post(f"{PREVIEW}?sample=long&paper=a4", {"html": HTML, "css": body["css"]})
    assert problem(preview) == (422, "template_fails")
    assert problem(await coordinator.get(address)) == (404, "not_found")


@pytest.mark.parametrize("sample", ["ordinary", "hostile", "participation", "sessions"])
async def test_every_sample_is_previewed_with_the_built_in_template_too(sample: str, coordinator: Person) -> None:
    pdf = await coordinator.post(f"{PREVIEW}?sample={sample}", {})
    assert (pdf.status_code, pdf.headers["content-type"]) == (200, "application/pdf")
    page = await coordinator.post(f"{PREVIEW}?sample={sample}", {}, Accept="text/html")
    assert page.headers["content-type"].startswith("text/html")
    assert "sandbox" in page.headers["content-security-policy"]
    assert "<script" not in page.text


async def test_the_page_of_a_template_brings_its_style_and_its_pictures(coordinator: Person) -> None:
    page = (await coordinator.post(PREVIEW, {"html": HTML, "css": CSS}, Accept="text/html")).text
    assert "#0f2f44" in page
    assert page.count('src="data:image/') == 3
    assert "/static/fonts/" in page


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"credit_type": "gold"}, "/credit_type"),
        ({"provider": "No Such"}, "/provider"),
        ({"provider": "no-such-provider"}, "/provider"),
        ({"html": "x" * 40_001}, "/html"),
        ({"html": None}, "/html"),
        ({"css": 5}, "/css"),
        ({"reason": " "}, "/reason"),
        ({"reference": "x@1"}, ""),
    ],
)
async def test_a_wrong_field_is_named(
    changes: dict[str, Any], pointer: str, coordinator: Person, provider: str, address: str
) -> None:
    response = await coordinator.call("PUT", address, written(provider, **changes))
    assert problem(response) == (422, "validation_failed")
    assert any(error["pointer"].startswith(pointer) for error in response.json()["errors"])
    assert problem(await coordinator.get(address)) == (404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"html": HTML},
        {"css": CSS},
        {"html": HTML, "css": CSS, "name": "x"},
        {"version": 1},
        {"name": "x", "version": 0},
    ],
)
async def test_a_preview_is_of_one_template(body: dict[str, Any], coordinator: Person) -> None:
    assert problem(await coordinator.post(PREVIEW, body)) == (422, "validation_failed")


async def test_what_is_not_there_is_not_found(coordinator: Person, address: str) -> None:
    for name in (address.rpartition("/")[2], "No Such", "x" * 65):
        assert problem(await coordinator.post(PREVIEW, {"name": name[:64]})) == (404, "not_found")
        assert problem(await coordinator.get(f"{TEMPLATES}/{name}")) == (404, "not_found")
        assert problem(await coordinator.post(f"{TEMPLATES}/{name}/retire", {"reason": "x"})) == (404, "not_found")
    for query in ("sample=none", "paper=a5"):
        assert problem(await coordinator.post(f"{PREVIEW}?{query}", {})) == (422, "validation_failed")
    response = await coordinator.call("PUT", f"{TEMPLATES}/No Such", written("x"))
    assert problem(response) == (422, "validation_failed")


async def test_only_staff_publish_and_auditors_look(
    database_url: str, client: httpx2.AsyncClient, learner: Person, provider: str, address: str
) -> None:
    auditor = await sign_in(database_url, client, Role.AUDITOR)
    for person in (learner, auditor):
        assert problem(await person.call("PUT", address, written(provider))) == (403, "not_allowed")
        assert problem(await person.post(f"{address}/retire", {"reason": "x"})) == (403, "not_allowed")
    assert (await auditor.get(TEMPLATES)).status_code == 200
    assert problem(await learner.post(PREVIEW, {})) == (403, "not_allowed")
