"""A moment as an entry of a calendar (iCalendar, RFC 5545)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

MEDIA_TYPE: Final = "text/calendar"
_LINE_BYTES: Final = 75
_ESCAPED: Final = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n", "\r": ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEntry:
    """One moment, what it is, and the page about it. The same ``uid`` replaces the entry that was taken over before."""

    uid: str
    at: datetime
    summary: str
    url: str


def calendar(entry: CalendarEntry, made_at: datetime) -> bytes:
    """A calendar of one entry, which calendars announce a day before."""
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Laurel//Laurel//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{entry.uid}",
        f"DTSTAMP:{_time(made_at)}",
        f"DTSTART:{_time(entry.at)}",
        f"SUMMARY:{entry.summary.translate(_ESCAPED)}",
        f"DESCRIPTION:{entry.url.translate(_ESCAPED)}",
        f"URL:{entry.url}",
        "TRANSP:TRANSPARENT",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        "TRIGGER:-P1D",
        f"DESCRIPTION:{entry.summary.translate(_ESCAPED)}",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    return b"".join(_folded(line) for line in lines)


def _time(at: datetime) -> str:
    """A time in UTC, to the second before it: a deadline ends with its day, and calendars round up."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _folded(line: str) -> bytes:
    """A line of at most 75 bytes, continued after a blank; no character is broken (RFC 5545, 3.1)."""
    folded, length = [], 0
    for character in line:
        size = len(character.encode())
        if length + size > _LINE_BYTES:
            folded.append("\r\n ")
            length = 1
        folded.append(character)
        length += size
    return "".join((*folded, "\r\n")).encode()
