"""Telling a story: a front end that follows ``next_actions``, says what it does, and shows what came of it.

It knows no rule of any flow. What a learner brings along, such as right answers or a badge, is in the ``Story``.
"""

import math
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from cli.demo.organisers import Platform
from cli.errors import StackError
from cli.learner import Json, Learner, RefusedError
from cli.local import LocalStack
from config.settings import Settings
from domain.policy import CEActivityPolicy
from storage.definitions import read_definition

EXAMPLES: Final = Path(__file__).parents[2] / "examples"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One learner's way through one flow, as data; what is left out plays no part in it.

    ``opening`` leads from the signed-in learner to an open claim, ``ending`` is what they do once credit is awarded.
    """

    ce_activity: str
    """The slug of an example."""
    profile: Mapping[str, Any]
    opening: Callable[["Teller"], Json]
    ending: Callable[["Teller", Json], None] | None = None
    comment: str = "I will look twice."
    """What the learner answers where an evaluation asks for words."""
    proof: str = ""
    """The code that proves participation."""
    watched: tuple[tuple[str, int], ...] = ()
    """Content by its code, and how many minutes of it the learner watches."""
    sessions: tuple[tuple[str, str], ...] = ()
    """Sessions by their code, and the amounts claimed for them."""
    units: str | None = None
    """The amount claimed; by default all that may be."""


class Teller:
    """Drives one learner's claim to its end, and prints each step with the time that it took."""

    def __init__(self, stack: LocalStack, story: Story, say: Say) -> None:
        self.stack = stack
        self.story = story
        self.say = say
        self.policy: CEActivityPolicy = read_definition((EXAMPLES / f"{story.ce_activity}.yaml").read_text()).policy
        # Names the learner and the office of this telling: the data folder may hold others.
        self.stamp = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        self.name: str = story.profile["given_name"]
        self.email = f"{self.name}.{self.stamp}@learners.example".lower()
        self.learner = Learner(stack.urls["api"], stack.urls["mail"], self.email)
        self.proof = story.proof
        self.platform: Platform | None = None

    def tell(self) -> None:
        """Drive the claim and print where everything can be seen."""
        with self.learner:
            self.say(f"\n{self.policy.title}\n{self.policy.provider.name}\n")
            self.step("signs in", self.learner.sign_in)
            claim = self._follow(self.story.opening(self))
            if claim["award"] is None:
                raise StackError(f"the claim ended as {claim['stage']}")
            self.await_mail(lambda message: "has awarded you" in message["text"])
            if self.story.ending is not None:
                self.story.ending(self, claim)
            self._finish(claim)

    def step(self, words: str, act: Callable[[], Any], who: str | None = None) -> Any:
        """Do something and print it, whatever comes of it; ``who`` does it if it is not the learner."""
        started = time.perf_counter()
        try:
            return act()
        finally:
            self.say(f"  {f'{who or self.name} {words}':<66} {1000 * (time.perf_counter() - started):6.0f} ms")

    def take(self, words: str, action: Json, body: Json) -> Json:
        """Take one of the next actions."""
        return dict(self.step(words, lambda: self.learner.take(action, body)))

    def fill_in_profile(self) -> None:
        """Tell who the learner is."""
        self.step("fills in the profile", lambda: self.learner.change_profile(self.story.profile))

    def open_claim(self) -> Json:
        """Open the claim, or find the one that there is."""
        return dict(self.step("opens the claim", lambda: self.learner.open_claim(self.story.ce_activity)))

    def await_mail(self, is_right: Callable[[Json], bool]) -> None:
        """Wait for a mail and print its subject."""
        self.say(f"  e-mail: {self.learner.wait_for_mail(is_right)['subject']}")

    def _follow(self, claim: Json) -> Json:
        """Do the first of the next actions until the claim is closed; wait where there is none."""
        while claim["closed_at"] is None:
            action = next((a for a in claim["next_actions"] if a["action"] in _ACTIONS), None)
            if action is None:
                claim = self._watch(claim)
                continue
            _ACTIONS[action["action"]](self, claim, action)
            claim = self.learner.get(claim["href"])
        return claim

    def _watch(self, claim: Json) -> Json:
        """Follow the claim live until there is something to do again; show a countdown where an end is known."""
        if claim["waiting_for"] == "grading":
            self._count_down(claim["waiting_until"])
        for status in self.learner.statuses(claim["id"]):
            claim = status
            if claim["closed_at"] or any(a["action"] in _ACTIONS for a in claim["next_actions"]):
                break
        if claim["attempts"] and claim["stage"] == "awaiting_evaluation":
            attempt = claim["attempts"][-1]
            self.say(f"  graded: {attempt['percent']} % right, {'passed' if attempt['has_passed'] else 'not passed'}")
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
                self.say(words)
            time.sleep(1)
        if is_terminal:
            print("\r" + " " * 60 + "\r", end="", flush=True)

    def _finish(self, claim: Json) -> None:
        award = claim["award"]
        self.say(f"\nAwarded: {award['units']} {award['credit_name']}")
        self.say("\nTranscript")
        self._tell_transcript(self.learner.get("/v1/transcript"))
        self.say("\nTimeline")
        self._tell_history(self.learner.get(f"{claim['href']}/history?limit=100")["data"])
        temporal = self.stack.urls.get("temporal", Settings().temporal_ui_url)
        addresses = {
            **self._certificate(claim),
            "Portal": self.stack.urls["api"],
            "API": f"{self.stack.urls['api']}/docs",
            "Mail": self.stack.urls["mail"],
            "Workflow": f"{temporal}/namespaces/default/workflows/claim-{claim['id']}",
        }
        self.say("\n" + "\n".join(f"{name + ':':<14}{address}" for name, address in addresses.items()))

    def _certificate(self, claim: Json) -> dict[str, str]:
        """Where the certificate is: downloaded from here, or in the organisation's own system."""
        elsewhere, certificate = claim["certificate_elsewhere"], claim["certificate"]
        if elsewhere is not None:
            return {"Certificate": f"issued in {elsewhere['system']}, {elsewhere['url']}"}
        path = self.stack.data_dir / "demo" / f"{certificate['id']}.pdf"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(self.learner.certificate(claim["id"]))
        return {"Certificate": str(path), "Verification": certificate["verification_url"]}

    def _tell_transcript(self, transcript: Json) -> None:
        for entry in transcript["entries"]:
            self.say(f"  {entry['completed_on']}  {entry['title']}")
            for session in entry["sessions"]:
                self.say(f"    {session['units']:>5}  {session['title']}")
        for total in transcript["totals"]:
            self.say(f"  in all: {total['units']} {total['credit_name']}")

    def _tell_history(self, entries: Iterable[Json]) -> None:
        for entry in entries:
            at = datetime.fromisoformat(entry["at"])
            self.say(f"  {at:%H:%M:%S.%f}"[:-3] + f"  {entry['text']}")

    def responses(self, questions: Iterable[Json]) -> Json:
        """What the learner answers to an evaluation."""

        def response(question: Json) -> str | int:
            if question["kind"] == "choice":
                return str(question["options"][0]["code"])
            return int(question["maximum"]) if question["kind"] == "scale" else self.story.comment

        return {question["code"]: response(question) for question in questions}


