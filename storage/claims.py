"""Claims in the record: locking one for a transaction, and writing what was decided. Only activities write here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final, cast

from sqlalchemy import Connection, RowMapping, Table, Text, Update, bindparam, delete, func, insert, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.assessments import Grade
from domain.claims import Attempt, Attention, ClaimedCredit, ClaimFacts, Stage
from domain.policy import Profession
from domain.replay import COLUMNS
from domain.stuck import LATE_AFTER, StuckReason
from domain.submissions import Submission, SubmissionKind, from_json
from storage.audit import GENESIS, AuditStream, claim_stream
from storage.canonical import sha256_of
from storage.database import CLAIMS_CHANNEL
from storage.issuance import IS_PAUSED, SHARE_IN_ISSUANCE
from storage.tables import AttemptRow, ClaimRow, ClaimSessionRow, EvaluationRow, SubmissionRow


class StaleReadError(Exception):
    """Another transaction moved the claim between our read and our write; the caller runs again."""


@dataclass(frozen=True, slots=True)
class ReceivedSubmission:
    """An undecided submission, with who sent it and in which request. ``sha256`` is of its body, in hex."""

    submission: Submission
    actor: str
    request_id: str | None
    sha256: str


@dataclass(slots=True)
class LockedClaim:
    """One claim, locked until the transaction ends. ``now`` is the database's clock, ``columns`` the row as it was.

    While ``is_issuance_paused`` is false nobody can pause issuance until then.
    ``learner_id`` is the person: who was merged into another learner is that learner, so that no credit counts twice.
    """

    id: str
    learner_id: str
    ce_activity_id: str
    version_id: str
    stage: Stage
    stage_since_at: datetime
    opened_at: datetime
    wakes_at: datetime | None
    reminded_at: datetime | None
    reminds_at: datetime | None
    attestation_version: str | None
    attested_at: datetime | None
    columns: Mapping[str, Any]
    facts: ClaimFacts
    given_answers: Mapping[int, Mapping[str, str]]
    undecided: list[ReceivedSubmission]
    audit: AuditStream
    is_issuance_paused: bool
    now: datetime


# A statement sees what was committed before it began, so the claim is locked first and read by a second statement: one
# that waited for its lock would see the claim as its predecessor left it, but attempts and audit trail as before that.
# With it goes a share of the lock that whoever pauses issuance takes alone: after a pause no award is committed.
_LOCK: Final = text(f"SELECT {SHARE_IN_ISSUANCE} FROM claims WHERE id = :claim_id FOR UPDATE")  # noqa: S608  # constant

# Whose claim c is: of learner o, or of l, into whom that one was merged.
PERSON_OF_CLAIM: Final = """
      JOIN learners o ON o.id = c.learner_id
      JOIN learners l ON l.id = coalesce(o.merged_into, o.id)
"""
# Facts that are rows of their own, as ``facts_of`` reads them; for a claim c of a learner l.
PARTS_OF_FACTS: Final = """
           ARRAY(SELECT i.kind FROM learner_identifiers i WHERE i.learner_id = l.id) AS identifiers,
           ARRAY(SELECT e.session FROM evaluations e WHERE e.claim_id = c.id AND e.session <> '') AS evaluated_sessions,
           (SELECT json_object_agg(s.session, s.units::text) FROM claim_sessions s WHERE s.claim_id = c.id) AS sessions,
           (SELECT json_object_agg(p.content, p.seconds) FROM content_progress p
             WHERE p.learner_id = l.id AND p.ce_activity_id = c.ce_activity_id) AS content_seconds,
