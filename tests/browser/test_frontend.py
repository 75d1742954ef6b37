"""A front end of one's own, on another origin: it signs a learner in and drives a claim to its certificate."""

import asyncio
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Route, expect

from cli.demo import STORY
from tests.browser.conftest import Desk
from tests.browser.frontend import Frontend
from tests.claims import right_answers
from tests.e2e.office import Office, own_example, own_slug
from tests.e2e.people import POLICY, SIGN_IN_LINK, Person, Town


@pytest.fixture(scope="module")
def title(office: Office) -> str:
    """The title of a course that nothing else in the stack is called."""
    title = own_slug("Hypertension")
    text = own_example(STORY).replace("grading_seconds: 30", "grading_seconds: 2")
    office.publish(text.replace("\ntitle: Managing Hypertension in Primary Care\n", f"\ntitle: {title}\n"))
    return title


async def signed_in(page: Page, person: Person, frontend: Frontend) -> None:
    """Ask for a link in the front end, and paste it from the mail."""
    earlier = {mail["id"] for mail in person._messages()}
    await page.goto(frontend.origin)
    await page.get_by_label("E-mail address").fill(person.email)
    await page.get_by_role("button", name="Send me a link").click()
    found = SIGN_IN_LINK.search(person.wait_for_mail(lambda mail: mail["id"] not in earlier)["text"])
    assert found is not None
    await page.get_by_label("The link from the e-mail").fill(f"{person.stack.urls['api']}/sign-in?token={found[1]}")
    await page.get_by_role("button", name="Sign in").click()


async def answer_questions(page: Page, form: str) -> None:
    """Answer every question of an evaluation somehow."""
    section = page.get_by_role("form", name=form)
    for question in await section.locator("fieldset").all():
        await question.get_by_role("radio").first.check()
    for text in await section.locator("textarea").all():
        await text.fill("I will measure at home before I treat.")
    await section.get_by_role("button").click()


async def test_a_page_on_another_origin_drives_a_claim_from_signing_in_to_the_certificate(
    desk: Desk, town: Town, frontend: Frontend, title: str
) -> None:
    page = await desk.window()
    await signed_in(page, town.newcomer(), frontend)
    await page.get_by_label("Given name").fill("Alice")
    await page.get_by_label("Family name").fill("Moreau")
    await page.get_by_label("Profession").select_option("physician")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("button", name=f"Claim credit for {title}").click()

    await page.get_by_role("group", name="You took part").get_by_role("radio").first.check()
    await page.get_by_role("button", name="How you took part").click()
    await page.get_by_text("% pass.").wait_for()
    await page.get_by_role("button", name="Post-test").click()
    for question, option in right_answers(POLICY).items():
        await page.locator(f'input[name="question-{question}"][value="{option}"]').check()
    await page.get_by_role("button", name="Post-test").click()
    # Nobody asks: the stream of events says when the test is graded.
    await page.get_by_role("button", name="Evaluation").wait_for()
    await answer_questions(page, "Evaluation")

    credit = page.get_by_role("form", name="Your credit")
    await credit.get_by_role("radio").first.check()
    await credit.get_by_role("checkbox").check()
    offered = await credit.get_by_label("Units").input_value()
    await credit.get_by_label("Units").fill("100.00")
    await credit.get_by_role("button").click()
    problem = page.locator("#problem")
    await expect(problem).to_contain_text("The amount is above the maximum")
    await expect(problem).to_contain_text("limit:")
    await credit.get_by_label("Units").fill(offered)
    await credit.get_by_role("button").click()

    await expect(page.locator("#award")).to_contain_text(f"Awarded: {offered}")
    await expect(page.locator("#stage")).to_have_attribute("data-stage", "completed", timeout=20_000)
    await page.get_by_role("button", name="Get the certificate").click()
    link = page.get_by_role("link", name="Certificate (PDF)")
    async with page.expect_download() as download:
        await link.click()
    content = (await (await download.value).path()).read_bytes()
    assert content.startswith(b"%PDF-")
    assert desk.hosts == {urlsplit(frontend.origin).netloc, urlsplit(desk.api_url).netloc}


async def test_a_stream_that_a_busy_server_refused_is_opened_again(
    desk: Desk, town: Town, frontend: Frontend, title: str
) -> None:
    page, is_refused = await desk.window(), asyncio.Event()

    async def refused_once(route: Route) -> None:
        if is_refused.is_set():
            await route.continue_()
            return
        is_refused.set()
        await route.fulfill(status=503, headers={"Access-Control-Allow-Origin": frontend.origin}, json={"code": "busy"})

    await signed_in(page, town.newcomer(town.learner().email), frontend)
    await page.route("**/events", refused_once)
    await page.get_by_role("button", name=f"Claim credit for {title}").click()
    await page.get_by_role("group", name="You took part").wait_for()
    assert is_refused.is_set()
    desk.errors.clear()


async def test_a_session_that_ended_elsewhere_leads_back_to_signing_in(
    desk: Desk, town: Town, frontend: Frontend, title: str
) -> None:
    page, person = await desk.window(), town.learner()
    await signed_in(page, town.newcomer(person.email), frontend)
    await page.get_by_role("button", name=f"Claim credit for {title}").wait_for()
    assert person.send("DELETE", "/v1/me/sessions").status_code == 204
    await page.get_by_role("button", name=f"Claim credit for {title}").click()
    await page.get_by_role("button", name="Send me a link").wait_for()
    await expect(page.locator("#problem")).to_contain_text("Not signed in")


async def test_a_link_that_leads_here_signs_in_and_leaves_no_token_in_the_address(
    desk: Desk, town: Town, frontend: Frontend
) -> None:
    page, person = await desk.window(), town.newcomer()
    person.send("POST", "/v1/session/links", {"email": person.email})
    message = person.wait_for_mail(lambda mail: SIGN_IN_LINK.search(mail["text"] or ""))
    found = SIGN_IN_LINK.search(message["text"])
    assert found is not None
    await page.goto(f"{frontend.origin}/?token={found[1]}")
    await page.get_by_role("heading", name="Who you are").wait_for()
    assert urlsplit(page.url).query == ""
