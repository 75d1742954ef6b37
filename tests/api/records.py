"""Rows that a finished claim leaves behind, written straight into the record, for tests of what is read from it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from domain import credit
from domain.identities import derived_id, new_id, verification_code
from storage.tables import (
    AttemptRow,
    AwardLineRow,
    AwardRow,
    CEActivityRow,
    CertificateRow,
    ClaimRow,
    EvaluationRow,
    LearnerRow,
)

NOON = datetime(2026, 5, 31, 17, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """One part of an award."""

    title: str
    units: str
    session: str | None = None
    held_on: date | None = None


def add_learner(engine: Engine, **values: Any) -> str:
    learner_id = new_id("lrn")
    with engine.begin() as connection:
        connection.execute(insert(LearnerRow).values(id=learner_id, **values))
    return learner_id


def merge(engine: Engine, duplicate_id: str, learner_id: str) -> None:
    """Make one learner part of another, as a merge by staff ends."""
    with engine.begin() as connection:
        connection.execute(update(LearnerRow).where(LearnerRow.id == duplicate_id).values(merged_into=learner_id))


def add_claim(engine: Engine, learner_id: str, slug: str, **values: Any) -> str:
    """A claim under the current version of a CE activity."""
    with engine.begin() as connection:
        ce_activity_id, version_id = _ce_activity(connection, slug)
        claim_id = derived_id("clm", learner_id, ce_activity_id)
        claim = {
            "id": claim_id,
            "learner_id": learner_id,
            "ce_activity_id": ce_activity_id,
            "version_id": version_id,
            "stage": "completed",
            "stage_since_at": NOON,
            "opened_at": NOON,
        }
        connection.execute(insert(ClaimRow).values(**(claim | values)))
    return claim_id


def add_award(
    engine: Engine,
    learner_id: str,
    slug: str,
    units: str = "1.00",
    credit_type: str = "ama_pra_category_1",
    *,
    lines: tuple[Line, ...] = (),
    with_certificate: bool = True,
    claim: dict[str, Any] | None = None,
    **values: Any,
) -> str:
    """An award with its claim, its lines and an issued certificate; answers with the award's id."""
    claim_id = add_claim(engine, learner_id, slug, **(claim or {}))
    award_id = new_id("awd")
    award = {
        "id": award_id,
        "claim_id": claim_id,
        "learner_id": learner_id,
        "credit_type": credit_type,
        "rule_version": credit.rule(credit_type).version,
        "units": Decimal(units),
        "state": "active",
        "completed_on": NOON.date(),
        "attestation_version": "1",
        "attested_at": NOON,
        "awarded_at": NOON,
    }
    with engine.begin() as connection:
        award["ce_activity_id"], award["version_id"] = _ce_activity(connection, slug)
        connection.execute(insert(AwardRow).values(**(award | values)))
        for number, line in enumerate(lines or (Line("The whole", units),), 1):
            connection.execute(
                insert(AwardLineRow).values(
                    award_id=award_id,
                    number=number,
                    title=line.title,
                    units=Decimal(line.units),
                    session=line.session,
                    held_on=line.held_on,
                )
            )
        if with_certificate:
            connection.execute(insert(CertificateRow).values(**_certificate(award_id)))
    return award_id


def _certificate(award_id: str) -> dict[str, Any]:
    return {
        "id": new_id("crt"),
        "award_id": award_id,
        "version": 1,
        "state": "issued",
        "verification_code": verification_code(),
        "data": {},
        "template_version": "1",
        "reserved_at": NOON,
        "issued_at": NOON,
    }


def add_evaluation(engine: Engine, claim_id: str, responses: dict[str, Any], session: str = "") -> None:
    values = {"claim_id": claim_id, "session": session, "responses": responses, "submitted_at": NOON}
    with engine.begin() as connection:
        connection.execute(insert(EvaluationRow).values(**values))


def add_attempt(engine: Engine, claim_id: str, number: int, answers: dict[str, str], *, has_passed: bool) -> None:
    values = {
        "claim_id": claim_id,
        "number": number,
        "started_at": NOON,
        "submitted_at": NOON,
        "graded_at": NOON,
        "answers": answers,
        "correct": 1,
        "total": 2,
        "has_passed": has_passed,
    }
    with engine.begin() as connection:
        connection.execute(insert(AttemptRow).values(**values))


def _ce_activity(connection: Connection, slug: str) -> tuple[str, str]:
    row = connection.execute(select(CEActivityRow.id, CEActivityRow.version_id).where(CEActivityRow.slug == slug)).one()
    return row.id, row.version_id
