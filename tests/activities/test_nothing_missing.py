"""Every requirement of every example: with everything but that one there is no award, and with it there is one.

What a learner sends is generated from the policies, and so is each way of lacking something. The rules decide it alone
for every offer, and the ledger on a real record for one of each example.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Protocol, cast
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, delete, insert
from temporalio.client import Client

from activities.contract import ClaimStep
from domain import credit
from domain.claims import ClaimFacts, format_of
from domain.deadlines import due_at, opens_at
from domain.identifiers import IDENTIFIERS
from domain.participation import Evidence
from domain.policy import (
    CEActivityPolicy,
    Content,
    CreditOffer,
    Disclosures,
    Evaluation,
    EvaluationTime,
    Finalization,
    Participation,
    ParticipationMethod,
    PostTest,
    Profession,
    Requirement,
    Statement,
)
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    CreditClaimed,
    DeadlineExtended,
    DisclosuresAcknowledged,
    EvaluationCompleted,
    ParticipationStated,
    ProgressReported,
    SessionClaimed,
    StatementChosen,
    StatementFinalized,
    SubmissionBody,
)
from storage.definitions import read_definition
from storage.tables import ContentProgressRow, LearnerIdentifierRow
from tests.claims import TestClaim, responses_to, right_answers, without_pictures, wrong_answers
from tests.domain.played import ENTRY, GROUP, PlayedClaim
from tests.ways import BADGE, enrol, watched
from worker import Activities

Steps = dict[str, tuple[SubmissionBody, ...]]

EXAMPLES = sorted((Path(__file__).parent.parent.parent / "examples").glob("*.yaml"))
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Way:
    """One learner's way to one offer of a policy: who they are, and all that they send, step by step."""

    policy: CEActivityPolicy
    offer: CreditOffer

    @property
    def rule(self) -> credit.CreditRule:
        return credit.rule_of(self.offer)

    @property
    def profession(self) -> Profession:
        return min(each for each in Profession if credit.may_claim(self.offer, each))

    @property
    def option(self) -> str | None:
        """The first option by which this offer may be claimed; the last where any will do, because it asks for more."""
        asked = self.policy.participation
        options = asked.options if asked else ()
        fitting = [each.code for each in options if not self.offer.formats or each.format in self.offer.formats]
        # An option without a format of its own is of the CE activity's.
        own = [each.code for each in options if each.format is None and self.policy.format in self.offer.formats]
        return [*own, *fitting][-1] if own or fitting else None

    @property
    def requirements(self) -> list[Requirement]:
        """What is asked of those who take part this way."""
        learning_format = format_of(self.policy, ClaimFacts(profession=None, due_at=None, participation=self.option))
        every = self.policy.requirements
        return [each for each in every if learning_format in (getattr(each, "formats", ()) or (learning_format,))]

    @property
    def fields(self) -> dict[str, str]:
        """What the learner's profile must hold besides a name, with something right for each."""
        wanted = (*self.rule.required_identifiers, *self.policy.profile_fields)
        return {name: IDENTIFIERS[name].example for name in wanted if name in IDENTIFIERS}

    @property
    def at(self) -> datetime:
        """A time at which everything may be done: sessions are over, and the claim window is open."""
        days = [self.policy.starts_on, *(each.held_on for each in self.policy.sessions)]
        last = max([*days, self.policy.claim_window.opens_on or date.min]) + timedelta(days=1)
        return datetime.combine(last, time(12), ZoneInfo(self.policy.time_zone)).astimezone(UTC)

    @property
    def due_at(self) -> datetime:
        due = due_at(self.policy.claim_window, self.policy.time_zone, self.at)
        assert due is not None
        return due

    def steps(self) -> Steps:
        """What the learner sends for each requirement, in the policy's order, and then for the credit."""
        steps: Steps = {}
        for requirement in self.requirements:
            steps |= self._step(requirement)
        units = None if self.policy.sessions else self.offer.designated_units
        claimed = CreditClaimed(self.offer.credit_type, units, self.rule.attestation_version, is_attested=True)
        final = steps.pop("finalization", ())
        return {**steps, "credit": (claimed,)} | ({"finalization": final} if final else {})

    def _step(self, requirement: Requirement) -> Steps:
        match requirement:
            case Statement():
                return {"statement": (StatementChosen(self.offer.credit_type),)}
            case Participation():
                return {"participation": (self._proof(requirement),)}
            case Disclosures(version=version):
                return {"disclosures": (DisclosuresAcknowledged(version),)}
            case Content(items=items):
                return {"content": (ProgressReported(items[0].code),)}
            case PostTest():
                return {"post-test": (AttemptStarted(), AnswersGiven(1, right_answers(self.policy)))}
            case Evaluation(asked=EvaluationTime.PER_SESSION):
                return {"sessions": (self._session(responses_to(requirement)),)}
            case Evaluation():
                return {"evaluation": (EvaluationCompleted(responses_to(requirement)),)}
            case Finalization():
                return {"finalization": (StatementFinalized(is_confirmed=True),)}

    def _proof(self, asked: Participation) -> ParticipationStated:
        method = ParticipationMethod.CODE if asked.code else asked.methods[0]
        value = {ParticipationMethod.CODE: asked.code, ParticipationMethod.ATTESTATION: self.option}.get(method, BADGE)
        return ParticipationStated(method, value or "")

    def _session(self, responses: Mapping[str, str | int] | None) -> SessionClaimed:
        """The first session that is worth as much as may be claimed of anything."""
        least = max(self.rule.minimum_units, self.rule.increment)
        session = next(each for each in self.policy.sessions if each.maximum_units >= least)
        units = least if self.rule.allows_partial else session.maximum_units
        return SessionClaimed(session.code, units, responses)

    @property
    def ended_sessions_at(self) -> datetime | None:
        """A time at which the session that is claimed is not over yet, although the window is open."""
        if not self.policy.sessions:
            return None
        session = self.policy.session(self._session(None).session)
        assert session is not None
        at = datetime.combine(session.held_on, session.ends_at, ZoneInfo(self.policy.time_zone)) - 30 * MINUTE
        return at.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Lack:
    """The one thing that is not so: steps taken otherwise, something that the record lacks, or another time.

    ``then`` is what makes up for it where the right steps alone do not.
    """

    name: str
    instead: Mapping[str, tuple[SubmissionBody, ...]] = field(default_factory=dict)
    missing: str | None = None
    at: datetime | None = None
    then: Mapping[str, tuple[SubmissionBody, ...]] = field(default_factory=dict)


