"""Names of the world's scripts, in their typefaces, their order and their countries' forms; and pictures."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import pikepdf
import pypdf
import pytest
from weasyprint.text.ffi import ffi

from documents.certificate import (
    lay_out_certificate,
    render_certificate,
    render_certificate_html,
    render_certificate_pdf,
)
from documents.jobs import CertificateJob
from documents.models import CertificateData
from documents.scripts import language_of, mark_scripts
from tests.documents.names import thousand_names

NAMES = {
    "مُحَمَّد الأحمد": "Noto-Naskh-Arabic",
    "דָּוִד כֹּהֵן": "Noto-Serif-Hebrew",
    "अनिल क्षत्रिय": "Noto-Serif-Devanagari",
    "ภัทรวุฒิ ใจดี": "Noto-Serif-Thai",
    "山田 太郎": "Noto-Serif-CJK",
    "镕喆堃珺祎翀": "Noto-Serif-CJK-Rare",
    "김철수": "Noto-Serif-Hangul",
}


def page_of(data: CertificateData) -> str:
    return render_certificate_html(data, stylesheet_url="/static/certificate.css")


@pytest.mark.parametrize(("name", "font"), NAMES.items())
def test_a_name_is_embedded_in_the_typeface_of_its_script_and_can_be_read_back(
    certificate: CertificateData, name: str, font: str
) -> None:
    pdf = render_certificate_pdf(replace(certificate, learner_name=name))
    with pikepdf.open(BytesIO(pdf)) as document:
        fonts = [
            str(item.FontName)
            for item in document.objects
            if isinstance(item, pikepdf.Dictionary) and "/FontName" in item
        ]
        assert any(each.endswith(f"+{font}") for each in fonts)
        assert str(document.docinfo.Title).endswith(f"{name}, MD")
    text = pypdf.PdfReader(BytesIO(pdf)).pages[0].extract_text()
    letters = {letter for letter in name if letter.isalpha()}
    assert letters <= set(text)


def test_every_letter_of_a_thousand_names_has_a_glyph_where_it_is_set(certificate: CertificateData) -> None:
    """What ``missing_glyphs`` foretells is what the engine does: it asks the fonts, not our tables."""
    unknown = 0x10000000
    letters = "".join(sorted({letter for name in thousand_names() for letter in name}))
    words = " ".join(letters[at : at + 8] for at in range(0, len(letters), 8))
    document = lay_out_certificate(CertificateJob(data=replace(certificate, accreditation_statement=words)))
    glyphs = [glyph for page in document.pages for glyph in glyphs_of(page._page_box)]
    assert len(glyphs) > len(letters)
    assert not any(glyph & unknown for glyph in glyphs)


def glyphs_of(box: Any) -> list[int]:
    found = []
    run = ffi.NULL
    if layout := getattr(box, "pango_layout", None):
        layout.reactivate(box.style)
        run = layout.get_first_line()[0].runs[0]
    while run != ffi.NULL:
        string = run.data.glyphs
        found += [info.glyph for info in string.glyphs[0 : string.num_glyphs]]
        run = run.next
    return found + [glyph for child in getattr(box, "children", ()) for glyph in glyphs_of(child)]


def test_the_typefaces_that_others_brought_change_no_certificate(certificate: CertificateData) -> None:
    before = render_certificate_pdf(certificate)
    for name in NAMES:
        render_certificate_pdf(replace(certificate, learner_name=name))
    assert render_certificate_pdf(certificate) == before


def test_credentials_stand_to_the_right_of_an_arabic_name(certificate: CertificateData) -> None:
    assert '<bdi dir="rtl">محمد الأحمد</bdi>, MD</p>' in page_of(replace(certificate, learner_name="محمد الأحمد"))


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("الرعاية ICU المركزة", '<bdi dir="rtl">الرعاية ICU المركزة</bdi>'),
        ("Care (الرعاية) in ICU", 'Care (<bdi dir="rtl">الرعاية</bdi>) in ICU'),
        ("עמאן · May 3, 2026", '<bdi dir="rtl">עמאן</bdi> · May 3, 2026'),
        ("山田 太郎, MD", '<span lang="zh-Hans">山田 太郎</span>, MD'),
        ("Zoë <b>Ольга</b>", "Zoë <b>Ольга</b>"),
    ],
)
def test_words_of_another_direction_or_country_are_marked_and_no_others(text: str, marked: str) -> None:
    page = '<html><head><title>محمد</title></head><body class="山">{}</body></html>'
    assert mark_scripts(page.format(text)) == page.format(marked)


@pytest.mark.parametrize(
    ("words", "language"),
    [
        ("敗血症の話", "ja"),
        ("홍길동 洪", "ko"),
        ("刘德华", "zh-Hans"),
        ("劉德華", "zh-Hant"),
        ("辻 畑", "ja"),
        ("乭", "ko"),
        ("镕", "zh-Hans"),
    ],
)
def test_ideographs_take_the_forms_of_the_country_that_writes_so(words: str, language: str) -> None:
    assert language_of(words) == language


def test_one_character_has_different_forms_in_china_and_japan(certificate: CertificateData) -> None:
    def glyphs(words: str) -> list[int]:
        data = replace(certificate, accreditation_statement=words, designation_statement="")
        document = lay_out_certificate(CertificateJob(data=data))
        return [glyph for page in document.pages for glyph in glyphs_of(page._page_box)]

    assert set(glyphs("直骨")) - set(glyphs("直骨の"))


def test_logo_and_signature_are_drawn_and_have_words(certificate: CertificateData, pictured: CertificateJob) -> None:
    with pikepdf.open(BytesIO(render_certificate(pictured))) as document:
        figures = [
            str(item.Alt)
            for item in document.objects
            if isinstance(item, pikepdf.Dictionary) and item.get("/S") == "/Figure"
        ]
        images = [
            item for item in document.objects if isinstance(item, pikepdf.Stream) and item.get("/Subtype") == "/Image"
        ]
        assert len(document.pages) == 1
    assert figures[0] == "Logo of Northfield Medical Center"
    assert "Signature of Margaret Osei" in figures
    assert {(int(image.Width), int(image.Height)) for image in images} == {(300, 80), (90, 200)}
    assert render_certificate(pictured) == render_certificate(pictured)


def test_the_web_page_holds_its_pictures_and_leaves_out_those_that_it_is_not_given(pictured: CertificateJob) -> None:
    page = render_certificate_html(pictured.data, stylesheet_url="/c.css", images=pictured.images)
    assert page.count('src="data:image/png;base64,') == 1
    assert page.count('src="data:image/jpeg;base64,') == 1
    without = page_of(pictured.data)
    assert "Logo of" not in without
    assert without.count("<img") == 1


def boxes_of(box: Any) -> Iterator[Any]:
    yield box
    for child in getattr(box, "children", ()):
        yield from boxes_of(child)


def test_a_picture_of_any_shape_keeps_to_its_box(pictured: CertificateJob) -> None:
    [page] = lay_out_certificate(pictured).pages
    boxes = {box.element.get("class"): box for box in boxes_of(page._page_box) if box.element_tag == "img"}
    assert (boxes["logo"].height, boxes["logo"].width) == (pytest.approx(0.66 * 96), pytest.approx(3.6 * 96))
    assert boxes["ink"].height == pytest.approx(0.45 * 96)
