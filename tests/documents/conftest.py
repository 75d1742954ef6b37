"""One certificate that is complete, from which each test changes the one thing it is about."""

from datetime import date
from decimal import Decimal

import pytest

from documents.models import (
    CertificateData,
    CertificateKind,
    CreditDetails,
    Identifier,
    ProviderDetails,
    SessionLine,
    Signatory,
)


@pytest.fixture(scope="session")
def certificate() -> CertificateData:
    return CertificateData(
        certificate_id="crt_01jd4xg7q2m8",
        version=2,
        verification_code="7KQF-M2XV-9RTB-4H",
        verification_url="https://ce.example.org/verify/7KQFM2XV9RTB4H",
        kind=CertificateKind.CREDIT,
        learner_name="Alice Moreau",
        learner_credentials="MD",
        provider=ProviderDetails(
            name="Northfield Medical Center",
            address="1200 West Harrison Street, Chicago, Illinois",
            website="www.northfield.example",
            acronym="CME",
        ),
        ce_activity_title="Sepsis in the First Hour",
        learning_format="live activity",
        location="Rockford, Illinois",
        starts_on=date(2026, 11, 19),
        ends_on=date(2026, 11, 20),
        completed_on=date(2026, 11, 21),
        credit=CreditDetails(
            name="AMA PRA Category 1 Credit(s)",
            awarded_units=Decimal("1.25"),
            unit_name="credits",
            is_italic=True,
            has_trademark=True,
        ),
        accreditation_statement="Northfield is accredited by a council to provide medical education.",
        designation_statement="Northfield designates a maximum of 1.50 AMA PRA Category 1 Credit(s)™. Claim fairly.",
        identifiers=(Identifier(label="Activity", value="485327"),),
        signatories=(Signatory(name="Margaret Osei", title="Associate Dean"),),
        issued_on=date(2026, 11, 22),
    )


@pytest.fixture(scope="session")
def forty_sessions() -> tuple[SessionLine, ...]:
    return tuple(
        SessionLine(title=f"Lecture {number}", held_on=date(2026, 11, 19), units=Decimal("0.25"))
        for number in range(1, 41)
    )
