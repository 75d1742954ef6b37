from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.policy import Session
from domain.session_checks import session_problems
from domain.sessions import Interval, interval_of, overlapping, total_units
from tests.domain.flows import MEETING, ZONE

ONE = Decimal("1.00")
START = datetime(2026, 6, 11, 14, tzinfo=UTC)
MOMENTS = st.integers(0, 12).map(lambda quarters: START + timedelta(minutes=15 * quarters))
INTERVALS = st.builds(lambda a, b: Interval(min(a, b), max(a, b) + timedelta(minutes=15)), MOMENTS, MOMENTS)


def session(code: str) -> Session:
    found = MEETING.session(code)
    assert found is not None
    return found


def test_a_session_is_held_at_its_local_times() -> None:
    assert interval_of(session("keynote"), ZONE) == Interval(
        datetime(2026, 6, 11, 14, tzinfo=UTC), datetime(2026, 6, 11, 15, tzinfo=UTC)
    )
    assert interval_of(session("keynote"), "Asia/Kolkata").starts_at == datetime(2026, 6, 11, 3, 30, tzinfo=UTC)


def test_a_session_that_spans_the_hour_that_clocks_skip_is_an_hour_shorter() -> None:
    spring = replace(session("keynote"), held_on=date(2026, 3, 8), starts_at=time(1), ends_at=time(4))
    held = interval_of(spring, ZONE)
    assert held.ends_at - held.starts_at == timedelta(hours=2)


def test_sessions_that_touch_do_not_overlap_and_those_that_share_a_minute_do() -> None:
    claimed = {"keynote": ONE, "sepsis": ONE}
    assert overlapping(MEETING, session("keynote"), claimed) == ()
    assert overlapping(MEETING, session("fungi"), claimed) == ("sepsis",)
    assert overlapping(MEETING, session("sepsis"), {"fungi": ONE, "measles": ONE}) == ("fungi",)


def test_a_session_does_not_overlap_itself_nor_what_is_not_claimed() -> None:
    assert overlapping(MEETING, session("sepsis"), {"sepsis": ONE}) == ()
    assert overlapping(MEETING, session("sepsis"), {}) == ()


@given(one=INTERVALS, other=INTERVALS)
def test_two_intervals_overlap_when_they_share_a_moment_whichever_is_asked(one: Interval, other: Interval) -> None:
    shared = min(one.ends_at, other.ends_at) - max(one.starts_at, other.starts_at)
    assert one.overlaps(other) == other.overlaps(one) == (shared > timedelta())
    assert one.overlaps(one)


@pytest.mark.parametrize(("claimed", "total"), [({}, "0"), ({"keynote": ONE, "sepsis": Decimal("1.50")}, "2.50")])
def test_claimed_sessions_add_up_exactly(claimed: dict[str, Decimal], total: str) -> None:
    assert str(total_units(claimed)) == total


def test_a_session_of_fifty_minutes_may_be_worth_a_whole_credit_because_begun_quarters_count() -> None:
    short = replace(session("keynote"), ends_at=time(9, 50))
    one_offer = replace(MEETING, credit=MEETING.credit[-1:], sessions=(short, *MEETING.sessions[1:]))
    assert list(session_problems(one_offer)) == []
