"""One certificate that is complete, from which each test changes the one thing it is about."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from hashlib import sha256
from io import BytesIO

import PIL.Image
import pytest

from documents.jobs import CertificateJob
from documents.models import (
    CertificateData,
    CertificateKind,
    CreditDetails,
    Identifier,
    Image,
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


@pytest.fixture(scope="session")
def pictured(certificate: CertificateData) -> CertificateJob:
    """A certificate with a wide logo (PNG) and a high signature (JPEG)."""
    logo, signature = picture("PNG", 300, 80), picture("JPEG", 90, 200)
    [signatory] = certificate.signatories
    data = replace(
        certificate,
        provider=replace(certificate.provider, logo=image(logo, 300, 80)),
        signatories=(replace(signatory, signature=image(signature, 90, 200)),),
    )
    return CertificateJob(data=data, images={sha256(each).hexdigest(): each for each in (logo, signature)})


def picture(kind: str, width: int, height: int) -> bytes:
    written = BytesIO()
    PIL.Image.new("RGB", (width, height), "#24513f").save(written, kind)
    return written.getvalue()


def image(content: bytes, width: int, height: int) -> Image:
    return Image(sha256=sha256(content).hexdigest(), width=width, height=height)
