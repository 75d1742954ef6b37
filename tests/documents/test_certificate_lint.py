"""What keeps a certificate from being issued; each test breaks one thing of a certificate that is right."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from documents.lint import faults
from documents.models import CertificateData, CertificateKind, CreditDetails, Identifier, SessionLine
from domain import credit
from domain.credit import CertificateField

AMA = credit.rule("ama_pra_category_1")
CALIFORNIA = credit.rule("california_rn_contact_hours")


@pytest.fixture
def nurse(certificate: CertificateData) -> CertificateData:
    return replace(
        certificate,
        learner_name="Ada Nurse",
        learner_credentials="RN",
        credit=CreditDetails(name=CALIFORNIA.name, awarded_units=Decimal("1.25"), unit_name="contact hour"),
        designation_statement="Provider approved by the board for 1.25 contact hours. Retain this for four years.",
        identifiers=(
            Identifier(label="Provider number", value="CEP 12345"),
            Identifier(label="RN license number", value="RN 654321"),
        ),
    )


def test_a_certificate_that_shows_all_that_its_credit_demands_has_no_faults(
    certificate: CertificateData, nurse: CertificateData
) -> None:
    assert faults(certificate, AMA) == []
    assert faults(nurse, CALIFORNIA) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"learner_name": "Alice ☃"}, "GlyphsMissing"),
        ({"kind": CertificateKind.PARTICIPATION}, "KindDiffers"),
        ({"accreditation_statement": "Northfield gives ACCME credit."}, "AccmeCredit"),
        ({"designation_statement": "Northfield designates 1.50 Category 1 credits."}, "BareCategory1"),
        ({"designation_statement": "AMA PRA Category 1 Credit(s)™ has been applied for."}, "AppliedFor"),
        ({"starts_on": date(2026, 11, 20), "ends_on": date(2026, 11, 19)}, "DatesOutOfOrder"),
        ({"completed_on": date(2026, 11, 23)}, "DatesOutOfOrder"),
        ({"verification_code": "7KQF-M2XV-9RTB-4J"}, "VerificationUrlDiffers"),
    ],
)
def test_each_fault_is_named(certificate: CertificateData, change: dict[str, object], fault: str) -> None:
    assert faults(replace(certificate, **change), AMA) == [fault]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": "Category 1 Credit(s)"}, "CreditNameDiffers"),
        ({"is_italic": False}, "CreditNameDiffers"),
        ({"has_trademark": False}, "CreditNameDiffers"),
        ({"awarded_units": Decimal("1.3")}, "UnitsNotInSteps"),
    ],
)
def test_the_credit_is_named_and_counted_as_its_owner_does(
    certificate: CertificateData, change: dict[str, object], fault: str
) -> None:
    data = replace(certificate, credit=replace(certificate.credit, **change))  # type: ignore[arg-type]
    assert faults(data, AMA) == [fault]


def test_sessions_add_up_to_what_is_awarded(certificate: CertificateData) -> None:
    sessions = [SessionLine(title="A", held_on=date(2026, 11, 19), units=Decimal(units)) for units in ("1.00", "0.25")]
    assert faults(replace(certificate, sessions=tuple(sessions)), AMA) == []
    assert faults(replace(certificate, sessions=tuple(sessions[:1])), AMA) == ["SessionsDoNotAddUp"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"signatories": ()}, "SignatureMissing"),
        ({"designation_statement": "Approved for 1.25 contact hours."}, "RetentionNoticeMissing"),
        ({"identifiers": (Identifier(label="Provider number", value="CEP 12345"),)}, "RnLicenseMissing"),
        ({"identifiers": (Identifier(label="RN license number", value="RN 1"),)}, "ProviderNumberMissing"),
    ],
)
def test_a_field_that_the_credit_demands_is_named_when_it_is_missing(
    nurse: CertificateData, change: dict[str, object], fault: str
) -> None:
    assert faults(replace(nurse, **change), CALIFORNIA) == [fault]  # type: ignore[arg-type]


def test_every_field_of_every_credit_type_is_asked_for(certificate: CertificateData) -> None:
    bare = replace(
        certificate,
        provider=replace(certificate.provider, address="", website=""),
        location=None,
        designation_statement="",
        identifiers=(),
        signatories=(),
    )
    always = {"NameMissing", "ProviderMissing", "TitleMissing", "FormatMissing", "DateMissing", "CreditMissing"}
    for rule in credit.rules():
        named = {fault for fault in faults(bare, rule) if fault.endswith("Missing")}
        wanted = {f"{field.title().replace('_', '')}Missing" for field in rule.certificate_fields} - always
        assert named == wanted, rule.code
    assert {field for rule in credit.rules() for field in rule.certificate_fields} == set(CertificateField)
