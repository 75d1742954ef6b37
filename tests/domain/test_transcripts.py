from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import credit
from domain.credit import CreditRule, UnknownCreditTypeError
from domain.designation_checks import MAXIMUM_UNITS
from domain.transcripts import (
    FIRST_PLAUSIBLE_DAY,
    Transcript,
    TranscriptEntry,
    TranscriptFilter,
    TranscriptLinkState,
    amount_problem,
    historical_award_problems,
    link_state,
    rule_at,
    transcript_of,
)

ANYTHING = TranscriptFilter()
AMA = credit.rule("ama_pra_category_1")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TODAY = NOON.date()
DAYS = st.dates(date(2023, 1, 1), date(2026, 12, 31))

entries_of_all_kinds = st.lists(
    st.builds(
        TranscriptEntry,
        id=st.uuids().map(str),
        title=st.just("Sepsis in the First Hour"),
        provider=st.just("Northfield Medical Center"),
        completed_on=DAYS,
        recorded_at=st.integers(0, 3).map(lambda minutes: NOON + timedelta(minutes=minutes)),
        rule=st.sampled_from(credit.rules()),
        units=st.integers(1, 80).map(lambda quarters: Decimal(quarters) / 4),
        is_historical=st.booleans(),
    ),
    max_size=25,
)
filters = st.builds(
    TranscriptFilter,
    from_on=st.none() | DAYS,
    until_on=st.none() | DAYS,
    year=st.none() | st.integers(2022, 2027),
    credit_type=st.none() | st.sampled_from([rule.code for rule in credit.rules()]),
)