def lacks(way: Way) -> Iterator[Lack]:
    """Every way of having everything but one thing."""
    steps = way.steps()
    # That a platform reports progress only wakes the claim; what counts is what the record has of it.
    for name in steps.keys() - {"content"}:
        yield Lack(f"no {name}", {name: ()})
    yield from wrong_steps(way, steps)
    for name in ("given_name", "family_name", "profession", *way.fields):
        yield Lack(f"no {name} in the profile", missing=name)
    if "credentials" in way.policy.profile_fields:
        yield Lack("no credentials in the profile", missing="credentials")
    if any(not credit.may_claim(way.offer, each) for each in Profession):
        yield Lack("a profession that may not claim it", missing="eligibility")
    if "content" in steps:
        yield Lack("content that is not complete", missing="content")
    opening = opens_at(way.policy.claim_window, way.policy.time_zone)
    if opening is not None:
        yield Lack("before the claim window opens", at=opening - timedelta(hours=2))
    if way.ended_sessions_at is not None:
        yield Lack("before the session is over", at=way.ended_sessions_at)
    extension = DeadlineExtended(way.due_at.date() + timedelta(days=30), "Illness.")
    yield Lack("after the deadline", at=way.due_at + timedelta(seconds=1), then={"extension": (extension,)})


def wrong_steps(way: Way, steps: Steps) -> Iterator[Lack]:
    """Each step that may be taken wrongly, taken wrongly."""
    (claimed,) = cast(tuple[CreditClaimed], steps["credit"])
    yield Lack("credit that is not attested", {"credit": (replace(claimed, is_attested=False),)})
    yield Lack("another attestation", {"credit": (replace(claimed, attestation_version="1999-1"),)})
    if claimed.units is not None:
        yield Lack("too much credit", {"credit": (replace(claimed, units=way.offer.designated_units + 1),)})
    if claimed.units is not None and not way.rule.is_step(Decimal("0.01")):
        yield Lack("credit between steps", {"credit": (replace(claimed, units=Decimal("0.01")),)})
    (proof,) = cast(tuple[ParticipationStated], steps.get("participation", (ParticipationStated("code"),)))
    wrong: dict[str, tuple[SubmissionBody, ...]] = {
        "participation": (replace(proof, value="ZZ-0000"),),
        "disclosures": (DisclosuresAcknowledged("1999-1"),),
        "evaluation": (EvaluationCompleted({}),),
        "sessions": (way._session(None),) if way.policy.sessions else (),
        "finalization": (StatementFinalized(is_confirmed=False),),
    }
    yield from (Lack(f"a wrong {name}", {name: bodies}) for name, bodies in wrong.items() if name in steps)
    if "post-test" in steps:
        failed = (AttemptStarted(), AnswersGiven(1, wrong_answers(way.policy)))
        passed = (AttemptStarted(), AnswersGiven(2, right_answers(way.policy)))
        yield Lack("a post-test that is not passed", {"post-test": failed}, then={"post-test": passed})


