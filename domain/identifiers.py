"""Identifiers that a learner's profile may hold: what each one is, how it is written, and how it is compared.

Credit rules and registries ask for them. Where the reference does not know a format for sure, nearly any number is
taken: a learner who is kept from writing down their own number cannot claim at all.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


def _digits(text: str) -> str:
    """Digits, without the spaces and hyphens that people put between them."""
    return re.sub(r"[ -]", "", text)


def _month_day(text: str) -> str:
    """``07-04``, also from ``07/04``, ``07.04`` and ``0704``."""
    return re.sub(r"(\d\d)[-/. ]?(\d\d)", r"\1-\2", text)


def _number(text: str) -> str:
    """Capitals and single spaces; what other signs mean is for whoever gave the number to say."""
    return re.sub(" +", " ", text).upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierKind:
    """One kind of identifier. ``label`` is read on forms and certificates, ``description`` says who gave the number.

    ``pattern`` holds for what ``written`` made of the learner's text.
    """

    code: str
    label: str
    description: str
    example: str
    pattern: str
    written: Callable[[str], str] = _number

    def normalize(self, text: str) -> str | None:
        """The one way of writing this identifier, for storing and comparing; None if the text cannot be one."""
        text = text.strip()
        if not (text.isascii() and text.isprintable()) or is_not_applicable(text):
            return None
        written = self.written(text)
        return written if re.fullmatch(self.pattern, written) else None


_BOARDS: Final = {
    "ABA": "Anesthesiology",
    "ABIM": "Internal Medicine",
    "ABOHNS": "Otolaryngology - Head and Neck Surgery",
    "ABOS": "Orthopaedic Surgery",
    "ABP": "Pediatrics",
    "ABPath": "Pathology",
    "ABS": "Surgery",
    "ABTS": "Thoracic Surgery",
}
_NUMBER: Final = r"[A-Z0-9][A-Z0-9./-]{0,39}"
_NUMBER_WITH_SPACES: Final = r"[A-Z0-9][A-Z0-9 ./-]{0,39}"
_DAY_OF_A_YEAR: Final = (
    r"(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31|02-29"  # no 30 February
)

_KINDS: Final = (
    IdentifierKind(
        code="nabp_eprofile_id",
        label="NABP e-Profile ID",
        description="The number under which CPE Monitor knows a pharmacist or pharmacy technician (R-CPE-3).",
        example="123456",
        pattern="[0-9]{5,10}",
        written=_digits,
    ),
    IdentifierKind(
        code="birth_month_day",
        label="Month and day of birth",
        description="By which registries tell people with similar numbers apart; the year is never asked (R-PARS-3).",
        example="07-04",
        pattern=_DAY_OF_A_YEAR,
        written=_month_day,
    ),
    IdentifierKind(
        code="npi",
        label="NPI",
        description="Ten digits, the National Provider Identifier of the United States.",
        example="1234567893",
        pattern="[0-9]{10}",
        written=_digits,
    ),
    IdentifierKind(
        code="license_number",
        label="License number",
        description="License to practice, as the state writes it.",
        example="MD 036-123456",
        pattern=_NUMBER_WITH_SPACES,
    ),
    IdentifierKind(
        code="rn_license",
        label="RN license number",
        description="License of a registered nurse, which California wants on the certificate (R-CA-RN).",
        example="RN 654321",
        pattern=_NUMBER_WITH_SPACES,
    ),
    IdentifierKind(
        code="employee_id",
        label="Employee ID",
        description="Number that the learner's employer gave them.",
        example="E-10442",
        pattern=_NUMBER,
    ),
    *(
        IdentifierKind(
            code=f"{board.lower()}_id",
            label=f"{board} ID",
            description=f"Number of a diplomate of the American Board of {specialty} (R-PARS-3, R-PARS-8).",
            example="123456",
            pattern=_NUMBER,
        )
        for board, specialty in _BOARDS.items()
    ),
)

IDENTIFIERS: Final[Mapping[str, IdentifierKind]] = MappingProxyType({kind.code: kind for kind in _KINDS})
"""Every kind by its code."""


def is_not_applicable(text: str) -> bool:
    """Whether a text is how people say that they have no such number: ``NA``, ``n/a``, ``N.A.``."""
    return re.sub(r"[\s./]", "", text).upper() == "NA"
