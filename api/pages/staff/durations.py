"""Lengths of time as people say them: in one unit, the greatest that fits."""

from typing import Final

from config.languages import ngettext

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def duration_words(seconds: float) -> str:
    """``45 seconds``, ``3 minutes``, ``2 hours``, ``5 days``: whole ones, in the present language."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return ngettext("{number} second", "{number} seconds", whole).format(number=whole)
    if whole < _HOUR:
        number = whole // _MINUTE
        return ngettext("{number} minute", "{number} minutes", number).format(number=number)
    # Up to two days hours say more.
    if whole < 2 * _DAY:
        number = whole // _HOUR
        return ngettext("{number} hour", "{number} hours", number).format(number=number)
    number = whole // _DAY
    return ngettext("{number} day", "{number} days", number).format(number=number)
