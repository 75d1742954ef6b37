"""A learner who follows a claim's ``next_actions`` and knows no flow: every form, limit and address comes from the API.

What nobody can read there is in ``Knowledge``: ids and codes, right answers, and how content gets completed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from cli.learner import Json
from tests.e2e.people import Person, credit_body


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """What a learner knows or does outside of Laurel.

    ``proofs`` are values by method, ``option`` is chosen where options are offered (by default the first), ``answers``
    are option codes by question, ``complete`` watches a piece of content to its end, and ``statement`` is sought (by
    default the first on offer). At most ``sessions`` sessions are claimed.
    """

    proofs: Mapping[str, str] = field(default_factory=dict)
    option: str | None = None
    statement: str | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    complete: Callable[[Json], None] | None = None
    sessions: int = 3


def responses_to(questions: list[Json]) -> Json:
    """Responses that complete an evaluation, from its form alone."""
    response: dict[str, Callable[[Json], Any]] = {
        "choice": lambda question: question["options"][0]["code"],
        "scale": lambda question: question["maximum"],
        "text": lambda _: "I will look twice.",
    }
    return {question["code"]: response[question["kind"]](question) for question in questions}


class Follower:
    """Takes one claim from where it is to its end; ``stages`` are those it passed, but where it waited for Laurel."""

    def __init__(self, person: Person, claim: Json, knowledge: Knowledge) -> None:
        self._person = person
        self._knows = knowledge
        self._claimed = 0
        self.claim = claim
        self.stages = [claim["stage"]]

    def follow(self, until: str | None = None) -> Json:
        """Do what is next until the claim is closed, or in a stage."""
        while self.claim["closed_at"] is None and self.claim["stage"] != until:
            self.step()
        return self.claim

    def step(self) -> None:
        """Do what is next, or wait while that is nothing."""
        action = self._next()
        if action is None:
            stage = self.claim["stage"]
            self._see(self._person.until(self.claim["id"], lambda status: status["stage"] != stage))
            return
        body = self._BODIES[action["action"]](self, action)
        answer = self._person.take(action, body)
        # Starting an attempt answers with its questions; everything else with the claim.
        self._see(answer if "stage" in answer else self._person.claim(self.claim["id"]))

    def _see(self, claim: Json) -> None:
        self.claim = claim
        if claim["stage"] != self.stages[-1] and claim["waiting_for"] != "certificate":
            self.stages.append(claim["stage"])

    def _next(self) -> Json | None:
        """The first of the next actions; but sessions come before the amount that they add up to."""
        possible: dict[str, Json] = {each["action"]: each for each in self.claim["next_actions"]}
        if "complete_content" in possible:
            self._complete(possible["complete_content"]["form"])
            return None
        session = possible.pop("claim_session", None)
        if session is not None and self.claim["credit"] is None and (chosen := self._choose_session()):
            return session | {"href": chosen["href"], "session": chosen}
        if self.claim["statement"] is not None:
            possible.pop("choose_statement", None)
        return next((each for name, each in possible.items() if name in self._BODIES), None)

    def _complete(self, content: Json) -> None:
        assert self._knows.complete is not None, "nobody told how content gets completed"
        for item in content["items"]:
            if not item["is_complete"]:
                self._knows.complete(item)

    def _choose_session(self) -> Json | None:
        """The next session that overlaps none, as long as there is room below what is designated."""
        summary = self.claim["sessions"]
        if self._claimed == self._knows.sessions:
            return None
        room = Decimal(summary["designated_units"]) - Decimal(summary["total_units"])
        listed = self._person.get(f"{summary['href']}?claimed=false&limit=500")["data"]
        return next(
            (each for each in listed if not each["overlaps"] and Decimal(each["maximum_units"]) <= room),
            None,
        )

    def _participation(self, action: Json) -> Json:
        form = action["form"]
        for method in form["methods"]:
            if method in self._knows.proofs:
                return {"method": method, "value": self._knows.proofs[method]}
        options = [option["code"] for option in form["options"]]
        return {"method": "attestation", "value": self._knows.option or options[0]}

    def _statement(self, action: Json) -> Json:
        return {"credit_type": self._knows.statement or action["form"]["offers"][0]["credit_type"]}

    def _disclosures(self, action: Json) -> Json:
        return {"version": action["form"]["version"]}

    def _attempt(self, _action: Json) -> Json:
        return {}

    def _answers(self, _action: Json) -> Json:
        return {"answers": dict(self._knows.answers)}

    def _evaluation(self, action: Json) -> Json:
        return {"responses": responses_to(action["form"]["questions"])}

    def _session(self, action: Json) -> Json:
        self._claimed += 1
        evaluation = action["form"]["evaluation"]
        responses = {"responses": responses_to(evaluation["questions"])} if evaluation else {}
        return {"units": action["session"]["maximum_units"]} | responses

    def _credit(self, action: Json) -> Json:
        offer = action["form"]["offers"][0]
        body = credit_body(offer) | {"units": offer["claimable_units"]}
        if self.claim["sessions"] is not None:
            body["units"] = self.claim["sessions"]["total_units"]
        return body

    def _finalization(self, _action: Json) -> Json:
        return {"confirmed": True}

    _BODIES: Final[dict[str, Callable[["Follower", Json], Json]]] = {
        "state_participation": _participation,
        "choose_statement": _statement,
        "acknowledge_disclosures": _disclosures,
        "start_attempt": _attempt,
        "submit_answers": _answers,
        "complete_evaluation": _evaluation,
        "claim_session": _session,
        "claim_credit": _credit,
        "finalize": _finalization,
    }
