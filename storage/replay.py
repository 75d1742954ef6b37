"""A claim's own rows beside what its audit entries amount to (``domain.replay``)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, text

from domain.replay import COLUMNS, ClaimRecord, differences, plain, replay
from storage.audit import claim_stream

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Replayed:
    """What replaying one claim found: the places that differ. ``is_whole`` is False where entries say too little.

    Bodies go when their retention ends, and entries of older releases say less.
    """

    claim_id: str
    differences: tuple[str, ...] = ()
    is_whole: bool = True


def replay_claim(connection: Connection, claim_id: str) -> Replayed:
    """Compare one claim's rows with its entries. Take a connection whose reads are of one moment.

    Raises ``NoResultFound`` when there is no such claim.
    """
    bodies = connection.execute(_BODIES, {"stream": claim_stream(claim_id)}).scalars().all()
    entries = [json.loads(bytes(body)) for body in bodies if body is not None]
    if len(entries) < len(bodies) or (entries and "stage" not in entries[0].get("before", {})):
        return Replayed(claim_id, is_whole=False)
    return Replayed(claim_id, tuple(differences(replay(entries), stored_claim(connection, claim_id))))


def replay_all(connection: Connection) -> Iterator[Replayed]:
    """Compare every claim that was entered, in the order of their ids."""
    last = ""
    while claim_ids := connection.execute(_CLAIMS, {"last": last, "limit": _AT_ONCE}).scalars().all():
        for claim_id in claim_ids:
            yield replay_claim(connection, claim_id)
        last = claim_ids[-1]


_BODIES: Final = text("SELECT body FROM audit_events WHERE stream = :stream ORDER BY seq")
_CLAIMS: Final = text("SELECT id FROM claims WHERE id > :last ORDER BY id LIMIT :limit")
_CLAIM: Final = text("SELECT * FROM claims WHERE id = :claim_id")
_ATTEMPTS: Final = text("SELECT * FROM attempts WHERE claim_id = :claim_id")
_SESSIONS: Final = text("SELECT session, units FROM claim_sessions WHERE claim_id = :claim_id")
_EVALUATIONS: Final = text("SELECT session FROM evaluations WHERE claim_id = :claim_id")
_AWARDS: Final = text("SELECT id, number, credit_type, units, state FROM awards WHERE claim_id = :claim_id")
_CERTIFICATES: Final = text(
    """
    SELECT c.id, c.award_id, c.version, c.state, c.sha256, c.superseded_by, c.revocation_class
      FROM certificates c JOIN awards a ON a.id = c.award_id WHERE a.claim_id = :claim_id
    """
)
# What was only asked for is not entered yet: the correction's workflow enters it.
_CORRECTIONS: Final = text(
    r"""
    SELECT k.id, k.kind, k.state FROM corrections k
     WHERE k.claim_id = :claim_id
       AND EXISTS (SELECT 1 FROM audit_events e WHERE e.stream = 'claim:' || k.claim_id
                      AND e.step_key = 'correction:' || k.id || '\:requested')
    """
)
_OUTCOMES: Final = text("SELECT id, refusal FROM submissions WHERE claim_id = :claim_id AND decided_at IS NOT NULL")


def stored_claim(connection: Connection, claim_id: str) -> ClaimRecord:
    """What the tables say of one claim; raises ``NoResultFound``."""
    of_claim = {"claim_id": claim_id}
    row = connection.execute(_CLAIM, of_claim).mappings().one()
    attempts = connection.execute(_ATTEMPTS, of_claim).mappings()
    outcomes = connection.execute(_OUTCOMES, of_claim)
    return ClaimRecord(
        columns={name: plain(row[name]) for name in COLUMNS},
        attempts={each["number"]: _values(each, "claim_id", "number", "answers") for each in attempts},
        sessions={each.session: f"{each.units:.2f}" for each in connection.execute(_SESSIONS, of_claim)},
        evaluations=set(connection.execute(_EVALUATIONS, of_claim).scalars()),
        awards={each["id"]: _values(each, "id") for each in connection.execute(_AWARDS, of_claim).mappings()},
        certificates={
            each["id"]: _values(each, "id") for each in connection.execute(_CERTIFICATES, of_claim).mappings()
        },
        corrections={each["id"]: _values(each, "id") for each in connection.execute(_CORRECTIONS, of_claim).mappings()},
        outcomes={each.id: each.refusal for each in outcomes},
    )


def _values(row: RowMapping, *left_out: str) -> dict[str, Any]:
    return {name: plain(value) for name, value in row.items() if name not in left_out}
