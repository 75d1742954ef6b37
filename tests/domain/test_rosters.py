import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identifiers import IDENTIFIERS
from domain.roster_columns import LABELS, column_of
from domain.rosters import Roster, RosterError, RosterLine, RowCode, RowProblem, normalize_key, read_roster

HEADER = "Badge,Group ID,First name,Last name,E-mail,NPI,License,Employee ID"


def read(*rows: str, header: str = HEADER) -> Roster:
    return read_roster("\n".join([header, *rows]).encode())


def only(row: str) -> RosterLine:
    [line] = read(row).lines
    return line


def found(line: RosterLine) -> list[tuple[RowCode, str | None]]:
    return [(problem.code, problem.column) for problem in line.problems]


@pytest.mark.parametrize(
    ("kind", "value", "form"),
    [
        ("badge_id", " ab-12 34\u00a0x ", "AB1234X"),
        ("badge_id", "\uff21\uff22\u201312", "AB12"),
        ("badge_id", "00\u200b7\u00ad", "007"),
        ("group_id", "site_4/b", "SITE_4/B"),
        ("badge_id", " - ", ""),
        ("email", " Ada.L@X.Example ", "ada.l@x.example"),
        ("email", "ann-marie@x.example", "ann-marie@x.example"),
        ("npi", "123 456-7893", "1234567893"),
        ("license_number", "MD 036-123456", "MD036123456"),
    ],
)
def test_a_key_is_compared_without_what_people_add_when_they_copy_it(kind: str, value: str, form: str) -> None:
    assert normalize_key(kind, value) == form


@given(st.text("aB -\u2013\u00ad\u00df1\u00c9\uff45.", max_size=12))
def test_a_key_in_its_form_keeps_it_and_case_does_not_matter(value: str) -> None:
    form = normalize_key("badge_id", value)
    assert normalize_key("badge_id", form) == form
    assert normalize_key("badge_id", f" {value.swapcase()}\u200b") == form


@pytest.mark.parametrize(
    ("heading", "column"),
    [
        ("Badge", "badge_id"), ("BADGE ID", "badge_id"), ("badge #", "badge_id"), ("Badge No.", "badge_id"),
        ("badge_id", "badge_id"), ("First name", "given_name"), ("Given name", "given_name"),
        ("Last", "family_name"), ("Surname", "family_name"), ("E-mail", "email"), ("Email Address", "email"),
        ("Group ID", "group_id"), ("Employee #ID", "employee_id"), ("NPI", "npi"), ("NPI Number", "npi"),
        ("License No.", "license_number"), ("NABP e-Profile ID", "nabp_eprofile_id"), ("ABIM ID", "abim_id"),
        (" \ufeff\uff25\uff0dmail*", "email"), ("Shoe size", None),
        ("", None), ("Name", None), ("birth_month_day", None),
    ],
)  # fmt: skip
def test_columns_are_known_by_what_offices_call_them(heading: str, column: str | None) -> None:
    assert column_of(heading) == column


def test_every_identifier_by_which_a_person_is_found_may_be_a_column() -> None:
    assert LABELS.keys() >= IDENTIFIERS.keys() - {"birth_month_day"}
    assert {column_of(label) for label in LABELS.values()} == set(LABELS)


def test_columns_may_come_in_any_order_and_unknown_ones_are_left_out_and_named() -> None:
    roster = read("44;Lovelace;a-1;x;Ada", header="Shoe size;Surname;Badge #;;Given name")
    assert roster.columns == ("family_name", "badge_id", "given_name")
    assert roster.ignored == ("Shoe size",)
    assert (roster.encoding, roster.separator) == ("utf-8", ";")
    assert roster.lines == (
        RosterLine(line=2, values={"family_name": "Lovelace", "badge_id": "a-1", "given_name": "Ada"}),
    )


def test_a_row_holds_what_is_written_and_its_keys_in_the_form_in_which_they_are_compared() -> None:
    line = only("ab\u00ad-001 \u200b x,,  Zoë ,O'Brien,Zoe@X.Example,123-456-7893,md 12,e-7")
    assert line.values == {
        "badge_id": "ab-001 x", "given_name": "Zoë", "family_name": "O'Brien", "email": "zoe@x.example",
        "npi": "123-456-7893", "license_number": "md 12", "employee_id": "e-7",
    }  # fmt: skip
    assert line.keys == {
        "badge_id": "AB001X", "email": "zoe@x.example", "npi": "1234567893", "license_number": "MD12",
        "employee_id": "E7",
    }  # fmt: skip
    assert (line.problems, line.has_error, line.is_group) == ((), False, False)


