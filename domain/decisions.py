"""Deciding a submission: values in, a decision out. Every refusal has a code and says what would be right.

Timeliness is ``received_at <= due_at`` (``docs/architecture.md``): what was received in time counts, whatever was down
when it was read, and what was received late does not, even if it is read first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from domain import assessments, credit, deadlines
from domain.claims import (
    CLOSED_STAGES,
    Attempt,
    ClaimedCredit,
    ClaimFacts,
    Stage,
    graded_at,
    is_overdue,
    stage_of,
)
from domain.policy import CEActivityPolicy
from domain.submissions import (
    STAFF_KINDS,
    AnswersGiven,
    AttemptStarted,
    CreditClaimed,
    DeadlineExtended,
    EvaluationCompleted,
    Opening,
    ParticipationStated,
    StepRetried,
    Submission,
    SubmissionKind,
    Withdrawal,
)


class RefusalCode(StrEnum):
    """Why a submission was refused; part of the API and of the audit trail."""

    STEP_LOCKED = "step_locked"
    ALREADY_DONE = "already_done"
    ALREADY_CLAIMED = "already_claimed"
    DEADLINE_PASSED = "deadline_passed"
    WINDOW_NOT_OPEN = "window_not_open"
    WRONG_STATE = "wrong_state"
    OPTION_UNKNOWN = "option_unknown"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    ATTEMPT_CLOSED = "attempt_closed"
    ANSWERS_INCOMPLETE = "answers_incomplete"
    PROFILE_INCOMPLETE = "profile_incomplete"
    NOT_ELIGIBLE = "not_eligible"
    CREDIT_INCREMENT = "credit_increment"
    CREDIT_MAXIMUM = "credit_maximum"
    CREDIT_MINIMUM = "credit_minimum"
    ATTESTATION_REQUIRED = "attestation_required"
    ATTESTATION_OUTDATED = "attestation_outdated"
    DEADLINE_NOT_LATER = "deadline_not_later"
    DEADLINE_TOO_LATE = "deadline_too_late"
    FORM_INCOMPLETE = "form_incomplete"


# How far ahead of its day of receipt an extension may put a deadline; more is a slip of the pen.
MAXIMUM_EXTENSION = timedelta(days=5 * 366)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The submission counts; ``facts`` are the claim's facts with it."""

    facts: ClaimFacts


@dataclass(frozen=True, slots=True)
class Refused:
    """The submission does not count. ``details`` are codes, numbers and times that explain it, never personal data."""

    code: RefusalCode
    details: Mapping[str, str] = field(default_factory=dict)


Decision = Accepted | Refused

_STAGE_OF_KIND = {
    SubmissionKind.PARTICIPATION: Stage.VERIFYING_PARTICIPATION,
    SubmissionKind.ATTEMPT: Stage.AWAITING_TEST,
    SubmissionKind.ANSWERS: Stage.AWAITING_TEST,
    SubmissionKind.EVALUATION: Stage.AWAITING_EVALUATION,
    SubmissionKind.CREDIT: Stage.READY_TO_CLAIM,
}


def decide(policy: CEActivityPolicy, facts: ClaimFacts, submission: Submission) -> Decision:
    """Accept or refuse one submission, judged at the time it was received.

    The caller has already applied everything that happened before: earlier submissions, and a result whose grading
    delay had passed when this submission was received.
    """
    facts = _reopened_if_due(facts, submission)
    refusal = _refusal_by_stage(policy, facts, submission)
    return refusal or _decide_body(policy, facts, submission)


def _reopened_if_due(facts: ClaimFacts, submission: Submission) -> ClaimFacts:
    """An expired claim goes on when staff extend its deadline, or when a step turns up that was received in time."""
    is_in_time = facts.due_at is None or submission.received_at <= facts.due_at
    is_step = submission.kind in _STAGE_OF_KIND or submission.kind is SubmissionKind.WITHDRAWAL
    if facts.closed_as is Stage.EXPIRED and (submission.kind is SubmissionKind.EXTENSION or (is_step and is_in_time)):
        return replace(facts, closed_as=None)
    return facts


