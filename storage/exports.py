"""The office's exports for a period: the list of claims, and the raw entries of the audit trail.

Rows are read through a cursor of the server while they are written, in one snapshot, however many there are.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from io import BufferedRandom
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Engine, RowMapping, TextClause, text

from domain.claims import ClaimFacts, format_of
from domain.deadlines import local_date
from domain.exports import ExportedClaim, ExportFilter, StaffAct
from domain.policy import CEActivityPolicy
from domain.submissions import SubmissionKind
from storage import claim_lists, disclosures
from storage.audit_bundle.pack import BundledEntry, entry_line
from storage.catalog import policy_of
from storage.claim_lists import ClaimFilter
from storage.claims import PERSON_OF_CLAIM
from storage.database import create_sync_engine
from storage.disclosures import Disclosure

_ROWS_AT_ONCE: Final = 500
_SHARED: Final = fields(ClaimFilter)
# Else PostgreSQL looks for the way to the first few rows of a cursor, on which the last may take forever.
_ALL_ROWS: Final = "cursor_tuple_fraction = 1"
_POLICIES_AT_HAND: Final = 256
# What staff allow beyond what the policy gives everybody.
_EXCEPTIONS: Final = [SubmissionKind.EXTENSION]

# No index leads to a submission by its kind, so those that are exceptions are looked for once and not for each claim.
_CLAIMS: Final = f"""
    WITH versions AS MATERIALIZED (
        SELECT id, policy ->> 'time_zone' AS time_zone FROM ce_activity_versions
    ), exceptions AS MATERIALIZED (
        SELECT s.claim_id, json_agg(json_build_object('kind', s.kind, 'at', s.received_at,
                   'by', coalesce(b.email, s.actor), 'reason', s.body ->> 'reason') ORDER BY s.received_at) AS acts
          FROM submissions s LEFT JOIN accounts b ON b.id = s.actor
         WHERE s.kind = ANY(:exceptions) AND s.outcome = 'accepted'
         GROUP BY s.claim_id
    ), listed AS (
        SELECT c.id AS claim_id, l.id AS learner_id, l.given_name, l.family_name, l.credentials, l.profession,
               a.email, y.slug AS ce_activity, y.activity_code, coalesce(w.version_id, c.version_id) AS version_id,
               c.participation, c.stage, c.opened_at, c.closed_at,
               w.id AS award_id, w.number, w.state AS award_state, w.credit_type, w.rule_version, w.units,
               w.completed_on, w.awarded_at,
               coalesce(w.completed_on, (coalesce(c.closed_at, c.opened_at) AT TIME ZONE v.time_zone)::date) AS day
          FROM claims c
          JOIN versions v ON v.id = c.version_id
               {PERSON_OF_CLAIM}
          JOIN ce_activities y ON y.id = c.ce_activity_id
          LEFT JOIN accounts a ON a.id = l.account_id
          LEFT JOIN awards w ON w.claim_id = c.id
         WHERE {{claims}}
    )
    SELECT listed.*, e.acts AS exceptions,
           (SELECT json_object_agg(i.kind, i.value) FROM learner_identifiers i
             WHERE i.learner_id = listed.learner_id) AS identifiers,
           (SELECT json_agg(json_build_object('kind', k.kind, 'at', coalesce(k.applied_at, k.requested_at),
                       'by', coalesce(r.email, k.requested_by), 'approved_by', coalesce(d.email, k.decided_by),
                       'reason', k.reason) ORDER BY k.requested_at)
              FROM corrections k
              LEFT JOIN accounts r ON r.id = k.requested_by
              LEFT JOIN accounts d ON d.id = k.decided_by
             WHERE k.claim_id = listed.claim_id AND k.state IN ('applied', 'completed')) AS corrections,
           x.id AS certificate_id, x.version AS certificate_version, x.state AS certificate_state,
           x.verification_code, encode(x.sha256, 'hex') AS certificate_sha256, x.issued_at,
           x.data ->> 'learner_name' AS name_on_certificate,
           n.seq AS audit_entries, encode(n.hash, 'hex') AS newest_entry_hash
      FROM listed
      LEFT JOIN exceptions e ON e.claim_id = listed.claim_id
      LEFT JOIN LATERAL (
          SELECT x.* FROM certificates x WHERE x.award_id = listed.award_id ORDER BY x.version DESC LIMIT 1
      ) x ON true
      LEFT JOIN LATERAL (
          SELECT seq, hash FROM audit_events WHERE stream = 'claim:' || listed.claim_id ORDER BY seq DESC LIMIT 1
      ) n ON true
     WHERE (CAST(:from_on AS date) IS NULL OR day >= :from_on) AND (CAST(:until_on AS date) IS NULL OR day <= :until_on)
       AND (CAST(:credit_type AS text) IS NULL OR credit_type = :credit_type)
     ORDER BY day, listed.claim_id, listed.number