def entry(**changes: object) -> TranscriptEntry:
    made = TranscriptEntry(
        id="awd_1",
        title="Sepsis in the First Hour",
        provider="Northfield Medical Center",
        completed_on=date(2026, 5, 31),
        recorded_at=NOON,
        rule=AMA,
        units=Decimal("1.25"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # each test names fields that exist


def sums(transcript: Transcript) -> dict[str, Decimal]:
    return {total.rule.code: total.units for total in transcript.totals}


@given(entries_of_all_kinds, filters)
def test_totals_are_the_sums_of_what_is_listed(entries: list[TranscriptEntry], wanted: TranscriptFilter) -> None:
    transcript = transcript_of(entries, wanted)
    listed: dict[str, Decimal] = {}
    for each in transcript.entries:
        listed[each.rule.code] = listed.get(each.rule.code, Decimal(0)) + each.units
    assert sums(transcript) == listed
    assert sum(total.awards for total in transcript.totals) == len(transcript.entries)
    of_years: dict[str, Decimal] = {}
    for year in transcript.years:
        for total in year.totals:
            of_years[total.rule.code] = of_years.get(total.rule.code, Decimal(0)) + total.units
    assert of_years == listed


@given(entries_of_all_kinds)
def test_years_hold_every_entry_once_and_in_order(entries: list[TranscriptEntry]) -> None:
    transcript = transcript_of(entries, ANYTHING)
    assert [each for year in transcript.years for each in year.entries] == list(transcript.entries)
    numbers = [year.year for year in transcript.years]
    assert numbers == sorted(set(numbers), reverse=True)
    assert all(each.completed_on.year == year.year for year in transcript.years for each in year.entries)


@given(entries_of_all_kinds, filters, filters)
def test_asking_for_less_never_lists_more(
    entries: list[TranscriptEntry], wanted: TranscriptFilter, narrower: TranscriptFilter
) -> None:
    wide = transcript_of(entries, wanted)
    both = transcript_of(wide.entries, narrower)
    assert set(both.entries) <= set(wide.entries) <= set(entries)
    assert both == transcript_of(transcript_of(entries, narrower).entries, wanted)
    assert all(units <= sums(wide)[code] for code, units in sums(both).items())


@given(entries_of_all_kinds, st.randoms())
def test_the_order_does_not_depend_on_the_order_of_reading(entries: list[TranscriptEntry], random: object) -> None:
    shuffled = list(entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis gives a random.Random
    assert transcript_of(shuffled, ANYTHING) == transcript_of(entries, ANYTHING)


def test_the_newest_comes_first_and_of_one_day_what_was_recorded_last() -> None:
    early = entry(id="a", completed_on=date(2026, 1, 1), recorded_at=NOON + timedelta(days=1))
    morning, evening = entry(id="b"), entry(id="c", recorded_at=NOON + timedelta(hours=8))
    assert transcript_of([early, morning, evening], ANYTHING).entries == (evening, morning, early)


@pytest.mark.parametrize(
    ("wanted", "is_listed"),
    [
        (TranscriptFilter(from_on=date(2026, 5, 31), until_on=date(2026, 5, 31)), True),
        (TranscriptFilter(from_on=date(2026, 6, 1)), False),
        (TranscriptFilter(until_on=date(2026, 5, 30)), False),
        (TranscriptFilter(year=2026), True),
        (TranscriptFilter(year=2025), False),
        (TranscriptFilter(credit_type="ama_pra_category_1"), True),
        (TranscriptFilter(credit_type="participation"), False),
    ],
)
def test_both_days_of_a_period_belong_to_it(wanted: TranscriptFilter, *, is_listed: bool) -> None:
    assert bool(transcript_of([entry()], wanted).entries) is is_listed


def test_an_empty_transcript_has_neither_totals_nor_years() -> None:
    empty = transcript_of([], ANYTHING)
    assert (empty.entries, empty.totals, empty.years) == ((), (), ())


def test_a_total_is_named_by_the_newest_rule_and_keeps_two_decimals() -> None:
    newer = replace(AMA, version="2030-1", effective_on=date(2030, 1, 1), name="AMA PRA Category 1 Credits")
    [total] = transcript_of([entry(units=Decimal(1)), entry(id="awd_2", rule=newer)], ANYTHING).totals
    assert (total.rule, str(total.units), total.awards) == (newer, "2.25", 2)


def test_totals_are_listed_by_the_names_of_the_types() -> None:
    entries = [entry(id=rule.code, rule=rule) for rule in credit.rules()]
    names = [total.rule.name for total in transcript_of(entries, ANYTHING).totals]
    assert names == sorted(names, key=str.casefold)
    assert len(names) == len({rule.code for rule in credit.rules()})


def test_credit_older_than_every_rule_is_named_by_the_oldest() -> None:
    oldest = min((rule for rule in credit.rules() if rule.code == AMA.code), key=lambda rule: rule.effective_on)
    assert rule_at(AMA.code, date(1971, 4, 1)) == oldest
    assert rule_at(AMA.code, date(2026, 11, 21)) == AMA


def test_a_credit_type_that_nobody_knows_has_no_rule() -> None:
    with pytest.raises(UnknownCreditTypeError):
        rule_at("air_miles", date(2026, 1, 1))


def problems(credit_type: str = AMA.code, units: str = "1.25", completed_on: date = TODAY) -> set[str]:
    found = historical_award_problems(credit_type, Decimal(units), completed_on, TODAY)
    return {f"{problem.field}: {problem.code}" for problem in found}


def test_credit_of_today_may_be_entered() -> None:
    assert problems() == set()


def test_every_mistake_in_a_historical_award_is_named_at_once() -> None:
    assert problems(units="1.30", completed_on=date(2026, 11, 22)) == {
        "completed_on: date_in_future",
        "units: credit_increment",
    }
    assert problems(completed_on=FIRST_PLAUSIBLE_DAY - timedelta(days=1)) == {"completed_on: date_implausible"}
    assert problems("air_miles") == {"credit_type: credit_type_unknown"}


@pytest.mark.parametrize(
    ("rule", "units", "code"),
    [
        (AMA, "0.25", None),
        (AMA, str(MAXIMUM_UNITS), None),
        (AMA, "0.30", "credit_increment"),
        (replace(AMA, minimum_units=Decimal(1)), "0.75", "credit_minimum"),
        (AMA, "200.25", "credit_maximum"),
    ],
)
def test_an_amount_is_a_step_between_the_smallest_and_the_largest(
    rule: CreditRule, units: str, code: str | None
) -> None:
    problem = amount_problem(rule, Decimal(units))
    assert (problem.code if problem else None) == code


def test_awards_are_found_by_provider_and_by_words_in_any_order_and_case() -> None:
    found = entry(reference="MTG-1998")
    for wanted in (
        TranscriptFilter(provider="Northfield Medical Center"),
        TranscriptFilter(words="hour SEPSIS"),
        TranscriptFilter(words="northfield 1998"),
        TranscriptFilter(words="  "),
    ):
        assert wanted.lets_through(found)
    for wanted in (TranscriptFilter(provider="Northfield"), TranscriptFilter(words="sepsis stroke")):
        assert not wanted.lets_through(found)
    assert not TranscriptFilter(words="1998").lets_through(entry())


def test_providers_are_named_once_in_order() -> None:
    entries = [entry(provider=name) for name in ("society of b", "Academy of A", "society of b")]
    assert transcript_of(entries, ANYTHING).providers == ("Academy of A", "society of b")


def test_a_link_works_until_it_expires_or_is_revoked() -> None:
    later = NOON + timedelta(days=1)
    assert link_state(later, None, NOON) is TranscriptLinkState.ACTIVE
    assert link_state(NOON, None, NOON) is TranscriptLinkState.EXPIRED
    assert link_state(later, NOON, NOON) is TranscriptLinkState.REVOKED
