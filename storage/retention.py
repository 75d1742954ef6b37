"""Purging: what people said and were is removed once its retention is over; that it was there stays provable.

Claims, awards and hashes stay. Bodies of audit entries become NULL, which only the owner of the tables may do; an entry
in the same stream says how much went, and on whose authority.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, text

from domain.policy import CEActivityPolicy
from domain.retention import FEWEST_YEARS, Kept, Standing, longest_retention_years, retention_years, years_later
from storage.acts import Actor, enter
from storage.audit import claim_stream, learner_stream
from storage.catalog import ce_activity_stream, policy_of
from storage.erasure import erase_due_records
from storage.legal_holds import held_among

_AT_ONCE: Final = 500
RULE: Final = "R-ACC-3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be purged: everything whose retention ended before a day, on somebody's authority."""

    before: date
    authority: str
    actor: Actor


@dataclass(slots=True)
class Count:
    """How many records there are of each standing, and how many rows were emptied of what they said."""

    claims: Counter[Standing] = field(default_factory=Counter)
    rosters: Counter[Standing] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)


def purge(engine: Engine, order: Order, *, is_applied: bool) -> Count:
    """Purge what is due, each record in a transaction of its own, or only count it.

    It may be stopped and started again. Raises ``ValueError`` for a day that is still to come.
    """
    with engine.connect() as connection:
        today: date = connection.execute(text("SELECT current_date")).scalar_one()
    if order.before > today:
        raise ValueError("--before must not lie in the future")
    count, policies = Count(), _Policies()
    for row in _pages(engine, _CLAIMS, order.before):
        with engine.begin() as connection:
            standing = _purge_claim(connection, row["id"], policies, order, count.removed, is_applied=is_applied)
            count.claims[standing] += 1
    for row in _pages(engine, _CE_ACTIVITIES, order.before):
        with engine.begin() as connection:
            standing = _purge_rosters(connection, row["id"], policies, order, count.removed, is_applied=is_applied)
            count.rosters[standing] += 1
    if is_applied:
        with engine.begin() as connection:
            count.removed["integration_events"] += _purge_events(connection, order)
            count.removed["learners"] += erase_due_records(connection, order.actor)
    return count


class _Policies:
    """Policies by version; few serve many claims."""

    def __init__(self) -> None:
        self._known: dict[str, CEActivityPolicy] = {}

    def of(self, connection: Connection, version_id: str) -> CEActivityPolicy:
        if version_id not in self._known:
            self._known[version_id] = policy_of(connection, version_id)
        return self._known[version_id]


# Nothing that ended later can be due, because six years is the least of all retentions.
_CLAIMS: Final = text(
    """
    SELECT id FROM claims WHERE id > :last AND purged_at IS NULL AND opened_at < :horizon ORDER BY id LIMIT :limit
    """
)
_CE_ACTIVITIES: Final = text(
    """
    SELECT a.id FROM ce_activities a
     WHERE a.id > :last AND a.created_at < :horizon
       AND (EXISTS (SELECT 1 FROM roster_lines l JOIN rosters r ON r.id = l.roster_id WHERE r.ce_activity_id = a.id)
            OR EXISTS (SELECT 1 FROM roster_keys k WHERE k.ce_activity_id = a.id))
     ORDER BY a.id LIMIT :limit
    """
)


def _pages(engine: Engine, query: Any, before: date) -> Iterator[RowMapping]:
    last, horizon = "", years_later(before, -FEWEST_YEARS)
    while True:
        with engine.connect() as connection:
            parameters = {"last": last, "horizon": horizon, "limit": _AT_ONCE}
            rows: Sequence[RowMapping] = connection.execute(query, parameters).mappings().all()
        if not rows:
            return
        yield from rows
        last = rows[-1]["id"]


