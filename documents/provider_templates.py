"""A provider's own template: its page, rendered where a template can reach nothing but the fields of a certificate."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import escape

from documents.certificate_view import certificate_view
from documents.fit import Fit, fits
from documents.jobs import TemplateSource
from documents.models import CertificateData, Paper
from documents.template_fields import DEMANDED, PICTURES, template_fields

_KEPT_TEMPLATES: Final = 32
_AIR: Final = ("", "snug", "tight", "tight flowing")
_BASE: Final = Path(__file__).parent / "templates" / "provider.css"
_SIZES: Final = {Paper.LETTER: "11in 8.5in", Paper.A4: "297mm 210mm"}


def render_page(template: TemplateSource, values: Mapping[str, Any]) -> str:
    """Return the page of one certificate; ``values`` are those of ``documents.certificate_view.certificate_view``.

    Raises ``jinja2.UndefinedError`` where the template names a value that does not exist.
    """
    return _compiled(template.html).render(template_fields(values))


def template_fits(data: CertificateData) -> Iterator[Fit]:
    """How little air a template's page may be asked to leave, the most first; the last lets the sheet grow.

    The classes of ``documents.template_fields`` say the rest; what they mean there is the template's own business.
    """
    fit = next(fits(data))
    return (replace(fit, classes=air) for air in _AIR)


def page_style(template: TemplateSource, paper: Paper) -> str:
    """Return the whole style of a template's page: paper and typefaces, then its own, and nothing of the built-in one.

    A page that was looked at when it was published must not change when the built-in certificate gets a new look.
    """
    return f"@page {{ size: {_SIZES[paper]}; }}\n{_BASE.read_text(encoding='utf-8')}{template.css}"


def demanded_texts(data: CertificateData) -> dict[str, str]:
    """Return what every template must show of this certificate, by the name of the field, without markup."""
    view = certificate_view(data, next(fits(data)), qr="", address_of=lambda _: None, stylesheet_url=None)
    fields = template_fields(view)
    texts = {name: escape(fields[name]).striptags() for name in DEMANDED if name not in PICTURES}
    for number, signatory in enumerate(data.signatories, 1):
        texts |= {f"signatory_{number}": signatory.name, f"signatory_{number}_title": signatory.title}
    return texts


@lru_cache(maxsize=_KEPT_TEMPLATES)
def _compiled(html: str) -> Template:
    return _environment().from_string(html)


def _environment() -> ImmutableSandboxedEnvironment:
    """No filters, tests, functions or other templates: conditions, loops and values are all that there is."""
    environment = ImmutableSandboxedEnvironment(autoescape=True, undefined=StrictUndefined, optimized=False)
    environment.filters.clear()
    environment.tests.clear()
    environment.globals.clear()
    return environment
