"""How long records are kept."""

from dataclasses import replace
from datetime import date

import pytest

from domain.credit import rules
from domain.retention import (
    FEWEST_YEARS,
    Kept,
    Standing,
    longest,
    longest_retention_years,
    retention_years,
    years_later,
)
from tests.domain.flows import RECORDED_LECTURE

LAST_ON = date(2026, 5, 1)


def test_six_years_is_the_least_and_the_longest_of_several_counts() -> None:
    assert (longest([]), longest([3]), longest([6, 10, 7])) == (6, 6, 10)
    offered = {each.credit_type for each in RECORDED_LECTURE.credit}
    of_types = [rule.retention_years for rule in rules() if rule.code in offered]
    assert retention_years(RECORDED_LECTURE) == max(6, *of_types)
    assert retention_years(replace(RECORDED_LECTURE, credit=())) == FEWEST_YEARS
    assert longest_retention_years() == max(6, *(rule.retention_years for rule in rules()))


@pytest.mark.parametrize(
    ("day", "years", "later"),
    [
        (date(2026, 5, 1), 6, date(2032, 5, 1)),
        (date(2028, 2, 29), 4, date(2032, 2, 29)),
        (date(2028, 2, 29), 6, date(2034, 3, 1)),
        (date(2034, 3, 1), -6, date(2028, 3, 1)),
    ],
)
def test_years_are_counted_by_the_calendar(day: date, years: int, later: date) -> None:
    assert years_later(day, years) == later


@pytest.mark.parametrize(
    ("kept", "before", "standing"),
    [
        (Kept(last_on=LAST_ON, years=6), date(2032, 5, 1), Standing.TOO_YOUNG),
        (Kept(last_on=LAST_ON, years=6), date(2032, 5, 2), Standing.DUE),
        (Kept(last_on=LAST_ON, years=7), date(2032, 5, 2), Standing.TOO_YOUNG),
        (Kept(last_on=LAST_ON, years=6, is_held=True), date(2032, 5, 2), Standing.HELD),
        (Kept(last_on=LAST_ON, years=6, is_held=True), date(2032, 5, 1), Standing.TOO_YOUNG),
        (Kept(last_on=LAST_ON, years=6, is_open=True, is_held=True), date(2040, 1, 1), Standing.OPEN),
    ],
)
def test_only_what_is_old_enough_ended_and_not_held_is_due(kept: Kept, before: date, standing: Standing) -> None:
    assert kept.standing(before) is standing
