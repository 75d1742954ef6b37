"""How long the record of a CE activity must be kept.

Attendance must be verifiable for six years from the date of the activity (R-ACC-3). Some accreditors ask for more, so
each credit type says how long, and the longest of those that a CE activity offers counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from domain.credit import rule_of, rules
from domain.policy import CEActivityPolicy

FEWEST_YEARS: Final = 6
"""Whatever a credit type says, nothing is removed before (R-ACC-3)."""


class Standing(StrEnum):
    """What a purge does with a record."""

    DUE = "due"
    TOO_YOUNG = "too_young"
    HELD = "held"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What decides about one record: its last day (local date of completion or end), and what keeps it beyond."""

    last_on: date
    years: int
    is_held: bool = False
    is_open: bool = False

    @property
    def until(self) -> date:
        """The first day on which it may be removed."""
        return years_later(self.last_on, self.years)

    def standing(self, before: date) -> Standing:
        """What a purge of everything whose retention ended before this day does with it."""
        if self.is_open:
            return Standing.OPEN
        if self.until >= before:
            return Standing.TOO_YOUNG
        return Standing.HELD if self.is_held else Standing.DUE


def retention_years(policy: CEActivityPolicy) -> int:
    """For how many years what belongs to a CE activity is kept."""
    return longest(rule_of(offer).retention_years for offer in policy.credit)


def longest_retention_years() -> int:
    """For how many years something is kept of which nobody knows to which credit it belongs."""
    return longest(rule.retention_years for rule in rules())


def longest(years: Iterable[int]) -> int:
    """The longest of these, and never less than six years."""
    return max([FEWEST_YEARS, *years])


def years_later(day: date, years: int) -> date:
    """The same day so many years later; the first of March where there is no 29 February."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
