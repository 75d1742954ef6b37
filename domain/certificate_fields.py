"""What a certificate must show for each type of credit (the field matrix of the reference, section (b)).

The matrix itself is data: ``certificate_fields`` in ``credit_types.toml``. It is asked twice: of a CE activity that is
to be published, and of each certificate before it is issued.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from domain.credit import CertificateField, read_uan
from domain.identifiers import IDENTIFIERS
from domain.policy import CEActivityPolicy, CreditOffer, LearningFormat

_OWN_LABELS: Final = frozenset(kind.label for kind in IDENTIFIERS.values())
_FOUR_YEARS: Final = re.compile(r"(?:four|4)[ -]years?", re.IGNORECASE)
_FIFTY_MINUTES: Final = re.compile(r"50[ -]minutes?", re.IGNORECASE)
_FIELD_OF_STUDY: Final = re.compile(r"fields?(?:\(s\))? of study", re.IGNORECASE)
_DELIVERY_METHOD: Final = re.compile(r"delivery method", re.IGNORECASE)
_BARE_CATEGORY_1: Final = re.compile(r"(?<!AMA PRA )(?<!AAPA )Category 1", re.IGNORECASE)
_APPLIED_FOR: Final = re.compile(r"applied\s+for", re.IGNORECASE)
_ACCME_CREDIT: Final = re.compile(r"ACCME\s+credit", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedFields:
    """What is printed on a certificate, as far as the matrix asks for it; an empty text is not printed.

    ``identifiers`` are pairs of a label and a number; ``statement`` is the designation statement.
    """

    learner: str
    provider: str
    provider_address: str
    provider_website: str
    title: str
    learning_format: str
    location: str
    completed_on: str
    units: str
    statement: str
    signatories: tuple[str, ...]
    identifiers: tuple[tuple[str, str], ...]

    @property
    def is_live(self) -> bool:
        """Whether it tells of a live activity."""
        return self.learning_format == LearningFormat.LIVE_ACTIVITY.words

    @property
    def provider_numbers(self) -> list[str]:
        """Numbers that are neither the learner's own nor a pharmacy activity's."""
        return [number for label, number in self.identifiers if label not in _OWN_LABELS and read_uan(number) is None]

    @property
    def words(self) -> str:
        """The statement on one line."""
        return " ".join(self.statement.split())


_IS_PRINTED: Final[Mapping[CertificateField, Callable[[PrintedFields], object]]] = {
    CertificateField.NAME: lambda printed: printed.learner,
    CertificateField.PROVIDER: lambda printed: printed.provider,
    CertificateField.PROVIDER_ADDRESS: lambda printed: printed.provider_address,
    CertificateField.PROVIDER_WHEREABOUTS: lambda printed: printed.provider_address or printed.provider_website,
    CertificateField.TITLE: lambda printed: printed.title,
    CertificateField.FORMAT: lambda printed: printed.learning_format,
    CertificateField.LOCATION: lambda printed: printed.location or not printed.is_live,
    CertificateField.DATE: lambda printed: printed.completed_on,
    CertificateField.CREDIT: lambda printed: printed.units,
    CertificateField.STATEMENT: lambda printed: printed.words,
    CertificateField.SIGNATURE: lambda printed: printed.signatories,
    CertificateField.UAN: lambda printed: any(read_uan(number) for _, number in printed.identifiers),
    CertificateField.RN_LICENSE: lambda printed: any(label in _OWN_LABELS for label, _ in printed.identifiers),
    CertificateField.PROVIDER_NUMBER: lambda printed: printed.provider_numbers,
    CertificateField.SPONSOR_ID: lambda printed: printed.provider_numbers,
    CertificateField.RETENTION_NOTICE: lambda printed: _FOUR_YEARS.search(printed.words),
    CertificateField.FIELD_OF_STUDY: lambda printed: _FIELD_OF_STUDY.search(printed.words),
    CertificateField.DELIVERY_METHOD: lambda printed: _DELIVERY_METHOD.search(printed.words),
    CertificateField.TIME_STATEMENT: lambda printed: _FIFTY_MINUTES.search(printed.words),
}


def missing_fields(printed: PrintedFields, required: Collection[CertificateField]) -> tuple[CertificateField, ...]:
    """Return the fields that a certificate must show and does not, in the order of the matrix."""
    return tuple(field for field in CertificateField if field in required and not _IS_PRINTED[field](printed))


def fields_of_offer(policy: CEActivityPolicy, offer: CreditOffer, learning_format: LearningFormat) -> PrintedFields:
    """Return what certificates of this offer show to those who took part in this way, whoever they are."""
    return PrintedFields(
        learner="",
        provider=policy.provider.name,
        provider_address=policy.provider.address or "",
        provider_website=policy.provider.website or "",
        title=policy.title,
        learning_format=learning_format.words,
        location=policy.location or "",
        completed_on=policy.ends_on.isoformat(),
        units=str(offer.designated_units),
        statement=offer.designation_statement,
        signatories=tuple(signatory.name for signatory in policy.signatories),
        identifiers=tuple((identifier.label, identifier.code) for identifier in offer.identifiers),
    )


class StatementFault(StrEnum):
    """Words that no statement may use: R-AMA-5 for the first two, R-AMA-9 for the last."""

    ACCME_CREDIT = "accme_credit"
    BARE_CATEGORY_1 = "bare_category_1"
    APPLIED_FOR = "applied_for"


_FAULTS: Final = {
    StatementFault.ACCME_CREDIT: _ACCME_CREDIT,
    StatementFault.BARE_CATEGORY_1: _BARE_CATEGORY_1,
    StatementFault.APPLIED_FOR: _APPLIED_FOR,
}


def statement_faults(statement: str) -> tuple[StatementFault, ...]:
    """Return what is wrong with the words of an accreditation or designation statement."""
    return tuple(fault for fault, words in _FAULTS.items() if words.search(statement))
