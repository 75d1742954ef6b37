"""The claim workflow as others see it: its name, ids, queues, signals, search attributes and time limits."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.workflow import ActivityConfig, LocalActivityConfig

from domain import stuck
from domain.submissions import SubmissionKind

CLAIM_WORKFLOW: Final = "claim"
MERGE_WORKFLOW: Final = "merge"
CORRECTION_WORKFLOW: Final = "correction"
CLAIMS_QUEUE: Final = "claims"
DOCUMENTS_QUEUE: Final = "documents"

CLAIM_STAGE: Final = SearchAttributeKey.for_keyword("ClaimStage")
CLAIM_ATTENTION: Final = SearchAttributeKey.for_keyword("ClaimAttention")
CE_ACTIVITY: Final = SearchAttributeKey.for_keyword("CEActivity")
PROVIDER: Final = SearchAttributeKey.for_keyword("Provider")
CLAIM_DUE_AT: Final = SearchAttributeKey.for_datetime("ClaimDueAt")
CLAIM_STAGE_SINCE: Final = SearchAttributeKey.for_datetime("ClaimStageSince")

# Name -> type, as ``laurel temporal setup`` registers them.
SEARCH_ATTRIBUTES: Final = {
    "ClaimStage": "Keyword",
    "ClaimAttention": "Keyword",
    "CEActivity": "Keyword",
    "Provider": "Keyword",
    "ClaimDueAt": "Datetime",
    "ClaimStageSince": "Datetime",
}

SIGNAL_OF_KIND: Final = {
    SubmissionKind.OPENING: "claim_opened",
    SubmissionKind.PARTICIPATION: "participation_stated",
    SubmissionKind.STATEMENT: "statement_chosen",
    SubmissionKind.DISCLOSURES: "disclosures_acknowledged",
    SubmissionKind.PROGRESS: "progress_reported",
    SubmissionKind.ATTEMPT: "attempt_started",
    SubmissionKind.ANSWERS: "answers_given",
    SubmissionKind.EVALUATION: "evaluation_completed",
    SubmissionKind.SESSION: "session_claimed",
    SubmissionKind.CREDIT: "credit_claimed",
    SubmissionKind.FINALIZATION: "statement_finalized",
    SubmissionKind.WITHDRAWAL: "withdraw",
    SubmissionKind.EXTENSION_REQUEST: "extension_requested",
    SubmissionKind.EXTENSION: "extend_deadline",
    SubmissionKind.EXTENSION_REFUSAL: "refuse_extension",
    SubmissionKind.RETRY: "retry_step",
    SubmissionKind.HOLD: "place_hold",
    SubmissionKind.RELEASE: "release_hold",
    SubmissionKind.WAIVER: "waive_requirement",
    SubmissionKind.RESOLUTION: "resolve_step",
    SubmissionKind.DENIAL: "deny_claim",
    SubmissionKind.REOPENING: "reopen_claim",
    SubmissionKind.STAFF_WITHDRAWAL: "withdraw",
}

# What the Temporal UI says of each signal that an operator may type, with what to type.
EXAMPLES: Final = {
    SubmissionKind.EXTENSION: 'Move the deadline: {"operator": "j.doe", "reason": "illness", "due_on": "2027-01-31"}',
    SubmissionKind.EXTENSION_REFUSAL: "Answer a request for more time with no: "
    '{"operator": "j.doe", "reason": "board is closed"}',
    SubmissionKind.RETRY: 'Try a parked step again: {"operator": "j.doe", "reason": "mail server repaired"}',
    SubmissionKind.HOLD: "Keep all steps undecided until a release: "
    '{"operator": "j.doe", "reason_code": "identity_check", "reason": "two people, one badge"}',
    SubmissionKind.RELEASE: "End a hold: "
    '{"operator": "j.doe", "reason_code": "checked", "reason": "badge belongs to her"}',
    SubmissionKind.WAIVER: "Waive a requirement: "
    '{"operator": "j.doe", "requirement": "evaluation", "reason_code": "done_otherwise", "reason": "on paper"}',
    SubmissionKind.RESOLUTION: "The learner was told without Laurel: "
    '{"operator": "j.doe", "reason_code": "told_otherwise", "reason": "by telephone"}',
    SubmissionKind.DENIAL: "End the claim without an award: "
    '{"operator": "j.doe", "reason_code": "not_eligible", "reason": "not a physician"}',
    SubmissionKind.REOPENING: "Open a claim again that ended a moment ago: "
    '{"operator": "j.doe", "reason_code": "ended_in_error", "reason": "wrong claim"}',
    SubmissionKind.STAFF_WITHDRAWAL: "End the claim without an award: "
    '{"operator": "j.doe", "reason_code": "learner_asked", "reason": "asked by telephone"}',
}


# After this signal a claim's workflow reads the record again: ``laurel reconcile`` sends it where the two differ.
READ_RECORD: Final = "read_record"
# Staff's word about a correction is in the record; and an operator lets a parked one try again, or ends it as it is.
CORRECTION_DECIDED: Final = "correction_decided"
RETRY_CORRECTION: Final = "retry_step"
RESOLVE_CORRECTION: Final = "resolve_step"


# Issuance goes on after a pause: Laurel sends it to each claim and correction that waits for that.
ISSUANCE_RESUMED: Final = "issuance_resumed"


@dataclass(frozen=True, slots=True)
class ClaimInput:
    """What a claim's workflow starts with; everything else it loads from the ledger."""

    claim_id: str


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """How the claim ended: ``completed``, ``expired``, ``denied`` or ``withdrawn``."""

    stage: str


