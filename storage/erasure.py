"""Erasing a learner: contact data at once, what the record must keep once its retention is over.

Both remove what tables hold and destroy the key under which the audit trail holds the rest, so that no copy of the
trail, however old, can be read any more. What is kept in between is shown to nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, text

from domain.credit import rule
from domain.retention import longest_retention_years
from storage.acts import Actor, enter
from storage.audit import claim_stream, learner_stream
from storage.catalog import ce_activity_stream
from storage.legal_holds import held_among
from storage.sealing import SealPurpose, destroy_keys


class UnknownLearnerError(LookupError):
    """There is no such learner."""


class NotErasableError(Exception):
    """Something forbids it at present: ``legal_hold``, ``open_claim`` or ``unfinished_merge``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did; ``is_new`` is False when it was done before. ``is_whole`` when no record must be kept."""

    learner_id: str
    is_new: bool
    is_whole: bool = False
    removed: Mapping[str, int] = field(default_factory=dict)


def erase_contact(connection: Connection, learner_id: str, reason: str, actor: Actor) -> Erased:
    """Remove how a person can be reached, and let them sign in no more; safe to run twice.

    Whoever was merged into them, or they into, is the same person. Names and the identifiers that kept awards rest on
    stay until the record's retention ends. Raises ``UnknownLearnerError`` and ``NotErasableError``.
    """
    persons = _lock_person(connection, learner_id)
    kept_id = next(row["id"] for row in persons if row["merged_into"] is None)
    if all(row["erased_at"] is not None for row in persons):
        return Erased(kept_id, is_new=False)
    ids = [row["id"] for row in persons]
    _refuse_if_kept(connection, ids)
    held = connection.execute(_CREDIT_TYPES, {"persons": ids}).scalars().all()
    parameters = {
        "persons": ids,
        "accounts": [row["account_id"] for row in persons if row["account_id"]],
        "emails": [row["email"].lower() for row in persons if row["email"]],
        "needed": _needed_identifiers(held),
    }
    removed = _run(connection, _CONTACT, parameters)
    removed["keys"] = destroy_keys(connection, ids, SealPurpose.CONTACT)
    is_whole = connection.execute(_HAS_RECORD, {"persons": ids}).scalar_one() is False
    after = {"learner": kept_id, "removed": {name: count for name, count in removed.items() if count}}
    private = {} if is_whole else {"reason": reason}
    stream = learner_stream(kept_id)
    enter(connection, stream, "erasure.contact", actor, after=after, private=private, subject=kept_id)
    if is_whole:
        _erase_record(connection, kept_id, ids, actor)
    return Erased(kept_id, is_new=True, is_whole=is_whole, removed=removed)


def erase_due_records(connection: Connection, actor: Actor) -> int:
    """Erase what was kept of the erased whose last record was purged; answers how many people that were."""
    years = longest_retention_years()
    due = connection.execute(_DUE, {"years": years}).scalars().all()
    done = 0
    for learner_id in due:
        ids = [row["id"] for row in _lock_person(connection, learner_id)]
        if not held_among(connection, [learner_stream(each) for each in ids]):
            _erase_record(connection, learner_id, ids, actor)
            done += 1
    return done


def _erase_record(connection: Connection, learner_id: str, ids: Sequence[str], actor: Actor) -> None:
    removed = _run(connection, _RECORD, {"persons": ids})
    removed["keys"] = destroy_keys(connection, ids, SealPurpose.RECORD)
    after = {"learner": learner_id, "removed": {name: count for name, count in removed.items() if count}}
    enter(connection, learner_stream(learner_id), "erasure.record", actor, after=after)


_PERSON: Final = text(
    """
    SELECT l.id, l.merged_into, l.account_id, l.erased_at, a.email
      FROM learners l LEFT JOIN accounts a ON a.id = l.account_id
     WHERE coalesce(l.merged_into, l.id) = (SELECT coalesce(merged_into, id) FROM learners WHERE id = :learner_id)
     ORDER BY l.id FOR UPDATE OF l
    """
)


def _lock_person(connection: Connection, learner_id: str) -> Sequence[RowMapping]:
    persons = connection.execute(_PERSON, {"learner_id": learner_id}).mappings().all()
    if not persons:
        raise UnknownLearnerError(learner_id)
    return persons


_CLAIMS: Final = text(
    """
    SELECT c.id, c.ce_activity_id,
           c.closed_at IS NULL
           OR EXISTS (SELECT 1 FROM submissions s WHERE s.claim_id = c.id AND s.decided_at IS NULL)
           OR EXISTS (SELECT 1 FROM corrections k WHERE k.claim_id = c.id AND k.finished_at IS NULL) AS is_open
      FROM claims c WHERE c.learner_id = ANY(:persons)
    """
)
_PENDING: Final = text(
    """
    SELECT EXISTS (SELECT 1 FROM submissions s
                    WHERE s.learner_id = ANY(:persons) AND s.decided_at IS NULL) AS is_opening,
           EXISTS (SELECT 1 FROM learner_merges m WHERE m.merged_at IS NULL
                      AND (m.learner_id = ANY(:persons) OR m.duplicate_id = ANY(:persons))) AS is_merging
    """
)


def _refuse_if_kept(connection: Connection, ids: Sequence[str]) -> None:
    claims = connection.execute(_CLAIMS, {"persons": ids}).all()
    streams = [learner_stream(each) for each in ids]
    streams += [claim_stream(claim.id) for claim in claims]
    streams += [ce_activity_stream(claim.ce_activity_id) for claim in claims]
    if held_among(connection, streams):
        raise NotErasableError("legal_hold")
    pending = connection.execute(_PENDING, {"persons": ids}).one()
    if pending.is_opening or any(claim.is_open for claim in claims):
        raise NotErasableError("open_claim")
    if pending.is_merging:
        raise NotErasableError("unfinished_merge")


_CREDIT_TYPES: Final = text(
    """
    SELECT DISTINCT credit_type FROM awards WHERE learner_id = ANY(:persons)
     UNION SELECT credit_type FROM historical_awards WHERE learner_id = ANY(:persons)
    """
)
_HAS_RECORD: Final = text(
    """
    SELECT EXISTS (SELECT 1 FROM claims WHERE learner_id = ANY(:persons) AND purged_at IS NULL)
        OR EXISTS (SELECT 1 FROM historical_awards WHERE learner_id = ANY(:persons))
    """
)


def _needed_identifiers(credit_types: Sequence[str]) -> list[str]:
    """The identifiers that awards of these types rest on, or print."""
    rules = [rule(code) for code in credit_types]
    return sorted({kind for each in rules for kind in (*each.required_identifiers, *each.printed_identifiers)})


# What is removed at once, by the name under which it is counted. An address is not null and used once, so another one
# that nobody can have takes its place; addresses that end in ``.invalid`` belong to nobody (RFC 2606).
_CONTACT: Final[Mapping[str, str]] = {
    "login_sessions": "DELETE FROM login_sessions WHERE account_id = ANY(:accounts)",
    "account_identities": "DELETE FROM account_identities WHERE account_id = ANY(:accounts)",
    "sign_in_links": "DELETE FROM sign_in_links WHERE lower(email) = ANY(:emails) OR asked_by = ANY(:accounts)",
    "idempotency_keys": "DELETE FROM idempotency_keys WHERE principal = ANY(:accounts)",
    "transcript_links": "DELETE FROM transcript_links WHERE learner_id = ANY(:persons)",
    "reminder_links": "DELETE FROM reminder_links WHERE learner_id = ANY(:persons)",
    "outgoing_emails": """
        UPDATE outgoing_emails
           SET recipient = '',
               state = CASE WHEN state IN ('sent', 'failed') THEN state ELSE 'dropped' END,
               last_error = CASE WHEN state IN ('sent', 'failed') THEN last_error ELSE 'erased' END
         WHERE (lower(recipient) = ANY(:emails)
                OR claim_id IN (SELECT id FROM claims WHERE learner_id = ANY(:persons)))
           AND (recipient <> '' OR state NOT IN ('sent', 'failed', 'dropped'))
    """,
    "drafts": """
        DELETE FROM drafts WHERE claim_id IN (SELECT id FROM claims WHERE learner_id = ANY(:persons))
    """,
    "roster_keys": "DELETE FROM roster_keys WHERE kind = 'email' AND value = ANY(:emails)",
    "roster_lines": """
        UPDATE roster_lines SET "values" = "values" - 'email' WHERE lower("values" ->> 'email') = ANY(:emails)
    """,
    "integration_events": """
        UPDATE integration_events SET body = body #- '{data,learner,email}'
         WHERE lower(trim(body #>> '{data,learner,email}')) = ANY(:emails)
    """,
    "employees": "UPDATE employees SET email = NULL WHERE lower(email) = ANY(:emails)",
    "learner_identifiers": """
        DELETE FROM learner_identifiers WHERE learner_id = ANY(:persons) AND kind <> ALL(:needed)
    """,
    "learners": """
        UPDATE learners SET time_zone = NULL, wants_reminders = false, shows_name = false,
                            erased_at = clock_timestamp(), updated_at = clock_timestamp()
         WHERE id = ANY(:persons)
    """,
    "accounts": """
        UPDATE accounts SET email = id || '@erased.invalid',
                            deactivated_at = coalesce(deactivated_at, clock_timestamp())
         WHERE id = ANY(:accounts)
    """,
}
_RECORD: Final[Mapping[str, str]] = {
    "learner_identifiers": "DELETE FROM learner_identifiers WHERE learner_id = ANY(:persons)",
    "learners": """
        UPDATE learners SET given_name = NULL, family_name = NULL, name_key = NULL, credentials = NULL,
                            profession = NULL, updated_at = clock_timestamp()
         WHERE id = ANY(:persons)
    """,
    "historical_awards": """
        UPDATE historical_awards SET reason = '', reference = NULL, void_reason = NULL WHERE learner_id = ANY(:persons)
    """,
    "learner_merges": "UPDATE learner_merges SET reason = '' WHERE learner_id = ANY(:persons)",
    "legal_holds": """
        UPDATE legal_holds SET reason = '', lift_reason = NULL
         WHERE subject = ANY(SELECT 'learner:' || unnest(CAST(:persons AS text[]))) AND lifted_at IS NOT NULL
    """,
}
# Whose record key is still there although nothing is left that must be kept.
_DUE: Final = text(
    """
    SELECT l.id FROM learners l
     WHERE l.erased_at IS NOT NULL AND l.merged_into IS NULL
       AND NOT EXISTS (SELECT 1 FROM learner_keys k WHERE k.learner_id = l.id AND k.purpose = 'record'
                          AND k.destroyed_at IS NOT NULL)
       AND NOT EXISTS (SELECT 1 FROM claims c JOIN learners o ON o.id = c.learner_id
                        WHERE coalesce(o.merged_into, o.id) = l.id AND c.purged_at IS NULL)
       AND NOT EXISTS (SELECT 1 FROM historical_awards h JOIN learners o ON o.id = h.learner_id
                        WHERE coalesce(o.merged_into, o.id) = l.id
                          AND h.completed_on >= current_date - make_interval(years => :years))
     ORDER BY l.id
    """
)


def _run(connection: Connection, statements: Mapping[str, str], parameters: Mapping[str, Any]) -> dict[str, int]:
    return {name: connection.execute(text(each), parameters).rowcount for name, each in statements.items()}
