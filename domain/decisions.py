"""Deciding a submission: values in, a decision out. Every refusal has a code and says what would be right."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from domain import assessments, claiming, office, participation
from domain.claims import Attempt, ClaimFacts, Stage
from domain.participation import Evidence
from domain.policy import CEActivityPolicy, Content, Disclosures, Evaluation, Participation, PostTest
from domain.refusals import Accepted, Decision, RefusalCode, Refused, incomplete
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    CreditClaimed,
    DisclosuresAcknowledged,
    EvaluationCompleted,
    Opening,
    ParticipationStated,
    ProgressReported,
    SessionClaimed,
    StatementChosen,
    StatementFinalized,
    StepRetried,
    Submission,
    SubmissionKind,
)
from domain.turns import ENDS_WITH_DEADLINE, refusal_by_turn

NO_EVIDENCE: Final = Evidence()

# Received in time, these find the claim as it was before its deadline.
_FITS_BEFORE_DEADLINE: Final = ENDS_WITH_DEADLINE | {SubmissionKind.REOPENING}


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
    is_timely_step = submission.kind in _FITS_BEFORE_DEADLINE and is_in_time
    if facts.closed_as is Stage.EXPIRED and (submission.kind is SubmissionKind.EXTENSION or is_timely_step):
        return replace(facts, closed_as=None)
    return facts


def _decide_body(policy: CEActivityPolicy, facts: ClaimFacts, submission: Submission, evidence: Evidence) -> Decision:
    match submission.body:
        case Opening() | StepRetried():
            return Accepted(facts)
        case ParticipationStated() as stated if policy.participation:
            return _decide_participation(policy.participation, facts, stated, evidence, submission.received_at)
        case DisclosuresAcknowledged() as acknowledged if policy.disclosures:
            return _decide_disclosures(policy.disclosures, facts, acknowledged)
        case ProgressReported() as reported if policy.content:
            return _decide_progress(policy.content, facts, reported)
        case AttemptStarted():
            return Accepted(_with_open_attempt(facts))
        case AnswersGiven() as given if policy.post_test:
            return _decide_answers(policy.post_test, facts, given, submission.received_at)
        case EvaluationCompleted() as completed if policy.evaluation:
            return _decide_evaluation(policy.evaluation, facts, completed)
        case StatementChosen() | SessionClaimed() | CreditClaimed() | StatementFinalized() as body:
            return claiming.decide(policy, facts, body, submission.received_at)
        case _:
            return office.decide(policy, facts, submission)


def _decide_participation(
    requirement: Participation, facts: ClaimFacts, stated: ParticipationStated, evidence: Evidence, at: datetime
) -> Decision:
    judged = participation.judge(requirement, stated, evidence, at)
    if isinstance(judged, Refused):
        return judged
    return Accepted(replace(facts, participation=judged.participation), roster_entry=judged.entry_id)


def _decide_disclosures(disclosures: Disclosures, facts: ClaimFacts, acknowledged: DisclosuresAcknowledged) -> Decision:
    if acknowledged.version != disclosures.version:
        return Refused(RefusalCode.DISCLOSURES_OUTDATED, {"version": disclosures.version})
    return Accepted(replace(facts, disclosures_version=acknowledged.version))


def _decide_progress(content: Content, facts: ClaimFacts, reported: ProgressReported) -> Decision:
    """The seconds themselves are in the facts already; what counts is that the stage is looked at again."""
    codes = [item.code for item in content.items]
    if reported.content not in codes:
        return Refused(RefusalCode.OPTION_UNKNOWN, {"options": ",".join(codes)})
    return Accepted(facts)


def _with_open_attempt(facts: ClaimFacts) -> ClaimFacts:
    """The facts with an attempt to answer; the claim is at its test, so there is one left."""
    last = facts.last_attempt
    if last is not None and last.is_open:
        # Two tabs, or a double click: it is the same attempt.
        return facts
    return replace(facts, attempts=(*facts.attempts, Attempt(number=len(facts.attempts) + 1)))


def _decide_answers(post_test: PostTest, facts: ClaimFacts, given: AnswersGiven, at: datetime) -> Decision:
    last = facts.last_attempt
    if last is None or not last.is_open or last.number != given.number:
        return Refused(RefusalCode.ATTEMPT_CLOSED, {"attempt": str(last.number) if last else "0"})
    problems = assessments.problems_with_answers(post_test, given.answers)
    if problems:
        return incomplete(problems)
    return Accepted(replace(facts, attempts=(*facts.attempts[:-1], replace(last, submitted_at=at))))


def _decide_evaluation(evaluation: Evaluation, facts: ClaimFacts, completed: EvaluationCompleted) -> Decision:
    problems = assessments.problems_with_responses(evaluation, completed.responses)
    return incomplete(problems) if problems else Accepted(replace(facts, is_evaluated=True))
