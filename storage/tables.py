"""The record: every table, with what personal data it holds and for how long.

Rows are read and written with SQLAlchemy Core statements; the mapped classes only name tables and columns.
``PERSONAL_DATA`` is checked by a test against the schema.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING: Final = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

UNITS_CHECK: Final = "{0} > 0 AND {0} <= 200 AND scale({0}) <= 2"

# Table -> (what personal data it holds, how long it is kept). Tables without personal data say so with None.
PERSONAL_DATA: Final[dict[str, tuple[str, str] | None]] = {
    "accounts": ("e-mail address", "while the account exists"),
    "attempts": ("answers of a learner", "six years from the activity date (R-ACC-3)"),
    "audit_events": ("ids of learners and staff, no names", "six years from the activity date (R-ACC-3)"),
    "award_lines": None,
    "awards": ("credit of a learner", "six years from the activity date (R-ACC-3)"),
    "ce_activities": None,
    "ce_activity_versions": None,
    "certificates": ("name as printed", "six years from the activity date (R-ACC-3)"),
    "claims": ("participation of a learner", "six years from the activity date (R-ACC-3)"),
    "documents": ("name as printed", "six years from the activity date (R-ACC-3)"),
    "evaluations": ("opinions of a learner", "six years from the activity date (R-ACC-3)"),
    "idempotency_keys": ("answers already given to a request", "30 days"),
    "learner_identifiers": ("licence and registry numbers", "while the account exists"),
    "learners": ("name, credentials, profession, time zone", "while the account exists"),
    "login_sessions": ("who is signed in", "until the session expires"),
    "outgoing_emails": ("address of a recipient", "one year"),
    "providers": None,
    "sign_in_links": ("e-mail address", "one day"),
    "submissions": ("what a learner submitted", "six years from the activity date (R-ACC-3)"),
}


class Base(DeclarativeBase):
    """Shared naming of constraints and types of columns."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy reads this class attribute
        str: Text(),
        datetime: DateTime(timezone=True),
        bytes: LargeBinary(),
        dict[str, Any]: JSONB(),
        Decimal: Numeric(6, 2),
    }


class AccountRow(Base):
    """Who may sign in; every learner and every member of staff has one account."""

    __tablename__ = "accounts"
    __table_args__ = (Index("uq_accounts_email", func.lower(text("email")), unique=True),)

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    deactivated_at: Mapped[datetime | None]


