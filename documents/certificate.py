"""The certificate: one template and one style sheet, as a web page and as an archival, accessible PDF."""

import atexit
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from documents.jobs import CertificateJob
from documents.models import TEMPLATE_VERSION, CertificateData, CertificateKind, CreditDetails
from documents.qr import QrCode
from documents.typefaces import SANS, SERIF, missing_glyphs, text_width
from documents.wording import day_range_words, day_words, unit_words

if TYPE_CHECKING:
    from documents.pdf import PdfEngine

__all__ = [
    "TEMPLATE_VERSION",
    "certificate_stylesheet",
    "missing_glyphs",
    "render_certificate",
    "render_certificate_html",
    "render_certificate_pdf",
    "warm_up",
]

_TEMPLATES = Path(__file__).parent / "templates" / "certificate"
_QR_CODE = "picture:qr"  # its address in the page for the PDF, where the engine draws it without an image file
_CREDENTIAL = "The signed machine-readable credential of this certificate"

# Widths in points, for the narrower paper's text column; sizes as in certificate.css, largest first.
_COLUMN = 610.0
_LEARNER_SIZES = (40.0, 33.0, 27.0, 21.0)
_TITLE_SIZES = (20.0, 16.5, 13.5, 11.0)
_NOTE_SIZES = (8.5, 7.5, 6.6)

# How much white space: tried in this order until the text keeps clear of the foot. The last lets the sheet grow.
_AIR = ("", "snug", "snug flowing")


@dataclass(frozen=True, slots=True)
class _Fit:
    """The type sizes that suit the words, as CSS classes, and the words of the two large lines, evenly broken."""

    classes: str
    learner_lines: list[str]
    title_lines: list[str]


def render_certificate(job: CertificateJob) -> bytes:
    """Return the certificate as a tagged PDF/A-3a that also identifies itself as PDF/UA-1.

    Equal jobs give equal bytes, in every process with the same libraries. Nothing is read from the network or from
    files: whatever the data holds is text. Blocks for some 35 ms after ``warm_up``; calls from several threads queue.
    Check ``missing_glyphs(data.printed_text)`` first: characters that it names would be printed as empty boxes.
    """
    from documents.pdf import AttachedFile  # noqa: PLC0415 - the web page must work where pango is not installed

    data = job.data
    pages = (_page(data, _fit(data, air), qr=_QR_CODE) for air in _AIR)
    pictures = {_QR_CODE: QrCode(data.verification_url)}
    issued_at = datetime.combine(data.issued_on, time(), UTC)
    credential = job.credential and AttachedFile(
        name="credential.json", description=_CREDENTIAL, content=job.credential, made_at=issued_at
    )
    return _pdf_engine().render(
        pages,
        identifier=f"{data.certificate_id}.{data.version}",
        pictures=pictures,
        attachments=[credential] if credential else [],
    )


def render_certificate_pdf(data: CertificateData) -> bytes:
    """Return what ``render_certificate`` makes of a job that has nothing but data."""
    return render_certificate(CertificateJob(data=data))


def render_certificate_html(data: CertificateData, *, stylesheet_url: str) -> str:
    """Return the certificate as a web page that links to ``certificate_stylesheet`` at the given address.

    The page has no script and no inline style; its one image is a ``data:`` URL. It prints like the PDF.
    """
    qr = QrCode(data.verification_url).svg_data_uri()
    return _page(data, _fit(data), qr=qr, stylesheet_url=stylesheet_url)


def certificate_stylesheet(*, font_url_prefix: str) -> str:
    """Return the style sheet, with the font files (``documents/fonts/*.woff2``) below the given address."""
    css = (_TEMPLATES / "certificate.css").read_text(encoding="utf-8")
    return css.replace('url("fonts/', f'url("{font_url_prefix.rstrip("/")}/')


def warm_up() -> None:
    """Load the fonts, the style sheet and the PDF libraries, so that the first learner does not wait a second."""
    _pdf_engine()
    _environment()


@cache
def _pdf_engine() -> "PdfEngine":
    from documents.pdf import PdfEngine  # noqa: PLC0415 - the web page must work where pango is not installed

    # The engine keeps the fonts in a temporary folder, which it can remove only while the interpreter is whole.
    atexit.register(_pdf_engine.cache_clear)
    return PdfEngine(certificate_stylesheet(font_url_prefix="bundled:/"))


