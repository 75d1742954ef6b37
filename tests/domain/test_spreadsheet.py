import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.spreadsheet import BYTE_ORDER_MARK, csv_text, safe_cell

FORMULA_STARTS = "=+-@\t\r\n\0"
cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.text("=+-@'\" \t\r\n,;", max_size=8)


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://evil.example","Click")',
        "+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff201",
    ],
)
def test_what_a_program_could_take_for_a_formula_becomes_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Sepsis in the First Hour", "1.25", "a=b", "2026-11-21", "'quoted'", "O'Brien"])
def test_every_other_text_stays_as_it_is(text: str) -> None:
    assert safe_cell(text) == text


@given(st.lists(st.lists(cells, min_size=1, max_size=5), max_size=5))
def test_what_is_written_is_read_back_and_no_cell_begins_as_a_formula(rows: list[list[str]]) -> None:
    back = read(csv_text(rows))
    assert [[cell.removeprefix("'") for cell in row] for row in back] == [
        [cell.removeprefix("'") for cell in row] for row in rows
    ]
    assert not [cell for row in back for cell in row if cell.lstrip(" ").startswith(tuple(FORMULA_STARTS))]


def test_records_end_as_spreadsheets_expect_it() -> None:
    assert csv_text([["Title", "Units"], ['He said "yes", twice', "1.25"]]) == (
        'Title,Units\r\n"He said ""yes"", twice",1.25\r\n'
    )


def test_the_mark_is_three_bytes_of_utf_8() -> None:
    assert BYTE_ORDER_MARK.encode() == b"\xef\xbb\xbf"
