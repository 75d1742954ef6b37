"""What a claim's status tells a front end: where it is, what comes next, what it waits for and until when.

A front end that shows this needs no rules of its own.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.claims import (
    CLOSED_STAGES,
    Attention,
    ClaimFacts,
    Stage,
    attempts_left,
    graded_at,
    is_met,
    is_overdue,
    stage_of,
)
from domain.deadlines import opens_at
from domain.decisions import RefusalCode
from domain.policy import CEActivityPolicy, Requirement


class Action(StrEnum):
    """What the learner may do now and would not be refused for."""

    STATE_PARTICIPATION = "state_participation"
    START_ATTEMPT = "start_attempt"
    SUBMIT_ANSWERS = "submit_answers"
    COMPLETE_EVALUATION = "complete_evaluation"
    CLAIM_CREDIT = "claim_credit"
    VIEW_CERTIFICATE = "view_certificate"
    WITHDRAW = "withdraw"


class WaitingFor(StrEnum):
    """Who or what moves the claim next."""

    LEARNER = "learner"
    GRADING = "grading"
    CLAIM_WINDOW = "claim_window"
    CERTIFICATE = "certificate"
    OPERATOR = "operator"
    NOTHING = "nothing"


class StepKind(StrEnum):
    """The steps of a claim: the kinds of requirement, then what follows for every claim."""

    PARTICIPATION = "participation"
    POST_TEST = "post_test"
    EVALUATION = "evaluation"
    CLAIM_WINDOW = "claim_window"
    CREDIT = "credit"
    CERTIFICATE = "certificate"


class StepState(StrEnum):
    """Whether a step is done, is the learner's turn, cannot be done yet or any more, or finishes by itself."""

    DONE = "done"
    TO_DO = "to_do"
    LOCKED = "locked"
    WAITING = "waiting"


class DeadlineName(StrEnum):
    """What happens at a time: the claim's deadline, the opening of its window, the result of grading."""

    CLAIM = "claim"
    OPENS = "opens"
    GRADING = "grading"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``reason`` says why it is locked or waiting; ``until`` when that ends by itself, if it does."""

    kind: StepKind
    state: StepState
    reason: RefusalCode | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """A time that matters to the learner, and the zone to show it in."""

    name: DeadlineName
    at: datetime
    time_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The status of a claim at one moment.

    ``waiting_until`` is when the wait ends at the latest, if that is known. ``blocked_by`` are the unfinished steps
    before the credit, in order; it is empty when credit may be claimed, was claimed, or never will be.
    """

    stage: Stage
    waiting_for: WaitingFor
    waiting_until: datetime | None
    next_actions: tuple[Action, ...]
    blocked_by: tuple[StepKind, ...]
    steps: tuple[Step, ...]
    deadlines: tuple[Deadline, ...]


def progress_of(policy: CEActivityPolicy, facts: ClaimFacts, at: datetime, attention: str | None) -> Progress:
    """Describe a claim at a moment; ``attention`` is the code for which it is parked, if it is."""
    moment = _Moment(policy, facts, at, attention)
    steps = moment.steps()
    can_still_claim = facts.credit is None and moment.ended_because is None
    before_credit = tuple(step.kind for step in steps[:-2] if step.state is not StepState.DONE)
    waiting_for = moment.waiting_for()
    waiting_until = {
        WaitingFor.LEARNER: facts.due_at,
        WaitingFor.GRADING: moment.result_at,
        WaitingFor.CLAIM_WINDOW: moment.opening,
    }.get(waiting_for)
    return Progress(
        stage=moment.stage,
        waiting_for=waiting_for,
        waiting_until=waiting_until,
        next_actions=moment.next_actions(),
        blocked_by=before_credit if can_still_claim else (),
        steps=steps,
        deadlines=moment.deadlines() if can_still_claim else (),
    )