def _page(data: CertificateData, fit: _Fit, *, qr: str, stylesheet_url: str | None = None) -> str:
    page = (
        _environment()
        .get_template("certificate.html")
        .render(
            certificate=data,
            heading=_heading(data),
            occasion=_occasion(data),
            particulars=_particulars(data),
            qr=qr,
            fit=fit,
            line_break=Markup("<br/>"),
            stylesheet_url=stylesheet_url,
        )
    )
    return normalize("NFC", page)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        credit_name=_credit_name,
        day=day_words,
        set_credit_name=_set_credit_name,
        short_url=_short_url,
        units=unit_words,
    )
    return environment


def _heading(data: CertificateData) -> str:
    if data.kind is CertificateKind.PARTICIPATION:
        return "Certificate of Participation"
    return " ".join(filter(None, ("Certificate of", data.provider.acronym, "Credit")))


def _occasion(data: CertificateData) -> str:
    """Where and when: the place and the live dates if there are any, and always the day of completion (R-AMA-7)."""
    held = day_range_words(data.starts_on, data.ends_on)
    completed = day_words(data.completed_on)
    when = completed if held == completed else f"completed on {completed}"
    parts = [data.location, held if held != completed else None, when]
    line = " · ".join(part for part in parts if part)
    return line[0].upper() + line[1:]


def _particulars(data: CertificateData) -> str:
    """The numbers that must appear, on one line; a value never breaks away from its label."""
    pairs = [(identifier.label, identifier.value) for identifier in data.identifiers]
    pairs += [
        ("Certificate", data.certificate_id),
        ("Version", str(data.version)),
        ("Issued", day_words(data.issued_on)),
    ]
    return " · ".join(f"{label} {value}".replace(" ", "\u00a0") for label, value in pairs)


def _credit_name(credit: CreditDetails) -> Markup:
    """Set the credit's name in full, in italics and with the trade mark sign where its owner asks for it (R-AMA-5)."""
    name = Markup("<em>{}</em>").format(credit.name) if credit.is_italic else escape(credit.name)
    return name + "™" if credit.has_trademark else name


def _set_credit_name(statement: str, credit: CreditDetails) -> Markup:
    """Set the credit's name inside a statement as ``_credit_name`` does, also in the singular and the plural."""
    if not credit.is_italic:
        return escape(statement)
    stem = re.escape(credit.name.removesuffix("(s)"))
    parts = re.split(rf"({stem}(?:\(s\)|s)?){'™?' if credit.has_trademark else ''}", statement)
    return Markup("").join(
        _credit_name(replace(credit, name=part)) if index % 2 else escape(part) for index, part in enumerate(parts)
    )


def _short_url(url: str) -> str:
    return url.removeprefix("https://").removeprefix("http://")


def _fit(data: CertificateData, air: str = "") -> _Fit:
    """Choose the largest sizes at which the name, the title and the statements keep to their room."""
    notes = f"{data.accreditation_statement} {data.designation_statement}"
    learner = _size(data.learner, SERIF, _LEARNER_SIZES, lines=1)
    title = _size(data.ce_activity_title, SERIF, _TITLE_SIZES, lines=2)
    note = _size(notes, SANS, _NOTE_SIZES, lines=5)
    classes = f"learner-{learner} title-{title} notes-{note} signatories-{len(data.signatories)}"
    return _Fit(
        classes=f"{classes} {air}".rstrip(),
        learner_lines=_even_lines(data.learner, _LEARNER_SIZES[learner - 1]),
        title_lines=_even_lines(data.ce_activity_title, _TITLE_SIZES[title - 1]),
    )


def _size(text: str, font: str, sizes: tuple[float, ...], *, lines: int) -> int:
    """Return the number of the first size that fits the lines, or the last; a broken line wastes about a twelfth."""
    room = _COLUMN if lines == 1 else _COLUMN * lines / 1.08
    fitting = (number for number, size in enumerate(sizes, 1) if text_width(text, font, size) <= room)
    return next(fitting, len(sizes))


def _even_lines(text: str, size: float) -> list[str]:
    """Break the text into as few lines as fit, as even as words allow, so that no word is left alone on the last."""
    fewest = _lines(text, size, _COLUMN)
    narrower = (_lines(text, size, _COLUMN * percent / 100) for percent in range(50, 100, 5))
    return next((lines for lines in narrower if len(lines) == len(fewest)), fewest)


def _lines(text: str, size: float, room: float) -> list[str]:
    lines: list[str] = []
    for part in re.findall(r"\s*(?:[^\s-]*-+(?=\S)|\S+)", text):
        if lines and text_width(lines[-1] + part, SERIF, size) <= room:
            lines[-1] += part
        else:
            lines.append(part.lstrip())
    return lines
