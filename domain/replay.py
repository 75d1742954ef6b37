"""What a claim's audit entries amount to, by themselves: the state that the record's tables must be in.

An entry says what it changed of the claim's row: ``before`` holds the earlier value of each column that changed, and
``after`` the new one. What has rows of its own (attempts, sessions, awards, certificates, corrections) follows from the
events.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from domain.corrections import AwardState, CorrectionState

COLUMNS: Final = (
    "learner_id",
    "version_id",
    "stage",
    "attention",
    "due_at",
    "participation",
    "participation_method",
    "participation_at",
    "statement",
    "disclosures_version",
    "disclosures_at",
    "evaluated_at",
    "credit_type",
    "claimed_units",
    "attestation_version",
    "attested_at",
    "finalized_at",
    "awarded_at",
    "notified_at",
    "closed_as",
    "closed_at",
    "extension_requested_at",
    "held_at",
    "held_by",
    "hold_reason",
    "waived",
    "attempts_added",
)
"""The columns of a claim whose changes are entered; the rest says when Laurel has to look again."""

Entry = Mapping[str, Any]
Rows = dict[Any, dict[str, Any]]


@dataclass(slots=True)
class ClaimRecord:
    """One claim with everything that is its own, in JSON values: times in UTC, amounts with two decimals.

    ``sessions`` maps codes to claimed units, ``evaluations`` holds the codes of evaluated sessions, and an empty one
    for the evaluation of the whole. ``outcomes`` maps each submission to the code of its refusal, or None.
    """

    columns: dict[str, Any] = field(default_factory=dict)
    attempts: Rows = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    evaluations: set[str] = field(default_factory=set)
    awards: Rows = field(default_factory=dict)
    certificates: Rows = field(default_factory=dict)
    corrections: Rows = field(default_factory=dict)
    outcomes: dict[str, str | None] = field(default_factory=dict)


def plain(value: object) -> object:
    """A value of a table as entries have it."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:.2f}"
        case bytes():
            return value.hex()
        case str():
            # Codes of an enumeration are words as any other.
            return str(value)
        case list():
            return [plain(each) for each in value]
    return value


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns that differ, as they were and as they are."""
    names = [name for name in COLUMNS if before.get(name) != after.get(name)]
    return {name: plain(before.get(name)) for name in names}, {name: plain(after.get(name)) for name in names}


def replay(entries: Iterable[Entry]) -> ClaimRecord:
    """The state that a claim's entries, in their order, lead to. Entries that tell no change are passed over."""
    record = ClaimRecord()
    for entry in entries:
        before, after = entry.get("before", {}), entry.get("after", {})
        record.columns |= {name: after[name] for name in before if name in COLUMNS}
        if "submission" in entry and entry["event"].rpartition(".")[2] in ("accepted", "refused"):
            record.outcomes[entry["submission"]] = after.get("refusal")
        if "correction" in after:
            _follow_correction(record, entry["event"], after)
        follow = _FOLLOWS.get(entry["event"])
        if follow is not None:
            follow(record, after, plain(datetime.fromisoformat(entry["at"])))
    return record


def differences(replayed: ClaimRecord, stored: ClaimRecord) -> list[str]:
    """What the record has otherwise than the entries say: the places, such as ``awards.awd_x.units``, without values.

    A column that no entry speaks of must be empty.
    """
    found = [f"claims.{name}" for name in COLUMNS if replayed.columns.get(name) != stored.columns.get(name)]
    for table in ("attempts", "awards", "certificates", "corrections"):
        said, kept = getattr(replayed, table), getattr(stored, table)
        found += [f"{table}.{key}" for key in sorted(said.keys() ^ kept.keys(), key=str)]
        found += [
            f"{table}.{key}.{name}"
            for key in sorted(said.keys() & kept.keys(), key=str)
            for name in kept[key]
            if said[key].get(name) != kept[key][name]
        ]
    for table in ("sessions", "evaluations", "outcomes"):
        if getattr(replayed, table) != getattr(stored, table):
            found.append(table)
    return found


def _attempt_started(record: ClaimRecord, after: Entry, at: object) -> None:
    """An attempt that is open already is the one that was meant."""
    record.attempts.setdefault(after["attempt"], {"started_at": at})


