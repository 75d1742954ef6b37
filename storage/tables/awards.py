"""Credit that was granted, and its documents."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import UNITS_CHECK, Base


class AwardRow(Base):
    """The fact that credit was granted; never changed into another amount, never deleted.

    A correction supersedes it by the claim's next award (``number``); a merge may find it to be a duplicate.
    """

    __tablename__ = "awards"
    __table_args__ = (
        CheckConstraint(UNITS_CHECK.format("units"), "units"),
        UniqueConstraint("claim_id", "number"),
        Index("ix_awards_learner_id", "learner_id", "completed_on"),
        # Status lists are built from the few that count no more.
        Index("ix_awards_ended", "id", postgresql_where=text("state <> 'active'")),
        Index("uq_awards_active_claim", "claim_id", unique=True, postgresql_where=text("state = 'active'")),
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
    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"))
    number: Mapped[int] = mapped_column(server_default="1")
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
    session: Mapped[str | None]
    held_on: Mapped[date | None]
    units: Mapped[Decimal]


class CertificateRow(Base):
    """One version of an award's certificate: reserved with the award, issued once its bytes are stored.

    ``superseded_by`` is the certificate that replaced it. ``revocation_class`` says publicly why it was revoked.
    """

    __tablename__ = "certificates"
    __table_args__ = (
        UniqueConstraint("award_id", "version"),
        Index("ix_certificates_ended", "id", postgresql_where=text("state IN ('superseded', 'revoked')")),
        # Anyone may ask whether a file is a certificate, by its hash.
        Index(None, "sha256"),
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
    ended_at: Mapped[datetime | None]
    superseded_by: Mapped[str | None] = mapped_column(ForeignKey("certificates.id"))
    revocation_class: Mapped[str | None]


class DocumentRow(Base):
    """Bytes under their SHA-256; stored once, served unchanged for ever."""

    __tablename__ = "documents"

    sha256: Mapped[bytes] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    content: Mapped[bytes]
    stored_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class HistoricalAwardRow(Base):
    """Credit from before the portal's time, as staff entered it; shown on transcripts and marked as such."""

    __tablename__ = "historical_awards"
    __table_args__ = (CheckConstraint(UNITS_CHECK.format("units"), "units"), Index(None, "learner_id", "completed_on"))

    id: Mapped[str] = mapped_column(primary_key=True)
    learner_id: Mapped[str] = mapped_column(ForeignKey("learners.id"))
    title: Mapped[str]
    provider: Mapped[str]
    credit_type: Mapped[str]
    units: Mapped[Decimal]
    completed_on: Mapped[date]
    reference: Mapped[str | None]
    reason: Mapped[str]
    entered_by: Mapped[str]
    entered_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    voided_by: Mapped[str | None]
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None]
