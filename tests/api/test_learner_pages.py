"""Home, the available activities, content, and a meeting, as a learner's browser without scripts sees them."""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest
from sqlalchemy import Engine, insert, text

from api.pages.learner.home import home_of
from domain.identities import new_id
from domain.policy import (
    CertificateIssue,
    ClaimWindow,
    DisclosurePage,
    Disclosures,
    EvaluationTime,
    EventType,
    Finalization,
    Statement,
)
from storage.tables import ContentProgressRow
from tests.api.browser import Browser, Page
from tests.api.conftest import Person, publish_example
from tests.claims import example_policy, responses_to
from tests.ways import FIRST, PARALLEL, SECOND, TYPE, content, evaluation, meeting

POLICY = example_policy()
PAGES_TO_READ = (DisclosurePage(title="Planning", text="Nobody paid."), DisclosurePage(title="Faculty", text="None."))
MEETING = meeting(
    requirements=(
        Statement(),
        Disclosures(version="2026-1", pages=PAGES_TO_READ),
        evaluation(EvaluationTime.PER_SESSION),
        Finalization(warning="Are all sessions in?"),
    )
)
RESPONSES = {f"q-{code}": str(value) for code, value in responses_to(evaluation(EvaluationTime.PER_SESSION)).items()}


@pytest.fixture
def browser(learner: Person) -> Browser:
    return Browser(learner.client, learner)


@pytest.fixture
def nobody(client: httpx2.AsyncClient) -> Browser:
    return Browser(client)


async def claimed(browser: Browser, slug: str) -> Page:
    return await browser.send(await browser.get(f"/ce-activities/{slug}"), f"/ce-activities/{slug}/claim")


async def at_sessions(browser: Browser, engine: Engine) -> str:
    """The address of a meeting's claim whose sessions can be claimed."""
    page = await claimed(browser, publish_example(engine, **MEETING))
    page = await browser.send(page, f"{page.path}/statement", credit_type=TYPE)
    last = await browser.get(f"{page.path}/disclosures?page=2")
    page = await browser.send(last, last.path, acknowledged="1")
    assert "Claim the sessions that you attended" in page.text
    return page.path


async def with_session(browser: Browser, claim: str, code: str, **typed: str) -> Page:
    page = await browser.get(f"{claim}/sessions/{code}")
    return await browser.post(page.path, page.fields(page.path) | RESPONSES | typed)


async def test_home_shows_claims_by_what_they_wait_for_under_the_providers_acronym(
    browser: Browser, engine: Engine
) -> None:
    provider = replace(POLICY.provider, acronym="CPE")
    slug = publish_example(engine, provider=provider)
    page = await claimed(browser, slug)
    home = await browser.get("/")
    assert f"<h1>My {provider.acronym}</h1>" in home.html
    now = home.html.partition('id="now"')[2].partition("<section")[0]
    assert f'href="{page.path}"' in now
    assert re.search(r"Claim by \d+ \w+ \d{4}, 23:59 \(Chicago, UTC-\d\)", home.text)
    assert 'hx-get="/?polls=1"' in home.html
    assert "hx-get" not in (await browser.get("/?polls=30")).html
    again = await browser.get("/ce-activities")
    assert f">My {provider.acronym}</a>" in again.html


def test_the_next_deadline_comes_first_and_what_has_none_last() -> None:
    def claim(name: str, *times: str, **changes: Any) -> dict[str, Any]:
        deadlines = [{"at": at} for at in times]
        made = {"id": name, "stage": "awaiting_test", "waiting_for": "learner", "award": None, "deadlines": deadlines}
        return {**made, "ce_activity": {"acronym": "CE"}, **changes}

    home = home_of(
        [
            claim("none"),
            claim("late", "2027-01-01T00:00:00-06:00"),
            claim("soon", "2026-12-01T00:00:00-06:00", "2027-05-01T00:00:00-05:00"),
            claim("ready", stage="ready_to_claim"),
            claim("held", stage="ready_to_claim", waiting_for="operator"),
            claim("graded", stage="grading", waiting_for="grading"),
            claim("over", stage="expired", waiting_for="nothing", ce_activity={"acronym": "CME"}),
        ],
        [],
        None,
    )
    assert [each["id"] for each in home.needs_me] == ["soon", "late", "none"]
    assert [each["id"] for each in home.ready] == ["ready"]
    assert {each["id"] for each in home.waiting} == {"held", "graded"}
    assert [each["id"] for each in home.closed] == ["over"]
    assert home.acronym is None


