"""Where the words of a certificate stand, for a thousand names, as the engine laid them out.

Each name has a whole certificate, on one of the papers in turn; writing its PDF would take as long again. What a name
decides is how many lines it has at which size, so the longest name of every such outcome is laid out on every paper.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest
from weasyprint.document import Document
from weasyprint.formatting_structure.boxes import BlockBox

from documents.certificate import lay_out_certificate
from documents.fit import Fit, fits
from documents.jobs import CertificateJob
from documents.models import CertificateData, Identifier, Paper, SessionLine, Signatory
from documents.template_layout import check_layout
from documents.typefaces import missing_glyphs
from tests.documents.names import NAMES, thousand_names

PARTS = 4  # of the thousand names, each a test that can fail alone
COLUMN = (10.2 - 1.4) * 96 - 2  # the text of the narrower paper, inside the rules


def boxes_of(box: Any) -> Iterator[Any]:
    yield box
    for child in getattr(box, "children", ()):
        yield from boxes_of(child)


def texts_of(page: Any) -> list[Any]:
    return [box for box in boxes_of(page._page_box) if getattr(box, "text", "").strip()]


def check(data: CertificateData) -> Document:
    """Raises when words or pictures overlap, are missing, or reach over the rule; returns the pages."""
    texts = {
        "Learner": data.learner,
        "Title": data.ce_activity_title,
        "Accreditation": data.accreditation_statement,
        "Designation": data.designation_statement,
        "Code": data.verification_code,
        **{f"Signatory{number}": each.name for number, each in enumerate(data.signatories)},
        **{f"Identifier{number}": each.value for number, each in enumerate(data.identifiers)},
    }
    document = lay_out_certificate(CertificateJob(data=data))
    check_layout(document, data, texts)
    for page in document.pages:
        for text in texts_of(page):
            assert text.position_x >= 0.5 * 96, text.text
            assert text.position_x + text.width <= page.width - 0.5 * 96, text.text
            assert text.position_y + text.height <= page.height - 0.25 * 96, text.text
    return document


def check_name(data: CertificateData, fit: Fit) -> None:
    """Raises unless the certificate is one sheet, with the name on the lines that were chosen, inside the column."""
    document = check(data)
    # Two hundred conjuncts of three letters each are more than a sheet holds; they go on to a second.
    assert len(document.pages) == 1 or (len(document.pages) == 2 and len(data.learner_name) > 300), data.learner_name
    lines = [
        line
        for page in document.pages  # a name that goes on to another sheet is a box on each
        for box in boxes_of(page._page_box)
        if isinstance(box, BlockBox) and box.element.get("class") == "learner"
        for line in box.children
    ]
    assert len(lines) == len(fit.learner_lines), data.learner_name
    assert max(sum(child.width for child in line.children) for line in lines) <= COLUMN, data.learner_name


def outcome(fit: Fit) -> tuple[str, int]:
    return fit.classes, len(fit.learner_lines)


@pytest.fixture(scope="module")
def named(certificate: CertificateData) -> list[tuple[CertificateData, Fit]]:
    people = [replace(certificate, learner_name=name) for name in thousand_names()]
    return [(data, next(fits(data))) for data in people]


def test_a_thousand_different_names_can_all_be_printed(named: list[tuple[CertificateData, Fit]]) -> None:
    names = {data.learner_name for data, _ in named}
    assert len(names) == NAMES
    assert [name for name in names if missing_glyphs(name)] == []


@pytest.mark.parametrize("part", range(PARTS))
def test_each_of_a_thousand_names_keeps_to_its_column_and_its_certificate_to_one_sheet(
    named: list[tuple[CertificateData, Fit]], part: int
) -> None:
    papers = cycle(Paper)
    for data, fit in named[part * NAMES // PARTS : (part + 1) * NAMES // PARTS]:
        check_name(replace(data, paper=next(papers)), fit)


@pytest.mark.parametrize("paper", Paper)
def test_the_longest_name_of_each_size_fits_every_paper(named: list[tuple[CertificateData, Fit]], paper: Paper) -> None:
    by_length = sorted(named, key=lambda each: len(each[0].learner_name))
    longest = {outcome(fit): (data, fit) for data, fit in by_length}
    assert len(longest) > 15
    for data, fit in longest.values():
        check_name(replace(data, paper=paper), fit)


@pytest.mark.parametrize("paper", Paper)
def test_long_names_share_the_sheet_with_long_words_of_all_others(
    named: list[tuple[CertificateData, Fit]], paper: Paper, forty_sessions: tuple[SessionLine, ...]
) -> None:
    for data, _ in sorted(named, key=lambda each: -len(each[0].learner_name))[:150:15]:
        crowded = replace(
            data,
            paper=paper,
            learner_credentials="MD, PhD, MPH, FACP",
            ce_activity_title=("Recognition, evaluation and long-term management of heart failure in adults " * 4)[
                :299
            ],
            accreditation_statement="In support of improving patient care, this is one of many sentences. " * 6,
            designation_statement="Northfield designates 1.50 AMA PRA Category 1 Credit(s)™. Claim fairly. " * 5,
            identifiers=tuple(Identifier(label=f"Number {n}", value=f"0123-0000-26-00{n}-L01-P") for n in (1, 2, 3)),
            signatories=tuple(Signatory(name=f"Signatory {n}", title="Associate Dean of Education") for n in (1, 2, 3)),
            verification_url=f"https://continuing-education.northfield.example.org/verify/{data.verification_code}",
            sessions=forty_sessions,
        )
        assert len(check(crowded).pages) in (3, 4, 5), data.learner_name


def test_code_and_signatures_stand_below_the_longer_statement(certificate: CertificateData) -> None:
    uneven = replace(certificate, accreditation_statement="Short.", designation_statement="This is not short. " * 20)
    [page] = lay_out_certificate(CertificateJob(data=uneven)).pages
    boxes = list(boxes_of(page._page_box))
    statements = [
        box.position_y + box.height
        for box in boxes
        if isinstance(box, BlockBox) and "statement" in (box.element.get("class") or "").split()
    ]
    [code] = [box for box in boxes if box.element_tag == "img"]
    assert len(statements) == 2
    assert statements[1] - statements[0] > 20
    assert code.position_y >= statements[1]
