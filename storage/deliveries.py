"""When an undecided submission is due for another delivery: noted by the API and the relay, each of what it delivered.

Nothing else of a submission changes here; what became of it, the ledger writes.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, TextClause, text

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


def note_delivered(connection: Connection, submission_ids: Sequence[str]) -> None:
    """Note that Temporal has these submissions.

    Those still undecided are due again a minute later; every delivery by the relay doubles that, up to an hour.
    """
    connection.execute(_NOTE_DELIVERED, {"ids": list(submission_ids)})


def note_queued(connection: Connection, submission_ids: Sequence[str]) -> None:
    """Note that an API delivers these submissions soon, so that for half a minute the relay need not."""
    connection.execute(_NOTE_QUEUED, {"ids": list(submission_ids)})