async def test_activities_are_listed_by_title_page_after_page(nobody: Browser, engine: Engine) -> None:
    mark = new_id("t")
    titles = {
        publish_example(engine, title=f"{mark} {word}"): word for word in ("zinc", "Iron", "gold", "Iron", "LEAD")
    }
    found: list[str] = []
    page: dict[str, Any] = {"has_more": True, "next": ""}
    while page["has_more"]:
        address = "/v1/ce-activities?limit=3" + (f"&after={page['next']}" if page["next"] else "")
        page = (await nobody.client.get(address)).json()
        found += [each["slug"] for each in page["data"]]
    assert [titles[slug] for slug in found if slug in titles] == ["gold", "Iron", "Iron", "LEAD", "zinc"]
    assert "Sorted by title." in (await nobody.get("/ce-activities")).html


async def test_activities_are_listed_by_event_type_in_the_address_for_anyone(nobody: Browser, engine: Engine) -> None:
    slug = publish_example(engine, event_type=EventType.TELECONFERENCE)
    addresses = set()
    page = await nobody.get("/ce-activities?event_type=teleconference")
    while True:
        addresses |= set(re.findall(r'href="(/ce-activities/[^"?]+)"', page.html))
        following = re.search(r'href="\?([^"]*after=[^"]+)"', page.html)
        if following is None:
            break
        page = await nobody.get(f"/ce-activities?{following[1].replace('&amp;', '&')}")
    assert f"/ce-activities/{slug}" in addresses
    webinars = await nobody.get("/ce-activities?event_type=webinar")
    assert f'href="/ce-activities/{slug}"' not in webinars.html
    assert '<a href="/ce-activities?event_type=webinar" aria-current="page">Webinars</a>' in webinars.html
    assert (await nobody.get("/ce-activities?event_type=picnic")).status == 422


async def test_a_code_leads_to_its_activity_and_a_wrong_one_says_so(nobody: Browser, engine: Engine) -> None:
    code = new_id("a").replace("_", "-")[:30]
    slug = publish_example(engine, activity_code=code)
    page = await nobody.get(f"/ce-activities?code={code}")
    assert page.path == f"/ce-activities/{slug}"
    assert f'href="/ce-activities/{slug}/claim?code={code}"' in page.html
    for wrong in (f"{code}x", "<script>"):
        refused = await nobody.get(f"/ce-activities?code={wrong}")
        assert refused.status == 404
        assert "No activity has this code." in refused.text
        assert "<script>" not in refused.html.partition("<main")[2]


async def test_strangers_see_all_credit_and_come_back_to_the_activity_with_its_code(
    nobody: Browser, browser: Browser, slug: str
) -> None:
    page = await nobody.get(f"/ce-activities/{slug}?code=485327")
    for offer in POLICY.credit:
        assert offer.designation_statement.split("®")[0][:40] in page.text
    led = await nobody.get(f"/ce-activities/{slug}/claim?code=485327")
    assert led.path == "/sign-in"
    assert nobody.cookies["laurel_next"].strip('"') == f"/ce-activities/{slug}/claim?code=485327"
    back = await browser.get(f"/ce-activities/{slug}/claim?code=485327")
    assert back.path == f"/ce-activities/{slug}"
    assert back.fields(f"/ce-activities/{slug}/claim")["code"] == "485327"


async def test_what_the_profile_lacks_is_named_and_the_way_back_is_kept(
    browser: Browser, engine: Engine, learner: Person
) -> None:
    slug = publish_example(engine, profile_fields=("given_name", "credentials", "npi"))
    page = await browser.get(f"/ce-activities/{slug}")
    assert "Credentials, NPI" in page.text
    headers = {"Cookie": f"laurel_session={learner.token}"}
    led = await learner.client.get(f"/ce-activities/{slug}/profile", headers=headers)
    learner.client.cookies.clear()
    address, _, asked = led.headers["location"].partition("?")
    assert (address, parse_qs(asked)) == (
        "/profile",
        {"needs": ["credentials,npi"], "back": [f"/ce-activities/{slug}"]},
    )
    assert f"laurel_next=/ce-activities/{slug}" in led.headers["set-cookie"].replace('"', "")


async def test_what_the_profile_lacks_is_asked_for_there_and_saving_leads_back(
    browser: Browser, engine: Engine, learner: Person
) -> None:
    slug = publish_example(engine, profile_fields=("given_name", "credentials", "npi"))
    page = await browser.get(f"/profile?needs=credentials,npi,nonsense&back=/ce-activities/{slug}")
    refused = await browser.send(page, "/profile", credentials="MD", profession="physician")
    assert (refused.status, refused.text.count("Fill this in.")) == (422, 2)
    saved = await browser.send(refused, "/profile", npi="1234567893", credentials="MD", profession="physician")
    assert saved.path == f"/ce-activities/{slug}"
    for elsewhere in ("https://elsewhere.example/", "//elsewhere.example", "/staff", "/claims/../sign-out"):
        page = await browser.get(f"/profile?back={elsewhere}")
        assert "back" not in page.fields("/profile")