@dataclass(frozen=True, slots=True)
class SubmissionReceived:
    """Payload of a learner's signal: a wake-up that people can read in the history. The record holds the fact."""

    submission_id: str
    kind: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class OperatorSignal:
    """Payload of an operator's signal.

    Sent by Laurel it names a submission. Typed into the Temporal UI it has no ``submission_id``; then ``operator`` and
    ``reason`` are required, ``due_on`` (ISO date) for an extension, and ``requirement`` for a waiver: ``{"operator":
    "j.doe", "reason": "illness", "due_on": "2027-01-31"}``. ``reason_code`` is one of ``domain/reasons.py``, by default
    ``other``.
    """

    submission_id: str | None = None
    kind: str | None = None
    received_at: datetime | None = None
    operator: str | None = None
    reason: str | None = None
    due_on: str | None = None
    reason_code: str | None = None
    requirement: str | None = None


@dataclass(frozen=True, slots=True)
class MergeInput:
    """What the workflow of a merge starts with."""

    merge_id: str


@dataclass(frozen=True, slots=True)
class CorrectionInput:
    """What the workflow of a correction starts with; everything else it loads from the ledger."""

    correction_id: str


@dataclass(frozen=True, slots=True)
class CorrectionResult:
    """How the correction ended: as one of ``FINISHED_STATES``, or as one that the record does not have."""

    state: str


def claim_workflow_id(claim_id: str) -> str:
    """The workflow id of a claim; ``claim_id`` is opaque."""
    return f"claim-{claim_id}"


def merge_workflow_id(merge_id: str) -> str:
    """The workflow id of a merge; ``merge_id`` is opaque."""
    return f"merge-{merge_id}"


def correction_workflow_id(correction_id: str) -> str:
    """The workflow id of a correction; ``correction_id`` is opaque."""
    return f"correction-{correction_id}"


# A ledger write takes milliseconds; one that can't finish in these few seconds is handed to an ordinary activity,
# where it is visible as pending and is retried until the database is back.
LEDGER_LOCAL: Final[LocalActivityConfig] = {
    "schedule_to_close_timeout": timedelta(seconds=4),
    # The time limit ends an attempt that hangs, but not a pause between attempts: those are counted.
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=1), maximum_attempts=6
    ),
}
LEDGER_ORDINARY: Final[ActivityConfig] = {
    "summary": "ledger write, waiting for the database",
    "start_to_close_timeout": timedelta(seconds=15),
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30)),
}
# The time from start to close is also how long a learner waits when the worker dies in the middle of an effect: it is
# a few times what the effect needs at worst, and running it twice is harmless.
CERTIFICATE: Final[ActivityConfig] = {
    "summary": "issue the certificate",
    "task_queue": DOCUMENTS_QUEUE,
    "start_to_close_timeout": timedelta(seconds=20),
    "schedule_to_close_timeout": timedelta(hours=1),
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=2)),
}
EMAIL: Final[ActivityConfig] = {
    "summary": "e-mail the award",
    "start_to_close_timeout": timedelta(seconds=30),
    "schedule_to_close_timeout": timedelta(hours=24),
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=15)),
}
MERGE: Final[ActivityConfig] = {
    "summary": "merge two learners",
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30)),
}
SELF_RETRY: Final = stuck.SELF_RETRY
NO_TIME: Final = timedelta()
# The deadline's timer fires this long after the deadline, so that steps in flight arrive before it, and spread over
# this long, so that claims due in the same second do not all wake at once. What counts as late is unaffected.
DEADLINE_GRACE: Final = timedelta(seconds=60)
DEADLINE_JITTER: Final = timedelta(minutes=30)
