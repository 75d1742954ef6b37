"""What must not be removed although its retention is over."""

from datetime import datetime

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import Base


class LegalHoldRow(Base):
    """Somebody's word that a record stays until it is lifted; ``subject`` is the audit stream of what is held.

    That is a claim, a learner with all claims, or a CE activity with all claims and rosters.
    """

    __tablename__ = "legal_holds"
    __table_args__ = (Index("ix_legal_holds_subject", "subject", postgresql_where=text("lifted_at IS NULL")),)

    id: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str]
    reason: Mapped[str]
    placed_by: Mapped[str]
    placed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    lifted_by: Mapped[str | None]
    lifted_at: Mapped[datetime | None]
    lift_reason: Mapped[str | None]
