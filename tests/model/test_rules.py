"""The rules of claiming against a second statement of them, step by step, whatever happens in whatever order.

``LAUREL_MODEL_EXAMPLES=1000 .venv/bin/pytest tests/model`` plays many more claims than a change has to wait for.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.claiming import correct
from domain.claims import graded_at, is_overdue, stage_of
from domain.corrections import CreditChange
from domain.deadlines import opens_at, start_of_day
from domain.identifiers import IDENTIFIERS
from domain.intervals import Watched
from domain.participation import Evidence, RosterMatch
from domain.policy import CEActivityPolicy, Profession
from domain.refusals import RefusalCode, Refused
from domain.submissions import ParticipationStated, ProgressReported, SubmissionBody, kind_of
from domain.turns import is_kept
from tests.domain.played import PlayedClaim, claiming_day
from tests.model.reference import ReferenceClaim, Rosters
from tests.model.steps import (
    ANYTHING,
    CHOICES,
    CORRECTION,
    EXAMPLES,
    GUESSES,
    HAS,
    OFFICE,
    POLICIES,
    RIGHT,
    ROSTERS,
    TRIED,
    WAIVE,
    Step,
    learner_of,
)

CLAIM_ID = "clm_1"
HOLDERS = {"mine": CLAIM_ID, "theirs": "clm_2"}
WAITS = st.sampled_from(
    [timedelta(microseconds=1), timedelta(seconds=29), timedelta(seconds=30), timedelta(hours=7), timedelta(days=9)]
)
WRONG = {RefusalCode.IDENTIFIER_NOT_FOUND, RefusalCode.IDENTIFIER_TAKEN}


def evidence(rosters: Rosters, body: SubmissionBody, wrong_tries: list[datetime]) -> Evidence:
    """What the record would know of a proof."""
    if not isinstance(body, ParticipationStated):
        return Evidence(CLAIM_ID)
    entry = rosters.entry(body.method, body.value)
    match = RosterMatch("ren_1", entry == "group", HOLDERS.get(entry), entry == "named") if entry else None
    return Evidence(CLAIM_ID, match, wrong_tries)


def state_of(claim: PlayedClaim, at: datetime) -> Mapping[str, Any]:
    """A claim of the product in the model's words; one whose deadline passed is expired, timer or not."""
    facts, stage = claim.facts, stage_of(claim.policy, claim.facts, at)
    credited = (facts.credit.credit_type, facts.credit.units) if facts.credit else None
    return {
        "stage": "expired" if is_overdue(facts, stage, at) else stage.value,
        "due": facts.due_at,
        "way": facts.participation,
        "statement": facts.statement,
        "disclosed": facts.disclosures_version is not None,
        "attempts": [attempt.has_passed for attempt in facts.attempts],
        "evaluated": facts.is_evaluated,
        "sessions": facts.sessions,
        "evaluated_sessions": facts.evaluated_sessions,
        "credit": credited,
        "final": facts.is_final,
        "award": credited if facts.is_awarded else None,
        "time_asked": facts.is_extension_requested,
        "held": facts.is_held,
        "waived": facts.waived,
    }


