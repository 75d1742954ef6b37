"""Evidence of participation: entries of rosters, and how often a learner guessed. Only activities use it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, text, tuple_, update
from sqlalchemy.orm import aliased

from domain.participation import WRONG_TRIES_WITHIN, KnownAs, RosterMatch, names_another
from domain.roster_columns import EMAIL
from domain.rosters import normalize_key
from storage.claims import StaleReadError
from storage.tables import RosterEntryRow, RosterKeyRow

_Address = aliased(RosterKeyRow)


def find_entry(
    connection: Connection, ce_activity_id: str, learner_id: str, kind: str, value: str
) -> RosterMatch | None:
    """The entry that a badge id or a group's id, which this learner brings, names on the rosters of a CE activity."""
    learner = _learner(connection, learner_id)
    return _find(connection, ce_activity_id, learner.known_as, [(kind, normalize_key(kind, value))])


def find_learner(connection: Connection, ce_activity_id: str, learner_id: str) -> RosterMatch | None:
    """The entry of a learner on the rosters of a CE activity, by address or identifier."""
    learner = _learner(connection, learner_id)
    return _find(connection, ce_activity_id, learner.known_as, learner.keys)


@dataclass(frozen=True, slots=True)
class _Learner:
    """Who a learner is, and every key that an entry of theirs may have."""

    known_as: KnownAs
    keys: Sequence[tuple[str, str]]


_LEARNER: Final = text(
    """
    SELECT l.given_name, l.family_name,
           ARRAY(SELECT a.email FROM learners o JOIN accounts a ON a.id = o.account_id
                  WHERE o.id = l.id OR o.merged_into = l.id) AS emails,
           ARRAY(SELECT ARRAY[i.kind, i.value] FROM learner_identifiers i WHERE i.learner_id = l.id) AS identifiers
      FROM learners l WHERE l.id = :learner_id
    """
)


def _learner(connection: Connection, learner_id: str) -> _Learner:
    """A learner by all addresses that are theirs: those of accounts that were merged into their own, too."""
    row = connection.execute(_LEARNER, {"learner_id": learner_id}).one()
    addresses = frozenset(normalize_key(EMAIL, email) for email in row.emails)
    identifiers = [(kind, normalize_key(kind, value)) for kind, value in row.identifiers]
    known_as = KnownAs((row.given_name, row.family_name), addresses)
    return _Learner(known_as, [*((EMAIL, address) for address in addresses), *identifiers])


def _find(
    connection: Connection, ce_activity_id: str, learner: KnownAs, keys: Sequence[tuple[str, str]]
) -> RosterMatch | None:
    """The first entry under one of these keys: the learner's own before another's, a free one before a used one."""
    its_addresses = (
        select(func.array_agg(_Address.value))
        .where(_Address.entry_id == RosterEntryRow.id, _Address.kind == EMAIL)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            RosterEntryRow.id,
            RosterEntryRow.is_group,
            RosterEntryRow.claim_id,
            RosterEntryRow.given_name,
            RosterEntryRow.family_name,
            its_addresses.label("addresses"),
        )
        .join(RosterKeyRow, RosterKeyRow.entry_id == RosterEntryRow.id)
        .where(
            RosterKeyRow.ce_activity_id == ce_activity_id,
            tuple_(RosterKeyRow.kind, RosterKeyRow.value).in_(keys),
        )
    )
    matches = [_match(row, learner) for row in rows]
    return min(matches, key=lambda match: (match.is_anothers, match.claim_id is not None, match.entry_id), default=None)


def _match(row: Row[Any], learner: KnownAs) -> RosterMatch:
    entry = KnownAs((row.given_name, row.family_name), frozenset(row.addresses or ()))
    return RosterMatch(row.id, row.is_group, row.claim_id, is_anothers=names_another(entry, learner))


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
