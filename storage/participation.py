"""Evidence of participation: entries of rosters, and how often a learner guessed. Only activities use it."""

from datetime import datetime

from sqlalchemy import Connection, select, text, tuple_, update

from domain.participation import WRONG_TRIES_WITHIN, RosterMatch
from domain.roster_columns import EMAIL
from domain.rosters import normalize_key
from storage.claims import StaleReadError
from storage.tables import RosterEntryRow, RosterKeyRow


def find_entry(connection: Connection, ce_activity_id: str, kind: str, value: str) -> RosterMatch | None:
    """The entry that a badge id or a group's id names on the rosters of a CE activity."""
    return _find(connection, ce_activity_id, [(kind, normalize_key(kind, value))])


def find_learner(connection: Connection, ce_activity_id: str, learner_id: str) -> RosterMatch | None:
    """The entry of a learner on the rosters of a CE activity, by address or identifier."""
    known = connection.execute(
        text(
            """
            SELECT '' AS kind, a.email AS value FROM learners l JOIN accounts a ON a.id = l.account_id
             WHERE l.id = :learner_id OR l.merged_into = :learner_id
             UNION ALL
            SELECT i.kind, i.value FROM learner_identifiers i WHERE i.learner_id = :learner_id
            """
        ),
        {"learner_id": learner_id},
    )
    keys = [(row.kind or EMAIL, row.value) for row in known]
    return _find(connection, ce_activity_id, [(kind, normalize_key(kind, value)) for kind, value in keys])


def _find(connection: Connection, ce_activity_id: str, keys: list[tuple[str, str]]) -> RosterMatch | None:
    """The first entry under one of these keys; one that proves no other claim yet comes first."""
    row = connection.execute(
        select(RosterEntryRow.id, RosterEntryRow.is_group, RosterEntryRow.claim_id)
        .join(RosterKeyRow, RosterKeyRow.entry_id == RosterEntryRow.id)
        .where(
            RosterKeyRow.ce_activity_id == ce_activity_id,
            tuple_(RosterKeyRow.kind, RosterKeyRow.value).in_(keys),
        )
        .order_by(RosterEntryRow.claim_id.is_not(None), RosterEntryRow.id)
        .limit(1)
    ).one_or_none()
    return RosterMatch(row.id, row.is_group, row.claim_id) if row else None


def take_entry(connection: Connection, entry_id: str, claim_id: str, at: datetime) -> None:
    """Let a person's entry prove this claim. Raises ``StaleReadError`` when it proves another one by now."""
    taken = connection.execute(
        update(RosterEntryRow)
        .where(
            RosterEntryRow.id == entry_id,
            RosterEntryRow.claim_id.is_(None) | (RosterEntryRow.claim_id == claim_id),
        )
        .values(claim_id=claim_id, claimed_at=at)
        .returning(RosterEntryRow.id)
    ).one_or_none()
    if taken is None:
        raise StaleReadError(entry_id)


def release_entry(connection: Connection, claim_id: str) -> None:
    """Let a person's entry prove another claim again, because this one was withdrawn."""
    connection.execute(
        update(RosterEntryRow).where(RosterEntryRow.claim_id == claim_id).values(claim_id=None, claimed_at=None)
    )


def wrong_tries(connection: Connection, learner_id: str, at: datetime) -> list[datetime]:
    """When a learner named ids or codes that were not theirs, in any claim, in the hour before this time."""
    rows = connection.execute(
        text(
            """
            SELECT received_at FROM submissions
             WHERE learner_id IN (SELECT id FROM learners WHERE id = :learner_id OR merged_into = :learner_id)
               AND refusal IN ('identifier_not_found', 'identifier_taken')
               AND received_at > :since AND received_at <= :at
               AND body ->> 'method' <> 'roster'
            """
        ),
        {"learner_id": learner_id, "since": at - WRONG_TRIES_WITHIN, "at": at},
    )
    return [row.received_at for row in rows]
