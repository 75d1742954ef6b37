from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import claiming, credit
from domain.claims import ClaimFacts
from domain.credit import Audience, CertificateWording, CreditRule, Rounding, UnknownCreditTypeError, parse_units
from domain.identifiers import IDENTIFIERS
from domain.policy import (
    CEActivityPolicy,
    Content,
    ContentItem,
    CreditOffer,
    LearningFormat,
    Option,
    Profession,
)

MINUTES = st.integers(0, 12_000)
PHARMACIST, TECHNICIAN = Profession.PHARMACIST, Profession.PHARMACY_TECHNICIAN
LIVE, ENDURING = LearningFormat.LIVE_ACTIVITY, LearningFormat.ENDURING_MATERIAL


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


@given(rule=rules_of_all_kinds(), minutes=MINUTES, spans=st.integers(0, 20))
def test_minutes_that_fill_whole_steps_are_worth_the_same_together_and_apart(
    rule: CreditRule, minutes: int, spans: int
) -> None:
    rule = replace(rule, minimum_units=rule.increment)
    # 300 minutes fill whole steps of every rule, so that rounding has nothing to say about them.
    whole = 300 * spans
    assert rule.units_for(whole) * rule.minutes_per_unit == whole
    assert rule.units_for(minutes + whole) == rule.units_for(minutes) + rule.units_for(whole)


@given(rule=rules_of_all_kinds(), minutes=MINUTES)
def test_rounding_to_the_nearest_is_worth_rounding_down_or_one_step_more(rule: CreditRule, minutes: int) -> None:
    rule = replace(rule, minimum_units=rule.increment)
    nearest = replace(rule, rounding=Rounding.NEAREST).units_for(minutes)
    down = replace(rule, rounding=Rounding.DOWN).units_for(minutes)
    assert nearest - down in (Decimal(0), rule.increment)


@given(rule=rules_of_all_kinds(), minutes=MINUTES, name=st.text(min_size=1), code=st.text(min_size=1))
def test_what_credit_is_called_never_changes_what_it_amounts_to(
    rule: CreditRule, minutes: int, name: str, code: str
) -> None:
    assert replace(rule, name=name, code=code, unit=name).units_for(minutes) == rule.units_for(minutes)


@given(rule=st.sampled_from(credit.rules()), minutes=MINUTES)
def test_what_minutes_earn_can_be_printed_read_back_and_claimed(rule: CreditRule, minutes: int) -> None:
    units = rule.units_for(minutes)
    again = parse_units(str(units))
    assert again == units
    assert again == 0 or rule.is_step(again)


