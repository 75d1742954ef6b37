"""The ledger writes of a claim: each opens one transaction, locks the claim, and enters what happened."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from sqlalchemy import Connection, Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.contract import AttentionChange, ClaimActivities, ClaimState, ClaimStep, OperatorAct
from activities.ledger import ClaimLedger
from activities.policies import PolicyCache
from config.crash_points import crash_point
from domain.claims import FAILED_STEPS, STAGES_OF_ISSUING, ClaimFacts, stage_of
from domain.deadlines import due_at
from domain.names import clean_text
from domain.submissions import Opening, SubmissionBody, SubmissionKind, staff_body, to_json
from storage import claims

logger = structlog.get_logger("laurel.worker")

# As much as the API takes for a reason.
_MOST_TYPED: Final = 2_000


class PostgresClaimActivities(ClaimActivities):
    """The ledger in PostgreSQL. Every method may run twice, or on two workers at once, with one effect."""

    def __init__(self, engine: Engine, policies: PolicyCache, public_url: str) -> None:
        self._engine = engine
        self._policies = policies
        self._public_url = public_url

    @contextmanager
    def ledger(self, claim_id: str) -> Iterator[ClaimLedger]:
        """One claim, locked in a transaction that commits at the end.

        Raises ``ApplicationError`` of type ``ClaimNotInLedger`` when the record has neither the claim nor its opening.
        """
        crash_point("ledger.begun")
        with self._engine.begin() as connection:
            claim = claims.lock_claim(connection, claim_id)
            if claim is None:
                self._open(connection, claim_id)
                claim = claims.lock_claim(connection, claim_id)
            if claim is None:
                raise ApplicationError("ClaimNotInLedger", type="ClaimNotInLedger")
            policy = self._policies.get(connection, claim.version_id)
            ledger = ClaimLedger(connection, claim, policy, self._public_url)
            yield ledger
        for event in ledger.events:
            crash_point("committed", event)
        for decision in ledger.decisions:
            logger.info("decided", claim_id=claim_id, **decision)

    def _open(self, connection: Connection, claim_id: str) -> None:
        found = claims.undecided_opening(connection, claim_id)
        if found is None:
            return
        (received, learner_id), opened_at = found, found[0].submission.received_at
        opening = received.submission.body
        if not isinstance(opening, Opening):
            raise TypeError(type(opening).__name__)
        policy = self._policies.get(connection, opening.version_id)
        deadline = due_at(policy.claim_window, policy.time_zone, opened_at)
        values = {
            "id": claim_id,
            "learner_id": learner_id,
            "ce_activity_id": opening.ce_activity_id,
            "version_id": opening.version_id,
            "stage": stage_of(policy, ClaimFacts(profession=None, due_at=deadline), opened_at),
            "stage_since_at": opened_at,
            "opened_at": opened_at,
            "due_at": deadline,
        }
        claims.add_claim(connection, values)

    @activity.defn(name="claim.load")
    def load_claim(self, step: ClaimStep) -> ClaimState:
        """See ``ClaimActivities``."""
        return self._decide(step.claim_id)

    @activity.defn(name="submissions.decide")
    def decide_submissions(self, step: ClaimStep) -> ClaimState:
        """See ``ClaimActivities``."""
        return self._decide(step.claim_id)

    @activity.defn(name="attempt.grade")
    def grade_attempt(self, step: ClaimStep) -> ClaimState:
        """See ``ClaimActivities``."""
        with self.ledger(step.claim_id) as ledger:
            ledger.decide_all()
            ledger.grade_if_due(step.at)
            return ledger.close()

    @activity.defn(name="window.open")
    def open_window(self, step: ClaimStep) -> ClaimState:
        """See ``ClaimActivities``."""
        with self.ledger(step.claim_id) as ledger:
            ledger.decide_all()
            ledger.open_window_if_due(step.at)
            return ledger.close()

    @activity.defn(name="claim.expire")
    def expire_claim(self, step: ClaimStep) -> ClaimState:
        """See ``ClaimActivities``."""
        with self.ledger(step.claim_id) as ledger:
            ledger.decide_all()
            ledger.expire_if_overdue(step.at)
            return ledger.close()

    @activity.defn(name="deadline.remind")
    def remind_learner(self, step: ClaimStep) -> ClaimState:
        """See ``ClaimActivities``."""
        with self.ledger(step.claim_id) as ledger:
            ledger.decide_all()
            ledger.remind_if_due(step.at)
            return ledger.close()

    @activity.defn(name="attention.record")
    def record_attention(self, change: AttentionChange) -> ClaimState:
        """See ``ClaimActivities``."""
        with self.ledger(change.claim_id) as ledger:
            # Of a claim that waits for its learner, as a restored record may have it, nothing of ours can have failed,
            # and a hold of it is not ours to end.
            is_over = change.attention is None and ledger.claim.facts.attention in FAILED_STEPS
            if is_over or ledger.stage in STAGES_OF_ISSUING:
                ledger.set_attention(change.attention, f"attention:{change.run_id}:{change.number}", change.error)
            return ledger.close()

    @activity.defn(name="operator_act.record")
    def record_operator_act(self, act: OperatorAct) -> ClaimState:
        """See ``ClaimActivities``."""
        body, operator = _body_of(act), typed(act.operator)
        with self.ledger(act.claim_id) as ledger:
            if body is None or not operator:
                ledger.operator_act_refused(act.submission_id, act.kind, f"operator:{operator}")
                return ledger.close()
            values = {
                "id": act.submission_id,
                "claim_id": act.claim_id,
                "learner_id": ledger.claim.learner_id,
                "actor": f"operator:{operator}",
                "kind": act.kind,
                "body": to_json(body),
            }
            claims.add_submission(ledger.connection, values)
        return self._decide(act.claim_id)

    def _decide(self, claim_id: str) -> ClaimState:
        with self.ledger(claim_id) as ledger:
            ledger.decide_all()
            return ledger.close()


def _body_of(act: OperatorAct) -> SubmissionBody | None:
    """What the operator asked for; None when the signal was not filled in as its kind needs."""
    reason, requirement = typed(act.reason), typed(act.requirement or "")
    given = {"reason": reason, "reason_code": act.reason_code or "other", "due_on": act.due_on}
    try:
        return staff_body(SubmissionKind(act.kind), given | {"requirement": requirement})
    except ValueError:
        return None


def typed(text: str) -> str:
    """What somebody typed, or nothing when the record couldn't hold it: a control character, or far too much of it."""
    try:
        return clean_text(text, _MOST_TYPED)
    except ValueError:
        return ""
