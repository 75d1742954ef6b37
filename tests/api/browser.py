"""A browser without scripts: it keeps cookies, reads forms from pages, and sends them as people fill them in."""

import re
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urlsplit

import httpx2

from tests.api.conftest import Person

Fields = dict[str, str]


@dataclass
class Page:
    """What a browser shows."""

    path: str
    status: int
    html: str

    @property
    def text(self) -> str:
        """What can be read, on one line."""
        body = re.sub(r"<(script|style).*?</\1>", " ", self.html, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())

    def fields(self, action: str) -> Fields:
        """The fields of the form with this address as it is shown: hidden, typed and chosen ones."""
        found = re.search(rf'<form[^>]*action="{re.escape(action)}"[^>]*>(.*?)</form>', self.html, re.DOTALL)
        assert found is not None, f"no form {action} on {self.path}: {self.text}"
        fields = {}
        for tag in re.findall(r"<input[^>]*>", found[1]):
            named = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
            if named.get("type") not in ("radio", "checkbox") or " checked" in tag:
                fields[named["name"]] = unescape(named.get("value", ""))
        for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', found[1], re.DOTALL):
            fields[name] = unescape(text)
        return fields


@dataclass
class Browser:
    """Somebody's browser; ``person`` is signed in there, or nobody is."""

    client: httpx2.AsyncClient
    person: Person | None = None
    cookies: Fields = field(default_factory=dict)

    async def get(self, address: str) -> Page:
        """Open an address, and go where it leads."""
        return await self._show("GET", address, None)

    async def send(self, page: Page, action: str, **typed: str) -> Page:
        """Fill in the form of a page that has this address, and send it."""
        named = {name.replace("__", "-"): value for name, value in typed.items()}
        return await self.post(action, page.fields(action) | named)

    async def post(self, address: str, fields: Fields) -> Page:
        """Send a form, and go where it leads."""
        return await self._show("POST", address, fields)

    async def _show(self, method: str, address: str, fields: Fields | None) -> Page:
        session = {"laurel_session": self.person.token} if self.person else {}
        sent = "; ".join(f"{name}={value}" for name, value in (session | self.cookies).items())
        parts = urlsplit(address)
        response = await self.client.request(
            method,
            parts.path,
            params=parts.query or None,
            data=fields,
            headers={"Accept": "text/html", "Cookie": sent},
        )
        for cookie in response.headers.get_list("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies.pop(name, None)
            if value.strip('"'):
                self.cookies[name] = value
        self.client.cookies.clear()
        if response.status_code == 303:
            return await self.get(response.headers["location"].partition("#")[0])
        return Page(parts.path, response.status_code, response.text)