"""  # noqa: S608  # constants only
# In the order of the chains, so that whoever reads them can check each stream as far as the period shows it.
_ENTRIES: Final = text(
    """
    SELECT stream, seq, recorded_at, body, body_hash, prev_hash, hash FROM audit_events
     WHERE recorded_at >= :since AND recorded_at < :until ORDER BY stream, seq
    """
)


class Written(Protocol):
    """What became of rows that were written to a file."""

    @property
    def rows(self) -> int:
        """How many there were."""

    @property
    def sha256(self) -> bytes:
        """The hash of the file."""


Write = Callable[[Iterator[ExportedClaim]], Written]


def hand_out_claims(database_url: str, wanted: ExportFilter, format_name: str, to: Disclosure, write: Write) -> Written:
    """Write the list of claims, and enter that it was handed out; only then may anyone have it."""
    engine = create_sync_engine(database_url, pool_size=1)
    try:
        with _snapshot(engine) as connection:
            written = write(_claims(connection, wanted))
        after = {
            **_entered(wanted),
            "format": format_name,
            "rows": written.rows,
        }
        with engine.begin() as connection:
            evidence = {"file": written.sha256.hex()}
            disclosures.enter(connection, "claims.exported", to, after=after, evidence=evidence)
    finally:
        engine.dispose()
    return written


def _entered(wanted: ExportFilter) -> dict[str, Any]:
    """What was asked for, as the audit trail has it: who was searched for is not told there."""
    chosen = {name: value for name, value in asdict(wanted).items() if value not in (None, False)}
    said = {name: value.isoformat() if isinstance(value, date) else value for name, value in chosen.items()}
    always = {
        "from": said.pop("from_on", None),
        "to": said.pop("until_on", None),
        "credit_type": said.pop("credit_type", None),
        "ce_activity": said.pop("ce_activity", None),
    }
    is_of_learner = {"is_of_learner": True} if said.pop("learner", None) else {}
    return always | said | is_of_learner


def hand_out_entries(database_url: str, from_on: date, until_on: date, to: Disclosure, file: BufferedRandom) -> int:
    """Write the audit entries of a period of days in UTC as JSON Lines, as bundles have them, and enter that.

    What is sealed in them stays sealed. Answers with how many there are.
    """
    days = {"since": _midnight(from_on), "until": _midnight(until_on + timedelta(days=1))}
    engine = create_sync_engine(database_url, pool_size=1)
    rows, hashed = 0, hashlib.sha256()
    try:
        with _snapshot(engine) as connection:
            for row in _streamed(connection, _ENTRIES, days):
                line = f"{entry_line(BundledEntry(**row))}\n".encode()
                file.write(line)
                hashed.update(line)
                rows += 1
        after = {"from": from_on.isoformat(), "to": until_on.isoformat(), "rows": rows}
        with engine.begin() as connection:
            evidence = {"file": hashed.hexdigest()}
            disclosures.enter(connection, "entries.exported", to, after=after, evidence=evidence)
    finally:
        engine.dispose()
    return rows


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """One state of the record, for as long as a long list takes to be written."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as connection:
        for setting in ("statement_timeout = '10min'", "idle_in_transaction_session_timeout = '10min'", _ALL_ROWS):
            connection.execute(text(f"SET LOCAL {setting}"))
        yield connection


def _streamed(connection: Connection, query: TextClause, values: Mapping[str, Any]) -> Iterator[RowMapping]:
    """The rows of a query, a few hundred at a time."""
    rows = connection.execute(query, values, execution_options={"yield_per": _ROWS_AT_ONCE})
    yield from rows.mappings()


def _midnight(on: date) -> datetime:
    return datetime.combine(on, time(), tzinfo=UTC)


def _claims(connection: Connection, wanted: ExportFilter) -> Iterator[ExportedClaim]:
    @lru_cache(maxsize=_POLICIES_AT_HAND)
    def policy(version_id: str) -> CEActivityPolicy:
        return policy_of(connection, version_id)

    condition, values = claim_lists.where(ClaimFilter(**{each.name: getattr(wanted, each.name) for each in _SHARED}))
    values |= {name: getattr(wanted, name) for name in ("from_on", "until_on", "credit_type")}
    query = text(_CLAIMS.format(claims=condition))
    for row in _streamed(connection, query, {**values, "exceptions": _EXCEPTIONS}):
        yield _claim(row, policy(row["version_id"]))


_AS_STORED: Final = tuple(
    each.name for each in fields(ExportedClaim) if each.name not in {
        "identifiers", "title", "provider", "learning_format", "time_zone", "opened_on", "closed_on", "awarded_on",
        "issued_on", "corrections", "exceptions", "audit_entries",
    }
)  # fmt: skip


def _claim(row: RowMapping, policy: CEActivityPolicy) -> ExportedClaim:
    """A row as the claim's own version of the policy describes it."""
    zone = policy.time_zone
    facts = ClaimFacts(profession=None, due_at=None, participation=row["participation"])
    return ExportedClaim(
        **{name: row[name] for name in _AS_STORED},
        identifiers=row["identifiers"] or {},
        title=policy.title,
        provider=policy.provider.name,
        learning_format=format_of(policy, facts).words,
        time_zone=zone,
        opened_on=local_date(row["opened_at"], zone),
        closed_on=_day(row["closed_at"], zone),
        awarded_on=_day(row["awarded_at"], zone),
        issued_on=_day(row["issued_at"], zone),
        corrections=_acts(row["corrections"], zone),
        exceptions=_acts(row["exceptions"], zone),
        audit_entries=row["audit_entries"] or 0,
    )


def _day(at: datetime | None, zone: str) -> date | None:
    return local_date(at, zone) if at else None


def _acts(values: list[Mapping[str, Any]] | None, zone: str) -> tuple[StaffAct, ...]:
    return tuple(
        StaffAct(
            kind=each["kind"],
            on=local_date(datetime.fromisoformat(each["at"]), zone),
            by=each["by"],
            approved_by=each.get("approved_by"),
            reason=each["reason"],
        )
        for each in values or ()
    )
