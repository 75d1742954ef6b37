"""Looking certificates up by what is printed on them, or by the hash of their file. Nothing here writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """One issued version of a certificate, and what became of the newest one of the same claim.

    That is the newest issued one, or a newer one that was revoked before it could be issued.

    ``data`` is what the version prints. Days are local days in the CE activity's time zone: ``ended_on`` is the one on
    which the version was superseded or revoked. ``has_credential`` says whether a machine credential belongs to it,
    signed with a key that is still trusted.
    """

    code: str
    version: int
    data: Mapping[str, Any]
    ended_on: date | None
    shows_name: bool
    has_credential: bool
    newest_code: str
    newest_state: str
    newest_award_state: str
    newest_ended_on: date | None
    revocation_class: str | None

    @property
    def is_newest(self) -> bool:
        """Whether no newer version was issued."""
        return self.code == self.newest_code


# A corrected award has the claim's next number, so the newest certificate is the last one of the last award.
_ISSUED: Final = """
    SELECT x.verification_code AS code, x.version, x.data,
           CAST(x.ended_at AT TIME ZONE (v.policy ->> 'time_zone') AS date) AS ended_on,
           l.shows_name AND q.purged_at IS NULL AS shows_name,
           EXISTS (SELECT 1 FROM credentials c LEFT JOIN signing_keys k ON k.id = c.key_id
                    WHERE c.certificate_id = x.id AND c.jwt IS NOT NULL AND k.revoked_at IS NULL) AS has_credential,
           n.verification_code AS newest_code, n.state AS newest_state, n.award_state AS newest_award_state,
           CAST(n.ended_at AT TIME ZONE (v.policy ->> 'time_zone') AS date) AS newest_ended_on, n.revocation_class
      FROM certificates x
      JOIN awards w ON w.id = x.award_id
      JOIN ce_activity_versions v ON v.id = w.version_id
      JOIN claims q ON q.id = w.claim_id
      JOIN learners o ON o.id = w.learner_id
      JOIN learners l ON l.id = coalesce(o.merged_into, o.id)
      JOIN LATERAL (
          SELECT c.verification_code, c.state, c.ended_at, c.revocation_class, a.state AS award_state
            FROM certificates c JOIN awards a ON a.id = c.award_id
           WHERE a.claim_id = w.claim_id AND (c.issued_at IS NOT NULL OR c.state = 'revoked')
           ORDER BY a.number DESC, c.version DESC LIMIT 1
      ) n ON true
     WHERE x.issued_at IS NOT NULL AND
"""
_BY_CODE: Final = text(f"{_ISSUED} x.verification_code = :code")
_BY_HASH: Final = text(f"{_ISSUED} x.sha256 = :sha256 ORDER BY x.issued_at DESC, x.id LIMIT 1")


async def certificate_by_code(connection: AsyncConnection, code: str) -> IssuedCertificate | None:
    """The issued certificate with this code, as ``domain.identities.normalize_code`` writes it."""
    row = (await connection.execute(_BY_CODE, {"code": code})).mappings().one_or_none()
    return IssuedCertificate(**row) if row else None


async def certificate_by_hash(connection: AsyncConnection, sha256: bytes) -> IssuedCertificate | None:
    """The issued certificate whose PDF has this SHA-256."""
    row = (await connection.execute(_BY_HASH, {"sha256": sha256})).mappings().one_or_none()
    return IssuedCertificate(**row) if row else None
