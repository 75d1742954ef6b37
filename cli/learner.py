"""A learner's front end in its smallest form: it signs in, and does what a claim's ``next_actions`` say.

It knows no rule: every form, limit and address comes from the API. The demo drives a claim with it.
"""

import re
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, Self

import httpx2

from cli.errors import StackError

Json = dict[str, Any]

_LINK = re.compile(r"/sign-in\?token=(\S+)")


class RefusedError(StackError):
    """An answer that says no, in the problem's own words; ``code`` is the problem's."""

    def __init__(self, words: str, code: str) -> None:
        super().__init__(words)
        self.code = code


class Learner:
    """One signed-in learner. Every call raises ``RefusedError`` with the problem's own words when it is refused."""

    def __init__(self, api_url: str, mail_url: str, email: str) -> None:
        self._mail_url = mail_url
        self._email = email
        self._http = httpx2.Client(base_url=api_url, timeout=35)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.close()

    def sign_in(self) -> None:
        """Ask for a link, read it in the mail catcher, and use it. Whoever was signed in before gets another link."""
        earlier = {message["id"] for message in self._messages()}
        self._call("POST", "/v1/session/links", {"email": self._email})
        message = self.wait_for_mail(lambda mail: mail["id"] not in earlier and _LINK.search(mail["text"]))
        found = _LINK.search(message["text"])
        token = found.group(1) if found else ""
        session = self._call("POST", "/v1/session", {"token": token})
        self._http.headers["Authorization"] = f"Bearer {session['access_token']}"

    def wait_for_mail(self, is_right: Callable[[Json], Any], seconds: float = 20) -> Json:
        """The newest mail to this learner that is the right one."""
        for _ in range(int(seconds * 10)):
            for message in self._messages():
                if is_right(message):
                    return message
            time.sleep(0.1)
        raise StackError(f"no mail came within {seconds:.0f} s; see {self._mail_url}")

    def _messages(self) -> list[Json]:
        """The mails to this learner, newest first."""
        answer = httpx2.get(f"{self._mail_url}/messages", params={"to": self._email}, timeout=10)
        answer.raise_for_status()
        return list(answer.json())

    def change_profile(self, profile: Mapping[str, Any]) -> Json:
        """Tell who the learner is: names, credentials, profession."""
        return self._call("PATCH", "/v1/me", profile)

    def open_claim(self, ce_activity: str) -> Json:
        """Open the claim, or find it."""
        return self._step("POST", "/v1/claims", {"ce_activity": ce_activity})

    def take(self, action: Json, body: Mapping[str, Any]) -> Json:
        """Do one of the next actions."""
        return self._step(action["method"], action["href"], body)

    def get(self, path: str) -> Json:
        """Read something."""
        return self._call("GET", path)

    def wait_for(self, path: str, is_right: Callable[[Json], Any], seconds: int = 20) -> Json:
        """Read something again and again until it is right."""
        for _ in range(seconds * 10):
            answer = self.get(path)
            if is_right(answer):
                return answer
            time.sleep(0.1)
        raise StackError(f"{path} did not become right within {seconds} s")

    def post(self, path: str, body: Mapping[str, Any]) -> Json:
        """Send something that is no step of a claim."""
        return self._call("POST", path, body)

    def upload(self, path: str, content: bytes, media_type: str) -> Json:
        """Send a file."""
        return _read(self._http.post(path, content=content, headers={"Content-Type": media_type}))

    def statuses(self, claim_id: str) -> Generator[Json, None, None]:
        """The claim's status now, and again at each change, until the claim closes (server-sent events)."""
        with self._http.stream("GET", f"/v1/claims/{claim_id}/events", timeout=None) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    yield httpx2.Response(200, content=line.removeprefix("data:").strip()).json()

    def certificate(self, claim_id: str) -> bytes:
        """The certificate as PDF."""
        answer = self._http.get(f"/v1/claims/{claim_id}/certificate")
        if answer.is_error:
            raise _refused(answer)
        return answer.content

    def _step(self, method: str, path: str, body: Mapping[str, Any], seconds: int = 60) -> Json:
        """Send a step; one that is recorded but not decided at once is asked about until it is."""
        answer = self._call(method, path, body)
        for _ in range(seconds):
            match answer.get("outcome"):
                case None:
                    return answer
                case "accepted":
                    return self.get(answer["claim"])
                case "refused":
                    raise RefusedError(f"the step was refused: {answer['code']}", answer["code"])
            time.sleep(1)
            answer = self.get(answer["href"])
        raise StackError(f"the step is recorded, but no worker decided it within {seconds} s; see the logs")

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        return _read(self._http.request(method, path, json=body))


def _read(answer: httpx2.Response) -> Json:
    if answer.is_error:
        raise _refused(answer)
    return dict(answer.json()) if answer.content else {}


def _refused(answer: httpx2.Response) -> RefusedError:
    try:
        problem = answer.json()
    except ValueError:
        return RefusedError(f"the API answered {answer.status_code}", "")
    code = str(problem.get("code"))
    words = ". ".join(filter(None, (problem.get("title"), problem.get("detail"))))
    return RefusedError(f"{words} ({code})", code)
