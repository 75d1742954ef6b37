"""How much there is of what, and how late: figures for monitoring, over everything that the record holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.audit_log import unsealed_since
from storage.kept import KEPT
from storage.stuck import REASON_OF_CORRECTION

# A claim has at most one correction that is not finished, and what the claim itself is parked for comes first.
_COUNTS: Final = text(
    f"""
    SELECT c.stage, coalesce(c.attention, {REASON_OF_CORRECTION}, '') AS attention, count(*) AS number
      FROM claims c LEFT JOIN corrections r ON r.claim_id = c.id AND r.attention IS NOT NULL
     GROUP BY 1, 2
    """  # noqa: S608  # constants only
)
# What was parked at the e-mail about its award waits for a person, and not for us.
_LAGS: Final = text(
    f"""
    WITH undecided AS (SELECT s.received_at FROM submissions s WHERE s.decided_at IS NULL AND NOT {KEPT}),
    unsent AS (
        SELECT m.created_at FROM outgoing_emails m
         WHERE m.state IN ('queued', 'sending')
           AND NOT (m.purpose = 'award'
                    AND (EXISTS (SELECT 1 FROM claims c WHERE c.id = m.claim_id AND c.attention IS NOT NULL)
                         OR EXISTS (SELECT 1 FROM corrections r
                                     WHERE r.claim_id = m.claim_id AND r.attention IS NOT NULL)))
    )
    SELECT
      (SELECT count(*) FROM undecided) AS undecided,
      (SELECT min(received_at) FROM undecided) AS undecided_since,
      (SELECT count(*) FROM unsent) AS unsent,
      (SELECT min(created_at) FROM unsent) AS unsent_since,
      (SELECT count(*) FROM outgoing_emails WHERE state IN ('queued', 'sending') AND last_error IS NOT NULL) AS failing,
      (SELECT count(*) FROM certificates WHERE state = 'reserved') AS unissued,
      clock_timestamp() AS read_at
    """  # noqa: S608  # constants only
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Claims by stage and by what needs attention, and the number and the greatest age of what waits for us.

    A parked correction needs attention too, under its reason (``domain.stuck``). What a hold or a pause keeps does not
    wait for us, nor does an e-mail at which something is parked. Ages are in seconds, and 0 where nothing waits;
    ``checkpoint_seconds`` is the age of the oldest entry of the audit trail that no signature covers.
    """

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
    unsealed = await connection.run_sync(unsealed_since)
    return Measures(
        claims={(row.stage, row.attention): row.number for row in counts},
        undecided_submissions=lags.undecided,
        undecided_seconds=_seconds(lags.undecided_since, lags.read_at),
        unsent_emails=lags.unsent,
        failing_emails=lags.failing,
        unsent_seconds=_seconds(lags.unsent_since, lags.read_at),
        unissued_certificates=lags.unissued,
        checkpoint_seconds=_seconds(unsealed, lags.read_at),
    )


def _seconds(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
