"""Counting requests that strangers may make."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import Base


class RequestCountRow(Base):
    """How often one client asked for something in the window that began last; ``client`` is a hash of its address.

    Nothing is lost with it, so it is kept out of the write-ahead log.
    """

    __tablename__ = "request_counts"
    __table_args__ = (Index(None, "began_at"), {"prefixes": ["UNLOGGED"]})

    name: Mapped[str] = mapped_column(primary_key=True)
    client: Mapped[bytes] = mapped_column(primary_key=True)
    began_at: Mapped[datetime]
    count: Mapped[int]