class _Moment:
    """One claim at one moment, with what several parts of its status depend on."""

    def __init__(self, policy: CEActivityPolicy, facts: ClaimFacts, at: datetime, attention: str | None) -> None:
        self.policy = policy
        self.facts = facts
        self.at = at
        self.stage = stage_of(policy, facts, at)
        self.opening = opens_at(policy.claim_window, policy.time_zone)
        self.result_at = graded_at(policy, facts)
        self.is_overdue = is_overdue(facts, self.stage, at)
        self.is_parked = attention is not None
        # The e-mail follows the certificate, so a claim that is parked at its e-mail has one.
        self.has_certificate = facts.is_awarded and (facts.is_notified or attention == Attention.EMAIL_FAILED)

    @property
    def ended_because(self) -> RefusalCode | None:
        """Why the learner can do no more steps of a claim that ends, or ended, without an award."""
        if self.stage is Stage.EXPIRED or self.is_overdue:
            return RefusalCode.DEADLINE_PASSED
        post_test = self.policy.post_test
        if self.stage is Stage.DENIED and post_test is not None and attempts_left(post_test, self.facts) == 0:
            return RefusalCode.ATTEMPTS_EXHAUSTED
        return RefusalCode.WRONG_STATE if self.stage in (Stage.DENIED, Stage.WITHDRAWN) else None

    def waiting_for(self) -> WaitingFor:
        if self.stage in CLOSED_STAGES or self.is_overdue:
            return WaitingFor.NOTHING
        if self.is_parked:
            return WaitingFor.OPERATOR
        return {
            Stage.GRADING: WaitingFor.GRADING,
            Stage.AWAITING_WINDOW: WaitingFor.CLAIM_WINDOW,
            Stage.AWARDING: WaitingFor.CERTIFICATE,
            Stage.ISSUING: WaitingFor.CERTIFICATE,
        }.get(self.stage, WaitingFor.LEARNER)

    def next_actions(self) -> tuple[Action, ...]:
        if self.has_certificate:
            return (Action.VIEW_CERTIFICATE,)
        if self.facts.credit is not None or self.ended_because is not None:
            return ()
        last = self.facts.last_attempt
        has_open_attempt = last is not None and last.is_open
        action = {
            Stage.VERIFYING_PARTICIPATION: Action.STATE_PARTICIPATION,
            Stage.AWAITING_TEST: Action.SUBMIT_ANSWERS if has_open_attempt else Action.START_ATTEMPT,
            Stage.AWAITING_EVALUATION: Action.COMPLETE_EVALUATION,
            Stage.READY_TO_CLAIM: Action.CLAIM_CREDIT,
        }.get(self.stage)
        return (action, Action.WITHDRAW) if action else (Action.WITHDRAW,)

    def deadlines(self) -> tuple[Deadline, ...]:
        times = {
            DeadlineName.GRADING: self.result_at,
            DeadlineName.OPENS: self.opening if self.opening is not None and self.at < self.opening else None,
            DeadlineName.CLAIM: self.facts.due_at,
        }
        return tuple(Deadline(name, at, self.policy.time_zone) for name, at in times.items() if at is not None)

    def steps(self) -> tuple[Step, ...]:
        steps = [self._requirement_step(requirement) for requirement in self.policy.requirements]
        if self.opening is not None:
            is_open = self.at >= self.opening or self.facts.credit is not None
            waiting = Step(StepKind.CLAIM_WINDOW, StepState.WAITING, RefusalCode.WINDOW_NOT_OPEN, self.opening)
            steps.append(Step(StepKind.CLAIM_WINDOW, StepState.DONE) if is_open else waiting)
        return (*steps, self._credit_step(), self._certificate_step())

    def _requirement_step(self, requirement: Requirement) -> Step:
        kind = StepKind(requirement.kind)
        if is_met(requirement, self.facts):
            return Step(kind, StepState.DONE)
        if self.ended_because is not None:
            return Step(kind, StepState.LOCKED, self.ended_because)
        is_next = requirement is next(each for each in self.policy.requirements if not is_met(each, self.facts))
        if not is_next:
            return Step(kind, StepState.LOCKED, RefusalCode.STEP_LOCKED, self.result_at)
        if self.stage is Stage.GRADING:
            return Step(kind, StepState.WAITING, until=self.result_at)
        return Step(kind, StepState.TO_DO)

    def _credit_step(self) -> Step:
        if self.facts.credit is not None:
            return Step(StepKind.CREDIT, StepState.DONE)
        if self.stage is Stage.READY_TO_CLAIM and not self.is_overdue:
            return Step(StepKind.CREDIT, StepState.TO_DO)
        if self.stage is Stage.AWAITING_WINDOW and not self.is_overdue:
            return Step(StepKind.CREDIT, StepState.LOCKED, RefusalCode.WINDOW_NOT_OPEN, self.opening)
        return Step(StepKind.CREDIT, StepState.LOCKED, self.ended_because or RefusalCode.STEP_LOCKED)

    def _certificate_step(self) -> Step:
        if self.has_certificate:
            return Step(StepKind.CERTIFICATE, StepState.DONE)
        if self.facts.credit is not None and self.ended_because is None:
            return Step(StepKind.CERTIFICATE, StepState.WAITING)
        return Step(StepKind.CERTIFICATE, StepState.LOCKED, self.ended_because or RefusalCode.STEP_LOCKED)
