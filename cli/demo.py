"""The demo: everything started, the examples loaded, and one learner's claim driven from opening to certificate."""

import math
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from cli.errors import StackError
from cli.learner import Json, Learner
from cli.local import LocalStack, default_data_dir
from cli.main import stop_on_signals
from cli.terminal import progress_printer
from config.settings import Settings
from domain.policy import CEActivityPolicy, PostTest
from storage.catalog import publish
from storage.database import create_sync_engine
from storage.definitions import Definition, read_definition

EXAMPLES: Final = Path(__file__).parent.parent / "examples"
STORY: Final = "managing-hypertension-in-primary-care"
FAST_GRADING_SECONDS: Final = 2
PROFILE: Final = {"given_name": "Alice", "family_name": "Moreau", "credentials": "MD", "profession": "physician"}

Say = Callable[[str], None]


def run_demo(*, once: bool, fast: bool, data_dir: Path | None) -> None:
    """Start the embedded stack, drive flow C, and stay up until Ctrl-C; with ``once`` stop after the claim."""
    say = progress_printer()
    stack = LocalStack(data_dir or default_data_dir(), say=say)
    if "mail" not in stack.urls:
        raise StackError("the demo reads its own mail: unset LAUREL_SMTP_URL")
    stop_on_signals(stack)
    started = time.monotonic()
    stack.start()
    if not stack.is_running:
        stack.wait()
        raise StackError("the stack did not start")
    say(f"Everything runs after {time.monotonic() - started:.1f} s.")
    try:
        load_examples(stack.database_url, fast=fast)
        ClaimStory(stack, say).tell()
    except BaseException:
        stack.stop()
        raise
    if once:
        stack.stop()
        return
    say("\nLaurel stays up. Ctrl-C stops it.")
    stack.wait()


def load_examples(database_url: str, *, fast: bool) -> None:
    """Publish every definition in ``examples/``; with ``fast``, post-tests are graded after two seconds."""
    engine = create_sync_engine(database_url, pool_size=1)
    with engine.begin() as connection:
        for path in sorted(EXAMPLES.glob("*.yaml")):
            definition = read_definition(path.read_text())
            publish(connection, _graded_fast(definition) if fast else definition, None)
    engine.dispose()


def _graded_fast(definition: Definition) -> Definition:
    requirements = (
        replace(requirement, grading_seconds=FAST_GRADING_SECONDS) if isinstance(requirement, PostTest) else requirement
        for requirement in definition.policy.requirements
    )
    return replace(definition, policy=replace(definition.policy, requirements=tuple(requirements)))


