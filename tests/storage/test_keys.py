"""Signing keys in the record: what is published, what may sign, and what stays when a key ends."""

import secrets

import pytest
from sqlalchemy import Connection, Engine, select

from storage import keys
from storage.audit import first_break
from storage.keys import SigningKeyFields
from storage.tables import AuditEventRow


def new_key() -> SigningKeyFields:
    return SigningKeyFields(
        id=f"test-{secrets.token_hex(4)}", purpose=secrets.token_hex(4), public_key=secrets.token_bytes(32)
    )


def entries(connection: Connection, key_id: str) -> list[str]:
    rows = connection.execute(
        select(AuditEventRow.step_key)
        .where(AuditEventRow.stream == keys.STREAM, AuditEventRow.step_key.endswith(f":{key_id}"))
        .order_by(AuditEventRow.seq)
    )
    return [row.step_key.partition(":")[0] for row in rows]


def test_a_registered_key_signs_and_is_entered_once_however_often_it_is_registered(engine: Engine) -> None:
    key = new_key()
    with engine.begin() as connection:
        assert keys.register(connection, key, "cli:ada")
    with engine.begin() as connection:
        assert not keys.register(connection, key, "cli:ada")
    with engine.begin() as connection:
        assert keys.signing_key_ids(connection, key.purpose) == [key.id]
        assert entries(connection, key.id) == ["key.registered"]
        assert first_break(connection, keys.STREAM) is None


def test_a_name_stands_for_one_key_for_ever(engine: Engine) -> None:
    key, other = new_key(), new_key()
    with engine.begin() as connection:
        keys.register(connection, key, "cli:ada")
    impostor = SigningKeyFields(id=key.id, purpose=key.purpose, public_key=other.public_key)
    with engine.begin() as connection, pytest.raises(ValueError, match=key.id):
        keys.register(connection, impostor, "cli:ada")


def test_a_retired_key_signs_no_more_and_stays_published(engine: Engine) -> None:
    old = new_key()
    new = SigningKeyFields(id=f"{old.id}-2", purpose=old.purpose, public_key=secrets.token_bytes(32))
    with engine.begin() as connection:
        keys.register(connection, old, "cli:ada")
        keys.register(connection, new, "cli:ada")
        assert keys.signing_key_ids(connection, old.purpose) == [new.id, old.id]
        keys.retire(connection, old.id, "cli:ada")
    with engine.begin() as connection:
        assert keys.signing_key_ids(connection, old.purpose) == [new.id]
        published = {key.id: key for key in keys.public_keys(connection, old.purpose)}
        assert list(published) == [old.id, new.id]
        assert published[old.id].retired_at
        assert not published[old.id].revoked_at
        assert entries(connection, old.id) == ["key.registered", "key.retired"]


def test_a_revoked_key_is_marked_with_the_reason_in_the_audit_trail(engine: Engine) -> None:
    key = new_key()
    with engine.begin() as connection:
        keys.register(connection, key, "cli:ada")
        keys.revoke(connection, key.id, "cli:ada", "The laptop was stolen.")
    with engine.begin() as connection:
        assert keys.signing_key_ids(connection, key.purpose) == []
        assert keys.public_keys(connection, key.purpose)[0].revoked_at
        assert entries(connection, key.id) == ["key.registered", "key.revoked"]
    with engine.begin() as connection, pytest.raises(LookupError, match=key.id):
        keys.revoke(connection, key.id, "cli:ada", "Once more.")


def test_a_key_that_nobody_registered_cannot_end(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(LookupError, match="test-absent"):
        keys.retire(connection, "test-absent", "cli:ada")
