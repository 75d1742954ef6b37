"""Stuck claims: those that wait for a person, and those that Laurel itself is late with, grouped by the reason."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.claims import STAGES_WITH_DEADLINE
from domain.stuck import LATE_AFTER, StuckReason

MOST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckClaim:
    """One of a group: since when it is stuck, how often its step or e-mail was tried, the code of the last error."""

    claim_id: str
    since: datetime
    tries: int | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckGroup:
    """All claims that are stuck for one reason; ``oldest`` are the first twenty of them by their age."""

    reason: StuckReason
    claims: int
    since: datetime
    most_tries: int | None
    oldest: tuple[StuckClaim, ...]

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
# A parked claim has been in its stage for as long as it is parked, give or take its tries.
_STUCK: Final = text(
    f"""
    WITH undecided AS (
        SELECT s.claim_id, min(s.received_at) AS since, max(s.deliveries) AS tries
          FROM submissions s LEFT JOIN claims c ON c.id = s.claim_id
         WHERE s.decided_at IS NULL AND s.received_at < clock_timestamp() - :submission_undecided
           AND c.held_at IS NULL
         GROUP BY s.claim_id
    ), stuck AS (
        SELECT c.attention AS reason, c.id AS claim_id, coalesce(c.held_at, c.stage_since_at) AS since,
               m.tries, m.last_error
          FROM claims c
          LEFT JOIN outgoing_emails m
                 ON m.claim_id = c.id AND m.purpose = 'award' AND m.state IN ('queued', 'sending', 'failed')
         WHERE c.attention IS NOT NULL
        UNION ALL
        SELECT 'entry_of_another', c.id, min(s.received_at), NULL, NULL {UNDER_ANOTHER_NAME} GROUP BY c.id
        UNION ALL
        SELECT 'submission_undecided', claim_id, since, tries, NULL FROM undecided
        UNION ALL
        SELECT 'grading_overdue', c.id, c.wakes_at, NULL, NULL FROM claims c
         WHERE c.stage = 'grading' AND c.wakes_at < clock_timestamp() - :grading_overdue AND c.attention IS NULL
        UNION ALL
        SELECT 'opening_overdue', c.id, c.wakes_at, NULL, NULL FROM claims c
         WHERE c.stage = 'awaiting_window' AND c.wakes_at < clock_timestamp() - :opening_overdue
           AND c.attention IS NULL
        UNION ALL
        SELECT 'closing_overdue', c.id, c.due_at, NULL, NULL FROM claims c
         WHERE c.closed_at IS NULL AND c.due_at < clock_timestamp() - :closing_overdue AND c.attention IS NULL
           AND c.stage = ANY(:stages_with_deadline)
        UNION ALL
        SELECT 'awarding_overdue', c.id, c.stage_since_at, NULL, NULL FROM claims c
         WHERE c.stage IN ('awarding', 'issuing') AND c.stage_since_at < clock_timestamp() - :awarding_overdue
           AND c.attention IS NULL
        UNION ALL
        SELECT 'notice_failed', m.claim_id, min(m.created_at), max(m.tries), max(m.last_error) FROM outgoing_emails m
         WHERE (m.state = 'failed' OR m.state IN ('queued', 'sending') AND (m.last_error IS NOT NULL OR m.tries > 1))
           AND m.claim_id IS NOT NULL AND m.purpose <> 'award'
         GROUP BY m.claim_id
    ), counted AS (
        SELECT *, count(*) OVER each AS claims, min(since) OVER each AS oldest, max(tries) OVER each AS most_tries,
               row_number() OVER (PARTITION BY reason ORDER BY since, claim_id) AS place
          FROM stuck WINDOW each AS (PARTITION BY reason)
    )
    SELECT reason, claim_id, since, tries, last_error, claims, oldest, most_tries FROM counted
     WHERE place <= {MOST_SHOWN} ORDER BY reason, place
    """  # noqa: S608  # constants only
)
# Why a claim was parked stands in the entry that parked it, under an activity's own name for it.
_PARKED: Final = text(
    """
    SELECT DISTINCT ON (stream) stream, body FROM audit_events
     WHERE stream = ANY(:streams) AND audit_event(body) = 'claim.parked' ORDER BY stream, seq DESC
    """
)


async def stuck_groups(connection: AsyncConnection) -> list[StuckGroup]:
    """The groups that have claims, in the order of ``StuckReason``."""
    patience = {str(reason): after for reason, after in LATE_AFTER.items()}
    values = {**patience, "stages_with_deadline": sorted(STAGES_WITH_DEADLINE)}
    rows: dict[str, list[Any]] = {}
    for row in await connection.execute(_STUCK, values):
        rows.setdefault(row.reason, []).append(row)
    errors = await _errors(connection, [row.claim_id for reason in rows for row in rows[reason]])
    return [_group(reason, rows[reason], errors) for reason in StuckReason if reason in rows]


def _group(reason: StuckReason, rows: Sequence[Any], errors: Mapping[str, str]) -> StuckGroup:
    oldest = (
        StuckClaim(claim_id=row.claim_id, since=row.since, tries=row.tries, last_error=row.last_error) for row in rows
    )
    first = rows[0]
    return StuckGroup(
        reason=reason,
        claims=first.claims,
        since=first.oldest,
        most_tries=first.most_tries,
        oldest=tuple(replace(each, last_error=each.last_error or errors.get(each.claim_id)) for each in oldest),
    )


async def _errors(connection: AsyncConnection, claim_ids: Sequence[str]) -> Mapping[str, str]:
    """The error for which each of these claims was parked last, as far as it was noted."""
    if not claim_ids:
        return {}
    rows = await connection.execute(_PARKED, {"streams": [f"claim:{each}" for each in claim_ids]})
    parked = {row.stream.removeprefix("claim:"): json.loads(bytes(row.body)) for row in rows}
    found = {claim_id: (body.get("after") or {}).get("error") for claim_id, body in parked.items()}
    return {claim_id: str(error) for claim_id, error in found.items() if error}
