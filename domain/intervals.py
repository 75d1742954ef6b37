"""Intervals of a piece of content that a learner watched or attended, merged so that no second counts twice.

An interval ``(start, end)`` holds the whole seconds from ``start`` up to, and without, ``end``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

Interval = tuple[int, int]

# More pieces than this are no way of watching; the bound keeps a row of the record small.
MOST_INTERVALS: Final = 1_000
MOST_SECONDS: Final = 31 * 86_400


def merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """The same seconds in as few intervals as possible, in order; those that touch become one, empty ones go."""
    merged: list[Interval] = []
    for start, end in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def length(merged: Sequence[Interval]) -> int:
    """How many seconds merged intervals hold."""
    return sum(end - start for start, end in merged)


@dataclass(frozen=True, slots=True)
class Watched:
    """How much of one piece of content is complete: merged intervals, and the seconds that count.

    ``seconds`` may be more than the intervals hold, because some platforms report totals only.
    """

    intervals: tuple[Interval, ...] = ()
    seconds: int = 0

    def with_report(self, intervals: Iterable[Interval], seconds: int) -> "Watched":
        """This and what a platform reports: a total is a floor, so neither order nor repetition changes the result."""
        merged = merge((*self.intervals, *intervals))
        return Watched(merged, max(self.seconds, length(merged), seconds))
