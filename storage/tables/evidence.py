"""Evidence of participation from outside: rosters that staff load, and events that learning platforms send."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import Base


class RosterRow(Base):
    """One uploaded roster of a CE activity: previewed first, then applied as it was previewed.

    ``reading`` says how the file was written, and which of its columns were used and which were not.
    """

    __tablename__ = "rosters"
    __table_args__ = (Index(None, "ce_activity_id", "uploaded_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    ce_activity_id: Mapped[str] = mapped_column(ForeignKey("ce_activities.id"))
    file_name: Mapped[str]
    sha256: Mapped[bytes]
    reading: Mapped[dict[str, Any]]
    is_replacement: Mapped[bool] = mapped_column(server_default=text("false"))
    state: Mapped[str]
    row_count: Mapped[int]
    problem_count: Mapped[int]
    applied_count: Mapped[int] = mapped_column(server_default="0")
    uploaded_by: Mapped[str]
    uploaded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    applied_by: Mapped[str | None]
    applied_at: Mapped[datetime | None]


class RosterLineRow(Base):
    """One line of an uploaded roster as it was read, with its problems; ``outcome`` says what applying it does.

    An entry that a replacing roster removes has a negative number, and in ``values`` what it was.
    """

    __tablename__ = "roster_lines"

    roster_id: Mapped[str] = mapped_column(ForeignKey("rosters.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    values: Mapped[dict[str, Any]]
    problems: Mapped[list[dict[str, Any]]] = mapped_column(JSONB())
    outcome: Mapped[str]


class RosterEntryRow(Base):
    """Someone, or some group, that took part in a CE activity. A person's entry proves one learner's claim only."""

    __tablename__ = "roster_entries"
    __table_args__ = (Index("ix_roster_entries_claim_id", "claim_id", postgresql_where=text("claim_id IS NOT NULL")),)

    id: Mapped[str] = mapped_column(primary_key=True)
    ce_activity_id: Mapped[str] = mapped_column(ForeignKey("ce_activities.id"))
    roster_id: Mapped[str] = mapped_column(ForeignKey("rosters.id"))
    is_group: Mapped[bool] = mapped_column(server_default=text("false"))
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    claim_id: Mapped[str | None]
    claimed_at: Mapped[datetime | None]


class RosterKeyRow(Base):
    """A value by which an entry is found: badge id, group id, e-mail address, or an identifier of a profile."""

    __tablename__ = "roster_keys"
    __table_args__ = (Index(None, "entry_id"),)

    ce_activity_id: Mapped[str] = mapped_column(ForeignKey("ce_activities.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    entry_id: Mapped[str] = mapped_column(ForeignKey("roster_entries.id"))


class IntegrationRow(Base):
    """A learning platform that may send events; two secrets are valid while one replaces the other."""

    __tablename__ = "integrations"

    name: Mapped[str] = mapped_column(primary_key=True)
    secret: Mapped[str]
    previous_secret: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    disabled_at: Mapped[datetime | None]


class IntegrationEventRow(Base):
    """One event of a platform, kept once for ever; ``problem`` is set while it waits for staff."""

    __tablename__ = "integration_events"
    __table_args__ = (Index(None, "state", "received_at"),)

    integration: Mapped[str] = mapped_column(ForeignKey("integrations.name"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    body: Mapped[dict[str, Any]]
    state: Mapped[str]
    problem: Mapped[str | None]
    learner_id: Mapped[str | None] = mapped_column(ForeignKey("learners.id"))
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[str | None]


class ContentProgressRow(Base):
    """How much of one piece of content a learner completed: the merged intervals, and the seconds they amount to."""

    __tablename__ = "content_progress"

    learner_id: Mapped[str] = mapped_column(ForeignKey("learners.id"), primary_key=True)
    ce_activity_id: Mapped[str] = mapped_column(ForeignKey("ce_activities.id"), primary_key=True)
    content: Mapped[str] = mapped_column(primary_key=True)
    intervals: Mapped[list[list[int]]] = mapped_column(JSONB())
    seconds: Mapped[int]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
