"""A real browser: Debian's Chromium, driven by Playwright, against the real stack.

Playwright downloads nothing: it drives the browser that is installed (``bin/setup --dev`` installs it where apt can).
"""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Request, Response, async_playwright, expect

from api.pages.visit import SESSION_COOKIE
from cli.local import LocalStack
from tests.browser.frontend import Frontend
from tests.e2e.people import Person

NAMES = ("chromium", "chromium-browser", "google-chrome")
# For busy machines: what a page waits for comes in a moment on quiet ones.
PATIENCE_MILLISECONDS = 40_000
INSTALL = "no Chromium was found; install it: apt-get install chromium (or run bin/setup --dev)"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path. Where there is none, tests are skipped; on CI they fail."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None and os.environ.get("CI"):
        pytest.fail(INSTALL)
    if found is None:
        pytest.skip(INSTALL)
    return found


@pytest.fixture(scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """One browser for the whole run; each test has contexts of its own."""
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = await playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        await browser.close()


@dataclass
class Desk:
    """Where people sit: windows of their own, and what went wrong in any of them.

    ``hosts`` are the hosts and ports that were asked for anything; ``errors`` what scripts and the console said (which
    also tells what the content security policy refused), and which answers should never be given.
    """

    browser: Browser
    api_url: str
    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)

    async def window(
        self,
        person: Person | None = None,
        *,
        width: int = 1280,
        height: int = 900,
        is_dark: bool = False,
        has_scripts: bool = True,
        is_phone: bool = False,
        bypasses_csp: bool = False,
    ) -> Page:
        """A window of this size with cookies of its own, in which a person is signed in, or nobody.

        Addresses that begin with a slash are Laurel's.
        """
        context = await self.browser.new_context(
            base_url=self.api_url,
            viewport={"width": width, "height": height},
            color_scheme="dark" if is_dark else "light",
            java_script_enabled=has_scripts,
            has_touch=is_phone,
            is_mobile=is_phone,
            bypass_csp=bypasses_csp,
            locale="en-US",
            timezone_id="UTC",
        )
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        self._contexts.append(context)
        if person is not None:
            await context.add_cookies([{"name": SESSION_COOKIE, "value": person.token, "url": self.api_url}])
        context.on("request", self._note_request)
        context.on("response", self._note_response)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        return await context.new_page()

    def _note_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https"):
            self.hosts.add(address.netloc)

    def _note_response(self, response: Response) -> None:
        is_asked_by_person_or_script = response.request.resource_type in ("document", "fetch", "xhr", "eventsource")
        if response.status >= 500 or (response.status >= 400 and not is_asked_by_person_or_script):
            self.errors.append(f"{response.status} from {response.url}")

    @property
    def unexpected_errors(self) -> list[str]:
        """What went wrong, but for answers that say no, which the console counts as errors."""
        return [each for each in self.errors if "Failed to load resource: the server responded with" not in each]

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()


@asynccontextmanager
async def sitting(browser: Browser, *addresses: str) -> AsyncIterator[Desk]:
    """Windows on the first of these addresses.

    The test fails on whatever no page may do: errors of any kind, and asking others than these addresses.
    """
    desk = Desk(browser, addresses[0])
    yield desk
    await desk.close()
    assert desk.unexpected_errors == []
    assert desk.hosts <= {urlsplit(address).netloc for address in addresses}


@pytest.fixture
async def desk(browser: Browser, stack: LocalStack, frontend: Frontend) -> AsyncIterator[Desk]:
    """Windows for one test."""
    async with sitting(browser, stack.urls["api"], frontend.origin) as desk:
        yield desk
