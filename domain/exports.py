"""The office's list of claims for a period: which it is about, what it says of each, and in which columns.

A claim is of the day on which its CE activity was completed; one without an award is of the day on which it was
closed, or else opened. All dates are local dates of the CE activity (R-TZ). What learners answered in evaluations or
post-tests is in no list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from domain.identifiers import IDENTIFIERS

Cell = str | date | Decimal | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFilter:
    """Which claims to list: of the days from one to another, both inclusive; None means any.

    What follows ``ce_activity`` means the same as in the office's list of claims (``storage/claim_lists.py``).
    """

    from_on: date | None = None
    until_on: date | None = None
    credit_type: str | None = None
    ce_activity: str | None = None
    stage: str | None = None
    attention: str | None = None
    provider: str | None = None
    due_before: datetime | None = None
    is_extension_requested: bool = False
    opened_from: date | None = None
    opened_until: date | None = None
    learner: str | None = None

    @property
    def words(self) -> str:
        """What was asked for, as the list itself says it."""
        days = f"Claims from {self.from_on or 'the first'} to {self.until_on or 'the last'}"
        always = f"{days}, credit type: {self.credit_type or 'any'}, CE activity: {self.ce_activity or 'any'}"
        others = {
            "stage": self.stage,
            "attention": self.attention,
            "provider": self.provider,
            "due before": self.due_before and self.due_before.isoformat(),
            "waiting for more time": "yes" if self.is_extension_requested else None,
            "opened from": self.opened_from,
            "opened until": self.opened_until,
            "learner": self.learner,
        }
        return ", ".join([always, *(f"{name}: {value}" for name, value in others.items() if value is not None)])

    @property
    def name_parts(self) -> list[str]:
        """The same as parts of a file's name: the period, codes, and whether anything else narrows the list down."""
        days = f"{self.from_on}-to-{self.until_on}" if self.from_on else "all"
        codes = [self.credit_type, self.ce_activity, self.stage, self.attention, self.provider]
        others = (self.due_before, self.is_extension_requested, self.opened_from, self.opened_until, self.learner)
        return [days, *(code for code in codes if code), *(["filtered"] if any(others) else [])]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffAct:
    """What staff did about a claim: ``kind`` of the act, its day, who did it, who agreed to it, and why."""

    kind: str
    on: date
    by: str
    approved_by: str | None
    reason: str | None

    @property
    def words(self) -> str:
        """All of it in one cell."""
        approval = f", approved by {self.approved_by}" if self.approved_by else ""
        return f"{self.kind} on {self.on} by {self.by}{approval}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedClaim:
    """One award, or a claim that has none; what does not apply is None. Hashes are SHA-256 in hex."""

    claim_id: str
    learner_id: str
    given_name: str | None
    family_name: str | None
    name_on_certificate: str | None
    credentials: str | None
    profession: str | None
    email: str | None
    identifiers: Mapping[str, str]
    ce_activity: str
    activity_code: str | None
    title: str
    provider: str
    learning_format: str
    time_zone: str
    stage: str
    opened_on: date
    closed_on: date | None
    completed_on: date | None
    awarded_on: date | None
    issued_on: date | None
    award_id: str | None
    award_state: str | None
    credit_type: str | None
    rule_version: str | None
    units: Decimal | None
    certificate_id: str | None
    certificate_version: int | None
    certificate_state: str | None
    verification_code: str | None
    certificate_sha256: str | None
    corrections: tuple[StaffAct, ...]
    exceptions: tuple[StaffAct, ...]
    audit_entries: int
    newest_entry_hash: str | None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """What stands in each of ``COLUMNS``."""
        return tuple(self._cell(column.name) for column in COLUMNS)

    def _cell(self, name: str) -> Cell:
        if name in IDENTIFIERS:
            return self.identifiers.get(name)
        value = getattr(self, name)
        return "; ".join(act.words for act in value) if isinstance(value, tuple) else value


class CellKind(StrEnum):
    """How a column's cells are to be read."""

    TEXT = "text"
    DAY = "day"
    UNITS = "units"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list: the field that it shows, or the code of an identifier, and its heading."""

    name: str
    heading: str
    kind: CellKind = CellKind.TEXT


COLUMNS: Final = (
    Column("completed_on", "Completed on", CellKind.DAY),
    Column("family_name", "Family name"),
    Column("given_name", "Given name"),
    Column("credentials", "Credentials"),
    Column("profession", "Profession"),
    Column("email", "E-mail"),
    Column("title", "CE activity"),
    Column("ce_activity", "CE activity (address)"),
    Column("activity_code", "Activity code"),
    Column("provider", "Provider"),
    Column("learning_format", "Learning format"),
    Column("credit_type", "Credit type"),
    Column("rule_version", "Rule version"),
    Column("units", "Units awarded", CellKind.UNITS),
    Column("award_state", "Award"),
    Column("stage", "Claim"),
    Column("opened_on", "Opened on", CellKind.DAY),
    Column("closed_on", "Closed on", CellKind.DAY),
    Column("awarded_on", "Awarded on", CellKind.DAY),
    Column("issued_on", "Issued on", CellKind.DAY),
    Column("time_zone", "Time zone of the dates"),
    Column("certificate_id", "Certificate number"),
    Column("certificate_version", "Certificate version", CellKind.COUNT),
    Column("certificate_state", "Certificate"),
    Column("name_on_certificate", "Name on certificate"),
    Column("verification_code", "Verification code"),
    Column("corrections", "Corrections"),
    Column("exceptions", "Exceptions"),
    *(Column(kind.code, kind.label) for kind in IDENTIFIERS.values()),
    Column("learner_id", "Learner"),
    Column("claim_id", "Claim number"),
    Column("award_id", "Award number"),
    Column("certificate_sha256", "Certificate SHA-256"),
    Column("audit_entries", "Audit entries", CellKind.COUNT),
    Column("newest_entry_hash", "Newest audit entry"),
)


@dataclass(frozen=True, slots=True)
class ExportHeading:
    """What a list says of itself: what was asked for, when it was made, and by which release."""

    wanted: ExportFilter
    made_at: datetime
    release: str

    @property
    def lines(self) -> tuple[str, ...]:
        """The same in sentences."""
        return (
            self.wanted.words,
            "A claim is of the day of completion, or else of the day on which it was closed or opened.",
            "Every date is a local date in the time zone of its CE activity.",
            f"Made at {self.made_at:%Y-%m-%d %H:%M:%S} UTC by Laurel {self.release}.",
        )

    @property
    def file_name(self) -> str:
        """A name for the file, without its ending; a CSV file has no other place for what it says of itself."""
        parts = ["claims", *self.wanted.name_parts, f"made-{self.made_at:%Y%m%dT%H%M%SZ}"]
        return "-".join(parts)
