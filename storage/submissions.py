"""Undecided submissions that are due for delivery. The relay takes them here."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, RowMapping, text

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


def take_undelivered(connection: Connection) -> Sequence[RowMapping]:
    """Take up to 200 submissions that are due; ``stage`` is None where the claim is not in the record yet."""
    return connection.execute(_TAKE).mappings().all()
