"""The model against the whole product: real claims, with messages that come twice, shuffled, late, or never.

Everything is received in order and committed at once, as the API does it; what is in doubt is who hears of it and when.
Two learners claim credit for one CE activity, and each model knows of its own only. In between workflows are terminated
and reset, and workers are away.

``LAUREL_MODEL_EXAMPLES=1000 .venv/bin/pytest tests/model`` plays many more claims than a change has to wait for.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from temporalio.testing import WorkflowEnvironment

from domain.corrections import CreditChange
from domain.policy import CEActivityPolicy
from domain.submissions import AnswersGiven, Opening, ProgressReported
from tests.domain.played import claiming_day
from tests.model.invariants import assert_invariants
from tests.model.mirror import assert_mirrored
from tests.model.stack import ModelledClaim, two_claims
from tests.model.steps import (
    ANYTHING,
    CHOICES,
    CORRECTION,
    EXAMPLES,
    HAS,
    OFFICE,
    POLICIES,
    RIGHT,
    TRIED,
    Send,
    Step,
    learner_of,
    moved,
)
from tests.workflows.conftest import Workers

A_MOMENT, A_MINUTE = timedelta(seconds=1), timedelta(seconds=61)
A_SEASON = timedelta(days=100)
WAITS = st.sampled_from([A_MOMENT, A_MOMENT, timedelta(hours=2), timedelta(days=5)])


@dataclass(frozen=True)
class Sent:
    """Steps of one learner that are received, each once or twice, before anybody hears of them."""

    steps: list[Step]
    copies: int
    wait: timedelta


@dataclass(frozen=True)
class Delivered:
    """What is undecided is delivered in any order: some of it twice, some of it not at all."""

    order: Random


@dataclass(frozen=True)
class Watched:
    """A platform reports progress, in pieces and twice."""

    reports: list[tuple[int, int, int]]


@dataclass(frozen=True)
class Diligent:
    """A learner completes the content, and goes on with what is right."""

    sent: Sent


@dataclass(frozen=True)
class Corrected:
    """Staff correct what was awarded."""

    change: CreditChange


@dataclass(frozen=True)
class Broken:
    """Something of the engine goes away: a claim's run, its history, or the workers for a while."""

    what: str


Happening = Sent | Delivered | Watched | Diligent | Corrected | Broken


def is_writable(step: Send) -> bool:
    """Whether the API would take it: amounts with two decimals. What others send has happenings of its own."""
    units: Decimal | None = getattr(step.body, "units", None)
    is_read = units is None or (units.is_finite() and units.as_tuple().exponent in (0, -1, -2))
    return is_read and not isinstance(step.body, Opening | ProgressReported)


ANY_STEP = st.one_of(RIGHT, RIGHT, RIGHT, TRIED, OFFICE, ANYTHING.filter(is_writable))
SENT = st.builds(Sent, st.lists(ANY_STEP, min_size=1, max_size=5), st.integers(1, 2), WAITS)
REPORTS = st.lists(st.tuples(st.integers(0, 2), st.just(0), st.integers(600, 5400)), min_size=1, max_size=3)
ALL_CONTENT = [(0, 0, 5400), (1, 0, 5400), (2, 0, 5400)]
RIGHT_STEPS = st.lists(st.one_of(RIGHT, RIGHT, RIGHT, TRIED), min_size=6, max_size=12)
DILIGENT = st.builds(Diligent, st.builds(Sent, RIGHT_STEPS, st.integers(1, 2), WAITS))
HAPPENINGS = st.one_of(
    SENT,
    SENT,
    SENT,
    st.builds(Delivered, st.randoms(use_true_random=False)),
    st.builds(Watched, REPORTS),
    DILIGENT,
    DILIGENT,
    st.builds(Corrected, CORRECTION),
    st.builds(Broken, st.sampled_from(["terminate", "reset", "restart", "away"])),
)


@dataclass
class Attendance:
    """The workers, who are there or away."""

    workers: Workers
    are_away: bool = False

    async def go(self) -> None:
        if not self.are_away:
            await self.workers.stop()
        self.are_away = True

    async def come(self) -> None:
        if self.are_away:
            await self.workers.start()
        self.are_away = False


