from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.deadlines import due_at, end_of_day, expires_at, local_date, opens_at, start_of_day
from domain.policy import ClaimWindow

MICROSECOND = timedelta(microseconds=1)
ZONES = sorted(available_timezones() - {"localtime"})
ORDINARY_DAYS = st.dates(date(2000, 1, 1), date(2037, 12, 31))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "on", "first", "last"),
    [
        ("UTC", date(2026, 12, 31), "2026-12-31T00:00", "2026-12-31T23:59:59.999999"),
        ("America/Chicago", date(2026, 12, 31), "2026-12-31T06:00", "2027-01-01T05:59:59.999999"),
        ("Pacific/Kiritimati", date(2027, 1, 1), "2026-12-31T10:00", "2027-01-01T09:59:59.999999"),
        ("Pacific/Pago_Pago", date(2026, 12, 31), "2026-12-31T11:00", "2027-01-01T10:59:59.999999"),
        # Days of 23 and of 25 hours, with the change in the small hours.
        ("America/Chicago", date(2026, 3, 8), "2026-03-08T06:00", "2026-03-09T04:59:59.999999"),
        ("America/Chicago", date(2026, 11, 1), "2026-11-01T05:00", "2026-11-02T05:59:59.999999"),
        # Midnight is skipped: the day starts at 01:00.
        ("Africa/Cairo", date(2024, 4, 26), "2024-04-25T22:00", "2024-04-26T20:59:59.999999"),
        # Midnight comes twice: the day starts at the first one.
        ("America/Havana", date(2023, 11, 5), "2023-11-05T04:00", "2023-11-06T04:59:59.999999"),
        # At midnight the clocks go back to 23:00: the last hour of the day comes twice.
        ("America/Sao_Paulo", date(2018, 2, 17), "2018-02-17T02:00", "2018-02-18T02:59:59.999999"),
        # The end of the day is skipped: clocks jumped from 23:30 to 00:30 of the next one.
        ("America/Toronto", date(1919, 3, 30), "1919-03-30T05:00", "1919-03-31T04:29:59.999999"),
    ],
)
def test_a_local_day_begins_and_ends_at_these_instants(zone: str, on: date, first: str, last: str) -> None:
    assert (start_of_day(on, zone), end_of_day(on, zone)) == (utc(first), utc(last))


def test_a_day_that_a_country_left_out_is_empty_and_next_to_its_neighbours() -> None:
    skipped = date(2011, 12, 30)
    assert end_of_day(skipped, "Pacific/Apia") + MICROSECOND == start_of_day(skipped, "Pacific/Apia")
    assert start_of_day(skipped, "Pacific/Apia") == start_of_day(date(2011, 12, 31), "Pacific/Apia")
    assert end_of_day(skipped, "Pacific/Apia") == end_of_day(date(2011, 12, 29), "Pacific/Apia")


@given(zone=st.sampled_from(ZONES), on=ORDINARY_DAYS)
def test_in_every_zone_a_day_holds_its_first_and_last_instant_and_nothing_beyond(zone: str, on: date) -> None:
    if (zone, on) in skipped_days():
        return
    first, last = start_of_day(on, zone), end_of_day(on, zone)
    assert local_date(first, zone) == local_date(last, zone) == on
    assert local_date(first - MICROSECOND, zone) < on
    assert local_date(last + MICROSECOND, zone) > on
    assert timedelta(hours=20) < last - first < timedelta(hours=28)
    assert first.tzinfo is UTC
    assert last.tzinfo is UTC


@pytest.mark.parametrize("zone", ZONES[:: max(1, len(ZONES) // 150)])
def test_days_on_which_clocks_change_hold_their_first_and_last_instant(zone: str) -> None:
    for on in transition_days(zone):
        if (zone, on) not in skipped_days():
            assert local_date(start_of_day(on, zone), zone) == local_date(end_of_day(on, zone), zone) == on
            assert local_date(end_of_day(on, zone) + MICROSECOND, zone) > on


def test_a_window_opens_with_its_first_day_in_the_zone_of_the_ce_activity() -> None:
    window = ClaimWindow(opens_on=date(2026, 3, 1))
    assert opens_at(window, "America/Chicago") == utc("2026-03-01T06:00")
    assert opens_at(ClaimWindow(), "America/Chicago") is None


def test_the_deadline_is_the_earlier_of_the_two_that_a_window_names() -> None:
    opened_at = utc("2026-03-01T03:00")  # Still the last day of February in Chicago.
    closes_on = date(2026, 3, 20)
    by_date = end_of_day(date(2026, 3, 20), "America/Chicago")
    by_days = end_of_day(date(2026, 3, 10), "America/Chicago")
    assert due_at(ClaimWindow(), "America/Chicago", opened_at) is None
    assert due_at(ClaimWindow(closes_on=closes_on), "America/Chicago", opened_at) == by_date
    assert due_at(ClaimWindow(days=10), "America/Chicago", opened_at) == by_days
    assert due_at(ClaimWindow(closes_on=closes_on, days=10), "America/Chicago", opened_at) == by_days


@given(claim_id=st.text(max_size=40).filter(str.isprintable), jitter=st.timedeltas(timedelta(), timedelta(days=1)))
def test_a_claim_expires_after_the_grace_and_within_the_jitter_always_at_the_same_instant(
    claim_id: str, jitter: timedelta
) -> None:
    due, grace = utc("2026-06-30T05:00"), timedelta(seconds=60)
    expiry = expires_at(due, claim_id, grace, jitter)
    assert due + grace <= expiry <= due + grace + jitter
    assert expiry == expires_at(due, claim_id, grace, jitter)


def test_claims_due_together_expire_spread_over_the_jitter() -> None:
    due, jitter = utc("2026-06-30T05:00"), timedelta(seconds=10)
    seconds = [int((expires_at(due, f"claim_{n}", timedelta(), jitter) - due).total_seconds()) for n in range(1000)]
    assert all(50 < seconds.count(second) < 150 for second in range(10))


def transition_days(zone: str) -> list[date]:
    """The days between 2000 and 2030 at whose noon the offset differs from the day before, and those beside them."""
    days = []
    offset = None
    for number in range(366 * 30):
        on = date(2000, 1, 1) + timedelta(days=number)
        now = datetime(on.year, on.month, on.day, 12, tzinfo=ZoneInfo(zone)).utcoffset()
        if offset is not None and now != offset:
            days += [on - timedelta(days=1), on, on + timedelta(days=1)]
        offset = now
    return days


def skipped_days() -> set[tuple[str, date]]:
    """The zones that moved over the date line between 2000 and 2037 (Samoa and Tokelau), with the day they left out."""
    return {(zone, date(2011, 12, 30)) for zone in ("Pacific/Apia", "Pacific/Fakaofo")}