def _refusal_by_stage(policy: CEActivityPolicy, facts: ClaimFacts, submission: Submission) -> Refused | None:
    stage = stage_of(policy, facts, submission.received_at)
    if submission.kind in STAFF_KINDS:
        return _wrong_state(stage) if stage in CLOSED_STAGES else None
    if stage is Stage.EXPIRED or is_overdue(facts, stage, submission.received_at):
        return _deadline_passed(facts)
    if submission.kind is SubmissionKind.WITHDRAWAL:
        return _wrong_state(stage) if stage in CLOSED_STAGES or facts.is_awarded else None
    if submission.kind is SubmissionKind.OPENING:
        return _wrong_state(stage) if stage in CLOSED_STAGES else None
    if stage is _STAGE_OF_KIND[submission.kind]:
        return None
    return _refusal_out_of_turn(policy, facts, submission.kind, stage)


def _refusal_out_of_turn(policy: CEActivityPolicy, facts: ClaimFacts, kind: SubmissionKind, stage: Stage) -> Refused:
    if kind is SubmissionKind.CREDIT and facts.credit is not None:
        return Refused(RefusalCode.ALREADY_CLAIMED, {"stage": stage})
    if stage is Stage.DENIED:
        return Refused(RefusalCode.ATTEMPTS_EXHAUSTED, {"stage": stage})
    if stage in CLOSED_STAGES:
        return _wrong_state(stage)
    if _is_done(kind, facts):
        return Refused(RefusalCode.ALREADY_DONE, {"stage": stage})
    if stage is Stage.AWAITING_WINDOW:
        opening = deadlines.opens_at(policy.claim_window, policy.time_zone)
        return Refused(
            RefusalCode.WINDOW_NOT_OPEN, {"stage": stage, "opens_at": opening.isoformat() if opening else ""}
        )
    result_at = graded_at(policy, facts)
    details = {"stage": str(stage)} | ({"unlocks_at": result_at.isoformat()} if result_at else {})
    return Refused(RefusalCode.STEP_LOCKED, details)


def _is_done(kind: SubmissionKind, facts: ClaimFacts) -> bool:
    has_passed = any(attempt.has_passed for attempt in facts.attempts)
    return {
        SubmissionKind.PARTICIPATION: facts.participation is not None,
        SubmissionKind.ATTEMPT: has_passed,
        SubmissionKind.ANSWERS: has_passed,
        SubmissionKind.EVALUATION: facts.is_evaluated,
    }.get(kind, False)


def _wrong_state(stage: Stage) -> Refused:
    return Refused(RefusalCode.WRONG_STATE, {"stage": stage})


def _deadline_passed(facts: ClaimFacts) -> Refused:
    return Refused(RefusalCode.DEADLINE_PASSED, {"due_at": facts.due_at.isoformat()} if facts.due_at else {})


def _decide_body(policy: CEActivityPolicy, facts: ClaimFacts, submission: Submission) -> Decision:
    match submission.body:
        case Opening() | StepRetried():
            return Accepted(facts)
        case ParticipationStated() as stated:
            return _decide_participation(policy, facts, stated)
        case AttemptStarted():
            return Accepted(_with_open_attempt(facts))
        case AnswersGiven() as given:
            return _decide_answers(policy, facts, given, submission)
        case EvaluationCompleted() as completed:
            return _decide_evaluation(policy, facts, completed)
        case CreditClaimed() as claimed:
            return _decide_credit(policy, facts, claimed)
        case Withdrawal():
            return Accepted(replace(facts, closed_as=Stage.WITHDRAWN))
        case DeadlineExtended() as extended:  # pragma: no branch -- mypy proves that no other case is left
            return _decide_extension(policy, facts, extended, submission.received_at)


def _decide_participation(policy: CEActivityPolicy, facts: ClaimFacts, stated: ParticipationStated) -> Decision:
    options = policy.participation.options if policy.participation else ()
    if stated.method != "attestation" or stated.value not in {option.code for option in options}:
        return Refused(RefusalCode.OPTION_UNKNOWN, {"options": ",".join(option.code for option in options)})
    return Accepted(replace(facts, participation=stated.value))


def _with_open_attempt(facts: ClaimFacts) -> ClaimFacts:
    """The facts with an attempt to answer; the claim is at its test, so there is one left."""
    last = facts.last_attempt
    if last is not None and last.is_open:
        # Two tabs, or a double click: it is the same attempt.
        return facts
    return replace(facts, attempts=(*facts.attempts, Attempt(number=len(facts.attempts) + 1)))


