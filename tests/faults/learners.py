"""Learners whose front end is a good client: every step has a key, and is repeated under it until it has an answer."""

import asyncio
import hashlib
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx2

from cli.demo import STORY
from cli.mailbox import CaughtMessage, Mailbox
from domain.identities import new_id
from tests.claims import example_policy, full_responses, right_answers, wrong_answers

Json = dict[str, Any]

POLICY = example_policy()
# Seconds that learners wait in vain once nothing fails any more: longer than the outbox keeps an e-mail for a sender
# that was killed while it sent (two minutes).
PATIENCE = 200.0
_AWAY = (502, 503, 504)
_LINK = re.compile(r"/sign-in\?token=(\S+)")


@dataclass
class Step:
    """One step of one learner, under one key. ``status`` and ``code`` are the final answer; None: it never came.

    ``is_acknowledged`` as soon as any answer was 2xx, 202 too. ``requests`` counts ok, failed and unknown ones.
    """

    kind: str
    key: str
    is_acknowledged: bool = False
    status: int | None = None
    code: str | None = None
    requests: Counter[str] = field(default_factory=Counter)


@dataclass
class Diary:
    """What all learners saw. ``surprises`` are answers and silences that no learner should meet.

    ``calm_at`` is since when nothing fails any more, by the monotonic clock.
    """

    steps: list[Step] = field(default_factory=list)
    certificates: dict[str, str] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    log: Path | None = None
    calm_at: float | None = None

    def is_patience_over(self, since: float) -> bool:
        """Whether nothing came for too long to somebody who waits ``since`` then; while things fail, all wait on."""
        return self.calm_at is not None and time.monotonic() > max(since, self.calm_at) + PATIENCE

    def note(self, learner: str, step: Step, outcome: str, status: int | None) -> None:
        """Count one request, and keep a line of it: ok, failed, or unknown when nobody can tell what became of it."""
        step.requests[outcome] += 1
        if self.log is not None:
            line = {"at": datetime.now(UTC).isoformat(), "learner": learner, "step": step.kind, "key": step.key}
            with self.log.open("a") as log:
                log.write(json.dumps({**line, "outcome": outcome, "status": status}) + "\n")


class Letters:
    """The mail folder, where every message is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mailbox = Mailbox(folder)
        self._read: set[str] = set()
        self._listed_at = 0
        self._by_address: defaultdict[str, list[CaughtMessage]] = defaultdict(list)
        self.messages: list[CaughtMessage] = []

    def to(self, address: str) -> list[CaughtMessage]:
        """The messages to an address, oldest first."""
        changed_at = self._folder.stat().st_mtime_ns
        if changed_at != self._listed_at:
            self._listed_at = changed_at
            for name in sorted({path.stem for path in self._folder.glob("*.eml")} - self._read):
                self._read.add(name)
                message = self._mailbox.get(name)
                assert message is not None
                self.messages.append(message)
                for recipient in message.to:
                    self._by_address[recipient].append(message)
        return self._by_address[address]


class UnansweredError(Exception):
    """Something was not answered, or did not happen, for as long as any learner would wait."""


class Client:
    """One learner's connection: patient, and certain of what it was told."""

    def __init__(self, name: str, http: httpx2.AsyncClient, diary: Diary, random: Random) -> None:
        self._name = name
        self._http = http
        self._diary = diary
        self._random = random
        self.headers: dict[str, str] = {}

    async def take(self, kind: str, method: str, path: str, body: Any) -> httpx2.Response:
        """Take a step: the same request under the same key until it is decided; now and then a double click."""
        step = Step(kind, new_id("key"))
        self._diary.steps.append(step)
        started = time.monotonic()
        if self._random.random() < 0.2:
            answer, other = await asyncio.gather(
                self._insist(step, method, path, body), self._insist(step, method, path, body)
            )
            if (answer.status_code, _code(answer)) != (other.status_code, _code(other)):
                self._diary.surprises.append(f"a double click got {answer.status_code} and {other.status_code}: {step}")
        else:
            answer = await self._insist(step, method, path, body)
        self._diary.waits.append(time.monotonic() - started)
        step.status, step.code = answer.status_code, _code(answer)
        if answer.is_error:
            self._diary.surprises.append(f"refused: {step}")
        return answer

    async def _insist(self, step: Step, method: str, path: str, body: Any) -> httpx2.Response:
        headers = {**self.headers, "Idempotency-Key": step.key}
        async for _ in self._tries(f"{step.kind} was not answered: {step.key}"):
            answer = await self._send(method, path, headers, body)
            outcome = "unknown" if answer is None else "failed" if answer.is_error else "ok"
            self._diary.note(self._name, step, outcome, None if answer is None else answer.status_code)
            if answer is None:
                continue
            step.is_acknowledged |= answer.is_success
            if answer.status_code == 202 and "Location" in answer.headers:
                await self._decided(answer.headers["Location"])
            else:
                return answer
        raise AssertionError

    async def _decided(self, location: str) -> None:
        """Wait until a submission that was received is decided; the request, repeated, then has its answer."""
        async for _ in self._tries(f"{location} is not decided"):
            if (await self.get(location)).json()["outcome"] != "undecided":
                return

    async def get(self, path: str) -> httpx2.Response:
        """Read something, as often as it takes."""
        async for _ in self._tries(f"{path} was not answered"):
            answer = await self._send("GET", path, self.headers)
            if answer is not None:
                return answer
        raise AssertionError

    async def next_status(self, href: str, seen: Json) -> Json:
        """The claim's status once it differs from what was seen, by server-sent events."""
        async for _ in self._tries(f"{href} did not move on from {seen['stage']}"):
            try:
                async with self._http.stream("GET", f"{href}/events", headers=self.headers, timeout=20) as answer:
                    async for line in answer.aiter_lines():
                        status = json.loads(line.removeprefix("data:")) if line.startswith("data: {") else {}
                        if "stage" in status and status["stage"] != seen["stage"]:
                            return dict(status)
            except httpx2.TransportError:
                continue
        raise AssertionError

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: Any = None
    ) -> httpx2.Response | None:
        """Send once; None when nobody can tell what became of the request."""
        content = {} if body is None else {"json": body}
        try:
            answer = await self._http.request(method, path, headers=headers, timeout=15, **content)
        except httpx2.TransportError:
            return None
        if answer.is_server_error and answer.status_code not in _AWAY:
            self._diary.surprises.append(f"{method} {path} answered {answer.status_code}: {answer.text}")
        return None if answer.is_server_error else answer

    async def _tries(self, why: str) -> AsyncIterator[None]:
        """Again and again, a little more slowly each time, until patience ends."""
        since, pause = time.monotonic(), 0.1
        while not self._diary.is_patience_over(since):
            yield None
            await asyncio.sleep(pause * self._random.uniform(0.5, 1.5))
            pause = min(2 * pause, 2.0)
        raise UnansweredError(why)


