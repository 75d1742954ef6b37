"""Credit types: how minutes become units, which amounts may be claimed, and who may claim them.

The rules are data (``credit_types.toml``), because accreditors change them: every version stays, and a published
policy names the version that its claims are judged by (R-CREDIT). Amounts are ``Decimal`` and exact.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from domain.policy import CEActivityPolicy, CreditOffer, LearningFormat, Option, Profession

_UNITS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,2})?")
_UAN = re.compile(r"[0-9]{4}-[0-9]{4}-[0-9]{2}-[0-9]{3,4}-([A-Z])[0-9]{2}-([PT])")


class Rounding(StrEnum):
    """What happens to minutes that do not fill a step: ``nearest`` counts half a step as a whole one."""

    NEAREST = "nearest"
    DOWN = "down"


class CertificateWording(StrEnum):
    """Whether a certificate says that credit was awarded, or that its holder took part (R-AMA-6)."""

    CREDIT = "credit"
    PARTICIPATION = "participation"


class CertificateField(StrEnum):
    """What a certificate may have to show, in the order of the field matrix.

    ``location`` counts for live activities only. ``provider_whereabouts`` is the address or a web address;
    ``rn_license`` any number of the learner's own. The last four stand in the designation statement.
    """

    NAME = "name"
    PROVIDER = "provider"
    PROVIDER_ADDRESS = "provider_address"
    PROVIDER_WHEREABOUTS = "provider_whereabouts"
    TITLE = "title"
    FORMAT = "format"
    LOCATION = "location"
    DATE = "date"
    CREDIT = "credit"
    STATEMENT = "statement"
    SIGNATURE = "signature"
    UAN = "uan"
    RN_LICENSE = "rn_license"
    PROVIDER_NUMBER = "provider_number"
    SPONSOR_ID = "sponsor_id"
    RETENTION_NOTICE = "retention_notice"
    FIELD_OF_STUDY = "field_of_study"
    DELIVERY_METHOD = "delivery_method"
    TIME_STATEMENT = "time_statement"


class UnknownCreditTypeError(LookupError):
    """No such credit type, or no such version of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRule:
    """One version of one credit type.

    ``name`` is printed in full, in italics where ``is_italic`` (R-AMA-5). ``unit`` is the singular of what is counted,
    ``minutes_per_unit`` what one of it takes. Claimable amounts are whole multiples of ``increment``, at least
    ``minimum_units``. ``required_identifiers`` are codes of identifiers that a learner's profile must hold;
    ``printed_identifiers`` are those of them that the certificate must show (R-CA-RN), ``certificate_fields`` what it
    must show besides. Without ``allows_partial``
    whoever claims less than the whole claims nothing.
    """

    code: str
    version: str
    effective_on: date
    name: str
    is_italic: bool
    unit: str
    minutes_per_unit: int
    increment: Decimal
    rounding: Rounding
    minimum_units: Decimal
    professions: frozenset[Profession]
    attestation_version: str
    attestation_text: str
    certificate_wording: CertificateWording
    certificate_fields: frozenset[CertificateField]
    required_identifiers: tuple[str, ...]
    retention_years: int
    source: str
    printed_identifiers: tuple[str, ...] = ()
    allows_partial: bool = True

    def is_step(self, units: Decimal) -> bool:
        """Whether an amount is a positive whole multiple of the increment (R-AMA-2)."""
        return units.is_finite() and units > 0 and units % self.increment == 0

    def units_for(self, minutes: int) -> Decimal:
        """The units that this many minutes of participation are worth; nothing below the minimum (R-AMA-2)."""
        minutes_per_step = self.minutes_per_unit * self.increment
        steps, rest = divmod(Decimal(max(0, minutes)), minutes_per_step)
        if self.rounding is Rounding.NEAREST and 2 * rest >= minutes_per_step:
            steps += 1
        units = steps * self.increment
        return units if units >= self.minimum_units else Decimal(0)


def rules() -> tuple[CreditRule, ...]:
    """Every version of every credit type, as the data file lists them."""
    return _RULES


def rule(code: str, version: str | None = None, on: date | None = None) -> CreditRule:
    """The rule of a credit type: this version, or else the newest one that is in force on a date.

    Without version and date it is the newest; of several that came into force on one day, the first that the data file
    lists. Raises ``UnknownCreditTypeError`` when there is none.
    """
    matching = [
        each
        for each in _RULES
        if each.code == code
        and (version is None or each.version == version)
        and (version is not None or on is None or each.effective_on <= on)
    ]
    if not matching:
        raise UnknownCreditTypeError(f"no credit type {code!r} in version {version or 'any'} on {on or 'any date'}")
    return max(matching, key=lambda each: each.effective_on)


