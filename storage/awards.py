"""Awards, their certificates and their e-mails in the record. Only activities write here."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from storage.tables import (
    AccountRow,
    AwardLineRow,
    AwardRow,
    CertificateRow,
    DocumentRow,
    LearnerIdentifierRow,
    LearnerRow,
    OutgoingEmailRow,
)


def add_award(connection: Connection, award: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> bool:
    """Grant an award with its lines; False when the learner already holds this credit for this CE activity."""
    added = connection.execute(
        upsert(AwardRow).values(**award).on_conflict_do_nothing().returning(AwardRow.id)
    ).one_or_none()
    if added is None:
        return False
    connection.execute(insert(AwardLineRow), list(lines))
    return True


def supersede_award(connection: Connection, claim_id: str) -> RowMapping | None:
    """End a claim's active award and its certificate in favour of a corrected one; ``id`` and ``number`` of the award.

    Both stay in the record, and the certificate's code goes on being answered. None when there is no active award.
    """
    award = (
        connection.execute(
            update(AwardRow)
            .where(AwardRow.claim_id == claim_id, AwardRow.state == "active")
            .values(state="superseded")
            .returning(AwardRow.id, AwardRow.number)
        )
        .mappings()
        .one_or_none()
    )
    if award is not None:
        connection.execute(
            update(CertificateRow).where(CertificateRow.award_id == award["id"]).values(state="superseded")
        )
    return award


def reserve_certificate(connection: Connection, certificate: Mapping[str, Any]) -> None:
    """Reserve a version of an award's certificate; its bytes follow."""
    connection.execute(insert(CertificateRow).values(**certificate))


def queue_email(connection: Connection, email: Mapping[str, Any]) -> None:
    """Queue one logical e-mail; a second one of the same purpose and subject is refused by the database."""
    connection.execute(insert(OutgoingEmailRow).values(**email))


def recipient_of(connection: Connection, learner_id: str) -> RowMapping:
    """Name, ``credentials``, ``email`` and ``identifiers`` (kind to value) of a learner."""
    identifiers = (
        select(func.json_object_agg(LearnerIdentifierRow.kind, LearnerIdentifierRow.value))
        .where(LearnerIdentifierRow.learner_id == LearnerRow.id)
        .scalar_subquery()
    )
    return (
        connection.execute(
            select(
                LearnerRow.given_name,
                LearnerRow.family_name,
                LearnerRow.credentials,
                AccountRow.email,
                func.coalesce(identifiers, text("'{}'::json")).label("identifiers"),
            )
            .join(AccountRow, AccountRow.id == LearnerRow.account_id)
            .where(LearnerRow.id == learner_id)
        )
        .mappings()
        .one()
    )


def current_certificate(connection: Connection, claim_id: str) -> RowMapping | None:
    """The current certificate of a claim's award: ``id``, ``state`` and ``data``."""
    query = (
        select(CertificateRow.id, CertificateRow.state, CertificateRow.data)
        .join(AwardRow, AwardRow.id == CertificateRow.award_id)
        .where(
            AwardRow.claim_id == claim_id,
            AwardRow.state == "active",
            CertificateRow.state.in_(("reserved", "issued")),
        )
    )
    return connection.execute(query).mappings().one_or_none()


def issue_certificate(connection: Connection, certificate_id: str, sha256: bytes, content: bytes) -> bool:
    """Store the bytes under their hash and issue the certificate; False when it was issued before."""
    reserved = connection.execute(
        select(CertificateRow.id)
        .where(CertificateRow.id == certificate_id, CertificateRow.state == "reserved")
        .with_for_update()
    ).one_or_none()
    if reserved is None:
        return False
    document = upsert(DocumentRow).values(sha256=sha256, media_type="application/pdf", content=content)
    connection.execute(document.on_conflict_do_nothing())
    connection.execute(
        update(CertificateRow)
        .where(CertificateRow.id == certificate_id)
        .values(state="issued", sha256=sha256, issued_at=func.clock_timestamp())
    )
    return True