class Player(Protocol):
    """A claim of a learner who does what a test says."""

    def take_away(self, missing: str) -> None:
        """Let the record lack one thing."""

    def give_back(self) -> None:
        """Let the record have all of it again."""

    def play(self, steps: Steps, at: datetime) -> None:
        """Send all of this, a minute apart."""

    def is_awarded(self) -> bool:
        """Whether there is an award."""


class PlayedByRules:
    """A claim that the rules alone decide."""

    def __init__(self, way: Way, opened_at: datetime) -> None:
        self._way = way
        self._claim = PlayedClaim.opened(way.policy, way.profession, opened_at)
        self._claim.facts = replace(self._claim.facts, identifiers=frozenset(way.fields))
        self._claim.complete_content()

    def take_away(self, missing: str) -> None:
        facts = self._claim.facts
        match missing:
            case "given_name" | "family_name":
                lacking = replace(facts, has_name=False)
            case "credentials":
                lacking = replace(facts, has_credentials=False)
            case "profession":
                lacking = replace(facts, profession=None)
            case "eligibility":
                lacking = replace(facts, profession=stranger(self._way))
            case "content":
                lacking = replace(facts, content_seconds={})
            case _:
                lacking = replace(facts, identifiers=facts.identifiers - {missing})
        self._claim.facts = lacking

    def give_back(self) -> None:
        self._claim.facts = replace(
            self._claim.facts,
            has_name=True,
            has_credentials=True,
            profession=self._way.profession,
            identifiers=frozenset(self._way.fields),
        )
        self._claim.complete_content()

    def play(self, steps: Steps, at: datetime) -> None:
        for number, body in enumerate(body for bodies in steps.values() for body in bodies):
            match body:
                case ParticipationStated(method=ParticipationMethod.BADGE_ID, value=value) if value == BADGE:
                    evidence = Evidence("clm_1", ENTRY)
                case ParticipationStated(method=ParticipationMethod.GROUP_ID, value=value) if value == BADGE:
                    evidence = Evidence("clm_1", GROUP)
                case _:
                    evidence = Evidence("clm_1")
            self._claim.send(body, at + number * MINUTE, evidence)

    def is_awarded(self) -> bool:
        return self._claim.facts.is_awarded


class PlayedOnRecord:
    """A claim on a real record, decided by the ledger."""

    def __init__(self, way: Way, opened_at: datetime, engine: Engine, activities: Activities) -> None:
        self._way = way
        self._activities = activities
        # Codes are each provider's, so that another claim of the example can't have the same.
        policy = replace(way.policy, activity_code=None)
        self.claim = TestClaim(engine, cast(Client, None), policy, profession=way.profession)
        proof = way.policy.participation
        if proof and proof.methods[0] in (ParticipationMethod.BADGE_ID, ParticipationMethod.GROUP_ID):
            is_group = proof.methods[0] is ParticipationMethod.GROUP_ID
            enrol(self.claim, {proof.methods[0].value: BADGE}, is_group=is_group)
        self._content = [each for each in way.requirements if isinstance(each, Content)]
        self._complete()
        self.claim.receive(self.claim.opening(), opened_at)

    def _complete(self) -> None:
        for item in (item for content in self._content for item in content.items):
            watched(self.claim, item.code, 60 * item.minutes)
        with self.claim.engine.begin() as connection:
            for kind, value in self._way.fields.items():
                row = {"learner_id": self.claim.learner_id, "kind": kind, "value": value}
                connection.execute(insert(LearnerIdentifierRow).values(**row))

    def take_away(self, missing: str) -> None:
        if missing == "eligibility":
            self.claim.change_learner(profession=stranger(self._way))
        elif missing in ("given_name", "family_name", "profession", "credentials"):
            self.claim.change_learner(**{missing: None})
        else:
            self._forget(missing)

    def _forget(self, missing: str) -> None:
        progress, identifiers = ContentProgressRow, LearnerIdentifierRow
        with self.claim.engine.begin() as connection:
            if missing == "content":
                connection.execute(delete(progress).where(progress.learner_id == self.claim.learner_id))
            else:
                is_it = (identifiers.learner_id == self.claim.learner_id) & (identifiers.kind == missing)
                connection.execute(delete(identifiers).where(is_it))

    def give_back(self) -> None:
        profile = {"given_name": "Alice", "family_name": "Moreau", "credentials": "MD"}
        self.claim.change_learner(**profile, profession=self._way.profession)
        for each in ("content", *self._way.fields):
            self._forget(each)
        self._complete()

    def play(self, steps: Steps, at: datetime) -> None:
        bodies = [body for bodies in steps.values() for body in bodies]
        for number, body in enumerate(bodies):
            self.claim.receive(body, at + number * MINUTE)
        self._activities.claims.load_claim(ClaimStep(self.claim.claim_id, at + len(bodies) * MINUTE))

    def is_awarded(self) -> bool:
        counts = {self.claim.count(table) for table in ("awards", "certificates")}
        counts.add(self.claim.events().count("credit.awarded"))
        assert counts in ({0}, {1})
        return counts == {1}


