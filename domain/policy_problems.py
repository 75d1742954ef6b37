"""How a mistake in a policy is told to its author, and the small checks that many parts of a policy share."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

Path = tuple[str | int, ...]

_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_TYPED_CODE = re.compile(r"[A-Za-z0-9-]{4,32}")
_PICTURE_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MAXIMUM_PICTURE_NAME_LENGTH = 64
_WEB_ADDRESS = re.compile(r"https?://[!-~]+")
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2100, 12, 31)


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """One mistake: the field's path in the policy, and a sentence that says what would be right.

    ``reads`` are the paths of other fields that the judgement rests on. While one of those is unreadable the problem
    is not reported, because its author would be sent to the wrong place.
    """

    path: Path
    message: str
    reads: tuple[Path, ...] = ()


def between(path: Path, value: int, least: int, most: int) -> Iterator[PolicyProblem]:
    """A number within limits, both inclusive."""
    if not least <= value <= most:
        yield PolicyProblem(path, f"is from {least} to {most}")


def entries(path: Path, values: Sequence[object], least: int, most: int) -> Iterator[PolicyProblem]:
    """A list whose length is within limits, both inclusive."""
    if not least <= len(values) <= most:
        yield PolicyProblem(path, f"has {least} to {most} entries")


def unique(path: Path, values: Sequence[object], key: str | None = None) -> Iterator[PolicyProblem]:
    """A list that says nothing twice; ``key`` is the field of its entries that the values come from."""
    for at, value in enumerate(values):
        earlier = values.index(value)
        if earlier < at:
            tail = (key,) if key else ()
            yield PolicyProblem((*path, at, *tail), "is used once only", ((*path, earlier, *tail),))


def codes(path: Path, values: Sequence[str]) -> Iterator[PolicyProblem]:
    """The codes of a list's entries: made of plain letters, and each used once."""
    for at, code in enumerate(values):
        if not _CODE.fullmatch(code):
            message = "is made of a to z, 0 to 9, _ and -, starts with a letter or digit, and is at most 64 long"
            yield PolicyProblem((*path, at, "code"), message)
    yield from unique(path, values, "code")


def typed_code(path: Path, code: str | None) -> Iterator[PolicyProblem]:
    """A code that people type from a slide or a letter."""
    if code is not None and not _TYPED_CODE.fullmatch(code):
        yield PolicyProblem(path, "is made of letters, digits and -, and is 4 to 32 long")


def picture_name(path: Path, name: str | None) -> Iterator[PolicyProblem]:
    """The name of a stored picture."""
    if name is not None and (len(name) > _MAXIMUM_PICTURE_NAME_LENGTH or not _PICTURE_NAME.fullmatch(name)):
        yield PolicyProblem(path, "is the name of a picture, such as dean-okafor: a-z, 0-9 and -, at most 64 long")


def web_address(path: Path, address: str | None) -> Iterator[PolicyProblem]:
    """An address that a link may lead to."""
    if address is not None and not _WEB_ADDRESS.fullmatch(address):
        yield PolicyProblem(path, "is a web address that starts with https:// or http://")


def day(path: Path, value: date | None) -> Iterator[PolicyProblem]:
    """A day that a CE activity can have something to do with."""
    if value is not None and not _FIRST_DAY <= value <= _LAST_DAY:
        yield PolicyProblem(path, f"is from {_FIRST_DAY} to {_LAST_DAY}")
