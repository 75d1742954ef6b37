"""What people call the program that they are signed in with: a browser and a system, told coarsely by its User-Agent.

Nothing else is taken from it: versions and models would tell people apart, and help nobody to know a device again.
"""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Device:
    """A browser and the system that it runs on, as their makers call them; None for what is not known."""

    browser: str | None
    system: str | None


UNKNOWN_DEVICE: Final = Device(None, None)

# Browsers name those that they want to be taken for as well, so whoever names fewest comes last.
_BROWSERS: Final = {
    "Edge": re.compile(r"\bEdg(?:e|A|iOS)?/"),
    "Opera": re.compile(r"\bOPR/|\bOpera\b"),
    "Samsung Internet": re.compile(r"\bSamsungBrowser/"),
    "Firefox": re.compile(r"\b(?:Firefox|FxiOS)/"),
    "Chrome": re.compile(r"\b(?:(?:Headless)?Chrome|CriOS|Chromium)/"),
    "Safari": re.compile(r"\bSafari/"),
}
_SYSTEMS: Final = {
    "iPadOS": re.compile(r"\biPad\b"),
    "iOS": re.compile(r"\biPhone\b|\biPod\b"),
    "Android": re.compile(r"\bAndroid\b"),
    "Windows": re.compile(r"\bWindows\b"),
    "ChromeOS": re.compile(r"\bCrOS\b"),
    "macOS": re.compile(r"\bMac OS X\b|\bMacintosh\b"),
    "Linux": re.compile(r"\bLinux\b"),
}
_LONGEST: Final = 500


def device_of(user_agent: str) -> Device:
    """The device that a User-Agent names; what it does not name, or we do not know, is None."""
    shown = user_agent[:_LONGEST]
    return Device(_first(_BROWSERS, shown), _first(_SYSTEMS, shown))


def _first(names: dict[str, re.Pattern[str]], user_agent: str) -> str | None:
    return next((name for name, pattern in names.items() if pattern.search(user_agent)), None)
