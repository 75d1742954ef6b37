"""What a certificate shows, as the values that a template gets: the built-in one, and a provider's own."""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from markupsafe import Markup, escape

from documents.fit import Fit
from documents.models import CertificateData, CertificateKind, CreditDetails, Image
from documents.wording import day_range_words, day_words, unit_words


@dataclass(frozen=True, slots=True)
class PictureView:
    """A logo or a signature: the address that an ``img`` element names, and its words for who cannot see it."""

    address: str
    words: str


@dataclass(frozen=True, slots=True)
class SignatoryView:
    """A person who signs; without a picture the line above the name is left for a pen."""

    name: str
    title: str
    signature: PictureView | None


def certificate_view(
    data: CertificateData, fit: Fit, *, qr: str, address_of: Callable[[Image], str | None], stylesheet_url: str | None
) -> dict[str, object]:
    """Return the values that a template gets; ``documents.jobs.TemplateSource`` describes each.

    ``address_of`` gives a picture's address in the page, or None where its bytes are not at hand: it is then left out.
    """

    def picture(image: Image | None, words: str) -> PictureView | None:
        address = image and address_of(image)
        return PictureView(address, words) if address else None

    return {
        "certificate": data,
        "heading": _heading(data),
        "occasion": _occasion(data),
        "particulars": _particulars(data),
        "logo": picture(data.provider.logo, f"Logo of {data.provider.name}"),
        "signatories": [
            SignatoryView(each.name, each.title, picture(each.signature, f"Signature of {each.name}"))
            for each in data.signatories
        ],
        "qr": qr,
        "fit": fit,
        "line_break": Markup("<br/>"),
        "stylesheet_url": stylesheet_url,
    }


def picture_data_uri(content: bytes) -> str:
    """Return a PNG or JPEG as an address that holds all of it."""
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


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


FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    "credit_name": _credit_name,
    "day": day_words,
    "set_credit_name": _set_credit_name,
    "short_url": _short_url,
    "units": unit_words,
}
"""The filters that a template has beside Jinja's own; none of them does anything but set words."""
