"""Machine credentials and status lists in the record. Activities write, the API reads."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.keys import PublicKey, public_keys
from storage.tables import CredentialRow, DocumentRow, StatusListRow

MEDIA_TYPE: Final = "application/vc"
# Counting the places of a list takes milliseconds, and nothing depends on whether it is half full to the place.
_COUNT_EVERY: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCredential:
    """A credential as it was signed: the JSON with its embedded proof, and the same facts as a token.

    Where ``is_key_revoked``, every verifier refuses it.
    """

    certificate_id: str
    content: bytes
    sha256: bytes
    jwt: str
    key_id: str
    is_key_revoked: bool = False


@dataclass(frozen=True, slots=True)
class StatusPlace:
    """Where the status of a credential is published."""

    status_list: int
    index: int


_LOCKED: Final = text(
    """
    SELECT x.id, x.data, x.reserved_at, w.claim_id, w.credit_type, a.slug, o.email,
           (SELECT min(first.awarded_at) FROM awards first WHERE first.claim_id = w.claim_id) AS first_awarded_at
      FROM certificates x
      JOIN awards w ON w.id = x.award_id
      JOIN ce_activities a ON a.id = w.ce_activity_id
      JOIN learners l ON l.id = w.learner_id
      LEFT JOIN accounts o ON o.id = l.account_id
     WHERE x.id = :certificate_id
       FOR NO KEY UPDATE OF x
    """
)
_SIGNED: Final = """
    SELECT c.certificate_id, d.content, c.sha256, c.jwt, c.key_id, k.revoked_at IS NOT NULL AS is_key_revoked
      FROM credentials c JOIN documents d ON d.sha256 = c.sha256
      LEFT JOIN signing_keys k ON k.id = c.key_id
      JOIN certificates x ON x.id = c.certificate_id
      JOIN awards w ON w.id = x.award_id
      JOIN learners o ON o.id = w.learner_id
      JOIN learners l ON l.id = coalesce(o.merged_into, o.id)
     WHERE c.jwt IS NOT NULL AND
