"""An office that loads rosters, for tests."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
from sqlalchemy import Engine, text

from domain.identities import new_id
from domain.policy import ParticipationMethod
from storage.catalog import publish
from storage.definitions import Definition, DefinitionStatus
from tests.api.conftest import Person
from tests.platforms import roster_policy

HEADER = ["Badge", "First name", "Last name", "E-mail", "NPI"]
ADA = ["A-1", "Ada", "Lovelace", "ada@x.example", ""]
GRACE = ["A-2", "Grace", "Hopper", "", "1234567893"]


def table(*rows: Sequence[str], header: Sequence[str] = HEADER, **dialect: Any) -> str:
    written = io.StringIO(newline="")
    csv.writer(written, **dialect).writerows([header, *rows])
    return written.getvalue()


@dataclass
class Office:
    """A member of staff who loads rosters of one CE activity."""

    person: Person
    engine: Engine
    slug: str

    async def upload(self, content: str | bytes, query: str = "", **headers: str) -> httpx2.Response:
        named = {"Content-Type": "text/csv"} | {name.replace("_", "-"): value for name, value in headers.items()}
        raw = content.encode() if isinstance(content, str) else content
        path = f"/v1/staff/ce-activities/{self.slug}/roster{query}"
        return await self.person.client.post(path, content=raw, headers={**self.person.headers, **named})

    async def preview(self, content: str | bytes, query: str = "") -> dict[str, Any]:
        response = await self.upload(content, query)
        assert response.status_code == 201, response.text
        return dict(response.json())

    async def apply(self, preview: dict[str, Any], **headers: str) -> httpx2.Response:
        return await self.person.post(f"{preview['href']}/apply", **headers)

    async def load(self, *rows: Sequence[str], header: Sequence[str] = HEADER) -> dict[str, Any]:
        """Upload these rows and apply them; answers with the roster."""
        response = await self.apply(await self.preview(table(*rows, header=header)))
        assert response.status_code == 200, response.text
        return dict(response.json())

    def all(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.engine.begin() as connection:
            found = connection.execute(text(query), {"slug": self.slug, **parameters})
            return [dict(row) for row in found.mappings()] if found.returns_rows else []

    def entries(self) -> dict[str, str]:
        """Who is on the roster: name -> keys."""
        rows = self.all(
            "SELECT coalesce(e.given_name || ' ' || e.family_name, '') AS name, "
            "string_agg(k.kind || '=' || k.value, ' ' ORDER BY k.kind, k.value) AS keys "
            "FROM roster_entries e JOIN roster_keys k ON k.entry_id = e.id JOIN ce_activities a "
            "ON a.id = e.ce_activity_id WHERE a.slug = :slug GROUP BY e.id"
        )
        return {row["name"]: row["keys"] for row in rows}

    def use(self, badge: str) -> None:
        """Let an entry have proved somebody's participation."""
        self.all(
            "UPDATE roster_entries SET claim_id = 'clm_x' WHERE id IN (SELECT k.entry_id FROM roster_keys k JOIN "
            "ce_activities a ON a.id = k.ce_activity_id WHERE a.slug = :slug AND k.value = :badge)",
            badge=badge,
        )


def counts(**expected: int) -> dict[str, int]:
    return dict.fromkeys(("new", "changed", "unchanged", "removed", "problems", "warnings"), 0) | expected


def assert_problem(response: httpx2.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"


def published(engine: Engine, *methods: ParticipationMethod) -> str:
    slug = new_id("meeting").replace("_", "-")
    with engine.begin() as connection:
        publish(connection, Definition(slug, DefinitionStatus.PUBLISHED, roster_policy(*methods)), None)
    return slug
