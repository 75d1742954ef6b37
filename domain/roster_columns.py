"""The columns that a roster may have, and what offices call them in the first row."""

import unicodedata
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from domain.identifiers import IDENTIFIERS

GIVEN_NAME: Final = "given_name"
FAMILY_NAME: Final = "family_name"
EMAIL: Final = "email"
BADGE_ID: Final = "badge_id"
GROUP_ID: Final = "group_id"

NAMES: Final = frozenset({GIVEN_NAME, FAMILY_NAME})

# Many people share one, so nobody is found by it.
_NOT_KEYS: Final = frozenset({"birth_month_day"})

LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        BADGE_ID: "Badge ID",
        GROUP_ID: "Group ID",
        EMAIL: "E-mail",
        GIVEN_NAME: "First name",
        FAMILY_NAME: "Last name",
        **{kind.code: kind.label for kind in IDENTIFIERS.values() if kind.code not in _NOT_KEYS},
    }
)
"""Every column by its code, with its usual heading."""

_SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    BADGE_ID: ("badge", "badge no", "badge number", "badge code", "badge barcode"),
    GROUP_ID: ("group", "group no", "group number", "group code", "site group id"),
    EMAIL: ("e-mail address", "mail", "mail address", "e-mail id", "work e-mail", "attendee e-mail"),
    GIVEN_NAME: ("first", "given", "given name", "given names", "forename", "fname", "attendee first name"),
    FAMILY_NAME: ("last", "surname", "family", "family name", "lname", "attendee last name"),
    "employee_id": ("employee no", "employee number", "emp id", "emp no", "staff id", "staff no", "staff number",
                    "personnel id", "personnel no", "personnel number"),
    "npi": ("npi id", "npi no", "npi number", "national provider identifier"),
    "license_number": ("license", "license id", "license no", "licence", "licence id", "licence no", "licence number",
                       "medical license number", "state license number"),
    "rn_license": ("rn license", "rn license no", "rn licence", "rn licence no", "rn licence number"),
    "nabp_eprofile_id": ("nabp", "nabp id", "nabp no", "nabp number", "nabp e-profile", "e-profile id",
                         "cpe monitor id"),
}  # fmt: skip


def _letters(heading: str) -> str:
    """A heading as it is compared: only letters and digits, in small letters, so that ``E-Mail #`` is ``email``."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", heading).casefold()))


def _headings() -> Iterator[tuple[str, str]]:
    for column, label in LABELS.items():
        for heading in (column, label, *_SYNONYMS.get(column, ())):
            yield _letters(heading), column


_COLUMNS: Final = dict(_headings())


def column_of(heading: str) -> str | None:
    """The column that a heading names, however it is written; None for one that rosters do not have."""
    return _COLUMNS.get(_letters(heading))
