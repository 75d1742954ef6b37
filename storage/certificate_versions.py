"""Every version of a claim's certificate, whatever became of it. Nothing here writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateVersion:
    """One version: of the claim's award ``number``, with the version that replaced it, if one did.

    ``sha256`` is the hash of its bytes once they are stored; None before that, and where another system issued it.
    """

    id: str
    number: int
    version: int
    state: str
    template: str
    verification_code: str
    sha256: bytes | None
    issued_at: datetime | None
    ended_at: datetime | None
    superseded_by: int | None
    revocation_class: str | None


_OF_CLAIM: Final = text(
    """
    SELECT x.id, w.number, x.version, x.state, x.template_version AS template, x.verification_code, x.sha256,
           x.issued_at, x.ended_at, s.version AS superseded_by, x.revocation_class
      FROM certificates x
      JOIN awards w ON w.id = x.award_id
      LEFT JOIN certificates s ON s.id = x.superseded_by
     WHERE w.claim_id = :claim_id ORDER BY x.version
    """
)


async def versions_of_claim(connection: AsyncConnection, claim_id: str) -> Sequence[CertificateVersion]:
    """All versions of a claim's certificate, the first one first."""
    rows = await connection.execute(_OF_CLAIM, {"claim_id": claim_id})
    return [CertificateVersion(**row) for row in rows.mappings()]
