"""A day of an accreditation office in the browser, on the real stack: each story from its page to what comes of it."""

import os
import random
import re
import string
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Final

import httpx2
import pytest
from playwright.async_api import Browser, Page, expect

from cli.local import LocalStack, ports
from domain.roles import Role
from storage import accounts
from tests.browser.conftest import Desk, sitting
from tests.browser.pages import follow, press
from tests.e2e.follower import Follower, Knowledge
from tests.e2e.office import Office, own_example, own_slug
from tests.e2e.people import Person, Town

COURSE = "recognizing-sepsis-early"
"""An example whose credit needs no post-test of those who were there."""

HOLD: Final = {"reason_code": "identity_check", "reason": "Two people with this name were there."}

CHECKING: Final = re.compile("it is being checked who the learner is", re.IGNORECASE)
CHECKED: Final = "Everything was checked"

TITLE: Final = "Grand rounds in nephrology"
NEW_ACTIVITY: Final = {
    "First day": "2026-01-01",
    "Last day": "2027-12-31",
    "Time zone": "America/Chicago",
    "Contact": "ce@university.example",
    "Provider": "Example University",
    "Accreditation statement": "Example University is accredited.",
    "Designated amount": "1.25",
    "Designation statement": "Example University designates this live activity for a maximum of 1.25 AMA PRA Category "
    "1 Credit(s)™. Physicians should claim only the credit commensurate with the extent of their participation in "
    "the activity.",
}
"""What a new activity needs, by the labels of its form."""


@pytest.fixture
def approver(town: Town, stack: LocalStack) -> Person:
    """A colleague who may agree to what others ask for."""
    return staff(town, stack, Role.APPROVER)


@pytest.fixture
def course(office: Office) -> str:
    """A course of this test's own."""
    return office.publish(own_example(COURSE))


@pytest.fixture(scope="module")
def careful_url(stack: LocalStack) -> Iterator[str]:
    """The address of the same Laurel, where a second person has to agree to a correction."""
    port = ports.next_free(18800)
    url = f"http://localhost:{port}"
    environment = {"LAUREL_PUBLIC_URL": url, "LAUREL_CORRECTION_NEEDS_APPROVAL": "true"}
    command = [sys.executable, "-m", "cli", "api", "--host", ports.LOOPBACK, "--port", str(port)]
    with subprocess.Popen(command, env={**os.environ, **stack.environment, **environment}) as api:
        wait_until_it_answers(f"{url}/healthz")
        yield url
        api.terminate()


@pytest.fixture
async def careful(browser: Browser, careful_url: str) -> AsyncIterator[Desk]:
    """Windows on the Laurel in which two people decide."""
    async with sitting(browser, careful_url) as desk:
        yield desk


def wait_until_it_answers(url: str) -> None:
    for _ in range(600):
        with suppress(httpx2.TransportError):
            if httpx2.get(url).is_success:
                return
        time.sleep(0.1)
    raise AssertionError(url)


def family_name() -> str:
    """A name that nobody else has."""
    return "Quill " + "".join(random.choices(string.ascii_lowercase, k=10)).capitalize()  # noqa: S311  # no secret


def name_of(person: Person) -> str:
    return str(person.get("/v1/me")["family_name"])


def staff(town: Town, stack: LocalStack, role: Role) -> Person:
    person = town.learner()
    accounts.add_staff(stack.database_url, person.email, role)
    return person


async def explain(page: Page, reason: str, kind: str | re.Pattern[str] | None = None) -> None:
    """Give the kind of reason where one is asked for, and the reason."""
    if kind is not None:
        await page.get_by_role("radio", name=kind).check()
    await page.locator("#reason").fill(reason)


async def test_an_activity_is_defined_by_a_form_published_and_claimed(desk: Desk, town: Town, office: Office) -> None:
    page, slug = await desk.window(office), own_slug("grand-rounds")
    await page.goto("/staff/ce-activities")
    await follow(page, "New activity")
    await page.get_by_label("Title", exact=True).fill(TITLE)
    await page.get_by_label("Name in addresses").fill(slug)
    await press(page, "Save as a draft")
    # What is missing is said beside its field, and what was typed stays.
    await expect(page).to_have_title(re.compile("^Error:"))
    await expect(page.get_by_label("Name in addresses")).to_have_value(slug)
    for label, value in NEW_ACTIVITY.items():
        await page.get_by_label(label, exact=True).first.fill(value)
    await page.get_by_label("Learning format").select_option("live_activity")
    await page.get_by_label("Type of credit").first.select_option("ama_pra_category_1")
    await press(page, "Save as a draft")
    await expect(page.get_by_role("main")).to_contain_text("Learners cannot see this activity until it is published.")
    await press(page, "Publish")
    claim = town.learner().open_claim(slug)
    assert claim["ce_activity"]["title"] == TITLE


