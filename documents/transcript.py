"""The transcript as an archival, accessible PDF: what a learner has completed, year by year, with totals."""

import atexit
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from documents.models import Paper
from documents.scripts import mark_scripts
from documents.typefaces import missing_glyphs
from documents.wording import day_range_words, day_words, unit_words
from domain.credit import CreditRule, rule
from domain.transcripts import Transcript, TranscriptEntry, TranscriptFilter

if TYPE_CHECKING:
    from documents.pdf import PdfEngine

_TEMPLATES = Path(__file__).parent / "templates" / "transcript"
# Stands for a character that no bundled font has: an archive must not hold a glyph that is missing.
_UNPRINTABLE = "\N{WHITE SQUARE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptDocument:
    """Everything that one transcript prints.

    ``learner`` is the name with the credentials. ``site`` is the address under which certificates can be checked, such
    as ``https://ce.example.org``; ``made_on`` is the learner's local date.
    """

    learner: str
    transcript: Transcript
    wanted: TranscriptFilter
    made_on: date
    site: str
    paper: Paper = Paper.LETTER
    language: str = "en"


def render_transcript_pdf(document: TranscriptDocument) -> bytes:
    """Return the transcript as a tagged PDF/A-3a that also identifies itself as PDF/UA-1.

    Equal documents give equal bytes. Whatever they hold is text; a character that the bundled fonts lack is printed as
    an empty square, with a note. Blocks for some 10 ms for each award, the first time for a second more.
    """
    page = _page(document)
    return _pdf_engine().render([page], identifier=sha256(page.encode()).hexdigest()[:32])


@cache
def _pdf_engine() -> "PdfEngine":
    from documents.pdf import PdfEngine  # noqa: PLC0415 - the API must start where pango is not installed

    # The engine keeps the fonts in a temporary folder, which it can remove only while the interpreter is whole.
    atexit.register(_pdf_engine.cache_clear)
    return PdfEngine((_TEMPLATES / "transcript.css").read_text(encoding="utf-8"))


def _page(document: TranscriptDocument) -> str:
    entries = document.transcript.entries
    page = (
        _environment()
        .get_template("transcript.html")
        .render(
            document=document,
            transcript=document.transcript,
            period=_period_words(document.wanted),
            credit_type=rule(document.wanted.credit_type) if document.wanted.credit_type else None,
            has_certificates=any(entry.certificate and entry.certificate.verification_code for entry in entries),
            has_historical=any(entry.is_historical for entry in entries),
            site=document.site.removeprefix("https://").removeprefix("http://"),
        )
    )
    return mark_scripts(_printable(normalize("NFC", page)))


def _printable(page: str) -> str:
    """The page with an empty square for each character that cannot be printed, and a note if there is any."""
    missing = missing_glyphs(page)
    note = f"{_UNPRINTABLE} stands for a character that this document cannot show." if missing else ""
    for cluster in sorted(missing, key=len, reverse=True):
        page = page.replace(cluster, _UNPRINTABLE)
    return page.replace("<!--unprintable-->", f"<p>{note}</p>" if note else "")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(amount=_amount_words, credit_name=_credit_name, day=day_words, source=_source_words)
    return environment


def _credit_name(credit: CreditRule) -> Markup:
    """The credit's name in full, in italics where its owner asks for it (R-AMA-5)."""
    return Markup("<em>{}</em>").format(credit.name) if credit.is_italic else escape(credit.name)


def _amount_words(units: Decimal, unit: str) -> str:
    """An amount with its unit: "1.00 credit", "1.25 credits"."""
    return f"{unit_words(units)} {unit}" if units == 1 else f"{unit_words(units)} {unit}s"


def _source_words(entry: TranscriptEntry) -> str:
    """Whose award it is, in which learning format, for how many sessions, and its number elsewhere."""
    sessions = len(entry.sessions)
    parts = (
        entry.provider,
        entry.learning_format.words if entry.learning_format else None,
        "1\N{NO-BREAK SPACE}session"
        if sessions == 1
        else f"{sessions}\N{NO-BREAK SPACE}sessions"
        if sessions
        else None,
        f"reference {entry.reference}" if entry.reference else None,
    )
    return " · ".join(part for part in parts if part)


def _period_words(wanted: TranscriptFilter) -> str:
    """The period that was asked for: "2026", "May 3-5, 2026", "since May 3, 2026", or "all dates"."""
    first, last = wanted.from_on, wanted.until_on
    between = day_range_words(first, last) if first and last else None
    since = f"since {day_words(first)}" if first and not last else None
    until = f"until {day_words(last)}" if last and not first else None
    year = str(wanted.year) if wanted.year else None
    return ", ".join(part for part in (year, between, since, until) if part) or "all dates"
