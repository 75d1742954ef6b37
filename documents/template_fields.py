"""What a provider's own template may print: every value in words already, so that a template needs no filter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup, escape

from documents.certificate_view import FILTERS, PictureView, SignatoryView
from documents.fit import short_url
from documents.models import CertificateData, CertificateKind
from documents.typefaces import SERIF, text_width
from documents.wording import day_range_words, day_words, unit_words

WORDS: Final = frozenset(
    {
        "heading", "learner", "learner_name", "learner_credentials", "learning_format", "title", "occasion", "location",
        "dates", "completed_on", "issued_on", "award_phrase", "units", "unit_name", "provider_name", "provider_address",
        "provider_website", "particulars", "certificate_id", "version", "verification_code",
    }
)  # fmt: skip
"""Plain words; they may stand in the text of any element, the page's title included."""

SET_WORDS: Final = frozenset({"credit", "accreditation_statement", "designation_statement", "verification_link"})
"""Words with the italics, the trade mark sign and the link that they must have; the title can't hold them."""

PICTURES: Final = frozenset({"logo", "qr"})
"""Whole ``img`` elements of the class of their name; an absent logo prints nothing."""

SIGNALS: Final = frozenset({"kind", "paper"})
"""``credit`` or ``participation``, ``letter`` or ``a4``: for conditions only."""

LISTS: Final[Mapping[str, frozenset[str]]] = {
    "signatories": frozenset({"name", "title", "signature"}),
    "sessions": frozenset({"title", "date", "units"}),
    "identifiers": frozenset({"label", "value"}),
}
"""What can be looped over, with the fields of each entry; ``signature`` is a picture."""

ATTRIBUTES: Final[Mapping[str, str]] = {"class": "classes", "lang": "language"}
"""The only values that may stand in an attribute, which are words of ours: attribute -> value."""

DEMANDED: Final = (
    "heading", "learner", "learning_format", "title", "occasion", "award_phrase", "credit", "provider_name",
    "provider_address", "accreditation_statement", "designation_statement", "particulars", "verification_code",
    "verification_link", "qr",
)  # fmt: skip
"""What every template prints, so that it serves each row of the certificate field matrix, and can be verified."""

DEMANDED_OF_LISTS: Final[Mapping[str, frozenset[str]]] = {
    "signatories": frozenset({"name", "title"}),
    "sessions": frozenset({"title", "date", "units"}),
}


# Widths in em, of the narrowest words first: "learner-1" is at most 15 em wide, "learner-4" more than 32.
_LEARNER_EMS: Final = (15, 22, 32)
_TITLE_EMS: Final = (30, 60, 90)
_STATEMENTS_EMS: Final = (150, 300)


@dataclass(frozen=True, slots=True)
class SignatoryFields:
    """A person who signs; without a picture ``signature`` is empty."""

    name: str
    title: str
    signature: Markup


@dataclass(frozen=True, slots=True)
class SessionFields:
    """One session for which units were awarded."""

    title: str
    date: str
    units: str


@dataclass(frozen=True, slots=True)
class IdentifierFields:
    """A number that must appear; ``particulars`` holds all of them on one line."""

    label: str
    value: str


def template_fields(values: Mapping[str, Any]) -> dict[str, object]:
    """The fields of one certificate, from the values of ``documents.certificate_view.certificate_view``."""
    data: CertificateData = values["certificate"]
    signatories: list[SignatoryView] = values["signatories"]
    return {
        **{name: str(values[name]) for name in ("heading", "occasion", "award_phrase", "particulars")},
        **_words(data),
        "credit": _credit(data),
        "accreditation_statement": FILTERS["set_credit_name"](data.accreditation_statement, data.credit),
        "designation_statement": FILTERS["set_credit_name"](data.designation_statement, data.credit),
        "verification_link": _link(data.verification_url),
        "qr": _picture("qr", PictureView(values["qr"], f"QR code: verify this certificate at {data.verification_url}")),
        "logo": _picture("logo", values["logo"]),
        "signatories": [
            SignatoryFields(each.name, each.title, _picture("signature", each.signature)) for each in signatories
        ],
        "sessions": [
            SessionFields(each.title, day_words(each.held_on), unit_words(each.units)) for each in data.sessions
        ],
        "identifiers": [IdentifierFields(each.label, each.value) for each in data.identifiers],
        "classes": f"{_classes(data)} {values['fit'].classes}".rstrip(),
    }


def _link(url: str) -> Markup:
    """The address as people write it; its code, which has hyphens, is broken only where a line can't hold it."""
    place, slash, code = short_url(url).rpartition("/")
    return Markup('<a href="{}">{}<span class="whole">{}</span></a>').format(url, place + slash, code)


def _words(data: CertificateData) -> dict[str, str]:
    return {
        "kind": str(data.kind),
        "paper": str(data.paper),
        "language": data.language,
        "learner": data.learner,
        "learner_name": data.learner_name,
        "learner_credentials": data.learner_credentials,
        "learning_format": data.learning_format,
        "title": data.ce_activity_title,
        "location": data.location or "",
        "dates": day_range_words(data.starts_on, data.ends_on) or "",
        "completed_on": day_words(data.completed_on),
        "issued_on": day_words(data.issued_on),
        "units": unit_words(data.credit.awarded_units),
        "unit_name": data.credit.unit_name,
        "provider_name": data.provider.name,
        "provider_address": data.provider.address,
        "provider_website": data.provider.website,
        "certificate_id": data.certificate_id,
        "version": str(data.version),
        "verification_code": data.verification_code,
    }


def _classes(data: CertificateData) -> str:
    """How long the large words are, so that a style sheet can choose sizes for them."""
    learner = _length(data.learner, _LEARNER_EMS)
    title = _length(data.ce_activity_title, _TITLE_EMS)
    statements = _length(data.accreditation_statement + data.designation_statement, _STATEMENTS_EMS)
    sizes = f"learner-{learner} title-{title} statements-{statements} signatories-{len(data.signatories)}"
    return f"{data.paper} kind-{data.kind} {sizes}"


def _length(text: str, steps: tuple[int, ...]) -> int:
    """The number of the first step that the text does not exceed, from 1; each is a width in em."""
    width = text_width(text, SERIF, 1.0)
    return next((number for number, most in enumerate(steps, 1) if width <= most), len(steps) + 1)


def _credit(data: CertificateData) -> Markup:
    """The amount and what it counts, set as the credit's owner asks for it (R-AMA-5)."""
    credit, name = data.credit, FILTERS["credit_name"](data.credit)
    if credit.names_its_unit:
        return Markup("{} {}").format(unit_words(credit.awarded_units), name)
    counted = escape(FILTERS["amount"](credit.awarded_units, credit))
    if data.kind is CertificateKind.PARTICIPATION:
        return counted
    return Markup('{}<br/><span class="credit-name">{}</span>').format(counted, name)


def _picture(name: str, picture: PictureView | None) -> Markup:
    if picture is None:
        return Markup()
    return Markup('<img class="{}" src="{}" alt="{}"/>').format(name, picture.address, picture.words)