async def test_a_roster_is_uploaded_previewed_and_applied(desk: Desk, office: Office, course: str) -> None:
    page = await desk.window(office)
    rows = "Badge ID,First Name,Last Name,E-mail\nR-1,Ada,Quill,ada@x.example\nR-2,Ben,Ashe,no address\n"
    await page.goto(f"/staff/ce-activities/{course}")
    await follow(page, "Roster")
    await page.get_by_label("File").set_input_files(
        {"name": "day one.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    )
    await press(page, "Upload and preview")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Roster day one.csv")
    await expect(page.get_by_role("row", name="Ben")).to_contain_text("Left out")
    await press(page, "Apply this roster")
    await expect(page.get_by_role("main")).to_contain_text("1 rows were new or changed something.")


async def test_stuck_claims_are_freed_one_by_one_and_together(
    desk: Desk, town: Town, office: Office, course: str
) -> None:
    people = [town.learner(family_name=family_name()) for _ in range(3)]
    claims = [person.take_part(course) for person in people]
    for claim in claims:
        office.send("POST", f"/v1/staff/claims/{claim['id']}/hold", HOLD)
    page = await desk.window(office)
    await page.goto("/staff/stuck")
    held = page.get_by_role("region", name="On hold")
    await expect(held).to_contain_text("Release what has been checked.")
    await held.get_by_role("link", name="Look through them").click()
    await page.get_by_text("More filters").click()
    await page.locator("#ce_activity").fill(course)
    await press(page, "Show")
    await expect(page.locator("#count")).to_contain_text("3 claims")
    # One, from its own page.
    await page.get_by_role("link", name=name_of(people[0])).click()
    await follow(page, "End the hold")
    await explain(page, "Her passport was seen.", kind=CHECKED)
    await press(page, "End the hold")
    await expect(page.locator("#standing")).not_to_contain_text("On hold")
    assert people[0].claim(claims[0]["id"])["hold"] is None
    # The others, after a preview, by their number.
    await page.goto(f"/staff/claims?ce_activity={course}&attention=on_hold")
    await follow(page, "Act on all that are listed")
    await press(page, "End the hold")
    await explain(page, "All of them were seen.", kind=CHECKED)
    await press(page, "Preview")
    await expect(page.locator("#preview")).to_contain_text("2 can be done")
    await page.get_by_label("Type 2, the number of claims, to confirm.").fill("2")
    await press(page, "End the hold")
    await expect(page.locator("#progress")).to_contain_text("Every claim has its outcome.")
    await expect(page.locator("#progress")).to_contain_text("2 done")
    assert all(person.claim(claim["id"])["hold"] is None for person, claim in zip(people, claims, strict=True))


async def test_a_name_is_corrected_once_a_second_person_agrees(
    careful: Desk, town: Town, office: Office, approver: Person, course: str
) -> None:
    misspelt, name = family_name(), family_name()
    learner = town.learner(family_name=misspelt)
    claim = Follower(learner, learner.take_part(course), Knowledge()).follow()
    page = await careful.window(office)
    await page.goto(f"/staff/claims/{claim['id']}")
    await follow(page, "Correct credit or name")
    await page.get_by_label("Last name").fill(name)
    form = page.get_by_role("region", name="Name", exact=True)
    await form.get_by_label("Reason").fill("Misspelt on the form.")
    await form.get_by_role("button").click()
    await expect(page.get_by_role("row", name="Name")).to_contain_text(f"Alice {name}")
    await expect(page.get_by_role("main")).to_contain_text("A second person has to agree")
    await press(page, "Ask for this correction")
    await page.goto("/staff/corrections")
    mine = page.get_by_role("article").filter(has_text=misspelt)
    # Whoever asks has no button to agree.
    await expect(mine).to_contain_text("Other name")
    await expect(mine.get_by_role("button")).to_have_count(0)

    other = await careful.window(approver)
    await other.goto("/staff/corrections")
    await other.get_by_role("article").filter(has_text=misspelt).get_by_role("button", name="Agree").click()
    learner.wait_for(claim["href"], lambda it: it["certificate"]["version"] == 2)
    anyone = await careful.window()
    await anyone.goto(f"/verify/{learner.claim(claim['id'])['certificate']['verification_code']}")
    await expect(anyone.get_by_role("main")).to_contain_text(f"Alice {name}")
    await anyone.goto(f"/verify/{claim['certificate']['verification_code']}")
    await expect(anyone.get_by_role("main")).to_contain_text("replaced")


async def test_a_request_for_more_time_is_found_and_granted(
    desk: Desk, town: Town, office: Office, course: str
) -> None:
    learner = town.learner(family_name=family_name())
    claim = learner.take_part(course)
    asked = learner.send("POST", f"{claim['href']}/extension-requests", {"reason": "I was on parental leave."})
    assert asked.status_code == 200, asked.text
    page = await desk.window(office)
    await page.goto("/staff/claims")
    await page.get_by_label("Learner", exact=True).fill(learner.email)
    await page.get_by_text("More filters").click()
    await page.get_by_role("checkbox", name="more time").check()
    await press(page, "Show")
    await page.get_by_role("link", name=name_of(learner)).click()
    await expect(page.get_by_role("main")).to_contain_text("I was on parental leave.")
    await follow(page, "Give more time")
    await page.get_by_label("Last day").fill("2031-03-31")
    await page.get_by_role("radio", name="The learner asked for it").check()
    await explain(page, "Congratulations.")
    await press(page, "Give more time")
    # The end of that day in Chicago.
    await expect(page.locator('#standing time[datetime^="2031-03-31T23:59:59"]')).to_be_visible()
    await expect(page.locator("#standing")).not_to_contain_text("Asked for more time")
    learner.wait_for_mail(lambda message: "given you more time" in message["text"] and "2031" in message["text"])
    learners_page = await desk.window(learner)
    await learners_page.goto(f"/claims/{claim['id']}/history")
    await expect(learners_page.get_by_role("main")).to_contain_text("Congratulations.")


async def test_the_list_is_exported_exactly_as_it_is_shown(desk: Desk, town: Town, office: Office, course: str) -> None:
    learner = town.learner(family_name=family_name())
    claim = learner.take_part(course)
    page = await desk.window(office)
    await page.goto(f"/staff/claims?ce_activity={course}")
    await page.get_by_text("Export exactly this").click()
    await page.get_by_label("Format").select_option("csv")
    await page.get_by_label("Why it is needed").fill("For the annual report.")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export").click()
    content = (await (await download.value).path()).read_text("utf-8-sig")
    assert claim["id"] in content
    assert course in content
    await page.goto("/staff/exports")
    await expect(page.get_by_role("row", name="For the annual report.").first).to_be_visible()
    # Whoever asks for one activity's claims need not know its name in addresses.
    await page.locator("#ce_activity").press_sequentially(course[:12])
    await expect(page.locator(f'#activity-names option[value="{course}"]')).to_be_attached()
    await expect(page.locator("#ce_activity")).to_be_focused()


async def test_two_learners_who_are_one_person_become_one(desk: Desk, town: Town, office: Office, course: str) -> None:
    name = family_name()
    kept, duplicate = (town.learner(family_name=name) for _ in range(2))
    claim = duplicate.take_part(course)
    page = await desk.window(office)
    await page.goto(f"/staff/learners/{office.learner_id(kept)}/merge?duplicate={office.learner_id(duplicate)}")
    await expect(page.get_by_role("row", name=re.compile(kept.email))).to_contain_text(duplicate.email)
    await explain(page, "She changed hospitals.")
    await page.locator("#confirmation").fill("yes")
    await press(page, "Make them one")
    await expect(page).to_have_title(re.compile("^Error:"))
    await page.locator("#confirmation").fill("merge")
    await press(page, "Make them one")
    kept.wait_for("/v1/claims", lambda listed: claim["id"] in {each["id"] for each in listed["data"]})
    home = await desk.window(kept)
    await home.goto(f"/claims/{claim['id']}")
    await expect(home.get_by_role("heading", level=1)).to_be_visible()


async def test_a_claim_is_held_while_its_learner_goes_on_and_released(
    desk: Desk, town: Town, office: Office, course: str
) -> None:
    learner = town.learner(family_name=family_name())
    claim = learner.take_part(course)
    page, learners_page = await desk.window(office), await desk.window(learner)
    await page.goto(f"/staff/claims/{claim['id']}")
    await follow(page, "Put on hold")
    await explain(page, "Two people with this name were there.", kind=CHECKING)
    await press(page, "Put on hold")
    await expect(page.locator("#standing")).to_contain_text("Two people with this name were there.")
    await learners_page.goto(f"/claims/{claim['id']}")
    await expect(learners_page.locator("#next")).to_contain_text(CHECKING)
    await expect(learners_page.locator("body")).not_to_contain_text("Two people with this name")
    await follow(page, "End the hold")
    await explain(page, "It is she.", kind=CHECKED)
    await press(page, "End the hold")
    await expect(page.locator("#standing")).not_to_contain_text("On hold")
    await expect(learners_page.get_by_role("main")).not_to_contain_text(CHECKING)
