"""Rosters: the lists of who took part that staff load, and the keys by which a learner is found on them.

A row names one person by any of their keys, or one group by its id alone. What is wrong with a row is found here;
what a row means for the roster that is there already is decided in ``domain/roster_changes.py``.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Final

from domain.identifiers import IDENTIFIERS, is_not_applicable
from domain.names import MAXIMUM_ADDRESS_LENGTH, clean_name, email_address
from domain.roster_columns import EMAIL, GROUP_ID, LABELS, NAMES, column_of
from domain.tabular import Record, TableError, read_table

# What people add when they copy an id: blanks, dashes of any length, soft hyphens and marks that nobody sees.
_IN_BETWEEN: Final = re.compile(r"[\s\-\u00ad\u200b-\u200f\u2010-\u2015\u2060\u2212\ufeff]+")
_UNSEEN: Final = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MAXIMUM_KEY_LENGTH: Final = 64
_MAXIMUM_LENGTH: Final = MAXIMUM_ADDRESS_LENGTH
_BESIDE_LETTERS: Final = frozenset("._/:#+*&@")
# What spreadsheet programs make of a long number, a whole number, a mistake, and a column that is too narrow.
_MANGLED: Final = re.compile(
    r"[+-]?\d+(?:[.,]\d+)?E\+\d+|\d+[.,]0+|#(?:N/A|REF!|VALUE!|NAME\?|NUM!|NULL!|DIV/0!|#+)", re.IGNORECASE
)
_NOTHING: Final = frozenset({"", "NONE", "NULL"})
MOST_LINES_NAMED: Final = 5
_KEY_LABELS: Final = tuple(label for column, label in LABELS.items() if column not in NAMES)


def normalize_key(kind: str, value: str) -> str:
    """The form of a key in which a roster and what a learner typed are compared; empty if nothing is left of it.

    Addresses in small letters; everything else in capitals, full-width forms made plain, without blanks and dashes:
    ``ab-1234 x`` is ``AB1234X``. Leading zeros count.
    """
    if kind == EMAIL:
        return value.strip().lower()
    return _IN_BETWEEN.sub("", unicodedata.normalize("NFKC", value)).upper()


class RowCode(StrEnum):
    """What may be wrong with a row; the last four depend on the roster that is there already."""

    NAME_MISSING = "name_missing"
    ROW_REPEATED = "row_repeated"
    NO_KEY = "no_key"
    EMAIL_FORMAT = "email_format"
    ID_FORMAT = "id_format"
    ID_MANGLED = "id_mangled"
    CHARACTERS = "characters"
    TOO_LONG = "too_long"
    TOO_MANY_VALUES = "too_many_values"
    GROUP_AND_PERSON = "group_and_person"
    KEY_REPEATED = "key_repeated"
    KEY_OF_ANOTHER = "key_of_another"
    KEY_USED = "key_used"
    KEYS_OF_SEVERAL = "keys_of_several"
    PERSON_REPEATED = "person_repeated"

    @property
    def is_warning(self) -> bool:
        """Whether a row with this is applied nevertheless."""
        return self in (RowCode.NAME_MISSING, RowCode.ROW_REPEATED)

    @property
    def words(self) -> str:
        """What is wrong and what would be right, in one sentence for staff."""
        return ROW_MISTAKES[self]


ROW_MISTAKES: Final = {
    RowCode.NAME_MISSING: "The row has no name; it is applied without.",
    RowCode.ROW_REPEATED: "The row says the same as an earlier one; it counts once.",
    RowCode.NO_KEY: "The row has no badge id, group id, e-mail address or other number to find somebody by.",
    RowCode.EMAIL_FORMAT: "This is not one plain e-mail address.",
    RowCode.ID_FORMAT: "This number is not written as such numbers are.",
    RowCode.ID_MANGLED: "A spreadsheet program changed this number; format the column as text and export it again.",
    RowCode.CHARACTERS: "The value holds characters that cannot be read.",
    RowCode.TOO_LONG: "The value is too long.",
    RowCode.TOO_MANY_VALUES: "The row has more values than there are columns; a value with a separator needs quotes.",
    RowCode.GROUP_AND_PERSON: "The row names a group and a person; give each a row of its own.",
    RowCode.KEY_REPEATED: "Other rows have the same value and say something else.",
    RowCode.KEY_OF_ANOTHER: "The roster has this value for another person already.",
    RowCode.KEY_USED: "Somebody proved their participation with this value; it cannot be given to another person.",
    RowCode.KEYS_OF_SEVERAL: "The roster has the values of this row for several people.",
    RowCode.PERSON_REPEATED: "Other rows name the same person of the roster.",
}


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with a row: in which column, if in one, and which other lines it is about (the first five)."""

    code: RowCode
    column: str | None = None
    lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterLine:
    """One row as it was read: column -> value. ``keys`` are those of the row, in the form that they are compared in."""

    line: int
    values: Mapping[str, str]
    problems: tuple[RowProblem, ...] = ()
    keys: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work the keys out once: tens of thousands of rows are compared by them several times each."""
        keys = {kind: normalize_key(kind, value) for kind, value in self.values.items() if kind not in NAMES}
        object.__setattr__(self, "keys", keys)

    @property
    def is_group(self) -> bool:
        """Whether the row names a group; a group's id is its only key."""
        return GROUP_ID in self.values

    @property
    def has_error(self) -> bool:
        """Whether something is so wrong that the row is not applied."""
        return any(not problem.code.is_warning for problem in self.problems)

    @property
    def is_repeated(self) -> bool:
        """Whether an earlier row says the same."""
        return any(problem.code is RowCode.ROW_REPEATED for problem in self.problems)

    def with_problem(self, problem: RowProblem) -> "RosterLine":
        """The same row with one more problem."""
        return replace(self, problems=(*self.problems, problem))


MISTAKES: Final = {
    "no_rows": "there is no row below the header",
    "header_unknown": f"the first row must name the columns, at least one of {', '.join(_KEY_LABELS)}",
    "column_repeated": "two columns of the header mean the same",
}
"""Why a file is no roster although it is a table, by code."""


class RosterError(ValueError):
    """The file cannot be read as a roster: a code, a sentence, and the line and column where that is known."""

    def __init__(self, code: str, message: str, line: int | None = None, column: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.line = line
        self.column = column

    @property
    def place(self) -> str:
        """Where it is: ``line 1: badge_id``; empty if it is the file as a whole."""
        return ": ".join(part for part in (f"line {self.line}" if self.line else None, self.column) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """A file as it was read: how it was written, which columns were used and which were not, and its rows."""

    encoding: str
    separator: str
    columns: tuple[str, ...]
    ignored: tuple[str, ...]
    lines: tuple[RosterLine, ...]


def read_roster(raw: bytes) -> Roster:
    """Read a roster in CSV; raises ``RosterError`` for a file, or a header, that cannot be used."""
    try:
        table = read_table(raw)
    except TableError as error:
        raise RosterError(error.mistake, str(error), error.line) from None
    header, *records = table.records
    columns = _columns_of(header)
    if not records:
        raise RosterError("no_rows", MISTAKES["no_rows"], header.line)
    return Roster(
        encoding=table.encoding,
        separator=table.separator,
        columns=tuple(column for column in columns if column is not None),
        ignored=_ignored(header, columns),
        lines=tuple(_with_repeats([_line(record, columns) for record in records])),
    )


def _columns_of(header: Record) -> Sequence[str | None]:
    columns = [column_of(cell) for cell in header.cells]
    known = [column for column in columns if column is not None]
    if not set(known) - NAMES:
        raise RosterError(
            "header_unknown",
            MISTAKES["header_unknown"],
            header.line,
        )
    repeated = next((column for column in known if known.count(column) > 1), None)
    if repeated is not None:
        raise RosterError("column_repeated", MISTAKES["column_repeated"], header.line, repeated)
    return columns


def _ignored(header: Record, columns: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(
        _shown(cell.strip())
        for cell, column in zip(header.cells, columns, strict=True)
        if column is None and cell.strip()
    )


def _line(record: Record, columns: Sequence[str | None]) -> RosterLine:
    values, problems = {}, []
    for column, cell in zip(columns, record.cells, strict=False):
        if column is None:
            continue
        value, code = _value(column, cell.strip())
        if value:
            values[column] = value
        if code is not None:
            problems.append(RowProblem(code, column))
    if any(cell.strip() for cell in record.cells[len(columns) :]):
        problems.append(RowProblem(RowCode.TOO_MANY_VALUES))
    keys = values.keys() - NAMES
    if not keys:
        problems.append(RowProblem(RowCode.NO_KEY))
    elif GROUP_ID in keys and len(keys) > 1:
        problems.append(RowProblem(RowCode.GROUP_AND_PERSON))
    elif GROUP_ID not in keys and not values.keys() >= NAMES.intersection(columns):
        problems.append(RowProblem(RowCode.NAME_MISSING))
    return RosterLine(line=record.line, values=values, problems=tuple(problems))


def _value(column: str, text: str) -> tuple[str, RowCode | None]:
    """A cell as it is stored, and what is wrong with it; a value that is wrong is stored so that it can be shown."""
    if column in NAMES:
        return _name(text)
    if text.upper() in _NOTHING or is_not_applicable(text) or not _IN_BETWEEN.sub("", text):
        return "", None
    code = _mistake_in_key(column, text)
    return (_written(column, text), None) if code is None else (_shown(text), code)


def _written(column: str, text: str) -> str:
    """A key as people know it, without what nobody sees: ``GL26-439563`` is on the badge, and not ``GL26439563``."""
    return normalize_key(column, text) if column == EMAIL else " ".join(_UNSEEN.sub("", text).split())


def _name(text: str) -> tuple[str, RowCode | None]:
    try:
        return (clean_name(text) if text else ""), None
    except ValueError as error:
        return _shown(text), RowCode.TOO_LONG if str(error) == "name_too_long" else RowCode.CHARACTERS


def _mistake_in_key(column: str, text: str) -> RowCode | None:
    if len(text) > _MAXIMUM_LENGTH:
        return RowCode.TOO_LONG
    if _CONTROL.search(text):
        return RowCode.CHARACTERS
    if column == EMAIL:
        return None if _is_address(text) else RowCode.EMAIL_FORMAT
    if _MANGLED.fullmatch(text):
        return RowCode.ID_MANGLED
    if column in IDENTIFIERS:
        return None if IDENTIFIERS[column].normalize(text) else RowCode.ID_FORMAT
    return None if _is_id(normalize_key(column, text)) else RowCode.ID_FORMAT


def _is_address(text: str) -> bool:
    try:
        return bool(email_address(text))
    except ValueError:
        return False


def _is_id(key: str) -> bool:
    """Whether badges and groups may be numbered so: letters and digits of any script, and a few signs."""
    is_written = all(character.isalnum() or character in _BESIDE_LETTERS for character in key)
    return is_written and len(key) <= _MAXIMUM_KEY_LENGTH and any(character.isalnum() for character in key)


def _shown(text: str) -> str:
    """A text that can be stored and shown whatever it holds: short, without controls."""
    cut = text if len(text) <= _MAXIMUM_LENGTH else f"{text[: _MAXIMUM_LENGTH - 1]}…"
    return "".join("\ufffd" if unicodedata.category(each)[0] == "C" else each for each in cut)


_Statement = tuple[tuple[str, str], ...]


def _with_repeats(lines: Sequence[RosterLine]) -> Iterator[RosterLine]:
    """Mark rows that repeat an earlier one, and rows that share a key with others and say something else."""
    statements = [_statement(line) for line in lines]
    first_saying: dict[_Statement, int] = {}
    by_key: defaultdict[tuple[str, str], dict[_Statement, int]] = defaultdict(dict)
    for line, statement in zip(lines, statements, strict=True):
        if not line.has_error:
            first_saying.setdefault(statement, line.line)
        for key in line.keys.items():
            by_key[key].setdefault(statement, line.line)
    for line, statement in zip(lines, statements, strict=True):
        problems = list(_shared_keys(line, statement, by_key))
        if not line.has_error and first_saying[statement] != line.line:
            problems.append(RowProblem(RowCode.ROW_REPEATED, lines=(first_saying[statement],)))
        yield replace(line, problems=(*line.problems, *problems)) if problems else line


def _shared_keys(
    line: RosterLine, statement: _Statement, by_key: Mapping[tuple[str, str], Mapping[_Statement, int]]
) -> Iterator[RowProblem]:
    for kind, value in line.keys.items():
        others = (number for said, number in by_key[kind, value].items() if said != statement)
        first_others = tuple(islice(others, MOST_LINES_NAMED))
        if first_others:
            yield RowProblem(RowCode.KEY_REPEATED, kind, first_others)


def _statement(line: RosterLine) -> _Statement:
    """What a row says; of a group only its id counts, because any of its people may be named beside it."""
    said = line.keys if line.is_group else {**line.values, **line.keys}
    return tuple(sorted(said.items()))
