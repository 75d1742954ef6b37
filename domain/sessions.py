"""Sessions of a meeting: what may be claimed for each, which of them overlap, and what they add up to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from domain.deadlines import time_of_day
from domain.policy import CEActivityPolicy, Session

NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Interval:
    """From when to when a session is held; aware, in UTC."""

    starts_at: datetime
    ends_at: datetime

    def overlaps(self, other: "Interval") -> bool:
        """Whether both are held at one moment; one that begins as the other ends does not overlap it."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at


def interval_of(session: Session, time_zone: str) -> Interval:
    """When a session is held, from its local times (R-TZ)."""
    starts_at = time_of_day(session.held_on, session.starts_at, time_zone)
    return Interval(starts_at, time_of_day(session.held_on, session.ends_at, time_zone))


def overlapping(policy: CEActivityPolicy, session: Session, claimed: Mapping[str, Decimal]) -> tuple[str, ...]:
    """The claimed sessions that were held at the same time: nobody attends two at once (R-AMA-10).

    No session goes on past midnight (``domain/session_checks.py``), so those of another day need no look.
    """
    held = interval_of(session, policy.time_zone)
    return tuple(
        other.code
        for other in policy.sessions
        if other.held_on == session.held_on
        and other.code in claimed
        and other.code != session.code
        and held.overlaps(interval_of(other, policy.time_zone))
    )


def total_units(claimed: Mapping[str, Decimal]) -> Decimal:
    """What the claimed sessions add up to."""
    return sum(claimed.values(), NOTHING)
