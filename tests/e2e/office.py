"""Who stands beside the learners in end-to-end tests: an accreditation office over HTTP, and learning platforms."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import httpx2

from cli.demo import EXAMPLES
from cli.learner import Json
from cli.local import LocalStack
from domain.identities import new_id
from domain.roles import Role
from storage import accounts, integrations
from storage.database import create_sync_engine
from tests.e2e.people import Person
from tests.platforms import sender


def problem(answer: httpx2.Response) -> tuple[int, str]:
    """The status and the code of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def details(answer: httpx2.Response) -> Json:
    """The numbers and names that belong to a refused step."""
    return dict(answer.json()["details"])


def own_slug(slug: str) -> str:
    """A slug that is like this one and new."""
    return f"{slug[:40].rstrip('-')}-{new_id('x')[2:]}"


def own_example(slug: str) -> str:
    """An example's YAML under a slug, and if need be an activity code, of its own: no other test has a part in it."""
    text = (EXAMPLES / f"{slug}.yaml").read_text()
    text = re.sub(r"(?m)^activity_code: .+$", f"activity_code: {new_id('x')[2:].upper()}", text)
    return text.replace(f"\nslug: {slug}\n", f"\nslug: {own_slug(slug)}\n")


class Office(Person):
    """A coordinator who defines CE activities and loads rosters."""

    @classmethod
    @contextmanager
    def opened(cls, stack: LocalStack) -> Iterator[Self]:
        """An office that is open for as long as the block lasts."""
        with cls(stack) as office:
            office.sign_in()
            accounts.add_staff(stack.database_url, office.email, Role.COORDINATOR)
            yield office

    def publish(self, definition: str) -> str:
        """Publish a definition in YAML; answers with its slug."""
        slug = next(line for line in definition.splitlines() if line.startswith("slug: ")).removeprefix("slug: ")
        path = f"/v1/staff/ce-activities/{slug}"
        answer = self.send("PUT", path, definition.encode(), content_type="application/yaml")
        assert answer.status_code == 200, answer.text
        return slug

    def preview(self, slug: str, roster: bytes) -> Json:
        """Upload a roster, and see what applying it would do."""
        answer = self.send("POST", f"/v1/staff/ce-activities/{slug}/roster", roster, content_type="text/csv")
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def enrol(self, slug: str, roster: bytes) -> Json:
        """Upload a roster and apply it."""
        answer = self.send("POST", self.preview(slug, roster)["apply_href"])
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def learner_id(self, person: Person) -> str:
        """The id under which staff find somebody."""
        (found,) = self.get(f"/v1/staff/learners?email={person.email}")["data"]
        return str(found["id"])


@dataclass(frozen=True)
class Platform:
    """A learning platform that sends signed events."""

    api_url: str
    name: str
    secret: str

    @classmethod
    def connected(cls, stack: LocalStack) -> Self:
        """A platform of its own, as an operator adds it."""
        name, engine = own_slug("platform"), create_sync_engine(stack.database_url, pool_size=1)
        with engine.begin() as connection:
            secret = integrations.add(connection, name)
        engine.dispose()
        return cls(stack.urls["api"], name, secret)

    def report(self, person: Person, ce_activity: str, content: str, *intervals: tuple[int, int]) -> None:
        """Report what somebody watched of a piece of content, in seconds from its beginning."""
        data = {"learner": {"email": person.email}, "ce_activity": ce_activity, "content": content}
        self._send("progress.updated", data | {"intervals": intervals})

    def _send(self, event_type: str, data: Any) -> None:
        event = {"type": event_type, "timestamp": datetime.now(UTC).isoformat(), "data": data}
        body = json.dumps(event).encode()
        signed = sender.signed_headers(self.secret, new_id("msg"), int(time.time()), body)
        headers = {"Content-Type": "application/json"} | signed
        path = f"{self.api_url}/v1/integrations/{self.name}/events"
        answer = httpx2.post(path, content=body, headers=headers, timeout=10)
        assert answer.status_code == 202, answer.text
