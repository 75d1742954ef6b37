"""Flow C of the learner wallet, line by line: once with a keyboard only."""

import re

import pytest
from playwright.async_api import Page, expect

from cli.demo import STORY
from cli.learner import Json
from tests.browser.conftest import Desk
from tests.browser.keyboard import choose, enter, go_to, tick, type_into
from tests.browser.pages import answer, expect_next, expect_step, follow, press
from tests.claims import right_answers, wrong_answers
from tests.e2e.office import Office, own_example
from tests.e2e.people import POLICY, Person

GRADING_SECONDS = 5


@pytest.fixture(scope="module")
def course(office: Office) -> str:
    """The story's course, whose post-tests are graded slowly enough to look on."""
    return office.publish(own_example(STORY).replace("grading_seconds: 30", f"grading_seconds: {GRADING_SECONDS}"))


async def test_a_claim_is_completed_with_a_keyboard_only(desk: Desk, learner: Person) -> None:
    page = await desk.window(learner)
    await page.goto(f"/ce-activities/{STORY}")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await enter(page, page.get_by_role("button", name="Claim credit"))
    # 1: how they took part is an option of a drop-down.
    await go_to(page.get_by_label("I took part"))
    await page.keyboard.type("By live stream")
    await enter(page, page.get_by_role("button", name="Confirm"))
    # 2: the passing score is shown before the start.
    await expect(page.locator("#next")).to_contain_text("80 %")
    await enter(page, page.get_by_role("button", name="Start attempt"))
    await page.locator(".questions").wait_for()
    for question, option in right_answers(POLICY).items():
        group = page.locator(".questions fieldset").filter(has=page.locator(f'[name$="{question}"]'))
        await choose(page, group, option)
    await enter(page, page.get_by_role("button", name="Submit final answers"))
    # 3: the evaluation unlocks by itself.
    await enter(page, page.get_by_role("link", name="Open the evaluation"))
    await evaluate_by_keyboard(page)
    # 8: the amount is attested to.
    await tick(page, page.locator("#next").get_by_role("radio").first)
    await enter(page, page.get_by_role("button", name="Continue"))
    await type_into(page, page.get_by_label("Number of credits"), "0.75")
    await tick(page, page.locator("#attested"))
    await page.keyboard.press("Enter")
    await enter(page, page.get_by_role("link", name="View certificate"))
    await expect(page.locator(".lead .amount")).to_have_text("0.75")


async def evaluate_by_keyboard(page: Page) -> None:
    """Line 4: the evaluation is taken in full."""
    await page.locator(".questions").wait_for()
    for group in await page.locator(".questions fieldset").all():
        await tick(page, group.get_by_role("radio").first)
    for field in await page.locator(".questions textarea").all():
        await type_into(page, field, "I will measure at home.")
    await enter(page, page.get_by_role("button", name="Done"))


async def test_a_failed_attempt_shows_its_score_and_the_next_one_unlocks_the_evaluation_by_itself(
    desk: Desk, learner: Person, course: str
) -> None:
    page = await desk.window(learner)
    await page.goto(f"/ce-activities/{course}")
    await press(page, "Claim credit")
    await page.get_by_label("I took part").select_option("By live stream")
    await press(page, "Confirm that I took part")
    await expect_step(page, "Post-test", "To do")
    await hand_in(page, wrong_answers(POLICY))
    await watch_the_grading(page)
    await expect_next(page, "Not passed this time")
    await expect(page.locator("#next")).to_contain_text("You reached 0 % (0 of 5 answers right). 80 % are needed.")
    await expect(page.locator("#next dd").last).to_have_text("2 of 3")
    await hand_in(page, right_answers(POLICY))
    await page.evaluate("window.isSamePage = true")
    await expect_step(page, "Evaluation", "Locked")
    # Whoever opens the evaluation's address before is led back to what is waited for.
    early = await page.context.new_page()
    await early.goto(f"{page.url}/evaluation")
    await expect_next(early, "Your post-test is being graded")
    await early.close()
    await expect_next(page, "Complete the evaluation")
    await expect_step(page, "Post-test", "Done")
    await expect(page.locator("#announcement")).to_contain_text("Complete the evaluation")
    assert await page.evaluate("window.isSamePage")


