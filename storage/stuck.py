"""Stuck claims: those that wait for a person, and those that Laurel itself is late with, grouped by the reason."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.claims import STAGES_WITH_DEADLINE
from domain.stuck import LATE_AFTER, PARKED_CORRECTIONS, SELF_RETRY, TRIES_ITSELF, StuckCause, StuckReason
from storage.audit import claim_stream
from storage.kept import KEPT

MOST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckClaim:
    """One of a group: since when it is stuck, how often its step or e-mail was tried, the code of the last error.

    ``next_try_at`` is when it is tried again by itself, where that is known; ``correction_id`` is the claim's
    correction that is parked, where it is one.
    """

    claim_id: str
    since: datetime
    tries: int | None
    last_error: str | None
    next_try_at: datetime | None = None
    correction_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckGroup:
    """All claims that are stuck for one reason; ``oldest`` are the first twenty of them by their age.

    ``cause`` says why Laurel is late with them, where Temporal could tell.
    """

    reason: StuckReason
    claims: int
    since: datetime
    most_tries: int | None
    oldest: tuple[StuckClaim, ...]
    cause: StuckCause | None = None

    @property
    def last_errors(self) -> tuple[str, ...]:
        """The codes of errors among the oldest, without repetition."""
        return tuple(dict.fromkeys(each.last_error for each in self.oldest if each.last_error))


# Claims whose learner gave an id of somebody else. Once that entry proved a claim, there is no question whose it is.
UNDER_ANOTHER_NAME: Final = """
          FROM submissions s JOIN claims c ON c.id = s.claim_id JOIN roster_entries r ON r.id = s.roster_entry
         WHERE s.roster_entry IS NOT NULL AND r.claim_id IS NULL
           AND c.stage = 'verifying_participation' AND c.closed_at IS NULL AND c.attention IS NULL
