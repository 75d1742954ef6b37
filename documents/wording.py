"""How certificates and e-mails write dates, amounts and steps, whatever the locale of the machine.

Certificates and transcripts are in the language of the record, which is English; e-mails are in their reader's.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date

from config.languages import current_language, gettext, locale_of
from config.languages import marked as _
from documents.models import CreditDetails
from domain.corrections import RevocationClass
from domain.progress import StepKind
from domain.reasons import DenialReason, HoldReason, ReleaseReason, ReopeningReason

# What a learner does in each step; translated where it is shown. Nobody does anything for the claim window or the
# certificate.
STEP_WORDS: Final[Mapping[StepKind, str]] = {
    StepKind.PARTICIPATION: _("Confirm that you took part."),
    StepKind.STATEMENT: _("Choose your statement of credit."),
    StepKind.DISCLOSURES: _("Read and acknowledge the disclosures."),
    StepKind.CONTENT: _("Complete the content."),
    StepKind.POST_TEST: _("Pass the post-test."),
    StepKind.EVALUATION: _("Complete the evaluation."),
    StepKind.SESSIONS: _("Enter the sessions that you attended."),
    StepKind.CREDIT: _("Claim your credit."),
    StepKind.FINALIZATION: _("Make your statement final."),
}

# Why a certificate was revoked, as anyone may read it; translated where it is shown.
REVOCATION_WORDS: Final[Mapping[RevocationClass, str]] = {
    RevocationClass.ISSUED_IN_ERROR: _("It was issued in error."),
    RevocationClass.PARTICIPATION_NOT_VERIFIED: _("Participation could not be verified."),
    RevocationClass.DUPLICATE: _("The same credit was awarded twice."),
    RevocationClass.MISCONDUCT: _("The rules of the activity were not kept."),
    RevocationClass.REQUESTED: _("The learner asked for it."),
}

# Why the office did something to a claim, as its learner reads it; other reasons are not told by e-mail.
OFFICE_WORDS: Final[Mapping[str, str]] = {
    HoldReason.PARTICIPATION_CHECK: _("It is being checked that you took part."),
    HoldReason.IDENTITY_CHECK: _("It is being checked that the claim is yours."),
    HoldReason.ELIGIBILITY_CHECK: _("It is being checked whether you may claim this credit."),
    HoldReason.DUPLICATE_CHECK: _("It is being checked whether you claimed this credit before."),
    HoldReason.ACTIVITY_REVIEW: _("The activity is being reviewed."),
    ReleaseReason.CHECKED: _("Everything was checked."),
    ReleaseReason.CORRECTED: _("What was wrong was corrected."),
    ReleaseReason.HELD_IN_ERROR: _("The hold was an error."),
    DenialReason.PARTICIPATION_NOT_VERIFIED: _("Participation could not be verified."),
    DenialReason.NOT_ELIGIBLE: _("This credit is not for your profession."),
    DenialReason.DUPLICATE: _("You claimed the same credit before."),
    DenialReason.MISCONDUCT: _("The rules of the activity were not kept."),
    ReopeningReason.ENDED_IN_ERROR: _("It had ended in error."),
    ReopeningReason.APPEAL_GRANTED: _("Your appeal was granted."),
    ReopeningReason.LEARNER_ASKED: _("You asked for it."),
    ReopeningReason.TECHNICAL_FAULT: _("Something had not worked."),
}

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DASH = "\N{EN DASH}"


def unit_words(amount: Decimal) -> str:
    """Return an amount with two decimals: "1.25", "2.00"."""
    return f"{amount:.2f}"


def credit_line(credit: CreditDetails) -> str:
    """The amount with the credit's full name (R-AMA-5): ``1.25 AMA PRA Category 1 Credit(s)`` and its trade mark."""
    unit = "" if credit.names_its_unit or not credit.unit_name else f"{credit.unit_name} of "
    return f"{unit_words(credit.awarded_units)} {unit}{credit.name}" + ("\u2122" if credit.has_trademark else "")


def credit_word(acronym: str) -> str:
    """Return what a provider calls its credit, in the present language: "CE credit", "CPE credit"."""
    return gettext("{acronym} credit").format(acronym=acronym).strip()


def day_words(day: date) -> str:
    """Return a date that nobody on either side of the Atlantic misreads: "May 3, 2026"."""
    return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"


def local_day_words(day: date) -> str:
    """Return a date as it is written out in the present language: "May 3, 2026", "3 de mayo de 2026"."""
    return str(format_date(day, "long", locale=locale_of(current_language())))


def day_range_words(first: date | None, last: date | None) -> str | None:
    """Return one date, or two joined by a dash: "May 3-5, 2026", "May 30 - June 1, 2026", with an en dash."""
    if first is None or last is None or first == last:
        only = first or last
        return day_words(only) if only else None
    if first.year != last.year:
        return f"{day_words(first)} {_DASH} {day_words(last)}"
    if first.month != last.month:
        return f"{_MONTHS[first.month - 1]} {first.day} {_DASH} {day_words(last)}"
    return f"{_MONTHS[first.month - 1]} {first.day}{_DASH}{last.day}, {first.year}"


def moment_words(at: datetime, time_zone: str, own_time_zone: str | None = None) -> str:
    """Return a time with city and offset, in the present language: "May 3, 2026, 23:59 (Chicago, UTC-5)".

    A reader whose own zone shows another time then is told theirs, too: "..., for you May 4, 2026, 06:59 (Berlin,
    UTC+2)".
    """
    own = at.astimezone(ZoneInfo(own_time_zone)) if own_time_zone else None
    local = at.astimezone(ZoneInfo(time_zone))
    if own_time_zone is None or own is None or own.utcoffset() == local.utcoffset():
        return _local_words(local, time_zone)
    return gettext("{moment}, for you {own_moment}").format(
        moment=_local_words(local, time_zone), own_moment=_local_words(own, own_time_zone)
    )


def _local_words(local: datetime, time_zone: str) -> str:
    city = time_zone.rpartition("/")[2].replace("_", " ")
    offset = _offset_words(local)
    place = offset if city == "UTC" else f"{city}, {offset}"
    return f"{local_day_words(local.date())}, {local:%H:%M} ({place})"


def _offset_words(local: datetime) -> str:
    offset = f"{local:%z}"
    if offset.strip("+-0") == "":
        return "UTC"
    hours, minutes = offset[1:3].lstrip("0") or "0", offset[3:5]
    return f"UTC{offset[0]}{hours}" + (f":{minutes}" if minutes != "00" else "")
