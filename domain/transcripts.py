"""Transcripts: the credit that a learner holds, newest first, with totals by type of credit and calendar year.

Amounts of different types are never added up: each type counts its own unit. All dates are local dates of completion
in the zone of record (R-TZ).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from domain import credit
from domain.credit import CreditRule, UnknownCreditTypeError
from domain.designation_checks import MAXIMUM_UNITS
from domain.people import name_words
from domain.policy import CertificateIssue, LearningFormat

FIRST_PLAUSIBLE_DAY = date(1900, 1, 1)
LAST_PLAUSIBLE_YEAR = 2200

_Key = TypeVar("_Key", int, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPart:
    """The part of an award that was claimed for one session of a meeting."""

    title: str
    held_on: date | None
    units: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateProof:
    """Where the certificate of an award is: here, with its verification code, or in the organisation's own system.

    ``state`` is ``reserved`` or ``issued``; it and the code are None where the certificate is issued elsewhere.
    """

    issue: CertificateIssue
    state: str | None = None
    verification_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEntry:
    """One award on a transcript.

    ``rule`` names the credit and its unit as they were when it was awarded (R-AMA-5). ``recorded_at`` orders awards of
    one day. A historical award is one from before the portal's time: staff entered it, with the ``reference`` under
    which others have it; it has neither claim, learning format nor certificate here.
    """

    id: str
    title: str
    provider: str
    completed_on: date
    recorded_at: datetime
    rule: CreditRule
    units: Decimal
    learning_format: LearningFormat | None = None
    sessions: tuple[SessionPart, ...] = ()
    is_final: bool = True
    is_historical: bool = False
    reference: str | None = None
    claim_id: str | None = None
    certificate: CertificateProof | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptFilter:
    """Which awards to list: completed from one day to another, in a year, of one type; None means any.

    ``provider`` is a provider's name, ``words`` are found in any order and case in title, provider and reference.
    """

    from_on: date | None = None
    until_on: date | None = None
    year: int | None = None
    credit_type: str | None = None
    provider: str | None = None
    words: str | None = None

    def lets_through(self, entry: TranscriptEntry) -> bool:
        """Whether an entry is asked for; both days are inclusive."""
        day = entry.completed_on
        return (
            (self.from_on is None or day >= self.from_on)
            and (self.until_on is None or day <= self.until_on)
            and (self.year is None or day.year == self.year)
            and (self.credit_type is None or entry.rule.code == self.credit_type)
            and (self.provider is None or entry.provider == self.provider)
            and self._has_words(entry)
        )

    def _has_words(self, entry: TranscriptEntry) -> bool:
        written = " ".join(name_words(f"{entry.title} {entry.provider} {entry.reference or ''}"))
        return all(word in written for word in name_words(self.words or ""))


@dataclass(frozen=True, slots=True)
class CreditTotal:
    """How much credit of one type some entries hold together; ``rule`` is the newest of theirs."""

    rule: CreditRule
    units: Decimal
    awards: int


@dataclass(frozen=True, slots=True)
class TranscriptYear:
    """The entries that were completed in one calendar year, newest first, and their totals."""

    year: int
    entries: tuple[TranscriptEntry, ...]
    totals: tuple[CreditTotal, ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """The entries that were asked for, newest first; ``totals`` are by type, in the order of the types' names."""

    entries: tuple[TranscriptEntry, ...]

    @property
    def totals(self) -> tuple[CreditTotal, ...]:
        """How much credit of each type there is."""
        return _totals(self.entries)

    @property
    def years(self) -> tuple[TranscriptYear, ...]:
        """The calendar years with entries, newest first."""
        grouped = _grouped(self.entries, lambda entry: entry.completed_on.year)
        return tuple(TranscriptYear(year, tuple(entries), _totals(entries)) for year, entries in grouped)

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of those who granted it, in order."""
        return tuple(sorted({entry.provider for entry in self.entries}, key=str.casefold))


class TranscriptLinkState(StrEnum):
    """Whether a link to a transcript works: it does until it expires or its learner revokes it."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


