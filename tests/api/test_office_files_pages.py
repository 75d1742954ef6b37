"""The office's pages around the programme: rosters, employees, outcomes, exports, templates, pictures, events."""

import secrets
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Engine

from activities.claims import PostgresClaimActivities
from domain.identities import new_id
from domain.roles import Role
from storage import certificate_templates
from storage.acts import Actor
from storage.catalog import provider_slug, publish
from storage.certificate_templates import NewTemplate, Source
from storage.definitions import Definition, DefinitionStatus
from tests.api.conftest import Person, publish_example, sign_in
from tests.api.test_claim_over_http import awarded
from tests.api.test_programme_pages import Browser, new_slug
from tests.claims import example_policy
from tests.platforms import Platform, content_policy

EXAMPLES = Path(__file__).parents[2] / "examples"
ROSTER = b"Badge ID,First Name,Last Name,Email,Colour\r\n"


@pytest.fixture
def browser(coordinator: Person) -> Browser:
    return Browser(coordinator)


def badge() -> str:
    return secrets.token_hex(6).upper()


async def test_a_roster_is_previewed_before_it_is_applied(browser: Browser, coordinator: Person, slug: str) -> None:
    first, second = badge(), badge()
    content = (
        ROSTER + f"{first},Ada,Lovelace,ada@x.example,red\r\n{second},Alan,Turing,not an address,blue\r\n".encode()
    )
    path = f"/staff/ce-activities/{slug}/roster"
    sent = await browser.upload(path, {"key": "one"}, content, "badges 2026.csv")
    assert sent.status_code == 303, sent.text
    preview = sent.headers["location"]
    page = (await browser.get(preview)).text
    assert "This is a preview. Nothing is applied yet." in page
    assert "badges 2026.csv" in page
    assert "Left out: Colour." in page
    assert first in page
    again = await browser.upload(path, {"key": "one"}, content, "badges 2026.csv")
    assert again.headers["location"] == preview
    problems = (await browser.get(f"{preview}?show=problems")).text
    assert second in problems
    assert first not in problems
    applied = await browser.post(f"{preview}/apply", {"key": "two"})
    assert applied.headers["location"] == preview
    after = (await browser.get(preview)).text
    assert "rows were new or changed something." in after
    assert "Apply this roster" not in after
    history = (await browser.get(path)).text
    assert "✓ Applied" in history
    assert f'href="{preview}"' in history


async def test_a_file_that_is_no_roster_is_refused_beside_the_form(browser: Browser, slug: str) -> None:
    path = f"/staff/ce-activities/{slug}/roster"
    for content in (b"Colour,Size\r\nred,1\r\n", b"PK\x03\x04", b""):
        refused = await browser.upload(path, {}, content)
        assert refused.status_code == 422
        assert "<h2>The file was not taken</h2>" in refused.text
        assert "<title>Error: Roster" in refused.text
    without = await browser.upload(path, {}, b"", name="")
    assert "Choose a file." in without.text
    large = await browser.upload(path, {}, b"x" * (21 * 1024 * 1024))
    assert large.status_code == 413


async def test_a_preview_that_does_not_hold_any_more_is_said_beside_its_rows(browser: Browser, slug: str) -> None:
    content = ROSTER + f"{badge()},Ada,Lovelace,,\r\n".encode()
    path = f"/staff/ce-activities/{slug}/roster"
    older = (await browser.upload(path, {"replace": "1"}, content)).headers["location"]
    newer = (await browser.upload(path, {}, ROSTER + f"{badge()},Alan,Turing,,\r\n".encode())).headers["location"]
    assert (await browser.post(f"{newer}/apply", {})).status_code == 303
    refused = await browser.post(f"{older}/apply", {})
    assert refused.status_code == 409
    assert "Upload the file again" in refused.text


