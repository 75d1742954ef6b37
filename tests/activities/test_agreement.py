"""The comparison that every test process makes at its end finds what any one representation says alone."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from activities.certificates import PostgresCertificateActivities
from activities.contract import ClaimRef
from config.settings import Settings
from documents.certificate import render_certificate
from documents.jobs import CertificateJob
from documents.models import CertificateData
from domain.claims import Stage
from tests.activities.test_ledger_twice import brought_to, step
from tests.agreement import disagreements, every_certificate
from tests.claims import TestClaim
from worker import Activities

Row = dict[str, Any]
EVERYWHERE = {"ledger", "pdf", "credential", "api", "page"}


class InThisProcess:
    """Renders where the test runs."""

    def render(self, job: CertificateJob) -> bytes:
        return render_certificate(job)


@pytest.fixture
def certificate(new_claim: Callable[..., TestClaim], activities: Activities, database_url: str) -> Row:
    """What the record holds of a certificate of this test's own."""
    claim = brought_to(new_claim(), activities, Stage.READY_TO_CLAIM)
    claim.receive(claim.credit())
    activities.claims.decide_submissions(step(claim))
    issuing = PostgresCertificateActivities(claim.engine, activities.claims, InThisProcess(), activities.credentials)
    issuing.issue_certificate(ClaimRef(claim.claim_id))
    query = text("SELECT c.id FROM certificates c JOIN awards a ON a.id = c.award_id WHERE a.claim_id = :id")
    with claim.engine.connect() as connection:
        own = connection.execute(query, {"id": claim.claim_id}).scalar_one()
    [row] = [row for row in every_certificate(database_url) if row["id"] == own]
    return row


def with_data(row: Row, **changes: Any) -> Row:
    return {**row, "data": replace(CertificateData.from_json(row["data"]), **changes).to_json()}


def with_units(row: Row, units: Decimal) -> Row:
    return with_data(row, credit=replace(CertificateData.from_json(row["data"]).credit, awarded_units=units))


def with_credential(row: Row, name: str, value: object) -> Row:
    return {**row, "credential": json.dumps({**json.loads(row["credential"]), name: value}).encode()}


def printed_as(row: Row, **changes: Any) -> Row:
    """The row with the PDF of other data."""
    data = replace(CertificateData.from_json(row["data"]), **changes)
    return {**row, "content": render_certificate(CertificateJob(data=data, credential=bytes(row["credential"])))}


# What is changed, on one side only, and where a difference must then be found.
ALTERATIONS: dict[str, tuple[Callable[[Row], Row], set[str]]] = {
    "nothing": (lambda row: row, set()),
    "the name": (lambda row: with_data(row, learner_name="Somebody Else"), {"pdf", "credential", "api"}),
    "the title": (
        lambda row: with_data(row, ce_activity_title="Another title"),
        EVERYWHERE - {"ledger"},
    ),
    "the amount": (lambda row: with_units(row, Decimal("99.75")), EVERYWHERE),
    "the day": (
        lambda row: with_data(row, completed_on=row["completed_on"] - timedelta(days=400)),
        EVERYWHERE,
    ),
    "the version": (lambda row: with_data(row, version=7), {"ledger", "credential", "api"}),
    "the amount in the ledger": (lambda row: {**row, "units": row["units"] + 1}, {"ledger"}),
    "the lines in the ledger": (lambda row: {**row, "line_units": row["line_units"] + 1}, {"ledger"}),
    "the state": (lambda row: {**row, "state": "superseded"}, {"api"}),
    "the printed name": (lambda row: printed_as(row, learner_name="Somebody Else"), {"pdf"}),
    "the QR code": (lambda row: printed_as(row, verification_url="https://elsewhere.example/verify/X"), {"pdf", "qr"}),
    "the attachment": (lambda row: with_credential(row, "name", "Another"), {"credential", "token"}),
    "the absence of a credential": (lambda row: {**row, "credential": None}, {"credential"}),
}


@pytest.mark.parametrize("change", ALTERATIONS)
async def test_a_certificate_agrees_with_itself_until_one_representation_says_something_else(
    certificate: Row, database_url: str, change: str
) -> None:
    alter, places = ALTERATIONS[change]
    settings = Settings(database_url=database_url, public_url="https://laurel.example")
    found = await disagreements([alter(certificate)], settings)
    assert {each.where for each in found} == places
