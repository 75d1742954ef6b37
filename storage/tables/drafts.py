"""Drafts: what learners have filled in of long forms and not handed in yet."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import Base


class DraftRow(Base):
    """What a learner has filled in of one form of a claim so far; removed when the form is accepted.

    ``form`` is ``answers``, ``evaluation``, or ``session.`` and a session's code. A draft decides nothing.
    """

    __tablename__ = "drafts"

    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"), primary_key=True)
    form: Mapped[str] = mapped_column(primary_key=True)
    responses: Mapped[dict[str, Any]]
    saved_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