# Locked in a statement of its own: what the next one reads was committed before, a correction just asked for, too.
_LOCK: Final = text("SELECT 1 FROM claims WHERE id = :claim_id FOR UPDATE")
_CLAIM: Final = text(
    """
    SELECT c.id, c.learner_id, c.ce_activity_id, c.version_id, c.closed_at, c.purged_at,
           greatest(c.closed_at, (SELECT max(w.completed_on) FROM awards w WHERE w.claim_id = c.id),
                    (SELECT max(k.finished_at) FROM corrections k WHERE k.claim_id = c.id))::date AS last_on,
           coalesce(l.merged_into, l.id) AS person_id,
           EXISTS (SELECT 1 FROM submissions s WHERE s.claim_id = c.id AND s.decided_at IS NULL)
           OR EXISTS (SELECT 1 FROM corrections k WHERE k.claim_id = c.id AND k.finished_at IS NULL) AS is_busy
      FROM claims c JOIN learners l ON l.id = c.learner_id
     WHERE c.id = :claim_id
    """
)


def _purge_claim(
    connection: Connection, claim_id: str, policies: _Policies, order: Order, removed: Counter[str], *, is_applied: bool
) -> Standing:
    connection.execute(_LOCK, {"claim_id": claim_id})
    row = connection.execute(_CLAIM, {"claim_id": claim_id}).mappings().one()
    stream, ce_activity = claim_stream(claim_id), ce_activity_stream(row["ce_activity_id"])
    learners = [learner_stream(row[name]) for name in ("learner_id", "person_id")]
    is_open = row["closed_at"] is None or row["is_busy"] or row["purged_at"] is not None
    years = retention_years(policies.of(connection, row["version_id"]))
    kept = Kept(
        last_on=row["last_on"] or order.before,
        years=years,
        is_held=held_among(connection, [stream, ce_activity, *learners]),
        is_open=is_open,
    )
    standing = kept.standing(order.before)
    if standing is Standing.DUE and is_applied:
        parameters = {"claim_id": claim_id, "learner_id": row["learner_id"], "ce_activity_id": row["ce_activity_id"]}
        counts = _emptied(connection, _OF_CLAIM, {**parameters, "stream": stream})
        _enter_purge(connection, stream, order, years, counts)
        removed.update(counts)
    return standing


# What is removed of a claim, by the name under which it is counted. What a certificate printed of the provider and the
# credit stays, so that its number goes on being answered; the hash of a file stays, so that a copy can be checked.
_OF_CLAIM: Final[Mapping[str, str]] = {
    "submissions": "UPDATE submissions SET body = '{}', details = NULL WHERE claim_id = :claim_id AND body <> '{}'",
    "evaluations": "UPDATE evaluations SET responses = '{}' WHERE claim_id = :claim_id AND responses <> '{}'",
    "attempts": "UPDATE attempts SET answers = NULL WHERE claim_id = :claim_id AND answers IS NOT NULL",
    "drafts": "DELETE FROM drafts WHERE claim_id = :claim_id",
    "content_progress": """
        DELETE FROM content_progress WHERE learner_id = :learner_id AND ce_activity_id = :ce_activity_id
    """,
    "corrections": """
        UPDATE corrections SET body = '{}', reason = '', resolution = NULL, outcome = NULL
         WHERE claim_id = :claim_id AND reason <> ''
    """,
    "problem_reports": """
        UPDATE problem_reports SET message = '', answer = NULL WHERE claim_id = :claim_id AND message <> ''
    """,
    "documents": """
        UPDATE documents SET content = ''
         WHERE content <> '' AND sha256 IN (
               SELECT unnest(ARRAY[c.sha256, k.sha256]) FROM certificates c
                 JOIN awards w ON w.id = c.award_id LEFT JOIN credentials k ON k.certificate_id = c.id
                WHERE w.claim_id = :claim_id)
    """,
    "credentials": """
        UPDATE credentials k SET jwt = NULL FROM certificates c JOIN awards w ON w.id = c.award_id
         WHERE k.certificate_id = c.id AND w.claim_id = :claim_id AND k.jwt IS NOT NULL
    """,
    "certificates": """
        UPDATE certificates c
           SET data = c.data || '{"learner_name": "(removed)", "learner_credentials": "", "identifiers": []}'
          FROM awards w WHERE w.id = c.award_id AND w.claim_id = :claim_id
    """,
    "claim_notes": "DELETE FROM claim_notes WHERE claim_id = :claim_id",
    "outgoing_emails": """
        UPDATE outgoing_emails e SET recipient = ''
         WHERE e.recipient <> '' AND e.claim_id = :claim_id
    """,
    "audit_events": "UPDATE audit_events SET body = NULL WHERE stream = :stream AND body IS NOT NULL",
    "claims": "UPDATE claims SET purged_at = clock_timestamp() WHERE id = :claim_id AND purged_at IS NULL",
}

