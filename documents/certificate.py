"""The certificate: one template and one style sheet, as a web page and as an archival, accessible PDF."""

import atexit
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from documents.certificate_view import FILTERS, certificate_view, picture_data_uri
from documents.fit import Fit, fits
from documents.jobs import CertificateJob
from documents.models import TEMPLATE_VERSION, CertificateData, Image
from documents.provider_templates import demanded_texts, page_style, render_page, template_fits
from documents.qr import QrCode
from documents.scripts import mark_scripts
from documents.template_layout import check_layout
from documents.typefaces import TYPEFACES, font_rules, missing_glyphs

if TYPE_CHECKING:
    from weasyprint.document import Document

    from documents.pdf import PdfEngine

__all__ = [
    "TEMPLATE_VERSION",
    "certificate_css",
    "certificate_stylesheet",
    "lay_out_certificate",
    "missing_glyphs",
    "render_certificate",
    "render_certificate_html",
    "render_certificate_pdf",
    "warm_up",
]

_TEMPLATES = Path(__file__).parent / "templates" / "certificate"
_QR_CODE = "picture:qr"  # its address in the page for the PDF, where the engine draws it without an image file
_CREDENTIAL = "The signed machine-readable credential of this certificate"


def render_certificate(job: CertificateJob) -> bytes:
    """Return the certificate as a tagged PDF/A-3a that also identifies itself as PDF/UA-1.

    Equal jobs give equal bytes, in every process with the same libraries. Nothing is read from the network or from
    files: whatever the data holds is text. Blocks for some 40 ms after ``warm_up``; calls from several threads queue.
    Check ``missing_glyphs(data.printed_text)`` first: characters that it names would be printed as empty boxes.
    """
    from documents.pdf import AttachedFile  # noqa: PLC0415 - the web page must work where pango is not installed

    data = job.data
    issued_at = datetime.combine(data.issued_on, time(), UTC)
    credential = job.credential and AttachedFile(
        name="credential.json", description=_CREDENTIAL, content=job.credential, made_at=issued_at
    )
    return _pdf_engine().render(
        _pages(job),
        identifier=f"{data.certificate_id}.{data.version}",
        pictures={_QR_CODE: QrCode(data.verification_url)},
        attachments=[credential] if credential else [],
        stylesheet=_page_style(job),
        # The built-in template is proved by tests; what a provider's own makes of these words is looked at now.
        check=(lambda document: check_layout(document, data, demanded_texts(data))) if job.template else None,
    )


def lay_out_certificate(job: CertificateJob) -> "Document":
    """Return the pages that ``render_certificate`` writes, as laid out: where each word and each picture stands."""
    pictures = {_QR_CODE: QrCode(job.data.verification_url)}
    return _pdf_engine().lay_out(_pages(job), pictures=pictures, stylesheet=_page_style(job))


def render_certificate_pdf(data: CertificateData) -> bytes:
    """Return what ``render_certificate`` makes of a job that has nothing but data."""
    return render_certificate(CertificateJob(data=data))


def render_certificate_html(
    data: CertificateData, *, stylesheet_url: str, images: Mapping[str, bytes] | None = None
) -> str:
    """Return the certificate as a web page that links to ``certificate_stylesheet`` at the given address.

    The page has no script and no inline style; its images, of which ``images`` gives the bytes by SHA-256, are
    ``data:`` URLs. It prints like the PDF.
    """
    job = CertificateJob(data=data, images=images or {})
    qr = QrCode(data.verification_url).svg_data_uri()
    return _page(job, next(fits(job.data)), qr=qr, stylesheet_url=stylesheet_url)


def render_preview_html(job: CertificateJob, *, font_url_prefix: str) -> str:
    """Return a page for staff to look at, with its style and pictures inside; the font files are below that address."""
    fitting = next(template_fits(job.data) if job.template else fits(job.data))
    page = _page(job, fitting, qr=QrCode(job.data.verification_url).svg_data_uri())
    css = page_style(job.template, job.data.paper) if job.template else certificate_css()
    return page.replace("</head>", f"<style>{font_rules(TYPEFACES, font_url_prefix)}{css}</style></head>", 1)


def certificate_stylesheet(*, font_url_prefix: str) -> str:
    """Return the style sheet of the web page, with the font files (``documents/fonts/*.woff2``) below that address."""
    return font_rules(TYPEFACES, font_url_prefix) + certificate_css()


def certificate_css() -> str:
    """Return the style sheet without the fonts, as a ``PdfEngine`` wants it."""
    return (_TEMPLATES / "certificate.css").read_text(encoding="utf-8")


def warm_up() -> None:
    """Load the fonts, the style sheet and the PDF libraries, so that the first learner does not wait a second."""
    _pdf_engine()
    _environment()


@cache
def _pdf_engine() -> "PdfEngine":
    from documents.pdf import PdfEngine  # noqa: PLC0415 - the web page must work where pango is not installed

    # The engine keeps the fonts in a temporary folder, which it can remove only while the interpreter is whole.
    atexit.register(_pdf_engine.cache_clear)
    return PdfEngine(certificate_css())


def _pages(job: CertificateJob) -> Iterator[str]:
    """The certificate's page with ever less air, until one fits."""
    fittings = template_fits(job.data) if job.template else fits(job.data)
    return (_page(job, fitting, qr=_QR_CODE) for fitting in fittings)


def _page_style(job: CertificateJob) -> str | None:
    return page_style(job.template, job.data.paper) if job.template else None


def _page(job: CertificateJob, fitting: Fit, *, qr: str, stylesheet_url: str | None = None) -> str:
    def address_of(image: Image) -> str | None:
        return picture_data_uri(job.images[image.sha256]) if image.sha256 in job.images else None

    view = certificate_view(job.data, fitting, qr=qr, address_of=address_of, stylesheet_url=stylesheet_url)
    if job.template is None:
        page = _environment().get_template("certificate.html").render(view)
    else:
        page = render_page(job.template, view)
    return mark_scripts(normalize("NFC", page))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment
