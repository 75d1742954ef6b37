"""Forms over a definition: what is shown of it, and the definition with what was typed.

A form is described by fields that are named as they are in the definition (``claim_window.closes_on``,
``questions.0.text``), so the API's mistakes find their field by themselves. Here is no rule about what is right.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from api.pages.form import Form
from config.languages import gettext

Json = dict[str, Any]
Choices = tuple[tuple[str, str], ...]

_NOT_IN_CODE: Final = re.compile(r"[^a-z0-9]+")
_POINTER: Final = re.compile(r"(?:line \d+: ?)?(.*)")
_MOST_ROWS: Final = 500
_LONGEST_CODE: Final = 40


class Kind(StrEnum):
    """How a field is filled in. ``right`` chooses one of the rows beside it; ``code`` is carried along unseen."""

    TEXT = "text"
    LONG = "long"
    DATE = "date"
    TIME = "time"
    NUMBER = "number"
    NUMBERS = "numbers"
    CHOICE = "choice"
    MANY = "many"
    SWITCH = "switch"
    RIGHT = "right"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name in the definition, and what it is called. ``default`` is what nothing said stands for."""

    name: str
    label: str
    kind: Kind = Kind.TEXT
    hint: str = ""
    choices: Choices = ()
    default: Any = None
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of things that have the same fields. ``coded_by`` names the field that a new thing's code is made of.

    ``blank`` empty ones stand at the end, and as many as it takes for ``least``; those left empty are not kept.
    ``is_compact`` shows one text for each, ``is_grid`` their fields side by side.
    """

    name: str
    legend: str
    fields: "tuple[Field | Rows, ...]"
    coded_by: str | None = None
    blank: int = 1
    least: int = 0
    is_compact: bool = False
    is_grid: bool = False


Part = Field | Rows


@dataclass(frozen=True, slots=True)
class Shown:
    """A field as it stands in the form."""

    name: str
    label: str
    kind: Kind
    hint: str
    value: Any
    choices: Sequence[tuple[str, str, bool]]
    is_required: bool


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One of several things; ``parts`` are its fields. ``is_right`` says that it is the chosen one among its rows."""

    name: str
    index: int
    legend: str
    is_new: bool
    is_right: bool
    parts: "Sequence[Shown | ShownRows]"


@dataclass(frozen=True, slots=True)
class ShownRows:
    """A list of things; ``right_name`` is the field that chooses one of them, if one does."""

    name: str
    legend: str
    rows: Sequence[ShownRow]
    right_name: str | None
    is_compact: bool
    is_grid: bool
    kind: str = field(default="rows")


def show(parts: Sequence[Part], values: Mapping[str, Any], prefix: str = "") -> list[Shown | ShownRows]:
    """The fields with what the definition says in them."""
    chosen = {_list_of(each, parts): each for each in parts if isinstance(each, Field) and each.kind is Kind.RIGHT}
    return [
        _show_rows(each, values, prefix, chosen.get(each.name))
        if isinstance(each, Rows)
        else _show(each, values, prefix)
        for each in parts
        if isinstance(each, Rows) or each.kind is not Kind.RIGHT
    ]


def _list_of(right: Field, parts: Sequence[Part]) -> str:
    """The rows from which a field chooses: those that follow it."""
    at = parts.index(right)
    return next(each.name for each in parts[at:] if isinstance(each, Rows))


def _show(each: Field, values: Mapping[str, Any], prefix: str) -> Shown:
    value = _value_at(values, each.name)
    value = each.default if value is None else value
    chosen = value if isinstance(value, list | tuple) else [value]
    choices = [(code, gettext(words), code in chosen) for code, words in each.choices]
    if each.kind is Kind.NUMBERS:
        value = ", ".join(str(number) for number in value or ())
    return Shown(
        name=f"{prefix}{each.name}",
        label=gettext(each.label),
        kind=each.kind,
        hint=gettext(each.hint),
        value="" if value is None else value,
        choices=choices,
        is_required=each.is_required,
    )


def _show_rows(each: Rows, values: Mapping[str, Any], prefix: str, right: Field | None) -> ShownRows:
    found = _value_at(values, each.name) or []
    name = f"{prefix}{each.name}"
    total = max(len(found) + each.blank, each.least)
    right_code = _value_at(values, right.name) if right else None
    rows = []
    for at in range(total):
        row = found[at] if at < len(found) else {}
        rows.append(
            ShownRow(
                name=f"{name}.{at}",
                index=at,
                legend=gettext(each.legend).format(number=at + 1),
                is_new=at >= len(found),
                is_right=right_code is not None and row.get("code") == right_code,
                parts=show(each.fields, row, f"{name}.{at}."),
            )
        )
    return ShownRows(
        name, _all_of(each), rows, f"{prefix}{right.name}" if right else None, each.is_compact, each.is_grid
    )


def _all_of(each: Rows) -> str:
    """What all rows together are called: ``Question {number}`` without the number."""
    return gettext(each.legend).format(number="").strip()


def read(parts: Sequence[Part], form: Form, values: Mapping[str, Any], prefix: str = "") -> Json:
    """The values with what was typed into the form; what is not in the form stays as it is."""
    changed = _copied(values)
    rows: dict[str, dict[int, Json]] = {}
    for each in sorted(parts, key=lambda part: isinstance(part, Field) and part.kind is Kind.RIGHT):
        if isinstance(each, Rows):
            rows[each.name] = _read_rows(each, form, prefix)
            _put(changed, each.name, list(rows[each.name].values()) or None)
        elif each.kind is Kind.RIGHT:
            index = form.text(f"{prefix}{each.name}")
            row = rows[_list_of(each, parts)].get(int(index)) if index.isdecimal() else None
            _put(changed, each.name, row and row["code"])
        else:
            _put(changed, each.name, _typed(each, form, f"{prefix}{each.name}"))
    return changed


def _read_rows(each: Rows, form: Form, prefix: str) -> dict[int, Json]:
    """The rows that are kept, by their number in the form."""
    name = f"{prefix}{each.name}"
    numbered = re.compile(rf"{re.escape(name)}\.(\d{{1,4}})\.")
    numbers = sorted({int(found[1]) for text in form.names if (found := numbered.match(text))})[:_MOST_ROWS]
    kept: dict[int, Json] = {}
    for number in numbers:
        here = f"{name}.{number}."
        row = read(each.fields, form, {}, here)
        if not form.is_checked(f"{here}remove") and _is_filled(each.fields, row):
            kept[number] = row
    if each.coded_by:
        used = {row["code"] for row in kept.values() if row.get("code")}
        for number, row in kept.items():
            if not row.get("code"):
                row["code"] = _new_code(str(row.get(each.coded_by, "")), number, used)
                used.add(row["code"])
    return kept


def _is_filled(parts: Sequence[Part], row: Mapping[str, Any]) -> bool:
    """Whether anything was typed into a row; what is chosen from the start does not count."""
    typed = (Kind.TEXT, Kind.LONG, Kind.DATE, Kind.TIME, Kind.NUMBER)
    return any(_value_at(row, each.name) is not None for each in parts if isinstance(each, Rows) or each.kind in typed)


def _new_code(words: str, number: int, used: set[str]) -> str:
    stem = _NOT_IN_CODE.sub("-", words.lower())[:_LONGEST_CODE].strip("-") or f"no-{number + 1}"
    return next(code for code in (stem, *(f"{stem}-{extra}" for extra in range(2, 1000))) if code not in used)


def _typed(each: Field, form: Form, name: str) -> Any:
    """What was typed into one field; None for nothing."""
    text = form.text(name).replace("\r\n", "\n")
    match each.kind:
        case Kind.SWITCH:
            return form.is_checked(name)
        case Kind.MANY:
            return form.texts(name) or None
        case Kind.NUMBERS:
            return [_number(part.strip()) for part in text.split(",") if part.strip()]
        case Kind.NUMBER:
            return _number(text) if text else None
        case _:
            return text or None


def _number(text: str) -> int | str:
    # What is no number goes as it is, and the API says so.
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else text


def _value_at(values: Mapping[str, Any], name: str) -> Any:
    found: Any = values
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def _put(values: Json, name: str, value: Any) -> None:
    """Set a value at its place, or take it away with what becomes empty around it."""
    first, _, rest = name.partition(".")
    if rest:
        inner = values.setdefault(first, {})
        _put(inner, rest, value)
        if not inner:
            del values[first]
    elif value is None:
        values.pop(first, None)
    else:
        values[first] = value


def _copied(values: Mapping[str, Any]) -> Json:
    return {name: _copied(value) if isinstance(value, dict) else value for name, value in values.items()}


def errors_of_form(
    errors: Sequence[Mapping[str, Any]],
    shown: Sequence[Shown | ShownRows],
    within: str = "",
    elsewhere: Callable[[str], str] = str,
) -> dict[str, str]:
    """The API's mistakes in a definition by the field of the form that they are about, or else that is nearest.

    ``within`` is the part of the definition that the form is about, such as ``requirements.2.``; ``elsewhere`` says
    what a field of another part is called.
    """
    labels = labels_of(shown)
    told: dict[str, str] = {}
    for error in errors:
        path = _path_of(str(error["pointer"]))
        name = nearest(path.removeprefix(within), labels) if path.startswith(within) else None
        label = (labels[name] if name else elsewhere(path)) or gettext("The definition")
        words = f"{label} {str(error['message']).removesuffix('.')}."
        here = name or "definition"
        told[here] = f"{told[here]} {words}" if here in told else words
    return told


def _path_of(pointer: str) -> str:
    """``line 3: credit[0].designated_units`` as the name of a field: ``credit.0.designated_units``."""
    found = _POINTER.fullmatch(pointer)
    return re.sub(r"\[(\d+)\]", r".\1", found[1] if found else "")


def nearest(name: str, labels: Mapping[str, str]) -> str | None:
    """The field of this name, or what holds it; None for a field of another part."""
    parts = name.split(".")
    holders = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((each for each in holders if each in labels), None)


def labels_of(shown: Sequence[Shown | ShownRows]) -> dict[str, str]:
    """What each field of a form is called, with what holds it."""
    return dict(_labels(shown))


def _labels(shown: Sequence[Shown | ShownRows]) -> Iterator[tuple[str, str]]:
    for each in shown:
        if isinstance(each, Shown):
            yield each.name, each.label
            continue
        yield each.name, each.legend
        for row in each.rows:
            yield row.name, row.legend
            yield from ((name, f"{row.legend}: {label}") for name, label in _labels(row.parts))
