"""What a claim's status tells a front end: where it is, what comes next, what it waits for and until when.

A front end that shows this needs no rules of its own.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from domain.claims import (
    CLOSED_STAGES,
    STAGES_UNDERWAY,
    Attention,
    ClaimFacts,
    Stage,
    evaluation_asked,
    graded_at,
    is_exhausted,
    is_gate,
    is_met,
    is_overdue,
    requirements_of,
    stage_of,
)
from domain.deadlines import opens_at
from domain.policy import CEActivityPolicy, EvaluationTime, Requirement
from domain.refusals import RefusalCode


class Action(StrEnum):
    """What the learner may do now and would not be refused for."""

    STATE_PARTICIPATION = "state_participation"
    CHOOSE_STATEMENT = "choose_statement"
    ACKNOWLEDGE_DISCLOSURES = "acknowledge_disclosures"
    COMPLETE_CONTENT = "complete_content"
    START_ATTEMPT = "start_attempt"
    SUBMIT_ANSWERS = "submit_answers"
    COMPLETE_EVALUATION = "complete_evaluation"
    CLAIM_SESSION = "claim_session"
    CLAIM_CREDIT = "claim_credit"
    FINALIZE = "finalize"
    REQUEST_EXTENSION = "request_extension"
    VIEW_CERTIFICATE = "view_certificate"
    WITHDRAW = "withdraw"


class WaitingFor(StrEnum):
    """Who or what moves the claim next."""

    LEARNER = "learner"
    PLATFORM = "platform"
    GRADING = "grading"
    CLAIM_WINDOW = "claim_window"
    CERTIFICATE = "certificate"
    OPERATOR = "operator"
    NOTHING = "nothing"


class StepKind(StrEnum):
    """The steps of a claim: the kinds of requirement, then what follows for every claim."""

    PARTICIPATION = "participation"
    STATEMENT = "statement"
    DISCLOSURES = "disclosures"
    CONTENT = "content"
    POST_TEST = "post_test"
    EVALUATION = "evaluation"
    CLAIM_WINDOW = "claim_window"
    SESSIONS = "sessions"
    CREDIT = "credit"
    FINALIZATION = "finalization"
    CERTIFICATE = "certificate"


class StepState(StrEnum):
    """Whether a step is done or waived, is the learner's turn, can't be done yet or any more, or finishes by itself."""

    DONE = "done"
    WAIVED = "waived"
    TO_DO = "to_do"
    LOCKED = "locked"
    WAITING = "waiting"


SETTLED_STATES: Final = frozenset({StepState.DONE, StepState.WAIVED})


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
    is_underway = moment.stage in STAGES_UNDERWAY and moment.ended_because is None
    before_credit = [step.kind for step in steps if step.state not in SETTLED_STATES and step.kind in _BEFORE_CREDIT]
    waiting_for = moment.waiting_for()
    waiting_until = {
        WaitingFor.LEARNER: facts.due_at,
        WaitingFor.PLATFORM: facts.due_at,
        WaitingFor.GRADING: moment.result_at,
        WaitingFor.CLAIM_WINDOW: moment.opening,
    }.get(waiting_for)
    return Progress(
        stage=moment.stage,
        waiting_for=waiting_for,
        waiting_until=waiting_until,
        next_actions=moment.next_actions(),
        blocked_by=tuple(before_credit) if is_underway and facts.credit is None else (),
        steps=steps,
        deadlines=moment.deadlines() if is_underway else (),
    )


_BEFORE_CREDIT = frozenset(StepKind) - {StepKind.CREDIT, StepKind.FINALIZATION, StepKind.CERTIFICATE}


class _Moment:
    """One claim at one moment, with what several parts of its status depend on."""

    def __init__(self, policy: CEActivityPolicy, facts: ClaimFacts, at: datetime, attention: str | None) -> None:
        self.policy = policy
        self.facts = facts
        self.at = at
        self.stage = stage_of(policy, facts, at)
        self.gates = tuple(each for each in requirements_of(policy, facts) if is_gate(each))
        self.evaluation_at_claim = evaluation_asked(policy, facts, EvaluationTime.AT_CLAIM)
        self.session_evaluation = evaluation_asked(policy, facts, EvaluationTime.PER_SESSION)
        self.opening = opens_at(policy.claim_window, policy.time_zone)
        self.result_at = graded_at(policy, facts)
        self.is_overdue = is_overdue(facts, self.stage, at)
        self.is_parked = attention is not None
        # The e-mail follows the certificate, so a claim that is parked at its e-mail has one.
        self.has_certificate = (
            policy.certificate.is_here
            and facts.is_awarded
            and (facts.is_notified or attention == Attention.EMAIL_FAILED)
        )

    @property
    def ended_because(self) -> RefusalCode | None:
        """Why the learner can do no more steps of a claim that ends, or ended, without an award."""
        if self.stage is Stage.EXPIRED or self.is_overdue:
            return RefusalCode.DEADLINE_PASSED
        if is_exhausted(self.policy, self.facts):
            return RefusalCode.ATTEMPTS_EXHAUSTED
        return RefusalCode.WRONG_STATE if self.stage in (Stage.DENIED, Stage.WITHDRAWN) else None

    def waiting_for(self) -> WaitingFor:
        if self.stage in CLOSED_STAGES or self.is_overdue:
            return WaitingFor.NOTHING
        if self.is_parked:
            return WaitingFor.OPERATOR
        return {
            Stage.AWAITING_CONTENT: WaitingFor.PLATFORM,
            Stage.GRADING: WaitingFor.GRADING,
            Stage.AWAITING_WINDOW: WaitingFor.CLAIM_WINDOW,
            Stage.AWARDING: WaitingFor.CERTIFICATE,
            Stage.ISSUING: WaitingFor.CERTIFICATE,
        }.get(self.stage, WaitingFor.LEARNER)

    def next_actions(self) -> tuple[Action, ...]:
        if self.has_certificate:
            return (Action.VIEW_CERTIFICATE,)
        if self.stage not in STAGES_UNDERWAY | {Stage.EXPIRED} or self.facts.keeps_steps:
            return ()
        may_ask = self.facts.due_at is not None and not self.facts.is_extension_requested
        asking = (Action.REQUEST_EXTENSION,) if may_ask else ()
        return asking if self.ended_because is not None else (*self._step_actions(), *asking, Action.WITHDRAW)

    def _step_actions(self) -> tuple[Action, ...]:
        last = self.facts.last_attempt
        has_open_attempt = last is not None and last.is_open
        match self.stage:
            case Stage.READY_TO_CLAIM:
                return self._claiming_actions()
            case Stage.AWAITING_FINALIZATION:
                return (Action.FINALIZE, *self._claiming_actions())
            case Stage.AWAITING_TEST:
                return (Action.SUBMIT_ANSWERS if has_open_attempt else Action.START_ATTEMPT,)
            case _:
                action = {
                    Stage.VERIFYING_PARTICIPATION: Action.STATE_PARTICIPATION,
                    Stage.AWAITING_STATEMENT: Action.CHOOSE_STATEMENT,
                    Stage.AWAITING_DISCLOSURES: Action.ACKNOWLEDGE_DISCLOSURES,
                    Stage.AWAITING_CONTENT: Action.COMPLETE_CONTENT,
                    Stage.AWAITING_EVALUATION: Action.COMPLETE_EVALUATION,
                }.get(self.stage)
                return (action,) if action else ()

    def _claiming_actions(self) -> tuple[Action, ...]:
        """What belongs to claiming, in any order, and the credit once nothing is missing."""
        actions = {
            Action.COMPLETE_EVALUATION: self._is_evaluation_missing(),
            Action.CLAIM_CREDIT: not self._is_credit_locked(),
            Action.CLAIM_SESSION: bool(self.policy.sessions),
            Action.CHOOSE_STATEMENT: self.policy.has_statement,
        }
        return tuple(action for action, is_possible in actions.items() if is_possible)

    def _is_evaluation_missing(self) -> bool:
        evaluation = self.evaluation_at_claim
        return evaluation is not None and not is_met(self.policy, evaluation, self.facts)

    def _is_session_missing(self) -> bool:
        """Whether no session is claimed yet, or one is not evaluated, where that is asked for."""
        is_evaluated = self.session_evaluation is None or is_met(self.policy, self.session_evaluation, self.facts)
        return not is_evaluated or (bool(self.policy.sessions) and not self.facts.sessions)

    def _is_credit_locked(self) -> bool:
        return self._is_evaluation_missing() or self._is_session_missing()

    def deadlines(self) -> tuple[Deadline, ...]:
        times = {
            DeadlineName.GRADING: self.result_at,
            DeadlineName.OPENS: self.opening if self.opening is not None and self.at < self.opening else None,
            DeadlineName.CLAIM: self.facts.due_at,
        }
        return tuple(Deadline(name, at, self.policy.time_zone) for name, at in times.items() if at is not None)

    def steps(self) -> tuple[Step, ...]:
        gates = [self._gate_step(each) for each in self.gates]
        final = [self._final_step()] if self.policy.finalization else []
        return (*gates, *self._window_steps(), *self._claiming_steps(), *final, self._certificate_step())

    def _gate_step(self, requirement: Requirement) -> Step:
        kind = StepKind(requirement.kind)
        if kind in self.facts.waived:
            return Step(kind, StepState.WAIVED)
        if self.facts.is_awarded or is_met(self.policy, requirement, self.facts):
            return Step(kind, StepState.DONE)
        if self.ended_because is not None:
            return Step(kind, StepState.LOCKED, self.ended_because)
        unmet = (each for each in self.gates if not is_met(self.policy, each, self.facts))
        if requirement is not next(unmet):
            return Step(kind, StepState.LOCKED, RefusalCode.STEP_LOCKED, self.result_at)
        if self.stage is Stage.GRADING:
            return Step(kind, StepState.WAITING, until=self.result_at)
        return self._due_step(kind)

    def _due_step(self, kind: StepKind) -> Step:
        """A step whose turn has come; while the claim is on hold it waits for the office.

        Of one that waits for issuance the learner has taken this step: it finishes by itself when the pause ends.
        """
        if self.facts.is_held:
            return Step(kind, StepState.LOCKED, RefusalCode.ON_HOLD)
        return Step(kind, StepState.WAITING if self.facts.keeps_steps else StepState.TO_DO)

    def _window_steps(self) -> tuple[Step, ...]:
        if self.opening is None:
            return ()
        is_open = self.facts.credit is not None or self.at >= self.opening
        waiting = Step(StepKind.CLAIM_WINDOW, StepState.WAITING, RefusalCode.WINDOW_NOT_OPEN, self.opening)
        return (Step(StepKind.CLAIM_WINDOW, StepState.DONE) if is_open else waiting,)

    def _claiming_steps(self) -> tuple[Step, ...]:
        """What belongs to claiming: an evaluation that is asked for at that time, the sessions, and the amount."""
        is_awarded, has_credit = self.facts.is_awarded, self.facts.credit is not None
        steps = []
        if self.evaluation_at_claim is not None:
            is_done = is_awarded or self.facts.is_evaluated
            steps.append(self._claiming_step(StepKind.EVALUATION, is_done=is_done))
        if self.policy.sessions:
            is_done = is_awarded or not self._is_session_missing()
            steps.append(self._claiming_step(StepKind.SESSIONS, is_done=is_done))
        return (*steps, self._claiming_step(StepKind.CREDIT, is_done=has_credit, is_locked=self._is_credit_locked()))

    def _claiming_step(self, kind: StepKind, *, is_done: bool, is_locked: bool = False) -> Step:
        if kind in self.facts.waived:
            return Step(kind, StepState.WAIVED)
        if is_done:
            return Step(kind, StepState.DONE)
        if self.ended_because is not None:
            return Step(kind, StepState.LOCKED, self.ended_because)
        if self.stage is Stage.AWAITING_WINDOW:
            return Step(kind, StepState.LOCKED, RefusalCode.WINDOW_NOT_OPEN, self.opening)
        if self.stage is not Stage.READY_TO_CLAIM or is_locked:
            return Step(kind, StepState.LOCKED, RefusalCode.STEP_LOCKED)
        return self._due_step(kind)

    def _final_step(self) -> Step:
        if self.facts.is_final or self.facts.is_awarded:
            return Step(StepKind.FINALIZATION, StepState.DONE)
        if self.stage is Stage.AWAITING_FINALIZATION and not self.is_overdue:
            return self._due_step(StepKind.FINALIZATION)
        return Step(StepKind.FINALIZATION, StepState.LOCKED, self.ended_because or RefusalCode.STEP_LOCKED)

    def _certificate_step(self) -> Step:
        if self.has_certificate or (self.facts.is_awarded and not self.policy.certificate.is_here):
            return Step(StepKind.CERTIFICATE, StepState.DONE)
        if self.stage in (Stage.AWARDING, Stage.ISSUING):
            return Step(StepKind.CERTIFICATE, StepState.WAITING)
        return Step(StepKind.CERTIFICATE, StepState.LOCKED, self.ended_because or RefusalCode.STEP_LOCKED)
