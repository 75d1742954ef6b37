import csv
import io
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.tabular import (
    MAXIMUM_BYTES,
    MAXIMUM_COLUMNS,
    MAXIMUM_RECORDS,
    Table,
    TableError,
    TableMistake,
    read_table,
)

ROWS = [["Badge", "Name"], ["007", "Zoë Müller"], ["008", "Ana, née 'X' \"Y\""]]


def written(rows: list[list[str]], **dialect: Any) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows(rows)
    return text.getvalue()


def cells(table: Table) -> list[list[str]]:
    return [list(record.cells) for record in table.records]


def mistake(raw: bytes) -> tuple[TableMistake, int | None]:
    with pytest.raises(TableError) as caught:
        read_table(raw)
    assert str(caught.value)
    return caught.value.mistake, caught.value.line


@pytest.mark.parametrize(
    ("raw", "encoding", "separator"),
    [
        pytest.param(written(ROWS).encode("utf-8-sig"), "utf-8", ",", id="Excel: CSV UTF-8"),
        pytest.param(written(ROWS, delimiter=";").encode("cp1252"), "windows-1252", ";", id="Excel: CSV, in Europe"),
        pytest.param(written(ROWS).encode("cp1252"), "windows-1252", ",", id="Excel: CSV, in America"),
        pytest.param(
            b"\xff\xfe" + written(ROWS, delimiter="\t").encode("utf-16-le"), "utf-16", "\t", id="Excel: Unicode text"
        ),
        pytest.param(
            b"\xfe\xff" + written(ROWS, delimiter="\t").encode("utf-16-be"), "utf-16", "\t", id="the other byte order"
        ),
        pytest.param(written(ROWS, lineterminator="\n").encode(), "utf-8", ",", id="a database"),
        pytest.param(written(ROWS, lineterminator="\r").encode(), "utf-8", ",", id="an old Macintosh"),
        pytest.param(written(ROWS, quoting=csv.QUOTE_ALL).encode(), "utf-8", ",", id="everything quoted"),
    ],
)
def test_exports_of_offices_are_read_in_their_encoding_and_dialect(raw: bytes, encoding: str, separator: str) -> None:
    table = read_table(raw)
    assert (table.encoding, table.separator, cells(table)) == (encoding, separator, ROWS)


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "\r\nsep=; "])
def test_a_first_line_may_name_the_separator(first: str) -> None:
    table = read_table(f"{first}\r\na,b;c\r\n1;2\r\n".encode())
    assert (table.separator, cells(table)) == (";", [["a,b", "c"], ["1", "2"]])
    lines = first.count("\n") + 1
    assert [record.line for record in table.records] == [lines + 1, lines + 2]


def test_a_file_of_one_column_needs_no_separator() -> None:
    assert cells(read_table(b"Badge\nA-1\n")) == [["Badge"], ["A-1"]]


def test_separators_within_quotes_of_the_header_are_not_counted() -> None:
    assert cells(read_table(b'"Name, first, and last\nas printed";Badge\n1;2')) == [
        ["Name, first, and last\nas printed", "Badge"],
        ["1", "2"],
    ]


def test_records_are_numbered_by_the_line_on_which_they_begin() -> None:
    table = read_table(b'\r\na,b\r\n\r\n"1\r\n1",2\r\n,\r\n3,4')
    assert [(record.line, record.cells) for record in table.records] == [
        (2, ("a", "b")),
        (4, ("1\r\n1", "2")),
        (7, ("3", "4")),
    ]


def test_a_formula_is_text_and_a_number_keeps_its_zeros() -> None:
    assert cells(read_table(b"a,b\n=1+1,007\n+49,-1\n@x,1.50")) == [
        ["a", "b"],
        ["=1+1", "007"],
        ["+49", "-1"],
        ["@x", "1.50"],
    ]


@pytest.mark.parametrize("content", [b"", b"\n\r\n  \n", b",,,\n,,\n", b"\xef\xbb\xbf", b"sep=;\n"])
def test_a_file_without_a_value_is_empty(content: bytes) -> None:
    assert mistake(content) == (TableMistake.EMPTY, None)


