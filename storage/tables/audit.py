"""The audit trail: entries, chained within their stream; leaves of one Merkle tree over all; signed checkpoints of it.

Each layer is append-only, which triggers and the application role's rights see to.
"""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.base import Base


class AuditEventRow(Base):
    """One entry of the audit trail, hash-chained within its stream; a trigger checks the chain and fills in the rest.

    ``body`` is the canonical JSON that was hashed, until its retention ends; ``body_hash`` stays. ``hash`` covers
    stream, sequence, previous hash and body hash. ``step_key`` makes a repeated write find the first. ``recorded_at``
    and ``step_key`` are in the body too, and so are hashed. ``xid`` is the transaction that wrote the entry, as the
    PostgreSQL installation ``cluster`` numbered it: it tells when no earlier entry can appear any more.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        UniqueConstraint("stream", "step_key"),
        CheckConstraint(
            "octet_length(body_hash) = 32 AND octet_length(prev_hash) = 32 AND octet_length(hash) = 32", name="hashes"
        ),
        CheckConstraint("seq > 0", name="seq"),
        Index(None, "xid"),
        # Auditors search all streams by time, by who acted and by what happened.
        Index(None, "recorded_at"),
        Index("ix_audit_events_actor", text("audit_actor(body)")),
        Index("ix_audit_events_event", text("audit_event(body)")),
    )

    stream: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    step_key: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    body: Mapped[bytes | None]
    body_hash: Mapped[bytes]
    prev_hash: Mapped[bytes]
    hash: Mapped[bytes]
    xid: Mapped[int] = mapped_column(BigInteger)
    cluster: Mapped[int] = mapped_column(BigInteger)


class AuditLeafRow(Base):
    """The place of an entry in the Merkle tree over all streams.

    ``hashes`` holds, 32 bytes each, the leaf and the complete subtrees that it was the last leaf of, smallest first:
    of level 1 if it has an odd index, and so on. Every root and every proof is made from a few of these rows.
    """

    __tablename__ = "audit_leaves"
    __table_args__ = (
        UniqueConstraint("stream", "seq"),
        CheckConstraint("leaf_index >= 0", name="leaf_index"),
        CheckConstraint("octet_length(hashes) >= 32 AND octet_length(hashes) % 32 = 0", name="hashes"),
    )

    leaf_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    stream: Mapped[str]
    seq: Mapped[int]
    hashes: Mapped[bytes]


class AuditCheckpointRow(Base):
    """The root of the tree at one size: stored first, then signed; ``note`` is the signed text that is published."""

    __tablename__ = "audit_checkpoints"
    __table_args__ = (
        CheckConstraint("octet_length(root) = 32 AND tree_size > 0", name="root"),
        CheckConstraint("(note IS NULL) = (key_id IS NULL) AND (note IS NULL) = (signed_at IS NULL)", name="signed"),
    )

    tree_size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes]
    stored_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    note: Mapped[str | None]
    key_id: Mapped[str | None]
    signed_at: Mapped[datetime | None]