class ClaimsByTheRules(RuleBasedStateMachine):
    """One claim, in the model and by the product's rules."""

    @initialize(policy=POLICIES, choice=CHOICES, has=HAS, rosters=ROSTERS)
    def open(self, policy: CEActivityPolicy, choice: int, has: frozenset[str], rosters: Rosters) -> None:
        learner = learner_of(policy, choice, has)
        day = claiming_day(policy) if choice % 4 else policy.starts_on
        self.at = start_of_day(day, policy.time_zone)
        self.wrong_tries: list[datetime] = []
        self.progress: dict[str, Watched] = {}
        self.kept: list[tuple[SubmissionBody, datetime]] = []
        self.model = ReferenceClaim(policy, learner, self.at, rosters)
        self.claim = PlayedClaim.opened(policy, Profession(learner.profession), self.at)
        self.claim.facts = replace(self.claim.facts, identifiers=learner.has & IDENTIFIERS.keys())

    def take(self, step: Step) -> None:
        body = step(self.model, self.at)
        if body is None:
            return
        reasons = self.model.send(body, self.at)
        if reasons is None:
            assert is_kept(self.claim.facts, kind_of(body))
            self.kept.append((body, self.at))
            return
        self.decide(body, self.at, reasons)
        settled, self.model.settled = self.model.settled, []
        kept, self.kept = (self.kept, []) if settled else ([], self.kept)
        for (each, at), (_, why) in zip(kept, settled, strict=True):
            self.decide(each, at, why)
        # A test may have no grading delay.
        self.claim.grade_if_due(self.at)

    def decide(self, body: SubmissionBody, at: datetime, reasons: set[str]) -> None:
        decision = self.claim.send(body, at, evidence(self.model.rosters, body, self.wrong_tries))
        if isinstance(decision, Refused):
            assert decision.code.value in reasons, body
            if decision.code in WRONG and isinstance(body, ParticipationStated) and body.method != "roster":
                self.wrong_tries.append(at)
        else:
            assert not reasons, body

    @rule(step=RIGHT)
    def do_what_is_right(self, step: Step) -> None:
        self.take(step)

    @rule(steps=st.lists(RIGHT | TRIED, min_size=4, max_size=12), is_each_sent_twice=st.booleans())
    def do_what_is_mostly_right_for_a_while(self, steps: list[Step], is_each_sent_twice: bool) -> None:
        self.hear_of([(0, 0, 5400), (1, 0, 5400), (2, 0, 5400)])
        for step in steps:
            # The second time it is the same body, as after a double click.
            body = step(self.model, self.at)
            for _ in range(1 + is_each_sent_twice):
                self.take(lambda *_, body=body: body)
            self.go_on_at(self.at + timedelta(seconds=30))

    @rule(step=ANYTHING)
    def send_anything(self, step: Step) -> None:
        self.take(step)

    @precondition(lambda self: self.model.stage(self.at) == "verifying_participation")
    @rule(steps=GUESSES)
    def guess(self, steps: list[Step]) -> None:
        for step in steps:
            self.take(step)

    @rule(step=TRIED)
    def try_something(self, step: Step) -> None:
        self.take(step)

    @rule(step=OFFICE)
    def ask_the_office(self, step: Step) -> None:
        self.take(step)

    @rule(step=WAIVE)
    def ask_for_a_waiver(self, step: Step) -> None:
        self.take(step)

    @precondition(lambda self: self.model.policy.content)
    @rule(
        reports=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5400), st.integers(0, 5400)), max_size=3),
        order=st.randoms(use_true_random=False),
    )
    def report_progress(self, reports: list[tuple[int, int, int]], order: Random) -> None:
        """Reports come twice, and in another order than the model hears them."""
        self.hear_of(reports, order.sample([*reports, *reports], 2 * len(reports)))

    def hear_of(self, reports: list[tuple[int, int, int]], shuffled: list[tuple[int, int, int]] | None = None) -> None:
        for number, start, end in reports:
            self.model.watch(f"c{number}", start, end)
        for number, start, end in shuffled or reports:
            known = self.progress.get(f"c{number}", Watched())
            self.progress[f"c{number}"] = known.with_report([(start, end)], 0)
        seconds = {code: watched.seconds for code, watched in self.progress.items()}
        self.claim.facts = replace(self.claim.facts, content_seconds=seconds)
        self.take(lambda *_: ProgressReported("c0"))

    @precondition(lambda self: self.model.awards)
    @rule(change=CORRECTION, is_told=st.booleans())
    def tell_and_correct(self, change: CreditChange, is_told: bool) -> None:
        if is_told:
            self.model.tell()
            self.claim.facts = replace(self.claim.facts, is_notified=True)
        reasons = self.model.correct(change, self.at)
        decision = correct(self.claim.policy, self.claim.facts, change, self.at)
        if isinstance(decision, Refused):
            assert decision.code.value in reasons, change
        else:
            assert not reasons, change
            self.claim.facts = decision.facts

    @rule(wait=WAITS)
    def let_time_pass(self, wait: timedelta) -> None:
        self.go_on_at(self.at + wait)

    @rule(offset=st.sampled_from([timedelta(microseconds=-1), timedelta(), timedelta(microseconds=1)]))
    def let_time_pass_until_something_happens(self, offset: timedelta) -> None:
        policy, facts = self.claim.policy, self.claim.facts
        times = [graded_at(policy, facts), opens_at(policy.claim_window, policy.time_zone), facts.due_at]
        self.go_on_at(min((at + offset for at in times if at and at + offset > self.at), default=self.at))

    @rule()
    def let_the_timer_fire(self) -> None:
        self.claim.expire_if_overdue(self.at)

    def go_on_at(self, at: datetime) -> None:
        self.at = at
        self.claim.grade_if_due(at)

    @invariant()
    def both_say_the_same(self) -> None:
        assert state_of(self.claim, self.at) == self.model.state(self.at)


TestClaimsByTheRules = pytest.mark.timeout(60 + 3 * EXAMPLES)(ClaimsByTheRules.TestCase)
TestClaimsByTheRules.settings = settings(
    max_examples=13 * EXAMPLES, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
