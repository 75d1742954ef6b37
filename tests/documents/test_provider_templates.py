"""Certificates made with a provider's own template: every word can be read on them, or they are not made."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pikepdf
import pypdf
import pytest
from jinja2 import UndefinedError
from jinja2.exceptions import TemplateRuntimeError

from documents.certificate import render_certificate, render_preview_html
from documents.jobs import CertificateJob, RenderFailedError, TemplateSource
from documents.models import Paper
from documents.provider_templates import _environment
from documents.render_process import ProcessRenderer
from documents.samples import Sample, sample_job
from documents.template_lint import template_problems
from documents.template_trial import TemplateFailsError, render_sample, try_out, words_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "templates" / "great-lakes"
TEMPLATE = TemplateSource(
    reference="great-lakes@1",
    html=EXAMPLE.with_suffix(".html").read_text(encoding="utf-8"),
    css=EXAMPLE.with_suffix(".css").read_text(encoding="utf-8"),
)
EXPLODING = "@page { size: 0.01in 0.01in; margin: 0; border: none } @page record { margin: 0 } .sheet { height: auto }"


def styled(css: str) -> TemplateSource:
    """The example with one more rule, which the lint lets through."""
    assert not template_problems(TEMPLATE.html, TEMPLATE.css + css)
    return replace(TEMPLATE, css=TEMPLATE.css + css)


def failure(template: TemplateSource, sample: Sample = Sample.ORDINARY, paper: Paper = Paper.LETTER) -> str:
    with pytest.raises(RenderFailedError) as raised:
        render_certificate(sample_job(sample, paper, template))
    assert raised.value.is_final
    return raised.value.code


def text_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(BytesIO(pdf)).pages).split())


class InThisProcess:
    """Renders where the test runs, and keeps what came of each job."""

    def __init__(self) -> None:
        self.made: list[tuple[CertificateJob, bytes]] = []

    def render(self, job: CertificateJob) -> bytes:
        pdf = render_certificate(job)
        self.made.append((job, pdf))
        return pdf


@pytest.fixture(scope="module")
def renderer() -> Iterator[ProcessRenderer]:
    renderer = ProcessRenderer(seconds=4)
    yield renderer
    renderer.close()


def test_the_example_fits_its_page_with_every_sample_on_every_paper() -> None:
    renderer = InThisProcess()
    try_out(TEMPLATE, renderer)
    assert [job for job, _ in renderer.made] == [
        sample_job(sample, paper, TEMPLATE) for sample in Sample for paper in Paper
    ]
    for job, pdf in renderer.made:
        assert job.data.verification_code in text_of(pdf)
        # Sessions fill as many pages as they need; everything else is to fit on one.
        assert len(pypdf.PdfReader(BytesIO(pdf)).pages) == 1 or job.data.sessions


def test_a_certificate_of_a_template_is_an_archival_document_like_every_other() -> None:
    job = replace(sample_job(Sample.ORDINARY, Paper.A4, TEMPLATE), credential=b"{}")
    pdf = render_certificate(job)
    assert pdf == render_certificate(job)
    with pikepdf.open(BytesIO(pdf)) as document:
        assert str(document.Root.Lang) == "en"
        assert document.Root.MarkInfo.Marked
        with document.open_metadata() as metadata:
            assert (metadata.pdfa_status, metadata["pdfuaid:part"]) == ("3A", "1")
            assert metadata["dc:title"] == "Certificate of CME Credit: Alice Moreau, MD"
        assert [str(name) for name in document.attachments] == ["credential.json"]
        box = [float(side) for side in document.pages[0].MediaBox]
        assert box[2:] == pytest.approx([841.89, 595.28], abs=0.1)
    text = text_of(pdf)
    assert "1.25 AMA PRA Category 1 Credit(s)™" in text
    assert "SAMP-LE00-0000-00" in text


def test_hostile_data_is_printed_as_it_is_and_does_nothing() -> None:
    text = text_of(render_sample(TEMPLATE, Sample.HOSTILE, Paper.LETTER, InThisProcess())).replace(" ", "")
    for words in ("<script>alert(1)</script>{{7*7}}{%raw%}</p></body>&amp;", "<style>*{display:none}</style>"):
        assert words in text
    page = render_preview_html(sample_job(Sample.HOSTILE, Paper.LETTER, TEMPLATE), font_url_prefix="/static/fonts")
    assert "<script" not in page
    assert page.count("<style>") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }}" in page


@pytest.mark.parametrize(
    ("css", "code"),
    [
        (".learner { display: none }", "LearnerNotShown"),
        (".learner { font-size: 3pt }", "LearnerNotShown"),
        (".learner { opacity: 0.1 }", "LearnerNotShown"),
        (".learner { color: transparent }", "LearnerNotShown"),
        (".learner { color: #e8e8e8 }", "LearnerNotShown"),
        ("#foot .statement { color: #fff }", "DesignationStatementNotShown"),
        (".learner { background: #0f2f44 }", "LearnerNotShown"),
        ("body { background: #16242e }", "DesignationStatementNotShown"),
        (".provider-name { color: #0f2f44 }", "ProviderNameNotShown"),
        (".activity { display: none }", "TitleNotShown"),
        (".amount em { display: none }", "CreditNotShown"),
        (".amount { opacity: 0 }", "CreditNotShown"),
        (".provider-name { display: none }", "ProviderNameNotShown"),
        ("#foot .statement { font-size: 2pt }", "DesignationStatementNotShown"),
        (".code { display: none }", "VerificationCodeNotShown"),
        (".particulars { display: none }", "ParticularsNotShown"),
        (".occasion { display: none }", "OccasionNotShown"),
        (".qr { width: 0.3in; height: 0.3in }", "QrCodeNotReadable"),
        (".code-picture { opacity: 0.2 }", "QrCodeNotReadable"),
        (".learner { margin-left: 8in }", "PageOverflows"),
        (".learner { position: absolute; left: -9in }", "PageOverflows"),
        (".learner { white-space: nowrap; font-size: 120pt }", "PageOverflows"),
        (".activity { margin-top: -30pt }", "WordsOverlap"),
        (".verification { bottom: 5.5in }", "WordsOverlap"),
        (".name { display: none }", "Signatory1NotShown"),
        (
            "@page { margin-left: 2.7in; border: none; @left-middle { content: ''; height: 100%; background: #fff } }",
            "WordsCovered",
        ),
        ("@page { size: 20in 20in }", "PaperDiffers"),
        (".sheet { height: auto } #foot { position: static } p { break-before: page }", "TooManyPages"),
    ],
)
def test_a_certificate_on_which_something_cannot_be_read_is_not_made(css: str, code: str) -> None:
    assert failure(styled(css)) == code


def test_a_background_may_lie_under_words_but_not_over_them() -> None:
    panel = "position: absolute; left: 0; top: 0; width: 6in; height: 7in; background: #eef;"
    over = styled(f".badge {{ {panel} }} .provider {{ left: 0; top: 0 }} .logo {{ margin: 5in 0 0 4in }}")
    assert failure(over) == "WordsCovered"
    under = styled(
        ".sheet { background: #eef } .learner { background: #ffe } .provider { background: #123; z-index: -1 }"
    )
    assert render_certificate(sample_job(Sample.ORDINARY, Paper.LETTER, under)).startswith(b"%PDF")


def test_white_words_may_stand_on_a_dark_box_and_any_words_on_a_gradient() -> None:
    dark = styled("#foot .statement { background: #222; color: #fff } .occasion { border: 8pt solid currentcolor }")
    assert render_certificate(sample_job(Sample.ORDINARY, Paper.LETTER, dark)).startswith(b"%PDF")
    gradient = styled(".learner { background: linear-gradient(#000, #444); color: #fff }")
    assert render_certificate(sample_job(Sample.ORDINARY, Paper.LETTER, gradient)).startswith(b"%PDF")


def test_an_address_that_is_too_long_for_its_line_is_broken_before_its_code() -> None:
    job = sample_job(Sample.ORDINARY, Paper.LETTER, TEMPLATE)
    url = "https://ce.greatlakes.example/verify/7KQF-M2XV-9RTB-4H"
    pdf = render_certificate(replace(job, data=replace(job.data, verification_url=url)))
    lines = pypdf.PdfReader(BytesIO(pdf)).pages[0].extract_text().splitlines()
    assert "7KQF-M2XV-9RTB-4H" in [line.strip() for line in lines]


def test_a_page_may_stand_upright() -> None:
    size = "@page { size: 8.5in 11in; border-left-width: 2.3in } .sheet { height: 11in }"
    upright = styled(f"{size} .provider, .verification {{ left: -2.25in }}")
    assert render_certificate(sample_job(Sample.ORDINARY, Paper.LETTER, upright)).startswith(b"%PDF")


def test_trying_out_names_the_sample_and_the_paper_that_fail() -> None:
    with pytest.raises(TemplateFailsError) as raised:
        try_out(styled(".learner { white-space: nowrap }"), InThisProcess())
    assert (raised.value.sample, raised.value.code) == (Sample.LONG, "PageOverflows")
    assert str(raised.value) == "with the sample long on letter paper: page overflows"
    assert words_of("QrCodeNotReadable") == "qr code not readable"


def test_a_template_reaches_neither_functions_nor_attributes() -> None:
    environment = _environment()
    for source in ("{{ range(9) }}", "{{ cycler }}", "{{ x.__class__ }}", "{{ x.append(1) }}"):
        with pytest.raises((UndefinedError, TemplateRuntimeError)):
            environment.from_string(source).render(x=[])
    assert not environment.filters
    assert not environment.globals


def test_a_template_that_explodes_harms_nobody(renderer: ProcessRenderer) -> None:
    with pytest.raises(TemplateFailsError) as raised:
        render_sample(styled(EXPLODING), Sample.SESSIONS, Paper.LETTER, renderer)
    assert raised.value.code in {"RenderTimeout", "RenderMemoryExhausted", "RenderProcessDied"}
    with pytest.raises(TemplateFailsError) as raised:
        render_sample(styled(".code { display: none }"), Sample.ORDINARY, Paper.LETTER, renderer)
    assert raised.value.code == "VerificationCodeNotShown"
    assert render_sample(None, Sample.ORDINARY, Paper.LETTER, renderer).startswith(b"%PDF")
