from hashlib import sha256

import pytest

from documents.typefaces import FONT_FOLDER, SERIF, SHA256, FontFileError, font_bytes, missing_glyphs, text_width


def test_the_font_folder_holds_exactly_the_fonts_we_know_and_their_licences() -> None:
    assert {path.name for path in FONT_FOLDER.glob("*.woff2")} == set(SHA256)
    for family in ("SourceSans3", "SourceSerif4"):
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


@pytest.mark.parametrize("character", ["漢", "ع", "א", "ก", "😀", "\u202e", "\u200b", "\x07", "\ufeff"])
def test_other_scripts_and_invisible_characters_are_named(character: str) -> None:
    assert missing_glyphs(f"Alice{character} Moreau\n") == {character}


def test_twice_the_text_is_twice_as_wide() -> None:
    assert text_width("Alice Alice ", SERIF, 20) == pytest.approx(2 * text_width("Alice ", SERIF, 20))
    assert text_width("Alice", SERIF, 40) == pytest.approx(2 * text_width("Alice", SERIF, 20))
