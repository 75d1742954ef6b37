"""Flow B of an event site, line by line, on a phone: 390 pixels wide, by touch."""

import re
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from playwright.async_api import Page, expect

from cli.local import LocalStack
from tests.browser.conftest import Desk
from tests.browser.pages import attest, expect_next, expect_step
from tests.e2e.office import Office, Platform, own_example
from tests.e2e.people import Person, Town
from tests.e2e.test_flow_b import ELSEWHERE, MINUTE, PARTIAL, WHOLE, claim_of

MORE_THAN_A_MINUTE = 61_000


@pytest.fixture(scope="module")
def conference(office: Office) -> str:
    """Credit in parts, and the certificate elsewhere."""
    return office.publish(own_example(PARTIAL))


@pytest.fixture(scope="module")
def platform(stack: LocalStack) -> Platform:
    return Platform.connected(stack)


@pytest.fixture
def nurse(town: Town) -> Person:
    return town.learner("nurse", given_name="Tomas", family_name="Rivera", credentials="RN", time_zone="America/Denver")


@pytest.fixture
async def phone(desk: Desk, nurse: Person) -> Page:
    return await desk.window(nurse, width=390, height=844, is_phone=True)


async def tap(page: Page, role: Literal["link", "button"], name: str) -> None:
    """Touch a link or a button."""
    await page.get_by_role(role, name=name, exact=True).first.tap()


