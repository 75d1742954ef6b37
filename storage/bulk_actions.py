"""One action on many claims: previewed, then started once; each claim gets a submission of its own, or is skipped.

Starting is one transaction. From then on it is like any submission: the relay delivers it, and the claim's ledger
decides it by the same rules.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.identities import new_id
from domain.office import KIND_OF_ACTION, OperatorAction
from storage import claim_lists, queries
from storage.acts import Actor, enter
from storage.claim_lists import ClaimFilter
from storage.queries import ClaimView
from storage.tables import BulkActionRow

MOST_CLAIMS: Final = 10_000
_AT_ONCE: Final = 500


class TooManyClaimsError(ValueError):
    """More claims are meant than are acted on at once."""


class PreviewUnknownError(LookupError):
    """This actor has no such preview, or it is too old, or it was of something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAction:
    """What is to be done, with which words, to the claims that ``filter`` means; both as JSON.

    ``actor`` is an account's id, or ``cli:<user>``.
    """

    id: str
    actor: str
    action: str
    body: Mapping[str, Any]
    filter: Mapping[str, Any]
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """How many claims came to one outcome, and the first few of them; ``code`` says why, if it was a refusal."""

    outcome: str
    code: str | None
    count: int
    claims: tuple[str, ...]


# The number of a claim's entries tells whether anything happened to it since.
_CHOSEN: Final = """
    INSERT INTO bulk_claims (bulk_id, claim_id, entries)
    SELECT :bulk_id, c.id, (SELECT coalesce(max(e.seq), 0) FROM audit_events e WHERE e.stream = 'claim:' || c.id)
      FROM claims c WHERE {0} LIMIT {1}
"""


async def preview(connection: AsyncConnection, bulk: BulkAction, claims: ClaimFilter | Sequence[str]) -> int:
    """Keep which claims are meant, as they are now; answers how many. Raises ``TooManyClaimsError``."""
    if isinstance(claims, ClaimFilter):
        condition, values = claim_lists.where(claims)
    else:
        condition, values = "c.id = ANY(:ids)", {"ids": list(claims)}
    kept = {"id": bulk.id, "account_id": bulk.actor, "action": bulk.action}
    await connection.execute(insert(BulkActionRow).values(**kept, body=dict(bulk.body), filter=dict(bulk.filter)))
    query = text(_CHOSEN.format(condition, MOST_CLAIMS + 1))
    chosen = await connection.execute(query, {**values, "bulk_id": bulk.id})
    if chosen.rowcount > MOST_CLAIMS:
        raise TooManyClaimsError
    return int(chosen.rowcount)


async def claims_of(connection: AsyncConnection, bulk_id: str) -> AsyncIterator[list[ClaimView]]:
    """The claims of a bulk action, some hundred at a time, the newest first."""
    rows = await connection.execute(_IDS, {"bulk_id": bulk_id})
    ids = list(rows.scalars())
    for start in range(0, len(ids), _AT_ONCE):
        yield await queries.claims_among(connection, ids[start : start + _AT_ONCE])


_IDS: Final = text("SELECT claim_id FROM bulk_claims WHERE bulk_id = :bulk_id ORDER BY claim_id DESC")
_PREVIEWED: Final = text(
    """
    SELECT id, account_id AS actor, action, body, filter, started_at FROM bulk_actions
     WHERE id = :id AND account_id = :actor
       AND (started_at IS NOT NULL OR previewed_at > clock_timestamp() - interval '1 hour')
       FOR NO KEY UPDATE
    """
)
_SKIP: Final = text(
    """
    UPDATE bulk_claims b SET skipped = CASE
             WHEN b.entries <> (SELECT coalesce(max(e.seq), 0) FROM audit_events e WHERE e.stream = 'claim:' || c.id)
             THEN 'changed'
             WHEN coalesce(l.merged_into, l.id) = CAST(:learner_id AS text) THEN 'own_claim'
             WHEN :action = 'reopen' AND c.purged_at IS NOT NULL THEN 'retention_ended' END
      FROM claims c JOIN learners l ON l.id = c.learner_id
     WHERE b.bulk_id = :bulk_id AND c.id = b.claim_id
    """
)
_LEFT: Final = text("SELECT claim_id FROM bulk_claims WHERE bulk_id = :bulk_id AND skipped IS NULL")
_SUBMIT: Final = text(
    """
    WITH submitted AS (
        UPDATE bulk_claims b SET submission_id = s.id
          FROM unnest(CAST(:claim_ids AS text[]), CAST(:ids AS text[])) AS s (claim_id, id)
         WHERE b.bulk_id = :bulk_id AND b.claim_id = s.claim_id
        RETURNING b.claim_id, b.submission_id
    )
    INSERT INTO submissions (id, claim_id, learner_id, actor, kind, body, request_id, deliver_after)
    SELECT s.submission_id, s.claim_id, c.learner_id, :actor, :kind, :body, :request_id, clock_timestamp()
      FROM submitted s JOIN claims c ON c.id = s.claim_id
    """
).bindparams(bindparam("body", type_=JSONB()))


