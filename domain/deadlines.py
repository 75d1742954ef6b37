"""Local days and claim windows as instants.

Staff and learners speak of days in the CE activity's zone; timers and comparisons need instants. A window's days are
inclusive, and a deadline is the last microsecond of its day in that zone (R-TZ). All results are aware and in UTC.
"""

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.policy import ClaimWindow

_MICROSECOND = timedelta(microseconds=1)
_FIRST_OF_DAY = time()
_LAST_OF_DAY = time.max


def start_of_day(on: date, time_zone: str) -> datetime:
    """The first instant of a local day.

    Where clocks jump over midnight it is the first instant after the jump; where midnight comes twice, the first one.
    """
    return time_of_day(on, _FIRST_OF_DAY, time_zone)


@lru_cache(maxsize=4096)
def time_of_day(on: date, wall: time, time_zone: str) -> datetime:
    """The instant at which clocks in the zone first show this time of a day; after the jump if they skip it."""
    zone = ZoneInfo(time_zone)
    instant = datetime.combine(on, wall, tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == datetime.combine(on, wall):
        return instant
    return _end_of_gap(on, wall, zone)


def end_of_day(on: date, time_zone: str) -> datetime:
    """The last microsecond of a local day.

    Where clocks jump over the day's end it is the last microsecond before the jump; where the last hour comes twice,
    it is in the second one.
    """
    zone = ZoneInfo(time_zone)
    instant = datetime.combine(on, _LAST_OF_DAY, tzinfo=zone).replace(fold=1).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == datetime.combine(on, _LAST_OF_DAY):
        return instant
    return _end_of_gap(on, _LAST_OF_DAY, zone) - _MICROSECOND


def local_date(at: datetime, time_zone: str) -> date:
    """The date on a calendar in the zone at this instant."""
    return at.astimezone(ZoneInfo(time_zone)).date()


def opens_at(window: ClaimWindow, time_zone: str) -> datetime | None:
    """When credit may first be claimed; None when it always may."""
    return None if window.opens_on is None else start_of_day(window.opens_on, time_zone)


def due_at(window: ClaimWindow, time_zone: str, opened_at: datetime) -> datetime | None:
    """The deadline of a claim opened at this instant: the earlier of the two that the window may name, or None."""
    last_days = [window.closes_on] if window.closes_on is not None else []
    if window.days is not None:
        last_days.append(local_date(opened_at, time_zone) + timedelta(days=window.days))
    return end_of_day(min(last_days), time_zone) if last_days else None


def expires_at(due_at: datetime, claim_id: str, grace: timedelta, jitter: timedelta) -> datetime:
    """When to close a claim whose learner let the deadline pass.

    The grace lets steps in flight arrive; the jitter spreads claims that are due in the same second.
    """
    return due_at + grace + jitter_of(claim_id, jitter)


def jitter_of(claim_id: str, most: timedelta) -> timedelta:
    """A claim's own delay between nothing and ``most``, by its id only: a restarted claim arms the same timer again."""
    fraction = int.from_bytes(hashlib.sha256(claim_id.encode()).digest()[:8])
    return (most // _MICROSECOND * fraction >> 64) * _MICROSECOND


def _end_of_gap(on: date, wall: time, zone: ZoneInfo) -> datetime:
    """The first instant after the gap in which this wall time is skipped, to the microsecond."""
    skipped = datetime.combine(on, wall, tzinfo=zone)
    # In a gap the offset before it (fold=0) puts a wall time after the jump, and the offset after it puts it before.
    before, after = skipped.replace(fold=1).astimezone(UTC), skipped.replace(fold=0).astimezone(UTC)
    offset_before = before.astimezone(zone).utcoffset()
    while after - before > _MICROSECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset_before:
            before = middle
        else:
            after = middle
    return after