def test_a_group_is_a_row_with_nothing_but_its_id() -> None:
    line = only(",g-1,Ada,,,,,")
    assert (line.is_group, line.keys, line.problems) == (True, {"group_id": "G1"}, ())


@pytest.mark.parametrize("nothing", ["", " ", "-", "\u2013", "NA", "n/a", "None", "NULL", "N.A."])
def test_what_stands_for_no_number_is_none(nothing: str) -> None:
    assert only(f"A1,,Ada,Lovelace,{nothing},{nothing},{nothing},{nothing}").keys == {"badge_id": "A1"}


@pytest.mark.parametrize(
    ("row", "problems"),
    [
        (",,Ada,Lovelace,,,,", [("no_key", None)]),
        ("A1,,Ada,Lovelace,ada at x,,,", [("email_format", "email")]),
        ("A1,,Ada,Lovelace,ada@x.example; b@y.example,,,", [("email_format", "email")]),
        ("A1,,Ada,Lovelace,,12,,", [("id_format", "npi")]),
        ("=1+1,,Ada,Lovelace,,,,", [("id_format", "badge_id")]),
        ("./.,,Ada,Lovelace,,,,", [("id_format", "badge_id")]),
        (f"{'x' * 65},,Ada,Lovelace,,,,", [("id_format", "badge_id")]),
        (f"{'x' * 255},,Ada,Lovelace,,,,", [("too_long", "badge_id")]),
        (f"A1,,{'x' * 300},Lovelace,,,,", [("too_long", "given_name")]),
        ("A\x001,,Ada,Lovelace,,,,", [("characters", "badge_id")]),
        ("A1,,A\x07da,Lovelace,,,,", [("characters", "given_name")]),
        ("A1,,Ada,\u202egnp,,,,", [("characters", "family_name")]),
        ('A1,,"Ada\nMaria",Lovelace,,,,', [("characters", "given_name")]),
        ("A1,,Ada,Lovelace,,,,,more", [("too_many_values", None)]),
        ("A1,G1,Ada,Lovelace,,,,", [("group_and_person", None)]),
        ("x,,,,a,b,,", [("email_format", "email"), ("id_format", "npi"), ("name_missing", None)]),
    ],
)
def test_what_is_wrong_with_a_row_is_said_by_column(row: str, problems: list[tuple[str, str | None]]) -> None:
    line = only(row)
    assert found(line) == problems
    assert line.has_error
    assert not any("\x00" in value or len(value) > 254 for value in line.values.values())


@pytest.mark.parametrize(
    "mangled", ["1.23E+12", "1,23E+12", "1E+09", "-1.2e+10", "4711.0", "4711,00", "#N/A", "#VALUE!", "########"]
)
@pytest.mark.parametrize("column", ["Badge", "Employee ID", "NPI"])
def test_numbers_that_a_spreadsheet_program_changed_are_found(mangled: str, column: str) -> None:
    [line] = read(f'"{mangled}",Ada,Lovelace', header=f"{column},First,Last").lines
    assert found(line) == [(RowCode.ID_MANGLED, column_of(column))]


@pytest.mark.parametrize("badge", ["12E5", "1.5", "A.0", "#12", "0012", "E+4"])
def test_numbers_that_only_look_like_it_are_kept(badge: str) -> None:
    assert only(f"{badge},,Ada,Lovelace,,,,").keys == {"badge_id": badge}


def test_a_missing_name_is_a_warning_where_there_is_a_column_for_it() -> None:
    line = only("A1,,,Lovelace,,,,")
    assert (found(line), line.has_error) == ([(RowCode.NAME_MISSING, None)], False)
    assert read("A1", header="Badge").lines[0].problems == ()
    assert read("A1,Lovelace", header="Badge,Last").lines[0].problems == ()


def test_a_row_that_says_the_same_again_counts_once() -> None:
    first, second, third = read("A1,,Ada,Lovelace,,,,", "a-1,,Ada,Lovelace,,,,", "A-1,,Ada,Lovelace,,,,").lines
    assert first.problems == ()
    for line in (second, third):
        assert line.problems == (RowProblem(RowCode.ROW_REPEATED, lines=(2,)),)
        assert (line.is_repeated, line.has_error) == (True, False)


