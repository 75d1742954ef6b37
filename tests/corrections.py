"""Corrections as the API records them, and what the record says of a claim's certificates afterwards."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, insert, text, update

from activities.contract import CorrectionRef
from domain.corrections import Change, CorrectionState, kind_of, to_json
from domain.identities import new_id
from storage.tables import CorrectionRow
from tests.claims import TestClaim

STAFF = "acc_staff"


def asked(
    claim: TestClaim,
    change: Change,
    state: CorrectionState = CorrectionState.APPROVED,
    *,
    reason: str = "Told by telephone.",
    by: str = STAFF,
    at: datetime | None = None,
) -> CorrectionRef:
    """Record that staff ask for a correction, as the API does before it acknowledges."""
    body, correction_id = to_json(change), new_id("cor")
    values = {
        "id": correction_id,
        "claim_id": claim.claim_id,
        "kind": kind_of(change),
        "state": state,
        "body": body,
        "reason_class": body.get("reason_class"),
        "reason": reason,
        "requested_by": by,
    } | ({"requested_at": at} if at else {})
    with claim.engine.begin() as connection:
        connection.execute(insert(CorrectionRow).values(**values))
    return CorrectionRef(correction_id)


def decided(engine: Engine, ref: CorrectionRef, *, is_approved: bool, by: str = "acc_second") -> None:
    """Record a second person's word."""
    with engine.begin() as connection:
        connection.execute(
            update(CorrectionRow)
            .where(CorrectionRow.id == ref.correction_id)
            .values(is_approved=is_approved, decided_by=by, decided_at=text("clock_timestamp()"))
        )


def row_of(engine: Engine, ref: CorrectionRef) -> Mapping[str, Any]:
    """The columns that there are, which in the record of an earlier release are not all that the code knows."""
    query = text("SELECT * FROM corrections WHERE id = :id")
    with engine.connect() as connection:
        return dict(connection.execute(query, {"id": ref.correction_id}).mappings().one())


_VERSIONS = text(
    """
    SELECT x.id, x.version, x.state, x.sha256 IS NOT NULL AS is_stored, x.ended_at IS NOT NULL AS is_ended,
           s.version AS superseded_by, x.revocation_class, x.data, w.number AS award, w.state AS award_state, w.units,
           e.state AS email
      FROM certificates x
      JOIN awards w ON w.id = x.award_id
      LEFT JOIN certificates s ON s.id = x.superseded_by
      LEFT JOIN outgoing_emails e ON e.subject_id = x.id AND e.purpose = 'award'
     WHERE w.claim_id = :id ORDER BY x.version
    """
)


def versions_of(claim: TestClaim) -> list[dict[str, Any]]:
    """Every version of a claim's certificate, with its award and its e-mail."""
    with claim.engine.connect() as connection:
        return [dict(row) for row in connection.execute(_VERSIONS, {"id": claim.claim_id}).mappings()]
