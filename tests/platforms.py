"""A learning platform for tests: the sample sender of ``examples/platform`` signs, this sends what tests want."""

import asyncio
import importlib.util
import json
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import httpx2
from sqlalchemy import Engine, text

from domain.identities import new_id
from domain.policy import CEActivityPolicy, Content, ContentItem, Participation, ParticipationMethod
from storage import integrations
from tests.claims import example_policy

SENDER = Path(__file__).parent.parent / "examples" / "platform" / "send_events.py"
VIDEO = ContentItem(code="video", title="Grand rounds, recorded", url="https://platform.example/video", minutes=30)
PAGES = ContentItem(code="pages", title="Reading", url="https://platform.example/pages", minutes=30)


def load_sender() -> ModuleType:
    spec = importlib.util.spec_from_file_location("send_events", SENDER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sender = load_sender()


def content_policy(*, allows_partial: bool = True) -> CEActivityPolicy:
    """An activity whose only requirement is to watch and to read."""
    content = Content(items=(VIDEO, PAGES), allows_partial=allows_partial)
    policy = example_policy()
    return replace(policy, requirements=(content,), credit=policy.credit[:1])


def roster_policy(*methods: ParticipationMethod) -> CEActivityPolicy:
    """An activity whose only requirement is participation, as a roster knows it."""
    return replace(example_policy(), requirements=(Participation(methods=methods or (ParticipationMethod.ROSTER,)),))


@dataclass
class Platform:
    """One integration, with the secret that it signs with."""

    client: httpx2.AsyncClient
    engine: Engine
    name: str
    secret: str
    sent: list[str] = field(default_factory=list)

    @classmethod
    def added(cls, client: httpx2.AsyncClient, engine: Engine) -> Self:
        name = new_id("academy").replace("_", "-")
        with engine.begin() as connection:
            return cls(client, engine, name, integrations.add(connection, name))

    @property
    def path(self) -> str:
        return f"/v1/integrations/{self.name}/events"

    def headers(self, body: bytes, *, event_id: str | None = None, age: int = 0) -> dict[str, str]:
        signed: dict[str, str] = sender.signed_headers(
            self.secret, event_id or new_id("msg"), int(time.time()) - age, body
        )
        return {"Content-Type": "application/json"} | signed

    async def post(self, body: bytes, **changed: str | None) -> httpx2.Response:
        """Send these bytes, signed, with some headers changed or (None) left out."""
        named = {name.replace("_", "-"): value for name, value in changed.items()}
        headers = self.headers(body) | named
        kept = {name: value for name, value in headers.items() if value is not None}
        return await self.client.post(self.path, content=body, headers=kept)

    async def send(self, event_type: str, data: Any, event_id: str | None = None, /, **changed: Any) -> httpx2.Response:
        """Send an event that is right in everything that the test does not change; again while there is no database.

        On a busy machine a new connection may take PostgreSQL longer than the API waits for one.
        """
        event = {"type": event_type, "timestamp": datetime.now(UTC).isoformat(), "data": data} | changed
        body = json.dumps(event).encode()
        event_id = event_id or new_id("msg")
        self.sent.append(event_id)
        for _ in range(10):
            response = await self.client.post(self.path, content=body, headers=self.headers(body, event_id=event_id))
            if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                break
            await asyncio.sleep(1)
        return response

    async def progress(
        self, email: str, slug: str, *intervals: tuple[int, int], content: str = "video", **more: Any
    ) -> httpx2.Response:
        """Report progress of the learner with this address; answers with 202 or the test fails."""
        event_id = more.pop("event_id", None)
        data = {"learner": {"email": email}, "ce_activity": slug, "content": content} | more
        if intervals:
            data["intervals"] = intervals
        response = await self.send("progress.updated", data, event_id)
        assert response.status_code == 202, response.text
        return response

    def event(self, event_id: str | None = None) -> dict[str, Any]:
        """An event as it is kept; by default the newest."""
        return self.rows(
            "SELECT * FROM integration_events WHERE integration = :name AND id = :id", id=event_id or self.sent[-1]
        )[0]

    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            found = connection.execute(text(query), {"name": self.name, **parameters})
            return [dict(row) for row in found.mappings()]

    def seconds(self, learner_id: str, content: str = "video") -> int:
        """The seconds that count of one learner's progress."""
        query = "SELECT seconds FROM content_progress WHERE learner_id = :learner_id AND content = :content"
        found = self.rows(query, learner_id=learner_id, content=content)
        return int(found[0]["seconds"]) if found else 0

    def submissions(self, learner_id: str) -> list[dict[str, Any]]:
        """What this platform's events handed in for a learner, in order."""
        return self.rows(
            "SELECT *, deliver_after <= clock_timestamp() AS is_due FROM submissions "
            "WHERE learner_id = :learner_id AND actor = 'integration:' || :name ORDER BY received_at",
            learner_id=learner_id,
        )

    def kinds(self, learner_id: str) -> list[str]:
        return [each["kind"] for each in self.submissions(learner_id)]