"""

# One round trip for everything a decision needs.
_READ: Final = text(
    f"""
    SELECT c.*, l.id AS person_id, l.profession, l.given_name, l.family_name, l.credentials, clock_timestamp() AS now,
           {PARTS_OF_FACTS}
           (SELECT json_agg(t ORDER BY t.number) FROM attempts t WHERE t.claim_id = c.id) AS attempts,
           (SELECT json_agg(s ORDER BY s.received_at, s.id) FROM submissions s
             WHERE s.claim_id = c.id AND s.decided_at IS NULL) AS undecided,
           (SELECT json_build_array(e.seq, encode(e.hash, 'hex')) FROM audit_events e
             WHERE e.stream = 'claim:' || c.id ORDER BY e.seq DESC LIMIT 1) AS audit_head,
           {IS_PAUSED} AS is_issuance_paused
      FROM claims c
           {PERSON_OF_CLAIM}
     WHERE c.id = :claim_id
    """  # noqa: S608  # constants only
)


def lock_claim(connection: Connection, claim_id: str) -> LockedClaim | None:
    """Lock a claim and read all that bears on it; None when the record has no such claim."""
    connection.execute(_LOCK, {"claim_id": claim_id})
    row = connection.execute(_READ, {"claim_id": claim_id}).mappings().one_or_none()
    return _locked(connection, row) if row else None


def _locked(connection: Connection, row: RowMapping) -> LockedClaim:
    seq, head = row["audit_head"] or (0, GENESIS.hex())
    attempts = row["attempts"] or []
    return LockedClaim(
        id=row["id"],
        learner_id=row["person_id"],
        ce_activity_id=row["ce_activity_id"],
        version_id=row["version_id"],
        stage=Stage(row["stage"]),
        stage_since_at=row["stage_since_at"],
        opened_at=row["opened_at"],
        wakes_at=row["wakes_at"],
        reminded_at=row["reminded_at"],
        reminds_at=row["reminds_at"],
        attestation_version=row["attestation_version"],
        attested_at=row["attested_at"],
        columns={name: row[name] for name in COLUMNS},
        facts=facts_of(row, attempts),
        given_answers={a["number"]: a["answers"] for a in attempts if a["answers"] is not None},
        undecided=[_received(values) for values in row["undecided"] or []],
        audit=AuditStream(connection, claim_stream(row["id"]), seq, bytes.fromhex(head), row["now"]),
        is_issuance_paused=row["is_issuance_paused"],
        now=row["now"],
    )


def facts_of(row: Mapping[Any, Any], attempts: list[Mapping[str, Any]]) -> ClaimFacts:
    """The facts of a claim from its projection, the learner's profession and its attempts (JSON, in order)."""
    credit = row["credit_type"] and ClaimedCredit(credit_type=row["credit_type"], units=row["claimed_units"])
    return ClaimFacts(
        profession=Profession(row["profession"]) if row["profession"] else None,
        has_name=bool(row["given_name"] and row["family_name"]),
        has_credentials=bool(row["credentials"]),
        identifiers=frozenset(row["identifiers"]),
        due_at=row["due_at"],
        participation=row["participation"],
        statement=row["statement"],
        disclosures_version=row["disclosures_version"],
        content_seconds=row["content_seconds"] or {},
        attempts=tuple(
            Attempt(
                number=attempt["number"],
                submitted_at=attempt["submitted_at"] and datetime.fromisoformat(attempt["submitted_at"]),
                has_passed=attempt["has_passed"],
            )
            for attempt in attempts
        ),
        is_evaluated=row["evaluated_at"] is not None,
        sessions={code: Decimal(units) for code, units in (row["sessions"] or {}).items()},
        evaluated_sessions=frozenset(row["evaluated_sessions"]),
        credit=credit or None,
        is_final=row["finalized_at"] is not None,
        is_awarded=row["awarded_at"] is not None,
        is_notified=row["notified_at"] is not None,
        is_extension_requested=row["extension_requested_at"] is not None,
        attention=Attention(row["attention"]) if row["attention"] else None,
        waived=frozenset(row["waived"] or ()),
        attempts_added=row["attempts_added"] or 0,
        closed_as=Stage(row["closed_as"]) if row["closed_as"] else None,
    )


def _received(values: Mapping[str, Any]) -> ReceivedSubmission:
    body = from_json(SubmissionKind(values["kind"]), values["body"])
    submission = Submission(values["id"], datetime.fromisoformat(values["received_at"]), body)
    return ReceivedSubmission(submission, values["actor"], values["request_id"], sha256_of(values["body"]))


def undecided_opening(connection: Connection, claim_id: str) -> tuple[ReceivedSubmission, str] | None:
    """The first opening of a claim that the record does not have yet, and its learner's id."""
    row = (
        connection.execute(
            text(
                "SELECT row_to_json(s) AS submission, s.learner_id FROM submissions s WHERE s.claim_id = :claim_id "
                "AND s.kind = 'opening' AND s.decided_at IS NULL ORDER BY s.received_at, s.id LIMIT 1"
            ),
            {"claim_id": claim_id},
        )
        .mappings()
        .one_or_none()
    )
    return (_received(row["submission"]), row["learner_id"]) if row else None


def add_claim(connection: Connection, values: Mapping[str, Any]) -> None:
    """Open a claim; does nothing when it was opened meanwhile."""
    connection.execute(upsert(ClaimRow).values(**values).on_conflict_do_nothing())


@cache
def _update_claim(columns: tuple[str, ...], *, notify: bool) -> Update:
    """The statement that writes these columns; built once, because building costs more than sending it."""
    table = cast(Table, ClaimRow.__table__)
    statement = update(table).where(table.c.id == bindparam("claim_id"))
    statement = statement.values({column: bindparam(f"new_{column}") for column in columns})
    return (
        statement.returning(func.pg_notify(CLAIMS_CHANNEL, bindparam("message", type_=Text()))) if notify else statement
    )


def save_claim(connection: Connection, claim_id: str, values: Mapping[str, Any], *, notify: bool) -> None:
    """Write changed columns of a claim's projection; with ``notify`` those who watch the claim are woken."""
    parameters = {f"new_{column}": value for column, value in values.items()} | {"claim_id": claim_id}
    statement = _update_claim(tuple(sorted(values)), notify=notify)
    connection.execute(statement, parameters | ({"message": f"{claim_id} -"} if notify else {}))