async def test_the_example_files_are_ones_that_are_taken(browser: Browser, slug: str) -> None:
    example = await browser.get("/staff/examples/roster.csv")
    taken = await browser.upload(f"/staff/ce-activities/{slug}/roster", {}, example.content)
    assert taken.status_code == 303
    assert (await browser.get("/staff/examples/nothing.csv")).status_code == 404


async def test_a_list_of_employees_with_mistakes_is_refused_line_by_line(browser: Browser, coordinator: Person) -> None:
    before = (await coordinator.get("/v1/staff/employees")).json()
    refused = await browser.upload("/staff/employees", {}, b"Employee ID\r\n!!\r\n??\r\n")
    assert refused.status_code == 422
    assert "Line 2: employee_id" in refused.text
    assert (await coordinator.get("/v1/staff/employees")).json() == before
    assert (await browser.get("/staff/employees")).status_code == 200


async def test_outcomes_are_told_in_numbers_and_bars(
    browser: Browser, learner: Person, slug: str, ledger: PostgresClaimActivities
) -> None:
    empty = (await browser.get(f"/staff/ce-activities/{slug}/outcomes")).text
    assert "Nobody has answered anything yet." in empty
    await awarded(learner, slug, ledger)
    page = (await browser.get(f"/staff/ce-activities/{slug}/outcomes")).text
    assert "1 of 1 passed at the first attempt." in page
    assert "(right)</th>" in page
    assert '<rect width="100' in page
    assert " style=" not in page
    responses = await browser.get(f"/staff/ce-activities/{slug}/outcomes/responses.csv")
    assert responses.headers["content-type"].startswith("text/csv")
    assert f"responses-{slug}.csv" in responses.headers["content-disposition"]
    assert (await browser.get(f"/staff/ce-activities/{new_slug()}/outcomes")).status_code == 404
    absent = await browser.get(f"/staff/ce-activities/{new_slug()}/outcomes/responses.csv")
    assert (absent.status_code, absent.headers["content-type"]) == (404, "text/html; charset=utf-8")


async def test_the_list_of_claims_is_downloaded_and_who_took_it_is_told(
    browser: Browser, coordinator: Person, learner: Person, slug: str
) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    why = f"Annual report {new_id('why')}"
    asked = {"ce_activity": slug, "format": "csv", "reason": why, "from": "", "to": "", "credit_type": ""}
    file = await browser.post("/staff/exports/claims", asked)
    assert file.headers["content-type"].startswith("text/csv")
    assert claim["id"] in file.text
    jsonl = await browser.post("/staff/exports/claims", asked | {"format": "jsonl"})
    assert jsonl.headers["content-disposition"].endswith('.jsonl"')
    page = (await browser.get("/staff/exports")).text
    assert page.count(why) == 2
    listed = (await coordinator.get("/v1/staff/exports?limit=1")).json()
    assert (listed["data"][0]["reason"], listed["data"][0]["actor"]["email"]) == (why, coordinator.email)
    earlier = (await coordinator.get(f"/v1/staff/exports?limit=1&after={listed['next']}")).json()
    assert (earlier["data"][0]["reason"], earlier["data"][0]["number"]) == (why, listed["next"] - 1)


async def test_what_is_wrong_with_an_export_is_told_beside_its_form(browser: Browser) -> None:
    refused = await browser.post("/staff/exports/claims", {"from": "2026-02-01", "to": "2026-01-01", "reason": "Kept"})
    assert refused.status_code == 422
    assert refused.headers["content-type"].startswith("text/html")
    assert 'id="to-error"' in refused.text
    assert 'value="Kept"' in refused.text
    without = await browser.post("/staff/exports/claims", {"from": "2026-01-01", "to": "2026-02-01"})
    assert 'id="reason-error"' in without.text


async def test_a_filtered_list_is_exported_as_it_is_filtered(browser: Browser, learner: Person, slug: str) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    page = (await browser.get(f"/staff/exports?ce_activity={slug}&stage=completed")).text
    assert "<code>stage: completed</code>" in page
    asked = {"ce_activity": slug, "stage": "completed", "format": "csv", "reason": "Why not."}
    file = await browser.post("/staff/exports/claims", asked)
    assert file.status_code == 200
    assert claim["id"] not in file.text


