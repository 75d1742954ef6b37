"""The list of an organisation's people, as its personnel office exports it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.names import clean_name, email_address
from domain.people import EMPLOYEE_ID, NOT_AN_EMPLOYEE, written_identifier
from domain.roster_columns import EMAIL, FAMILY_NAME, GIVEN_NAME, column_of
from domain.tabular import Record, TableError, read_table

MOST_MISTAKES: Final = 100

_COLUMNS: Final = (EMPLOYEE_ID, GIVEN_NAME, FAMILY_NAME, EMAIL)
# On a list of employees the plain word can only mean the employee's.
_PLAIN_ID: Final = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Employee:
    """One of the organisation's people; what the list leaves empty is None."""

    employee_id: str
    given_name: str | None = None
    family_name: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class ListMistake:
    """One mistake: the line on which it is, its column if it is in one, a code, and what would be right.

    ``words`` name with ``{first}`` the line ``first``.
    """

    line: int
    column: str
    code: str
    words: str
    first: int | None = None

    @property
    def message(self) -> str:
        """What would be right, in one sentence."""
        return self.words.format(first=self.first)

    @property
    def place(self) -> str:
        """Where it is, for a person with the file open."""
        return f"line {self.line}: {self.column}" if self.column else f"line {self.line}"


class EmployeeListError(ValueError):
    """The file is no list of employees; ``mistakes`` says why, the first hundred of them."""

    def __init__(self, mistakes: Sequence[ListMistake]) -> None:
        self.mistakes = tuple(mistakes[:MOST_MISTAKES])
        super().__init__("\n".join(f"{each.place} {each.message}" for each in self.mistakes))


MISTAKES: Final = {
    "list_empty": "is the only one: nobody is on the list",
    "column_repeated": "is there twice",
    "column_missing": "is missing: the first row names the columns, such as Employee ID, First name, Last name, E-mail",
    "employee_id_format": "is letters and digits, with . / or - between them",
    "employee_id_repeated": "is on the list already, on line {first}",
    "name_empty": "is empty",
    "name_too_long": "is too long",
    "name_marks": "has too many accents on one letter",
    "name_characters": "has characters that no name has",
    "email_too_long": "is too long",
    "email_format": "is no plain address such as ada@hospital.example",
}
"""What is wrong in a list, by code, after the place where it is."""


def read_employees(raw: bytes) -> tuple[Employee, ...]:
    """Read a list in any encoding, separator and order of columns; its first row names them.

    Raises ``EmployeeListError`` with every mistake, of which the file then has at least one.
    """
    try:
        header, *records = read_table(raw).records
    except TableError as error:
        raise EmployeeListError([ListMistake(error.line or 1, "", error.mistake, str(error))]) from None
    columns, mistakes = _columns_of(header)
    if mistakes:
        raise EmployeeListError(mistakes)
    if not records:
        raise EmployeeListError([_mistake(header.line, "", "list_empty")])
    return _employees(columns, records)


def _columns_of(header: Record) -> tuple[Mapping[str, int], list[ListMistake]]:
    columns: dict[str, int] = {}
    mistakes = []
    for at, cell in enumerate(header.cells):
        column = EMPLOYEE_ID if cell.strip().casefold() == _PLAIN_ID else column_of(cell)
        if column in columns:
            mistakes.append(_mistake(header.line, column, "column_repeated"))
        elif column in _COLUMNS:
            columns[column] = at
    if EMPLOYEE_ID not in columns:
        mistakes.append(_mistake(header.line, EMPLOYEE_ID, "column_missing"))
    return columns, mistakes


def _employees(columns: Mapping[str, int], records: Sequence[Record]) -> tuple[Employee, ...]:
    found: dict[str, Employee] = {}
    lines: dict[str, int] = {}
    mistakes: list[ListMistake] = []
    for record in records:
        values, wrong = _values(columns, record)
        mistakes += wrong
        employee_id = values.get(EMPLOYEE_ID) or ""
        if employee_id in lines:
            mistakes.append(_mistake(record.line, EMPLOYEE_ID, "employee_id_repeated", first=lines[employee_id]))
        elif not wrong:
            lines[employee_id] = record.line
            found[employee_id] = Employee(
                employee_id=employee_id,
                given_name=values.get(GIVEN_NAME),
                family_name=values.get(FAMILY_NAME),
                email=values.get(EMAIL),
            )
    if mistakes:
        raise EmployeeListError(mistakes)
    return tuple(found.values())


def _values(columns: Mapping[str, int], record: Record) -> tuple[dict[str, str | None], list[ListMistake]]:
    values: dict[str, str | None] = {}
    mistakes = []
    for column, cell in _cells(columns, record):
        try:
            values[column] = _read(column, cell)
        except ValueError as error:
            mistakes.append(_mistake(record.line, column, str(error)))
    return values, mistakes


def _cells(columns: Mapping[str, int], record: Record) -> Iterator[tuple[str, str]]:
    for column, at in columns.items():
        # A row may end early, where its last cells are empty.
        yield column, record.cells[at].strip() if at < len(record.cells) else ""


def _read(column: str, cell: str) -> str | None:
    if column == EMPLOYEE_ID:
        written = written_identifier(EMPLOYEE_ID, cell)
        if written is None or written == NOT_AN_EMPLOYEE:
            raise ValueError("employee_id_format")
        return written
    if not cell:
        return None
    return email_address(cell) if column == EMAIL else clean_name(cell)


def _mistake(line: int, column: str, code: str, first: int | None = None) -> ListMistake:
    return ListMistake(line, column, code, MISTAKES[code], first)
