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

from domain.policy import CEActivityPolicy, CreditOffer, Profession

_UNITS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,2})?")


class Rounding(StrEnum):
    """What happens to minutes that do not fill a step: ``nearest`` counts half a step as a whole one."""

    NEAREST = "nearest"
    DOWN = "down"


class CertificateWording(StrEnum):
    """Whether a certificate says that credit was awarded, or that its holder took part (R-AMA-6)."""

    CREDIT = "credit"
    PARTICIPATION = "participation"


class UnknownCreditTypeError(LookupError):
    """No such credit type, or no such version of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRule:
    """One version of one credit type.

    ``name`` is printed in full, in italics where ``is_italic`` (R-AMA-5). ``unit`` is the singular of what is counted,
    ``minutes_per_unit`` what one of it takes. Claimable amounts are whole multiples of ``increment``, at least
    ``minimum_units``. ``required_identifiers`` are codes of identifiers that a learner's profile must hold.
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
    required_identifiers: tuple[str, ...]
    retention_years: int
    source: str

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

    Without version and date it is the newest. Raises ``UnknownCreditTypeError`` when there is none.
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


def offers_for(policy: CEActivityPolicy, profession: Profession | None) -> tuple[CreditOffer, ...]:
    """The offers that a learner of this profession may claim, in the policy's order (R-AMA-6)."""
    return tuple(offer for offer in policy.credit if profession in rule_of(offer).professions)


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
        "required_identifiers": tuple(entry["required_identifiers"]),
    }
    return CreditRule(**{**entry, **read})


def _read_rules() -> tuple[CreditRule, ...]:
    document = tomllib.loads((Path(__file__).parent / "credit_types.toml").read_text(encoding="utf-8"))
    return tuple(_read_rule(entry) for entry in document["credit_type"])


# Read once, when the module is imported: a workflow never reads a file while it runs.
_RULES = _read_rules()
