"""Awards, their certificates and their e-mails in the record. Only activities write here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, case, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.corrections import AwardState
from storage.tables import (
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingAward:
    """A claim's newest award with the newest version of its certificate; ``first_awarded_at`` is its first award's."""

    id: str
    number: int
    state: AwardState
    credit_type: str
    units: Decimal
    completed_on: date
    attestation_version: str
    attested_at: datetime
    first_awarded_at: datetime
    certificate_id: str
    certificate_state: str
    version: int
    data: Mapping[str, Any]


_STANDING: Final = text(
    """
    SELECT w.id, w.number, w.state, w.credit_type, w.units, w.completed_on, w.attestation_version, w.attested_at,
           f.awarded_at AS first_awarded_at, x.id AS certificate_id, x.state AS certificate_state,
           x.version, x.data
      FROM awards w
      JOIN awards f ON f.claim_id = w.claim_id AND f.number = 1
      JOIN certificates x ON x.award_id = w.id
     WHERE w.claim_id = :claim_id ORDER BY w.number DESC, x.version DESC LIMIT 1
    """
)


def standing_award(connection: Connection, claim_id: str) -> StandingAward | None:
    """What a correction of the claim starts from; None before the award."""
    row = connection.execute(_STANDING, {"claim_id": claim_id}).mappings().one_or_none()
    return StandingAward(**{**row, "state": AwardState(row["state"])}) if row else None


def merged_award(connection: Connection, claim_id: str) -> str | None:
    """The id of the claim's award if it counts no more, because another claim of the same person has its credit."""
    standing = standing_award(connection, claim_id)
    return standing.id if standing is not None and standing.state is AwardState.MERGED else None


def end_award(connection: Connection, award_id: str, state: AwardState) -> None:
    """Let an award count no more; it stays in the record as it was granted."""
    connection.execute(update(AwardRow).where(AwardRow.id == award_id).values(state=state))


def supersede_certificate(connection: Connection, certificate_id: str, ended_at: datetime) -> None:
    """Make way for the next version: its code goes on being answered, and an e-mail that was not sent never is.

    One that was revoked stays revoked.
    """
    current = CertificateRow.state.in_(("reserved", "issued", "elsewhere"))
    connection.execute(
        update(CertificateRow)
        .where(CertificateRow.id == certificate_id, current)
        .values(state="superseded", ended_at=ended_at)
    )
    connection.execute(
        update(OutgoingEmailRow)
        .where(OutgoingEmailRow.subject_id == certificate_id, OutgoingEmailRow.state != "sent")
        .values(state="dropped", last_error="superseded")
    )


def name_successor(connection: Connection, certificate_id: str, successor: str) -> None:
    """Say which certificate replaced one."""
    connection.execute(
        update(CertificateRow).where(CertificateRow.id == certificate_id).values(superseded_by=successor)
    )


def revoke_certificate(connection: Connection, certificate_id: str, reason_class: str, ended_at: datetime) -> None:
    """Revoke a certificate; its bytes stay. One that another system issued is only noted to hold no more."""
    connection.execute(
        update(CertificateRow)
        .where(CertificateRow.id == certificate_id)
        .values(
            state=case((CertificateRow.state == "elsewhere", "elsewhere"), else_="revoked"),
            ended_at=ended_at,
            revocation_class=reason_class,
        )
    )


def reserve_certificate(connection: Connection, certificate: Mapping[str, Any]) -> None:
    """Reserve a version of an award's certificate; its bytes follow."""
    connection.execute(insert(CertificateRow).values(**certificate))


def queue_email(connection: Connection, email: Mapping[str, Any]) -> None:
    """Queue one logical e-mail; a second one of the same purpose and subject is refused by the database."""
    connection.execute(insert(OutgoingEmailRow).values(**email))


def recipient_of(connection: Connection, learner_id: str) -> RowMapping:
    """Name, ``credentials`` and ``identifiers`` (kind to value) of a learner."""
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
                func.coalesce(identifiers, text("'{}'::json")).label("identifiers"),
            ).where(LearnerRow.id == learner_id)
        )
        .mappings()
        .one()
    )


def current_certificate(connection: Connection, claim_id: str) -> RowMapping | None:
    """The current certificate of a claim's award: ``id``, ``state``, ``data``, ``credit_type``, ``rule_version``."""
    query = (
        select(
            CertificateRow.id,
            CertificateRow.state,
            CertificateRow.data,
            AwardRow.credit_type,
            AwardRow.rule_version,
        )
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
