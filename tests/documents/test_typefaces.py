from hashlib import sha256

import pytest

from documents.typefaces import (
    FONT_FOLDER,
    SANS,
    SERIF,
    SHA256,
    FontFileError,
    font_bytes,
    missing_glyphs,
    text_width,
    typefaces_for,
)


def test_the_font_folder_holds_exactly_the_fonts_we_know_and_their_licences() -> None:
    assert {path.name for path in FONT_FOLDER.glob("*.woff2")} == set(SHA256)
    for family in ("SourceSans3", "SourceSerif4", "Noto", "NotoSerifCJK"):
        assert "SIL OPEN FONT LICENSE Version 1.1" in (FONT_FOLDER / f"OFL-{family}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(SHA256))
def test_each_font_file_is_the_one_we_made_the_template_with(name: str) -> None:
    assert sha256(font_bytes(name)).hexdigest() == SHA256[name]


def test_a_font_that_is_not_bundled_is_refused() -> None:
    with pytest.raises(FontFileError):
        font_bytes("../models.py")


def test_a_changed_font_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHA256, SERIF, "0" * 64)
    with pytest.raises(FontFileError, match="reinstall"):
        font_bytes(SERIF)


@pytest.mark.parametrize(
    "name",
    [
        "Zoë Løvenskiold-Ångström",
        "Nguyễn Thị Ánh Tuyết",
        "Nguye\u0302\u0303n",
        "Αλέξανδρος Παπαδόπουλος",
        "Ольга Ковальчук-Їжакевич",
        "Łukasz Żółć, Čapek, Ağaoğlu, Ștefănescu",
        "O\u2019Brien \u2013 \u201cquoted\u201d ™",
    ],
)
def test_names_in_latin_vietnamese_greek_and_cyrillic_can_be_printed(name: str) -> None:
    assert missing_glyphs(name) == set()


@pytest.mark.parametrize(
    ("name", "families"),
    [
        ("مُحَمَّد الأحمد", ["Noto Naskh Arabic"]),
        ("علی\u200cرضا رحیمی", ["Noto Naskh Arabic"]),  # noqa: RUF001 - a Persian name
        ("דָּוִד כֹּהֵן", ["Noto Serif Hebrew"]),
        ("अनिल क्षत्रिय", ["Noto Serif Devanagari"]),
        ("ภัทรวุฒิ ใจดี", ["Noto Serif Thai"]),
        ("山田 太郎", ["Noto Serif CJK"]),
        ("ヴィクトル・﨑𠮷", ["Noto Serif CJK", "Noto Serif CJK Rare"]),
        ("镕喆堃珺祎翀", ["Noto Serif CJK", "Noto Serif CJK Rare"]),
        ("김철수", ["Noto Serif Hangul"]),
        ("Zoë Ольга Αλέξανδρος", []),
    ],
)
def test_names_in_other_scripts_can_be_printed_and_bring_their_typefaces(name: str, families: list[str]) -> None:
    assert missing_glyphs(name) == set()
    assert [typeface.family for typeface in typefaces_for(name)] == families


@pytest.mark.parametrize("character", ["ⵣ", "ა", "😀", "\u202e", "\u200b", "\x07", "\ufeff", "\u200d"])
def test_scripts_without_a_typeface_and_invisible_characters_are_named(character: str) -> None:
    assert missing_glyphs(f"Alice \n{character} Moreau\n") == {character}


@pytest.mark.parametrize(
    ("text", "cluster"),
    [
        ("葛\U000e0100城", "葛\U000e0100"),  # a variant of the ideograph, which no typeface here draws
        ("Ali\u0651ce", "i\u0651"),  # an Arabic mark on a Latin letter
        ("ɔ\u0303", "ɔ\u0303"),  # the letter is in the small type only, the mark in both
        ("a\u200db", "a\u200d"),
        ("\u0301 Alice", "\u0301"),
    ],
)
def test_a_letter_whose_mark_or_joiner_would_not_find_its_place_is_named_with_it(text: str, cluster: str) -> None:
    assert missing_glyphs(text) == {cluster}


def test_marks_take_no_room_and_an_ideograph_takes_a_square() -> None:
    assert text_width("مُحَمَّد", SERIF, 20) == text_width("محمد", SERIF, 20)
    assert text_width("山田", SANS, 20) == 40


def test_twice_the_text_is_twice_as_wide() -> None:
    assert text_width("Alice Alice ", SERIF, 20) == pytest.approx(2 * text_width("Alice ", SERIF, 20))
    assert text_width("Alice", SERIF, 40) == pytest.approx(2 * text_width("Alice", SERIF, 20))