"""
_BY_CERTIFICATE: Final = text(f"{_SIGNED} c.certificate_id = :certificate_id")
# Who hides their name from strangers hides the credential, too: it says who it is about.
_BY_CODE: Final = text(f"{_SIGNED} x.verification_code = :code AND x.issued_at IS NOT NULL AND l.shows_name")
# Two partial indexes find the few that have ended among the many that have not.
_ENDED: Final = text(
    """
    SELECT c.status_list, c.status_index
      FROM credentials c
     WHERE c.certificate_id IN (
               SELECT id FROM certificates WHERE state IN ('superseded', 'revoked')
               UNION
               SELECT x.id FROM awards w JOIN certificates x ON x.award_id = w.id WHERE w.state <> 'active'
           )
    """
)


def lock_certificate(connection: Connection, certificate_id: str) -> RowMapping | None:
    """What the credential of a certificate says beyond its ``data``; one transaction at a time gets it."""
    return connection.execute(_LOCKED, {"certificate_id": certificate_id}).mappings().one_or_none()


def signed_credential(connection: Connection, certificate_id: str) -> SignedCredential | None:
    """The credential of a certificate, once it is signed."""
    return _signed(connection.execute(_BY_CERTIFICATE, {"certificate_id": certificate_id}).mappings().one_or_none())


def reserve_place(
    connection: Connection, certificate_id: str, length: int, count_every: int = _COUNT_EVERY
) -> StatusPlace:
    """Reserve a random place that was never used, in the newest list, or in a new one once that is half full.

    Places are drawn at random so that neighbours in a list have nothing to do with each other, and are never given
    back. ``length`` is the number of places in a list; one reservation in ``count_every`` counts how many are used.
    """
    number = _newest_list(connection)
    if secrets.randbelow(count_every) == 0 and _is_half_full(connection, number, length):
        number = _add_list(connection, number + 1)
    while True:
        index = secrets.randbelow(length)
        values = {"certificate_id": certificate_id, "status_list": number, "status_index": index}
        reserved = connection.execute(
            insert(CredentialRow)
            .values(**values)
            .on_conflict_do_nothing(index_elements=["status_list", "status_index"])
            .returning(CredentialRow.status_index)
        ).one_or_none()
        if reserved is not None:
            return StatusPlace(number, index)


def store_credential(connection: Connection, signed: SignedCredential) -> None:
    """Keep a credential for which a place is reserved."""
    document = insert(DocumentRow).values(sha256=signed.sha256, media_type=MEDIA_TYPE, content=signed.content)
    connection.execute(document.on_conflict_do_nothing())
    connection.execute(
        update(CredentialRow)
        .where(CredentialRow.certificate_id == signed.certificate_id)
        .values(sha256=signed.sha256, jwt=signed.jwt, key_id=signed.key_id, signed_at=func.clock_timestamp())
    )


def lock_lists(connection: Connection) -> Sequence[RowMapping]:
    """The status lists as they were last signed; lists that another process is about to sign are left out."""
    query = (
        select(StatusListRow.number, StatusListRow.credential)
        .order_by(StatusListRow.number)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return connection.execute(query).mappings().all()


def ended_places(connection: Connection) -> dict[int, set[int]]:
    """The places, by list, of every credential whose certificate was superseded or revoked, or whose award was."""
    places: dict[int, set[int]] = {}
    for row in connection.execute(_ENDED):
        places.setdefault(row.status_list, set()).add(row.status_index)
    return places


def publish_list(connection: Connection, number: int, credential: bytes, jwt: str) -> None:
    """Replace what is published of a status list."""
    connection.execute(
        update(StatusListRow)
        .where(StatusListRow.number == number)
        .values(credential=credential.decode(), jwt=jwt, signed_at=func.clock_timestamp())
    )


async def credential_by_code(connection: AsyncConnection, code: str) -> SignedCredential | None:
    """The credential of an issued certificate, for strangers who have its code; None where its learner hides it."""
    return _signed((await connection.execute(_BY_CODE, {"code": code})).mappings().one_or_none())


async def credential_of(connection: AsyncConnection, certificate_id: str) -> SignedCredential | None:
    """The credential of a certificate, for whom the caller has checked."""
    row = await connection.execute(_BY_CERTIFICATE, {"certificate_id": certificate_id})
    return _signed(row.mappings().one_or_none())


async def status_list(connection: AsyncConnection, number: int) -> RowMapping | None:
    """``credential`` (JSON), ``jwt`` and ``signed_at`` of a list; None until it was signed."""
    query = select(StatusListRow.credential, StatusListRow.jwt, StatusListRow.signed_at).where(
        StatusListRow.number == number, StatusListRow.jwt.is_not(None)
    )
    return (await connection.execute(query)).mappings().one_or_none()


async def published_keys(connection: AsyncConnection, purpose: str) -> list[PublicKey]:
    """Every key of a purpose whose signatures still count: first those that sign, and of each kind the newest first."""
    keys = [key for key in await connection.run_sync(public_keys, purpose) if key.revoked_at is None]
    return sorted(keys, key=lambda key: (key.may_sign, key.created_at), reverse=True)


def _newest_list(connection: Connection) -> int:
    number: int | None = connection.scalar(select(func.max(StatusListRow.number)))
    return number or _add_list(connection, 1)


def _add_list(connection: Connection, number: int) -> int:
    connection.execute(insert(StatusListRow).values(number=number).on_conflict_do_nothing())
    return number


def _is_half_full(connection: Connection, number: int, length: int) -> bool:
    used: int = connection.execute(select(func.count()).where(CredentialRow.status_list == number)).scalar_one()
    return 2 * used >= length


def _signed(row: RowMapping | None) -> SignedCredential | None:
    if row is None:
        return None
    values: dict[str, Any] = dict(row)
    return SignedCredential(**{**values, "content": bytes(row["content"]), "sha256": bytes(row["sha256"])})
