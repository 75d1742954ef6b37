"""What a certificate shows, as the values that a template gets: the built-in one, and a provider's own."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Final

from markupsafe import Markup, escape

from documents.fit import Fit, short_url
from documents.models import CertificateData, CertificateKind, CreditDetails, Image
from documents.wording import day_range_words, day_words, unit_words
from domain.credit import rules


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
        "award_phrase": _award_phrase(data),
        "identifiers": _identifiers(data),
        "issue": _issue(data),
        "particulars": " · ".join(filter(None, (_identifiers(data), _issue(data)))),
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


def _award_phrase(data: CertificateData) -> str:
    """What leads to the amount: those who may not claim the credit are told no more than how long they took part."""
    return "for a recorded participation of" if data.kind is CertificateKind.PARTICIPATION else "and is awarded"


def _occasion(data: CertificateData) -> str:
    """Where and when: the place and the live dates if there are any, and always the day of completion (R-AMA-7)."""
    held = day_range_words(data.starts_on, data.ends_on)
    completed = day_words(data.completed_on)
    when = completed if held == completed else f"completed on {completed}"
    parts = [data.location, held if held != completed else None, when]
    line = " · ".join(part for part in parts if part)
    return line[0].upper() + line[1:]


def _identifiers(data: CertificateData) -> str:
    """The numbers that the credit demands, on one line; a value never breaks away from its label."""
    return _joined((identifier.label, identifier.value) for identifier in data.identifiers)


def _issue(data: CertificateData) -> str:
    """Which certificate this is, on one line."""
    return _joined(
        [
            ("Certificate", data.certificate_id),
            ("Version", str(data.version)),
            ("Issued", day_words(data.issued_on)),
        ]
    )


def _joined(pairs: Iterable[tuple[str, str]]) -> str:
    return " · ".join(f"{label} {value}".replace(" ", "\u00a0") for label, value in pairs)


def _amount(units: Decimal, credit: CreditDetails) -> str:
    """Return an amount with what it counts, which is one or many: "1.00 contact hour", "1.25 contact hours"."""
    unit = credit.unit_name.removesuffix("s") if units == 1 else _plural(credit.unit_name)
    return f"{unit_words(units)} {unit}".rstrip()


def _plural(unit: str) -> str:
    return unit if not unit or unit.endswith("s") else f"{unit}s"


def _credit_name(credit: CreditDetails) -> Markup:
    """Set the credit's name in full, in italics and with the trade mark sign where its owner asks for it (R-AMA-5)."""
    name = Markup("<em>{}</em>").format(credit.name) if credit.is_italic else escape(credit.name)
    return name + "™" if credit.has_trademark else name


def _set_credit_name(statement: str, credit: CreditDetails) -> Markup:
    """Set credit names inside a statement as ``_credit_name`` does, also in the singular and the plural.

    These are the certificate's own and every other that its owner wants in italics: who took part without such credit
    may be told that there was some, and its name is set no differently then (R-AMA-5, R-AMA-6).
    """
    stems = {each.name.removesuffix("(s)"): each for each in (*_italic_credits(), credit) if each.is_italic}
    parts = re.split(f"((?:{'|'.join(map(re.escape, stems))})(?:\\(s\\)|s)?)(™?)", statement)
    set_parts = [escape(parts[0])]
    for name, trademark, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        named = next(each for stem, each in stems.items() if name.startswith(stem))
        kept = "" if named.has_trademark else trademark
        set_parts += [_credit_name(replace(named, name=name)), escape(kept + text)]
    return Markup("").join(set_parts)


@cache
def _italic_credits() -> tuple[CreditDetails, ...]:
    """The names of credit that must be in italics wherever they are printed."""
    names = sorted({rule.name for rule in rules() if rule.is_italic})
    return tuple(
        CreditDetails(
            name=name.removesuffix("™"), awarded_units=Decimal(0), is_italic=True, has_trademark=name.endswith("™")
        )
        for name in names
    )


FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    "amount": _amount,
    "credit_name": _credit_name,
    "day": day_words,
    "plural": _plural,
    "set_credit_name": _set_credit_name,
    "short_url": short_url,
    "units": unit_words,
}
"""The filters that a template has beside Jinja's own; none of them does anything but set words."""
