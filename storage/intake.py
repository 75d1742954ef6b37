"""The intake: a submission, and the idempotency key it came under, committed before anything is acknowledged."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, bindparam, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.claims import Attention
from domain.identities import new_id
from domain.submissions import SubmissionKind
from storage.tables import ClaimRow, IdempotencyKeyRow, SubmissionRow


class KeyReusedError(Exception):
    """The idempotency key belongs to another request of the same principal."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key as a client chose it; ``fingerprint`` is the SHA-256 of the request it came with."""

    principal: str
    key: str
    fingerprint: bytes


def own_key() -> IdempotencyKey:
    """A key for a request that brought none, so that it can be done again when its commit was not answered."""
    return IdempotencyKey("request", new_id("key"), b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubmission:
    """A submission that is about to be recorded; ``body`` is what ``domain.submissions.to_json`` wrote."""

    id: str
    claim_id: str
    learner_id: str
    actor: str
    kind: SubmissionKind
    body: Mapping[str, Any]
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Which submission stands for the request. ``is_new`` is False when the request only repeats an earlier one."""

    submission_id: str
    received_at: datetime
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionView:
    """A submission and what became of it; ``outcome`` is None while it is undecided."""

    id: str
    claim_id: str
    learner_id: str
    kind: SubmissionKind
    received_at: datetime
    decided_at: datetime | None
    outcome: str | None
    refusal: str | None
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer that a key already got; ``status`` is None for a step, whose answer is its submission's outcome."""

    status: int | None
    body: Mapping[str, Any]


_COLUMNS: Final = ("id", "claim_id", "learner_id", "actor", "kind", "body", "request_id")


def _values(submission: NewSubmission) -> dict[str, Any]:
    return {column: getattr(submission, column) for column in _COLUMNS}


async def record(connection: AsyncConnection, submission: NewSubmission, key: IdempotencyKey | None) -> Receipt:
    """Record a submission once per key; the caller commits before it acknowledges.

    The same key with the same fingerprint finds the submission that it stands for. A second request that comes while
    the first is not committed waits for it. Raises ``KeyReusedError`` when the fingerprint differs.
    """
    if key is not None:
        return await _record_keyed(connection, submission, key)
    # A retry after a lost connection brings the same id, and finds its own row.
    row = (await connection.execute(_RECORD, _values(submission))).one_or_none()
    if row is not None:
        return Receipt(submission.id, row.received_at, is_new=True)
    earlier = await connection.execute(select(SubmissionRow.received_at).where(SubmissionRow.id == submission.id))
    return Receipt(submission.id, earlier.scalar_one(), is_new=True)


_RECORD: Final = text(
    """
    INSERT INTO submissions (id, claim_id, learner_id, actor, kind, body, request_id)
    VALUES (:id, :claim_id, :learner_id, :actor, :kind, :body, :request_id)
    ON CONFLICT DO NOTHING RETURNING received_at
    """
).bindparams(bindparam("body", type_=JSONB()))

# One statement for key and submission: no key, no submission.
_RECORD_KEYED: Final = text(
    """
    WITH added AS (
        INSERT INTO idempotency_keys (principal, key, fingerprint, submission_id)
        VALUES (:principal, :key, :fingerprint, :id)
        ON CONFLICT DO NOTHING RETURNING submission_id
    )
    INSERT INTO submissions (id, claim_id, learner_id, actor, kind, body, request_id)
    SELECT :id, :claim_id, :learner_id, :actor, :kind, :body, :request_id FROM added
    RETURNING received_at
    """
).bindparams(bindparam("body", type_=JSONB()))


async def _record_keyed(connection: AsyncConnection, submission: NewSubmission, key: IdempotencyKey) -> Receipt:
    values = {"principal": key.principal, "key": key.key, "fingerprint": key.fingerprint, **_values(submission)}
    row = (await connection.execute(_RECORD_KEYED, values)).one_or_none()
    if row is not None:
        return Receipt(submission.id, row.received_at, is_new=True)
    earlier = (
        await connection.execute(
            select(IdempotencyKeyRow.fingerprint, SubmissionRow.id, SubmissionRow.received_at)
            .outerjoin(SubmissionRow, SubmissionRow.id == IdempotencyKeyRow.submission_id)
            .where(IdempotencyKeyRow.principal == key.principal, IdempotencyKeyRow.key == key.key)
        )
    ).one()
    if bytes(earlier.fingerprint) != key.fingerprint or earlier.id is None:
        raise KeyReusedError
    return Receipt(earlier.id, earlier.received_at, is_new=earlier.id == submission.id)


async def begin_answer(connection: AsyncConnection, key: IdempotencyKey) -> StoredAnswer | None:
    """Take a key for a request that is answered in this transaction; the stored answer if it was answered before.

    Follow with ``finish_answer`` in the same transaction. Raises ``KeyReusedError`` when the fingerprint differs.
    """
    statement = insert(IdempotencyKeyRow).values(
        principal=key.principal, key=key.key, fingerprint=key.fingerprint, body={}
    )
    added = await connection.execute(statement.on_conflict_do_nothing().returning(IdempotencyKeyRow.key))
    if added.one_or_none() is not None:
        return None
    earlier = await connection.execute(
        select(IdempotencyKeyRow.fingerprint, IdempotencyKeyRow.status, IdempotencyKeyRow.body).where(
            IdempotencyKeyRow.principal == key.principal, IdempotencyKeyRow.key == key.key
        )
    )
    row = earlier.one()
    if bytes(row.fingerprint) != key.fingerprint:
        raise KeyReusedError
    return StoredAnswer(row.status, row.body or {})


async def finish_answer(connection: AsyncConnection, key: IdempotencyKey, status: int, body: Mapping[str, Any]) -> None:
    """Store the first answer under its key, for as long as keys are kept."""
    await connection.execute(
        update(IdempotencyKeyRow)
        .where(
            IdempotencyKeyRow.principal == key.principal,
            IdempotencyKeyRow.key == key.key,
            IdempotencyKeyRow.status.is_(None),
        )
        .values(status=status, body=literal(dict(body), JSONB()))
    )


async def forget_answer(connection: AsyncConnection, key: IdempotencyKey) -> None:
    """Drop a key with its answer: nobody can ask again under one of our own."""
    await connection.execute(
        delete(IdempotencyKeyRow).where(IdempotencyKeyRow.principal == key.principal, IdempotencyKeyRow.key == key.key)
    )


async def stored_answer(connection: AsyncConnection, key: IdempotencyKey) -> StoredAnswer | None:
    """The answer that a key's request was given, once it was given one."""
    found = await connection.execute(
        select(IdempotencyKeyRow.status, IdempotencyKeyRow.body).where(
            IdempotencyKeyRow.principal == key.principal, IdempotencyKeyRow.key == key.key
        )
    )
    row = found.one_or_none()
    return StoredAnswer(row.status, row.body or {}) if row is not None and row.status is not None else None


async def attach_key(connection: AsyncConnection, key: IdempotencyKey, submission_id: str | None) -> None:
    """Let a key stand for a submission that is recorded already, or for none when the request needed none."""
    values = {"principal": key.principal, "key": key.key, "fingerprint": key.fingerprint}
    statement = insert(IdempotencyKeyRow).values(**values, submission_id=submission_id)
    await connection.execute(statement.on_conflict_do_nothing())


async def stored_submission(connection: AsyncConnection, key: IdempotencyKey) -> str | None:
    """The id of the submission that a key stands for, if the key was used; raises ``KeyReusedError``."""
    row = (
        await connection.execute(
            select(IdempotencyKeyRow.fingerprint, IdempotencyKeyRow.submission_id).where(
                IdempotencyKeyRow.principal == key.principal, IdempotencyKeyRow.key == key.key
            )
        )
    ).one_or_none()
    if row is None:
        return None
    if bytes(row.fingerprint) != key.fingerprint:
        raise KeyReusedError
    return row.submission_id  # type: ignore[no-any-return]  # the column is text


_SUBMISSION: Final = text(
    """
    SELECT s.id, s.claim_id, coalesce(l.merged_into, l.id) AS learner_id, s.kind, s.received_at, s.decided_at,
           s.outcome, s.refusal, s.details
      FROM submissions s JOIN learners l ON l.id = s.learner_id
     WHERE s.id = :submission_id AND s.claim_id = :claim_id
    """
)


async def submission(connection: AsyncConnection, claim_id: str, submission_id: str) -> SubmissionView | None:
    """One submission of a claim; the caller has checked whose claim it is."""
    found = await connection.execute(_SUBMISSION, {"submission_id": submission_id, "claim_id": claim_id})
    row = found.mappings().one_or_none()
    if row is None:
        return None
    values = {**row, "kind": SubmissionKind(row["kind"]), "details": row["details"] or {}}
    return SubmissionView(**values)


@dataclass(frozen=True, slots=True)
class ReceivedSubmission:
    """A submission with who sent it: an account's id, or another actor's."""

    view: SubmissionView
    actor: str


_OF_CLAIM: Final = text(
    """
    SELECT s.id, s.claim_id, coalesce(l.merged_into, l.id) AS learner_id, s.kind, s.received_at, s.decided_at,
           s.outcome, s.refusal, s.details, s.actor
      FROM submissions s JOIN learners l ON l.id = s.learner_id
     WHERE s.claim_id = :claim_id AND (CAST(:after AS text) IS NULL OR s.id < :after)
     ORDER BY s.id DESC LIMIT :limit
    """
)


async def submissions_of_claim(
    connection: AsyncConnection, claim_id: str, after: str | None, limit: int
) -> list[ReceivedSubmission]:
    """What was submitted about a claim, the newest first; ``after`` is the id to go on from."""
    rows = await connection.execute(_OF_CLAIM, {"claim_id": claim_id, "after": after, "limit": limit})
    return [_received(row) for row in rows.mappings()]


def _received(row: RowMapping) -> ReceivedSubmission:
    values = {name: value for name, value in row.items() if name != "actor"}
    values |= {"kind": SubmissionKind(row["kind"]), "details": row["details"] or {}}
    return ReceivedSubmission(SubmissionView(**values), row["actor"])


async def pending_opening(connection: AsyncConnection, claim_id: str) -> str | None:
    """The id of the opening of a claim that was received and is not decided yet, if there is one."""
    found: str | None = await connection.scalar(
        select(SubmissionRow.id)
        .where(
            SubmissionRow.claim_id == claim_id,
            SubmissionRow.kind == SubmissionKind.OPENING,
            SubmissionRow.decided_at.is_(None),
        )
        .order_by(SubmissionRow.received_at, SubmissionRow.id)
        .limit(1)
    )
    return found


async def decided_among(connection: AsyncConnection, submission_ids: Collection[str]) -> set[str]:
    """Which of these submissions have been decided."""
    rows = await connection.execute(
        select(SubmissionRow.id).where(
            SubmissionRow.id == func.any(list(submission_ids)), SubmissionRow.decided_at.is_not(None)
        )
    )
    return set(rows.scalars())


async def kept_among(connection: AsyncConnection, submission_ids: Collection[str]) -> set[str]:
    """Which of these submissions are kept for later: their claim is on hold, or waits for issuance to go on."""
    rows = await connection.execute(
        select(SubmissionRow.id)
        .join(ClaimRow, ClaimRow.id == SubmissionRow.claim_id)
        .where(
            SubmissionRow.id == func.any(list(submission_ids)),
            SubmissionRow.decided_at.is_(None),
            ClaimRow.attention.in_((Attention.ON_HOLD, Attention.ISSUANCE_PAUSED)),
        )
    )
    return set(rows.scalars())
