"""Reading tables as offices export them: CSV in the encodings and dialects of spreadsheet programs.

Nothing is guessed about what a cell means: ``=1+1`` is text, ``007`` keeps its zeros. A record's number is the line of
the file on which it begins, counted from 1 as editors count.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAXIMUM_BYTES: Final = 20 * 1024 * 1024
MAXIMUM_RECORDS: Final = 50_000
MAXIMUM_COLUMNS: Final = 200
# Values may hold line ends and rows may be blank, yet no list has this many lines.
_MAXIMUM_LINES: Final = 20 * MAXIMUM_RECORDS

# In the order in which they win a tie: a comma may be part of a text, a tab hardly ever.
_SEPARATORS: Final = "\t;,"
_DECLARED: Final = re.compile(r'\s*"?sep=([\t;,|])"? *(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_QUOTED: Final = re.compile(r'"[^"]*"?')
_LOOKED_AT: Final = 100_000
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16"),
)
# How files begin that hold a whole workbook: ZIP archives (.xlsx, .ods) and Microsoft's compound files (.xls).
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


class TableMistake(StrEnum):
    """Why a file cannot be read as a table."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    TOO_MANY_ROWS = "too_many_rows"
    TOO_MANY_COLUMNS = "too_many_columns"
    WORKBOOK = "workbook"
    ENCODING = "encoding"
    QUOTES = "quotes"


MISTAKES: Final = {
    TableMistake.EMPTY: "the file is empty",
    TableMistake.TOO_LARGE: f"the file is larger than {MAXIMUM_BYTES // 1024**2} MiB; split it",
    TableMistake.TOO_MANY_ROWS: f"the file has more than {MAXIMUM_RECORDS:,} rows; split it",
    TableMistake.TOO_MANY_COLUMNS: f"the row has more than {MAXIMUM_COLUMNS} columns",
    TableMistake.WORKBOOK: "this is a whole workbook; save the sheet as CSV (UTF-8)",
    TableMistake.ENCODING: "the text is in no encoding that can be read; save it as CSV (UTF-8)",
    TableMistake.QUOTES: "the quotation marks do not match from here on, or a value is far too long",
}


class TableError(ValueError):
    """The file cannot be read as a table; ``line`` is where, if that is known."""

    def __init__(self, mistake: TableMistake, line: int | None = None) -> None:
        super().__init__(MISTAKES[mistake])
        self.mistake = mistake
        self.line = line


@dataclass(frozen=True, slots=True)
class Record:
    """One row: the line on which it begins, and its cells as they were written."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file that are not blank, with the encoding and separator that they were found in."""

    encoding: str
    separator: str
    records: tuple[Record, ...]


def read_table(raw: bytes) -> Table:
    """Read a file; the first record is usually the header. Raises ``TableError``.

    UTF-8 with or without byte order mark, UTF-16 with one, else Windows-1252; comma, semicolon or tab, as the first
    row has most of them, or as a first line ``sep=;`` says; any line ends.
    """
    if len(raw) > MAXIMUM_BYTES:
        raise TableError(TableMistake.TOO_LARGE)
    if raw.startswith(_WORKBOOKS):
        raise TableError(TableMistake.WORKBOOK)
    text, encoding = _decoded(raw)
    declared = _DECLARED.match(text)
    skipped = declared.end() if declared else 0
    # The reader counts lines from where it starts; those skipped come on top.
    lines_before = sum(1 for _ in io.StringIO(text[:skipped], newline=""))
    separator = declared[1] if declared else _separator_of(text)
    records = tuple(_records(text[skipped:], separator, lines_before))
    if not records:
        raise TableError(TableMistake.EMPTY)
    return Table(encoding, separator, records)


def _decoded(raw: bytes) -> tuple[str, str]:
    candidates = [(codec, name) for mark, codec, name in _MARKS if raw.startswith(mark)]
    for codec, name in candidates or [("utf-8", "utf-8"), ("cp1252", "windows-1252")]:
        try:
            return raw.decode(codec), name
        except UnicodeDecodeError:
            continue
    raise TableError(TableMistake.ENCODING)


def _separator_of(text: str) -> str:
    """The separator that the first row has most of, outside quotation marks; a comma if it has none."""
    bare = _QUOTED.sub("", text[:_LOOKED_AT])
    first = next((line for line in bare.splitlines() if line.strip(" ")), "")
    best = max(_SEPARATORS, key=first.count)
    return best if best in first else ","


def _records(text: str, separator: str, lines_before: int) -> Iterator[Record]:
    # The reader is given the line ends untranslated, so that those within a quoted value stay as they are.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    count, line = 0, lines_before + 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:
            raise TableError(TableMistake.QUOTES, line) from None
        if cells is None:
            return
        if line > _MAXIMUM_LINES:
            raise TableError(TableMistake.TOO_MANY_ROWS, line)
        if any(cell.strip() for cell in cells):
            count += 1
            # The header is no row.
            if count > MAXIMUM_RECORDS + 1:
                raise TableError(TableMistake.TOO_MANY_ROWS, line)
            if len(cells) > MAXIMUM_COLUMNS and any(cell.strip() for cell in cells[MAXIMUM_COLUMNS:]):
                raise TableError(TableMistake.TOO_MANY_COLUMNS, line)
            yield Record(line, tuple(cells[:MAXIMUM_COLUMNS]))
        line = lines_before + reader.line_num + 1