_CE_ACTIVITY: Final = text(
    """
    SELECT a.version_id, a.id,
           EXISTS (SELECT 1 FROM claims c WHERE c.ce_activity_id = a.id AND c.purged_at IS NULL) AS is_open
      FROM ce_activities a WHERE a.id = :id FOR NO KEY UPDATE
    """
)
_OF_ROSTERS: Final[Mapping[str, str]] = {
    "roster_lines": """
        DELETE FROM roster_lines WHERE roster_id IN (SELECT id FROM rosters WHERE ce_activity_id = :ce_activity_id)
    """,
    "roster_keys": "DELETE FROM roster_keys WHERE ce_activity_id = :ce_activity_id",
    "roster_entries": """
        UPDATE roster_entries SET given_name = NULL, family_name = NULL
         WHERE ce_activity_id = :ce_activity_id AND (given_name IS NOT NULL OR family_name IS NOT NULL)
    """,
}


def _purge_rosters(
    connection: Connection,
    ce_activity_id: str,
    policies: _Policies,
    order: Order,
    removed: Counter[str],
    *,
    is_applied: bool,
) -> Standing:
    """Rosters stay as long as one claim that they may have proved does."""
    row = connection.execute(_CE_ACTIVITY, {"id": ce_activity_id}).mappings().one()
    policy, stream = policies.of(connection, row["version_id"]), ce_activity_stream(ce_activity_id)
    years = retention_years(policy)
    is_held = held_among(connection, [stream])
    kept = Kept(last_on=policy.ends_on, years=years, is_held=is_held, is_open=row["is_open"])
    standing = kept.standing(order.before)
    if standing is Standing.DUE and is_applied:
        counts = _emptied(connection, _OF_ROSTERS, {"ce_activity_id": ce_activity_id})
        _enter_purge(connection, stream, order, years, counts)
        removed.update(counts)
    return standing


# An event knows no credit type, so that the longest of all retentions applies.
_EVENTS: Final = text(
    """
    UPDATE integration_events e SET body = '{}'
     WHERE e.integration = :integration AND e.received_at < :horizon AND e.body <> '{}'
       AND NOT EXISTS (SELECT 1 FROM legal_holds h
                         JOIN learners l ON h.subject IN ('learner:' || l.id, 'learner:' || l.merged_into)
                        WHERE l.id = e.learner_id AND h.lifted_at IS NULL)
    """
)
_INTEGRATIONS: Final = text("SELECT name FROM integrations ORDER BY name FOR NO KEY UPDATE")


def _purge_events(connection: Connection, order: Order) -> int:
    """Remove what platforms said; that an event came, and what became of it, stays."""
    years, removed = longest_retention_years(), 0
    for name in connection.execute(_INTEGRATIONS).scalars().all():
        parameters = {"integration": name, "horizon": years_later(order.before, -years)}
        count = connection.execute(_EVENTS, parameters).rowcount
        if count:
            _enter_purge(connection, f"integration:{name}", order, years, {"integration_events": count})
        removed += count
    return removed


def _emptied(connection: Connection, statements: Mapping[str, str], parameters: Mapping[str, Any]) -> dict[str, int]:
    """Run these; answers how many rows each of them changed."""
    return {name: connection.execute(text(each), parameters).rowcount for name, each in statements.items()}


def _enter_purge(connection: Connection, stream: str, order: Order, years: int, counts: Mapping[str, int]) -> None:
    after = {
        "authority": order.authority,
        "before": order.before.isoformat(),
        "removed": {name: count for name, count in counts.items() if count},
    }
    enter(connection, stream, "retention.purged", order.actor, after=after, rule=f"{RULE} {years} years")
