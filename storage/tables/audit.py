"""The audit trail."""

from datetime import datetime

from sqlalchemy import UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import Base


class AuditEventRow(Base):
    """One entry of the audit trail: append-only (a trigger refuses the rest), hash-chained within its stream.

    ``body`` is the canonical JSON that was hashed, until its retention ends; ``body_hash`` stays. ``hash`` covers
    stream, sequence, previous hash and body hash.
    ``step_key`` makes a repeated write find the first.
    """

    __tablename__ = "audit_events"
    __table_args__ = (UniqueConstraint("stream", "step_key"),)

    stream: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    step_key: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    body: Mapped[bytes | None]
    body_hash: Mapped[bytes]
    prev_hash: Mapped[bytes]
    hash: Mapped[bytes]
