"""The office's list of claims as a file: CSV, a workbook for Excel, or JSON Lines. Rows are written as they come.

However long a list is, it takes no more memory than a few hundred rows of it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import date
from decimal import Decimal
from enum import StrEnum
from io import BufferedRandom
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from domain.exports import COLUMNS, Cell, CellKind, ExportedClaim, ExportHeading, StaffAct
from domain.spreadsheet import BYTE_ORDER_MARK, csv_text

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

_ROWS_AT_ONCE: Final = 500
# Excel has 1,048,576 rows and 32,767 characters in a cell.
_ROWS_ON_A_SHEET: Final = 1_000_000
_LONGEST_CELL: Final = 32_767
_FIELDS: Final = tuple(field.name for field in fields(ExportedClaim))
_WIDTHS: Final = {CellKind.TEXT: 24, CellKind.DAY: 13, CellKind.UNITS: 10, CellKind.COUNT: 10}


class ListFormat(StrEnum):
    """What a list may be written as; the value is the file's ending."""

    CSV = "csv"
    XLSX = "xlsx"
    JSON_LINES = "jsonl"

    @property
    def media_type(self) -> str:
        """The media type of such a file."""
        return {
            ListFormat.CSV: "text/csv",
            ListFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            ListFormat.JSON_LINES: "application/jsonl",
        }[self]


@dataclass(frozen=True, slots=True)
class WrittenList:
    """How many claims a file lists, and the SHA-256 of its bytes."""

    rows: int
    sha256: bytes


def write_claims(
    file: BufferedRandom,
    heading: ExportHeading,
    claims: Iterable[ExportedClaim],
    wanted: ListFormat,
    *,
    is_marked: bool = True,
) -> WrittenList:
    """Write a list into an empty file that can be read, too; ``is_marked`` begins CSV with the mark for Excel."""
    match wanted:
        case ListFormat.CSV:
            rows = _write_csv(file, claims, is_marked=is_marked)
        case ListFormat.XLSX:
            rows = _write_xlsx(file, heading, claims)
        case ListFormat.JSON_LINES:
            rows = _write_json_lines(file, heading, claims)
    file.seek(0)
    return WrittenList(rows, hashlib.file_digest(file, "sha256").digest())


def _write_csv(file: BufferedRandom, claims: Iterable[ExportedClaim], *, is_marked: bool) -> int:
    """The headings are the first record, so that filters, pivot tables and queries find them there."""
    rows, remaining = 0, iter(claims)
    file.write(f"{BYTE_ORDER_MARK if is_marked else ''}{csv_text([[column.heading for column in COLUMNS]])}".encode())
    while batch := [claim.cells for claim in islice(remaining, _ROWS_AT_ONCE)]:
        file.write(csv_text([["" if cell is None else str(cell) for cell in cells] for cells in batch]).encode())
        rows += len(batch)
    return rows


def _write_json_lines(file: BufferedRandom, heading: ExportHeading, claims: Iterable[ExportedClaim]) -> int:
    """The first line is about the list; each of the others is a claim."""
    rows = 0
    about = {"export": "claims", **asdict(heading.wanted), "made_at": heading.made_at, "release": heading.release}
    file.write(_json_line(about))
    for claim in claims:
        # Shallow, because ``asdict`` takes most of the time of a long list.
        file.write(_json_line({name: getattr(claim, name) for name in _FIELDS}))
        rows += 1
    return rows


def _json_line(values: dict[str, Any]) -> bytes:
    return f"{json.dumps(values, ensure_ascii=False, default=_plain)}\n".encode()


def _plain(value: object) -> object:
    match value:
        case date():
            return value.isoformat()
        case StaffAct():
            return asdict(value)
    return str(value)


def _write_xlsx(file: BufferedRandom, heading: ExportHeading, claims: Iterable[ExportedClaim]) -> int:
    from xlsxwriter import Workbook  # noqa: PLC0415  # most processes never write one

    # Text is never taken for a formula, a number or an address, whatever it looks like.
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    rows, remaining = 0, iter(claims)
    book = Workbook(file, {**options, "default_date_format": "yyyy-mm-dd"})
    book.set_properties({"created": heading.made_at.replace(tzinfo=None), "comments": " ".join(heading.lines)})
    while True:
        sheet = _sheet(book, heading, f"Claims {len(book.worksheets()) + 1}" if rows else "Claims")
        written = _write_rows(book, sheet, len(heading.lines) + 2, islice(remaining, _ROWS_ON_A_SHEET))
        rows += written
        if written < _ROWS_ON_A_SHEET:
            book.close()
            return rows


def _sheet(book: "Workbook", heading: ExportHeading, name: str) -> "Worksheet":
    """A sheet with what the list says of itself in its first rows, and the headings, which stay in view."""
    sheet, bold = book.add_worksheet(name), book.add_format({"bold": True})
    first = len(heading.lines) + 1
    for number, column in enumerate(COLUMNS):
        sheet.set_column(number, number, _WIDTHS[column.kind])
    for row, line in enumerate(heading.lines):
        sheet.write_string(row, 0, line)
    for number, column in enumerate(COLUMNS):
        sheet.write_string(first, number, column.heading, bold)
    sheet.freeze_panes(first + 1, 0)
    return sheet


def _write_rows(book: "Workbook", sheet: "Worksheet", first: int, claims: Iterator[ExportedClaim]) -> int:
    day, units = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"num_format": "0.00"})
    rows = 0
    for rows, claim in enumerate(claims, 1):
        for number, cell in enumerate(claim.cells):
            _write_cell(sheet, (first + rows - 1, number), cell, day, units)
    sheet.autofilter(first - 1, 0, first + max(rows, 1) - 1, len(COLUMNS) - 1)
    return rows


def _write_cell(sheet: "Worksheet", place: tuple[int, int], cell: Cell, day: Any, units: Any) -> None:
    match cell:
        case None:
            return
        case str():
            sheet.write_string(*place, cell[:_LONGEST_CELL])
        case Decimal():
            sheet.write_number(*place, float(cell), units)
        case int():
            sheet.write_number(*place, cell)
        case date():
            sheet.write_datetime(*place, cell, day)
