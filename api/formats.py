"""Dates, times and amounts as people read them."""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.dates import format_date

from config.languages import current_language, locale_of


def day(value: date | str) -> str:
    """A date as people read it: ``30 Nov 2026``."""
    on = date.fromisoformat(value) if isinstance(value, str) else value
    return str(format_date(on, "d MMM y", locale=locale_of(current_language())))


def moment(value: datetime | str, time_zone: str) -> str:
    """A time in a zone, with city and offset: ``30 Nov 2026, 23:59 (Chicago, UTC-6)``; in UTC without either."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    local = at.astimezone(ZoneInfo(time_zone))
    if time_zone == "UTC":
        return f"{day(local.date())}, {local:%H:%M} UTC"
    city = time_zone.rpartition("/")[2].replace("_", " ")
    return f"{day(local.date())}, {local:%H:%M} ({city}, {_offset(local)})"


def clock(value: datetime | str, time_zone: str) -> str:
    """The time of day in a zone, where the date and the zone stand beside it: ``23:59``."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{at.astimezone(ZoneInfo(time_zone)):%H:%M}"


def _offset(local: datetime) -> str:
    minutes = int((local.utcoffset() or local - local).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")


def units(value: Decimal | str) -> str:
    """An amount of credit with two decimals."""
    return f"{Decimal(value):.2f}"
