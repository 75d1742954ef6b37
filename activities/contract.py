"""What workflows may ask of activities: names, inputs and results. Ids, codes, numbers and times only.

Everything here ends up in Temporal's history, which people read and nobody can edit: no personal data, ever.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain.claims import Attention, Stage
from domain.corrections import CorrectionState

ISSUANCE_PAUSED: Final = "IssuancePaused"
"""The type of the failure of an activity that may issue nothing for this claim at present."""


CERTIFICATE_NOT_ISSUED: Final = "CertificateNotIssued"
"""The type of the failure of an award's e-mail when the record has no certificate, or nobody, that it is about."""


def issuance_paused() -> ApplicationError:
    """What such an activity raises: nothing is wrong, and trying again is pointless until somebody says so."""
    return ApplicationError(ISSUANCE_PAUSED, type=ISSUANCE_PAUSED, non_retryable=True)


@dataclass(frozen=True, slots=True)
class Hold:
    """Since when, by whom (an account's id, or ``operator:<name>``) and with which reason code a claim is on hold."""

    since: datetime
    by: str
    reason_code: str


@dataclass(frozen=True, slots=True)
class ClaimState:
    """A claim as the ledger has it after a write; a repeated write answers with the newest state.

    ``version`` grows with every entry of the claim's audit trail. ``wakes_at`` is when time alone moves the claim on:
    the result of an attempt in grading, or the opening of the claim window. ``reminds_at`` is when the learner is next
    reminded of the deadline. ``attention`` says why the claim is parked; of a hold, by whom and since when as well.
    Small on purpose: every write leaves one in the history.
    """

    version: int
    stage: Stage
    due_at: datetime | None = None
    wakes_at: datetime | None = None
    reminds_at: datetime | None = None
    attention: Attention | Hold | None = None

    @property
    def attention_code(self) -> Attention | None:
        """For what the claim is parked, as a code."""
        return Attention.ON_HOLD if isinstance(self.attention, Hold) else self.attention


@dataclass(frozen=True, slots=True)
class ClaimStep:
    """A ledger write for one claim; ``at`` is the workflow's time, for what only the clock causes."""

    claim_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AttentionChange:
    """A claim is parked (``attention`` says why, ``error`` is the failure's type) or goes on (None).

    ``number`` tells the changes of one run apart, so that a retry finds the first.
    """

    claim_id: str
    run_id: str
    number: int
    attention: Attention | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class OperatorAct:
    """A signal that an operator typed into the Temporal UI; recorded as a submission before it is decided.

    ``due_on`` is an ISO date and belongs to an extension or a reopening, ``requirement`` to a waiver; without
    ``reason_code`` it is ``other``. What is missing is recorded as a refusal.
    """

    claim_id: str
    submission_id: str
    kind: str
    operator: str
    reason: str
    due_on: str | None = None
    reason_code: str | None = None
    requirement: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimRef:
    """Whose certificate to issue, or whose award to write about."""

    claim_id: str


@dataclass(frozen=True, slots=True)
class MergeRef:
    """Which merge of two learners to bring about."""

    merge_id: str


NOT_IN_RECORD: Final = "CorrectionNotInRecord"
"""The type of the failure of a correction's activities when the record knows nothing of the correction."""


@dataclass(frozen=True, slots=True)
class CorrectionRef:
    """Which correction to go on with."""

    correction_id: str


@dataclass(frozen=True, slots=True)
class CorrectionStatus:
    """A correction as the ledger has it after a write; a repeated write answers with the newest.

    ``is_issued_here`` tells whether Laurel issues the claim's certificates, or another system does; ``is_claim_parked``
    that the claim itself waits for a person, whom the correction may have made unnecessary.
    """

    claim_id: str
    state: CorrectionState
    is_issued_here: bool
    attention: Attention | None = None
    is_claim_parked: bool = False


@dataclass(frozen=True, slots=True)
class CorrectionAttention:
    """A correction is parked (``attention`` and ``error``), or goes on (None), perhaps because an operator says so.

    ``number`` tells the changes of one run apart, so that a retry finds the first.
    """

    correction_id: str
    run_id: str
    number: int
    attention: Attention | None
    error: str | None = None
    operator: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CorrectionResolution:
    """An operator wants a parked correction to end as it is; a ``reason_code`` that is not known is ``other``."""

    correction_id: str
    operator: str
    reason: str
    reason_code: str | None = None


