"""What staff keep for their own work."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import Base


class ClaimNoteRow(Base):
    """What a member of staff noted about a claim, for colleagues; never changed."""

    __tablename__ = "claim_notes"
    __table_args__ = (Index(None, "claim_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    text: Mapped[str]
    written_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class SavedViewRow(Base):
    """A filter of the claims list under a name of its owner's, who may share it with the office.

    ``query`` says what is listed and in which order; whose claims they are is never a part of it.
    """

    __tablename__ = "saved_views"
    __table_args__ = (Index("ix_saved_views_shared", "name", postgresql_where=sql("is_shared")),)

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    query: Mapped[dict[str, Any]]
    is_shared: Mapped[bool]
    saved_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
