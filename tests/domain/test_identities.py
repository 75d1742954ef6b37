import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identities import derived_id, is_id, new_id, normalize_code, verification_code

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PARTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=4)


def test_new_ids_are_different_well_formed_and_in_the_order_of_their_making() -> None:
    ids = []
    for _ in range(5):
        ids.append(new_id("claim"))
        time.sleep(0.002)
    assert ids == sorted(set(ids))
    assert all(is_id(each, "claim") for each in ids)


def test_a_new_id_carries_the_version_and_variant_of_a_version_7_uuid() -> None:
    value = 0
    for character in new_id("x").removeprefix("x_").upper():
        value = value << 5 | ALPHABET.index(character)
    assert value >> 76 & 0xF == 7
    assert value >> 62 & 0b11 == 0b10
    assert abs((value >> 80) - time.time() * 1000) < 60_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "claim",
        "claim_",
        "claim_" + "0" * 25,
        "claim_" + "0" * 27,
        "claim_8" + "0" * 25,
        "claim_" + "A" * 26,
        "claim_" + "u" * 26,
        "award_" + "0" * 26,
        "claim_" + "0" * 26 + "\n",
        "claim_../" + "0" * 23,
    ],
)
def test_anything_else_is_no_id(text: str) -> None:
    assert not is_id(text, "claim")


@given(parts=PARTS, others=PARTS)
def test_derived_ids_are_equal_exactly_when_their_parts_are(parts: list[str], others: list[str]) -> None:
    assert (derived_id("award", *parts) == derived_id("award", *others)) == (parts == others)
    assert is_id(derived_id("award", *parts), "award")


def test_the_same_parts_name_different_things_under_different_prefixes() -> None:
    assert derived_id("award", "a").partition("_")[2] != derived_id("email", "a").partition("_")[2]


@pytest.mark.parametrize("cut", [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("1:a", "bc")])
def test_where_the_parts_are_cut_matters(cut: tuple[str, ...]) -> None:
    others = {("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("1:a", "bc")} - {cut}
    assert derived_id("x", *cut) not in {derived_id("x", *other) for other in others}


def test_verification_codes_are_printed_in_four_groups_of_characters_that_do_not_look_alike() -> None:
    codes = {verification_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}", code) for code in codes)


@given(code=st.text(ALPHABET, min_size=16, max_size=16), data=st.data())
def test_a_code_is_recognised_however_a_person_types_it(code: str, data: st.DataObject) -> None:
    printed = "-".join(code[start : start + 4] for start in range(0, 16, 4))
    alike = {"0": "0Oo", "1": "1IiLl"}
    typed = "".join(
        data.draw(st.sampled_from(alike.get(character, character + character.lower())))
        + data.draw(st.sampled_from(["", " ", "-", "\u2013", "\u00a0"]))
        for character in code
    )
    assert normalize_code(printed) == printed
    assert normalize_code(typed) == printed


@pytest.mark.parametrize("text", ["", "ABCD", "U" * 16, "A" * 17, "\uff21" * 16, "\u0131" * 16, "ABCD-EFGH-JKMN-PQR!"])
def test_what_cannot_be_a_code_is_none(text: str) -> None:
    assert normalize_code(text) is None
