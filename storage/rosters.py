"""Rosters in the record: previewed when they are uploaded, and applied in one transaction as they were previewed."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, TextClause, func, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.identities import derived_id
from domain.roster_changes import Change, Entry, Outcome, changes_of, removals
from domain.roster_columns import FAMILY_NAME, GIVEN_NAME
from domain.rosters import Roster, RosterLine, RowCode, RowProblem
from storage import acts
from storage.acts import Actor
from storage.catalog import ce_activity_stream
from storage.roster_wakeups import Application, wake_claims
from storage.tables import RosterRow

ENTRY_ID: Final = "entry_id"
"""Under which name the values of a removed entry hold its id."""

_AT_ONCE: Final = 5_000


class RosterState(StrEnum):
    """What became of an uploaded roster. Applying is one transaction, so nothing is ever half applied."""

    PREVIEWED = "previewed"
    APPLIED = "applied"


class PreviewOutdatedError(Exception):
    """The roster of the CE activity changed since the preview, so that applying would do something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An uploaded roster; ``sha256`` is of the file, ``actor`` the account that sent it."""

    id: str
    ce_activity_id: str
    file_name: str
    sha256: bytes
    actor: str
    is_replacement: bool
    request_id: str | None = None


async def preview(connection: AsyncConnection, upload: Upload, roster: Roster) -> None:
    """Keep an uploaded roster with what applying it would do, row by row; the caller commits."""
    await connection.execute(_PATIENCE)
    entries = await connection.scalar(_READ_ENTRIES, {"ce_activity_id": upload.ce_activity_id})
    changes, gone = await asyncio.to_thread(_look, roster.lines, entries, is_replacement=upload.is_replacement)
    values = {
        "id": upload.id,
        "ce_activity_id": upload.ce_activity_id,
        "file_name": upload.file_name,
        "sha256": upload.sha256,
        "reading": {
            "encoding": roster.encoding,
            "separator": roster.separator,
            "columns": list(roster.columns),
            "ignored_columns": list(roster.ignored),
        },
        "is_replacement": upload.is_replacement,
        "state": RosterState.PREVIEWED,
        "row_count": len(changes),
        "problem_count": sum(change.outcome is Outcome.PROBLEM for change in changes),
        "uploaded_by": upload.actor,
    }
    statement = insert(RosterRow).values(**values).on_conflict_do_nothing().returning(RosterRow.id)
    is_new = await connection.scalar(statement) is not None
    rows = await asyncio.to_thread(_rows, changes, gone)
    await _in_batches(connection, _ADD_LINES, rows, roster_id=upload.id)
    if is_new:
        await connection.execute(_LOCK, {"roster_id": upload.id})
        await connection.run_sync(_enter_upload, upload, values)


async def apply(connection: AsyncConnection, roster_id: str, actor: str, request_id: str | None) -> None:
    """Do what the preview of a roster said; nothing more when that was done before. The caller commits.

    Raises ``PreviewOutdatedError`` when a row would now do something else, ``NoResultFound`` for an unknown roster.
    """
    await connection.execute(_PATIENCE)
    # Learners can open claims meanwhile: their rows refer to this one only by its key.
    await connection.execute(_LOCK, {"roster_id": roster_id})
    row = (await connection.execute(_READ, {"roster_id": roster_id})).one()
    if row.state == RosterState.APPLIED:
        return
    rows = await connection.scalar(_READ_LINES, {"roster_id": roster_id})
    entries = await connection.scalar(_READ_ENTRIES, {"ce_activity_id": row.ce_activity_id})
    changes, gone = await asyncio.to_thread(_look_again, rows, entries, is_replacement=row.is_replacement)
    application = Application(roster_id, row.ce_activity_id, actor, request_id)
    await _remove(connection, gone)
    await _write(connection, await asyncio.to_thread(_plan, application, changes), application)
    await wake_claims(connection, application, changes)
    counts = {outcome.value: sum(change.outcome is outcome for change in changes) for outcome in Outcome}
    counts[Outcome.REMOVED] = len(gone)
    await _say_applied(connection, application, counts)
    after = {"roster": roster_id, "sha256": bytes(row.sha256).hex(), "rows": counts}
    await connection.run_sync(_enter, application, after)


async def _say_applied(connection: AsyncConnection, application: Application, counts: Mapping[str, int]) -> None:
    await connection.execute(
        update(RosterRow)
        .where(RosterRow.id == application.roster_id)
        .values(
            state=RosterState.APPLIED,
            applied_count=counts[Outcome.NEW] + counts[Outcome.CHANGED],
            applied_by=application.actor,
            applied_at=func.clock_timestamp(),
        )
    )


def _enter_upload(connection: Connection, upload: Upload, values: Mapping[str, Any]) -> None:
    acts.enter(
        connection,
        ce_activity_stream(upload.ce_activity_id),
        "roster.previewed",
        Actor(upload.actor, upload.request_id),
        step_key=f"roster_preview:{upload.id}",
        before={"state": None},
        after={"roster": upload.id, **{name: values[name] for name in ("state", "row_count", "problem_count")}},
        evidence={"file": upload.sha256.hex()},
    )


def _enter(connection: Connection, application: Application, after: Mapping[str, Any]) -> None:
    acts.enter(
        connection,
        ce_activity_stream(application.ce_activity_id),
        "roster.applied",
        Actor(application.actor, application.request_id),
        step_key=f"roster:{application.roster_id}",
        before={"state": RosterState.PREVIEWED},
        after={"state": RosterState.APPLIED, **after},
        evidence={"file": after["sha256"]},
    )


# A large roster takes longer than any step of a claim may, and waits for another one that is being applied.
_PATIENCE: Final = text(
    "SELECT set_config('statement_timeout', '60s', true), set_config('lock_timeout', '30s', true), "
    "set_config('idle_in_transaction_session_timeout', '60s', true)"
)
_LOCK: Final = text(
    "SELECT 1 FROM ce_activities WHERE id = (SELECT ce_activity_id FROM rosters WHERE id = :roster_id) "
    "FOR NO KEY UPDATE"
)
_READ: Final = text("SELECT ce_activity_id, state, sha256, is_replacement FROM rosters WHERE id = :roster_id")
# One text each, so that nothing but this request waits while tens of thousands of rows are read. What a platform keeps
# as a roster was read from no file, and so has no encoding.
_READ_ENTRIES: Final = text(
    """
    SELECT CAST(coalesce(json_agg(entry), '[]') AS text)
      FROM (SELECT e.id, e.is_group, e.given_name, e.family_name, e.claim_id IS NOT NULL AS is_used,
                   e.roster_id IN (SELECT r.id FROM rosters r WHERE r.ce_activity_id = :ce_activity_id
                                      AND r.reading ->> 'encoding' <> '') AS is_uploaded,
                   json_agg(json_build_array(k.kind, k.value)) AS keys
              FROM roster_keys k JOIN roster_entries e ON e.id = k.entry_id
             WHERE k.ce_activity_id = :ce_activity_id
             GROUP BY e.id ORDER BY e.id) AS entry
    """
)
_READ_LINES: Final = text(
    """
    SELECT CAST(json_agg(row ORDER BY line) AS text)
      FROM (SELECT line, "values", problems, outcome FROM roster_lines WHERE roster_id = :roster_id) AS row
    """
)


def _look(
    lines: Sequence[RosterLine], stored_entries: str, *, is_replacement: bool
) -> tuple[list[Change], list[Entry]]:
    """What each row does, and which entries are removed."""
    entries = [_entry(stored) for stored in json.loads(stored_entries)]
    return changes_of(lines, entries), removals(lines, entries) if is_replacement else []


def _look_again(stored_lines: str, stored_entries: str, *, is_replacement: bool) -> tuple[list[Change], list[Entry]]:
    """The same of a previewed roster; raises ``PreviewOutdatedError`` when it would do something else by now."""
    stored = json.loads(stored_lines)
    of_file = [row for row in stored if row["line"] > 0]
    lines = [
        RosterLine(
            line=row["line"],
            values=row["values"],
            problems=tuple(problem_from_json(each) for each in row["problems"]),
        )
        for row in of_file
    ]
    changes, gone = _look(lines, stored_entries, is_replacement=is_replacement)
    previewed_gone = {row["values"][ENTRY_ID] for row in stored if row["line"] < 0}
    is_same = [change.outcome for change in changes] == [row["outcome"] for row in of_file]
    if not is_same or {entry.id for entry in gone} != previewed_gone:
        raise PreviewOutdatedError
    return changes, gone


def _entry(stored: Mapping[str, Any]) -> Entry:
    keys: dict[str, frozenset[str]] = {}
    for kind, value in stored["keys"]:
        keys[kind] = keys.get(kind, frozenset()) | {value}
    return Entry(**{**stored, "keys": keys})


def problem_from_json(stored: Mapping[str, Any]) -> RowProblem:
    """A problem as it was stored with its row."""
    return RowProblem(RowCode(stored["code"]), stored["column"], tuple(stored["lines"]))


def _rows(changes: Iterable[Change], gone: Iterable[Entry]) -> list[dict[str, Any]]:
    of_file = [
        {
            "line": change.line.line,
            "values": dict(change.line.values),
            "problems": [asdict(problem) for problem in change.line.problems],
            "outcome": change.outcome,
        }
        for change in changes
    ]
    removed = [
        {"line": -number, "values": _of_entry(entry), "problems": [], "outcome": Outcome.REMOVED}
        for number, entry in enumerate(gone, 1)
    ]
    return of_file + removed


def _of_entry(entry: Entry) -> dict[str, str]:
    names = {GIVEN_NAME: entry.given_name, FAMILY_NAME: entry.family_name}
    keys = {kind: ", ".join(sorted(values)) for kind, values in entry.keys.items()}
    return {ENTRY_ID: entry.id, **{column: name for column, name in names.items() if name}, **keys}


_ADD_LINES: Final = text(
    """
    INSERT INTO roster_lines (roster_id, line, "values", problems, outcome)
    SELECT :roster_id, line, "values", problems, outcome
      FROM json_to_recordset(CAST(:rows AS json)) AS row(line int, "values" jsonb, problems jsonb, outcome text)
    ON CONFLICT DO NOTHING
    """
)
_ADD_ENTRIES: Final = text(
    """
    INSERT INTO roster_entries (id, ce_activity_id, roster_id, is_group, given_name, family_name)
    SELECT id, :ce_activity_id, :roster_id, is_group, given_name, family_name
      FROM json_to_recordset(CAST(:rows AS json)) AS row(id text, is_group boolean, given_name text, family_name text)
    """
)
_ADD_KEYS: Final = text(
    """
    INSERT INTO roster_keys (ce_activity_id, entry_id, kind, value)
    SELECT :ce_activity_id, entry_id, kind, value
      FROM json_to_recordset(CAST(:rows AS json)) AS row(entry_id text, kind text, value text)
    """
)
_CHANGE_NAMES: Final = text(
    """
    UPDATE roster_entries e
       SET given_name = coalesce(said.given_name, e.given_name),
           family_name = coalesce(said.family_name, e.family_name), roster_id = :roster_id
      FROM json_to_recordset(CAST(:rows AS json)) AS said(id text, given_name text, family_name text)
     WHERE e.id = said.id
    """
)
# A learner may have used the entry since it was read: then it keeps its keys.
_REMOVE_KEYS: Final = text(
    """
    DELETE FROM roster_keys k
     USING json_to_recordset(CAST(:rows AS json)) AS gone(entry_id text, kind text), roster_entries e
     WHERE k.entry_id = gone.entry_id AND k.kind = gone.kind AND e.id = gone.entry_id AND e.claim_id IS NULL
    """
)
_LOCK_ENTRIES: Final = text("SELECT 1 FROM roster_entries WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
_REMOVE_ALL_KEYS: Final = text(
    "DELETE FROM roster_keys k USING roster_entries e "
    "WHERE k.entry_id = ANY(:ids) AND e.id = k.entry_id AND e.claim_id IS NULL"
)
_REMOVE_ENTRIES: Final = text("DELETE FROM roster_entries WHERE id = ANY(:ids) AND claim_id IS NULL")


async def _remove(connection: AsyncConnection, gone: Sequence[Entry]) -> None:
    """Remove entries; raises ``PreviewOutdatedError`` when a learner has used one of them meanwhile."""
    if not gone:
        return
    ids = {"ids": [entry.id for entry in gone]}
    await connection.execute(_LOCK_ENTRIES, ids)
    await connection.execute(_REMOVE_ALL_KEYS, ids)
    removed = await connection.execute(_REMOVE_ENTRIES, ids)
    if removed.rowcount != len(gone):
        raise PreviewOutdatedError


@dataclass(slots=True)
class _Plan:
    """The rows that applying a roster writes: entries, and keys, each as the statements take them."""

    new: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, str]] = field(default_factory=list)
    replaced: list[dict[str, str]] = field(default_factory=list)


def _plan(application: Application, changes: Iterable[Change]) -> _Plan:
    plan = _Plan()
    for change in changes:
        if change.outcome not in (Outcome.NEW, Outcome.CHANGED):
            continue
        line, known = change.line, change.entry
        entry_id = known.id if known else derived_id("ent", application.roster_id, str(line.line))
        names = {"given_name": line.values.get(GIVEN_NAME), "family_name": line.values.get(FAMILY_NAME)}
        (plan.changed if known else plan.new).append({"id": entry_id, "is_group": line.is_group, **names})
        plan.keys += [
            {"entry_id": entry_id, "kind": kind, "value": value}
            for kind, value in line.keys.items()
            if known is None or value not in known.keys.get(kind, ())
        ]
        plan.replaced += [{"entry_id": entry_id, "kind": kind} for kind in change.replaced_kinds]
    return plan


async def _write(connection: AsyncConnection, plan: _Plan, application: Application) -> None:
    of_roster = {"roster_id": application.roster_id}
    of_ce_activity = {"ce_activity_id": application.ce_activity_id}
    await connection.execute(_LOCK_ENTRIES, {"ids": [row["id"] for row in plan.changed]})
    await _in_batches(connection, _REMOVE_KEYS, plan.replaced)
    await _in_batches(connection, _CHANGE_NAMES, plan.changed, **of_roster)
    await _in_batches(connection, _ADD_ENTRIES, plan.new, **of_roster, **of_ce_activity)
    await _in_batches(connection, _ADD_KEYS, plan.keys, **of_ce_activity)


async def _in_batches(
    connection: AsyncConnection, statement: TextClause, rows: Sequence[Mapping[str, Any]], **common: str
) -> None:
    """Run a statement that takes rows as JSON, with some thousand of them at a time."""
    for start in range(0, len(rows), _AT_ONCE):
        batch = json.dumps(rows[start : start + _AT_ONCE], ensure_ascii=False)
        await connection.execute(statement, {**common, "rows": batch})
