"""What an accepted submission leaves in the record: rows of its own, columns of the claim, and words for the audit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from domain.claims import ClaimFacts
from domain.refusals import Accepted
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    AttentionResolved,
    ClaimHeld,
    ClaimReopened,
    ClaimWithdrawn,
    CreditClaimed,
    DeadlineExtended,
    DisclosuresAcknowledged,
    EvaluationCompleted,
    ExtensionRefused,
    ExtensionRequested,
    ParticipationStated,
    ProgressReported,
    RequirementWaived,
    SessionClaimed,
    StatementChosen,
    StatementFinalized,
    Withdrawal,
)
from storage import claims, drafts
from storage.claims import LockedClaim, ReceivedSubmission
from storage.emails import drop_award_email
from storage.participation import release_entry, take_entry


@dataclass(slots=True)
class Writing:
    """The columns of the claim that change, and codes and numbers that describe the fact; never personal data."""

    columns: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


def write_accepted(
    connection: Connection, claim: LockedClaim, before: ClaimFacts, decision: Accepted, received: ReceivedSubmission
) -> Writing:
    """Write an accepted fact's own rows; answers with what the claim's row and the audit trail get of it."""
    facts, submission = decision.facts, received.submission
    at = submission.received_at
    match submission.body:
        case ParticipationStated(method=method):
            if decision.roster_entry is not None:
                take_entry(connection, decision.roster_entry, claim.id, at)
            return participation_written(facts, method, at)
        case DisclosuresAcknowledged(version=version):
            return Writing({"disclosures_version": version, "disclosures_at": at}, {"version": version})
        case ProgressReported(content=content):
            return Writing({}, {"content": content, "seconds": facts.content_seconds.get(content, 0)})
        case AttemptStarted():
            return _write_attempt(connection, claim, before, facts, at)
        case AnswersGiven(number=number, answers=answers):
            claims.save_answers(connection, claim.id, number, answers, at)
            claim.given_answers = {**claim.given_answers, number: answers}
            drafts.drop(connection, claim.id, "answers")
            return Writing({}, {"attempt": number})
        case EvaluationCompleted(responses=responses):
            claims.save_evaluation(connection, claim.id, "", responses, at)
            drafts.drop(connection, claim.id, "evaluation")
            return Writing({"evaluated_at": at})
        case SessionClaimed() as session:
            is_undone = before.credit is not None and facts.credit is None
            return _write_session(connection, claim, session, at, is_credit_undone=is_undone)
        case StatementChosen() | CreditClaimed() | StatementFinalized() as body:
            return _claiming_written(facts, body, at)
        case _:
            return _office_work_written(connection, claim, before, facts, received)


def participation_written(facts: ClaimFacts, method: str, at: datetime) -> Writing:
    """How participation was proved, and when."""
    columns = {"participation": facts.participation, "participation_method": method, "participation_at": at}
    return Writing(columns, {"participation": facts.participation, "method": method})


def _write_attempt(
    connection: Connection, claim: LockedClaim, before: ClaimFacts, facts: ClaimFacts, at: datetime
) -> Writing:
    number = len(facts.attempts)
    if number > len(before.attempts):
        claims.add_attempt(connection, claim.id, number, at)
    return Writing({}, {"attempt": number})


# An amount that was attested to, and no longer is what the learner claims.
_NO_CREDIT: Mapping[str, None] = {
    "credit_type": None,
    "claimed_units": None,
    "attestation_version": None,
    "attested_at": None,
}


def _write_session(
    connection: Connection, claim: LockedClaim, session: SessionClaimed, at: datetime, *, is_credit_undone: bool
) -> Writing:
    claims.save_session(connection, claim.id, session.session, session.units, at)
    if session.responses is not None:
        claims.save_evaluation(connection, claim.id, session.session, session.responses, at)
        drafts.drop(connection, claim.id, f"session.{session.session}")
    units = None if session.units is None else str(session.units)
    return Writing(
        # Most sessions are claimed before any amount, and then the claim's row stays as it is.
        dict(_NO_CREDIT) if is_credit_undone else {},
        {"session": session.session, "units": units, "is_evaluated": session.responses is not None},
    )


def _claiming_written(
    facts: ClaimFacts, body: StatementChosen | CreditClaimed | StatementFinalized, at: datetime
) -> Writing:
    match body:
        case StatementChosen(credit_type=credit_type):
            no_credit = dict(_NO_CREDIT) if facts.credit is None else {}
            return Writing({"statement": credit_type, **no_credit}, {"credit_type": credit_type})
        case StatementFinalized():
            return Writing({"finalized_at": at})
        case CreditClaimed() as credit:  # pragma: no branch -- mypy proves that no other case is left
            units = facts.credit.units if facts.credit else None
            columns = {
                "credit_type": credit.credit_type,
                "claimed_units": units,
                "attestation_version": credit.attestation_version,
                "attested_at": at,
            }
            return Writing(columns, {"credit_type": credit.credit_type, "units": str(units)})


_NO_HOLD: Mapping[str, None] = {"held_at": None, "held_by": None, "hold_reason": None}


def _office_work_written(
    connection: Connection, claim: LockedClaim, before: ClaimFacts, facts: ClaimFacts, received: ReceivedSubmission
) -> Writing:
    writing = _of_body(connection, claim, before, facts, received)
    if facts.attention is not before.attention:
        writing.columns |= {"attention": facts.attention}
    if before.is_held and not facts.is_held:
        writing.columns |= _NO_HOLD
    reason_code = getattr(received.submission.body, "reason_code", None)
    return Writing(writing.columns, writing.details | ({"reason_code": reason_code} if reason_code else {}))


def _of_body(
    connection: Connection, claim: LockedClaim, before: ClaimFacts, facts: ClaimFacts, received: ReceivedSubmission
) -> Writing:
    at = received.submission.received_at
    match received.submission.body:
        case Withdrawal() | ClaimWithdrawn():
            release_entry(connection, claim.id)
            return Writing()
        case DeadlineExtended():
            return _deadline_written(facts, at)
        case ExtensionRequested():
            return Writing({"extension_requested_at": at})
        case ExtensionRefused():
            return Writing({"extension_requested_at": None})
        case ClaimHeld(reason_code=reason_code):
            return Writing({"held_at": at, "held_by": received.actor, "hold_reason": reason_code})
        case RequirementWaived(requirement=requirement):
            return Writing({"waived": sorted(facts.waived)}, {"requirement": requirement})
        case AttentionResolved():
            drop_award_email(connection, claim.id, "resolved")
            return Writing({"notified_at": claim.now})
        case ClaimReopened():
            return _reopening_written(before, facts, at)
        case _:
            return Writing()


def _deadline_written(facts: ClaimFacts, at: datetime) -> Writing:
    due_at = facts.due_at.isoformat() if facts.due_at else None
    # Reminders of the new deadline whose day is past are not made up for.
    return Writing({"due_at": facts.due_at, "extension_requested_at": None, "reminded_at": at}, {"due_at": due_at})


def _reopening_written(before: ClaimFacts, facts: ClaimFacts, at: datetime) -> Writing:
    writing = _deadline_written(facts, at) if facts.due_at != before.due_at else Writing()
    if facts.attempts_added != before.attempts_added:
        writing.columns |= {"attempts_added": facts.attempts_added}
    if facts.participation != before.participation:
        writing.columns |= {"participation": None, "participation_method": None, "participation_at": None}
    return writing
