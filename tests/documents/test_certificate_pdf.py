"""The PDF as its readers see it: people, screen readers, archives, and whoever compares two copies."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pikepdf
import pypdf
import pytest
import segno

from documents.certificate import certificate_css, render_certificate_html, render_certificate_pdf, warm_up
from documents.models import CertificateData, Paper, SessionLine, Signatory
from documents.pdf import PdfEngine
from documents.typefaces import SANS, SERIF, text_width

LETTER = (792, 612)
A4 = (841.89, 595.28)


def text_of(pdf: bytes, page: int | None = None) -> str:
    pages = pypdf.PdfReader(BytesIO(pdf)).pages
    chosen = pages if page is None else [pages[page]]
    return " ".join(" ".join(sheet.extract_text() for sheet in chosen).split())


def embedded_fonts(pdf: bytes) -> set[str]:
    with pikepdf.open(BytesIO(pdf)) as document:
        descriptors = [item for item in document.objects if _is(item, "/FontDescriptor")]
        assert all("/FontFile2" in item for item in descriptors)
        return {str(item.FontName).partition("+")[2] for item in descriptors}


def _is(item: pikepdf.Object, kind: str) -> bool:
    return isinstance(item, pikepdf.Dictionary) and item.get("/Type") == kind


def structure(pdf: bytes) -> list[tuple[str, str]]:
    with pikepdf.open(BytesIO(pdf)) as document:
        return [
            (str(item.S).removeprefix("/"), str(item.get("/Alt", "")))
            for item in document.objects
            if _is(item, "/StructElem")
        ]


def render_in_a_new_process(data: CertificateData, setup: str = "", **environment: str) -> str:
    program = f"""
{setup}
import sys, json, hashlib
from documents.certificate import render_certificate_pdf
from documents.models import CertificateData
data = CertificateData.from_json(json.load(sys.stdin))
print(hashlib.sha256(render_certificate_pdf(data)).hexdigest())
"""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        input=json.dumps(data.to_json()),
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path)), **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.fixture(scope="module")
def pdf(certificate: CertificateData) -> bytes:
    warm_up()
    return render_certificate_pdf(certificate)


def test_it_says_what_it_is_to_screen_readers_and_archives(pdf: bytes) -> None:
    with pikepdf.open(BytesIO(pdf)) as document:
        assert str(document.Root.Lang) == "en"
        assert document.Root.MarkInfo.Marked
        assert document.Root.ViewerPreferences.DisplayDocTitle
        assert str(document.docinfo.Title) == "Certificate of CME Credit: Alice Moreau, MD"
        assert str(document.docinfo.CreationDate) == "D:20261122"
        with document.open_metadata() as metadata:
            assert metadata["pdfaid:part"] == "3"
            assert metadata["pdfaid:conformance"] == "A"
            assert metadata["pdfuaid:part"] == "1"
            assert metadata["dc:title"] == "Certificate of CME Credit: Alice Moreau, MD"
        assert document.Root.Metadata.read_bytes().count(b"<rdf:RDF") == 1


def test_every_part_is_tagged_and_the_qr_code_has_words(pdf: bytes, certificate: CertificateData) -> None:
    tags = structure(pdf)
    assert {"H1", "P", "Figure", "Link"} <= {tag for tag, _ in tags}
    assert [words for tag, words in tags if tag == "Figure"] == [
        f"QR code: verify this certificate at {certificate.verification_url}"
    ]


def test_the_qr_code_is_drawn_as_any_reader_of_qr_codes_expects_it(pdf: bytes, certificate: CertificateData) -> None:
    modules = segno.make(certificate.verification_url, error="m", mask=3, micro=False).matrix
    with pikepdf.open(BytesIO(pdf)) as document:
        steps = [(str(step.operator), step.operands) for step in pikepdf.parse_content_stream(document.pages[0])]
    start = next(
        index for index, (operator, _) in enumerate(steps) if operator == "BDC" and "Figure" in str(steps[index])
    )
    drawn = [bytearray(len(modules)) for _ in modules]
    for operator, operands in steps[start : next(i for i in range(start, len(steps)) if steps[i][0] == "EMC")]:
        if operator == "re":
            x, y, width, height = (int(operand) for operand in operands)
            assert height == 1
            drawn[y][x : x + width] = b"\x01" * width
    assert tuple(drawn) == tuple(modules)


def test_a_table_of_sessions_is_tagged_as_a_table(
    certificate: CertificateData, forty_sessions: tuple[SessionLine, ...]
) -> None:
    tags = [tag for tag, _ in structure(render_certificate_pdf(replace(certificate, sessions=forty_sessions)))]
    assert {"Table", "TR", "TH", "TD"} <= set(tags)
    assert tags.count("TD") == 2 * len(forty_sessions) + 1


def test_only_our_fonts_are_embedded(pdf: bytes) -> None:
    assert embedded_fonts(pdf) == {
        "Source-Sans",
        "Source-Sans-Italic",
        "Source-Sans-Semi-Bold",
        "Source-Serif-Display",
        "Source-Serif-Display-Italic",
    }


def test_a_character_we_cannot_print_brings_in_no_other_font(certificate: CertificateData, pdf: bytes) -> None:
    foreign = render_certificate_pdf(replace(certificate, learner_name="Alice ☃ 😀 ⵣ"))
    assert embedded_fonts(foreign) <= embedded_fonts(pdf)


def test_everything_that_must_appear_can_be_read(pdf: bytes) -> None:
    text = text_of(pdf)
    for part in (
        "NORTHFIELD MEDICAL CENTER",
        "1200 West Harrison Street, Chicago, Illinois · www.northfield.example",
        "Certificate of CME Credit",
        "Alice Moreau, MD",
        "has participated in the live activity",
        "Sepsis in the First Hour",
        "Rockford, Illinois · November 19\N{EN DASH}20, 2026 · completed on November 21, 2026",
        "1.25 AMA PRA Category 1 Credit(s)™",
        "Northfield is accredited by a council",
        "designates a maximum of 1.50 AMA PRA Category 1 Credit(s)™. Claim fairly.",
        "7KQF-M2XV-9RTB-4H",
        "ce.example.org/verify/7KQFM2XV9RTB4H",
        "Margaret Osei",
        "Associate Dean",
        "Activity 485327",
        "Certificate crt_01jd4xg7q2m8 · Version 2 · Issued November 22, 2026",
    ):
        assert part in text


def test_a_page_gives_the_same_bytes_whether_or_not_it_is_well_formed(certificate: CertificateData) -> None:
    engine = PdfEngine(certificate_css())
    well_formed = render_certificate_html(certificate, stylesheet_url="")
    tag_soup = well_formed.replace("/>", ">").replace("</body>", "").replace("</html>", "")
    assert engine.render([well_formed], "x") == engine.render([tag_soup], "x")


def test_a_control_character_that_a_check_let_through_is_no_reason_to_fail(certificate: CertificateData) -> None:
    assert "Margaret Osei" in text_of(render_certificate_pdf(replace(certificate, learner_name="Alice\x07 Moreau")))


def test_equal_data_gives_equal_bytes(certificate: CertificateData, pdf: bytes) -> None:
    assert render_certificate_pdf(replace(certificate)) == pdf


def test_a_new_process_with_other_system_fonts_gives_the_same_bytes(
    certificate: CertificateData, pdf: bytes, tmp_path: Path
) -> None:
    fonts = tmp_path / "fonts.conf"
    fonts.write_text("<?xml version='1.0'?><!DOCTYPE fontconfig SYSTEM 'urn:fontconfig:fonts.dtd'><fontconfig/>")
    digest = render_in_a_new_process(certificate, FONTCONFIG_FILE=str(fonts), SOURCE_DATE_EPOCH="1234", TZ="Asia/Tokyo")
    assert digest == sha256(pdf).hexdigest()


def test_without_the_fast_subsetter_the_bytes_still_do_not_depend_on_the_time(certificate: CertificateData) -> None:
    plain = replace(certificate, accreditation_statement="", designation_statement="")
    slow = "import weasyprint.pdf.fonts\nweasyprint.pdf.fonts.harfbuzz_subset = None"
    next_year = "import time\nnow = time.time\ntime.time = lambda: now() + 3e7"
    assert render_in_a_new_process(plain, slow) == render_in_a_new_process(plain, f"{next_year}\n{slow}")


@pytest.mark.parametrize(("paper", "size"), [(Paper.LETTER, LETTER), (Paper.A4, A4)])
def test_the_certificate_is_one_landscape_sheet(
    certificate: CertificateData, paper: Paper, size: tuple[float, float]
) -> None:
    with pikepdf.open(BytesIO(render_certificate_pdf(replace(certificate, paper=paper)))) as document:
        assert len(document.pages) == 1
        assert [float(side) for side in document.pages[0].MediaBox][2:] == pytest.approx(size, abs=0.1)


@pytest.mark.parametrize("paper", Paper)
@pytest.mark.parametrize(
    "name",
    [
        "Maria-Theresia Wilhelmina Augusta von Hohenlohe-Waldenburg-Schillingsfürst de la Fontaine y Castellanos",
        "W" * 120,
        "Ольга Сергеевна Ковальчук-Їжакевич",
        "Nguyễn Thị Ánh Tuyết",
    ],
)
def test_a_long_name_stays_on_the_sheet_with_everything_else(
    certificate: CertificateData, paper: Paper, name: str
) -> None:
    crowded = replace(
        certificate,
        paper=paper,
        learner_name=name,
        learner_credentials="MD, PhD, MPH, FACP",
        ce_activity_title="Recognition, evaluation and long-term management of heart failure in older adults " * 4,
        signatories=tuple(Signatory(name=f"Signatory {number}", title="Associate Dean") for number in (1, 2, 3)),
    )
    result = render_certificate_pdf(crowded)
    assert len(pypdf.PdfReader(BytesIO(result)).pages) == 1
    assert "".join(name.split()) in "".join(text_of(result).split())
    left, right = ink_span(result)
    assert left > 28
    assert right < (LETTER if paper is Paper.LETTER else A4)[0] - 28


def ink_span(pdf: bytes, page: int = 0) -> tuple[float, float]:
    """Where the text of the first page starts on the left and ends on the right, in points; kerning is left out."""
    spans: list[tuple[float, float]] = []

    def visit(text: str, matrix: list[float], placed: list[float], font: dict[str, str] | None, size: float) -> None:
        if font is not None and text.strip():
            face = SERIF if "Serif" in font["/BaseFont"] else SANS
            start = placed[4] * matrix[0] + matrix[4]
            scale = size * placed[0] * matrix[0]
            spans.extend((start, start + text_width(line.strip(), face, scale)) for line in text.splitlines())

    pypdf.PdfReader(BytesIO(pdf)).pages[page].extract_text(visitor_text=visit)
    return min(start for start, _ in spans), max(end for _, end in spans)


def test_more_words_than_a_sheet_holds_are_all_printed(certificate: CertificateData) -> None:
    statement = "In support of improving patient care this statement is far too long. " * 60
    result = render_certificate_pdf(replace(certificate, accreditation_statement=f"{statement} The end of it."))
    text = text_of(result)
    assert text.count("far too long") == 60
    assert "The end of it." in text
    assert "7KQF-M2XV-9RTB-4H" in text


def test_forty_sessions_continue_on_further_pages_with_their_heading_and_total(
    certificate: CertificateData, forty_sessions: tuple[SessionLine, ...]
) -> None:
    result = render_certificate_pdf(replace(certificate, sessions=forty_sessions))
    pages = len(pypdf.PdfReader(BytesIO(result)).pages)
    assert pages >= 3
    assert "Lecture 1 " not in text_of(result, 0)
    for number in range(1, pages):
        assert "Session Date Credits" in text_of(result, number)
        assert f"Page {number + 1} of {pages}" in text_of(result, number)
        assert "Alice Moreau, MD" in text_of(result, number)
        assert "code 7KQF-M2XV-9RTB-4H · ce.example.org/verify/7KQFM2XV9RTB4H" in text_of(result, number)
    assert "Lecture 40 November 19, 2026 0.25" in text_of(result, pages - 1)
    assert "Total awarded 1.25" in text_of(result, pages - 1)


@pytest.mark.parametrize("unit", ["contact hours", "continuing pharmacy education units", "W" * 40])
def test_a_long_name_of_the_unit_stays_on_the_page_of_sessions(
    certificate: CertificateData, forty_sessions: tuple[SessionLine, ...], unit: str
) -> None:
    session = replace(forty_sessions[0], title="Recognition and long-term management " * 5, held_on=date(2026, 9, 28))
    credit = replace(certificate.credit, unit_name=unit)
    result = render_certificate_pdf(replace(certificate, credit=credit, sessions=(session,)))
    left, right = ink_span(result, page=1)
    assert left > 48
    assert right < LETTER[0] - 48