@pytest.mark.parametrize("content", [b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest"])
def test_a_whole_workbook_is_named_as_such(content: bytes) -> None:
    assert mistake(content) == (TableMistake.WORKBOOK, None)


@pytest.mark.parametrize("content", [b"\xff\xfea", b"\xef\xbb\xbf\xff", b"a,b\n\x81,\x8d"])
def test_text_in_no_known_encoding_is_refused(content: bytes) -> None:
    assert mistake(content) == (TableMistake.ENCODING, None)


@pytest.mark.parametrize("content", [b'a,b\n1,2\n"3,4\n5,6\n', b'a,b\n1,2\n"3"x,4\n', b"a\n1\n" + b"x" * 200_000])
def test_quotes_that_do_not_match_are_found_on_their_line(content: bytes) -> None:
    assert mistake(content) == (TableMistake.QUOTES, 3)


def test_a_file_may_be_as_large_as_the_limits_and_no_larger() -> None:
    rows = b"a\n" + b"1\n" * MAXIMUM_RECORDS
    assert len(read_table(rows).records) == MAXIMUM_RECORDS + 1
    assert mistake(rows + b"1") == (TableMistake.TOO_MANY_ROWS, MAXIMUM_RECORDS + 2)
    columns = b",".join([b"a"] * MAXIMUM_COLUMNS)
    assert len(read_table(columns + b",,,").records[0].cells) == MAXIMUM_COLUMNS
    assert mistake(b"\n" + columns + b",a") == (TableMistake.TOO_MANY_COLUMNS, 2)
    blank = (b" " * 99_999 + b"\n") * (MAXIMUM_BYTES // 100_000)
    assert len(read_table(b"a\n" + blank).records) == 1
    assert mistake(b"a\n" + blank + b" " * 100_000) == (TableMistake.TOO_LARGE, None)


def test_a_file_of_blank_lines_is_not_read_to_its_end() -> None:
    assert mistake(b"a" + b"\n" * 2_000_000) == (TableMistake.TOO_MANY_ROWS, 20 * MAXIMUM_RECORDS + 1)


NAMES = st.text("abcdefghij ", min_size=1, max_size=8).filter(str.strip)
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(1, 5))
    header = draw(st.lists(NAMES, min_size=width, max_size=width))
    row = st.lists(ANYTHING, min_size=width, max_size=width).filter(lambda cells: any(each.strip() for each in cells))
    return [header, *draw(st.lists(row, max_size=6))]


@given(
    rows=tables(),
    separator=st.sampled_from(",;\t"),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    is_declared=st.booleans(),
)
def test_every_table_is_read_back_as_it_was_written(
    rows: list[list[str]], separator: str, line_end: str, encoding: str, *, is_declared: bool
) -> None:
    text = written(rows, delimiter=separator, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    declared = f"sep={separator}{line_end}" if is_declared else ""
    table = read_table((declared + text).encode(encoding))
    assert cells(table) == rows


@given(rows=tables(), separator=st.sampled_from(",;\t"))
def test_every_table_that_quotes_only_what_it_must_is_read_back_as_it_was_written(
    rows: list[list[str]], separator: str
) -> None:
    # The writer of Python 3.11 quotes no line end but its own.
    tame = [[cell.replace("\r", "") for cell in row] for row in rows]
    tame = [row for row in tame if any(cell.strip() for cell in row)]
    # A single column shows no separator, so any that its cells hold may be taken for one.
    assume(len(rows[0]) > 1 or not any(set(",;\t") & set(cell) for row in tame for cell in row))
    assert cells(read_table(written(tame, delimiter=separator, lineterminator="\n").encode())) == tame


@given(st.binary(max_size=200))
def test_whatever_the_bytes_a_file_is_read_or_refused(raw: bytes) -> None:
    with suppress(TableError):
        assert all(any(cell.strip() for cell in record.cells) for record in read_table(raw).records)
