"""The transcript as its readers see it: people, screen readers, archives, and whoever compares two copies."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import pikepdf
import pypdf
import pytest

from documents.models import Paper
from documents.transcript import TranscriptDocument, render_transcript_pdf
from domain import credit
from domain.policy import CertificateIssue, LearningFormat
from domain.transcripts import CertificateProof, SessionPart, TranscriptEntry, TranscriptFilter, transcript_of

AMA = credit.rule("ama_pra_category_1")
NURSING = credit.rule("ancc_contact_hours")
CODE = "7KQF-M2XV-9RTB-4H0X"
HERE = CertificateProof(issue=CertificateIssue(), state="issued", verification_code=CODE)
SEPSIS = TranscriptEntry(
    id="awd_1",
    title="Sepsis in the First Hour",
    provider="Northfield Medical Center",
    completed_on=date(2026, 5, 31),
    recorded_at=datetime(2026, 6, 1, tzinfo=UTC),
    rule=AMA,
    units=Decimal("1.25"),
    learning_format=LearningFormat.ENDURING_MATERIAL,
    claim_id="clm_1",
    certificate=HERE,
)
MEETING = replace(
    SEPSIS,
    id="awd_2",
    title="Annual Meeting",
    completed_on=date(2025, 6, 14),
    units=Decimal("7.50"),
    learning_format=LearningFormat.LIVE_ACTIVITY,
    sessions=tuple(SessionPart(title=f"Session {n}", held_on=None, units=Decimal("2.50")) for n in range(3)),
)
RESIDENCY = TranscriptEntry(
    id="haw_1",
    title="Wound Care for Nurses",
    provider="Riverbend College",
    completed_on=date(2025, 2, 3),
    recorded_at=datetime(2026, 6, 1, tzinfo=UTC),
    rule=NURSING,
    units=Decimal(1),
    is_historical=True,
    reference="RC-77",
)


def document(*entries: TranscriptEntry, wanted: TranscriptFilter | None = None) -> TranscriptDocument:
    chosen = wanted or TranscriptFilter()
    return TranscriptDocument(
        learner="Alice Moreau, MD",
        transcript=transcript_of(entries, chosen),
        wanted=chosen,
        made_on=date(2026, 11, 21),
        site="https://ce.example.org",
    )


def text_of(pdf: bytes, page: int | None = None) -> str:
    pages = pypdf.PdfReader(BytesIO(pdf)).pages
    chosen = pages if page is None else [pages[page]]
    return " ".join(" ".join(sheet.extract_text() for sheet in chosen).split())


@pytest.fixture(scope="module")
def pdf() -> bytes:
    return render_transcript_pdf(document(SEPSIS, MEETING, RESIDENCY))


def test_everything_that_was_completed_can_be_read(pdf: bytes) -> None:
    text = text_of(pdf)
    for part in (
        "Transcript of Continuing Education Alice Moreau, MD",
        "Period: all dates · Credit: all types · Prepared on November 21, 2026",
        "May 31, 2026 Sepsis in the First Hour Northfield Medical Center · enduring material",
        f"Certificate {CODE} AMA PRA Category 1 Credit(s)™ 1.25 credits",
        "June 14, 2025 Annual Meeting Northfield Medical Center · live activity · 3 sessions",
        "February 3, 2025 Wound Care for Nurses Riverbend College · reference RC-77",
        "Historical award, entered by staff nursing contact hour(s) 1.00 contact hour ",
        "Every certificate can be checked at ce.example.org/verify with the code that stands beside it.",
        "Historical awards are credit from before this record began.",
        "Transcript of Alice Moreau, MD · November 21, 2026",
        "1 of 1",
    ):
        assert part in text


def test_totals_stand_above_all_years_and_below_each(pdf: bytes) -> None:
    text = text_of(pdf)
    above, _, years = text.partition(" 2026 Completed Activity Credit Amount ")
    assert "AMA PRA Category 1 Credit(s)™ 2 8.75 credits nursing contact hour(s) 1 1.00 contact hour " in above
    newer, _, older = years.partition(" 2025 Completed Activity Credit Amount ")
    assert "Total 2026 AMA PRA Category 1 Credit(s)™ 1.25 credits" in newer
    assert "Total 2025 AMA PRA Category 1 Credit(s)™ 7.50 credits" in older
    assert "Total 2025 nursing contact hour(s) 1.00 contact hour" in older


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (TranscriptFilter(year=2026), "Period: 2026 ·"),
        (TranscriptFilter(from_on=date(2026, 5, 3)), "Period: since May 3, 2026 ·"),
        (TranscriptFilter(until_on=date(2026, 6, 1)), "Period: until June 1, 2026 ·"),
        (
            TranscriptFilter(from_on=date(2026, 5, 30), until_on=date(2026, 6, 1)),
            "Period: May 30 \N{EN DASH} June 1, 2026 ·",
        ),
        (TranscriptFilter(year=2026, from_on=date(2026, 5, 3)), "Period: 2026, since May 3, 2026 ·"),
        (TranscriptFilter(credit_type=AMA.code), "Credit: AMA PRA Category 1 Credit(s)™ ·"),
    ],
)
def test_what_was_asked_for_is_said_in_words(wanted: TranscriptFilter, words: str) -> None:
    assert words in text_of(render_transcript_pdf(document(SEPSIS, wanted=wanted)))


def test_a_period_without_awards_says_so() -> None:
    text = text_of(render_transcript_pdf(document(SEPSIS, wanted=TranscriptFilter(year=2001))))
    assert "There are no awards in this period." in text
    assert "Totals" not in text
    assert "verify" not in text


def test_a_certificate_in_another_system_is_named_instead_of_a_code() -> None:
    elsewhere = CertificateIssue(issued="elsewhere", system="Riverbend Learning Record", url="https://x.example")
    entries = (
        replace(SEPSIS, certificate=CertificateProof(issue=elsewhere)),
        replace(SEPSIS, id="awd_3", certificate=CertificateProof(issue=replace(elsewhere, system=None))),
    )
    text = text_of(render_transcript_pdf(document(*entries)))
    assert "Certificate: Riverbend Learning Record" in text
    assert "Certificate: in another system" in text
    assert "can be checked" not in text


def test_a_statement_that_is_not_final_is_marked() -> None:
    assert "Not final" in text_of(render_transcript_pdf(document(replace(SEPSIS, is_final=False))))
    assert "Not final" not in text_of(render_transcript_pdf(document(SEPSIS)))


def test_it_says_what_it_is_to_screen_readers_and_archives(pdf: bytes) -> None:
    with pikepdf.open(BytesIO(pdf)) as opened:
        assert str(opened.Root.Lang) == "en"
        assert opened.Root.MarkInfo.Marked
        assert str(opened.docinfo.Title) == "Transcript of continuing education: Alice Moreau, MD"
        assert str(opened.docinfo.CreationDate) == "D:20261121"
        with opened.open_metadata() as metadata:
            assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("3", "A")
            assert metadata["pdfuaid:part"] == "1"
        tags = [str(item.S) for item in opened.objects if _is(item, "/StructElem")]
        descriptors = [item for item in opened.objects if _is(item, "/FontDescriptor")]
    assert {"/H1", "/H2", "/P", "/Table", "/TR", "/TH", "/TD", "/Link"} <= set(tags)
    assert tags.count("/Table") == 3
    assert {str(item.FontName).partition("+")[2] for item in descriptors} <= {
        "Source-Sans",
        "Source-Sans-Italic",
        "Source-Sans-Semi-Bold",
        "Source-Serif-Display",
    }


def _is(item: pikepdf.Object, kind: str) -> bool:
    return isinstance(item, pikepdf.Dictionary) and item.get("/Type") == kind


def test_equal_documents_give_equal_bytes_and_another_day_gives_others(pdf: bytes) -> None:
    same = document(SEPSIS, MEETING, RESIDENCY)
    assert render_transcript_pdf(same) == pdf
    assert render_transcript_pdf(replace(same, made_on=date(2026, 11, 22))) != pdf


@pytest.mark.parametrize(("paper", "size"), [(Paper.LETTER, (612, 792)), (Paper.A4, (595.28, 841.89))])
def test_a_transcript_stands_upright(paper: Paper, size: tuple[float, float]) -> None:
    with pikepdf.open(BytesIO(render_transcript_pdf(replace(document(SEPSIS), paper=paper)))) as opened:
        assert [float(side) for side in opened.pages[0].MediaBox][2:] == pytest.approx(size, abs=0.1)


def test_many_awards_continue_on_further_pages_below_the_heading_of_the_table() -> None:
    entries = [
        replace(
            SEPSIS,
            id=f"awd_{number}",
            title=f"Lecture {number}: recognition and long-term management of heart failure in older adults " * 3,
            completed_on=date(2026, 11, 21) - timedelta(days=number),
        )
        for number in range(40)
    ]
    result = render_transcript_pdf(document(*entries))
    pages = len(pypdf.PdfReader(BytesIO(result)).pages)
    assert pages >= 4
    for number in range(pages):
        assert "Completed Activity Credit Amount" in text_of(result, number)
        assert f"{number + 1} of {pages}" in text_of(result, number)
    whole = text_of(result)
    for number in range(40):
        assert whole.count(f"Lecture {number}: recognition") == 3
    assert "Total 2026 AMA PRA Category 1 Credit(s)™ 50.00 credits" in text_of(result, pages - 1)


HOSTILE = [
    "<script>alert(1)</script>",
    "</title><img src='file:///etc/passwd'>",
    "{{ 7*7 }}{% raw %}",
    "W" * 200,
    "Management-" * 30,
]


@pytest.mark.parametrize("title", HOSTILE)
def test_whatever_a_title_holds_is_printed_as_it_is(title: str) -> None:
    made = replace(document(replace(SEPSIS, title=title, provider=title)), learner=title)
    printed = "".join(text_of(render_transcript_pdf(made)).split())
    assert printed.count("".join(title.split())) >= 3


def test_a_character_that_no_font_has_becomes_a_square_with_a_note() -> None:
    foreign = render_transcript_pdf(replace(document(SEPSIS), learner="山田 ☃☃"))
    assert "山田 □□" in text_of(foreign)
    assert "□ stands for a character that this document cannot show." in text_of(foreign)
    assert "□" not in text_of(render_transcript_pdf(replace(document(SEPSIS), learner="Nguyễn Thị Ánh Ковальчук")))