@given(rule=st.sampled_from(credit.rules()), minutes=MINUTES, newer=rules_of_all_kinds())
def test_a_pinned_version_gives_the_same_result_whatever_versions_follow(
    rule: CreditRule, minutes: int, newer: CreditRule
) -> None:
    offer = CreditOffer(
        credit_type=rule.code, rule_version=rule.version, designated_units=Decimal(1), designation_statement="One."
    )
    before = credit.rule_of(offer).units_for(minutes)
    later = replace(newer, code=rule.code, version="2099-1", effective_on=date(2099, 1, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(credit, "_RULES", (*credit.rules(), later))
        assert credit.rule_of(offer).units_for(minutes) == before
        assert credit.rule(rule.code).version == "2099-1"


def earned(policy: CEActivityPolicy, offer: CreditOffer, watched: list[tuple[int, int]]) -> Decimal:
    """What may be claimed of an offer by one who watched, of each video in turn, so many minutes out of so many."""
    videos = [
        ContentItem(code=f"video-{at}", title="A video", url="https://lakeside.example", minutes=minutes)
        for at, (_, minutes) in enumerate(watched)
    ]
    seconds = {f"video-{at}": 60 * minutes for at, (minutes, _) in enumerate(watched)}
    facts = ClaimFacts(profession=None, due_at=None, content_seconds=seconds)
    content = Content(items=tuple(videos), allows_partial=True)
    return claiming.claimable_units(replace(policy, requirements=(content,)), facts, offer)


@given(
    rule=st.sampled_from(credit.rules()),
    steps=st.integers(1, 60),
    watched=st.lists(st.tuples(st.integers(0, 200), st.integers(1, 200)), min_size=1, max_size=6),
)
def test_progress_earns_whole_steps_up_to_what_is_designated_however_it_is_cut_into_videos(
    policy: CEActivityPolicy, rule: CreditRule, steps: int, watched: list[tuple[int, int]]
) -> None:
    designated = max(rule.minimum_units, steps * rule.increment)
    offer = CreditOffer(
        credit_type=rule.code, rule_version=rule.version, designated_units=designated, designation_statement="One."
    )
    units = earned(policy, offer, watched)
    assert 0 <= units <= designated
    assert units == 0 or rule.is_step(units)
    counted = [min(minutes, length) for minutes, length in watched]
    total = sum(length for _, length in watched)
    assert earned(policy, offer, [(sum(counted), total)]) == units
    assert earned(policy, offer, list(reversed(watched))) == units
    assert earned(policy, offer, [(length, length) for _, length in watched]) >= units


@given(minutes=st.integers(max_value=0))
def test_no_minutes_and_fewer_are_worth_nothing(minutes: int) -> None:
    assert all(rule.units_for(minutes) == 0 for rule in credit.rules())


@pytest.mark.parametrize(("minutes", "units"), [(7, "0"), (8, "0.25"), (52, "0.75"), (53, "1.00"), (60, "1.00")])
def test_physicians_minutes_round_to_the_nearest_quarter_hour(minutes: int, units: str) -> None:
    assert credit.rule("ama_pra_category_1").units_for(minutes) == Decimal(units)


@pytest.mark.parametrize(
    ("credit_type", "version", "minutes", "units"),
    [
        ("aapa_category_1", None, 67, "1.00"),
        ("aapa_category_1", None, 68, "1.25"),
        ("california_rn_contact_hours", None, 59, "0"),
        ("california_rn_contact_hours", None, 75, "1.25"),
        ("nasba_cpe", None, 99, "1"),
        ("nasba_cpe", None, 100, "2"),
        ("nasba_cpe", "2026-1-halves", 99, "1.5"),
        ("nasba_cpe", "2026-1-fifths", 99, "1.8"),
        ("nasba_cpe", "2026-1-fifths", 9, "0"),
        ("abim_moc_points", None, 44, "0.50"),
    ],
)
def test_each_credit_type_counts_minutes_in_its_own_way(
    credit_type: str, version: str | None, minutes: int, units: str
) -> None:
    assert credit.rule(credit_type, version).units_for(minutes) == Decimal(units)


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


def test_of_versions_of_one_day_the_first_is_the_one_that_nobody_has_to_name() -> None:
    whole, halves, fifths = (rule for rule in credit.rules() if rule.code == "nasba_cpe")
    assert credit.rule("nasba_cpe") == whole
    assert [rule.increment for rule in (whole, halves, fifths)] == [Decimal(1), Decimal("0.5"), Decimal("0.2")]


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
    assert "confirmed by the office" in " ".join(rule.source.split())
    assert set(rule.printed_identifiers) <= set(rule.required_identifiers) <= IDENTIFIERS.keys()


def test_every_board_has_its_own_points_and_asks_for_its_own_number() -> None:
    boards = {rule.code.removesuffix("_moc_points"): rule for rule in credit.rules() if rule.code.endswith("_points")}
    assert set(boards) == {"aba", "abim", "abohns", "abos", "abp", "abpath", "abs", "abts"}
    for board, rule in boards.items():
        assert rule.required_identifiers == (f"{board}_id", "birth_month_day")
        assert rule.name.upper() == f"{board.upper()} MOC POINT(S)"
        assert "I permit that they are reported" in rule.attestation_text


def test_california_prints_the_license_and_knows_no_partial_credit() -> None:
    rule = credit.rule("california_rn_contact_hours")
    assert rule.printed_identifiers == ("rn_license",)
    assert not rule.allows_partial
    assert [each.code for each in credit.rules() if not each.allows_partial] == [rule.code]


def test_only_physicians_may_claim_physicians_credit_and_everyone_a_certificate_of_participation() -> None:
    assert credit.rule("ama_pra_category_1").professions == {Profession.PHYSICIAN}
    assert credit.rule("participation").professions == set(Profession)
    assert credit.rule("participation").certificate_wording is CertificateWording.PARTICIPATION


@pytest.mark.parametrize(
    ("profession", "offered"),
    [
        (Profession.PHYSICIAN, ["ama_pra_category_1", "participation"]),
        (Profession.PHARMACIST, ["acpe_contact_hours", "participation"]),
        (Profession.PHARMACY_TECHNICIAN, ["participation"]),
        (Profession.NURSE, ["participation"]),
        (None, []),
    ],
)
def test_a_learner_is_offered_what_their_profession_may_claim(
    policy: CEActivityPolicy, profession: Profession | None, offered: list[str]
) -> None:
    assert [offer.credit_type for offer in credit.offers_for(policy, profession)] == offered


def test_pharmacy_credit_is_for_the_audiences_that_it_is_registered_for(policy: CEActivityPolicy) -> None:
    offer = policy.credit[1]
    [number] = offer.identifiers
    assert number.code.endswith("-P")
    assert credit.may_claim(offer, PHARMACIST)
    assert not credit.may_claim(offer, TECHNICIAN)
    both = replace(offer, identifiers=(number, replace(number, code=number.code[:-1] + "T")))
    assert credit.may_claim(both, PHARMACIST)
    assert credit.may_claim(both, TECHNICIAN)
    unregistered = replace(offer, identifiers=())
    assert credit.may_claim(unregistered, TECHNICIAN)
    assert not credit.may_claim(unregistered, Profession.NURSE)
    assert not credit.may_claim(both, None)


def numbered(*codes: str) -> CreditOffer:
    return CreditOffer(
        credit_type="acpe_contact_hours",
        designated_units=Decimal(1),
        designation_statement="One.",
        identifiers=tuple(Option(code=code, label="UAN") for code in codes),
    )


@pytest.mark.parametrize(
    ("profession", "learning_format", "printed"),
    [
        (PHARMACIST, LIVE, ["L01-P", "B01-P"]),
        (PHARMACIST, ENDURING, ["H01-P", "B01-P"]),
        (PHARMACIST, LearningFormat.JOURNAL_BASED, ["H01-P", "B01-P"]),
        (TECHNICIAN, LIVE, ["L01-T"]),
        (TECHNICIAN, ENDURING, []),
        (Profession.PHYSICIAN, LIVE, []),
        (None, LIVE, []),
    ],
)
def test_a_certificate_prints_the_numbers_of_its_learners_audience_and_format_and_every_other_identifier(
    profession: Profession | None, learning_format: LearningFormat, printed: list[str]
) -> None:
    kinds = ["L01-P", "H01-P", "L01-T", "B01-P"]
    offer = numbered("CEP 12345", *(f"0999-0000-26-014-{kind}" for kind in kinds))
    codes = [each.code for each in credit.identifiers_for(offer, profession, learning_format)]
    assert codes == ["CEP 12345", *(f"0999-0000-26-014-{kind}" for kind in printed)]


@given(
    codes=st.lists(st.from_regex(r"[0-9]{4}-[0-9]{4}-[0-9]{2}-[0-9]{3}-[LHB]01-[PT]", fullmatch=True), max_size=6),
    learning_format=st.sampled_from(LearningFormat),
)
def test_nobody_is_reported_under_the_number_of_another_audience_and_none_is_lost(
    codes: list[str], learning_format: LearningFormat
) -> None:
    offer = numbered(*codes)
    pharmacists, technicians = (
        {each.code for each in credit.identifiers_for(offer, profession, learning_format)}
        for profession in (PHARMACIST, TECHNICIAN)
    )
    assert all(code.endswith("P") for code in pharmacists)
    assert all(code.endswith("T") for code in technicians)
    others = {
        each.code
        for other in (LIVE, ENDURING)
        for profession in (PHARMACIST, TECHNICIAN)
        for each in credit.identifiers_for(offer, profession, other)
    }
    assert others == set(codes)


def test_a_universal_activity_number_says_its_format_and_its_audience() -> None:
    found = credit.read_uan("0123-0000-26-0001-H01-T")
    assert found is not None
    assert (found.format_letter, found.audience) == ("H", Audience.TECHNICIANS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0123-0000-26-001-H01",
        "0123-0000-26-001-H01-X",
        "0123-0000-26-001-h01-P",
        "0123-0000-26-001-H01-P ",
        "0123000026001H01P",
        "\u0660123-0000-26-001-H01-P",
    ],
)
def test_everything_else_is_no_universal_activity_number(text: str) -> None:
    assert credit.read_uan(text) is None


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
