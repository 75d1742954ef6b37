from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import credit
from domain.credit import CertificateWording, CreditRule, Rounding, UnknownCreditTypeError, parse_units
from domain.policy import CEActivityPolicy, CreditOffer, Profession

MINUTES = st.integers(0, 12_000)


def rules_of_all_kinds() -> st.SearchStrategy[CreditRule]:
    """Rules as the data file has them, and rules of other sizes (50 minutes to a unit, steps of a fifth)."""
    return st.builds(
        replace,
        st.sampled_from(credit.rules()),
        minutes_per_unit=st.sampled_from([50, 60]),
        increment=st.sampled_from([Decimal(text) for text in ("0.10", "0.20", "0.25", "0.5", "1")]),
        rounding=st.sampled_from(Rounding),
        minimum_units=st.sampled_from([Decimal(text) for text in ("0.10", "0.5", "1")]),
    )


@given(rule=rules_of_all_kinds(), minutes=MINUTES)
def test_minutes_become_nothing_or_a_claimable_amount(rule: CreditRule, minutes: int) -> None:
    units = rule.units_for(minutes)
    assert units == 0 or (rule.is_step(units) and units >= rule.minimum_units)


@given(rule=rules_of_all_kinds(), minutes=MINUTES, more=st.integers(0, 500))
def test_more_minutes_never_make_fewer_units(rule: CreditRule, minutes: int, more: int) -> None:
    assert rule.units_for(minutes + more) >= rule.units_for(minutes)


@given(rule=rules_of_all_kinds(), minutes=MINUTES)
def test_units_differ_from_the_exact_quotient_by_the_declared_rounding_only(rule: CreditRule, minutes: int) -> None:
    rule = replace(rule, minimum_units=rule.increment)
    excess = rule.units_for(minutes) * rule.minutes_per_unit - minutes
    step = rule.increment * rule.minutes_per_unit
    if rule.rounding is Rounding.DOWN:
        assert -step < excess <= 0
    else:
        assert -step / 2 < excess <= step / 2


@given(rule=rules_of_all_kinds(), segments=st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_splitting_minutes_over_segments_changes_at_most_one_step_per_segment(
    rule: CreditRule, segments: list[int]
) -> None:
    rule = replace(rule, minimum_units=rule.increment)
    whole, parts = rule.units_for(sum(segments)), sum(rule.units_for(minutes) for minutes in segments)
    assert abs(whole - parts) <= rule.increment * len(segments)
    if rule.rounding is Rounding.DOWN:
        assert parts <= whole


@given(minutes=st.integers(max_value=0))
def test_no_minutes_and_fewer_are_worth_nothing(minutes: int) -> None:
    assert all(rule.units_for(minutes) == 0 for rule in credit.rules())


@pytest.mark.parametrize(("minutes", "units"), [(7, "0"), (8, "0.25"), (52, "0.75"), (53, "1.00"), (60, "1.00")])
def test_physicians_minutes_round_to_the_nearest_quarter_hour(minutes: int, units: str) -> None:
    assert credit.rule("ama_pra_category_1").units_for(minutes) == Decimal(units)


def test_half_a_step_counts_as_a_whole_one_when_rounding_to_the_nearest() -> None:
    rule = replace(credit.rule("ama_pra_category_1"), increment=Decimal("0.10"), minimum_units=Decimal("0.10"))
    assert (rule.units_for(2), rule.units_for(3)) == (Decimal(0), Decimal("0.10"))


@pytest.mark.parametrize("text", ["0", "0.10", "1.005", "-0.25", "NaN", "Infinity", "sNaN"])
def test_what_is_no_positive_multiple_of_the_increment_is_no_step(text: str) -> None:
    assert not credit.rule("ama_pra_category_1").is_step(Decimal(text))


def test_the_newest_rule_in_force_on_a_day_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    old = credit.rule("participation")
    new = replace(old, version="2030-1", effective_on=date(2030, 1, 1))
    monkeypatch.setattr(credit, "_RULES", (new, old))
    assert credit.rule("participation") == new
    assert credit.rule("participation", on=date(2029, 12, 31)) == old
    assert credit.rule("participation", on=date(2030, 1, 1)) == new
    assert credit.rule("participation", version=old.version) == old
    offer = CreditOffer(credit_type="participation", designated_units=Decimal(1), designation_statement="One.")
    assert credit.rule_of(offer) == new
    assert credit.rule_of(replace(offer, rule_version=old.version)) == old


def test_an_unknown_type_or_version_or_a_day_before_the_first_version_is_an_error() -> None:
    with pytest.raises(UnknownCreditTypeError):
        credit.rule("gold_stars")
    with pytest.raises(UnknownCreditTypeError):
        credit.rule("participation", version="1066-1")
    with pytest.raises(UnknownCreditTypeError):
        credit.rule("participation", on=date(1999, 12, 31))


def test_every_version_of_a_credit_type_stands_in_the_data_once() -> None:
    keys = [(rule.code, rule.version) for rule in credit.rules()]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("rule", credit.rules(), ids=lambda rule: f"{rule.code} {rule.version}")
def test_every_rule_is_whole_and_names_its_source(rule: CreditRule) -> None:
    assert rule.is_step(rule.minimum_units)
    assert rule.minutes_per_unit * rule.increment % 1 == 0
    assert rule.professions
    assert rule.attestation_text.startswith("I attest that ")
    assert rule.retention_years >= 6
    assert "R-" in rule.source


def test_only_physicians_may_claim_physicians_credit_and_everyone_a_certificate_of_participation() -> None:
    assert credit.rule("ama_pra_category_1").professions == {Profession.PHYSICIAN}
    assert credit.rule("participation").professions == set(Profession)
    assert credit.rule("participation").certificate_wording is CertificateWording.PARTICIPATION


@pytest.mark.parametrize(
    ("profession", "offered"),
    [
        (Profession.PHYSICIAN, ["ama_pra_category_1", "participation"]),
        (Profession.PHARMACY_TECHNICIAN, ["acpe_contact_hours", "participation"]),
        (Profession.NURSE, ["participation"]),
        (None, []),
    ],
)
def test_a_learner_is_offered_what_their_profession_may_claim(
    policy: CEActivityPolicy, profession: Profession | None, offered: list[str]
) -> None:
    assert [offer.credit_type for offer in credit.offers_for(policy, profession)] == offered


@given(units=st.decimals("0", "9999.99", places=2))
def test_an_amount_reads_back_as_it_was_written(units: Decimal) -> None:
    assert str(parse_units(str(units))) == str(units)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1 ",
        "1e1",
        "1_0",
        "\u0661",
        "\uff11",
        "-0",
        "-1",
        "+1",
        ".5",
        "1.",
        "1.005",
        "12345",
        "NaN",
        "Infinity",
        "1,5",
        "1\n",
    ],
)
def test_every_other_notation_of_an_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="two decimals"):
        parse_units(text)
