"""Flow A of a university hospital, line by line, as a learner goes through its pages."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Desk
from tests.browser.pages import attest, claim_id, expect_next, expect_step, follow, link_in_mail, press, respond
from tests.e2e.office import Office
from tests.e2e.people import Person, Town
from tests.e2e.test_flow_a import NABP, days_from_now, definition, new_code, unique_name


@pytest.fixture(scope="module")
def code() -> str:
    return new_code()


@pytest.fixture(scope="module")
def slug(office: Office, code: str) -> str:
    return office.publish(definition(code))


async def sign_in_by_mail(page: Page, person: Person) -> None:
    """Ask for a link, read the mail, and press the button of the page that the link opens."""
    await page.get_by_label("E-mail address").fill(person.email)
    await press(page, "Send me a link")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Check your e-mail")
    link = link_in_mail(person)
    # A scanner of mails opens the link first; that uses nothing up.
    assert (await page.request.get(link)).ok
    await page.goto(link)
    await press(page, "Sign in")


async def look_up(page: Page, family_name: str, employee_id: str) -> None:
    await page.get_by_label("First name").fill("Priya")
    await page.get_by_label("Last name").fill(family_name)
    await page.get_by_label("Employee ID").fill(employee_id)
    await press(page, "Look")


async def test_a_newcomer_follows_the_link_with_the_code_and_leaves_with_a_certificate(
    desk: Desk, town: Town, slug: str, code: str
) -> None:
    page, person = await desk.window(), town.newcomer()
    # 1: the link carries the code, which is filled in and cannot be changed.
    await page.goto(f"/ce-activities?code={code}")
    await expect(page.get_by_role("heading", level=2, name="Claim CPE")).to_be_visible()
    await follow(page, "Sign in and claim credit")
    # 2 and 3: an unknown address is looked up before it becomes an account.
    await sign_in_by_mail(page, person)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Do we know you already?")
    await look_up(page, unique_name(), "n/a")
    await expect(page.get_by_role("heading", level=1)).to_have_text("No account was found")
    await press(page, "Continue")
    await create_profile(page)
    # 5: back at the activity with its code, then the evaluation in full.
    field = page.locator("#code")
    await expect(field).to_have_value(code)
    await expect(field).to_have_attribute("readonly", "")
    await press(page, "Claim credit")
    await expect(page.get_by_label("Activity code")).to_have_value(code)
    await expect(page.get_by_label("Activity code")).not_to_be_editable()
    await press(page, "Submit")
    await evaluate(page)
    await choose_type(page)
    await choose_amount(page)
    # 8: the certificate is there at once, to print, or as a link by mail.
    await follow(page, "View certificate")
    await print_and_have_it_sent(page, person)


async def create_profile(page: Page) -> None:
    """Line 4: what must be filled in is marked, and asked for; names that were typed are there, and the time zone."""
    await expect(page.locator('label[for="credentials"]')).to_have_class("required")
    await press(page, "Create account")
    await expect(page).to_have_url(re.compile("/profile/new$"))
    await expect(page.locator("input:invalid")).to_have_count(1)
    await expect(page.get_by_label("First name")).not_to_have_value("")
    await expect(page.get_by_label("Your time zone")).to_have_value("UTC")
    await page.get_by_label("First name").fill("Priya")
    await page.get_by_label("Last name").fill("Nair")
    await page.get_by_label("Credentials").fill("PharmD")
    await page.get_by_label("Profession").select_option("Pharmacist")
    await press(page, "Create account")
    await expect(page.get_by_role("status")).to_contain_text("Account created.")


async def evaluate(page: Page) -> None:
    """Line 5: the evaluation is taken in full."""
    await expect_next(page, "Complete the evaluation")
    await expect_step(page, "Participation", "Done")
    await follow(page, "Open the evaluation")
    await press(page, "Done")
    await expect(page).to_have_url(re.compile("/evaluation$"))
    await respond(page)
    await press(page, "Done")


async def choose_type(page: Page) -> None:
    """Line 6: of the types of credit only those of the profession; with what the registry of this one needs."""
    await expect_next(page, "Choose the type of credit")
    offered = page.locator("#next").get_by_role("radio")
    await expect(offered).to_have_count(2)
    codes = [await each.get_attribute("value") for each in await offered.all()]
    assert codes == ["acpe_contact_hours", "participation"]
    await offered.first.check()
    await press(page, "Continue")
    await expect_next(page, "Your profile is not complete")
    await follow(page, "Complete my profile")
    await expect(page.locator('label[for="nabp_eprofile_id"]')).to_have_class("required")
    for name, value in NABP.items():
        await page.locator(f"#{name}").fill(value)
    await press(page, "Save")
    await expect_next(page, "Choose the type of credit")
    await offered.first.check()
    await press(page, "Continue")
    await expect_next(page, "Claim credit")


async def choose_amount(page: Page) -> None:
    """Line 7: step down and up, type what is between the steps, and claim what is one of them."""
    amount = page.get_by_label("Number of credits")
    await expect(amount).to_have_value("1.00")
    await page.get_by_role("button", name="More").click()
    await expect(amount).to_have_value("1.00")
    await page.get_by_role("button", name="Less").click()
    await expect(amount).to_have_value("0.75")
    await attest(page, "0.60")
    assert await amount.evaluate("field => field.validity.stepMismatch")
    await attest(page, "1.25")
    assert await amount.evaluate("field => field.validity.rangeOverflow")
    await attest(page, "0.75")


async def print_and_have_it_sent(page: Page, person: Person) -> None:
    code = await page.locator("dd code").inner_text()
    await press(page, "Send me a link")
    await expect(page.get_by_role("status")).to_contain_text("e-mail")
    claim = claim_id(page)
    mail = person.wait_for_mail(lambda message: message["subject"].startswith("Your certificate:"))
    assert re.search(rf"/claims/{claim}/certificate\s", mail["text"])
    await page.goto(f"/claims/{claim}/certificate")
    await follow(page, "Print certificate")
    await page.emulate_media(media="print")
    for words in ("Priya Nair", "0.75", "0999-0000-26-121-L01-P", code):
        await expect(page.get_by_text(words).first).to_be_visible()


async def test_a_code_that_is_wrong_or_was_changed_is_refused_with_what_to_do(
    desk: Desk, town: Town, slug: str, code: str
) -> None:
    page = await desk.window(town.learner("pharmacist", credentials="PharmD"))
    await page.goto(f"/ce-activities?code={code}0")
    await expect(page.get_by_role("alert")).to_contain_text("No activity has this code")
    await page.goto(f"/ce-activities?code={code}")
    await press(page, "Claim credit")
    await page.get_by_label("Activity code").evaluate("field => { field.value = 'RX-0000' }")
    await press(page, "Submit")
    await expect(page).to_have_title(re.compile("^Error:"))
    await expect(page.get_by_role("alert")).to_be_focused()
    await expect(page.get_by_role("alert")).to_contain_text("This id or code is not right.")
    await follow(page, "History of this claim")
    await expect(page.locator(".timeline")).to_contain_text("refused")


async def test_who_is_known_under_another_address_is_led_there_and_nothing_is_told_about_it(
    desk: Desk, town: Town, slug: str
) -> None:
    known = town.learner("pharmacist", given_name="Priya", family_name=unique_name(), credentials="PharmD")
    page, newcomer = await desk.window(), town.newcomer()
    await page.goto(f"/ce-activities/{slug}/claim")
    await sign_in_by_mail(page, newcomer)
    earlier = link_in_mail(known)
    await look_up(page, known.get("/v1/me")["family_name"], "NA")
    await expect(page.get_by_role("heading", level=1)).to_have_text("You have an account already")
    assert known.email not in await page.content()
    known.wait_for_mail(lambda _: link_in_mail(known) != earlier)
    await page.goto(link_in_mail(known))
    await press(page, "Sign in")
    await expect(page.get_by_role("heading", level=2, name="Claim CPE")).to_be_visible()
    await page.goto("/profile")
    await expect(page.get_by_text(known.email)).to_be_visible()


async def test_after_the_deadline_the_page_says_when_it_was_and_takes_a_request_for_more_time(
    desk: Desk, town: Town, office: Office
) -> None:
    code, held_on = new_code(), days_from_now(-9)
    slug = office.publish(definition(code, starts_on=held_on, ends_on=held_on, closes_on=days_from_now(-3)))
    person = town.learner("pharmacist", credentials="PharmD", time_zone="Europe/Paris")
    page = await desk.window(person)
    await page.goto(f"/ce-activities/{slug}?code={code}")
    await press(page, "Claim credit")
    await expect(page.get_by_role("alert")).to_contain_text("The deadline has passed")
    await follow(page, "Go to my claim")
    await expect_next(page, "The deadline has passed")
    closed = page.locator("#next time")
    await expect(closed).to_contain_text("23:59 (Chicago, UTC-")
    await expect(page.locator("#next")).to_contain_text("your time:")
    assert (await closed.get_attribute("datetime") or "").startswith(f"{days_from_now(-3)}T23:59")
    await page.get_by_label("Why do you need more time?").fill("I was on parental leave.")
    await press(page, "Ask for more time")
    await expect(page.get_by_text("You asked for more time.")).to_be_visible()
    extend = f"/v1/staff/claims/{claim_id(page)}/extend"
    answer = office.send("POST", extend, {"due_on": days_from_now(10), "reason": "Parental leave."})
    assert answer.status_code == 200, answer.text
    await page.reload()
    await expect(page.get_by_label("Activity code")).to_be_editable()
