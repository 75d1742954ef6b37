"""What staff keep for their own work, and what they decide for all claims at once."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
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


class IssuancePauseRow(Base):
    """Somebody's word that no credit is awarded and no certificate made, until it is lifted.

    Without ``provider`` it is about all of them. One at a time is in force for each provider, and one for all.
    """

    __tablename__ = "issuance_pauses"
    __table_args__ = (
        Index(
            "uq_issuance_pauses_in_force",
            sql("coalesce(provider, '')"),
            unique=True,
            postgresql_where=sql("lifted_at IS NULL"),
        ),
        CheckConstraint("num_nulls(lifted_at, lifted_by, lift_reason_code, lift_reason) IN (0, 4)", "lifted"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str | None] = mapped_column(ForeignKey("providers.slug"))
    reason_code: Mapped[str]
    reason: Mapped[str]
    placed_by: Mapped[str]
    placed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    lifted_by: Mapped[str | None]
    lifted_at: Mapped[datetime | None]
    lift_reason_code: Mapped[str | None]
    lift_reason: Mapped[str | None]


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
