"""Undecided submissions that are due for delivery, and when each is due again."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, RowMapping, TextClause, text

from storage.kept import KEPT

# A delivery that fails is tried again later and later, up to an hour.
# What a claim keeps that is on hold, or waits for issuance to go on, is decided when that ends, and needs no delivery
# until then: a release is a submission itself, and ``storage/issuance.py`` says whom to wake after a pause.
# The power is bounded too: no interval holds ten seconds doubled forty times, and the error would stop every delivery.
_TAKE: Final = text(
    f"""
    WITH due AS (
        SELECT id FROM submissions s
         WHERE decided_at IS NULL AND deliver_after <= clock_timestamp()
           AND NOT {KEPT}
         ORDER BY deliver_after FOR UPDATE SKIP LOCKED LIMIT 200
    ), taken AS (
        UPDATE submissions s
           SET deliveries = s.deliveries + 1,
               deliver_after = clock_timestamp()
                             + least(interval '10 seconds' * 2 ^ least(s.deliveries, 9), interval '1 hour')
          FROM due WHERE s.id = due.id
        RETURNING s.id, s.claim_id, s.kind, s.received_at, s.request_id, s.body
    )
    SELECT t.id AS submission_id, t.claim_id, t.kind, t.received_at, t.request_id, a.slug AS ce_activity,
           a.provider_slug AS provider, c.stage, coalesce(c.stage_since_at, t.received_at) AS stage_since_at, c.due_at
      FROM taken t
      LEFT JOIN claims c ON c.id = t.claim_id
      JOIN ce_activities a ON a.id = coalesce(c.ce_activity_id, t.body ->> 'ce_activity_id')
     ORDER BY t.received_at, t.id
    """  # noqa: S608  # a constant
)

# Temporal keeps what it acknowledged. A second signal tells it nothing new and costs a workflow task, so that a claim
# that is merely slow would become slower; it is for an engine that lost the first one. A row that is locked is being
# decided, and is left alone.
_AFTER_DELIVERY: Final = "least(interval '1 minute' * 2 ^ least(deliveries, 6), interval '1 hour')"
# An API that dies takes its queue along; the relay then sees to what was in it.
_IN_QUEUE: Final = "interval '30 seconds'"


def _note(interval: str) -> TextClause:
    undecided = "SELECT id FROM submissions WHERE id = ANY(:ids) AND decided_at IS NULL FOR UPDATE SKIP LOCKED"
    change = f"UPDATE submissions SET deliver_after = clock_timestamp() + {interval} WHERE id IN ({undecided})"  # noqa: S608  # constants
    return text(change)


_NOTE_DELIVERED: Final = _note(_AFTER_DELIVERY)
_NOTE_QUEUED: Final = _note(_IN_QUEUE)


def take_undelivered(connection: Connection) -> Sequence[RowMapping]:
    """Take up to 200 submissions that are due; ``stage`` is None where the claim is not in the record yet."""
    return connection.execute(_TAKE).mappings().all()


def note_delivered(connection: Connection, submission_ids: Sequence[str]) -> None:
    """Note that Temporal has these submissions.

    Those still undecided are due again a minute later; every delivery by the relay doubles that, up to an hour.
    """
    connection.execute(_NOTE_DELIVERED, {"ids": list(submission_ids)})


def note_queued(connection: Connection, submission_ids: Sequence[str]) -> None:
    """Note that an API delivers these submissions soon, so that for half a minute the relay need not."""
    connection.execute(_NOTE_QUEUED, {"ids": list(submission_ids)})
