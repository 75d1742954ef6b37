"""One claim in one transaction: what happened is decided, written, and entered in the audit trail together."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from activities.accepted import participation_written, write_accepted
from activities.awards import AwardOrder, GrantedAward, award_credit, deciding_rules
from activities.contract import ClaimState, Hold
from config.crash_points import crash_point
from domain import deadlines
from domain.assessments import grade
from domain.claims import (
    CLOSED_STAGES,
    STAGES_WITH_DEADLINE,
    Attention,
    Stage,
    completed_on,
    graded_at,
    is_overdue,
    stage_of,
)
from domain.decisions import NO_EVIDENCE, decide
from domain.issuance import is_award_due
from domain.notices import NOTICE_OF, NoticePurpose, Reminder, due_reminder, next_reminder, reminders
from domain.participation import ROSTER_METHODS, Evidence, Proof, judge
from domain.policy import CEActivityPolicy, ParticipationMethod, PostTest
from domain.refusals import Accepted, Decision, RefusalCode, Refused
from domain.replay import changed
from domain.submissions import (
    CreditClaimed,
    ParticipationStated,
    Submission,
    SubmissionBody,
)
from domain.turns import is_kept
from storage import claims, emails, participation
from storage.audit import AuditEntry
from storage.canonical import sha256_of
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
        self._reminded_at = claim.reminded_at or claim.opened_at
        self._is_unannounced = False
        # What was decided about which submission: for the log, once it is committed.
        self.decisions: list[Mapping[str, Any]] = []
        # What was entered in the audit trail, in order.
        self.events: list[str] = []
        self._kept: list[ReceivedSubmission] = []
        # The columns as the newest entry left them; before the first entry there is nothing.
        self._entered: Mapping[str, Any] = claim.columns if claim.audit.seq else {}

    @property
    def connection(self) -> Connection:
        """The connection whose transaction this is."""
        return self._connection

    @property
    def claim(self) -> LockedClaim:
        """The claim as it was locked."""
        return self._claim

    @property
    def policy(self) -> CEActivityPolicy:
        """The policy that the claim was opened with."""
        return self._policy

    @property
    def stage(self) -> Stage:
        """The stage after all that was entered so far."""
        return self._stage

    def decide_all(self) -> None:
        """Decide what was submitted, in the order of receipt; a result that was due before comes before.

        While the claim is on hold, or waits for issuance to go on, what its learner submits stays undecided.
        """
        if self._facts.keeps_steps and not self._facts.is_held and not self._claim.is_issuance_paused:
            self.set_attention(None, f"issuance:{self._claim.audit.seq + 1}", None)
        for received in self._claim.undecided:
            self._decide_or_keep(received)
            if not self._facts.keeps_steps:
                # What was received while the claim waited is decided as of then, and later than the wait's end.
                kept, self._kept = self._kept, []
                for each in kept:
                    self._decide_or_keep(each)
        self._verify_by_roster()

    def _decide_or_keep(self, received: ReceivedSubmission) -> None:
        if is_kept(self._facts, received.submission.kind):
            self._kept.append(received)
            return
        self.grade_if_due(received.submission.received_at)
        self._decide(received)

    def _decide(self, received: ReceivedSubmission) -> None:
        submission = received.submission
        decision = decide(self._policy, self._facts, submission, self._evidence(submission))
        if self._claim.is_issuance_paused and self._is_awarding(decision, submission):
            self._wait_for_issuance(received)
            return
        details: Mapping[str, Any] = decision.details if isinstance(decision, Refused) else {}
        award = None
        if isinstance(decision, Accepted):
            award, decision = self._granted(decision, submission)
            details = self._write_accepted(received, decision) if isinstance(decision, Accepted) else decision.details
        refusal, entry = decision.code if isinstance(decision, Refused) else None, decision.roster_entry
        anothers = entry if refusal else None
        claims.decide_submission(
            self._connection, self._claim.id, submission.id, refusal, details, roster_entry=anothers
        )
        ids = {"submission_id": submission.id, "request_id": received.request_id}
        self.decisions.append({**ids, "kind": submission.kind, "refusal": refusal})
        reason = getattr(submission.body, "reason", None)
        self._enter(
            AuditEntry(
                step_key=f"submission:{submission.id}",
                event=f"{submission.kind}.{'refused' if refusal else 'accepted'}",
                at=submission.received_at,
                actor=received.actor,
                after=({"refusal": refusal} if refusal else {})
                | ({"roster_entry": entry} if entry else {})
                | dict(details),
                rule=self._claim.version_id,
                evidence={"submission": received.sha256},
                private={"reason": reason} if reason else {},
                submission_id=submission.id,
                request_id=received.request_id,
            )
        )
        if award is not None:
            self._enter_award(award, received)
        if refusal is None:
            self._notify(submission)

    def _is_awarding(self, decision: Decision, submission: Submission) -> bool:
        return isinstance(decision, Accepted) and is_award_due(self._policy, decision.facts, submission.received_at)

    def _wait_for_issuance(self, received: ReceivedSubmission) -> None:
        """Leave undecided what would award the credit, until issuance goes on.

        It was received in time, so a claim that expired before it was read is open again.
        """
        self._kept.append(received)
        self._facts = replace(self._facts, closed_as=None)
        self.set_attention(Attention.ISSUANCE_PAUSED, f"issuance:{self._claim.audit.seq + 1}", None)

    def _evidence(self, submission: Submission) -> Evidence:
        """What rosters and this learner's wrong tries say about a proof of participation."""
        stated, claim = submission.body, self._claim
        if not isinstance(stated, ParticipationStated):
            return NO_EVIDENCE
        match = None
        if stated.method == ParticipationMethod.ROSTER:
            match = participation.find_learner(self._connection, claim.ce_activity_id, claim.learner_id)
        elif stated.method in ROSTER_METHODS:
            match = participation.find_entry(
                self._connection, claim.ce_activity_id, claim.learner_id, stated.method, stated.value
            )
        wrong_tries = participation.wrong_tries(self._connection, claim.learner_id, submission.received_at)
        return Evidence(claim.id, match, wrong_tries)

    def _verify_by_roster(self) -> None:
        """Let a claim on by itself whose learner is on a roster, where the policy takes a roster's word."""
        requirement, claim = self._policy.participation, self._claim
        is_asked = requirement is not None and ParticipationMethod.ROSTER in requirement.methods
        if self._stage is not Stage.VERIFYING_PARTICIPATION or not is_asked or self._facts.is_held:
            return
        match = participation.find_learner(self._connection, claim.ce_activity_id, claim.learner_id)
        method = ParticipationMethod.ROSTER
        if requirement is None or match is None or is_overdue(self._facts, self._stage, claim.now):
            return
        judged = judge(requirement, ParticipationStated(method), Evidence(claim.id, match), claim.now)
        if not isinstance(judged, Proof):
            return
        if judged.entry_id is not None:
            participation.take_entry(self._connection, judged.entry_id, claim.id, claim.now)
        self._facts = replace(self._facts, participation=judged.participation)
        writing = participation_written(self._facts, method, claim.now)
        self._changes |= writing.columns
        self._happened(f"roster:{match.entry_id}", "participation.verified", claim.now, writing.details)

    def _write_accepted(self, received: ReceivedSubmission, decision: Accepted) -> Mapping[str, Any]:
        """Write the fact itself; answers with codes and numbers that describe it."""
        before, self._facts = self._facts, decision.facts
        writing = write_accepted(self._connection, self._claim, before, decision, received)
        self._changes |= writing.columns
        self._reminded_at = writing.columns.get("reminded_at") or self._reminded_at
        for column in ("attestation_version", "attested_at"):
            if column in writing.columns:
                setattr(self._claim, column, writing.columns[column])
        self._move(received.submission.received_at)
        return writing.details

    def _granted(self, decision: Accepted, submission: Submission) -> tuple[GrantedAward | None, Decision]:
        """Grant the credit once nothing is missing, in this same transaction; the database refuses it a second time."""
        facts = decision.facts
        if facts.credit is None or not self._is_awarding(decision, submission):
            return None, decision
        claimed = submission.body
        order = AwardOrder(
            claim=self._claim,
            policy=self._policy,
            facts=facts,
            credit=facts.credit,
            attestation_version=self._attestation_version(claimed),
            attested_at=self._attested_at(submission),
            completed_on=completed_on(self._policy, facts, submission.received_at),
            public_url=self._public_url,
        )
        award = award_credit(self._connection, order)
        if award is None:
            return None, Refused(RefusalCode.ALREADY_CLAIMED, {"credit_type": facts.credit.credit_type})
        self._changes |= {"awarded_at": self._claim.now}
        return award, replace(decision, facts=replace(facts, is_awarded=True))

    def _attestation_version(self, body: SubmissionBody) -> str:
        """The text that the learner attested to: just now, or before the statement was made final."""
        return body.attestation_version if isinstance(body, CreditClaimed) else self._claim.attestation_version or ""

    def _attested_at(self, submission: Submission) -> datetime:
        earlier = None if isinstance(submission.body, CreditClaimed) else self._claim.attested_at
        return earlier or submission.received_at

    def _enter_award(self, award: GrantedAward, received: ReceivedSubmission) -> None:
        after = {
            "award": award.award_id,
            "number": award.number,
            "credit_type": award.credit_type,
            "units": str(award.units),
            "rule_version": award.rule_version,
            "policy_version": self._claim.version_id,
            "certificate": award.certificate_id,
            "certificate_state": "reserved" if self._policy.certificate.is_here else "elsewhere",
        }
        entry = AuditEntry(
            step_key=f"award:{award.award_id}",
            event="credit.awarded",
            at=self._claim.now,
            actor=SYSTEM,
            after=after,
            rule=deciding_rules(self._claim.version_id, award.credit_type, award.rule_version),
            evidence={"submission": received.sha256},
            submission_id=received.submission.id,
        )
        self._enter(entry)

    def _notify(self, submission: Submission) -> None:
        """Queue the e-mail that tells the learner what staff did to their claim."""
        purpose = NOTICE_OF.get(submission.kind)
        if purpose is not None:
            emails.queue_notice(self._connection, purpose, self._claim.id, submission.id)

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
            {"answers": sha256_of(self._claim.given_answers[last.number])},
        )

    def open_window_if_due(self, at: datetime) -> None:
        """Let the claim on if its claim window is open by this time."""
        if self._stage is Stage.AWAITING_WINDOW and stage_of(self._policy, self._facts, at) is not self._stage:
            since = self._claim.stage_since_at.isoformat()
            self._happened(f"window:{since}", "window.opened", at)
            emails.queue_notice(self._connection, NoticePurpose.WINDOW_OPENED, self._claim.id, since)

    def remind_if_due(self, at: datetime) -> None:
        """Remind the learner of the deadline, if a reminder is due by this time; after an outage it is one only."""
        reminder = due_reminder(self._reminders(), self._reminded_at, at)
        if reminder is None:
            return
        self._reminded_at = reminder.at
        self._changes |= {"reminded_at": reminder.at}
        if self._stage in STAGES_WITH_DEADLINE and not self._facts.keeps_steps:
            emails.queue_notice(self._connection, NoticePurpose.DEADLINE_REMINDER, self._claim.id, reminder.occasion)

    def _reminders(self) -> tuple[Reminder, ...]:
        due_at, policy = self._facts.due_at, self._policy
        return reminders(due_at, policy.reminder_days, policy.time_zone, self._claim.id) if due_at else ()

    def expire_if_overdue(self, at: datetime) -> None:
        """Close the claim if it waits for the learner and its deadline has passed."""
        due_at = self._facts.due_at
        if due_at is not None and is_overdue(self._facts, self._stage, at):
            self._facts = replace(self._facts, closed_as=Stage.EXPIRED)
            # A claim that was reopened may expire again, so the key names the stage that ends.
            since = self._claim.stage_since_at.isoformat()
            self._happened(f"expiry:{since}", "claim.expired", at, {"due_at": due_at.isoformat()})
            emails.queue_notice(self._connection, NoticePurpose.CLAIM_EXPIRED, self._claim.id, due_at.isoformat())

    def set_attention(self, attention: Attention | None, step_key: str, error: str | None) -> None:
        """Park the claim for a person, or let it go on."""
        if attention == self._facts.attention:
            return
        self._changes |= {"attention": attention}
        self._facts = replace(self._facts, attention=attention)
        event = "claim.parked" if attention else "claim.continued"
        self._happened(step_key, event, self._claim.now, {"attention": attention, "error": error})

    def operator_act_refused(self, step_key: str, kind: str, actor: str) -> None:
        """An operator's signal was not filled in as its kind needs; entered once."""
        if self._claim.audit.has(f"act:{step_key}"):
            return
        at = self._claim.now
        after = {"refusal": RefusalCode.FORM_INCOMPLETE}
        entry = AuditEntry(step_key=f"act:{step_key}", event=f"{kind}.refused", at=at, actor=actor, after=after)
        self._enter(entry)

    def enter_correction(self, entry: AuditEntry, columns: Mapping[str, Any] | None = None) -> None:
        """Enter what befalls a correction of the claim, with the columns of the claim that it changes."""
        self._is_unannounced = True
        self._changes |= columns or {}
        self._enter(entry)

    def certificate_issued(self, certificate_id: str, evidence: Mapping[str, bytes]) -> None:
        """The bytes of the certificate and of its credential are stored; ``evidence`` holds their SHA-256."""
        hashes = {name: sha256.hex() for name, sha256 in evidence.items()}
        after = {"certificate": certificate_id, "sha256": hashes["certificate"]}
        self._happened(f"certificate:{certificate_id}", "certificate.issued", self._claim.now, after, hashes)

    def email_sent(self, email_id: str) -> None:
        """The award's e-mail was handed to the mail server; with it the claim is complete."""
        self._told(email_id, "email.sent", {"email": email_id})

    def email_dropped(self, award_id: str) -> None:
        """Nobody is told of an award that counts no more beside another one of its credit; the claim is complete."""
        self._told(award_id, "email.dropped", {"award": award_id})

    def _told(self, step: str, event: str, after: Mapping[str, Any]) -> None:
        self._facts = replace(self._facts, is_notified=True)
        self._changes |= {"notified_at": self._claim.now}
        self._happened(f"email:{step}", event, self._claim.now, after)

    def _happened(
        self,
        step_key: str,
        event: str,
        at: datetime,
        after: Mapping[str, Any] | None = None,
        evidence: Mapping[str, str] | None = None,
    ) -> None:
        """Enter what no submission caused."""
        self._is_unannounced = True
        self._move(at)
        entry = AuditEntry(
            step_key=step_key,
            event=event,
            at=at,
            actor=SYSTEM,
            after=after or {},
            rule=self._claim.version_id,
            evidence=evidence or {},
        )
        self._enter(entry)

    def _enter(self, entry: AuditEntry) -> None:
        """Append an entry, with all that changed of the claim's row since the entry before."""
        columns = {**self._claim.columns, **self._changes}
        before, after = changed(self._entered, columns)
        self._entered = columns
        before, after = {**entry.before, **before}, {**entry.after, **after}
        self._claim.audit.append(replace(entry, before=before, after=after, subject=self._claim.learner_id))
        self.events.append(entry.event)
        crash_point("entered", entry.event)

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
        wakes_at, reminds_at = self._wakes_at(), self._reminds_at()
        if wakes_at != self._claim.wakes_at:
            self._changes["wakes_at"] = wakes_at
        if reminds_at != self._claim.reminds_at:
            self._changes["reminds_at"] = reminds_at
        if self._changes:
            claims.save_claim(self._connection, self._claim.id, self._changes, notify=self._is_unannounced)
        return ClaimState(
            version=self._claim.audit.seq,
            stage=self._stage,
            due_at=self._facts.due_at,
            wakes_at=wakes_at,
            reminds_at=reminds_at,
            attention=self._hold() if self._facts.is_held else self._facts.attention,
        )

    def _hold(self) -> Hold:
        columns = {**self._claim.columns, **self._changes}
        return Hold(columns["held_at"], columns["held_by"], columns["hold_reason"])

    def _wakes_at(self) -> datetime | None:
        if self._stage is Stage.AWAITING_WINDOW:
            return deadlines.opens_at(self._policy.claim_window, self._policy.time_zone)
        return graded_at(self._policy, self._facts)

    def _reminds_at(self) -> datetime | None:
        """When the next reminder is due; an award, or an end without one, needs no reminding."""
        if self._facts.is_awarded or self._stage in CLOSED_STAGES:
            return None
        reminder = next_reminder(self._reminders(), self._reminded_at)
        return reminder.at if reminder else None
