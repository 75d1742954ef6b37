"""The public halves of signing keys: published for as long as anything that they signed is kept.

A key signs until it is retired, by the rotation that made its successor. A revoked key was stolen, or may have been:
nothing that it signed proves anything any more, whatever day the signature names.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from storage.audit import AuditEntry, AuditStream
from storage.tables import SigningKeyRow

STREAM: Final = "keys"
ED25519: Final = "Ed25519"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyFields:
    """What the record keeps of a new key: its ``KeyPurpose``, and the 32 raw bytes of the public half."""

    id: str
    purpose: str
    public_key: bytes
    algorithm: str = ED25519


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key as the record has it."""

    id: str
    purpose: str
    public_key: bytes
    algorithm: str
    created_at: datetime
    retired_at: datetime | None
    revoked_at: datetime | None

    @property
    def may_sign(self) -> bool:
        """Whether new signatures may be made with it."""
        return self.retired_at is None and self.revoked_at is None


def register(connection: Connection, key: SigningKeyFields, actor: str) -> bool:
    """Publish a key; False when it was published before. Raises ``ValueError`` if another key has this id."""
    _wait_for_turn(connection)
    values = {"id": key.id, "purpose": key.purpose, "algorithm": key.algorithm, "public_key": key.public_key}
    added = connection.execute(
        insert(SigningKeyRow).values(**values).on_conflict_do_nothing().returning(SigningKeyRow.id)
    ).one_or_none()
    if added is None:
        if any((known.id, known.public_key) == (key.id, key.public_key) for known in public_keys(connection)):
            return False
        raise ValueError(f"the record knows another key as {key.id}, or this key by another name.")
    after = {"purpose": key.purpose, "algorithm": key.algorithm, "public_key": key.public_key.hex()}
    _enter(connection, "key.registered", key.id, actor, after=after)
    return True


def retire(connection: Connection, key_id: str, actor: str) -> None:
    """Let a key sign no more; what it signed holds. Raises ``LookupError`` when there is no such key in use."""
    _end(connection, key_id, "retired_at")
    _enter(connection, "key.retired", key_id, actor)


def revoke(connection: Connection, key_id: str, actor: str, reason: str) -> None:
    """Say that a key was stolen. Raises ``LookupError`` when there is no such key, or it was revoked before."""
    _end(connection, key_id, "revoked_at")
    _enter(connection, "key.revoked", key_id, actor, reason=reason)


def signing_key_ids(connection: Connection, purpose: str) -> list[str]:
    """The ids of the keys that may sign, newest first: a process signs with the first whose private half it has."""
    return [key.id for key in reversed(public_keys(connection, purpose)) if key.may_sign]


def public_keys(connection: Connection, purpose: str | None = None) -> list[PublicKey]:
    """Every key that was ever published, of one purpose or of all, oldest first."""
    query = select(
        SigningKeyRow.id,
        SigningKeyRow.purpose,
        SigningKeyRow.public_key,
        SigningKeyRow.algorithm,
        SigningKeyRow.created_at,
        SigningKeyRow.retired_at,
        SigningKeyRow.revoked_at,
    ).order_by(SigningKeyRow.created_at, SigningKeyRow.id)
    if purpose is not None:
        query = query.where(SigningKeyRow.purpose == purpose)
    rows = connection.execute(query).mappings()
    return [PublicKey(**{**row, "public_key": bytes(row["public_key"])}) for row in rows]


def _end(connection: Connection, key_id: str, column: str) -> None:
    _wait_for_turn(connection)
    has_ended = getattr(SigningKeyRow, column)
    ended = connection.execute(
        update(SigningKeyRow)
        .where(SigningKeyRow.id == key_id, has_ended.is_(None))
        .values({column: func.clock_timestamp()})
        .returning(SigningKeyRow.id)
    ).one_or_none()
    if ended is None:
        raise LookupError(f"there is no such key in use: {key_id}")


def _wait_for_turn(connection: Connection) -> None:
    """Writers of the one stream about keys take turns, so that none is refused."""
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(STREAM, 0))))


def _enter(
    connection: Connection,
    event: str,
    key_id: str,
    actor: str,
    *,
    after: dict[str, str] | None = None,
    reason: str | None = None,
) -> None:
    now = connection.execute(select(func.clock_timestamp())).scalar_one()
    entry = AuditEntry(
        step_key=f"{event}:{key_id}",
        event=event,
        at=now,
        actor=actor,
        after={"key": key_id, **(after or {})},
        reason=reason,
    )
    AuditStream.open(connection, STREAM).append(entry)
