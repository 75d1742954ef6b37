"""A long audit trail in little time: what the application would have written, written past it."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from storage.audit import GENESIS, AuditEntry, chain_hash

_COPY = (
    "COPY audit_events (stream, seq, step_key, recorded_at, body, body_hash, prev_hash, hash, xid, cluster) FROM STDIN"
)
ENTRIES_PER_CLAIM = 10


def write_bulk(connection: Connection, count: int, prefix: str = "claim:bulk") -> None:
    """Copy ``count`` entries, ten to a claim; the connection is a superuser's."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    cluster = connection.scalar(text("SELECT system_identifier FROM pg_control_system()"))
    xid = connection.scalar(text("SELECT pg_current_xact_id()::text::bigint"))
    driver: Any = connection.connection.driver_connection
    with driver.cursor().copy(_COPY) as copy:
        for row in _rows(count, prefix):
            copy.write_row((*row, xid, cluster))


def _rows(count: int, prefix: str) -> Iterator[tuple[Any, ...]]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for claim in range(count // ENTRIES_PER_CLAIM):
        stream, head = f"{prefix}-{claim:08}", GENESIS
        for seq in range(1, ENTRIES_PER_CLAIM + 1):
            at = start + timedelta(seconds=claim, milliseconds=seq)
            entry = AuditEntry(
                step_key=f"step:{seq}",
                event="evaluation.accepted",
                at=at,
                actor="acc_01k8yq3v9m6h3z5x7w2r4t6p8s",
                before={"stage": "awaiting_evaluation"},
                after={"stage": "ready_to_claim", "responses": seq},
                submission_id=f"sub_{claim:020}{seq:06}",
                request_id=f"req_{claim:020}{seq:06}",
            )
            body = entry.body(at)
            body_hash = hashlib.sha256(body).digest()
            hashed = chain_hash(stream, seq, head, body_hash)
            yield stream, seq, entry.step_key, at, body, body_hash, head, hashed
            head = hashed
