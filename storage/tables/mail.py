"""E-mails on their way out."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import Base


class OutgoingEmailRow(Base):
    """One logical e-mail: one row per purpose and subject, one ``Message-ID`` derived from its id.

    A notice is about ``claim_id``; its subject is ``<claim id>:<occasion>``. An award's e-mail has its certificate as
    subject. The recipient of either is empty until it is sent, when the learner's address is looked up.
    """

    __tablename__ = "outgoing_emails"
    __table_args__ = (
        UniqueConstraint("purpose", "subject_id"),
        Index("ix_outgoing_emails_claim_id", "claim_id", postgresql_where=text("claim_id IS NOT NULL")),
        Index(
            "ix_outgoing_emails_failing",
            "created_at",
            "id",
            postgresql_where=text(
                "state = 'failed' OR state IN ('queued', 'sending') AND (last_error IS NOT NULL OR tries > 1)"
            ),
        ),
        # The outbox reads in this order, so that a flood of notices never delays a sign-in link.
        Index(
            "ix_outgoing_emails_to_send",
            text("(purpose <> 'sign_in_link')"),
            "send_after",
            postgresql_where=text("state IN ('queued', 'sending')"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    subject_id: Mapped[str]
    claim_id: Mapped[str | None]
    recipient: Mapped[str]
    state: Mapped[str]
    tries: Mapped[int] = mapped_column(server_default="0")
    send_after: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