async def test_a_closed_activity_takes_no_new_claims(browser: Browser, slug: str, engine: Engine) -> None:
    activity = await browser.get(f"/ce-activities/{slug}")
    fields = activity.fields(f"/ce-activities/{slug}/claim")
    with engine.begin() as connection:
        connection.execute(text("UPDATE ce_activities SET status = 'closed' WHERE slug = :slug"), {"slug": slug})
    page = await browser.post(f"/ce-activities/{slug}/claim", fields)
    assert (page.status, "This activity is closed." in page.text) == (409, True)
    assert "No new claims are taken." in (await browser.get(f"/ce-activities/{slug}")).text


async def test_an_absent_activity_is_not_found(browser: Browser) -> None:
    for address in ("/ce-activities/absent", "/ce-activities/Not%20A%20Slug"):
        assert (await browser.get(address)).status == 404
        assert (await browser.post(f"{address}/claim", {})).status in (404, 422)


def watched(engine: Engine, learner: Person, slug: str, item: str, seconds: int) -> None:
    with engine.begin() as connection:
        query = text("SELECT id FROM ce_activities WHERE slug = :slug")
        ce_activity_id = connection.execute(query, {"slug": slug}).scalar_one()
        values = {"learner_id": learner.learner_id, "ce_activity_id": ce_activity_id, "content": item}
        connection.execute(insert(ContentProgressRow).values(**values, intervals=[[0, seconds]], seconds=seconds))


async def test_content_shows_its_address_and_how_much_of_it_is_completed_and_needed(
    browser: Browser, learner: Person, engine: Engine
) -> None:
    slug = publish_example(engine, requirements=(content(allows_partial=False),), claim_window=ClaimWindow())
    page = await claimed(browser, slug)
    assert "0 of 60 minutes completed" in page.text
    assert 'href="https://site.example/"' in page.html
    assert '<noscript><meta http-equiv="refresh" content="60;' in page.html
    watched(engine, learner, slug, "video", 1800)
    page = await browser.get(page.path)
    assert "30 of 60 minutes completed" in page.text
    assert '<progress id="content-video" max="1800" value="1800"' in page.html
    watched(engine, learner, slug, "live", 1800)
    page = await browser.get(f"{page.path}?step=claim_credit&credit_type={TYPE}")
    assert "is what is awarded for the whole; a part cannot be claimed." in page.text
    assert 'type="number"' not in page.html


async def test_partial_credit_goes_up_to_what_progress_earned_and_a_certificate_elsewhere_is_linked(
    browser: Browser, learner: Person, engine: Engine
) -> None:
    elsewhere = CertificateIssue(issued="elsewhere", system="Member Center", url="https://members.example/")
    requirements = (content(allows_partial=True),)
    slug = publish_example(engine, requirements=requirements, certificate=elsewhere, claim_window=ClaimWindow())
    page = await claimed(browser, slug)
    watched(engine, learner, slug, "video", 1800)
    page = await browser.get(f"{page.path}?step=claim_credit&credit_type={TYPE}")
    assert 'max="0.50"' in page.html
    assert "30 of 60 minutes completed" in page.text
    done = await browser.send(page, f"{page.path}/credit", units="0.25", attested="1")
    with engine.begin() as connection:
        told = text("UPDATE claims SET notified_at = now(), stage = 'completed', closed_at = now() WHERE id = :id")
        connection.execute(told, {"id": done.path.rpartition("/")[2]})
    done = await browser.get(done.path)
    assert "Your certificate is issued by Member Center." in done.text
    assert 'href="https://members.example/"' in done.html


async def test_disclosures_are_read_page_by_page_and_acknowledged_at_the_end(browser: Browser, engine: Engine) -> None:
    page = await claimed(browser, publish_example(engine, **MEETING))
    assert (
        "Sessions can be claimed when the steps before are done." in (await browser.get(f"{page.path}/sessions")).text
    )
    page = await browser.send(page, f"{page.path}/statement", credit_type=TYPE)
    first = await browser.get(f"{page.path}/disclosures")
    assert "Page 1 of 2" in first.text
    assert "Acknowledge" not in first.text
    last = await browser.get(f"{page.path}/disclosures?page=99")
    unread = await browser.send(last, last.path)
    assert (unread.status, 'href="#acknowledged"' in unread.html) == (422, True)
    done = await browser.send(unread, last.path, acknowledged="1")
    assert re.search(r'<li data-state="done" data-kind="disclosures">', done.html)
    assert (await browser.get(f"{page.path}/disclosures")).path == page.path