class LearnerRow(Base):
    """A person who earns credit."""

    __tablename__ = "learners"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"), unique=True)
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    credentials: Mapped[str | None]
    profession: Mapped[str | None]
    time_zone: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class LearnerIdentifierRow(Base):
    """A number under which a registry knows a learner."""

    __tablename__ = "learner_identifiers"

    learner_id: Mapped[str] = mapped_column(ForeignKey("learners.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class SignInLinkRow(Base):
    """A link that was asked for; the token itself is kept only until its mail has been sent."""

    __tablename__ = "sign_in_links"
    __table_args__ = (Index(None, "requested_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    token: Mapped[str | None]
    email: Mapped[str]
    requested_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_key: Mapped[str | None]


class LoginSessionRow(Base):
    """A signed-in account; only the hash of its 256-bit token is stored."""

    __tablename__ = "login_sessions"
    __table_args__ = (Index(None, "account_id"),)

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class IdempotencyKeyRow(Base):
    """The answer that belongs to one ``Idempotency-Key`` of one principal."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "created_at"),)

    principal: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    submission_id: Mapped[str | None]
    status: Mapped[int | None]
    body: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ProviderRow(Base):
    """An accredited provider."""

    __tablename__ = "providers"

    slug: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    acronym: Mapped[str]


class CEActivityRow(Base):
    """A CE activity; what it asks and offers is in its versions."""

    __tablename__ = "ce_activities"

    id: Mapped[str] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    provider_slug: Mapped[str] = mapped_column(ForeignKey("providers.slug"))
    status: Mapped[str]
    version_id: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class CEActivityVersionRow(Base):
    """One published policy; never changed (a trigger refuses it)."""

    __tablename__ = "ce_activity_versions"
    __table_args__ = (UniqueConstraint("ce_activity_id", "number"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    ce_activity_id: Mapped[str] = mapped_column(ForeignKey("ce_activities.id"))
    number: Mapped[int]
    policy: Mapped[dict[str, Any]]
    sha256: Mapped[bytes]
    created_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ClaimRow(Base):
    """The projection of one claim: its facts and the stage they amount to. Written by activities only."""

    __tablename__ = "claims"
    __table_args__ = (
        UniqueConstraint("learner_id", "ce_activity_id"),
        CheckConstraint(UNITS_CHECK.format("claimed_units"), "claimed_units"),
        Index(None, "ce_activity_id", "stage"),
        Index("ix_claims_attention", "attention", postgresql_where=text("attention IS NOT NULL")),
        Index("ix_claims_due_at", "due_at", postgresql_where=text("closed_at IS NULL")),
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
    participation_at: Mapped[datetime | None]
    evaluated_at: Mapped[datetime | None]
    credit_type: Mapped[str | None]
    claimed_units: Mapped[Decimal | None]
    attestation_version: Mapped[str | None]
    attested_at: Mapped[datetime | None]
    awarded_at: Mapped[datetime | None]
    notified_at: Mapped[datetime | None]
    closed_as: Mapped[str | None]
    closed_at: Mapped[datetime | None]


class SubmissionRow(Base):
    """The intake: what was received, committed before it was acknowledged, and what became of it.

    The API inserts; activities write the outcome; the relay moves ``deliver_after`` of what is still undecided.
    """

    __tablename__ = "submissions"
    __table_args__ = (
        Index("ix_submissions_undecided", "claim_id", postgresql_where=text("decided_at IS NULL")),
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
    """The responses to an evaluation, kept apart from the award for outcome reports."""

    __tablename__ = "evaluations"

    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"), primary_key=True)
    responses: Mapped[dict[str, Any]]
    submitted_at: Mapped[datetime]


class AwardRow(Base):
    """The fact that credit was granted; never changed into another amount, never deleted."""

    __tablename__ = "awards"
    __table_args__ = (
        CheckConstraint(UNITS_CHECK.format("units"), "units"),
        Index(
            "uq_awards_active",
            "learner_id",
            "ce_activity_id",
            "credit_type",
            unique=True,
            postgresql_where=text("state = 'active'"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"), unique=True)
    learner_id: Mapped[str] = mapped_column(ForeignKey("learners.id"))
    ce_activity_id: Mapped[str] = mapped_column(ForeignKey("ce_activities.id"))
    version_id: Mapped[str] = mapped_column(ForeignKey("ce_activity_versions.id"))
    credit_type: Mapped[str]
    rule_version: Mapped[str]
    units: Mapped[Decimal]
    state: Mapped[str]
    completed_on: Mapped[date]
    attestation_version: Mapped[str]
    attested_at: Mapped[datetime]
    awarded_at: Mapped[datetime]


class AwardLineRow(Base):
    """One part of an award; the lines add up to its units."""

    __tablename__ = "award_lines"
    __table_args__ = (CheckConstraint(UNITS_CHECK.format("units"), "units"),)

    award_id: Mapped[str] = mapped_column(ForeignKey("awards.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    units: Mapped[Decimal]


class CertificateRow(Base):
    """One version of an award's certificate: reserved with the award, issued once its bytes are stored."""

    __tablename__ = "certificates"
    __table_args__ = (
        UniqueConstraint("award_id", "version"),
        Index(
            "uq_certificates_current",
            "award_id",
            unique=True,
            postgresql_where=text("state IN ('reserved', 'issued')"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    award_id: Mapped[str] = mapped_column(ForeignKey("awards.id"))
    version: Mapped[int]
    state: Mapped[str]
    verification_code: Mapped[str] = mapped_column(unique=True)
    data: Mapped[dict[str, Any]]
    template_version: Mapped[str]
    sha256: Mapped[bytes | None] = mapped_column(ForeignKey("documents.sha256"))
    reserved_at: Mapped[datetime]
    issued_at: Mapped[datetime | None]


class DocumentRow(Base):
    """Bytes under their SHA-256; stored once, served unchanged for ever."""

    __tablename__ = "documents"

    sha256: Mapped[bytes] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    content: Mapped[bytes]
    stored_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class OutgoingEmailRow(Base):
    """One logical e-mail: one row per purpose and subject, one ``Message-ID`` derived from its id."""

    __tablename__ = "outgoing_emails"
    __table_args__ = (
        UniqueConstraint("purpose", "subject_id"),
        Index("ix_outgoing_emails_queued", "created_at", postgresql_where=text("state = 'queued'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    subject_id: Mapped[str]
    recipient: Mapped[str]
    state: Mapped[str]
    tries: Mapped[int] = mapped_column(server_default="0")
    send_after: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


class AuditEventRow(Base):
    """One entry of the audit trail: append-only (a trigger refuses the rest), hash-chained within its stream.

    ``body`` is the canonical JSON that was hashed; ``hash`` covers stream, sequence, previous hash and body hash.
    ``step_key`` makes a repeated write find the first.
    """

    __tablename__ = "audit_events"
    __table_args__ = (UniqueConstraint("stream", "step_key"),)

    stream: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    step_key: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    body: Mapped[bytes]
    prev_hash: Mapped[bytes]
    hash: Mapped[bytes]
