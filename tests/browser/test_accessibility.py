"""Every page by axe's rules of WCAG 2.2 A and AA: light and dark, wide and as wide as a phone; and none scrolls aside.

Each page is looked at in both schemes and at both widths. Which scheme goes with which width alternates from page to
page, so that what they share is seen in all four ways. People keep one window for all pages that they look at.

A new page is covered as soon as its router is registered. Where it fails here, either the page leaves people out, or a
table below has to learn with what it is looked at, or that it is no page.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from fastapi.routing import APIRoute
from playwright.async_api import Browser, Page, ViewportSize
from sqlalchemy import Engine

from api.pages.routers import ROUTERS
from cli.demo import EXAMPLES, STORY
from cli.local import LocalStack
from domain.identities import new_id
from domain.roles import Role
from storage import accounts, certificate_templates, reminder_links
from storage.acts import Actor
from storage.certificate_templates import NewTemplate, Source
from tests.browser.conftest import Desk, sitting
from tests.e2e.follower import Follower, Knowledge
from tests.e2e.meeting import BADGE_IDS, BADGES, MEETING, attendee
from tests.e2e.office import Office, own_example
from tests.e2e.people import Person, Town

COURSE: Final = "recognizing-sepsis-early"
"""An example whose credit needs no post-test of those who were there."""

RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDE: Final[ViewportSize] = {"width": 1280, "height": 900}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
Look = tuple[ViewportSize, Literal["light", "dark"]]
LOOKS: Final[Sequence[Sequence[Look]]] = [
    [(WIDE, "light"), (PHONE, "dark")],
    [(PHONE, "light"), (WIDE, "dark")],
]
"""How every other page is looked at, and how the pages between."""

NARROWEST: Final[ViewportSize] = {"width": 320, "height": 640}
"""WCAG 1.4.10: what is left of 1280 px at 400 %."""

PAPER: Final = "/claims/{claim_id}/certificate/print"
"""Laid out as the paper that it is printed on, at every width, which WCAG 1.4.10 allows for."""

SCROLLS_ASIDE: Final = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("main *, header *, footer *")].filter(each => !each.closest(".scroll, .hidden, .skip")
    && each.getBoundingClientRect().right > innerWidth).map(each => each.outerHTML.slice(0, 120)).slice(0, 5)
    .concat("the page scrolls aside")"""
"""What of a page lies outside of the window, if the page as a whole scrolls sideways."""

NO_PAGE: Final = re.compile(
    r"\.(pdf|ics|csv|json|zip|yaml|txt|ico|css)$|/(events|export|file|picture|provider|callback)$"
)
"""The ends of addresses of files and streams, and of what only leads elsewhere."""

PAGES: Final = sorted(
    route.path
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and "GET" in (route.methods or ()) and not NO_PAGE.search(route.path)
)

LOOKERS: Final = {
    "/staff": "office", "/sign-in": "nobody", "/verify": "nobody", "/transcripts": "nobody", "/reminders": "nobody",
    "/profile/create": "newcomer", "/profile/look-up": "newcomer", "/ce-activities/{slug}/": "newcomer",
}  # fmt: skip
"""Who looks at pages, by the beginning of the path; everything else is looked at by a learner with claims."""

CLAIMS: Final = {
    "/evaluation": "evaluating", "/withdrawal": "evaluating", "/report": "evaluating",
    "/actions/{action}": "evaluating",
    "/sessions": "meeting", "/sessions/{code}": "meeting", "/summary": "meeting", "/disclosures": "meeting",
    "/reissue": "revoked",
}  # fmt: skip
"""The claims that pages are about, by the end of the path; everything else is about one that is completed."""

NAMES: Final = {
    "/reminders/{token}": {"token": "{reminder}"},
    "/claims/{claim_id}/sessions/{code}": {"code": "thu-opening"},
    "/staff/ce-activities/{slug}/edit/{name}": {"name": "post-test"},
}
"""What parameters name on some pages."""

ENDS: Final = {
    "/staff/learners/{learner_id}/merge": "?duplicate={duplicate}",
    "/staff/bulk": "?claim={held}",
    "/sign-in": "?token=x",
}
"""What addresses end with where a page is asked about something more."""