def _code(answer: httpx2.Response) -> str | None:
    return answer.json().get("code") if answer.is_error else None


class StormLearner:
    """A physician who claims the credit of the story's CE activity from the first step to the certificate."""

    def __init__(self, http: httpx2.AsyncClient, letters: Letters, diary: Diary, random: Random) -> None:
        self.email = f"{new_id('x').replace('_', '.')}@learners.example"
        self._client = Client(self.email, http, diary, random)
        self._letters = letters
        self._diary = diary
        self._fails_first = random.random() < 0.2
        self.claim: Json = {}

    async def run(self, pause: asyncio.Event | None = None) -> None:
        """Claim the credit; with ``pause``, wait for it before the last step."""
        try:
            await self._sign_in()
            await self._open()
            while self.claim["closed_at"] is None:
                if pause is not None and self.claim["stage"] == "ready_to_claim":
                    await pause.wait()
                await self._go_on()
            await self._fetch_certificate()
        except UnansweredError as silence:
            self._diary.surprises.append(f"{self.email} gave up: {silence}")

    async def _sign_in(self) -> None:
        client = self._client
        await client.take("link", "POST", "/v1/session/links", {"email": self.email})
        token = await self._token()
        session = await client.take("session", "POST", "/v1/session", {"token": token})
        client.headers = {"Authorization": f"Bearer {session.json()['access_token']}"}
        profile = {"given_name": "Alice", "family_name": "Moreau", "profession": "physician"}
        await client.take("profile", "PATCH", "/v1/me", profile)

    async def _token(self) -> str:
        since = time.monotonic()
        while not self._diary.is_patience_over(since):
            for message in self._letters.to(self.email):
                if found := _LINK.search(message.text or ""):
                    return found.group(1)
            await asyncio.sleep(0.2)
        raise UnansweredError("the link that was promised never came")

    async def _open(self) -> None:
        opened = await self._client.take("opening", "POST", "/v1/claims", {"ce_activity": STORY})
        self.claim = opened.json()

    async def _go_on(self) -> None:
        """Do the first of the next actions, or wait until there is one."""
        for action in self.claim["next_actions"]:
            taken = self._request(action)
            if taken is not None:
                kind, body = taken
                await self._client.take(kind, action["method"], action["href"], body)
                self.claim = (await self._client.get(self.claim["href"])).json()
                return
        self.claim = await self._client.next_status(self.claim["href"], self.claim)

    def _request(self, action: Json) -> tuple[str, Json] | None:
        """The kind and the body of the submission for an action, if it leads on."""
        is_first = len(self.claim["attempts"]) == 1
        match action["action"]:
            case "state_participation":
                return "participation", {"value": action["form"]["options"][0]["code"]}
            case "start_attempt":
                return "attempt", {}
            case "submit_answers":
                answers = wrong_answers(POLICY) if self._fails_first and is_first else right_answers(POLICY)
                return "answers", {"answers": answers}
            case "complete_evaluation":
                return "evaluation", {"responses": full_responses(POLICY)}
            case "claim_credit":
                offer = action["form"]["offers"][0]
                amount = {"credit_type": offer["credit_type"], "units": offer["designated_units"]}
                return "credit", amount | {"attestation_version": offer["attestation_version"], "attested": True}
        return None

    async def _fetch_certificate(self) -> None:
        contents = {(await self._client.get(f"{self.claim['href']}/certificate")).content for _ in range(2)}
        if len(contents) != 1:
            self._diary.surprises.append(f"two downloads of {self.claim['href']}/certificate differ")
        self._diary.certificates[self.claim["id"]] = hashlib.sha256(contents.pop()).hexdigest()