def start(connection: Connection, asked: BulkAction, learner_id: str | None, actor: Actor) -> None:
    """Submit to each previewed claim what was asked for, unless that claim changed since; once per preview.

    ``learner_id`` is the person who asks, if they are a learner: their own claims are skipped. Raises
    ``PreviewUnknownError``.
    """
    values = {"id": asked.id, "actor": asked.actor}
    row = connection.execute(_PREVIEWED, values).mappings().one_or_none()
    bulk = BulkAction(**row) if row else None
    if bulk is None or (bulk.action, bulk.body, bulk.filter) != (asked.action, asked.body, asked.filter):
        raise PreviewUnknownError
    if bulk.started_at is None:
        _submit(connection, bulk, learner_id, actor)


def _submit(connection: Connection, bulk: BulkAction, learner_id: str | None, actor: Actor) -> None:
    skipping = {"bulk_id": bulk.id, "learner_id": learner_id, "action": bulk.action}
    meant = connection.execute(_SKIP, skipping).rowcount
    claim_ids = connection.execute(_LEFT, {"bulk_id": bulk.id}).scalars().all()
    submission = {"kind": KIND_OF_ACTION[OperatorAction(bulk.action)], "body": dict(bulk.body)}
    ids = {"claim_ids": claim_ids, "ids": [new_id("sub") for _ in claim_ids], "bulk_id": bulk.id}
    connection.execute(_SUBMIT, {**ids, **submission, "actor": actor.id, "request_id": actor.request_id})
    started = update(BulkActionRow).where(BulkActionRow.id == bulk.id).values(started_at=func.clock_timestamp())
    connection.execute(started)
    enter(
        connection,
        f"bulk:{bulk.id}",
        "bulk.started",
        actor,
        after={
            "action": bulk.action,
            "reason_code": bulk.body.get("reason_code"),
            "claims": len(claim_ids),
            "skipped": meant - len(claim_ids),
        },
        private={"reason": bulk.body["reason"]},
    )


_OUTCOMES: Final = text(
    """
    SELECT outcome, code, count(*) AS number, (array_agg(claim_id ORDER BY claim_id))[1:20] AS claims
      FROM (SELECT b.claim_id,
                   CASE WHEN b.skipped IS NOT NULL THEN 'skipped'
                        WHEN s.decided_at IS NULL THEN 'left' ELSE s.outcome END AS outcome,
                   coalesce(b.skipped, s.refusal) AS code
              FROM bulk_claims b LEFT JOIN submissions s ON s.id = b.submission_id
             WHERE b.bulk_id = :bulk_id) AS each
     GROUP BY outcome, code ORDER BY outcome, code
    """
)


async def find(connection: AsyncConnection, bulk_id: str) -> BulkAction | None:
    """A bulk action that was started; None if there is none with this id."""
    columns = ("id", "actor", "action", "body", "filter", "started_at")
    query = select(*(getattr(BulkActionRow, name).label(name) for name in columns))
    is_it = (BulkActionRow.id == bulk_id) & BulkActionRow.started_at.is_not(None)
    row = (await connection.execute(query.where(is_it))).mappings().one_or_none()
    return BulkAction(**row) if row else None


async def outcomes(connection: AsyncConnection, bulk_id: str) -> list[Counted]:
    """How far a bulk action has come: how many claims are ``accepted``, ``refused``, ``skipped`` and ``left``."""
    rows = await connection.execute(_OUTCOMES, {"bulk_id": bulk_id})
    return [Counted(each["outcome"], each["code"], each["number"], tuple(each["claims"])) for each in rows.mappings()]