class ClaimStory:
    """One learner's way through flow C, told as it happens."""

    def __init__(self, stack: LocalStack, say: Say) -> None:
        self._stack = stack
        self._say = say
        self._policy = read_definition((EXAMPLES / f"{STORY}.yaml").read_text()).policy
        self._email = f"alice.moreau.{datetime.now().astimezone():%Y%m%d-%H%M%S}@learners.example"

    def tell(self) -> None:
        """Drive the claim and print where everything can be seen."""
        with Learner(self._stack.urls["api"], self._stack.urls["mail"], self._email) as learner:
            self._say(f"\n{self._policy.title}\n{self._policy.provider.name}\n")
            self._step("signs in", learner.sign_in)
            self._step("fills in the profile", lambda: learner.change_profile(PROFILE))
            claim = self._step("opens the claim", lambda: learner.open_claim(STORY))
            claim = self._follow(learner, claim)
            message = learner.wait_for_mail(lambda message: "/certificate" in message["text"])
            self._say(f"  e-mail: {message['subject']}")
            self._finish(learner, claim)

    def _step(self, words: str, act: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = act()
        self._say(f"  Alice {words:<44} {1000 * (time.perf_counter() - started):6.0f} ms")
        return result

    def _follow(self, learner: Learner, claim: Json) -> Json:
        """Do the first of the next actions until the claim is closed; wait where there is none."""
        while claim["closed_at"] is None:
            action = next((a for a in claim["next_actions"] if a["action"] in _ACTIONS), None)
            if action is None:
                claim = self._watch(learner, claim)
                continue
            words, body = _ACTIONS[action["action"]](action, self._policy)
            self._step(words, partial(learner.take, action, body))
            claim = learner.get(f"/v1/claims/{claim['id']}")
        return claim

    def _watch(self, learner: Learner, claim: Json) -> Json:
        """Follow the claim live until there is something to do again; show a countdown where an end is known."""
        if claim["waiting_for"] == "grading":
            self._count_down(claim["waiting_until"])
        for status in learner.statuses(claim["id"]):
            claim = status
            if claim["closed_at"] or any(a["action"] in _ACTIONS for a in claim["next_actions"]):
                break
        if claim["attempts"] and claim["stage"] == "awaiting_evaluation":
            attempt = claim["attempts"][-1]
            self._say(f"  graded: {attempt['percent']} % right, {'passed' if attempt['has_passed'] else 'not passed'}")
        return claim

    def _count_down(self, until: str) -> None:
        """Show the durable grading delay run down: second by second in a terminal, every five seconds in a log."""
        end, is_terminal = datetime.fromisoformat(until), sys.stdout.isatty()
        seconds = math.ceil((end - datetime.now().astimezone()).total_seconds())
        for left in range(seconds, 0, -1):
            words = f"  grading: the evaluation unlocks in {left} s"
            if is_terminal:
                print(f"\r{words:<60}", end="", flush=True)
            elif left == seconds or left % 5 == 0:
                self._say(words)
            time.sleep(1)
        if is_terminal:
            print("\r" + " " * 60 + "\r", end="", flush=True)

    def _finish(self, learner: Learner, claim: Json) -> None:
        award, certificate = claim["award"], claim["certificate"]
        if award is None or certificate is None:
            raise StackError(f"the claim ended as {claim['stage']}")
        path = self._stack.data_dir / "demo" / f"{certificate['id']}.pdf"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(learner.certificate(claim["id"]))
        self._say(f"\nAwarded: {award['units']} {award['credit_name']}\n\nTimeline")
        self._tell_history(learner.get(f"/v1/claims/{claim['id']}/history")["data"])
        temporal = self._stack.urls.get("temporal", Settings().temporal_ui_url)
        addresses = {
            "Certificate": str(path),
            "Verification": certificate["verification_url"],
            "Portal": self._stack.urls["api"],
            "API": f"{self._stack.urls['api']}/docs",
            "Mail": self._stack.urls["mail"],
            "Workflow": f"{temporal}/namespaces/default/workflows/claim-{claim['id']}",
        }
        self._say("\n" + "\n".join(f"{name + ':':<14}{address}" for name, address in addresses.items()))

    def _tell_history(self, entries: Iterable[Json]) -> None:
        for entry in entries:
            at = datetime.fromisoformat(entry["at"])
            self._say(f"  {at:%H:%M:%S.%f}"[:-3] + f"  {entry['text']}")


def _state_participation(action: Json, _policy: CEActivityPolicy) -> tuple[str, Json]:
    option = action["form"]["options"][0]
    return f"took part: {option['label']}", {"method": "attestation", "value": option["code"]}


def _start_attempt(action: Json, _policy: CEActivityPolicy) -> tuple[str, Json]:
    return f"starts an attempt ({action['form']['passing_percent']} % to pass)", {}


def _give_answers(_action: Json, policy: CEActivityPolicy) -> tuple[str, Json]:
    questions = policy.post_test.questions if policy.post_test else ()
    return f"answers {len(questions)} questions", {"answers": {q.code: q.correct for q in questions}}


def _evaluate(action: Json, _policy: CEActivityPolicy) -> tuple[str, Json]:
    def response(question: Json) -> str | int:
        if question["kind"] == "choice":
            return str(question["options"][0]["code"])
        return int(question["maximum"]) if question["kind"] == "scale" else "I will measure at home before I treat."

    questions = action["form"]["questions"]
    return "completes the evaluation", {"responses": {q["code"]: response(q) for q in questions}}


def _claim_credit(action: Json, _policy: CEActivityPolicy) -> tuple[str, Json]:
    offer = action["form"]["offers"][0]
    body = {
        "credit_type": offer["credit_type"],
        "units": offer["designated_units"],
        "attestation_version": offer["attestation_version"],
        "attested": True,
    }
    return f"attests to and claims {offer['designated_units']} units", body


_ACTIONS: Final[dict[str, Callable[[Json, CEActivityPolicy], tuple[str, Json]]]] = {
    "state_participation": _state_participation,
    "start_attempt": _start_attempt,
    "submit_answers": _give_answers,
    "complete_evaluation": _evaluate,
    "claim_credit": _claim_credit,
}
