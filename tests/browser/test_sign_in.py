"""Signing in and out in a real browser, which says by itself where its forms come from."""

import pytest
from playwright.async_api import expect

from cli.local import LocalStack
from tests.browser.conftest import Desk
from tests.e2e.people import SIGN_IN_LINK, Town


@pytest.mark.parametrize("has_scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_person_signs_in_by_a_link_sees_where_and_signs_out(
    has_scripts: bool, desk: Desk, stack: LocalStack, town: Town
) -> None:
    page, person = await desk.window(has_scripts=has_scripts), town.learner()
    earlier = {mail["id"] for mail in person._messages()}
    await page.goto(f"{stack.urls['api']}/profile/sessions")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await page.get_by_label("E-mail address").fill("no address")
    await page.get_by_role("button", name="Send me a link").click()
    await expect(page.get_by_role("alert")).to_contain_text("Enter an address such as")
    await page.get_by_label("E-mail address").fill(person.email)
    await page.get_by_role("button", name="Send me a link").click()
    await expect(page.get_by_role("status")).to_contain_text("a link to sign in is on its way")
    found = SIGN_IN_LINK.search(person.wait_for_mail(lambda mail: mail["id"] not in earlier)["text"])
    assert found is not None
    await page.goto(f"{stack.urls['api']}/sign-in?token={found[1]}")
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Where you are signed in")
    await expect(page.get_by_role("region", name="This browser")).to_contain_text("Chrome on Linux")
    await page.get_by_role("button", name="Sign out here").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