def _decide_answers(
    policy: CEActivityPolicy, facts: ClaimFacts, given: AnswersGiven, submission: Submission
) -> Decision:
    last = facts.last_attempt
    if last is None or not last.is_open or last.number != given.number:
        return Refused(RefusalCode.ATTEMPT_CLOSED, {"attempt": str(last.number) if last else "0"})
    problems = assessments.problems_with_answers(policy.post_test, given.answers) if policy.post_test else ()
    if problems:
        return _incomplete(problems)
    submitted = replace(last, submitted_at=submission.received_at)
    return Accepted(replace(facts, attempts=(*facts.attempts[:-1], submitted)))


def _decide_evaluation(policy: CEActivityPolicy, facts: ClaimFacts, completed: EvaluationCompleted) -> Decision:
    evaluation, responses = policy.evaluation, completed.responses
    problems = assessments.problems_with_responses(evaluation, responses) if evaluation else ()
    return _incomplete(problems) if problems else Accepted(replace(facts, is_evaluated=True))


def _incomplete(problems: Sequence[assessments.Problem]) -> Refused:
    # Questions that the policy does not know have no code here, so that nothing a learner typed is repeated.
    details = {
        "questions": ",".join(dict.fromkeys(problem.question for problem in problems if problem.question)),
        "reasons": ",".join(dict.fromkeys(problem.reason for problem in problems)),
    }
    return Refused(RefusalCode.ANSWERS_INCOMPLETE, details)


def _decide_credit(policy: CEActivityPolicy, facts: ClaimFacts, claimed: CreditClaimed) -> Decision:
    offer = policy.offer(claimed.credit_type)
    if offer is None:
        return Refused(RefusalCode.NOT_ELIGIBLE, {"credit_type": "not_offered"})
    rule = credit.rule_of(offer)
    if facts.profession not in rule.professions:
        return Refused(RefusalCode.NOT_ELIGIBLE, {"credit_type": rule.code})
    missing = _missing_in_profile(facts, rule)
    if missing:
        return Refused(RefusalCode.PROFILE_INCOMPLETE, {"fields": ",".join(missing)})
    if not claimed.is_attested:
        return Refused(RefusalCode.ATTESTATION_REQUIRED, {"attestation_version": rule.attestation_version})
    if claimed.attestation_version != rule.attestation_version:
        return Refused(RefusalCode.ATTESTATION_OUTDATED, {"attestation_version": rule.attestation_version})
    refusal = _refusal_of_amount(claimed.units, offer.designated_units, rule)
    if refusal is not None:
        return refusal
    return Accepted(replace(facts, credit=ClaimedCredit(credit_type=claimed.credit_type, units=claimed.units)))


def _refusal_of_amount(units: Decimal, designated_units: Decimal, rule: credit.CreditRule) -> Refused | None:
    if units.is_nan():
        return Refused(RefusalCode.CREDIT_INCREMENT, {"limit": str(rule.increment)})
    if units > designated_units:
        return Refused(RefusalCode.CREDIT_MAXIMUM, {"limit": str(designated_units)})
    if units < rule.minimum_units:
        return Refused(RefusalCode.CREDIT_MINIMUM, {"limit": str(rule.minimum_units)})
    return None if rule.is_step(units) else Refused(RefusalCode.CREDIT_INCREMENT, {"limit": str(rule.increment)})


def _missing_in_profile(facts: ClaimFacts, rule: credit.CreditRule) -> list[str]:
    """A certificate names its learner (R-AMA-7), and some registries want a number too (R-CPE-3)."""
    names = [] if facts.has_name else ["given_name", "family_name"]
    return names + [kind for kind in rule.required_identifiers if kind not in facts.identifiers]


def _decide_extension(
    policy: CEActivityPolicy, facts: ClaimFacts, extended: DeadlineExtended, received_at: datetime
) -> Decision:
    today = deadlines.local_date(received_at, policy.time_zone)
    last_day = today + MAXIMUM_EXTENSION
    if extended.due_on > last_day:
        return Refused(RefusalCode.DEADLINE_TOO_LATE, {"latest_on": last_day.isoformat()})
    if extended.due_on < today:
        return Refused(RefusalCode.DEADLINE_NOT_LATER, {"earliest_on": today.isoformat()})
    due_at = deadlines.end_of_day(extended.due_on, policy.time_zone)
    if facts.due_at is not None and due_at <= facts.due_at:
        return Refused(RefusalCode.DEADLINE_NOT_LATER, {"due_at": facts.due_at.isoformat()})
    return Accepted(replace(facts, due_at=due_at))