async def test_auditors_download_a_bundle_and_others_are_offered_none(
    browser: Browser, database_url: str, client: httpx2.AsyncClient, learner: Person, slug: str
) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    auditor = Browser(await sign_in(database_url, client, Role.AUDITOR))
    assert "Audit bundle of one claim" in (await auditor.get("/staff/exports")).text
    assert "Audit bundle of one claim" not in (await browser.get("/staff/exports")).text
    bundle = await auditor.post("/staff/exports/audit", {"claim": claim["id"], "reason": "Audit"})
    assert bundle.headers["content-type"] == "application/zip"
    absent = await auditor.post("/staff/exports/audit", {"claim": "clm_x", "reason": "Audit"})
    assert absent.status_code == 404
    assert 'value="clm_x"' in absent.text
    refused = await browser.post("/staff/exports/audit", {"claim": claim["id"], "reason": "Audit"})
    assert refused.status_code == 403


async def test_a_template_is_looked_at_changed_and_retired(browser: Browser, engine: Engine) -> None:
    # Only for a provider that no other test has, so that no other certificate changes its look.
    name, provider = f"t-{secrets.token_hex(8)}", f"Provider {secrets.token_hex(8)}"
    publish_example(engine, provider=replace(example_policy().provider, name=provider))
    html = (EXAMPLES / "templates" / "great-lakes.html").read_text(encoding="utf-8")
    css = (EXAMPLES / "templates" / "great-lakes.css").read_text(encoding="utf-8")
    typed = {"name": name, "html": html, "css": css, "provider": provider_slug(provider), "credit_type": ""}
    sample = {**typed, "sample": "ordinary", "paper": "a4"}
    look = await browser.post("/staff/certificate-sample.pdf", sample)
    assert look.content[:5] == b"%PDF-", look.text
    wrong = await browser.post("/staff/certificate-sample.pdf", {**sample, "html": "<script>"})
    assert wrong.status_code == 422
    assert "&lt;script&gt;" in wrong.text
    refused = await browser.post("/staff/new-certificate-template", {**typed, "name": "No Name"})
    assert refused.status_code == 422
    assert 'value="No Name"' in refused.text
    here = f"/staff/certificate-templates/{name}"
    # Trying out every sample takes a while; tests/api/test_certificate_templates.py does so.
    with engine.begin() as connection:
        source = Source(html.strip(), css.strip())
        new = NewTemplate(name=name, provider=typed["provider"], credit_type=None, source=source)
        certificate_templates.publish(connection, new, Actor("cli:test"), None)
    again = await browser.post(here, typed)
    assert (again.status_code, again.headers["location"]) == (303, here)
    assert "laurel_notice=nothing_changed" in again.headers["set-cookie"]
    page = (await browser.get(here)).text
    assert f"/staff/certificate-sample.pdf?name={name}&amp;version=1&amp;sample=long&amp;paper=a4" in page
    without = await browser.post(f"{here}/retire", {"reason": ""})
    assert without.status_code == 422
    retired = await browser.post(f"{here}/retire", {"reason": "It was a test."})
    assert retired.headers["location"] == here
    assert "■ Retired" in (await browser.get(here)).text


async def test_the_built_in_template_is_shown_with_every_sample(browser: Browser) -> None:
    page = (await browser.get("/staff/certificate-templates")).text
    assert "/staff/certificate-sample.pdf?sample=hostile" in page
    sample = await browser.get("/staff/certificate-sample.pdf?sample=participation&paper=a4")
    assert sample.content[:5] == b"%PDF-"
    assert (await browser.get("/staff/certificate-templates/no-such-template")).status_code == 404


