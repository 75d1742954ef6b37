"""The intake, and the projection of each claim with its parts."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import UNITS_CHECK, Base


class ClaimRow(Base):
    """The projection of one claim: its facts and the stage they amount to. Written by activities only.

    ``held_by`` is an account's id or ``operator:<name>``, ``hold_reason`` a code; ``waived`` names requirements.
    ``purged_at`` is when what its learner had said was removed, after its retention.
    """

    __tablename__ = "claims"
    __table_args__ = (
        UniqueConstraint("learner_id", "ce_activity_id"),
        CheckConstraint(UNITS_CHECK.format("claimed_units"), "claimed_units"),
        Index(None, "ce_activity_id", "stage"),
        # The office's lists, each in the order in which it is read.
        Index(None, "opened_at", "id"),
        Index(None, "stage", "opened_at", "id"),
        Index(None, "ce_activity_id", "opened_at", "id"),
        Index("ix_claims_awarded_at", "awarded_at", postgresql_where=text("awarded_at IS NOT NULL")),
        Index("ix_claims_attention", "attention", postgresql_where=text("attention IS NOT NULL")),
        Index("ix_claims_due_at", "due_at", postgresql_where=text("closed_at IS NULL")),
        Index(
            "ix_claims_extension_requested_at",
            "extension_requested_at",
            postgresql_where=text("extension_requested_at IS NOT NULL"),
        ),
        CheckConstraint("(held_at IS NOT NULL) = (attention = 'on_hold' AND attention IS NOT NULL)", "hold"),
        Index("ix_claims_wakes_at", "wakes_at", postgresql_where=text("wakes_at IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    learner_id: Mapped[str] = mapped_column(ForeignKey("learners.id"))
    ce_activity_id: Mapped[str] = mapped_column(ForeignKey("ce_activities.id"))
    version_id: Mapped[str] = mapped_column(ForeignKey("ce_activity_versions.id"))
    stage: Mapped[str]
    stage_since_at: Mapped[datetime]
    attention: Mapped[str | None]
    opened_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    wakes_at: Mapped[datetime | None]
    participation: Mapped[str | None]
    participation_method: Mapped[str | None]
    participation_at: Mapped[datetime | None]
    statement: Mapped[str | None]
    disclosures_version: Mapped[str | None]
    disclosures_at: Mapped[datetime | None]
    evaluated_at: Mapped[datetime | None]
    credit_type: Mapped[str | None]
    claimed_units: Mapped[Decimal | None]
    attestation_version: Mapped[str | None]
    attested_at: Mapped[datetime | None]
    finalized_at: Mapped[datetime | None]
    awarded_at: Mapped[datetime | None]
    notified_at: Mapped[datetime | None]
    closed_as: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]
    reminds_at: Mapped[datetime | None]
    extension_requested_at: Mapped[datetime | None]
    held_at: Mapped[datetime | None]
    held_by: Mapped[str | None]
    hold_reason: Mapped[str | None]
    waived: Mapped[list[str] | None] = mapped_column(ARRAY(Text()))
    attempts_added: Mapped[int | None]
    purged_at: Mapped[datetime | None]


class SubmissionRow(Base):
    """The intake: what was received, committed before it was acknowledged, and what became of it.

    ``roster_entry`` is the entry for which it was refused, because it names somebody else; only the office sees it.
    The API inserts; activities write the outcome; the API and the relay move ``deliver_after`` of what is
    still undecided (``storage/deliveries.py``).
    """

    __tablename__ = "submissions"
    __table_args__ = (
        Index(None, "claim_id", "id"),
        Index("ix_submissions_undecided", "claim_id", postgresql_where=text("decided_at IS NULL")),
        Index(
            "ix_submissions_wrong_identifiers",
            "learner_id",
            "received_at",
            postgresql_where=text("refusal IN ('identifier_not_found', 'identifier_taken')"),
        ),
        Index("ix_submissions_roster_entry", "claim_id", postgresql_where=text("roster_entry IS NOT NULL")),
        Index("ix_submissions_deliver_after", "deliver_after", postgresql_where=text("decided_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    claim_id: Mapped[str]
    learner_id: Mapped[str] = mapped_column(ForeignKey("learners.id"))
    actor: Mapped[str]
    kind: Mapped[str]
    body: Mapped[dict[str, Any]]
    request_id: Mapped[str | None]
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    deliver_after: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp() + interval '2 seconds'"))
    deliveries: Mapped[int] = mapped_column(server_default="0")
    decided_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    refusal: Mapped[str | None]
    details: Mapped[dict[str, Any] | None]
    roster_entry: Mapped[str | None]


class AttemptRow(Base):
    """One try at a post-test."""

    __tablename__ = "attempts"

    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    answers: Mapped[dict[str, Any] | None]
    correct: Mapped[int | None]
    total: Mapped[int | None]
    has_passed: Mapped[bool | None]
    graded_at: Mapped[datetime | None]


class EvaluationRow(Base):
    """The responses to an evaluation, kept apart from the award for outcome reports.

    ``session`` is the session's code, or empty for the evaluation of the whole CE activity.
    """

    __tablename__ = "evaluations"

    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"), primary_key=True)
    session: Mapped[str] = mapped_column(primary_key=True, server_default="")
    responses: Mapped[dict[str, Any]]
    submitted_at: Mapped[datetime]


class ClaimSessionRow(Base):
    """What a learner claims for one session of a meeting, until the statement is final."""

    __tablename__ = "claim_sessions"
    __table_args__ = (CheckConstraint(UNITS_CHECK.format("units"), "units"),)

    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"), primary_key=True)
    session: Mapped[str] = mapped_column(primary_key=True)
    units: Mapped[Decimal]
    saved_at: Mapped[datetime]


class BulkActionRow(Base):
    """One action on many claims: previewed, and then started or never.

    ``actor`` is an account's id, or ``cli:<user>``; ``body`` is what every claim's submission says, ``filter`` what
    chose the claims.
    """

    __tablename__ = "bulk_actions"

    id: Mapped[str] = mapped_column(primary_key=True)
    # The column keeps its name, so that processes of the release before go on during an upgrade.
    actor: Mapped[str] = mapped_column("account_id")
    action: Mapped[str]
    body: Mapped[dict[str, Any]]
    filter: Mapped[dict[str, Any]]
    previewed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    started_at: Mapped[datetime | None]


class BulkClaimRow(Base):
    """A claim of a bulk action, as it was previewed, and the submission that acts on it or why there is none."""

    __tablename__ = "bulk_claims"

    bulk_id: Mapped[str] = mapped_column(ForeignKey("bulk_actions.id"), primary_key=True)
    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"), primary_key=True)
    entries: Mapped[int]
    submission_id: Mapped[str | None]
    skipped: Mapped[str | None]