def _answered(record: ClaimRecord, after: Entry, at: object) -> None:
    record.attempts[after["attempt"]]["submitted_at"] = at


def _graded(record: ClaimRecord, after: Entry, at: object) -> None:
    results = {name: after[name] for name in ("correct", "total", "has_passed")}
    record.attempts[after["attempt"]] |= {**results, "graded_at": at}


def _evaluated(record: ClaimRecord, _after: Entry, _at: object) -> None:
    record.evaluations.add("")


def _session_saved(record: ClaimRecord, after: Entry, _at: object) -> None:
    session, units = after["session"], after["units"]
    record.sessions.pop(session, None)
    if units is not None:
        record.sessions[session] = f"{Decimal(units):.2f}"
    if after["is_evaluated"]:
        record.evaluations.add(session)


def _certified(record: ClaimRecord, after: Entry, _at: object) -> None:
    """A version of the certificate is reserved: with the claim's first award, a corrected one, or the same one."""
    if "number" in after:
        _award_granted(record, after)
    if "sessions" in after:
        record.sessions = dict(after["sessions"])
    before = record.certificates.get(after.get("supersedes_certificate"))
    if before is not None:
        # One that was revoked stays revoked.
        before |= {"superseded_by": after["certificate"]}
        before |= {} if before["state"] == "revoked" else {"state": "superseded"}
    record.certificates[after["certificate"]] = {
        "award_id": after["award"],
        "version": after.get("version", 1),
        "state": after["certificate_state"],
        "sha256": None,
        "superseded_by": None,
        "revocation_class": None,
    }


def _award_granted(record: ClaimRecord, after: Entry) -> None:
    if "supersedes" in after:
        record.awards[after["supersedes"]]["state"] = AwardState.SUPERSEDED
    record.awards[after["award"]] = {
        "number": after["number"],
        "credit_type": after["credit_type"],
        "units": f"{Decimal(after['units']):.2f}",
        "state": AwardState.ACTIVE,
    }


def _issued(record: ClaimRecord, after: Entry, _at: object) -> None:
    record.certificates[after["certificate"]] |= {"state": "issued", "sha256": after["sha256"]}


def _revoked(record: ClaimRecord, after: Entry, _at: object) -> None:
    """One that another system issued is only noted to hold no more."""
    record.awards[after["award"]]["state"] = AwardState.REVOKED
    certificate = record.certificates[after["certificate"]]
    certificate |= {"revocation_class": after["reason_class"]}
    certificate |= {} if certificate["state"] == "elsewhere" else {"state": "revoked"}


def _award_merged(record: ClaimRecord, after: Entry, _at: object) -> None:
    record.awards[after["award"]]["state"] = AwardState.MERGED


_FOLLOWS: Final[Mapping[str, Callable[[ClaimRecord, Entry, object], None]]] = {
    "attempt.accepted": _attempt_started,
    "answers.accepted": _answered,
    "attempt.graded": _graded,
    "evaluation.accepted": _evaluated,
    "session.accepted": _session_saved,
    "credit.awarded": _certified,
    "credit.corrected": _certified,
    "name.corrected": _certified,
    "certificate.reissued": _certified,
    "certificate.issued": _issued,
    "credit.revoked": _revoked,
    "award.merged": _award_merged,
}
_CORRECTION_STATES: Final = {
    "correction.approved": CorrectionState.APPROVED,
    "correction.declined": CorrectionState.DECLINED,
    "correction.refused": CorrectionState.REFUSED,
    "credit.corrected": CorrectionState.APPLIED,
    "name.corrected": CorrectionState.APPLIED,
    "certificate.reissued": CorrectionState.APPLIED,
    "credit.revoked": CorrectionState.COMPLETED,
    "correction.completed": CorrectionState.COMPLETED,
    "correction.resolved": CorrectionState.RESOLVED,
}


def _follow_correction(record: ClaimRecord, event: str, after: Entry) -> None:
    """How far the correction has come that an entry is about."""
    state = _CORRECTION_STATES.get(event)
    if event == "correction.requested":
        state = CorrectionState.AWAITING_APPROVAL if after["needs_approval"] else CorrectionState.APPROVED
    if state is not None:
        record.corrections[after["correction"]] = {"kind": after["kind"], "state": state}