@dataclass
class Story:
    """Plays what happens, one thing after the other; its time is behind ours, and reaches it at the end."""

    claims: list[ModelledClaim]
    workers: Attendance
    at: datetime

    async def play(self, who: int, happening: Happening) -> None:
        claim = self.claims[who]
        match happening:
            case Sent():
                self._send(claim, happening)
            case Delivered():
                await self._deliver(claim, happening.order)
            case Watched():
                await self._watch(claim, happening.reports)
            case Diligent():
                await self._watch(claim, ALL_CONTENT)
                self._send(claim, happening.sent)
            case Corrected():
                await self.workers.come()
                await claim.is_told()
                await claim.correct(happening.change, self.later(A_MINUTE))
            case Broken():
                await self._break(claim, happening.what)

    def later(self, wait: timedelta) -> datetime:
        self.at += wait
        return self.at

    def _send(self, claim: ModelledClaim, sent: Sent) -> None:
        self.later(sent.wait)
        for step in sent.steps:
            body = step(claim.model, self.at)
            if body is None:
                continue
            for _ in range(sent.copies):
                claim.receive(body, self.later(A_MOMENT))
            if isinstance(body, AnswersGiven):
                # Our clock is ahead, so the result may be there at once: nothing more is received before its time.
                self.later(A_MINUTE)

    async def _deliver(self, claim: ModelledClaim, order: Random) -> None:
        heard = [each for each in claim.undecided() for _ in range(order.randint(0, 2))]
        await claim.deliver(order.sample(heard, len(heard)))
        self.later(A_MINUTE)

    async def _watch(self, claim: ModelledClaim, reports: list[tuple[int, int, int]]) -> None:
        """Progress counts from when it is in the record, so what was received before is decided first."""
        if claim.model.policy.content is None:
            return
        await self.workers.come()
        await claim.is_told()
        for number, start, end in [*reversed(reports), *reports]:
            claim.watch(f"c{number}", start, end)
        claim.receive(ProgressReported("c0"), self.later(A_MINUTE))

    async def _break(self, claim: ModelledClaim, what: str) -> None:
        if what in ("away", "restart"):
            await self.workers.go()
        if what != "away":
            await self.workers.come()
        if claim.is_started and what == "terminate":
            await claim.terminate()
        if claim.is_started and what == "reset":
            await claim.reset()
        self.later(A_MINUTE)

    async def end(self, environment: WorkflowEnvironment, afterwards: timedelta) -> None:
        """Every claim comes to what its model says, now and after a while, and stays so when it hears all again."""
        await self.workers.come()
        for claim in self.claims:
            await claim.release(self.later(A_MOMENT))
            await claim.deliver([claim.opening])
            await claim.assert_same_state()
            claim.assert_same_outcomes()
        for claim in self.claims:
            skipped = await claim.go_forward(environment, afterwards)
            await claim.assert_same_state(skipped)
            await claim.deliver([*claim.expected][-2:])
            await claim.assert_same_state(skipped)
            claim.assert_same_outcomes()
            claim.claim.assert_audited()


def longest(happening: Happening) -> timedelta:
    """How long this may take at most."""
    if isinstance(happening, Diligent):
        return longest(happening.sent) + A_MINUTE
    if isinstance(happening, Sent):
        return happening.wait + len(happening.steps) * (2 * A_MOMENT + A_MINUTE)
    return A_MINUTE


@dataclass(frozen=True)
class Plot:
    """All that is drawn, with what happens.

    The claims open so many days after the first day of claiming, or before the last one.
    """

    policy: CEActivityPolicy
    days: int
    is_near_the_end: bool
    choices: tuple[int, int]
    has: tuple[frozenset[str], frozenset[str]]
    happenings: list[tuple[int, Happening]]
    afterwards: timedelta

    def opened_on(self) -> date:
        """The day on which the claims open, by the policy's own dates."""
        closes_on, days = self.policy.claim_window.closes_on, timedelta(days=self.days)
        return closes_on - days if closes_on and self.is_near_the_end else claiming_day(self.policy) + days


PLOTS = st.builds(
    Plot,
    policy=POLICIES,
    days=st.integers(-3, 8),
    is_near_the_end=st.booleans(),
    choices=st.tuples(CHOICES, CHOICES),
    has=st.tuples(HAS, HAS),
    happenings=st.lists(st.tuples(st.integers(0, 1), HAPPENINGS), min_size=4, max_size=12),
    afterwards=st.sampled_from([timedelta(), timedelta(seconds=31), timedelta(days=13), A_SEASON, A_SEASON]),
)


@pytest.mark.timeout(60 + 12 * EXAMPLES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(plot=PLOTS)
async def test_a_claim_comes_to_what_its_steps_amount_to_whatever_happens_to_its_messages(
    engine: Engine, mirror: None, environment: WorkflowEnvironment, workers: Workers, plot: Plot
) -> None:
    opened_at = datetime.now(UTC) - A_MINUTE - sum((longest(each) for _, each in plot.happenings), timedelta())
    policy = moved(plot.policy, opened_at.date() - plot.opened_on())
    learners = [learner_of(policy, *each) for each in zip(plot.choices, plot.has, strict=True)]
    claims = two_claims(engine, environment.client, policy, learners, opened_at)
    story = Story(claims, Attendance(workers), opened_at)
    for claim in claims:
        claim.open(opened_at)
    try:
        for who, happening in plot.happenings:
            await story.play(who, happening)
    finally:
        await story.workers.come()
    await story.end(environment, plot.afterwards)
    assert_invariants(engine, [each.claim.claim_id for each in claims])
    assert_mirrored(engine, [each.claim.claim_id for each in claims])
