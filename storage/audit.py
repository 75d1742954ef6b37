"""The audit trail: one entry per state change, written in its transaction, hash-chained within its stream.

An entry's body is canonical JSON (sorted keys, no white space, UTF-8), and exactly those bytes are hashed:
``sha256("laurel-audit/v1" NUL stream NUL seq(8 bytes, big endian) previous-hash sha256(body))``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select, text

from storage.sealing import SealPurpose, seal
from storage.tables import AuditEventRow

GENESIS: Final = bytes(32)
_DOMAIN: Final = b"laurel-audit/v1\0"
_APPEND: Final = text(
    "INSERT INTO audit_events (stream, seq, step_key, recorded_at, body, body_hash, prev_hash, hash) "
    "VALUES (:stream, :seq, :step_key, :recorded_at, :body, :body_hash, :prev_hash, :hash)"
)
_CHAIN: Final = text(
    "SELECT seq, body, body_hash, prev_hash, hash FROM audit_events WHERE stream = :stream ORDER BY seq"
)
_END: Final = text(
    """
    SELECT e.seq, e.hash, clock_timestamp() AS now FROM (VALUES (1)) AS always
      LEFT JOIN LATERAL (SELECT seq, hash FROM audit_events WHERE stream = :stream ORDER BY seq DESC LIMIT 1) e ON true
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What happened: ``event`` is a code such as ``evaluation.accepted``; before and after hold what changed.

    ``step_key`` names the step within its stream, so that a repeated write is refused by the database. ``rule`` names
    the version of the rules that decided, ``evidence`` maps what it rested on to its SHA-256 in hex. ``private`` holds
    what is personal (names, addresses, words that people wrote): it is sealed under a key of ``subject``, a learner, or
    else of the stream. ``purpose`` says which key: contact data is erased earlier than what the record must keep.
    """

    step_key: str
    event: str
    at: datetime
    actor: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    rule: str | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)
    private: Mapping[str, Any] = field(default_factory=dict)
    subject: str | None = None
    purpose: SealPurpose = SealPurpose.RECORD
    submission_id: str | None = None
    request_id: str | None = None

    def body(self, recorded_at: datetime, sealed: Mapping[str, str] | None = None) -> bytes:
        """The canonical bytes that are stored and hashed; ``sealed`` is what became of ``private``."""
        values = {
            "v": 1,
            "step": self.step_key,
            "recorded_at": recorded_at.isoformat(),
            "event": self.event,
            "at": self.at.isoformat(),
            "actor": self.actor,
            "before": dict(self.before),
            "after": dict(self.after),
            "reason": self.reason,
            "rule": self.rule,
            "evidence": dict(self.evidence),
            "sealed": dict(sealed or {}),
            "submission": self.submission_id,
            "request_id": self.request_id,
        }
        kept = {name: value for name, value in values.items() if value not in (None, {})}
        return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode()


def claim_stream(claim_id: str) -> str:
    """The stream that tells one claim's history."""
    return f"claim:{claim_id}"


def learner_stream(learner_id: str) -> str:
    """The stream that tells what was done about one learner's account."""
    return f"learner:{learner_id}"


def chain_hash(stream: str, seq: int, prev_hash: bytes, body_hash: bytes) -> bytes:
    """The hash of one entry, from its place in the chain and the SHA-256 of its body."""
    return hashlib.sha256(_DOMAIN + stream.encode() + b"\0" + seq.to_bytes(8, "big") + prev_hash + body_hash).digest()


class AuditStream:
    """The end of one stream, ready to append to. Two writers of one stream exclude each other by the primary key.

    What is appended was recorded at ``now``, the database's time when the end was read.
    """

    def __init__(self, connection: Connection, stream: str, seq: int, head: bytes, now: datetime) -> None:
        self._connection = connection
        self._stream = stream
        self._seq = seq
        self._head = head
        self._now = now

    @property
    def seq(self) -> int:
        """The sequence number of the newest entry; 0 for a new stream."""
        return self._seq

    @classmethod
    def open(cls, connection: Connection, stream: str) -> "AuditStream":
        """Find the end of a stream; a new stream starts from 32 zero bytes."""
        row = connection.execute(_END, {"stream": stream}).one()
        return cls(connection, stream, row.seq or 0, bytes(row.hash or GENESIS), row.now)

    def has(self, step_key: str) -> bool:
        """Whether a step was entered before."""
        found = self._connection.execute(
            select(AuditEventRow.seq).where(AuditEventRow.stream == self._stream, AuditEventRow.step_key == step_key)
        ).one_or_none()
        return found is not None

    def append(self, entry: AuditEntry) -> None:
        """Write the next entry; raises ``IntegrityError`` when the step was written before."""
        body = entry.body(self._now, self._sealed(entry) if entry.private else None)
        body_hash = hashlib.sha256(body).digest()
        seq, prev_hash = self._seq + 1, self._head
        self._head = chain_hash(self._stream, seq, prev_hash, body_hash)
        self._seq = seq
        self._connection.execute(
            _APPEND,
            {
                "stream": self._stream,
                "seq": seq,
                "step_key": entry.step_key,
                "recorded_at": self._now,
                "body": body,
                "body_hash": body_hash,
                "prev_hash": prev_hash,
                "hash": self._head,
            },
        )

    def _sealed(self, entry: AuditEntry) -> Mapping[str, str] | None:
        """What is personal, sealed; None once its key was destroyed, because of the erased nothing more is kept."""
        try:
            return seal(self._connection, entry.subject or self._stream, entry.private, entry.purpose)
        except LookupError:
            return None


def first_break(connection: Connection, stream: str) -> int | None:
    """The sequence number of the first entry whose chain does not hold; None when the whole stream does."""
    prev_hash, expected = GENESIS, 1
    for row in connection.execute(_CHAIN, {"stream": stream}):
        body_hash = row.body_hash if row.body is None else hashlib.sha256(row.body).digest()
        wanted = (expected, prev_hash, body_hash, chain_hash(stream, expected, prev_hash, body_hash))
        if (row.seq, row.prev_hash, row.body_hash, row.hash) != wanted:
            return int(row.seq)
        prev_hash, expected = row.hash, expected + 1
    return None