def link_state(expires_at: datetime, revoked_at: datetime | None, now: datetime) -> TranscriptLinkState:
    """Whether a link works at a time."""
    if revoked_at is not None:
        return TranscriptLinkState.REVOKED
    return TranscriptLinkState.EXPIRED if expires_at <= now else TranscriptLinkState.ACTIVE


def transcript_of(entries: Iterable[TranscriptEntry], wanted: TranscriptFilter) -> Transcript:
    """The transcript of these awards, as far as they are asked for, in an order that never changes by itself."""
    asked_for = filter(wanted.lets_through, entries)
    ordered = sorted(asked_for, key=lambda entry: (entry.completed_on, entry.recorded_at, entry.id), reverse=True)
    return Transcript(tuple(ordered))


def _totals(entries: Iterable[TranscriptEntry]) -> tuple[CreditTotal, ...]:
    totals = []
    for _, of_type in _grouped(entries, lambda entry: entry.rule.code):
        rule = max((entry.rule for entry in of_type), key=lambda each: each.effective_on)
        totals.append(CreditTotal(rule, sum((entry.units for entry in of_type), Decimal("0.00")), len(of_type)))
    return tuple(sorted(totals, key=lambda total: (total.rule.name.casefold(), total.rule.code)))


def _grouped(
    entries: Iterable[TranscriptEntry], key_of: Callable[[TranscriptEntry], _Key]
) -> Iterable[tuple[_Key, list[TranscriptEntry]]]:
    groups: dict[_Key, list[TranscriptEntry]] = {}
    for entry in entries:
        groups.setdefault(key_of(entry), []).append(entry)
    return groups.items()


def rule_at(credit_type: str, completed_on: date) -> CreditRule:
    """The rule that names and measures credit from before the portal's time.

    It is the one that was in force on the day of completion, or the oldest that we know. Raises
    ``UnknownCreditTypeError`` for a type that we do not know.
    """
    try:
        return credit.rule(credit_type, on=completed_on)
    except UnknownCreditTypeError:
        known = [rule for rule in credit.rules() if rule.code == credit_type]
        if not known:
            raise
        return min(known, key=lambda rule: rule.effective_on)


@dataclass(frozen=True, slots=True)
class HistoricalAwardProblem:
    """What is wrong with one field of a historical award: its name, a code, and what would be right."""

    field: str
    code: str
    message: str


def historical_award_problems(
    credit_type: str, units: Decimal, completed_on: date, latest_on: date
) -> Iterator[HistoricalAwardProblem]:
    """Everything that keeps credit from before the portal's time from being entered.

    The amount must be a step of its type (R-AMA-2). ``latest_on`` is today, where today is furthest ahead.
    """
    if completed_on > latest_on:
        yield HistoricalAwardProblem("completed_on", "date_in_future", "is not after today")
    if completed_on < FIRST_PLAUSIBLE_DAY:
        yield HistoricalAwardProblem("completed_on", "date_implausible", f"is not before {FIRST_PLAUSIBLE_DAY}")
    try:
        rule = rule_at(credit_type, completed_on)
    except UnknownCreditTypeError:
        known = ", ".join(sorted({each.code for each in credit.rules()}))
        yield HistoricalAwardProblem("credit_type", "credit_type_unknown", f"is one of {known}")
        return
    problem = amount_problem(rule, units)
    if problem is not None:
        yield problem


def amount_problem(rule: CreditRule, units: Decimal) -> HistoricalAwardProblem | None:
    """What is wrong with an amount of this type, if anything."""
    if not rule.is_step(units):
        return HistoricalAwardProblem("units", "credit_increment", f"is a multiple of {rule.increment}")
    if units < rule.minimum_units:
        return HistoricalAwardProblem("units", "credit_minimum", f"is at least {rule.minimum_units}")
    if units > MAXIMUM_UNITS:
        return HistoricalAwardProblem("units", "credit_maximum", f"is at most {MAXIMUM_UNITS}")
    return None
