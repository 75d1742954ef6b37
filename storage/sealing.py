"""Personal data inside the audit trail: sealed under a key of its learner, which is destroyed to erase it.

A hash chain can't forget, so what a chained entry says of a person is encrypted (AES-256-GCM), and the key is kept
beside it, in ``learner_keys``. Ids are no secret; names, addresses and what people wrote are.
"""

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, Row, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.identities import new_id
from storage.canonical import canonical_json
from storage.tables import LearnerKeyRow

UNREADABLE: Final[Mapping[str, Any]] = {"unreadable": "It cannot be read: it was changed."}
"""What readers see in the place of sealed values that are not what was sealed."""


class SealPurpose(StrEnum):
    """What a key protects: contact data, which goes at once, or what the record must keep for its retention."""

    CONTACT = "contact"
    RECORD = "record"


def seal(
    connection: Connection, subject: str, values: Mapping[str, Any], purpose: SealPurpose = SealPurpose.RECORD
) -> dict[str, str]:
    """Encrypt a JSON object under the key of its subject: ``{"key": id, "nonce": base64, "box": base64}``.

    The subject is a learner, or what the values are about where no learner is known. The key is made at the first call.
    Raises ``LookupError`` when it was destroyed: nothing new is written about an erased learner.
    """
    row = connection.execute(_KEY, {"learner_id": subject, "purpose": purpose}).one_or_none()
    if row is None:
        row = _new_key(connection, subject, purpose)
    if row.key is None:
        raise LookupError(row.id)
    nonce = secrets.token_bytes(12)
    box = AESGCM(bytes(row.key)).encrypt(nonce, canonical_json(values), row.id.encode())
    return {"key": row.id, "nonce": b64encode(nonce).decode(), "box": b64encode(box).decode()}


_KEY: Final = text("SELECT id, key FROM learner_keys WHERE learner_id = :learner_id AND purpose = :purpose")


def _new_key(connection: Connection, subject: str, purpose: SealPurpose) -> Row[Any]:
    """A key of its own for a subject; the one that another transaction made meanwhile, if there is one."""
    values = {"id": new_id("lky"), "learner_id": subject, "purpose": purpose, "key": AESGCM.generate_key(256)}
    added = upsert(LearnerKeyRow).values(**values).on_conflict_do_nothing(index_elements=["learner_id", "purpose"])
    connection.execute(added)
    return connection.execute(_KEY, {"learner_id": subject, "purpose": purpose}).one()


def destroy_keys(connection: Connection, subjects: Collection[str], *purposes: SealPurpose) -> int:
    """Make unreadable for ever what was sealed for these subjects and purposes; answers how many keys there were.

    No new key can take the place of one that was destroyed.
    """
    destroyed = connection.execute(_DESTROY, {"subjects": list(subjects), "purposes": list(purposes)}).rowcount
    for subject in subjects:
        for purpose in purposes:
            values = {"id": new_id("lky"), "learner_id": subject, "purpose": purpose}
            tombstone = upsert(LearnerKeyRow).values(**values, destroyed_at=func.clock_timestamp())
            connection.execute(tombstone.on_conflict_do_nothing(index_elements=["learner_id", "purpose"]))
    return destroyed


_DESTROY: Final = text(
    """
    UPDATE learner_keys SET key = NULL, destroyed_at = clock_timestamp()
     WHERE learner_id = ANY(:subjects) AND purpose = ANY(:purposes) AND key IS NOT NULL
    """
)


def unseal(key: bytes, sealed: Mapping[str, str]) -> dict[str, Any]:
    """Decrypt what ``seal`` made; raises ``cryptography.exceptions.InvalidTag`` when it was changed."""
    clear = AESGCM(key).decrypt(b64decode(sealed["nonce"]), b64decode(sealed["box"]), sealed["key"].encode())
    values: dict[str, Any] = json.loads(clear)
    return values


def keys_of(connection: Connection, key_ids: set[str]) -> dict[str, bytes]:
    """The keys of these ids that still exist."""
    if not key_ids:
        return {}
    rows = connection.execute(
        select(LearnerKeyRow.id, LearnerKeyRow.key).where(LearnerKeyRow.id.in_(key_ids), LearnerKeyRow.key.is_not(None))
    )
    return {row.id: bytes(row.key) for row in rows}


def open_entries(connection: Connection, bodies: Iterable[bytes]) -> list[dict[str, Any]]:
    """Bodies of audit entries, each with what was sealed as ``private``, as far as its key is still there.

    What was changed since is shown as ``UNREADABLE``: one entry that somebody meddled with hides no other.
    """
    entries = [json.loads(body) for body in bodies]
    keys = keys_of(connection, {entry["sealed"]["key"] for entry in entries if "sealed" in entry})
    for entry in entries:
        sealed = entry.pop("sealed", None)
        if sealed is not None:
            key = keys.get(sealed["key"])
            entry["private"] = _unsealed(key, sealed) if key else None
    return entries


def _unsealed(key: bytes, sealed: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        return unseal(key, sealed)
    except (InvalidTag, ValueError, KeyError):
        return UNREADABLE
