"""People who use the embedded stack over HTTP and e-mail only, as learners, staff and browsers do."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2

from cli.demo import STORY
from cli.learner import Json, Learner
from cli.local import LocalStack
from domain.identities import new_id
from tests.claims import example_policy, full_responses, right_answers

POLICY = example_policy()
SIGN_IN_LINK = re.compile(r"/sign-in\?token=(\S+)")


def new_address() -> str:
    return f"{new_id('x').replace('_', '.')}@learners.example"


class Person(Learner):
    """Someone with an account. ``send`` shows the raw answer; the claim's own steps follow its ``next_actions``."""

    def __init__(self, stack: LocalStack, email: str | None = None) -> None:
        self.email = email or new_address()
        self.stack = stack
        super().__init__(stack.urls["api"], stack.urls["mail"], self.email)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """Send a request and show its answer, also a refusal. ``idempotency_key="k"`` sends ``Idempotency-Key: k``.

        Bytes are sent as they are, with the ``content_type`` that is named.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = {} if body is None else {"content" if isinstance(body, bytes) else "json": body}
        return self._http.request(method, path, headers=named, **content)

    @property
    def token(self) -> str:
        """What this person is signed in with; a browser keeps it as its cookie."""
        return str(self._http.headers["Authorization"]).removeprefix("Bearer ")

    def claim(self, claim_id: str) -> Json:
        return self.get(f"/v1/claims/{claim_id}")

    def until(self, claim_id: str, is_right: Callable[[Json], bool]) -> Json:
        """Watch the claim live until it is right; the stream ends by itself when the claim is closed."""
        status: Json = {}
        for status in self.statuses(claim_id):
            if is_right(status):
                return status
        raise AssertionError(f"the claim ended as {status.get('stage')}")

    def do(self, claim: Json, name: str, body: Mapping[str, Any]) -> Json:
        """Do the next action of this name; answers with what the API answers."""
        return self.take(action(claim, name), body)

    def take_part(self, slug: str = STORY) -> Json:
        """Open a claim and state participation with the first option."""
        claim = self.open_claim(slug)
        option = action(claim, "state_participation")["form"]["options"][0]["code"]
        return self.do(claim, "state_participation", {"value": option})

    def take_test(self, claim: Json, answers: Mapping[str, str]) -> Json:
        """Start an attempt, answer it, and wait for the result."""
        attempt = self.do(claim, "start_attempt", {})
        self.take({"method": "POST", "href": attempt["answers_href"]}, {"answers": answers})
        return self.until(claim["id"], lambda status: status["stage"] != "grading")

    def reach_evaluation(self) -> Json:
        """Do everything that comes before the evaluation of the story's CE activity."""
        return self.take_test(self.take_part(), right_answers(POLICY))

    def evaluate(self, claim: Json) -> Json:
        """Complete the evaluation of the story's CE activity."""
        return self.do(claim, "complete_evaluation", {"responses": full_responses(POLICY)})

    def reach_credit(self) -> Json:
        """Do everything that comes before the credit of the story's CE activity."""
        return self.evaluate(self.reach_evaluation())

    def claim_credit(self, claim: Json, **changes: Any) -> httpx2.Response:
        """Claim what is offered first, or what the changes say."""
        step = action(claim, "claim_credit")
        return self.send(step["method"], step["href"], credit_body(step["form"]["offers"][0]) | changes)

    def complete(self) -> Json:
        """The whole way to the certificate."""
        return self.finish(self.reach_credit())

    def finish(self, claim: Json) -> Json:
        """Claim what is offered first, and wait for the certificate."""
        answer = self.claim_credit(claim)
        assert answer.status_code == 200, answer.text
        return self.until(claim["id"], lambda status: status["stage"] == "completed")

    def award_mails(self) -> list[Json]:
        """The mails about awards that this person got, newest first."""
        self.wait_for_mail(lambda message: "/certificate" in message["text"])
        answer = httpx2.get(f"{self.stack.urls['mail']}/messages", params={"to": self.email}, timeout=10)
        return [message for message in answer.json() if "/certificate" in message["text"]]

    @contextmanager
    def browser(self) -> Iterator[httpx2.Client]:
        """A browser in which this person signs in through the pages."""
        headers = {"Accept": "text/html"}
        with httpx2.Client(base_url=self.stack.urls["api"], headers=headers, timeout=10) as browser:
            asked_at = datetime.now(UTC)
            assert browser.post("/sign-in/links", data={"email": self.email}).status_code == 200
            message = self.wait_for_mail(
                lambda mail: _token(mail) and datetime.fromisoformat(mail["received_at"]) > asked_at
            )
            answer = browser.post("/sign-in", data={"token": _token(message) or ""})
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
            yield browser


def action(claim: Json, name: str) -> Json:
    """One of a claim's next actions."""
    found = {each["action"]: each for each in claim["next_actions"]}
    assert name in found, f"{name} is not possible in {claim['stage']}: {sorted(found)}"
    return dict(found[name])


def credit_body(offer: Json) -> Json:
    return {
        "credit_type": offer["credit_type"],
        "units": offer["designated_units"],
        "attestation_version": offer["attestation_version"],
        "attested": True,
    }


def _token(message: Json) -> str | None:
    found = SIGN_IN_LINK.search(message["text"] or "")
    return found.group(1) if found else None


@dataclass
class Town:
    """Where people of all kinds come from; their connections are closed at the end."""

    stack: LocalStack
    _people: list[Person] = field(default_factory=list)

    def newcomer(self, email: str | None = None) -> Person:
        """Someone who is not signed in; with an address, on another device of the person who has it."""
        person = Person(self.stack, email)
        self._people.append(person)
        return person

    def stranger(self) -> Person:
        """Someone who is signed in and has told nothing else."""
        person = self.newcomer()
        person.sign_in()
        return person

    def learner(self, profession: str = "physician", **profile: Any) -> Person:
        """Someone signed in whose profile is filled in."""
        person = self.stranger()
        person.change_profile({"given_name": "Alice", "family_name": "Moreau", "profession": profession} | profile)
        return person

    def close(self) -> None:
        for person in self._people:
            person.__exit__()
