"""One claim in one transaction: what happened is decided, written, and entered in the audit trail together."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from activities.awards import AwardOrder, GrantedAward, award_credit
from activities.contract import ClaimState
from domain import deadlines
from domain.assessments import grade
from domain.claims import CLOSED_STAGES, Attention, ClaimFacts, Stage, graded_at, is_overdue, stage_of
from domain.decisions import decide
from domain.policy import CEActivityPolicy, PostTest
from domain.refusals import Accepted, Decision, RefusalCode, Refused
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    CreditClaimed,
    DeadlineExtended,
    EvaluationCompleted,
    ParticipationStated,
    Submission,
    Withdrawal,
)
from storage import claims
from storage.audit import AuditEntry
from storage.claims import LockedClaim, ReceivedSubmission

SYSTEM = "laurel"


class ClaimLedger:
    """A claim between lock and commit. Call what happened, in order; then ``close`` writes the projection once."""

    def __init__(self, connection: Connection, claim: LockedClaim, policy: CEActivityPolicy, public_url: str) -> None:
        self._connection = connection
        self._public_url = public_url
        self._claim = claim
        self._policy = policy
        self._facts = claim.facts
        self._stage = claim.stage
        self._changes: dict[str, Any] = {}
        self._is_unannounced = False

    @property
    def connection(self) -> Connection:
        """The connection whose transaction this is."""
        return self._connection

    @property
    def claim(self) -> LockedClaim:
        """The claim as it was locked."""
        return self._claim

    @property
    def stage(self) -> Stage:
        """The stage after all that was entered so far."""
        return self._stage

    def decide_all(self) -> None:
        """Decide what was submitted, in the order of receipt; a result that was due before comes before."""
        for received in self._claim.undecided:
            self.grade_if_due(received.submission.received_at)
            self._decide(received)

    def _decide(self, received: ReceivedSubmission) -> None:
        submission, before = received.submission, self._stage
        decision, award = decide(self._policy, self._facts, submission), None
        if isinstance(decision, Accepted) and isinstance(submission.body, CreditClaimed):
            decision, award = self._award(decision, submission.body, submission.received_at)
        details = self._write_accepted(submission, decision) if isinstance(decision, Accepted) else decision.details
        refusal = decision.code if isinstance(decision, Refused) else None
        claims.decide_submission(self._connection, self._claim.id, submission.id, refusal, details)
        after = ({"refusal": refusal} if refusal else {}) | dict(details)
        self._enter(
            AuditEntry(
                step_key=f"submission:{submission.id}",
                event=f"{submission.kind}.{'refused' if refusal else 'accepted'}",
                at=submission.received_at,
                actor=received.actor,
                after=after,
                reason=getattr(submission.body, "reason", None),
                submission_id=submission.id,
                request_id=received.request_id,
            ),
            before,
        )
        if award is not None:
            self._enter_award(award, submission)

    def _write_accepted(self, submission: Submission, decision: Accepted) -> Mapping[str, Any]:
        """Write the fact itself; answers with codes and numbers that describe it."""
        before, self._facts = self._facts, decision.facts
        at = submission.received_at
        details: dict[str, Any] = {}
        match submission.body:
            case ParticipationStated(value=option):
                self._changes |= {"participation": option, "participation_at": at}
                details = {"participation": option}
            case AttemptStarted():
                details = self._start_attempt(before, at)
            case AnswersGiven(number=number, answers=answers):
                claims.save_answers(self._connection, self._claim.id, number, answers, at)
                self._claim.given_answers = {**self._claim.given_answers, number: answers}
                details = {"attempt": number}
            case EvaluationCompleted(responses=responses):
                claims.save_evaluation(self._connection, self._claim.id, responses, at)
                self._changes |= {"evaluated_at": at}
            case CreditClaimed() as credit:
                details = {"credit_type": credit.credit_type, "units": str(credit.units)}
            case DeadlineExtended():
                self._changes |= {"due_at": decision.facts.due_at}
                details = {"due_at": decision.facts.due_at}
            case Withdrawal():
                details = {}
        self._move(at)
        return {name: str(value) if isinstance(value, datetime) else value for name, value in details.items()}

    def _start_attempt(self, before: ClaimFacts, at: datetime) -> dict[str, Any]:
        number = len(self._facts.attempts)
        if number > len(before.attempts):
            claims.add_attempt(self._connection, self._claim.id, number, at)
        return {"attempt": number}

    def _award(self, decision: Accepted, credit: CreditClaimed, at: datetime) -> tuple[Decision, GrantedAward | None]:
        """Grant the credit in this same transaction; the database refuses a second award of one credit."""
        order = AwardOrder(self._claim, self._policy, credit, at, self._public_url)
        award = award_credit(self._connection, order)
        if award is None:
            return Refused(RefusalCode.ALREADY_CLAIMED, {"credit_type": credit.credit_type}), None
        self._changes |= {
            "credit_type": credit.credit_type,
            "claimed_units": credit.units,
            "attestation_version": credit.attestation_version,
            "attested_at": at,
            "awarded_at": self._claim.now,
        }
        return Accepted(replace(decision.facts, is_awarded=True)), award

    def _enter_award(self, award: GrantedAward, submission: Submission) -> None:
        after = {
            "award": award.award_id,
            "credit_type": award.credit_type,
            "units": str(award.units),
            "rule_version": award.rule_version,
            "policy_version": self._claim.version_id,
        }
        entry = AuditEntry(
            step_key=f"award:{award.award_id}",
            event="credit.awarded",
            at=self._claim.now,
            actor=SYSTEM,
            after=after,
            submission_id=submission.id,
        )
        self._enter(entry, self._stage)

    def grade_if_due(self, at: datetime) -> None:
        """Grade the attempt whose grading delay has passed by this time."""
        result_at = graded_at(self._policy, self._facts)
        if result_at is None or at < result_at or self._policy.post_test is None:
            return
        self._grade(self._policy.post_test, result_at)

    def _grade(self, post_test: PostTest, result_at: datetime) -> None:
        *earlier, last = self._facts.attempts
        result = grade(post_test, self._claim.given_answers[last.number])
        claims.save_grade(self._connection, self._claim.id, last.number, result, result_at)
        self._facts = replace(self._facts, attempts=(*earlier, replace(last, has_passed=result.has_passed)))
        self._happened(
            f"grade:{last.number}",
            "attempt.graded",
            result_at,
            {"attempt": last.number, "correct": result.correct, "total": result.total, "has_passed": result.has_passed},
        )

    def open_window_if_due(self, at: datetime) -> None:
        """Let the claim on if its claim window is open by this time."""
        if self._stage is Stage.AWAITING_WINDOW and stage_of(self._policy, self._facts, at) is not self._stage:
            self._happened(f"window:{self._claim.stage_since_at.isoformat()}", "window.opened", at)

    def expire_if_overdue(self, at: datetime) -> None:
        """Close the claim if it waits for the learner and its deadline has passed."""
        due_at = self._facts.due_at
        if due_at is not None and is_overdue(self._facts, self._stage, at):
            self._facts = replace(self._facts, closed_as=Stage.EXPIRED)
            # A claim that was reopened may expire again, so the key names the stage that ends.
            since = self._claim.stage_since_at.isoformat()
            self._happened(f"expiry:{since}", "claim.expired", at, {"due_at": due_at.isoformat()})

    def set_attention(self, attention: Attention | None, step_key: str, error: str | None) -> None:
        """Park the claim for a person, or let it go on."""
        if attention == self._claim.attention:
            return
        self._changes |= {"attention": attention}
        self._claim.attention, event = attention, "claim.parked" if attention else "claim.continued"
        self._happened(step_key, event, self._claim.now, {"attention": attention, "error": error})

    def operator_act_refused(self, step_key: str, kind: str, actor: str) -> None:
        """An operator's signal was not filled in as its kind needs; entered once."""
        if self._claim.audit.has(f"act:{step_key}"):
            return
        at = self._claim.now
        after = {"refusal": RefusalCode.FORM_INCOMPLETE}
        entry = AuditEntry(step_key=f"act:{step_key}", event=f"{kind}.refused", at=at, actor=actor, after=after)
        self._enter(entry, self._stage)

    def certificate_issued(self, certificate_id: str, sha256: bytes) -> None:
        """The certificate's bytes are stored."""
        after = {"certificate": certificate_id, "sha256": sha256.hex()}
        self._happened(f"certificate:{certificate_id}", "certificate.issued", self._claim.now, after)

    def email_sent(self, email_id: str) -> None:
        """The award's e-mail was handed to the mail server; with it the claim is complete."""
        self._facts = replace(self._facts, is_notified=True)
        self._changes |= {"notified_at": self._claim.now}
        self._happened(f"email:{email_id}", "email.sent", self._claim.now, {"email": email_id})

    def _happened(self, step_key: str, event: str, at: datetime, after: Mapping[str, Any] | None = None) -> None:
        """Enter what no submission caused."""
        self._is_unannounced = True
        before = self._stage
        self._move(at)
        self._enter(AuditEntry(step_key=step_key, event=event, at=at, actor=SYSTEM, after=after or {}), before)

    def _enter(self, entry: AuditEntry, stage_before: Stage) -> None:
        """Append an entry, with the stages around it where it moved the claim; the first says where the claim began."""
        if self._claim.audit.seq == 0:
            entry = replace(entry, after={**entry.after, "stage": self._stage})
        elif stage_before is not self._stage:
            entry = replace(entry, before={"stage": stage_before}, after={**entry.after, "stage": self._stage})
        self._claim.audit.append(entry)

    def _move(self, at: datetime) -> None:
        """Let the stage follow the facts."""
        stage = stage_of(self._policy, self._facts, at)
        if stage is self._stage:
            return
        self._stage = stage
        is_closed = stage in CLOSED_STAGES
        self._claim.stage_since_at = at
        self._changes |= {
            "stage": stage,
            "stage_since_at": at,
            "closed_as": self._facts.closed_as or (stage if is_closed and stage is not Stage.COMPLETED else None),
            "closed_at": at if is_closed else None,
        }

    def close(self) -> ClaimState:
        """Write the projection, if anything changed, and say where the claim is now."""
        wakes_at = self._wakes_at()
        if wakes_at != self._claim.wakes_at:
            self._changes["wakes_at"] = wakes_at
        if self._changes:
            claims.save_claim(self._connection, self._claim.id, self._changes, notify=self._is_unannounced)
        return ClaimState(
            version=self._claim.audit.seq,
            stage=self._stage,
            due_at=self._facts.due_at,
            wakes_at=wakes_at,
            attention=Attention(self._claim.attention) if self._claim.attention else None,
        )

    def _wakes_at(self) -> datetime | None:
        if self._stage is Stage.AWAITING_WINDOW:
            return deadlines.opens_at(self._policy.claim_window, self._policy.time_zone)
        return graded_at(self._policy, self._facts)
