"""Flow D of a society's meeting, line by line: from the badge to the transcript in a browser without scripts."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Desk
from tests.browser.pages import claim_id, expect_next, expect_step, follow, press, respond
from tests.e2e.meeting import BADGE_IDS, MEETING, ROSTERS, meeting_with_badges
from tests.e2e.office import Office, own_example
from tests.e2e.people import Town
from tests.e2e.test_flow_d import TELECONFERENCE, WEBINAR

OPENING = "Opening plenary: Diagnosis in a decade of resistance"
WORKSHOP = "Workshop: Validating a laboratory-developed test"
BLOOD_CULTURES = "Blood cultures: filling the bottle, and what fifteen minutes change"


@pytest.fixture(scope="module")
def meeting(office: Office) -> str:
    """A meeting with badges that only these tests use."""
    return meeting_with_badges(office, own_example(MEETING))


async def browse_to(page: Page, event_type: str, slug: str) -> None:
    """Look for an activity by event type, page by page, and open a claim for it."""
    await page.goto("/")
    await follow(page, "All available activities")
    await follow(page, event_type)
    await expect(page.get_by_role("table", name=event_type)).to_be_visible()
    found = page.locator(f'table a[href="/ce-activities/{slug}"]')
    while not await found.count():
        address = page.url
        await follow(page, "More activities")
        await expect(page).not_to_have_url(address)
    await found.click()
    await press(page, "Claim credit")


async def choose_statement(page: Page) -> None:
    await expect_next(page, "Select your statement of credit")
    await page.get_by_role("radio").first.check()
    await press(page, "Continue")


async def acknowledge(page: Page, pages: int) -> None:
    """Line 4: read the disclosures to the end; only there they can be acknowledged."""
    await follow(page, "Read the disclosures")
    for number in range(1, pages):
        await expect(page.get_by_text(f"Page {number} of {pages}")).to_be_visible()
        await follow(page, "Next page")
    await expect(page.get_by_text(f"Page {pages} of {pages}")).to_be_visible()
    await page.locator("#acknowledged").check()
    await press(page, "Acknowledge")


async def test_a_statement_of_credit_is_claimed_session_by_session_without_scripts(
    desk: Desk, town: Town, meeting: str
) -> None:
    person = town.learner()
    page = await desk.window(person, has_scripts=False)
    await browse_to(page, "Live meetings", meeting)
    await choose_statement(page)
    await give_badge(page)
    await acknowledge(page, 3)
    await claim_sessions(page)
    await finish(page)
    await read_transcript(page)
    certificate = person.get("/v1/transcript")["entries"][0]["certificate"]
    assert certificate["verification_code"]


async def give_badge(page: Page) -> None:
    """Line 3: a wrong badge is refused beside the field, the right one is taken as it is typed."""
    await expect(page.locator("#next")).to_contain_text("After five wrong tries you must wait an hour.")
    await page.get_by_label("Badge ID").fill("GL26-000000")
    await press(page, "Submit")
    await expect(page.get_by_role("alert")).to_contain_text("This id or code is not right.")
    await expect(page.get_by_label("Badge ID")).to_have_value("GL26-000000")
    await page.get_by_label("Badge ID").fill(f" {BADGE_IDS[0].lower()} ")
    await press(page, "Submit")
    await expect_next(page, "Read the disclosures")


async def claim_sessions(page: Page) -> None:
    """Lines 5 and 6: pages of sessions, each with its amount and evaluation; overlapping ones are refused."""
    await follow(page, "Go to the sessions")
    await expect(page.get_by_text("Page 1 of 3")).to_be_visible()
    await follow(page, "Next page")
    await expect(page.get_by_text("Page 2 of 3")).to_be_visible()
    await follow(page, "Page 1")
    await save_session(page, OPENING, "0.75")
    await save_session(page, WORKSHOP, "2.25")
    await follow(page, BLOOD_CULTURES)
    await expect(page.get_by_text("You claim a session that was held at the same time:")).to_be_visible()
    await respond(page, "")
    await press(page, "Save session")
    await expect(page.get_by_role("alert")).to_contain_text("overlap")
    await follow(page, "Back to the sessions")
    await page.get_by_role("navigation", name="Parts of this claim").get_by_role("link", name="Credit summary").click()
    await expect(page.locator(".lead")).to_contain_text("3.00 of at most 18.75")
    await expect(page.get_by_role("table", name="Sessions that I claim")).to_contain_text(WORKSHOP)


async def save_session(page: Page, title: str, units: str) -> None:
    await follow(page, title)
    await page.get_by_label("Credits requested").fill(units)
    await press(page, "Save session")
    # Its evaluation belongs to it.
    assert await page.locator("input:invalid").count() > 0
    await respond(page, "")
    await press(page, "Save session")
    row = page.get_by_role("row").filter(has_text=title)
    await expect(row).to_contain_text(f"✓ {units}")


async def finish(page: Page) -> None:
    """Line 7: the learner is warned, confirms, and the statement is final."""
    await page.locator("#attested").check()
    await press(page, "Claim 3.00")
    await expect_next(page, "Make your statement final")
    await expect(page.locator(".warning")).to_contain_text("Sessions cannot be added, changed or removed after that.")
    await press(page, "Make it final and print my certificate")
    assert not await page.locator("#confirmed").is_checked()
    await page.locator("#confirmed").check()
    await press(page, "Make it final and print my certificate")
    # The page loads itself again until the certificate is there.
    await expect(page.get_by_role("link", name="View certificate")).to_be_visible()
    claim = claim_id(page)
    await page.goto(f"/claims/{claim}/summary")
    await expect(page.get_by_text("Your statement is final.")).to_be_visible()
    await page.goto(f"/claims/{claim}/sessions/thu-a1")
    await expect(page.get_by_label("Credits requested")).to_have_count(0)


async def read_transcript(page: Page) -> None:
    """Line 8: among completed credits and certificates, by date and type."""
    await follow(page, "Transcript")
    table = page.get_by_role("table", name="Completed credits and certificates")
    await expect(table).to_contain_text("3.00")
    await page.get_by_label("Completed until").fill("2020-01-01")
    await press(page, "Show")
    await expect(page.get_by_text("There are no awards in this period.")).to_be_visible()
    await follow(page, "Show all")
    await page.locator("#credit_type").select_option("ama_pra_category_1")
    await press(page, "Show")
    await expect(table).to_contain_text("Annual Meeting 2026")


async def test_after_five_wrong_badges_also_the_right_one_must_wait(desk: Desk, town: Town, meeting: str) -> None:
    person = town.learner()
    claim = person.do(person.open_claim(meeting), "choose_statement", {"credit_type": "ama_pra_category_1"})
    page = await desk.window(person)
    await page.goto(f"/claims/{claim['id']}")
    for wrong in range(5):
        await page.get_by_label("Badge ID").fill(f"GL26-00000{wrong}")
        await press(page, "Submit")
        await expect(page.get_by_role("alert")).to_contain_text("This id or code is not right.")
    await page.get_by_label("Badge ID").fill(BADGE_IDS[1])
    await press(page, "Submit")
    await expect(page.get_by_role("alert")).to_contain_text("You can try again after")
    await expect_step(page, "Participation", "To do")


async def test_many_learners_of_a_site_share_the_group_id_of_their_teleconference(
    desk: Desk, town: Town, office: Office
) -> None:
    slug = office.publish(own_example(TELECONFERENCE))
    office.enrol(slug, (ROSTERS / "teleconference-groups.csv").read_bytes())
    for person in (town.learner(), town.learner("nurse")):
        page = await desk.window(person)
        await browse_to(page, "Teleconferences", slug)
        await choose_statement(page)
        await page.get_by_label("Group ID").fill("tc-4107")
        await press(page, "Submit")
        await acknowledge(page, 1)
        await expect_next(page, "Complete the evaluation")


async def test_the_page_of_a_webinar_goes_on_by_itself_once_the_roster_is_there(
    desk: Desk, town: Town, office: Office
) -> None:
    slug, person = office.publish(own_example(WEBINAR)), town.learner()
    page = await desk.window(person)
    await browse_to(page, "Webinars", slug)
    await choose_statement(page)
    await expect(page.locator("#next")).to_contain_text("As soon as you are on it, this step is done by itself.")
    await press(page, "Look me up now")
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.goto(f"/claims/{claim_id(page)}")
    await page.evaluate("window.isSamePage = true")
    office.enrol(slug, f"First name,Last name,E-mail\nAlice,Moreau,{person.email}\n".encode())
    await expect_next(page, "Complete the evaluation")
    assert await page.evaluate("window.isSamePage")