"""
# Of a parked correction ``r``; a pause is lifted for claims and corrections alike, so it is the same reason for both.
REASON_OF_CORRECTION: Final = (
    "CASE r.attention WHEN 'issuance_paused' THEN r.attention ELSE 'correction_' || r.attention END"
)
# A parked claim has been in its stage for as long as it is parked, give or take its tries; one whose award waits for
# issuance, since its step was received. What is wrong with a claim's own workflow, or what it is parked for, explains
# whatever else is late about it. A parked correction has waited since it was made, or was to be made.
_STUCK: Final = text(
    f"""
    WITH undecided AS (
        SELECT s.claim_id, min(s.received_at) AS since, max(s.deliveries) AS tries
          FROM submissions s
         WHERE s.decided_at IS NULL AND s.received_at < clock_timestamp() - :submission_undecided AND NOT {KEPT}
           AND s.claim_id <> ALL(CAST(:failing AS text[]))
         GROUP BY s.claim_id
    ), going AS NOT MATERIALIZED (
        SELECT * FROM claims c
         WHERE c.closed_at IS NULL AND c.attention IS NULL AND c.id <> ALL(CAST(:failing AS text[]))
    ), others AS (
        SELECT c.id, min(s.received_at) AS since {UNDER_ANOTHER_NAME} GROUP BY c.id
    ), stuck AS (
        SELECT c.attention AS reason, c.id AS claim_id, coalesce(
                   c.held_at,
                   (SELECT min(s.received_at) FROM submissions s
                     WHERE s.claim_id = c.id AND s.decided_at IS NULL AND c.attention = 'issuance_paused'),
                   c.stage_since_at) AS since,
               m.tries, m.last_error, CAST(NULL AS timestamptz) AS next_try_at
          FROM claims c
          LEFT JOIN outgoing_emails m
                 ON m.claim_id = c.id AND m.purpose = 'award' AND m.state IN ('queued', 'sending', 'failed')
         WHERE c.attention IS NOT NULL
        UNION ALL
        SELECT {REASON_OF_CORRECTION}, r.claim_id, coalesce(r.applied_at, r.decided_at, r.requested_at),
               NULL, NULL, NULL
          FROM corrections r WHERE r.attention IS NOT NULL
        UNION ALL
        SELECT 'entry_of_another', id, since, NULL, NULL, NULL FROM others
        UNION ALL
        SELECT 'participation_refused', c.id, min(s.received_at), CAST(count(*) AS integer),
               (array_agg(s.refusal ORDER BY s.received_at DESC))[1], NULL
          FROM going c JOIN submissions s ON s.claim_id = c.id
         WHERE c.stage = 'verifying_participation' AND s.refusal IN ('identifier_not_found', 'identifier_taken')
           AND c.id NOT IN (SELECT id FROM others)
         GROUP BY c.id HAVING max(s.received_at) < clock_timestamp() - :participation_refused
        UNION ALL
        SELECT 'event_quarantined', c.id, min(e.received_at), NULL, max(e.problem), NULL
          FROM integration_events e
          JOIN going c ON c.learner_id = e.learner_id
                      AND c.stage IN ('verifying_participation', 'awaiting_content')
          JOIN ce_activities y ON y.id = c.ce_activity_id
         WHERE e.state = 'quarantined'
           AND (e.body #>> '{{data,ce_activity}}' IN (y.slug, y.activity_code)
                OR e.problem IN ('ce_activity_unknown', 'ce_activity_ambiguous'))
         GROUP BY c.id
        UNION ALL
        SELECT 'workflow_failing', f.id, coalesce(
                   (SELECT min(s.received_at) FROM submissions s WHERE s.claim_id = f.id AND s.decided_at IS NULL),
                   c.stage_since_at, clock_timestamp()), NULL, NULL, NULL
          FROM unnest(CAST(:failing AS text[])) AS f (id) LEFT JOIN claims c ON c.id = f.id
         WHERE c.attention IS NULL
        UNION ALL
        SELECT 'submission_undecided', claim_id, since, tries, NULL, NULL FROM undecided
        UNION ALL
        SELECT 'grading_overdue', c.id, c.wakes_at, NULL, NULL, NULL FROM going c
         WHERE c.stage = 'grading' AND c.wakes_at < clock_timestamp() - :grading_overdue
        UNION ALL
        SELECT 'opening_overdue', c.id, c.wakes_at, NULL, NULL, NULL FROM going c
         WHERE c.stage = 'awaiting_window' AND c.wakes_at < clock_timestamp() - :opening_overdue
        UNION ALL
        SELECT 'closing_overdue', c.id, c.due_at, NULL, NULL, NULL FROM going c
         WHERE c.due_at < clock_timestamp() - :closing_overdue AND c.stage = ANY(:stages_with_deadline)
        UNION ALL
        SELECT CASE WHEN x.id IS NULL THEN 'email_overdue' ELSE 'certificate_overdue' END, c.id, c.stage_since_at,
               CASE WHEN x.id IS NULL THEN m.tries END, NULL, NULL
          FROM going c
          LEFT JOIN awards w ON w.claim_id = c.id AND w.state = 'active'
          LEFT JOIN certificates x ON x.award_id = w.id AND x.state = 'reserved'
          LEFT JOIN outgoing_emails m
                 ON m.claim_id = c.id AND m.purpose = 'award' AND m.state IN ('queued', 'sending')
         WHERE c.stage IN ('awarding', 'issuing')
           AND c.stage_since_at < clock_timestamp()
             - CASE WHEN x.id IS NULL THEN :email_overdue ELSE :certificate_overdue END
        UNION ALL
        SELECT 'notice_failed', m.claim_id, min(m.created_at), max(m.tries), max(m.last_error),
               min(m.send_after) FILTER (WHERE m.state <> 'failed')
          FROM outgoing_emails m
         WHERE (m.state = 'failed' OR m.state IN ('queued', 'sending') AND (m.last_error IS NOT NULL OR m.tries > 1))
           AND m.claim_id IS NOT NULL AND m.purpose <> 'award'
         GROUP BY m.claim_id
    ), counted AS (
        SELECT *, count(*) OVER each AS claims, min(since) OVER each AS oldest, max(tries) OVER each AS most_tries,
               row_number() OVER (PARTITION BY reason ORDER BY since, claim_id) AS place
          FROM stuck WINDOW each AS (PARTITION BY reason)
    )
    SELECT reason, claim_id, since, tries, last_error, next_try_at, claims, oldest, most_tries FROM counted
     WHERE place <= {MOST_SHOWN} ORDER BY reason, place
    """  # noqa: S608  # constants only
)
# When and why a claim or its correction was parked stands in the entry that parked it, under an activity's own name for
# it. Of a claim's corrections only the last can be parked.
_PARKED: Final = text(
    """
    SELECT DISTINCT ON (stream) stream, body FROM audit_events
     WHERE stream = ANY(:streams) AND audit_event(body) = :event ORDER BY stream, seq DESC
    """
)


@dataclass(frozen=True, slots=True)
class Parked:
    """When a claim, or its correction ``correction_id``, was parked last, and the code of the error."""

    at: datetime
    error: str | None
    correction_id: str | None = None


async def stuck_groups(connection: AsyncConnection, failing: Sequence[str] = ()) -> list[StuckGroup]:
    """The groups that have claims, in the order of ``StuckReason``.

    ``failing`` are the claims of which Temporal says that their workflow fails.
    """
    patience = {str(reason): after for reason, after in LATE_AFTER.items()}
    values = {**patience, "stages_with_deadline": sorted(STAGES_WITH_DEADLINE), "failing": list(failing)}
    rows: dict[str, list[Any]] = {}
    for row in await connection.execute(_STUCK, values):
        rows.setdefault(row.reason, []).append(row)
    parked = {
        reason: await parked_among(
            connection, [row.claim_id for row in rows[reason]], of_corrections=reason in PARKED_CORRECTIONS
        )
        for reason in TRIES_ITSELF
        if reason in rows
    }
    return [_group(reason, rows[reason], parked.get(reason, {})) for reason in StuckReason if reason in rows]


def _group(reason: StuckReason, rows: Sequence[Any], parked: Mapping[str, Parked]) -> StuckGroup:
    columns = ("claim_id", "since", "tries", "last_error", "next_try_at")
    oldest = tuple(StuckClaim(**{name: getattr(row, name) for name in columns}) for row in rows)
    if parked:
        oldest = tuple(_as_parked(each, parked.get(each.claim_id)) for each in oldest)
    first = rows[0]
    return StuckGroup(
        reason=reason, claims=first.claims, since=first.oldest, most_tries=first.most_tries, oldest=oldest
    )


def _as_parked(claim: StuckClaim, parked: Parked | None) -> StuckClaim:
    """A parked claim with its error, and when it tries itself again."""
    if parked is None:
        return claim
    return replace(
        claim,
        last_error=claim.last_error or parked.error,
        next_try_at=parked.at + SELF_RETRY,
        correction_id=parked.correction_id,
    )


async def parked_among(
    connection: AsyncConnection, claim_ids: Sequence[str], *, of_corrections: bool = False
) -> Mapping[str, Parked]:
    """When and for which error each of these claims, or its correction, was parked last, as far as it was noted."""
    event = "correction.parked" if of_corrections else "claim.parked"
    values = {"streams": [claim_stream(each) for each in claim_ids], "event": event}
    found = {row.stream: json.loads(bytes(row.body)) for row in await connection.execute(_PARKED, values)}
    return {
        claim_id: Parked(datetime.fromisoformat(body["at"]), after.get("error"), after.get("correction"))
        for claim_id in claim_ids
        if (body := found.get(claim_stream(claim_id))) is not None
        for after in [body.get("after") or {}]
    }
