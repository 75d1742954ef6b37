"""How certificates and e-mails write dates and amounts, whatever the locale of the machine."""

from datetime import date
from decimal import Decimal

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DASH = "\N{EN DASH}"


def unit_words(amount: Decimal) -> str:
    """Return an amount with two decimals: "1.25", "2.00"."""
    return f"{amount:.2f}"


def day_words(day: date) -> str:
    """Return a date that nobody on either side of the Atlantic misreads: "May 3, 2026"."""
    return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"


def day_range_words(first: date | None, last: date | None) -> str | None:
    """Return one date, or two joined by a dash: "May 3-5, 2026", "May 30 - June 1, 2026", with an en dash."""
    if first is None or last is None or first == last:
        only = first or last
        return day_words(only) if only else None
    if first.year != last.year:
        return f"{day_words(first)} {_DASH} {day_words(last)}"
    if first.month != last.month:
        return f"{_MONTHS[first.month - 1]} {first.day} {_DASH} {day_words(last)}"
    return f"{_MONTHS[first.month - 1]} {first.day}{_DASH}{last.day}, {first.year}"
