from dataclasses import replace

import pytest

from domain import credit
from domain.certificate_fields import PrintedFields, StatementFault, fields_of_offer, missing_fields, statement_faults
from domain.credit import CertificateField
from domain.policy import CEActivityPolicy, LearningFormat

LIVE = LearningFormat.LIVE_ACTIVITY.words
COMPLETE = PrintedFields(
    learner="Ada Lovelace, RN",
    provider="Lakeside",
    provider_address="1 Lake Street",
    provider_website="https://lakeside.example",
    title="Sepsis",
    learning_format=LIVE,
    location="Lakeside",
    completed_on="2026-11-21",
    units="1.25",
    statement="Field of study: Medicine. Delivery method: Group. Keep this for four\nyears. A credit is 50 minutes.",
    signatories=("Grace Hopper",),
    identifiers=(
        ("UAN", "0999-0000-26-014-L01-P"),
        ("RN license number", "RN 654321"),
        ("Provider number", "CEP 12345"),
    ),
)


def test_a_certificate_that_shows_everything_lacks_nothing() -> None:
    assert missing_fields(COMPLETE, list(CertificateField)) == ()


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"learner": ""}, ["name"]),
        ({"provider": ""}, ["provider"]),
        ({"provider_address": ""}, ["provider_address"]),
        ({"provider_address": "", "provider_website": ""}, ["provider_address", "provider_whereabouts"]),
        ({"title": ""}, ["title"]),
        ({"learning_format": ""}, ["format"]),
        ({"location": ""}, ["location"]),
        ({"location": "", "learning_format": "enduring material"}, []),
        ({"completed_on": ""}, ["date"]),
        ({"units": ""}, ["credit"]),
        (
            {"statement": " "},
            ["statement", "retention_notice", "field_of_study", "delivery_method", "time_statement"],
        ),
        ({"signatories": ()}, ["signature"]),
        ({"identifiers": COMPLETE.identifiers[1:]}, ["uan"]),
        ({"identifiers": COMPLETE.identifiers[::2]}, ["rn_license"]),
        ({"identifiers": COMPLETE.identifiers[:2]}, ["provider_number", "sponsor_id"]),
    ],
)
def test_each_field_that_is_not_printed_is_named(change: dict[str, object], missing: list[str]) -> None:
    printed = replace(COMPLETE, **change)  # type: ignore[arg-type]
    assert missing_fields(printed, list(CertificateField)) == tuple(missing)
    assert missing_fields(printed, []) == ()


def test_every_credit_type_says_what_its_certificates_show() -> None:
    always = {"name", "provider", "title", "date", "credit"}
    for rule in credit.rules():
        assert always <= rule.certificate_fields, rule.code


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("ama_pra_category_1", {"format"}),
        ("ancc_contact_hours", {"provider_whereabouts", "statement"}),
        (
            "california_rn_contact_hours",
            {"provider_address", "signature", "rn_license", "provider_number", "retention_notice"},
        ),
        ("acpe_contact_hours", {"uan"}),
        (
            "nasba_cpe",
            {"provider_address", "format", "location", "statement", "signature", "sponsor_id"}
            | {"field_of_study", "delivery_method", "time_statement"},
        ),
    ],
)
def test_the_rows_of_the_matrix_are_as_the_reference_has_them(code: str, fields: set[str]) -> None:
    always = {"name", "provider", "title", "date", "credit"}
    for rule in (rule for rule in credit.rules() if rule.code == code):
        assert rule.certificate_fields == always | fields


def test_an_offer_shows_what_its_policy_says(policy: CEActivityPolicy) -> None:
    offer = policy.credit[0]
    printed = fields_of_offer(policy, offer, LearningFormat.LIVE_ACTIVITY)
    assert (printed.provider, printed.title, printed.is_live) == (policy.provider.name, policy.title, True)
    assert printed.statement == offer.designation_statement
    assert "name" in missing_fields(printed, list(CertificateField))


@pytest.mark.parametrize(
    ("statement", "faults"),
    [
        ("Designated for 1.00 AMA PRA Category 1 Credit(s)™.", []),
        ("Designated for 1.00 AAPA Category 1 CME credits.", []),
        ("Designated for 1.00 Category 1 credit.", [StatementFault.BARE_CATEGORY_1]),
        ("1.00 ACCME  credit.", [StatementFault.ACCME_CREDIT]),
        ("AMA credit has been applied\nfor.", [StatementFault.APPLIED_FOR]),
    ],
)
def test_no_statement_names_credit_wrongly_or_before_it_is_there(statement: str, faults: list[StatementFault]) -> None:
    assert statement_faults(statement) == tuple(faults)
