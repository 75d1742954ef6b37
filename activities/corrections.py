"""The ledger writes of corrections: each step is one transaction under the claim's lock, and safe to run twice."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import NoResultFound
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.changes import Changes, Made
from activities.claims import PostgresClaimActivities, typed
from activities.contract import (
    NOT_IN_RECORD,
    CorrectionActivities,
    CorrectionAttention,
    CorrectionRef,
    CorrectionResolution,
    CorrectionStatus,
)
from activities.ledger import SYSTEM, ClaimLedger
from activities.policies import PolicyCache
from domain.claims import FAILED_STEPS, Attention
from domain.corrections import FINISHED_STATES, CorrectionState, Revocation
from domain.issuance import issues
from domain.reasons import CorrectionResolutionReason
from domain.refusals import Refused
from storage import corrections, emails
from storage.audit import AuditEntry
from storage.corrections import Correction, Resolution


class PostgresCorrectionActivities(CorrectionActivities):
    """Corrections in PostgreSQL."""

    def __init__(self, engine: Engine, claims: PostgresClaimActivities, policies: PolicyCache, public_url: str) -> None:
        self._engine = engine
        self._claims = claims
        self._policies = policies
        self._public_url = public_url

    @contextmanager
    def _case(self, correction_id: str) -> Iterator["_Case"]:
        """One correction with its claim, locked in a transaction that commits at the end.

        What staff settled meanwhile comes first.
        """
        try:
            with self._engine.connect() as connection:
                claim_id = corrections.claim_of(connection, correction_id)
        except NoResultFound:
            raise ApplicationError(NOT_IN_RECORD, type=NOT_IN_RECORD, non_retryable=True) from None
        with self._claims.ledger(claim_id) as ledger:
            correction = corrections.lock(ledger.connection, correction_id)
            case = _Case(ledger, correction, Changes(ledger, correction, self._policies, self._public_url))
            case.hear_resolution()
            yield case

    @activity.defn(name="correction.load")
    def load_correction(self, correction: CorrectionRef) -> CorrectionStatus:
        """See ``CorrectionActivities``."""
        with self._case(correction.correction_id) as case:
            case.enter_request()
            case.hear_decision()
            return case.close()

    @activity.defn(name="correction.apply")
    def apply_correction(self, correction: CorrectionRef) -> CorrectionStatus:
        """See ``CorrectionActivities``."""
        with self._case(correction.correction_id) as case:
            case.apply()
            return case.close()

    @activity.defn(name="correction.complete")
    def complete_correction(self, correction: CorrectionRef) -> CorrectionStatus:
        """See ``CorrectionActivities``."""
        with self._case(correction.correction_id) as case:
            case.complete()
            return case.close()

    @activity.defn(name="correction.attention")
    def record_correction_attention(self, change: CorrectionAttention) -> CorrectionStatus:
        """See ``CorrectionActivities``."""
        with self._case(change.correction_id) as case:
            case.set_attention(change)
            return case.close()

    @activity.defn(name="correction.resolve")
    def resolve_correction(self, resolution: CorrectionResolution) -> CorrectionStatus:
        """See ``CorrectionActivities``."""
        with self._case(resolution.correction_id) as case:
            case.resolve(resolution)
            return case.close()


class _Case:
    """One correction between lock and commit. Call what happens, then ``close``."""

    def __init__(self, ledger: ClaimLedger, correction: Correction, changes: Changes) -> None:
        self._ledger = ledger
        self._correction = correction
        self._changes = changes

    @property
    def _state(self) -> CorrectionState:
        return self._correction.state

    def enter_request(self) -> None:
        """Enter, once, that the correction was asked for, and refuse at once what nobody need approve."""
        asked = self._correction
        if self._ledger.claim.audit.has(self._step_key("requested")):
            return
        after: dict[str, Any] = {"needs_approval": self._state is CorrectionState.AWAITING_APPROVAL}
        if isinstance(asked.change, Revocation):
            after["reason_class"] = asked.change.reason_class
        said = {"reason": asked.reason}
        self._enter("requested", "correction.requested", asked.requested_by, after, said, request_id=asked.request_id)
        refused = self._changes.refusal()
        if refused is not None:
            self._refuse(refused)
        elif self._state is CorrectionState.AWAITING_APPROVAL:
            # Whoever asked is told that it waits.
            self._save(self._state)

    def _refuse(self, refused: Refused) -> None:
        outcome = {"refusal": refused.code, "details": dict(refused.details)}
        self._save(CorrectionState.REFUSED, finished_at=self._ledger.claim.now, outcome=outcome)
        told = dict(refused.details)
        # Characters of a name are a part of it.
        private = {"characters": told.pop("characters")} if "characters" in told else None
        self._enter("refused", "correction.refused", SYSTEM, {"refusal": refused.code, **told}, private)

    def hear_decision(self) -> None:
        """Take the second person's word, if it was given."""
        decided = self._correction
        if self._state is not CorrectionState.AWAITING_APPROVAL or decided.decided_by is None:
            return
        word = CorrectionState.APPROVED if decided.is_approved else CorrectionState.DECLINED
        self._save(word, finished_at=None if decided.is_approved else self._ledger.claim.now)
        self._enter(word, f"correction.{word}", decided.decided_by, request_id=decided.decision_request_id)

    def apply(self) -> None:
        """Make the change, or refuse what can no longer be made; what issues waits while issuance is paused."""
        if self._state is not CorrectionState.APPROVED:
            return
        is_paused = self._ledger.claim.is_issuance_paused and issues(self._correction.change)
        waits = is_paused and self._changes.refusal() is None
        step = f"issuance:{self._ledger.claim.audit.seq + 1}"
        self._turn_to(Attention.ISSUANCE_PAUSED if waits else None, step, SYSTEM)
        if waits:
            return
        made = self._changes.make()
        if isinstance(made, Refused):
            self._refuse(made)
        else:
            self._enter_change(made)

    def _enter_change(self, made: Made) -> None:
        now = self._ledger.claim.now
        is_finished = made.state is CorrectionState.COMPLETED
        self._save(made.state, applied_at=now, finished_at=now if is_finished else None, outcome=made.outcome)
        self._enter(
            "applied",
            made.event,
            self._correction.requested_by,
            made.after,
            made.private,
            made=made,
            request_id=self._correction.request_id,
        )

    def complete(self) -> None:
        """The new certificate is issued, and its e-mail sent; a claim that was parked for want of them is complete."""
        if self._state is CorrectionState.APPLIED:
            self._save(CorrectionState.COMPLETED, finished_at=self._ledger.claim.now)
            self._enter("completed", "correction.completed", SYSTEM)
            if self._ledger.claim.facts.attention in FAILED_STEPS:
                self._ledger.set_attention(None, self._step_key("claim-continued"), None)

    def set_attention(self, change: CorrectionAttention) -> None:
        """Park the correction for a person, or let it go on: by itself, or because an operator says so."""
        if self._state in FINISHED_STATES:
            return
        operator, reason = typed(change.operator or ""), typed(change.reason or "")
        actor = f"operator:{operator}" if operator else SYSTEM
        step = f"attention:{change.run_id}:{change.number}"
        self._turn_to(change.attention, step, actor, change.error, {"reason": reason} if reason else None)

    def resolve(self, act: CorrectionResolution) -> None:
        """Take an operator's word that the correction is to end as it is; one that is not parked goes on by itself."""
        operator, reason = typed(act.operator), typed(act.reason)
        if self._correction.attention is None or not (operator and reason):
            return
        codes = {str(code): code for code in CorrectionResolutionReason}
        code = codes.get(act.reason_code or "", CorrectionResolutionReason.OTHER)
        resolution = Resolution(by=f"operator:{operator}", reason_code=code, reason=reason)
        self._save(self._state, **resolution.columns, resolved_at=self._ledger.claim.now)
        self._correction = replace(self._correction, resolution=resolution)
        self.hear_resolution()

    def hear_resolution(self) -> None:
        """End the correction as it is, once, if staff want that; what it changed in the record stays.

        The learner of a claim that is complete was told otherwise, or is told of the next version. One that is not
        complete sends its e-mail itself.
        """
        resolution = self._correction.resolution
        if resolution is None or self._state in FINISHED_STATES:
            return
        claim = self._ledger.claim
        if self._state is CorrectionState.APPLIED and claim.facts.is_notified:
            emails.drop_award_email(self._ledger.connection, claim.id, "resolved")
        self._correction = replace(self._correction, attention=None)
        self._save(CorrectionState.RESOLVED, attention=None, finished_at=claim.now)
        self._enter(
            "resolved",
            "correction.resolved",
            resolution.by,
            {"reason_code": resolution.reason_code},
            {"reason": resolution.reason},
            request_id=resolution.request_id,
        )

    def _turn_to(
        self,
        attention: Attention | None,
        step: str,
        actor: str,
        error: str | None = None,
        private: Mapping[str, Any] | None = None,
    ) -> None:
        if attention == self._correction.attention:
            return
        self._correction = replace(self._correction, attention=attention)
        self._save(self._state, attention=attention)
        event = "correction.parked" if attention else "correction.continued"
        self._enter(step, event, actor, {"attention": attention, "error": error}, private)

    def _save(self, state: CorrectionState, **values: Any) -> None:
        self._correction = replace(self._correction, state=state)
        corrections.save(self._ledger.connection, self._correction, {"state": state, **values})

    def _step_key(self, step: str) -> str:
        return f"correction:{self._correction.id}:{step}"

    def _enter(
        self,
        step: str,
        event: str,
        actor: str,
        after: Mapping[str, Any] | None = None,
        private: Mapping[str, Any] | None = None,
        *,
        made: Made | None = None,
        request_id: str | None = None,
    ) -> None:
        correction = self._correction
        entry = AuditEntry(
            step_key=self._step_key(step),
            event=event,
            at=self._ledger.claim.now,
            actor=actor,
            before=made.before if made else {},
            after={"correction": correction.id, "kind": correction.kind, **(after or {})},
            rule=(made and made.rule) or self._ledger.claim.version_id,
            private=private or {},
            request_id=request_id,
        )
        self._ledger.enter_correction(entry, made.columns if made else None)

    def close(self) -> CorrectionStatus:
        """Write the claim's projection, and say where the correction is now."""
        self._ledger.close()
        return CorrectionStatus(
            claim_id=self._correction.claim_id,
            state=self._state,
            is_issued_here=self._ledger.policy.certificate.is_here,
            attention=self._correction.attention,
            is_claim_parked=self._ledger.claim.facts.attention is not None,
        )
