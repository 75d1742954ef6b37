"""Take the pictures in ``docs/screenshots`` from the running demo: ``make screenshots``, or ``ARGS=<its data folder>``.

Without a running demo, one is started for as long as it takes. What there is to be seen is brought about over HTTP
first: learners in all four flows, some of whom wait, and some of whose claims are stuck. Their names are invented.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

from PIL import Image
from playwright.async_api import async_playwright

from api.pages.visit import SESSION_COOKIE
from cli.demo import STORY, load_examples
from cli.learner import Json
from cli.local import LocalStack, running_stack
from cli.terminal import progress_printer
from domain.identities import new_id
from domain.roles import Role
from storage import accounts
from tests.browser.conftest import NAMES
from tests.claims import right_answers
from tests.e2e.follower import Follower, Knowledge
from tests.e2e.meeting import MEETING, Attendee, attendee
from tests.e2e.office import Office, Platform
from tests.e2e.people import POLICY, Person, Town

FOLDER: Final = Path(__file__).parents[2] / "docs" / "screenshots"
MOST_BYTES: Final = 150_000

PHARMACY: Final = "rush-style-continuing-pharmacy-education"
CONFERENCE: Final = "wound-care-online-conference"
COURSE: Final = "recognizing-sepsis-early"
CONTENT: Final = "safe-patient-handling-on-demand"

PHYSICIANS: Final = {
    "Mateo Ruiz": "held",
    "Hannah Weiss": "done",
    "Omar Farouk": "tested",
    "June Park": "held",
    "Samuel Adeyemi": "asking",
    "Clara Lindqvist": "done",
}
"""How far they come in the online course: some are held by the office, one asks for more time."""

DESK: Final = (1280, 900)
PHONE: Final = (390, 800)


@dataclass(frozen=True)
class Picture:
    """A page as one person sees it."""

    name: str
    who: str
    address: str
    size: tuple[int, int] = DESK
    is_dark: bool = False


say = progress_printer()

PICTURES: Final = (
    Picture("home", "learner", "/"),
    Picture("claim", "learner", "/claims/{open}"),
    Picture("sessions", "learner", "/claims/{meeting}/sessions"),
    Picture("certificate", "learner", "/claims/{done}/certificate"),
    Picture("wallet", "learner", "/wallet", PHONE, is_dark=True),
    Picture("verification", "nobody", "/verify/{code}", PHONE),
    Picture("overview", "office", "/staff"),
    Picture("claims", "office", "/staff/claims"),
    Picture("staff-claim", "office", "/staff/claims/{held}"),
    Picture("outcomes", "office", "/staff/ce-activities/{slug}/outcomes", is_dark=True),
)
"""The ten main pages."""


@contextmanager
def demo() -> Iterator[LocalStack]:
    """The demo that runs, or one that is started for the pictures; both have addresses and a database."""
    if running := running_stack(Path(sys.argv[1]) if sys.argv[1:] else None):
        yield cast(LocalStack, running)
        return
    folder = Path(tempfile.mkdtemp(prefix="laurel-screenshots-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user when we are root.
    stack = LocalStack(folder, environment={"LAUREL_SIGN_IN_LINKS_PER_HOUR": "100"}, say=say)
    stack.start()
    try:
        load_examples(stack.database_url, fast=True)
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(folder)


class Life:
    """Brings about what there is to be seen, and remembers who and what that is."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self.town = Town(stack)
        self._platform = Platform.connected(stack)
        self._badges = count(int(new_id("x")[2:12], 36) % 800_000 + 100_000)
        self.office = self._colleague()
        self.people: dict[str, Person | None] = {"office": self.office, "nobody": None}
        self.names = {"slug": STORY}

    def _colleague(self) -> Office:
        office = Office(self._stack, f"dana.whitfield.{new_id('x')[-5:]}@office.example")
        office.sign_in()
        accounts.add_staff(self._stack.database_url, office.email, Role.COORDINATOR)
        office.change_profile({"given_name": "Dana", "family_name": "Whitfield"})
        return office

    def person(self, name: str, profession: str, **profile: Any) -> Person:
        """Someone with this name."""
        given, family = name.split(maxsplit=1)
        address = f"{given}.{family}.{new_id('x')[-5:]}@learners.example".lower().replace(" ", "-")
        person = self.town.newcomer(address)
        person.sign_in()
        person.change_profile({"given_name": given, "family_name": family, "profession": profession} | profile)
        return person

    def happen(self) -> None:
        """Everybody comes as far as they come."""
        self._of_the_learner()
        self._with_a_code("Priya Nair")
        for name, minutes in (("Tomas Rivera", 45), ("Lena Fischer", 20)):
            nurse = self.person(name, "nurse", credentials="RN")
            self._platform.report(nurse, CONFERENCE, "opening", (0, 60 * minutes))
        for name, how_far in PHYSICIANS.items():
            self._through_the_test(self.person(name, "physician", credentials="MD"), how_far)

    def _of_the_learner(self) -> None:
        """Alice Moreau has claims at every point."""
        alice = self.people["learner"] = self.person("Alice Moreau", "physician", credentials="MD")
        done = alice.complete()
        self.names |= {"done": done["id"], "code": done["certificate"]["verification_code"]}
        self.names["open"] = alice.take_part(COURSE)["id"]
        self.names["meeting"] = self._at_the_meeting(alice).claim["id"]
        self._platform.report(alice, CONTENT, "mobility", (0, 900))

    def _at_the_meeting(self, person: Person) -> Attendee:
        badge, me = f"GL26-{next(self._badges)}", person.get("/v1/me")
        row = f"{badge},{me['given_name']},{me['family_name']},MD,{person.email}"
        self.office.enrol(MEETING, f"Badge ID,First Name,Last Name,Credentials,E-mail\n{row}\n".encode())
        present = attendee(person, MEETING, badge)
        for session in ("thu-opening", "thu-a1"):
            present.attend(session)
        return present

    def _with_a_code(self, name: str) -> None:
        numbers = {"employee_id": "NA", "nabp_eprofile_id": "483920", "birth_month_day": "07-04"}
        person = self.person(name, "pharmacist", credentials="PharmD", identifiers=numbers)
        knows = Knowledge(proofs={"code": "485327"})
        Follower(person, person.open_claim(PHARMACY), knows).follow()

    def _through_the_test(self, person: Person, how_far: str) -> None:
        if how_far == "done":
            person.complete()
            return
        claim: Json = person.take_test(person.take_part(), right_answers(POLICY))
        if how_far == "held":
            reason = {"reason_code": "identity_check", "reason": "The license number is that of somebody else."}
            self.office.post(f"/v1/staff/claims/{claim['id']}/hold", reason)
            self.names["held"] = claim["id"]
        elif how_far == "asking":
            person.post(f"/v1/claims/{claim['id']}/extension-requests", {"reason": "I was on parental leave."})


