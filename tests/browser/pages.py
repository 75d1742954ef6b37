"""What learners do on pages again and again, by the words that they read there."""

import re
from collections.abc import Mapping

from playwright.async_api import Page, expect

from tests.e2e.people import SIGN_IN_LINK, Person

CLAIM = re.compile(r"/claims/(clm_\w+)")


def link_in_mail(person: Person) -> str:
    """The link to sign in that came last."""
    message = person.wait_for_mail(lambda mail: SIGN_IN_LINK.search(mail["text"] or ""))
    found = SIGN_IN_LINK.search(message["text"])
    assert found is not None
    return f"/sign-in?token={found[1]}"


def claim_id(page: Page) -> str:
    """The claim that a page is about."""
    found = CLAIM.search(page.url)
    assert found is not None, page.url
    return found[1]


async def press(page: Page, name: str) -> None:
    """Press the button with this name."""
    await page.get_by_role("button", name=name, exact=True).click()


async def follow(page: Page, name: str) -> None:
    """Follow the link with this name."""
    await page.get_by_role("link", name=name, exact=True).first.click()


async def expect_next(page: Page, heading: str) -> None:
    """The card of what is next has this heading, at once or as soon as the page follows the claim there."""
    await expect(page.locator("#next").get_by_role("heading", level=2)).to_have_text(heading)


async def expect_step(page: Page, step: str, state: str) -> None:
    """The checklist shows a step in this state, by a word."""
    row = page.locator("#status li").filter(has=page.get_by_text(step, exact=True))
    await expect(row.locator(".state")).to_have_text(state)


async def respond(page: Page, text: str = "I will measure at home before I treat.") -> None:
    """Answer each question of an evaluation with its first option, or with a text."""
    await page.locator(".questions").wait_for()
    for group in await page.locator(".questions fieldset").all():
        await group.get_by_role("radio").first.check()
    for field in await page.locator(".questions textarea").all():
        await field.fill(text)


async def answer(page: Page, answers: Mapping[str, str]) -> None:
    """Choose these options, by question."""
    for question, option in answers.items():
        await page.locator(f'.questions input[name$="{question}"][value="{option}"]').check()


async def attest(page: Page, units: str | None = None) -> None:
    """Type an amount where one is asked for, attest to it, and claim it."""
    if units is not None:
        await page.get_by_label("Number of credits").fill(units)
    await page.locator("#attested").check()
    await press(page, "Claim")