_DECIDE: Final = text(
    """
    UPDATE submissions
       SET decided_at = clock_timestamp(), outcome = :outcome, refusal = :refusal, details = :details,
           roster_entry = :roster_entry
     WHERE id = :id AND decided_at IS NULL
    RETURNING pg_notify(:channel, :message)
    """
).bindparams(bindparam("details", type_=JSONB()))


def decide_submission(
    connection: Connection,
    claim_id: str,
    submission_id: str,
    refusal: str | None,
    details: Mapping[str, Any],
    *,
    roster_entry: str | None = None,
) -> None:
    """Write what became of a submission and wake who waits for it; ``refusal`` is None when it was accepted.

    ``roster_entry`` is the entry for which it was refused, because it names somebody else. Raises ``StaleReadError``
    when it had been decided already.
    """
    parameters = {
        "id": submission_id,
        "outcome": "refused" if refusal else "accepted",
        "refusal": refusal,
        "details": dict(details),
        "roster_entry": roster_entry,
        "channel": CLAIMS_CHANNEL,
        "message": f"{claim_id} {submission_id}",
    }
    if not connection.execute(_DECIDE, parameters).all():
        raise StaleReadError(submission_id)


def add_submission(connection: Connection, values: Mapping[str, Any]) -> None:
    """Take an operator's act into the intake; does nothing when it is there already."""
    connection.execute(upsert(SubmissionRow).values(**values).on_conflict_do_nothing())


def add_attempt(connection: Connection, claim_id: str, number: int, started_at: datetime) -> None:
    """Start an attempt."""
    connection.execute(insert(AttemptRow).values(claim_id=claim_id, number=number, started_at=started_at))


def save_answers(
    connection: Connection, claim_id: str, number: int, answers: Mapping[str, str], submitted_at: datetime
) -> None:
    """Keep the final answers of an attempt."""
    connection.execute(
        update(AttemptRow)
        .where(AttemptRow.claim_id == claim_id, AttemptRow.number == number)
        .values(answers=dict(answers), submitted_at=submitted_at)
    )


def save_grade(connection: Connection, claim_id: str, number: int, grade: Grade, graded_at: datetime) -> None:
    """Keep the result of an attempt."""
    connection.execute(
        update(AttemptRow)
        .where(AttemptRow.claim_id == claim_id, AttemptRow.number == number)
        .values(correct=grade.correct, total=grade.total, has_passed=grade.has_passed, graded_at=graded_at)
    )


def save_evaluation(
    connection: Connection, claim_id: str, session: str, responses: Mapping[str, str | int], submitted_at: datetime
) -> None:
    """Keep the responses to the evaluation of a session, or of the whole CE activity when ``session`` is empty."""
    values = {"responses": dict(responses), "submitted_at": submitted_at}
    statement = upsert(EvaluationRow).values(claim_id=claim_id, session=session, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["claim_id", "session"], set_=values))


def save_session(
    connection: Connection, claim_id: str, session: str, units: Decimal | None, saved_at: datetime
) -> None:
    """Keep what is claimed for one session; None ends it."""
    if units is None:
        is_it = (ClaimSessionRow.claim_id == claim_id) & (ClaimSessionRow.session == session)
        connection.execute(delete(ClaimSessionRow).where(is_it))
        return
    values = {"units": units, "saved_at": saved_at}
    statement = upsert(ClaimSessionRow).values(claim_id=claim_id, session=session, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["claim_id", "session"], set_=values))


def replace_sessions(connection: Connection, claim_id: str, units: Mapping[str, Decimal], saved_at: datetime) -> None:
    """Let exactly these sessions be claimed, with these amounts."""
    connection.execute(delete(ClaimSessionRow).where(ClaimSessionRow.claim_id == claim_id))
    for session, amount in units.items():
        save_session(connection, claim_id, session, amount, saved_at)


# Time should have moved these claims on, or Laurel should have: their workflow is late, or gone with its database.
_STALLED: Final = text(
    """
    SELECT c.id AS claim_id, a.slug AS ce_activity, a.provider_slug AS provider, c.stage, c.stage_since_at, c.due_at
      FROM claims c JOIN ce_activities a ON a.id = c.ce_activity_id
     WHERE c.closed_at IS NULL
       AND (c.wakes_at < clock_timestamp() - interval '2 minutes'
            OR (c.due_at < clock_timestamp() - :closing_overdue AND c.held_at IS NULL
                AND c.attention IS DISTINCT FROM 'issuance_paused')
            OR c.reminds_at < clock_timestamp() - interval '15 minutes'
            OR (c.stage IN ('awarding', 'issuing') AND c.stage_since_at < clock_timestamp() - interval '2 minutes'))
     ORDER BY random() LIMIT 500
    """
)


def stalled_claims(connection: Connection) -> Sequence[RowMapping]:
    """Up to 500 open claims that should have moved on by themselves, in no order."""
    late = {"closing_overdue": LATE_AFTER[StuckReason.CLOSING_OVERDUE]}
    return connection.execute(_STALLED, late).mappings().all()
