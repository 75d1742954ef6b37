"""How much there is of what, and how late: figures for monitoring, over everything that the record holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_COUNTS: Final = text(
    "SELECT stage, coalesce(attention, '') AS attention, count(*) AS number FROM claims GROUP BY stage, attention"
)
_LAGS: Final = text(
    """
    SELECT
      (SELECT count(*) FROM submissions WHERE decided_at IS NULL) AS undecided,
      (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0)
         FROM submissions WHERE decided_at IS NULL) AS undecided_seconds,
      (SELECT count(*) FROM outgoing_emails WHERE state IN ('queued', 'sending')) AS unsent,
      (SELECT count(*) FROM outgoing_emails WHERE state IN ('queued', 'sending') AND last_error IS NOT NULL) AS failing,
      (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)
         FROM outgoing_emails WHERE state IN ('queued', 'sending')) AS unsent_seconds,
      (SELECT count(*) FROM certificates WHERE state = 'reserved') AS unissued,
      (SELECT coalesce(extract(epoch FROM clock_timestamp() - max(signed_at)), 0)
         FROM audit_checkpoints) AS unsigned_seconds
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Claims by stage and by attention, and the number and the greatest age, in seconds, of what waits for us."""

    claims: Mapping[tuple[str, str], int]
    undecided_submissions: int
    undecided_seconds: float
    unsent_emails: int
    failing_emails: int
    unsent_seconds: float
    unissued_certificates: int
    checkpoint_seconds: float


async def measures(connection: AsyncConnection) -> Measures:
    """The figures of now."""
    counts = (await connection.execute(_COUNTS)).all()
    lags = (await connection.execute(_LAGS)).one()
    return Measures(
        claims={(row.stage, row.attention): row.number for row in counts},
        undecided_submissions=lags.undecided,
        undecided_seconds=float(lags.undecided_seconds),
        unsent_emails=lags.unsent,
        failing_emails=lags.failing,
        unsent_seconds=float(lags.unsent_seconds),
        unissued_certificates=lags.unissued,
        checkpoint_seconds=float(lags.unsigned_seconds),
    )