MOMENTS: Final = {
    "a home where nothing is claimed": ("newcomer", "/"),
    "a first page before signing in": ("nobody", "/"),
    "signing in": ("nobody", "/sign-in"),
    "an activity that can be claimed": ("nobody", "/ce-activities/{slug}"),
    "a claim that waits to be evaluated": ("learner", "/claims/{evaluating}"),
    "a claim on hold": ("learner", "/claims/{held}"),
    "a claim at a meeting": ("learner", "/claims/{meeting}"),
    "a claim whose certificate was revoked": ("learner", "/claims/{revoked}"),
    "an attempt that is under way": ("learner", "/claims/{testing}/attempts/1"),
    "a code that nobody issued": ("nobody", "/verify/AAAA-BBBB-CCCC-DDDD"),
    "what is not one's own": ("newcomer", "/claims/{done}"),
    "what is for the office only": ("newcomer", "/staff"),
    "what is not there": ("learner", "/no-such-page"),
    "a claim on hold in the office": ("office", "/staff/claims/{held}"),
    "a claim at a meeting in the office": ("office", "/staff/claims/{meeting}"),
    "the sessions of a claim that is corrected": ("office", "/staff/claims/{meeting}/correct"),
    "an action that ends a claim": ("office", "/staff/claims/{evaluating}/actions/deny"),
    "a filter that cannot be meant": ("office", "/staff/claims?learner=%00"),
    "an action on many claims": ("office", "/staff/bulk?claim={held}&action=release"),
    "the evaluation of an activity": ("office", "/staff/ce-activities/{slug}/edit/evaluation"),
    "credit of an activity": ("office", "/staff/ce-activities/{slug}/edit/credit"),
    "the sessions of a meeting": ("office", "/staff/ce-activities/{sessions_of}/edit/sessions"),
    "the evaluation of each session": ("office", "/staff/ce-activities/{sessions_of}/edit/session-evaluation"),
}
"""What else there is to see, or what pages look like at other moments: who sees it, and its address."""


@dataclass
class World:
    """Who looks at pages, and the names of what there is to be seen; claims are named by how far they came."""

    people: Mapping[str, Person | None]
    names: Mapping[str, str]

    def page(self, path: str) -> tuple[str, str]:
        """Who looks at a page, and its address with something that can be seen there."""
        who = next((who for start, who in LOOKERS.items() if path.startswith(start)), "learner")
        claim = next((claim for end, claim in CLAIMS.items() if path.endswith(end)), "done")
        special = {each: name.format_map(self.names) for each, name in NAMES.get(path, {}).items()}
        names = {**self.names, "claim_id": self.names[claim], **special}
        return who, (path + ENDS.get(path, "")).format_map(names)


@pytest.fixture(scope="module")
def world(stack: LocalStack, office: Office, record: Engine) -> Iterator[World]:
    """A learner with claims at every point, and an administrator, who may open every page."""
    town = Town(stack)
    learner, administrator = town.learner(), town.stranger()
    done = learner.complete()
    accounts.add_staff(stack.database_url, administrator.email, Role.ADMINISTRATOR)
    names = {"slug": STORY, "done": done["id"], "code": done["certificate"]["verification_code"]}
    names |= {"name": a_template(office, record)} | claims_under_way(learner, office) | shared(learner, office, record)
    names |= of_the_office(office, administrator, names)
    names["duplicate"] = office.learner_id(town.learner())
    yield World({"learner": learner, "office": administrator, "newcomer": town.stranger(), "nobody": None}, names)
    town.close()


def claims_under_way(learner: Person, office: Office) -> dict[str, str]:
    """Claims of activities of their own, by how far they came."""
    testing = learner.do(learner.take_part(office.publish(own_example(STORY))), "start_attempt", {})
    evaluating, held, revoked = (learner.take_part(office.publish(own_example(COURSE))) for _ in range(3))
    assert Follower(learner, revoked, Knowledge()).follow()["stage"] == "completed"
    report = learner.post(f"/v1/claims/{held['id']}/problem-reports", {"message": "My name is spelt wrong."})
    for claim, act, body in (
        (held, "hold", {"reason_code": "identity_check", "reason": "Looked odd."}),
        (revoked, "revoke", {"reason_class": "duplicate", "reason": "Twice."}),
    ):
        answer = office.send("POST", f"/v1/staff/claims/{claim['id']}/{act}", body)
        assert answer.status_code == 200, answer.text
    revocation = answer.json()
    slug = office.publish(own_example(MEETING))
    badge = next(iter(BADGE_IDS))
    office.enrol(slug, BADGES)
    present = attendee(learner, slug, badge)
    present.attend("thu-opening")
    return {
        "testing": testing["claim"].rpartition("/")[2], "evaluating": evaluating["id"], "held": held["id"],
        "revoked": revoked["id"], "meeting": present.claim["id"], "sessions_of": slug,
        "report_id": report["id"], "correction_id": revocation["id"],
    }  # fmt: skip