async def test_a_picture_is_added_and_shown(browser: Browser) -> None:
    name = f"logo-{secrets.token_hex(8)}"
    content = (EXAMPLES / "images" / "lakeside-logo.png").read_bytes()
    saved = await browser.upload("/staff/images", {"name": name}, content, "logo.png")
    assert saved.status_code == 303, saved.text
    picture = await browser.get(f"/staff/images/{name}/picture")
    assert picture.headers["content-type"] == "image/png"
    refused = await browser.upload("/staff/images", {"name": name}, b"GIF89a", "logo.gif")
    assert (refused.status_code, f'value="{name}"' in refused.text) == (422, True)
    unnamed = await browser.upload("/staff/images", {"name": "No Name"}, content)
    assert unnamed.status_code == 422
    assert (await browser.get("/staff/images/no-such-picture/picture")).status_code == 404


async def test_the_certificate_of_an_activity_is_seen_before_anybody_earns_it(
    browser: Browser, coordinator: Person, slug: str
) -> None:
    pdf = await browser.get(f"/staff/ce-activities/{slug}/certificate.pdf?credit_type=ama_pra_category_1")
    assert pdf.content[:5] == b"%PDF-"
    other = await browser.get(f"/staff/ce-activities/{slug}/certificate.pdf?credit_type=nasba_cpe")
    assert other.status_code == 422
    assert other.headers["content-type"].startswith("text/html")
    assert (await coordinator.get(f"/v1/staff/ce-activities/{new_slug()}/certificate")).status_code == 404


async def test_an_event_in_quarantine_is_assigned_tried_again_or_dismissed(
    browser: Browser, coordinator: Person, learner: Person, client: httpx2.AsyncClient, engine: Engine
) -> None:
    platform = Platform.added(client, engine)
    course = new_slug()
    with engine.begin() as connection:
        publish(connection, Definition(course, DefinitionStatus.PUBLISHED, content_policy()), None)
    for _ in range(3):
        await platform.progress(f"{new_id('x')}@elsewhere.example", course, (0, 60))
    here = f"/staff/integration-events?integration={platform.name}"
    page = (await browser.get(here)).text
    assert page.count("Nobody is known by what the platform calls this learner.") == 3
    first, second, third = (f"/staff/integration-events/{platform.name}/{sent}" for sent in platform.sent)
    assert f'action="{first}/assign"' in page

    wrong = await browser.post(f"{first}/assign", {"learner": "somebody", "only": platform.name})
    assert (wrong.status_code, 'href="#learner"' in wrong.text) == (422, True)
    mine = await browser.post(f"{first}/assign", {"learner": coordinator.learner_id, "only": platform.name})
    assert mine.status_code == 403
    assert "This is your own claim" in mine.text
    assigned = await browser.post(f"{first}/assign", {"learner": learner.learner_id, "only": platform.name})
    assert assigned.headers["location"] == here
    assert "laurel_notice=saved" in assigned.headers["set-cookie"]
    stays = await browser.post(f"{second}/retry", {"only": platform.name})
    assert "laurel_notice=event_stays" in stays.headers["set-cookie"]
    assert (await browser.post(f"{third}/dismiss", {"reason": " "})).status_code == 422
    assert (await browser.post(f"{third}/dismiss", {"reason": "A test account."})).status_code == 303
    assert (await browser.post(f"{third}/retry", {})).status_code == 409
    assert (await browser.get(here)).text.count('action="') == 4 + 1
    dismissed = (await browser.get(f"{here}&state=dismissed")).text
    assert platform.sent[-1] in dismissed
    assert (await browser.post(f"{third}/erase", {})).status_code == 404


async def test_learners_are_not_let_into_the_office(learner: Person, browser: Browser) -> None:
    for page in ("employees", "exports", "certificate-templates", "images", "integration-events"):
        assert (await Browser(learner).get(f"/staff/{page}")).status_code == 403
        assert (await browser.get(f"/staff/{page}")).status_code == 200