async def test_a_session_is_saved_with_its_evaluation_and_can_be_changed_and_dropped(
    browser: Browser, engine: Engine
) -> None:
    claim = await at_sessions(browser, engine)
    without = await browser.get(f"{claim}/sessions/{FIRST}")
    refused = await browser.send(without, without.path, units="1.00")
    assert (refused.status, "There is a problem" in refused.text) == (422, True)
    saved = await with_session(browser, claim, FIRST, units="0.50")
    assert saved.path == f"{claim}/sessions"
    assert "✓ 0.50" in saved.text
    again = await browser.get(f"{claim}/sessions/{FIRST}")
    assert "This session is evaluated." in again.text
    await browser.send(again, again.path, units="1.00")
    summary = await browser.get(f"{claim}/summary")
    assert "1.00 of at most 1.25" in summary.text
    dropped = await browser.send(again, f"{again.path}/removal")
    assert "No session is claimed yet." in dropped.text


async def test_amounts_and_overlaps_of_sessions_are_refused_beside_the_form(browser: Browser, engine: Engine) -> None:
    claim = await at_sessions(browser, engine)
    for units, words in (
        ("0.30", "Claim in steps of 0.25."),
        ("2.00", "The most you can claim is 1.00."),
        ("x", "Enter an amount"),
    ):
        refused = await with_session(browser, claim, FIRST, units=units)
        assert refused.status in (409, 422)
        assert words in refused.text
        assert 'id="units-error"' in refused.html
    await with_session(browser, claim, SECOND, units="1.00")
    page = await browser.get(f"{claim}/sessions/{PARALLEL}")
    assert "You claim a session that was held at the same time: Session sepsis." in page.text
    refused = await with_session(browser, claim, PARALLEL, units="1.00")
    assert (refused.status, "Sessions overlap." in refused.text) == (409, True)
    assert (await browser.get(f"{claim}/sessions/absent")).status == 404


async def test_a_sessions_draft_comes_back_to_its_page(browser: Browser, engine: Engine) -> None:
    claim = await at_sessions(browser, engine)
    page = await browser.get(f"{claim}/sessions/{FIRST}")
    name, value = next(iter(RESPONSES.items()))
    saved = await browser.post(f"{claim}/drafts/session.{FIRST}", page.fields(page.path) | {name: value})
    assert saved.path == page.path
    assert saved.fields(page.path)[name] == value


async def test_the_summary_leads_to_a_warning_and_then_the_statement_is_final(browser: Browser, engine: Engine) -> None:
    claim = await at_sessions(browser, engine)
    await with_session(browser, claim, FIRST, units="1.00")
    summary = await browser.get(f"{claim}/summary")
    refused = await browser.send(summary, summary.path)
    assert (refused.status, "The attestation is missing." in refused.text) == (409, True)
    page = await browser.send(refused, summary.path, attested="1")
    assert "Warning: Are all sessions in?" in page.text
    kept = await browser.send(page, f"{claim}/finalization")
    assert (kept.status, "The confirmation is missing." in kept.text) == (409, True)
    final = await browser.send(kept, f"{claim}/finalization", confirmed="1")
    assert "Your credit is awarded" in final.text
    assert "Your statement is final." in (await browser.get(f"{claim}/summary")).text
    sessions = await browser.get(f"{claim}/sessions")
    assert f'href="{claim}/sessions/{SECOND}"' not in sessions.html
    assert "Your statement is final." in sessions.text
    late = await with_late_session(browser, claim)
    assert "This was done before, or in another window." in late.text


async def with_late_session(browser: Browser, claim: str) -> Page:
    """What a tab that was left open is answered."""
    return await browser.post(f"{claim}/sessions/{SECOND}", {"units": "1.00", **RESPONSES})


async def test_another_statement_may_be_chosen_while_nothing_is_final(browser: Browser, engine: Engine) -> None:
    claim = await at_sessions(browser, engine)
    page = await browser.get(f"{claim}?step=choose_statement")
    assert re.search(rf'value="{TYPE}"[^>]* checked', page.html)
    refused = await browser.send(page, f"{claim}/statement", credit_type="acpe_contact_hours")
    assert (refused.status, "Not eligible for this credit." in refused.text) == (409, True)