def test_a_group_that_is_named_again_counts_once_whoever_stands_beside_it() -> None:
    first, second = read(",G1,Ada,Lovelace,,,,", ",g1,Grace,Hopper,,,,").lines
    assert (first.problems, second.problems) == ((), (RowProblem(RowCode.ROW_REPEATED, lines=(2,)),))


def test_rows_that_share_a_key_and_say_something_else_name_each_other() -> None:
    lines = read("A1,,Ada,Lovelace,a@x.example,,,", "A1,,Grace,Hopper,,,,", "A2,,Ada,Byron,A@x.example,,,").lines
    assert [line.problems for line in lines] == [
        (RowProblem(RowCode.KEY_REPEATED, "badge_id", (3,)), RowProblem(RowCode.KEY_REPEATED, "email", (4,))),
        (RowProblem(RowCode.KEY_REPEATED, "badge_id", (2,)),),
        (RowProblem(RowCode.KEY_REPEATED, "email", (2,)),),
    ]


def test_a_row_that_cannot_be_used_does_not_make_its_repetition_superfluous() -> None:
    broken, right = read("A1,,Ada,Lovelace,,,,,x", "A1,,Ada,Lovelace,,,,").lines
    assert found(broken) == [(RowCode.TOO_MANY_VALUES, None)]
    assert right.problems == ()


def test_only_the_first_lines_with_the_same_key_are_named() -> None:
    lines = read(*[f"A1,,Ada{number},Lovelace,,,," for number in range(20)]).lines
    assert lines[0].problems[0].lines == (3, 4, 5, 6, 7)
    assert lines[4].problems[0].lines == (2, 3, 4, 5, 7)
    assert lines[19].problems[0].lines == (2, 3, 4, 5, 6)


def test_fifty_thousand_rows_with_one_badge_are_all_problems() -> None:
    lines = read(*[f"A1,Ada{number}" for number in range(50_000)], header="Badge,First").lines
    assert all(found(line) == [(RowCode.KEY_REPEATED, "badge_id")] for line in lines)


def refused(raw: bytes) -> tuple[str, int | None, str | None]:
    with pytest.raises(RosterError) as caught:
        read_roster(raw)
    assert len(str(caught.value)) > 10
    line, column = caught.value.line, caught.value.column
    assert caught.value.place == (f"line {line}" if line else "") + (f": {column}" if column else "")
    return caught.value.code, caught.value.line, caught.value.column


@pytest.mark.parametrize(
    ("raw", "code", "line", "column"),
    [
        (b"", "empty", None, None),
        (b"PK\x03\x04", "workbook", None, None),
        (b'Badge\n"A1\n', "quotes", 2, None),
        (b"\nA1,Ada\nA2,Grace\n", "header_unknown", 2, None),
        (b"First,Last\nAda,Lovelace\n", "header_unknown", 1, None),
        (b"Badge,First,Badge ID\nA1,Ada,A1\n", "column_repeated", 1, "badge_id"),
        (b"\nBadge\n\n", "no_rows", 2, None),
    ],
)
def test_a_file_that_is_no_roster_is_refused_with_its_place(
    raw: bytes, code: str, line: int | None, column: str | None
) -> None:
    assert refused(raw) == (code, line, column)


def test_a_file_without_a_header_is_told_what_is_needed() -> None:
    with pytest.raises(RosterError, match=r"Badge ID, Group ID, E-mail, .*Employee ID"):
        read_roster(b"A1,Ada,Lovelace\n")


def test_every_problem_has_its_words() -> None:
    assert len({code.words for code in RowCode}) == len(RowCode)


CELLS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    st.sampled_from(["A1", "a-1", "x@y.example", "1.2E+3", "=1", "\x00", "n/a", "1234567893", "x" * 300]),
)


@given(st.lists(st.lists(CELLS, min_size=1, max_size=9), max_size=8))
def test_whatever_the_cells_every_row_is_stored_or_says_what_is_wrong(rows: Sequence[Sequence[str]]) -> None:
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    try:
        lines = read(*quoted).lines
    except RosterError as error:
        lines, code = (), error.code
        quoted = quoted if code != "no_rows" else []
    assert len(lines) <= len(quoted)
    for line in lines:
        assert line.keys or line.has_error
        for column, value in line.keys.items():
            assert line.has_error or normalize_key(column, value) == value
        assert not any(re.search(r"[\x00-\x1f]", value) for value in line.values.values())


def test_the_page_for_staff_names_every_column_and_every_problem() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "rosters.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+)`", page))
    assert set(LABELS) | set(RowCode) <= named