def number_of_change(now: datetime, count: int) -> int:
    """What tells one change of a run apart from its others; ``now`` is the workflow's time, ``count`` how many it made.

    A count alone would begin again when an older copy of Temporal's database is restored, which brings the run back.
    """
    return int(now.timestamp() * 1_000_000) + count


class ClaimActivities(Protocol):
    """Ledger writes: one transaction each, safe to run twice; local activities as long as the database answers."""

    @activity.defn(name="claim.load")
    def load_claim(self, step: ClaimStep) -> ClaimState:
        """Open the claim if it is new, decide what was submitted meanwhile, and answer with where the claim is."""
        ...

    @activity.defn(name="submissions.decide")
    def decide_submissions(self, step: ClaimStep) -> ClaimState:
        """Decide every undecided submission of the claim, in the order of receipt."""
        ...

    @activity.defn(name="attempt.grade")
    def grade_attempt(self, step: ClaimStep) -> ClaimState:
        """Grade the attempt whose grading delay has passed."""
        ...

    @activity.defn(name="window.open")
    def open_window(self, step: ClaimStep) -> ClaimState:
        """Let the claim on once its claim window is open."""
        ...

    @activity.defn(name="claim.expire")
    def expire_claim(self, step: ClaimStep) -> ClaimState:
        """Close the claim if its deadline has passed; what was received in time is decided first."""
        ...

    @activity.defn(name="deadline.remind")
    def remind_learner(self, step: ClaimStep) -> ClaimState:
        """Queue the reminder that is due, if the claim still waits for the learner."""
        ...

    @activity.defn(name="attention.record")
    def record_attention(self, change: AttentionChange) -> ClaimState:
        """Record that the claim is parked for a person, or goes on."""
        ...

    @activity.defn(name="operator_act.record")
    def record_operator_act(self, act: OperatorAct) -> ClaimState:
        """Take an operator's signal into the intake and decide it."""
        ...


class CertificateActivities(Protocol):
    """Documents; run by workers of the role ``documents``."""

    @activity.defn(name="certificate.issue")
    def issue_certificate(self, claim: ClaimRef) -> None:
        """Render the award's reserved certificate once, store its bytes, and issue it.

        Raises ``issuance_paused()`` while issuance is paused for the claim, as the e-mail about the award does.
        """
        ...


class MailActivities(Protocol):
    """Outgoing mail."""

    @activity.defn(name="email.send")
    def send_award_email(self, claim: ClaimRef) -> ClaimState:
        """Send the one e-mail about the award; a repeated call after success sends nothing."""
        ...


class CorrectionActivities(Protocol):
    """Ledger writes of corrections: one transaction each under the claim's lock, safe to run twice."""

    @activity.defn(name="correction.load")
    def load_correction(self, correction: CorrectionRef) -> CorrectionStatus:
        """Enter that the correction was asked for, refuse it if it can't be, and take a second person's word."""
        ...

    @activity.defn(name="correction.apply")
    def apply_correction(self, correction: CorrectionRef) -> CorrectionStatus:
        """Make the change in the record, if it still can be made: award, certificate, e-mail."""
        ...

    @activity.defn(name="correction.complete")
    def complete_correction(self, correction: CorrectionRef) -> CorrectionStatus:
        """Note that the new certificate is issued and its learner told."""
        ...

    @activity.defn(name="correction.attention")
    def record_correction_attention(self, change: CorrectionAttention) -> CorrectionStatus:
        """Record that the correction is parked for a person, or goes on."""
        ...

    @activity.defn(name="correction.resolve")
    def resolve_correction(self, resolution: CorrectionResolution) -> CorrectionStatus:
        """End the correction as it is, if it is parked. Staff's word, which is in the record, every step takes."""
        ...


class PeopleActivities(Protocol):
    """What concerns learners and not one claim."""

    @activity.defn(name="learners.merge")
    def merge_learners(self, merge: MergeRef) -> None:
        """Let one learner become part of another; a repeated call after success changes nothing."""
        ...