def _short(words: str) -> str:
    return textwrap.shorten(words, 54, placeholder=" ...")


def _state_participation(teller: Teller, _claim: Json, action: Json) -> None:
    form = action["form"]
    if form["options"]:
        option = form["options"][0]
        words, value = f"took part: {option['label']}", option["code"]
    else:
        words, value = f"proves participation by {form['method'].replace('_', ' ')}: {teller.proof}", teller.proof
    teller.take(words, action, {"method": form["method"], "value": value})


def _choose_statement(teller: Teller, _claim: Json, action: Json) -> None:
    offer = action["form"]["offers"][0]
    teller.take(f"seeks {offer['name']}", action, {"credit_type": offer["credit_type"]})


def _acknowledge_disclosures(teller: Teller, _claim: Json, action: Json) -> None:
    form = action["form"]
    teller.take(f"reads {len(form['pages'])} pages of disclosures", action, {"version": form["version"]})


def _complete_content(teller: Teller, claim: Json, action: Json) -> None:
    """The learner watches on the platform; what it reports shows in the claim's own live events."""
    platform, titles = teller.platform, {item["code"]: item["title"] for item in action["form"]["items"]}
    if platform is None:
        raise StackError("the story has no platform where content can be completed")
    with closing(teller.learner.statuses(claim["id"])) as statuses:
        before = next(statuses)["content"]
        for content, minutes in teller.story.watched:
            report = partial(platform.report, content, [0, 60 * minutes])
            teller.step(_short(f"reports {minutes} minutes of {titles[content]}"), report, "The platform")
            before = next(status["content"] for status in statuses if status["content"] != before)
            teller.say(f"  live: {before['minutes_completed']} of {before['minutes_needed']} minutes are complete")


