"""Who else has a part in the stories: an accreditation office, and a learning platform."""

import json
from datetime import UTC, datetime
from typing import Self

import httpx2
from standardwebhooks import Webhook

from cli.errors import StackError
from cli.learner import Json, Learner
from cli.local import LocalStack
from domain.identities import new_id
from domain.roles import Role
from storage import accounts, integrations

_PLATFORM = "demo-platform"


class Office(Learner):
    """A coordinator at work: the same calls as a learner's, and an account that may do more."""

    @classmethod
    def opened(cls, stack: LocalStack, email: str) -> Self:
        """An office whose coordinator is signed in; as ``laurel staff add`` does it."""
        accounts.add_staff(stack.database_url, email, Role.COORDINATOR)
        office = cls(stack.urls["api"], stack.urls["mail"], email)
        office.sign_in()
        return office

    def preview_roster(self, ce_activity: str, roster: bytes) -> Json:
        """Upload a roster, and see what applying it would do."""
        return self.upload(f"/v1/staff/ce-activities/{ce_activity}/roster", roster, "text/csv")

    def apply_roster(self, preview: Json) -> Json:
        """Do what the preview said."""
        return self.post(preview["apply_href"], {})


class Platform:
    """A learning platform that reports what one learner watches of one CE activity, in signed events."""

    def __init__(self, stack: LocalStack, email: str, ce_activity: str) -> None:
        self._url = f"{stack.urls['api']}/v1/integrations/{_PLATFORM}/events"
        self._about = {"learner": {"email": email}, "ce_activity": ce_activity}
        self._webhook = Webhook(_secret(stack.database_url))

    def report(self, content: str, watched: list[int]) -> None:
        """Report that a piece of content was watched, from one of its seconds to another."""
        data = self._about | {"content": content, "intervals": [watched]}
        now = datetime.now(UTC)
        body = json.dumps({"type": "progress.updated", "timestamp": now.isoformat(), "data": data})
        event_id = new_id("msg")
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(event_id, now, body),
        }
        answer = httpx2.post(self._url, content=body, headers=headers, timeout=20)
        if answer.is_error:
            raise StackError(f"the platform's event was answered with {answer.status_code}: {answer.text}")


def _secret(database_url: str) -> str:
    """A secret to sign with, as ``laurel integrations add`` and ``rotate`` give it."""
    with integrations.connected(database_url) as connection:
        known = {each.name for each in integrations.listed(connection) if each.disabled_at is None}
        return (integrations.rotate if _PLATFORM in known else integrations.add)(connection, _PLATFORM)