async def hand_in(page: Page, answers: dict[str, str]) -> None:
    """Start an attempt; every question needs an answer before it is handed in."""
    await press(page, "Start attempt")
    await page.locator(".questions").wait_for()
    first, *others = answers
    await answer(page, {question: answers[question] for question in others})
    await press(page, "Submit final answers")
    assert await page.locator("input:invalid").count() > 0
    await answer(page, {first: answers[first]})
    await press(page, "Submit final answers")
    await expect_next(page, "Your post-test is being graded")


async def watch_the_grading(page: Page) -> None:
    """Line 3: the time runs down, and goes on where it was when the page is loaded again."""
    left = page.locator("[data-seconds]")
    await expect(left).to_have_text(re.compile(r"^[1-4] s$"))
    await page.reload()
    await expect(left).to_have_text(re.compile(r"^[0-4] s$"))


async def test_a_draft_of_the_post_test_is_kept_when_the_page_is_left(desk: Desk, learner: Person) -> None:
    learner.take_part()
    page = await desk.window(learner)
    await page.goto("/")
    await page.get_by_role("link", name="Continue").click()
    await press(page, "Start attempt")
    (question, option), *_ = right_answers(POLICY).items()
    await page.locator(".questions").wait_for()
    await answer(page, {question: option})
    await expect(page.locator("[data-draft-status]")).to_have_text("Draft saved.")
    elsewhere = await desk.window(learner)
    await elsewhere.goto(page.url)
    await expect(elsewhere.locator(f'.questions input[name$="{question}"][value="{option}"]')).to_be_checked()


async def test_the_wallet_keeps_the_credit_and_the_certificate_which_anyone_can_verify(
    desk: Desk, holder: tuple[Person, Json]
) -> None:
    person, claim = holder
    page, certificate = await desk.window(person), claim["certificate"]
    # 5: the links of the award's e-mail lead to the wallet and back to the course.
    (mail,) = person.award_mails()
    links = re.findall(rf"{re.escape(desk.api_url)}\S*", mail["text"])
    assert {f"{desk.api_url}/", f"{desk.api_url}/ce-activities/{STORY}"} <= set(links)
    # 6: totals by credit type and year, and the certificate's details.
    await page.goto("/")
    await expect(page.get_by_role("list", name="Totals")).to_contain_text("1.00")
    await follow(page, "Wallet")
    await expect(page.get_by_role("table", name="Credit by year and type")).to_contain_text("AMA PRA Category 1")
    await page.get_by_role("link", name=re.compile("certificate", re.IGNORECASE)).first.click()
    await expect(page.get_by_text(certificate["verification_code"]).first).to_be_visible()
    # 7: the file is the same every time, and the page prints the same.
    for _ in range(2):
        async with page.expect_download() as download:
            await follow(page, "Download PDF")
        downloaded = (await (await download.value).path()).read_bytes()
        assert downloaded == person.certificate(claim["id"])
    await follow(page, "Print certificate")
    button = page.get_by_role("button", name="Print", exact=True)
    await expect(button).to_be_visible()
    await page.emulate_media(media="print")
    await expect(button).to_be_hidden()
    for words in ("Alice Moreau", POLICY.title, certificate["verification_code"]):
        await expect(page.get_by_text(words).first).to_be_visible()
    stranger = await desk.window()
    await stranger.goto("/verify")
    await stranger.get_by_label("Verification code").fill(certificate["verification_code"].lower())
    await press(stranger, "Verify the code")
    await expect(stranger.locator(".verdict")).to_have_class(re.compile("valid"))
    await expect(stranger.get_by_text("Alice Moreau")).to_be_visible()
