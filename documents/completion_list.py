"""A completion matrix as a file: CSV, or a workbook for Excel, which both hold the same cells."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from documents.claims_list import ListFormat
from domain.spreadsheet import BYTE_ORDER_MARK, csv_text

_WIDTH = 22
_LONGEST_CELL = 32_767


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: what it says of itself, its headings, and rows of as many cells."""

    lines: Sequence[str]
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def write_sheet(sheet: Sheet, wanted: ListFormat) -> tuple[bytes, bytes]:
    """The file's bytes, and their SHA-256."""
    content = _xlsx(sheet) if wanted is ListFormat.XLSX else _csv(sheet)
    return content, hashlib.sha256(content).digest()


def _csv(sheet: Sheet) -> bytes:
    """The headings are the first record, so that filters and pivot tables find them there."""
    return f"{BYTE_ORDER_MARK}{csv_text([sheet.headings, *sheet.rows])}".encode()


def _xlsx(sheet: Sheet) -> bytes:
    from xlsxwriter import Workbook  # noqa: PLC0415  # most processes never write one

    file = BytesIO()
    # Text is never taken for a formula, a number or an address, whatever it looks like.
    book = Workbook(file, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    page, bold = book.add_worksheet("Completion"), book.add_format({"bold": True})
    first = len(sheet.lines) + 1
    page.set_column(0, len(sheet.headings) - 1, _WIDTH)
    for place, line in enumerate(sheet.lines):
        page.write_string(place, 0, line)
    for column, heading in enumerate(sheet.headings):
        page.write_string(first, column, heading, bold)
    for place, row in enumerate(sheet.rows, first + 1):
        for column, cell in enumerate(row):
            page.write_string(place, column, cell[:_LONGEST_CELL])
    page.freeze_panes(first + 1, 0)
    page.autofilter(first, 0, first + max(len(sheet.rows), 1), len(sheet.headings) - 1)
    book.close()
    return file.getvalue()
