"""What learners hand out and ask for beside the steps of their claims."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import Base


class TranscriptLinkRow(Base):
    """A link by which anyone who has it reads a learner's transcript until it ends; only its token's hash is stored.

    The next four columns say which part of the transcript it shows.
    """

    __tablename__ = "transcript_links"
    __table_args__ = (Index(None, "learner_id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    learner_id: Mapped[str] = mapped_column(ForeignKey("learners.id"))
    from_on: Mapped[date | None]
    until_on: Mapped[date | None]
    year: Mapped[int | None]
    credit_type: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class ReminderLinkRow(Base):
    """The token in a learner's reminders, with which they are switched off; it can do nothing else."""

    __tablename__ = "reminder_links"

    learner_id: Mapped[str] = mapped_column(ForeignKey("learners.id"), primary_key=True)
    token: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ProblemReportRow(Base):
    """What a learner says is wrong about a claim, and what staff answered.

    ``state`` is ``open``, ``answered`` or ``closed``; the last three columns are set once it is settled.
    """

    __tablename__ = "problem_reports"
    __table_args__ = (
        Index(None, "claim_id"),
        Index(None, "state", "reported_at"),
        CheckConstraint("(state = 'open') = (settled_at IS NULL)", "settled"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    state: Mapped[str]
    message: Mapped[str]
    reported_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    answer: Mapped[str | None]
    settled_by: Mapped[str | None]
    settled_at: Mapped[datetime | None]