def stranger(way: Way) -> Profession:
    """A profession that may not claim what the way leads to."""
    return min(each for each in Profession if not credit.may_claim(way.offer, each))


def policy_of(path: Path) -> CEActivityPolicy:
    return without_pictures(read_definition(path.read_text(encoding="utf-8")).policy)


def ways(path: Path, most: int | None = None) -> list[Way]:
    """A way to each offer of an example, those that ask for the most first."""
    policy = policy_of(path)
    found = [Way(policy, offer) for offer in policy.credit]
    return sorted(found, key=lambda way: -len(way.requirements) - len(way.fields))[:most]


RULES = [pytest.param(way, id=f"{path.stem}-{number}") for path in EXAMPLES for number, way in enumerate(ways(path))]
LEDGER = [
    pytest.param(way, id=f"{path.stem}-{number}") for path in EXAMPLES for number, way in enumerate(ways(path, 1))
]


def play(player: Player, way: Way, lack: Lack) -> tuple[bool, bool]:
    """Do everything but one thing, and then that too; answers whether there was an award each time."""
    if lack.missing is not None:
        player.take_away(lack.missing)
    player.play({**way.steps(), **lack.instead}, lack.at or way.at)
    before = player.is_awarded()
    if lack.missing is not None:
        player.give_back()
    later = max(way.at, lack.at or way.at) + timedelta(hours=3)
    extended = {"extension": lack.then["extension"]} if "extension" in lack.then else {}
    player.play({**extended, **way.steps(), **lack.then}, later)
    return before, player.is_awarded()


NOTHING = Lack("nothing")


def opened_at(way: Way, lack: Lack) -> datetime:
    return min(way.at, lack.at or way.at) - timedelta(hours=1)


@pytest.mark.parametrize("way", RULES)
def test_the_rules_award_nothing_while_one_thing_is_missing(way: Way) -> None:
    assert play(PlayedByRules(way, opened_at(way, NOTHING)), way, NOTHING) == (True, True)
    for lack in lacks(way):
        assert play(PlayedByRules(way, opened_at(way, lack)), way, lack) == (False, True), lack


@pytest.mark.parametrize("way", LEDGER)
def test_the_ledger_awards_nothing_while_one_thing_is_missing(way: Way, engine: Engine, activities: Activities) -> None:
    for lack in (NOTHING, *lacks(way)):
        player = PlayedOnRecord(way, opened_at(way, lack), engine, activities)
        assert play(player, way, lack) == (lack is NOTHING, True), lack


MISSED: Mapping[type[Requirement], set[str]] = {
    Statement: {"no statement"},
    Participation: {"no participation", "a wrong participation"},
    Disclosures: {"no disclosures", "a wrong disclosures"},
    Content: {"content that is not complete"},
    PostTest: {"no post-test", "a post-test that is not passed"},
    Evaluation: {"no evaluation", "a wrong evaluation", "no sessions", "a wrong sessions"},
    Finalization: {"no finalization", "a wrong finalization"},
}
ALWAYS = {"no credit", "credit that is not attested", "no given_name in the profile", "after the deadline"}


@pytest.mark.parametrize("way", LEDGER)
def test_no_requirement_of_an_example_goes_unmissed(way: Way) -> None:
    missed = {lack.name for lack in lacks(way)}
    assert missed >= ALWAYS
    assert all(MISSED[type(requirement)] & missed for requirement in way.policy.requirements)
    assert ("before the claim window opens" in missed) is (way.policy.claim_window.opens_on is not None)


def test_the_examples_ask_for_every_kind_of_requirement() -> None:
    asked = {type(requirement) for path in EXAMPLES for requirement in policy_of(path).requirements}
    assert asked == MISSED.keys()
