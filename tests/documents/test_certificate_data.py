import json
import string
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.models import (
    CertificateData,
    CertificateKind,
    CreditDetails,
    Identifier,
    Paper,
    ProviderDetails,
    SessionLine,
    Signatory,
)

words = st.text(min_size=1, max_size=40)
amounts = st.decimals(min_value=0, max_value=9999, places=2) | st.sampled_from([Decimal("1.250"), Decimal("1E+1")])
credits_awarded = st.builds(
    CreditDetails,
    name=words,
    awarded_units=amounts,
    unit_name=st.text(),
    is_italic=st.booleans(),
    has_trademark=st.booleans(),
)
certificates = st.builds(
    CertificateData,
    certificate_id=words,
    version=st.integers(1, 99),
    verification_code=words,
    verification_url=st.text(string.ascii_letters, min_size=1).map("https://ce.example.org/verify/{}".format),
    kind=st.sampled_from(CertificateKind),
    learner_name=words,
    learner_credentials=st.text(),
    provider=st.builds(ProviderDetails, name=words, address=st.text(), website=st.text(), acronym=st.text()),
    ce_activity_title=words,
    learning_format=words,
    location=st.none() | words,
    starts_on=st.none() | st.dates(),
    ends_on=st.none() | st.dates(),
    completed_on=st.dates(),
    credit=credits_awarded,
    sessions=st.lists(st.builds(SessionLine, title=words, held_on=st.dates(), units=amounts), max_size=3).map(tuple),
    accreditation_statement=st.text(),
    designation_statement=st.text(),
    identifiers=st.lists(st.builds(Identifier, label=words, value=words), max_size=3).map(tuple),
    signatories=st.lists(st.builds(Signatory, name=words, title=st.text()), max_size=3).map(tuple),
    issued_on=st.dates(),
    language=st.sampled_from(["en", "es"]),
    paper=st.sampled_from(Paper),
    template_version=words,
)


@given(certificates)
def test_stored_data_reads_back_exactly(data: CertificateData) -> None:
    read = CertificateData.from_json(json.loads(json.dumps(data.to_json())))
    assert read == data
    assert str(read.credit.awarded_units) == str(data.credit.awarded_units)
    assert isinstance(read.paper, Paper)


def test_amounts_are_stored_as_strings_and_dates_in_iso_form(certificate: CertificateData) -> None:
    stored = certificate.to_json()
    assert stored["credit"]["awarded_units"] == "1.25"
    assert stored["completed_on"] == "2026-11-21"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nickname", "CANARY"),
        ("learner_name", ""),
        ("completed_on", "CANARY"),
        ("verification_url", "javascript:CANARY"),
        ("credit", {"name": "CANARY", "awarded_units": "NaN"}),
        ("paper", "CANARY"),
    ],
)
def test_wrong_stored_data_is_refused_by_field_name_without_repeating_it(
    certificate: CertificateData, field: str, value: object
) -> None:
    with pytest.raises(ValueError, match=field) as refusal:
        CertificateData.from_json(certificate.to_json() | {field: value})
    assert "CANARY" not in str(refusal.value)


def test_missing_stored_data_is_refused(certificate: CertificateData) -> None:
    stored = certificate.to_json()
    del stored["learner_name"]
    with pytest.raises(ValueError, match="learner_name"):
        CertificateData.from_json(stored)


def test_the_printed_text_holds_every_free_text(
    certificate: CertificateData, forty_sessions: tuple[SessionLine, ...]
) -> None:
    text = replace(certificate, sessions=forty_sessions).printed_text
    for part in ("Alice Moreau", "Northfield Medical Center", "Rockford", "Margaret Osei", "485327", "Lecture 40"):
        assert part in text
