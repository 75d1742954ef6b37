"""Plain values read into the dataclasses of a policy, field by field, with every mistake kept.

In place of what cannot be read stands a value of the right type, so that the rest can still be judged;
``Shapes.unsound`` says where. Nothing is converted: text is not a number, and a number is not text.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, time
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from domain import credit
from domain.policy import CEActivityPolicy, Requirement
from domain.policy_problems import Path
from storage.definitions.notation import UNREADABLE, Found

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
# Looking for the name that was meant takes a while; nobody reads more suggestions than this.
_MAXIMUM_SUGGESTIONS: Final = 100


class Shapes:
    """Reads values, and keeps what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[Found] = []
        self.unsound: set[Path] = set()

    def read(self, hint: Any, value: object, path: Path) -> Any:
        """A value of the type that the hint names, or a stand-in for it."""
        if value is UNREADABLE:
            return self._stand_in(hint, path)
        if hint == Requirement:
            return self._read_requirement(value, path)
        if isinstance(hint, UnionType):
            return None if value is None else self.read(_without_none(hint), value, path)
        if value is None:
            return self._refuse(hint, path, "has no value")
        if is_dataclass(hint):
            return self._read_fields(hint, value, path)
        if get_origin(hint) is tuple:
            return self._read_list(hint, value, path)
        if _words(hint):
            return _as_word(hint, value) if value in _words(hint) else self._refuse(hint, path, _one_of(_words(hint)))
        reader, message = _READERS[hint]
        read = reader(value)
        return self._refuse(hint, path, message) if read is None else read

    def _read_requirement(self, value: object, path: Path) -> Any:
        kinds = requirement_classes()
        if not isinstance(value, dict):
            return self._refuse(Requirement, path, "is a mapping of fields that begins with its kind")
        kind = value.get("kind")
        if isinstance(kind, str) and kind in kinds:
            return self._read_fields(kinds[kind], value, path)
        if kind is not UNREADABLE:
            self.problems.append(((*path, "kind"), _one_of(kinds)))
        return self._stand_in(Requirement, path)

    def _read_fields(self, cls: Any, value: object, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._refuse(cls, path, f"is a mapping of fields: {', '.join(_fields(cls))}")
        self._report_unknown(cls, value, path)
        hints, read = _hints(cls), {}
        for name, field in _fields(cls).items():
            if name in value:
                read[name] = self.read(hints[name], value[name], (*path, name))
            elif field.default is MISSING:
                read[name] = self._refuse(hints[name], (*path, name), "is missing")
        return cls(**read)

    def _report_unknown(self, cls: Any, value: Mapping[str, object], path: Path) -> None:
        known = _fields(cls)
        for name in value:
            if name not in known:
                # A name that is right elsewhere is not misspelt.
                is_word = name in _all_names() or len(self.problems) >= _MAXIMUM_SUGGESTIONS
                close = [] if is_word else get_close_matches(name, [each for each in known if each not in value], n=1)
                meant = f"; did you mean {close[0]}?" if close else ""
                self.problems.append(((*path, name), f"is not a field here{meant}"))

    def _read_list(self, hint: Any, value: object, path: Path) -> tuple[Any, ...]:
        if not isinstance(value, list):
            self._refuse(hint, path, "is a list")
            return ()
        entry = get_args(hint)[0]
        return tuple(self.read(entry, each, (*path, at)) for at, each in enumerate(value))

    def _refuse(self, hint: Any, path: Path, message: str) -> Any:
        self.problems.append((path, message))
        return self._stand_in(hint, path)

    def _stand_in(self, hint: Any, path: Path) -> Any:
        self.unsound.add(path)
        return _stand_in_of(hint)


@cache
def requirement_classes() -> dict[str, Any]:
    """The class of each kind of requirement."""
    return {str(_fields(each)["kind"].default): each for each in get_args(Requirement)}


@cache
def policy_classes() -> dict[str, Any]:
    """Every class that a policy is made of, by its name."""
    found: dict[str, Any] = {}
    waiting: list[Any] = [CEActivityPolicy]
    while waiting:
        hint = waiting.pop()
        if is_dataclass(hint) and isinstance(hint, type) and hint.__name__ not in found:
            found[hint.__name__] = hint
            waiting += _hints(hint).values()
        waiting += get_args(hint)
    return found


@cache
def _all_names() -> frozenset[str]:
    return frozenset(name for cls in policy_classes().values() for name in _fields(cls))


@cache
def _hints(cls: Any) -> dict[str, Any]:
    """The types of a class's fields."""
    return get_type_hints(cls)


@cache
def _fields(cls: Any) -> dict[str, Field[Any]]:
    return {field.name: field for field in fields(cls)}


def _without_none(hint: UnionType) -> Any:
    (inner,) = [each for each in get_args(hint) if each is not NoneType]
    return inner


def _words(hint: Any) -> tuple[str, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(hint) if isinstance(hint, type) and issubclass(hint, StrEnum) else ()


def _as_word(hint: Any, word: object) -> Any:
    """A word as a value of its type."""
    return hint(word) if isinstance(hint, type) else word


def _one_of(words: Iterable[str]) -> str:
    *most, last = words
    return f"is {', '.join(most)} or {last}" if most else f"is {last}"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole_number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _units(value: object) -> Decimal | None:
    try:
        return credit.parse_units(str(value))
    except ValueError:
        return None


def _date(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) and _DATE.fullmatch(value) else None
    except ValueError:
        return None


def _time(value: object) -> time | None:
    return time.fromisoformat(value) if isinstance(value, str) and _TIME.fullmatch(value) else None


# How a plain value is read, and what is said when it cannot be.
_READERS: Final[dict[Any, tuple[Callable[[object], Any], str]]] = {
    str: (_text, "is text; write it in quotes"),
    int: (_whole_number, "is a whole number, without quotes"),
    bool: (_truth, "is true or false, without quotes"),
    Decimal: (_units, "is written in digits with at most two decimals, such as 1.25"),
    date: (_date, "is a date such as 2026-09-30"),
    time: (_time, "is a time of day such as 08:30"),
}
_STAND_INS: Final[dict[Any, Any]] = {
    str: "x",
    int: 1,
    bool: False,
    Decimal: Decimal(1),
    date: date(2000, 1, 1),
    time: time(),
}


@cache
def _stand_in_of(hint: Any) -> Any:
    if hint == Requirement:
        return _stand_in_of(get_args(Requirement)[0])
    if isinstance(hint, UnionType):
        return None
    if is_dataclass(hint) and isinstance(hint, type):
        hints = _hints(hint)
        needed = [field.name for field in fields(hint) if field.default is MISSING]
        return hint(**{name: _stand_in_of(hints[name]) for name in needed})
    if get_origin(hint) is tuple:
        return ()
    return _as_word(hint, _words(hint)[0]) if _words(hint) else _STAND_INS[hint]