def rule_of(offer: CreditOffer) -> CreditRule:
    """The rule that an offer is judged by; see ``rule`` for offers that name no version."""
    return rule(offer.credit_type, offer.rule_version)


def may_claim(offer: CreditOffer, profession: Profession | None) -> bool:
    """Whether an offer is for this profession (R-AMA-6), and registered for it where audiences register (R-CPE-2)."""
    uans = [uan for identifier in offer.identifiers if (uan := read_uan(identifier.code)) is not None]
    is_registered = not uans or any(uan.is_for(profession) for uan in uans)
    return profession in rule_of(offer).professions and is_registered


def offers_for(policy: CEActivityPolicy, profession: Profession | None) -> tuple[CreditOffer, ...]:
    """The offers that a learner of this profession may claim, in the policy's order; see ``may_claim``."""
    return tuple(offer for offer in policy.credit if may_claim(offer, profession))


class Audience(StrEnum):
    """For whom a pharmacy activity is registered, by the last letter of its number (R-CPE-2)."""

    PHARMACISTS = "P"
    TECHNICIANS = "T"


_AUDIENCES = {
    Profession.PHARMACIST: Audience.PHARMACISTS,
    Profession.PHARMACY_TECHNICIAN: Audience.TECHNICIANS,
}


@dataclass(frozen=True, slots=True)
class UniversalActivityNumber:
    """What an ACPE number says of the activity it names: ``format_letter`` is L (live), H (home), or another."""

    format_letter: str
    audience: Audience

    def is_for(self, profession: Profession | None) -> bool:
        """Whether learners of this profession are reported under the number."""
        return profession is not None and _AUDIENCES.get(profession) is self.audience

    def fits(self, learning_format: LearningFormat) -> bool:
        """Whether it covers a learning format. Letters that we cannot read keep nobody from their number (R-CPE-1)."""
        is_live = learning_format is LearningFormat.LIVE_ACTIVITY
        return {"L": is_live, "H": not is_live}.get(self.format_letter, True)


def read_uan(code: str) -> UniversalActivityNumber | None:
    """Read a Universal Activity Number such as ``0123-0000-26-001-H01-P`` (R-CPE-1); None if it is none."""
    found = _UAN.fullmatch(code)
    return UniversalActivityNumber(found[1], Audience(found[2])) if found else None


def identifiers_for(
    offer: CreditOffer, profession: Profession | None, learning_format: LearningFormat
) -> tuple[Option, ...]:
    """The offer's identifiers that this learner's certificate prints.

    Of Universal Activity Numbers these are the ones for the learner's audience and for the learning format in which
    they took part (R-CPE-2); all other identifiers are for everyone.
    """
    return tuple(
        identifier
        for identifier in offer.identifiers
        if (uan := read_uan(identifier.code)) is None or (uan.is_for(profession) and uan.fits(learning_format))
    )


def parse_units(text: str) -> Decimal:
    """Read an amount of credit such as ``1.25``: ASCII digits, at most four before the point and two after it.

    Raises ``ValueError`` for everything else. Whether the amount is allowed is for ``CreditRule`` to say.
    """
    if not _UNITS.fullmatch(text):
        raise ValueError("An amount is written in digits with at most two decimals, such as 1.25.")
    return Decimal(text)


def _read_rule(entry: Mapping[str, Any]) -> CreditRule:
    read: dict[str, Any] = {
        "increment": Decimal(entry["increment"]),
        "rounding": Rounding(entry["rounding"]),
        "minimum_units": Decimal(entry["minimum_units"]),
        "professions": frozenset(Profession(profession) for profession in entry["professions"]),
        "certificate_wording": CertificateWording(entry["certificate_wording"]),
        "certificate_fields": frozenset(CertificateField(field) for field in entry["certificate_fields"]),
        "required_identifiers": tuple(entry["required_identifiers"]),
        "printed_identifiers": tuple(entry.get("printed_identifiers", ())),
    }
    return CreditRule(**{**entry, **read})


def _read_rules() -> tuple[CreditRule, ...]:
    document = tomllib.loads((Path(__file__).parent / "credit_types.toml").read_text(encoding="utf-8"))
    entries: dict[str, dict[str, Any]] = {}
    for written in document["credit_type"]:
        pattern = written.pop("like", None)
        entry = {**entries[pattern], **written} if pattern else written
        entries[f"{entry['code']} {entry['version']}"] = entry
    return tuple(_read_rule(entry) for entry in entries.values())


# Read once, when the module is imported: a workflow never reads a file while it runs.
_RULES = _read_rules()