async def fits(page: Page) -> bool:
    """Whether nothing of the page is beside the screen."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


async def test_credit_in_the_profile_grows_as_the_platform_reports_and_is_claimed_in_part(
    phone: Page, nurse: Person, platform: Platform, conference: str
) -> None:
    platform.report(nurse, conference, "opening", (0, 10 * MINUTE))
    claim = claim_of(nurse)
    # 1 and 2: under the organisation's own acronym, in progress.
    await phone.goto("/")
    await expect(phone.get_by_role("heading", level=1)).to_have_text("My CEU")
    await expect(phone.get_by_role("link", name="My CEU")).to_be_visible()
    card = phone.locator("section", has=phone.locator("#now")).locator(".card")
    await expect(card).to_contain_text("10 of 300 minutes completed")
    assert await fits(phone)
    await card.get_by_role("link", name="Continue").tap()
    # 3 and 4: each content leads to its own address, and shows live what is done and needed.
    await expect_next(phone, "Complete the content")
    opening = phone.locator("ul.content li").filter(has_text="Opening lecture")
    await expect(opening.get_by_role("link")).to_have_attribute(
        "href", "https://conference.ridgeline-nurses.example/2026/watch/opening"
    )
    await expect(opening).to_contain_text("10 of 45 minutes")
    platform.report(nurse, conference, "opening", (5 * MINUTE, 20 * MINUTE))
    await expect(opening).to_contain_text("20 of 45 minutes")
    platform.report(nurse, conference, "opening", (0, 45 * MINUTE))
    platform.report(nurse, conference, "pressure", (0, 20 * MINUTE))
    # 6: what can be claimed is listed, and its questions come first.
    await expect(phone.locator("#status")).to_contain_text("To do")
    await phone.goto("/")
    ready = phone.locator("section", has=phone.locator("#ready")).locator(".card")
    await ready.get_by_role("link", name="Claim").tap()
    await expect_next(phone, "Complete the evaluation")
    await tap(phone, "link", "Open the evaluation")
    await answer_by_touch(phone)
    await tap(phone, "button", "Save and continue")
    # 7: an amount up to what progress has earned.
    await claim_part(phone)
    # 8: the certificate is issued in the organisation's own system.
    await expect_next(phone, "Completed")
    await expect(phone.locator("#next")).to_contain_text("0.75")
    link = phone.get_by_role("link", name=f"Go to {ELSEWHERE['system']}")
    await expect(link).to_have_attribute("href", ELSEWHERE["url"])
    await expect(phone.get_by_role("link", name="Download certificate")).to_have_count(0)
    assert nurse.claim(claim["id"])["award"]["units"] == "0.75"


async def answer_by_touch(page: Page) -> None:
    await page.locator(".questions").wait_for()
    for group in await page.locator(".questions fieldset").all():
        await group.get_by_role("radio").first.tap()
    for field in await page.locator(".questions textarea").all():
        await field.fill("Take photographs.")
    assert await fits(page)


async def claim_part(page: Page) -> None:
    """45 and 20 minutes earn one hour; a quarter less is claimed by touch, after a comma was typed."""
    await expect_next(page, "Choose the type of credit")
    await page.get_by_role("radio").first.tap()
    await tap(page, "button", "Continue")
    amount = page.get_by_label("Number of credits")
    await expect(amount).to_have_value("1.00")
    box = await page.get_by_role("button", name="Less").bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 24
    await page.get_by_role("button", name="Less").tap()
    await expect(amount).to_have_value("0.75")
    assert await fits(page)
    await attest(page)


async def test_what_staff_release_later_appears_on_home_by_itself(
    phone: Page, office: Office, nurse: Person, platform: Platform
) -> None:
    planned = own_example(WHOLE).replace("\nstatus: published\n", "\nstatus: draft\n")
    title = f"Safe transfers {office.publish(planned)[-6:]}"
    await phone.clock.install()
    await phone.goto("/")
    await expect(phone.get_by_text(title)).to_have_count(0)
    released = re.sub(r"(?m)^title: .+$", f"title: {title}", planned).replace("status: draft", "status: published")
    slug = office.publish(released)
    platform.report(nurse, slug, "mobility", (0, 10 * MINUTE))
    claim_of(nurse)
    await phone.clock.fast_forward(MORE_THAN_A_MINUTE)
    await expect(
        phone.locator("section", has=phone.locator("#now")).get_by_role("link", name=title, exact=True)
    ).to_be_visible()


async def test_before_its_date_credit_is_earned_and_the_page_says_when_claiming_opens(
    phone: Page, nurse: Person, office: Office, platform: Platform
) -> None:
    opens_on = (datetime.now(UTC) + timedelta(days=2)).date()
    slug = office.publish(own_example(PARTIAL).replace("opens_on: 2026-10-01", f"opens_on: {opens_on}"))
    platform.report(nurse, slug, "opening", (0, 45 * MINUTE))
    claim = claim_of(nurse)
    nurse.until(claim["id"], lambda status: status["stage"] == "awaiting_window")
    await phone.goto(f"/claims/{claim['id']}")
    await expect_next(phone, "Claiming is not open yet")
    await expect(phone.locator("#next")).to_contain_text(f"{opens_on.day} {opens_on:%b %Y}, 00:00 (Denver, UTC-")
    await expect(phone.locator("#next")).to_contain_text("We tell you by e-mail when it does.")
    await expect_step(phone, "Claiming is open", "Waiting")
    # What is earned until then shows live.
    platform.report(nurse, slug, "reading", (0, 25 * MINUTE))
    reading = phone.locator("ul.content li").filter(has_text="Reading: Documenting")
    await expect(reading).to_contain_text("Complete")


async def test_what_is_claimed_whole_leads_to_the_certificate_that_is_issued_here(
    phone: Page, nurse: Person, office: Office, platform: Platform
) -> None:
    slug = office.publish(own_example(WHOLE))
    for content, minutes in {"mobility": 20, "lifts": 30, "plan": 10}.items():
        platform.report(nurse, slug, content, (0, minutes * MINUTE))
    claim = claim_of(nurse)
    nurse.until(claim["id"], lambda status: status["stage"] == "ready_to_claim")
    await phone.goto(f"/claims/{claim['id']}/evaluation")
    await answer_by_touch(phone)
    await tap(phone, "button", "Save and continue")
    await phone.get_by_role("radio").first.tap()
    await tap(phone, "button", "Continue")
    await expect(phone.get_by_text("a part cannot be claimed")).to_be_visible()
    await attest(phone)
    async with phone.expect_download() as download:
        await phone.get_by_role("link", name="Download certificate").tap()
    downloaded = (await (await download.value).path()).read_bytes()
    assert downloaded == nurse.certificate(claim["id"])