def _start_attempt(teller: Teller, _claim: Json, action: Json) -> None:
    teller.take(f"starts an attempt ({action['form']['passing_percent']} % to pass)", action, {})


def _give_answers(teller: Teller, _claim: Json, action: Json) -> None:
    questions = teller.policy.post_test.questions if teller.policy.post_test else ()
    teller.take(f"answers {len(questions)} questions", action, {"answers": {q.code: q.correct for q in questions}})


def _evaluate(teller: Teller, _claim: Json, action: Json) -> None:
    responses = teller.responses(action["form"]["questions"])
    teller.take("completes the evaluation", action, {"responses": responses})


def _claim_sessions(teller: Teller, claim: Json, action: Json) -> None:
    """One after the other, each with its evaluation; a refusal is shown, and the learner goes on."""
    summary, responses = claim["sessions"], teller.responses(action["form"]["evaluation"]["questions"])
    listed = teller.step("reads the programme", lambda: teller.learner.get(f"{summary['href']}?limit=500"))
    titles = {session["code"]: session["title"] for session in listed["data"]}
    for code, units in teller.story.sessions:
        session = action | {"href": action["href"].replace("{session}", code)}
        try:
            teller.take(_short(f"claims {units}: {titles[code]}"), session, {"units": units, "responses": responses})
        except RefusedError as refusal:
            teller.say(textwrap.fill(f"refused: {refusal}", 100, initial_indent="    ", subsequent_indent="    "))
    summary = teller.learner.get(claim["href"])["sessions"]
    missing = len(summary["evaluations_missing"])
    teller.say(f"  summary: {summary['claimed']} of {summary['count']} sessions, {missing} evaluations missing,")
    teller.say(f"    {summary['total_units']} of at most {summary['designated_units']}")


def _claim_credit(teller: Teller, claim: Json, action: Json) -> None:
    offers = action["form"]["offers"]
    offer = offers[0]
    if len(offers) > 1:
        teller.say(f"  types of credit for this profession: {', '.join(offer['name'] for offer in offers)}")
    total = claim["sessions"]["total_units"] if claim["sessions"] else offer["claimable_units"]
    units = teller.story.units or total
    body = {
        "credit_type": offer["credit_type"],
        "units": units,
        "attestation_version": offer["attestation_version"],
        "attested": True,
    }
    teller.take(f"attests to and claims {units} of {offer['designated_units']}", action, body)


def _finalize(teller: Teller, _claim: Json, action: Json) -> None:
    teller.say(textwrap.fill(action["form"]["warning"], 100, initial_indent="  warning: ", subsequent_indent="    "))
    teller.take("confirms: the statement is final", action, {"confirmed": True})


_ACTIONS: Final[dict[str, Callable[[Teller, Json, Json], None]]] = {
    "state_participation": _state_participation,
    "choose_statement": _choose_statement,
    "acknowledge_disclosures": _acknowledge_disclosures,
    "complete_content": _complete_content,
    "start_attempt": _start_attempt,
    "submit_answers": _give_answers,
    "complete_evaluation": _evaluate,
    "claim_session": _claim_sessions,
    "claim_credit": _claim_credit,
    "finalize": _finalize,
}
