"""What the record still expects of Temporal: which claims, corrections and merges should have a workflow that runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, TextClause, text

from storage.kept import KEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the record says of one claim, correction or merge, and so of its workflow.

    ``is_open`` tells whether its workflow should run; ``is_waiting`` that the record has held something for it for a
    while that it did not take. ``stage``, ``due_at`` and ``attention`` are what operators should be shown of a claim,
    and ``attention`` of a correction.
    """

    id: str
    is_open: bool
    is_waiting: bool
    is_decided: bool = False
    ce_activity: str = ""
    provider: str = ""
    stage: str | None = None
    stage_since_at: datetime | None = None
    due_at: datetime | None = None
    attention: str | None = None


@dataclass(frozen=True, slots=True)
class Register:
    """One kind of what has a workflow: how to go through all that is open, and how to look some of them up."""

    _open: TextClause
    _count: TextClause
    _some: TextClause

    def count(self, connection: Connection) -> int:
        """About how many are open."""
        return int(connection.execute(self._count).scalar_one())

    def open_ids(self, connection: Connection, after: str, limit: int) -> Sequence[str]:
        """The ids of those that may be open, in their order, from one id on."""
        return connection.execute(self._open, {"after": after, "limit": limit}).scalars().all()

    def look_up(self, connection: Connection, ids: Sequence[str]) -> Mapping[str, Expected]:
        """What the record says of these; those of which it knows nothing are left out."""
        rows = connection.execute(self._some, {"ids": list(ids)}).mappings()
        return {row["id"]: Expected(**row) for row in rows}


# A request delivers what it handed in at once, and the relay a few seconds later.
_SOME_CLAIMS: Final = text(
    f"""
    SELECT w.id, a.slug AS ce_activity, a.provider_slug AS provider,
           coalesce(c.stage, 'verifying_participation') AS stage,
           coalesce(c.stage_since_at, u.received_at) AS stage_since_at, c.due_at, c.attention,
           u.is_waiting, u.is_waiting OR (c.id IS NOT NULL AND c.closed_at IS NULL) AS is_open
      FROM unnest(CAST(:ids AS text[])) AS w (id)
      LEFT JOIN claims c ON c.id = w.id
     CROSS JOIN LATERAL (
           SELECT min(s.received_at) AS received_at, min(s.body ->> 'ce_activity_id') AS ce_activity_id,
                  coalesce(bool_or(s.received_at < clock_timestamp() - interval '10 seconds'
                                   AND NOT {KEPT}), false) AS is_waiting
             FROM submissions s WHERE s.claim_id = w.id AND s.decided_at IS NULL) u
      JOIN ce_activities a ON a.id = coalesce(c.ce_activity_id, u.ce_activity_id)
    """  # noqa: S608  # constants only
)
CLAIMS: Final = Register(
    text(
        """
        SELECT id FROM (SELECT id FROM claims WHERE closed_at IS NULL AND id > :after
                         UNION SELECT claim_id FROM submissions WHERE decided_at IS NULL AND claim_id > :after) AS e
         ORDER BY id LIMIT :limit
        """
    ),
    text("SELECT count(*) FROM claims WHERE closed_at IS NULL"),
    _SOME_CLAIMS,
)

_UNFINISHED: Final = "state IN ('awaiting_approval', 'approved', 'applied')"
CORRECTIONS: Final = Register(
    text(f"SELECT id FROM corrections WHERE {_UNFINISHED} AND id > :after ORDER BY id LIMIT :limit"),  # noqa: S608
    text(f"SELECT count(*) FROM corrections WHERE {_UNFINISHED}"),  # noqa: S608  # a constant
    text(
        f"""
        SELECT r.id, a.slug AS ce_activity, a.provider_slug AS provider, r.attention, r.{_UNFINISHED} AS is_open,
               r.is_approved IS NOT NULL AS is_decided,
               r.state = 'awaiting_approval' AND r.is_approved IS NOT NULL
                 AND r.decided_at < clock_timestamp() - interval '10 seconds' AS is_waiting
          FROM corrections r JOIN claims c ON c.id = r.claim_id JOIN ce_activities a ON a.id = c.ce_activity_id
         WHERE r.id = ANY(:ids)
        """  # noqa: S608  # constants only
    ),
)
MERGES: Final = Register(
    text("SELECT id FROM learner_merges WHERE merged_at IS NULL AND id > :after ORDER BY id LIMIT :limit"),
    text("SELECT count(*) FROM learner_merges WHERE merged_at IS NULL"),
    text("SELECT id, merged_at IS NULL AS is_open, false AS is_waiting FROM learner_merges WHERE id = ANY(:ids)"),
)