def a_template(office: Office, record: Engine) -> str:
    """A certificate template, for a provider that no other test has."""
    name = new_id("x").replace("_", "-")
    office.publish(own_example(COURSE).replace("Lakeside Academy of Medicine", name))
    html, css = ((EXAMPLES / "templates" / f"great-lakes.{end}").read_text(encoding="utf-8") for end in ("html", "css"))
    new = NewTemplate(name=name, provider=name, credit_type=None, source=Source(html.strip(), css.strip()))
    with record.begin() as connection:
        certificate_templates.publish(connection, new, Actor("cli:tests"))
    return name


def shared(learner: Person, office: Office, record: Engine) -> dict[str, str]:
    """The links of a learner that open without signing in."""
    learner_id = office.learner_id(learner)
    with record.begin() as connection:
        token = reminder_links.token_of(connection, learner_id)
    link = learner.post("/v1/me/transcript-links", {"days": 7})
    return {"learner_id": learner_id, "reminder": token, "token": link["url"].rpartition("/")[2]}


def of_the_office(office: Office, administrator: Person, names: Mapping[str, str]) -> dict[str, str]:
    """What an office made: a roster, an action on many claims, a report to answer, a colleague."""
    roster = office.preview(names["sessions_of"], BADGES)
    asked = {"action": "extend", "claim_ids": [names["evaluating"]], "due_on": "2031-01-31", "reason": "Illness."}
    token = office.post("/v1/staff/claims/bulk", asked | {"preview": True})["token"]
    bulk = office.post("/v1/staff/claims/bulk", asked | {"preview": False, "token": token})
    colleagues = {each["email"]: each["id"] for each in administrator.get("/v1/staff/accounts")["data"]}
    return {
        "roster_id": roster["id"], "bulk_id": bulk["id"], "action": "hold", "version": "1", "number": "1",
        "account_id": colleagues[administrator.email],
    }  # fmt: skip


@dataclass
class Windows:
    """The windows in which people look at pages, one after the other; ``desk`` notes what goes wrong in any of them."""

    desk: Desk
    pages: Mapping[str, Page]

    async def check(self, number: int, who: str, address: str) -> int:
        """Look at a page in the ways of its number; answers with its status."""
        self.desk.errors.clear()
        status = await check(self.pages[who], address, LOOKS[number % len(LOOKS)])
        assert self.desk.unexpected_errors == []
        return status


@pytest.fixture(scope="module")
async def windows(browser: Browser, stack: LocalStack, world: World) -> AsyncIterator[Windows]:
    """A window for each of the people, kept open: making one takes longer than looking at many a page."""
    async with sitting(browser, stack.urls["api"]) as desk:
        yield Windows(desk, {who: await desk.window(person) for who, person in world.people.items()})


async def violations(page: Page) -> list[str]:
    """What axe finds on a page as it is now, with where."""
    options = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": RULES}}
    found = await page.evaluate("options => axe.run(options).then(result => result.violations)", options)
    return [f"{each['id']}: {node['target']}" for each in found for node in each["nodes"]]


async def check(page: Page, address: str, looks: Sequence[Look]) -> int:
    """Look at a page in these ways; answers with its status.

    The scripts that look at it are no part of it: its content security policy stays as it is. Motion is switched off,
    or colours would be measured on their way from light to dark.
    """
    answer = await page.goto(address)
    await page.evaluate(AXE_SCRIPT)
    found = {}
    for size, scheme in looks:
        if page.viewport_size != size:
            await page.set_viewport_size(size)
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found[f"{scheme}, {size['width']} px"] = await violations(page)
    if not address.endswith(PAPER.rpartition("}")[2]):
        await page.set_viewport_size(NARROWEST)
        found[f"{NARROWEST['width']} px"] = await page.evaluate(SCROLLS_ASIDE)
    assert {how: each for how, each in found.items() if each} == {}
    assert answer is not None
    return answer.status


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_open_to_everyone_light_and_dark_wide_and_narrow(
    path: str, windows: Windows, world: World
) -> None:
    status = await windows.check(PAGES.index(path), *world.page(path))
    assert status == 200, "say in a table above what this page needs to be seen"


@pytest.mark.parametrize("moment", MOMENTS)
async def test_every_page_is_open_to_everyone_at_other_moments_too(moment: str, windows: Windows, world: World) -> None:
    who, address = MOMENTS[moment]
    await windows.check(list(MOMENTS).index(moment), who, address.format_map(world.names))
