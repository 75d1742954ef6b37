"""Deciding a submission: values in, a decision out. Every refusal has a code and says what would be right."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from domain import assessments, claiming, deadlines, participation
from domain.claims import Attempt, ClaimFacts, Stage
from domain.participation import Evidence, Rejection
from domain.policy import CEActivityPolicy
from domain.refusals import Accepted, Decision, RefusalCode, Refused, incomplete
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    CreditClaimed,
    CreditCorrected,
    DeadlineExtended,
    DisclosuresAcknowledged,
    EvaluationCompleted,
    ExtensionRefused,
    ExtensionRequested,
    Opening,
    ParticipationStated,
    ProgressReported,
    SessionClaimed,
    StatementChosen,
    StatementFinalized,
    StepRetried,
    Submission,
    SubmissionKind,
    Withdrawal,
)
from domain.turns import LEARNER_STEPS, refusal_by_turn

# How far ahead of its day of receipt an extension may put a deadline; more is a slip of the pen.
MAXIMUM_EXTENSION: Final = timedelta(days=5 * 366)
NO_EVIDENCE: Final = Evidence()

_ENDS_WITH_DEADLINE: Final = LEARNER_STEPS | {SubmissionKind.WITHDRAWAL}


def decide(
    policy: CEActivityPolicy, facts: ClaimFacts, submission: Submission, evidence: Evidence = NO_EVIDENCE
) -> Decision:
    """Accept or refuse one submission, judged at the time it was received.

    The caller has already applied everything that happened before: earlier submissions, and a result whose grading
    delay had passed when this submission was received. ``evidence`` is what rosters know of a proof of participation.
    """
    facts = _reopened_if_due(facts, submission)
    refusal = refusal_by_turn(policy, facts, submission)
    return refusal or _decide_body(policy, facts, submission, evidence)


def _reopened_if_due(facts: ClaimFacts, submission: Submission) -> ClaimFacts:
    """An expired claim goes on when staff extend its deadline, or when a step turns up that was received in time."""
    is_in_time = facts.due_at is None or submission.received_at <= facts.due_at
    is_timely_step = submission.kind in _ENDS_WITH_DEADLINE and is_in_time
    if facts.closed_as is Stage.EXPIRED and (submission.kind is SubmissionKind.EXTENSION or is_timely_step):
        return replace(facts, closed_as=None)
    return facts


def _decide_body(policy: CEActivityPolicy, facts: ClaimFacts, submission: Submission, evidence: Evidence) -> Decision:
    at = submission.received_at
    match submission.body:
        case Opening() | StepRetried():
            return Accepted(facts)
        case ParticipationStated() as stated:
            return _decide_participation(policy, facts, stated, evidence, at)
        case DisclosuresAcknowledged() as acknowledged:
            return _decide_disclosures(policy, facts, acknowledged)
        case ProgressReported() as reported:
            return _decide_progress(policy, facts, reported)
        case AttemptStarted():
            return Accepted(_with_open_attempt(facts))
        case AnswersGiven() as given:
            return _decide_answers(policy, facts, given, submission)
        case EvaluationCompleted() as completed:
            return _decide_evaluation(policy, facts, completed)
        case StatementChosen() | SessionClaimed() | CreditClaimed() | StatementFinalized() | CreditCorrected() as body:
            return claiming.decide(policy, facts, body, at)
        case _:
            return _decide_office_work(policy, facts, submission)


def _decide_office_work(policy: CEActivityPolicy, facts: ClaimFacts, submission: Submission) -> Decision:
    match submission.body:
        case Withdrawal():
            return Accepted(replace(facts, closed_as=Stage.WITHDRAWN))
        case ExtensionRequested():
            return Accepted(replace(facts, is_extension_requested=True))
        case ExtensionRefused():
            return Accepted(replace(facts, is_extension_requested=False))
        case DeadlineExtended() as extended:
            return _decide_extension(policy, facts, extended, submission.received_at)
        case _:  # pragma: no cover -- every kind is decided above; a new one must not pass unseen
            raise TypeError(type(submission.body).__name__)


def _decide_participation(
    policy: CEActivityPolicy, facts: ClaimFacts, stated: ParticipationStated, evidence: Evidence, at: datetime
) -> Decision:
    requirement = policy.participation
    if requirement is None:
        return Refused(RefusalCode.STEP_NOT_REQUIRED)
    judged = participation.judge(requirement, stated, evidence, at)
    if isinstance(judged, Rejection):
        return Refused(RefusalCode(judged.mistake), judged.details)
    return Accepted(replace(facts, participation=judged.participation), roster_entry=judged.entry_id)


def _decide_disclosures(policy: CEActivityPolicy, facts: ClaimFacts, acknowledged: DisclosuresAcknowledged) -> Decision:
    if policy.disclosures is not None and acknowledged.version != policy.disclosures.version:
        return Refused(RefusalCode.DISCLOSURES_OUTDATED, {"version": policy.disclosures.version})
    return Accepted(replace(facts, disclosures_version=acknowledged.version))


def _decide_progress(policy: CEActivityPolicy, facts: ClaimFacts, reported: ProgressReported) -> Decision:
    """The seconds themselves are in the facts already; what counts is that the stage is looked at again."""
    codes = [item.code for item in policy.content.items] if policy.content else []
    return Accepted(facts) if reported.content in codes else Refused(RefusalCode.OPTION_UNKNOWN)


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
        return incomplete(problems)
    submitted = replace(last, submitted_at=submission.received_at)
    return Accepted(replace(facts, attempts=(*facts.attempts[:-1], submitted)))


def _decide_evaluation(policy: CEActivityPolicy, facts: ClaimFacts, completed: EvaluationCompleted) -> Decision:
    if facts.is_evaluated:
        return Refused(RefusalCode.ALREADY_DONE)
    evaluation, responses = policy.evaluation, completed.responses
    problems = assessments.problems_with_responses(evaluation, responses) if evaluation else ()
    return incomplete(problems) if problems else Accepted(replace(facts, is_evaluated=True))


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
    return Accepted(replace(facts, due_at=due_at, is_extension_requested=False))
