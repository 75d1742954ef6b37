"""A claim that is open twice is one claim with one outcome: two tabs, a double click, the back button, two devices."""

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from cli.demo import STORY
from tests.browser.conftest import Desk
from tests.browser.pages import claim_id, expect_next, press, respond
from tests.e2e.people import Person


async def to_credit(page: Page, claim: str) -> None:
    """Open the form that claims the credit, ready to be sent."""
    await page.goto(f"/claims/{claim}?step=claim_credit&credit_type=ama_pra_category_1")
    await page.locator("#attested").check()


def outcomes(person: Person, claim: str) -> tuple[str, int]:
    """The units that were awarded, and how often the history tells of an award."""
    done = person.until(claim, lambda status: status["stage"] == "completed")
    entries = person.get(f"{done['href']}/history")["data"]
    return done["award"]["units"], len([entry for entry in entries if entry["event"] == "credit.awarded"])


async def test_a_button_pressed_twice_opens_one_claim(desk: Desk, learner: Person) -> None:
    page = await desk.window(learner)
    await page.goto(f"/ce-activities/{STORY}")
    await page.get_by_role("button", name="Claim credit").dblclick()
    await expect(page.get_by_label("I took part")).to_be_visible()
    assert [each["id"] for each in learner.get("/v1/claims")["data"]] == [claim_id(page)]


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no-scripts"])
async def test_a_double_click_claims_credit_once(desk: Desk, learner: Person, has_scripts: bool) -> None:
    claim = learner.reach_credit()["id"]
    page = await desk.window(learner, has_scripts=has_scripts)
    await to_credit(page, claim)
    await page.get_by_label("Number of credits").fill("0.75")
    await page.get_by_role("button", name="Claim", exact=True).dblclick()
    await expect(page.locator("#next")).to_contain_text("0.75")
    assert outcomes(learner, claim) == ("0.75", 1)


async def test_a_tab_that_was_left_open_does_not_claim_again(desk: Desk, learner: Person) -> None:
    claim = learner.reach_credit()["id"]
    # Without scripts the tab does not learn what the other one does.
    first, stale = await desk.window(learner), await desk.window(learner, has_scripts=False)
    for page, units in ((stale, "1.00"), (first, "0.75")):
        await to_credit(page, claim)
        await page.get_by_label("Number of credits").fill(units)
    await press(first, "Claim")
    await expect_next(first, "Completed")
    await press(stale, "Claim")
    await expect(stale.get_by_role("alert")).to_contain_text("There is a problem")
    await expect(stale.locator("#next")).to_contain_text("0.75")
    assert outcomes(learner, claim) == ("0.75", 1)


async def test_an_evaluation_that_was_completed_on_another_device_leads_on(desk: Desk, learner: Person) -> None:
    claim = learner.open_claim("antimicrobial-stewardship-grand-rounds")
    learner.do(claim, "state_participation", {"value": "in_person"})
    desktop, phone = await desk.window(learner), await desk.window(learner, width=390, is_phone=True)
    for page in (desktop, phone):
        await page.goto(f"/claims/{claim['id']}/evaluation")
        await respond(page)
    await press(desktop, "Done")
    await expect_next(desktop, "Claiming is not open yet")
    await press(phone, "Done")
    await expect_next(phone, "Claiming is not open yet")


async def test_the_other_tab_follows_by_itself(desk: Desk, learner: Person) -> None:
    claim = learner.reach_credit()["id"]
    first, second = await desk.window(learner), await desk.window(learner)
    await second.goto(f"/claims/{claim}")
    await expect_next(second, "Choose the type of credit")
    await to_credit(first, claim)
    await press(first, "Claim")
    await expect_next(second, "Completed")
    await expect(second.get_by_role("link", name="View certificate")).to_be_visible()


async def test_a_page_that_was_fetched_before_the_last_change_is_fetched_again(desk: Desk, learner: Person) -> None:
    claim = learner.reach_evaluation()
    page, is_fetched, is_late = await desk.window(learner), asyncio.Event(), asyncio.Event()

    async def hold_the_first(route: Route) -> None:
        is_first = not is_fetched.is_set()
        answer = await route.fetch()
        is_fetched.set()
        if is_first:
            await is_late.wait()
        await route.fulfill(response=answer)

    await page.goto(f"/claims/{claim['id']}")
    await expect_next(page, "Complete the evaluation")
    await page.route(lambda url: url.endswith(claim["id"]), hold_the_first)
    rated = await asyncio.to_thread(learner.evaluate, claim)
    await is_fetched.wait()
    await asyncio.to_thread(learner.finish, rated)
    # The server has told everything: nothing else will make the page ask again.
    await until_told(page)
    is_late.set()
    await expect(page.get_by_role("link", name="View certificate")).to_be_visible()


async def test_a_page_that_could_not_be_fetched_is_fetched_later(desk: Desk, learner: Person) -> None:
    claim = learner.reach_credit()
    page = await desk.window(learner)
    await page.goto(f"/claims/{claim['id']}")
    await expect_next(page, "Choose the type of credit")
    await page.route(lambda url: url.endswith(claim["id"]), lambda route: route.fulfill(status=429))
    await asyncio.to_thread(learner.finish, claim)
    await until_told(page)
    await page.unroute_all()
    await expect(page.get_by_role("link", name="View certificate")).to_be_visible()


async def until_told(page: Page) -> None:
    """Wait until the server has told the page everything and ended the stream."""
    while not await page.evaluate("events.readyState === EventSource.CLOSED"):  # noqa: ASYNC110 - a page sets no events
        await asyncio.sleep(0.1)


async def test_going_back_and_sending_again_changes_nothing(desk: Desk, learner: Person) -> None:
    claim = learner.reach_credit()["id"]
    page = await desk.window(learner)
    await to_credit(page, claim)
    await press(page, "Claim")
    await expect_next(page, "Completed")
    await page.go_back()
    # Whatever the browser shows again, the form as it was or the page as it is now, there is one award.
    again = page.get_by_role("button", name="Claim", exact=True)
    await expect(again.or_(page.get_by_role("link", name="View certificate"))).to_be_visible()
    if await again.is_visible():
        await page.locator("#attested").check()
        await again.click()
    await expect_next(page, "Completed")
    assert outcomes(learner, claim) == ("1.00", 1)


async def test_a_refused_form_can_be_reloaded_and_come_back_to_with_what_was_typed(desk: Desk, learner: Person) -> None:
    claim = learner.reach_credit()["id"]
    page = await desk.window(learner)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    await page.goto(f"/claims/{claim}/report")
    field = page.get_by_label("What is wrong, and what did you expect?")
    # Nothing of it can be stored: the API refuses what the browser does not.
    await field.fill("The second question\u0007 is wrong.")
    await press(page, "Send report")
    await expect(page.get_by_role("alert")).to_contain_text("There is a problem")
    assert len(sent) == 1
    await page.reload()
    await expect(field).to_have_value("The second question\u0007 is wrong.")
    await page.goto(f"/claims/{claim}")
    await page.go_back()
    await expect(field).to_have_value("The second question\u0007 is wrong.")
    assert len(sent) == 1
    await field.fill("The second question is wrong.")
    await press(page, "Send report")
    await expect(page.get_by_role("status")).to_contain_text("Received.")
    assert learner.get(f"/v1/claims/{claim}/problem-reports")["data"][0]["message"] == "The second question is wrong."
