"""Merging what was watched: no second counts twice, and nothing that comes later takes anything away."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.intervals import Interval, Watched, length, merge

seconds = st.integers(0, 60)
intervals = st.lists(st.tuples(seconds, seconds).map(sorted).map(tuple), max_size=12)
reports = st.lists(st.tuples(intervals, st.integers(0, 100)), max_size=6)


def seconds_in(several: list[Interval] | tuple[Interval, ...]) -> set[int]:
    """The same by another way: each second by itself."""
    return {second for start, end in several for second in range(start, end)}


def reported(several: list[tuple[list[Interval], int]]) -> Watched:
    watched = Watched()
    for each in several:
        watched = watched.with_report(*each)
    return watched


@pytest.mark.parametrize(
    ("given_intervals", "merged"),
    [
        ([], ()),
        ([(0, 60), (30, 90)], ((0, 90),)),
        ([(60, 90), (0, 60)], ((0, 90),)),
        ([(0, 90), (30, 60)], ((0, 90),)),
        ([(0, 10), (20, 30)], ((0, 10), (20, 30))),
        ([(5, 5)], ()),
    ],
)
def test_what_overlaps_or_touches_becomes_one(given_intervals: list[Interval], merged: tuple[Interval, ...]) -> None:
    assert merge(given_intervals) == merged


@given(intervals)
def test_merged_intervals_hold_exactly_the_seconds_of_their_parts(several: list[Interval]) -> None:
    merged = merge(several)
    assert seconds_in(merged) == seconds_in(several)
    assert length(merged) == len(seconds_in(several)) <= sum(end - start for start, end in several)
    assert all(start < end for start, end in merged)
    assert all(one[1] < other[0] for one, other in pairwise(merged))
    assert merge(merged) == merged


@given(reports, st.data())
def test_neither_order_nor_repetition_changes_the_result(
    several: list[tuple[list[Interval], int]], data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(several), max_size=4)) if several else []
    assert reported(data.draw(st.permutations(several + repeated))) == reported(several)


@given(reports, intervals, st.integers(0, 100))
def test_a_report_never_lowers_what_is_known(
    several: list[tuple[list[Interval], int]], more: list[Interval], total: int
) -> None:
    before = reported(several)
    after = before.with_report(more, total)
    assert after.seconds >= before.seconds
    assert seconds_in(after.intervals) >= seconds_in(before.intervals)


@given(intervals, st.tuples(seconds, seconds, seconds).map(sorted))
def test_splitting_an_interval_changes_nothing(several: list[Interval], points: list[int]) -> None:
    start, middle, end = points
    whole = Watched().with_report([*several, (start, end)], 0)
    assert Watched().with_report([*several, (start, middle), (middle, end)], 0) == whole


@given(intervals, st.integers(0, 100))
def test_a_total_is_a_floor_and_is_not_added(several: list[Interval], total: int) -> None:
    assert Watched().with_report(several, total).seconds == max(total, len(seconds_in(several)))