def small(picture: bytes) -> bytes:
    """The picture with 256 colours."""
    with Image.open(BytesIO(picture)) as image, BytesIO() as file:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        return file.getvalue()


async def take(life: Life, api_url: str) -> None:
    """Take every picture."""
    chromium = next((path for name in NAMES if (path := shutil.which(name))), None)
    if chromium is None:
        sys.exit("no Chromium was found; install it: apt-get install chromium (or run bin/setup --dev)")
    FOLDER.mkdir(exist_ok=True)
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = await playwright.chromium.launch(executable_path=chromium, args=arguments)
        for picture in PICTURES:
            width, height = picture.size
            context = await browser.new_context(
                base_url=api_url,
                viewport={"width": width, "height": height},
                color_scheme="dark" if picture.is_dark else "light",
                locale="en-US",
            )
            if person := life.people[picture.who]:
                await context.add_cookies([{"name": SESSION_COOKIE, "value": person.token, "url": api_url}])
            page = await context.new_page()
            await page.goto(picture.address.format_map(life.names))
            await page.evaluate("document.fonts.ready")
            content = small(await page.screenshot())
            if len(content) > MOST_BYTES:
                sys.exit(f"{picture.name} has {len(content)} bytes, more than {MOST_BYTES}")
            (FOLDER / f"{picture.name}.png").write_bytes(content)
            say(f"{picture.name:<14}{len(content):>8} bytes  {page.url}")
            await context.close()
        await browser.close()


def main() -> None:
    """Bring everything about, and take the pictures."""
    with demo() as stack:
        life = Life(stack)
        life.happen()
        asyncio.run(take(life, stack.urls["api"]))
        life.town.close()


if __name__ == "__main__":
    main()
