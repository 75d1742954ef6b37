from calendar import monthrange

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identifiers import IDENTIFIERS, IdentifierKind, is_not_applicable

KINDS = st.sampled_from(list(IDENTIFIERS.values()))
NEAR_MISSES = st.from_regex(r"[0-9A-Za-z ./-]{0,45}", fullmatch=True) | st.text(max_size=20)


@pytest.mark.parametrize("kind", IDENTIFIERS.values(), ids=lambda kind: kind.code)
def test_every_kind_is_whole_and_its_example_is_written_as_it_is_stored(kind: IdentifierKind) -> None:
    assert IDENTIFIERS[kind.code] is kind
    assert kind.label[0].isupper()
    assert kind.description.endswith(".")
    assert kind.normalize(kind.example) == kind.example


@given(kind=KINDS, text=NEAR_MISSES)
def test_what_is_stored_is_written_in_one_way(kind: IdentifierKind, text: str) -> None:
    written = kind.normalize(text)
    if written is not None:
        assert kind.normalize(written) == written
        assert kind.normalize(f"  {written.lower()} ") == written
        assert written.isascii()
        assert written.isprintable()
        assert 0 < len(written) <= 40


@pytest.mark.parametrize(
    ("kind", "text", "written"),
    [
        ("nabp_eprofile_id", " 123-456 ", "123456"),
        ("npi", "123 456 7893", "1234567893"),
        ("birth_month_day", "0704", "07-04"),
        ("birth_month_day", "07/04", "07-04"),
        ("birth_month_day", "02.29", "02-29"),
        ("license_number", "md  036-123456", "MD 036-123456"),
        ("rn_license", "rn 654321", "RN 654321"),
        ("employee_id", "e-10442", "E-10442"),
        ("abim_id", "123456", "123456"),
    ],
)
def test_ways_of_writing_one_number_compare_equal(kind: str, text: str, written: str) -> None:
    assert IDENTIFIERS[kind].normalize(text) == written


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("nabp_eprofile_id", "1234"),
        ("nabp_eprofile_id", "12345678901"),
        ("npi", "12"),
        ("npi", "\uff11234567893"),
        ("birth_month_day", "7-4"),
        ("birth_month_day", "13-01"),
        ("birth_month_day", "1990-07-04"),
        ("license_number", ""),
        ("license_number", "   "),
        ("license_number", "A" * 41),
        ("license_number", "A\tB"),
        ("license_number", "12\u00df"),
        ("employee_id", "E 10442"),
        ("employee_id", "<b>"),
    ],
)
def test_what_cannot_be_such_a_number_is_refused(kind: str, text: str) -> None:
    assert IDENTIFIERS[kind].normalize(text) is None


def test_exactly_the_days_of_a_leap_year_are_birthdays() -> None:
    kind = IDENTIFIERS["birth_month_day"]
    written = {f"{month:02}-{day:02}" for month in range(14) for day in range(33)}
    days = {f"{month:02}-{day:02}" for month in range(1, 13) for day in range(1, monthrange(2000, month)[1] + 1)}
    assert {text for text in written if kind.normalize(text) is not None} == days


@pytest.mark.parametrize("text", ["NA", "na", "N/A", " n / a ", "N.A."])
def test_whoever_has_no_number_is_not_known_by_that_word(text: str) -> None:
    assert is_not_applicable(text)
    assert all(kind.normalize(text) is None for kind in IDENTIFIERS.values())


@pytest.mark.parametrize("text", ["", "N", "NAN", "A1", "NA1"])
def test_other_texts_may_be_numbers(text: str) -> None:
    assert not is_not_applicable(text)
