"""Personal data inside the audit trail: sealed under a key of its learner, which is destroyed to erase it.

A hash chain can't forget, so what a chained entry says of a person is encrypted (AES-256-GCM), and the key is kept
beside it, in ``learner_keys``. Ids are no secret; names, addresses and what people wrote are.
"""

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.identities import new_id
from storage.tables import LearnerKeyRow


class SealPurpose(StrEnum):
    """What a key protects: contact data, which goes at once, or what the record must keep for its retention."""

    CONTACT = "contact"
    RECORD = "record"


def seal(
    connection: Connection, learner_id: str, values: Mapping[str, Any], purpose: SealPurpose = SealPurpose.RECORD
) -> dict[str, str]:
    """Encrypt a JSON object under the learner's key: ``{"key": id, "nonce": base64, "box": base64}``.

    The key is made at the first call. Raises ``LookupError`` when it was destroyed: nothing new is written about an
    erased learner.
    """
    added = upsert(LearnerKeyRow).values(
        id=new_id("lky"), learner_id=learner_id, purpose=purpose, key=AESGCM.generate_key(256)
    )
    connection.execute(added.on_conflict_do_nothing(index_elements=["learner_id", "purpose"]))
    row = connection.execute(
        select(LearnerKeyRow.id, LearnerKeyRow.key).where(
            LearnerKeyRow.learner_id == learner_id, LearnerKeyRow.purpose == purpose
        )
    ).one()
    if row.key is None:
        raise LookupError(row.id)
    nonce = secrets.token_bytes(12)
    clear = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    box = AESGCM(bytes(row.key)).encrypt(nonce, clear, row.id.encode())
    return {"key": row.id, "nonce": b64encode(nonce).decode(), "box": b64encode(box).decode()}


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
