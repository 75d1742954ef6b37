"""E-mails on their way out."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import Base


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
    claim_id: Mapped[str | None]
    recipient: Mapped[str]
    state: Mapped[str]
    tries: Mapped[int] = mapped_column(server_default="0")
    send_after: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
