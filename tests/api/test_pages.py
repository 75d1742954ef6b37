"""The pages that mails and QR codes lead to."""

import base64
import hashlib
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, text

import api
from activities.claims import PostgresClaimActivities
from api.formats import moment
from api.pages.wording import STAGE_NAMES, STAGE_WORDS
from domain.claims import CLOSED_STAGES, Stage
from domain.identities import new_id
from storage import people
from storage.database import create_api_engine
from tests.api.conftest import Person, publish_example
from tests.api.test_claim_over_http import awarded, issue, opened

STATIC = Path(api.__path__[0]) / "static"


def cookie(person: Person) -> dict[str, str]:
    return {"Cookie": f"laurel_session={person.token}", "Accept": "text/html"}


async def issued(person: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine) -> dict[str, Any]:
    claim = await awarded(person, slug, ledger)
    issue(engine, ledger, claim, b"%PDF-1.7 " + claim["id"].encode())
    return claim


async def test_the_dashboard_shows_claims_awards_and_totals(
    learner: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await issued(learner, slug, ledger, engine)
    page = await learner.client.get("/", headers=cookie(learner))
    assert page.status_code == 200
    assert f'href="/claims/{claim["id"]}/certificate"' in page.text
    assert '<span class="amount">1.00</span>' in page.text
    assert claim["ce_activity"]["title"] in page.text


async def test_an_open_claim_shows_its_step_and_its_deadline_with_city_and_offset(learner: Person, slug: str) -> None:
    await opened(learner, slug)
    page = await learner.client.get("/", headers=cookie(learner))
    assert "Say how you took part" in page.text
    assert re.search(r"\d+ \w{3} \d{4}, 23:59 \(\w+, UTC[+-]\d+\)", page.text)


async def test_a_providers_own_words_are_said_to_be_english_where_the_page_is_not(
    learner: Person, engine: Engine
) -> None:
    slug = publish_example(engine, title="Pain & sleep")
    claim = await opened(learner, slug)
    shown = "Pain &amp; sleep"
    for path in ("/", f"/claims/{claim['id']}", f"/ce-activities/{slug}"):
        english = await learner.client.get(path, headers=cookie(learner))
        spanish = await learner.client.get(
            path, headers={**cookie(learner), "Cookie": f"{cookie(learner)['Cookie']}; laurel_language=es"}
        )
        assert f'<span lang="en">{shown}</span>' in spanish.text, path
        assert shown in english.text
        assert '<span lang="en">' not in english.text
        # Inside an attribute there are no elements.
        assert not re.search(r'="[^"]*<span', spanish.text), path


def test_the_dashboard_has_words_for_every_stage() -> None:
    assert STAGE_WORDS.keys() == STAGE_NAMES.keys() == set(Stage)


async def test_a_claim_that_ended_is_called_the_same_by_the_office_and_to_its_learner(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    claim = await opened(learner, slug)
    denied = text("UPDATE claims SET stage = 'denied', closed_as = 'denied', closed_at = now() WHERE id = :id")
    with engine.begin() as connection:
        connection.execute(denied, {"id": claim["id"]})
    pages = ((learner, "/"), (learner, f"/claims/{claim['id']}"), (coordinator, f"/staff/claims/{claim['id']}"),
             (coordinator, f"/staff/claims?learner={claim['id']}"))  # fmt: skip
    for person, path in pages:
        assert "Denied" in (await person.client.get(path, headers=cookie(person))).text, path
    for stage in CLOSED_STAGES:
        assert STAGE_WORDS[stage] == STAGE_NAMES[stage]


async def test_the_certificates_page_leads_to_pdf_print_and_verification(
    learner: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await issued(learner, slug, ledger, engine)
    path = f"/claims/{claim['id']}/certificate"
    page = await learner.client.get(path, headers=cookie(learner))
    assert f'href="{path}.pdf"' in page.text
    assert claim["certificate"]["verification_code"] in page.text
    pdf = await learner.client.get(f"{path}.pdf", headers=cookie(learner))
    assert pdf.content == b"%PDF-1.7 " + claim["id"].encode()
    printed = await learner.client.get(f"{path}/print", headers=cookie(learner))
    assert "Ada Lovelace" in printed.text
    assert " style=" not in printed.text
    # The only script is the button beside it.
    script = '<script src="/static/print.js" data-words="Print" data-language="en" defer></script>'
    assert re.findall("<script.*?</script>", printed.text, re.DOTALL) == [script]
    stylesheet = await learner.client.get("/static/certificate.css")
    font = re.search(r'url\("(/static/fonts/[^"]+)"\)', stylesheet.text)
    assert font is not None
    assert (await learner.client.get(font[1])).content[:4] == b"wOF2"


async def test_a_browser_that_asks_for_an_icon_gets_one_and_may_keep_it(learner: Person) -> None:
    page = await learner.client.get("/sign-in")
    linked = re.search(r'<link rel="icon" href="([^"]+)"', page.text)
    assert linked is not None
    for path in ("/favicon.ico", linked[1]):
        icon = await learner.client.get(path)
        assert icon.headers["content-type"].startswith("image/svg+xml")
        assert "max-age=86400" in icon.headers["cache-control"]
        assert icon.text.startswith("<svg")


async def test_a_certificate_in_another_look_is_printed_from_its_own_bytes(
    learner: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await issued(learner, slug, ledger, engine)
    path = f"/claims/{claim['id']}/certificate"
    look = text("UPDATE certificates SET data = jsonb_set(data, '{template_version}', '\"lakes@1\"') WHERE id = :id")
    with engine.begin() as connection:
        connection.execute(look, {"id": claim["certificate"]["id"]})
    printed = await learner.client.get(f"{path}/print", headers=cookie(learner))
    assert (printed.status_code, printed.headers["location"]) == (303, f"{path}.pdf")


async def test_a_stranger_sees_neither_certificate_nor_that_there_is_one(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await issued(learner, slug, ledger, engine)
    for end in ("", ".pdf", "/print"):
        path = f"/claims/{claim['id']}/certificate{end}"
        assert (await coordinator.client.get(path, headers=cookie(coordinator))).status_code == 404


async def link_for(database_url: str, email: str) -> str:
    """The token of a link to sign in that was mailed to an address."""
    token = new_id("token")
    engine = create_api_engine(database_url, 1)
    async with engine.begin() as connection:
        await people.request_link(connection, email, token, timedelta(minutes=5), 5)
    await engine.dispose()
    return token


async def test_signing_in_leads_back_to_where_the_mail_led(learner: Person, database_url: str) -> None:
    wanted, client = f"/claims/{new_id('clm')}/certificate", learner.client
    response = await client.get(wanted)
    assert (response.status_code, response.headers["location"]) == (303, "/sign-in")
    token = await link_for(database_url, learner.email)
    signed_in = await client.post("/sign-in", data={"token": token})
    assert signed_in.headers["location"] == wanted


async def test_whoever_signs_in_for_the_first_time_is_looked_up_and_may_still_go_where_the_mail_led(
    client: httpx2.AsyncClient, database_url: str
) -> None:
    token = await link_for(database_url, f"{new_id('new')}@people.example")
    headers = {"Cookie": 'laurel_next="/ce-activities/some-course"'}
    signed_in = await client.post("/sign-in", data={"token": token}, headers=headers)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/profile/look-up")
    assert "laurel_next" not in str(signed_in.headers.get_list("set-cookie"))


@pytest.mark.parametrize("wanted", ["https://evil.example", "//evil.example", "/\\evil.example", "/v1/me", "/sign-out"])
async def test_signing_in_leads_nowhere_else(wanted: str, learner: Person, database_url: str) -> None:
    token = await link_for(database_url, learner.email)
    headers = {"Cookie": f'laurel_next="{wanted}"'}
    signed_in = await learner.client.post("/sign-in", data={"token": token}, headers=headers)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")


async def test_a_course_page_is_open_to_everyone_and_says_what_it_takes(client: httpx2.AsyncClient, slug: str) -> None:
    page = await client.get(f"/ce-activities/{slug}")
    assert page.status_code == 200
    assert "Pass the post-test" in page.text
    absent = await client.get("/ce-activities/absent", headers={"Accept": "text/html"})
    assert (absent.status_code, absent.headers["content-type"]) == (404, "text/html; charset=utf-8")


async def test_signing_out_in_the_browser_ends_the_session(learner: Person) -> None:
    response = await learner.client.post("/sign-out", headers=cookie(learner))
    assert response.headers["location"] == "/sign-in"
    assert (await learner.get("/v1/me")).status_code == 401


async def test_every_problem_type_leads_to_its_words(client: httpx2.AsyncClient) -> None:
    problem = (await client.get("/v1/me")).json()
    page, _, anchor = problem["type"].partition("#")
    assert f'id="{anchor}"' in (await client.get(page)).text


async def test_the_api_documentation_loads_nothing_from_elsewhere(client: httpx2.AsyncClient) -> None:
    page = await client.get("/docs")
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert addresses
    for address in addresses:
        assert address.startswith("/static/")
        assert (await client.get(address)).status_code == 200
    assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.1")


def test_vendored_files_are_the_ones_that_were_pinned() -> None:
    for package in json.loads((STATIC / "vendor.json").read_text()).values():
        for name, expected in package["files"].items():
            digest = hashlib.sha512((STATIC / name).read_bytes()).digest()
            assert f"sha512-{base64.b64encode(digest).decode()}" == expected, name


@pytest.mark.parametrize(
    ("at", "zone", "words"),
    [
        ("2026-12-01T05:59:00+00:00", "America/Chicago", "30 Nov 2026, 23:59 (Chicago, UTC-6)"),
        ("2026-07-01T12:00:00+00:00", "Asia/Kolkata", "1 Jul 2026, 17:30 (Kolkata, UTC+5:30)"),
        ("2026-07-01T12:00:00+00:00", "Pacific/Kiritimati", "2 Jul 2026, 02:00 (Kiritimati, UTC+14)"),
        ("2026-07-01T14:00:00+02:00", "UTC", "1 Jul 2026, 12:00 UTC"),
        ("2026-07-01T12:00:00+00:00", "America/St_Johns", "1 Jul 2026, 09:30 (St Johns, UTC-2:30)"),
    ],
)
def test_times_are_shown_with_city_and_offset(at: str, zone: str, words: str) -> None:
    assert moment(at, zone) == words


async def test_the_access_log_holds_no_codes_tokens_or_addresses(
    client: httpx2.AsyncClient, learner: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    await client.get("/verify/ABCD-EFGH-JKMN-PQRS")
    await client.get("/sign-in?token=canary-token")
    await client.post("/v1/session/links", json={"email": "canary@people.example"})
    await learner.get("/v1/me?x=canary-query")
    logged = "\n".join(str(record.msg) for record in caplog.records if record.name.startswith("laurel"))
    assert "/verify/{code}" in logged
    for secret in ("ABCD-EFGH", "canary", learner.token, learner.email):
        assert secret not in logged
