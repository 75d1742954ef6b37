"""What a certificate prints, as a value that is stored with the certificate and can be read back years later."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

TEMPLATE_VERSION = "2026-11-b"
"""Names the template, style sheet and fonts together. It changes whenever a change to them changes a certificate."""

Words = Annotated[str, StringConstraints(min_length=1)]

# A field that we do not know must not be dropped in silence.
_STRICT = ConfigDict(extra="forbid")


class CertificateKind(StrEnum):
    """Which wording the certificate uses."""

    CREDIT = "credit"
    PARTICIPATION = "participation"


class Paper(StrEnum):
    """The sheet, always in landscape."""

    LETTER = "letter"
    A4 = "a4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture that is printed: its bytes are a stored document, named by its SHA-256 in hex; sizes in pixels."""

    __pydantic_config__ = _STRICT

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderDetails:
    """The accredited organisation, as it stood on the day of issue (R-AMA-7, R-ANCC-1).

    ``acronym`` is the organisation's own word for its credit: CE, CME, CPE and so on; it may be empty.
    """

    __pydantic_config__ = _STRICT

    name: Words
    address: str = ""
    website: str = ""
    acronym: str = ""
    logo: Image | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditDetails:
    """The type of credit and the amount awarded.

    ``name`` is the full name without the trade mark sign. ``is_italic`` and ``has_trademark`` say how it must be set
    wherever it appears, statements included (R-AMA-5). ``awarded_units`` counts ``unit_name``.
    """

    __pydantic_config__ = _STRICT

    name: Words
    awarded_units: Decimal
    unit_name: str = ""
    is_italic: bool = False
    has_trademark: bool = False

    @property
    def names_its_unit(self) -> bool:
        """True where the name already says what is counted, as in "AMA PRA Category 1 Credit(s)"."""
        return self.unit_name.removesuffix("s").casefold() in self.name.casefold()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLine:
    """One session for which units were awarded; ``held_on`` is the local date."""

    __pydantic_config__ = _STRICT

    title: Words
    held_on: date
    units: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A number that must appear, with its label: an ACPE UAN, a provider number, an RN licence."""

    __pydantic_config__ = _STRICT

    label: Words
    value: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatory:
    """A person who signs for the provider."""

    __pydantic_config__ = _STRICT

    name: Words
    title: str = ""
    signature: Image | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateData:
    """Everything that one version of one certificate prints.

    Dates are local dates in the CE activity's time zone (R-TZ). ``credit.awarded_units`` is what the learner claimed
    and we granted, never the designated maximum (R-AMA-1). Equal data gives byte-identical PDFs (R-PDF-1).
    """

    __pydantic_config__ = _STRICT

    certificate_id: Words
    version: int
    verification_code: Words
    verification_url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
    kind: CertificateKind
    learner_name: Words
    learner_credentials: str = ""
    provider: ProviderDetails
    ce_activity_title: Words
    learning_format: Words
    location: str | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    completed_on: date
    credit: CreditDetails
    sessions: tuple[SessionLine, ...] = ()
    accreditation_statement: str = ""
    designation_statement: str = ""
    identifiers: tuple[Identifier, ...] = ()
    signatories: tuple[Signatory, ...] = ()
    issued_on: date
    language: Words = "en"
    paper: Paper = Paper.LETTER
    template_version: Words = TEMPLATE_VERSION

    @property
    def learner(self) -> str:
        """The learner's name with the credentials, as it is set on the certificate: "Alice Moreau, MD"."""
        return f"{self.learner_name}, {self.learner_credentials}" if self.learner_credentials else self.learner_name

    @property
    def images(self) -> tuple[Image, ...]:
        """Every picture that is printed."""
        pictures = (self.provider.logo, *(signatory.signature for signatory in self.signatories))
        return tuple(picture for picture in pictures if picture)

    @property
    def printed_text(self) -> str:
        """Every free text on the certificate, for a check of its characters before it is issued."""
        return "\n".join(_strings(_ADAPTER.dump_python(self, mode="json")))

    def to_json(self) -> dict[str, Any]:
        """Return the data as a JSON object: amounts as strings that keep their digits, dates in ISO 8601."""
        stored: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return stored

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Read back what ``to_json`` returned.

        Raises:
            ValueError: A field is missing, unknown or of the wrong kind. The message names the field, not its content.
        """
        try:
            data: Self = _ADAPTER.validate_python(stored)
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, fault['loc']))} ({fault['type']})" for fault in error.errors())
            raise ValueError(f"this is not the data of a certificate: {', '.join(faults)}") from None
        return data


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return []


_ADAPTER: TypeAdapter[Any] = TypeAdapter(CertificateData)
