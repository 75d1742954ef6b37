"""What can be claimed: providers, CE activities and their immutable versions."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import Base


class ProviderRow(Base):
    """An accredited provider."""

    __tablename__ = "providers"

    slug: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    acronym: Mapped[str]


class CEActivityRow(Base):
    """A CE activity; what it asks and offers is in its versions."""

    __tablename__ = "ce_activities"
    __table_args__ = (
        Index(
            "uq_ce_activities_activity_code",
            "provider_slug",
            "activity_code",
            unique=True,
            postgresql_where=text("activity_code IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    provider_slug: Mapped[str] = mapped_column(ForeignKey("providers.slug"))
    status: Mapped[str]
    version_id: Mapped[str]
    activity_code: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class CEActivityVersionRow(Base):
    """One published policy; never changed (a trigger refuses it)."""

    __tablename__ = "ce_activity_versions"
    __table_args__ = (UniqueConstraint("ce_activity_id", "number"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    ce_activity_id: Mapped[str] = mapped_column(ForeignKey("ce_activities.id"))
    number: Mapped[int]
    policy: Mapped[dict[str, Any]]
    sha256: Mapped[bytes]
    created_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
