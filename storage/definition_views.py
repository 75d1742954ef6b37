"""CE activities as the office sees them: in every state, with their versions and how many claims each has."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.claims import CLOSED_STAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedView:
    """A CE activity with its current version, and the numbers of its claims: all, open ones, and awarded ones."""

    id: str
    slug: str
    status: str
    version_id: str
    number: int
    created_at: datetime
    changed_at: datetime
    claims: int
    open_claims: int
    awarded_claims: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedVersion:
    """One version: who published it and when, and how many claims were opened with it."""

    version_id: str
    number: int
    created_by: str | None
    created_at: datetime
    claims: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedFilter:
    """Which CE activities to list, newest first; ``words`` are looked for in title, slug and activity code.

    ``after`` is the slug to go on from.
    """

    status: str | None = None
    words: str | None = None
    after: str | None = None
    limit: int


_DEFINED: Final = """
    SELECT a.id, a.slug, a.status, a.version_id, v.number, a.created_at, v.created_at AS changed_at
      FROM ce_activities a
      JOIN ce_activity_versions v ON v.id = a.version_id
"""


def _counted(chosen: str) -> TextClause:
    """Those that are chosen with the numbers of their claims, which are counted for no others."""
    return text(
        f"""
        SELECT d.*, n.* FROM ({_DEFINED} {chosen}) d
         CROSS JOIN LATERAL (
               SELECT count(*) AS claims, count(*) FILTER (WHERE c.stage <> ALL(:closed)) AS open_claims,
                      count(*) FILTER (WHERE c.stage IN ('issuing', 'completed')) AS awarded_claims
                 FROM claims c WHERE c.ce_activity_id = d.id
         ) n
         ORDER BY d.created_at DESC, d.id DESC
        """  # noqa: S608  # constants only
    )


_LISTED: Final = _counted(
    """
    WHERE (CAST(:status AS text) IS NULL OR a.status = :status)
      AND (CAST(:words AS text) IS NULL OR strpos(lower(a.slug), lower(:words)) > 0
           OR strpos(lower(v.policy ->> 'title'), lower(:words)) > 0 OR lower(a.activity_code) = lower(:words))
      AND (CAST(:after AS text) IS NULL
           OR (a.created_at, a.id) < (SELECT p.created_at, p.id FROM ce_activities p WHERE p.slug = :after))
    ORDER BY a.created_at DESC, a.id DESC LIMIT :limit
    """
)
_ONE: Final = _counted("WHERE a.slug = :slug")
_VERSIONS: Final = text(
    """
    SELECT v.id AS version_id, v.number, coalesce(u.email, v.created_by) AS created_by, v.created_at,
           coalesce(n.claims, 0) AS claims
      FROM ce_activity_versions v
      LEFT JOIN accounts u ON u.id = v.created_by
      LEFT JOIN (SELECT version_id, count(*) AS claims FROM claims WHERE ce_activity_id = :ce_activity_id
                  GROUP BY version_id) n ON n.version_id = v.id
     WHERE v.ce_activity_id = :ce_activity_id
     ORDER BY v.number DESC
    """
)


async def listed(connection: AsyncConnection, wanted: DefinedFilter) -> list[DefinedView]:
    """CE activities in every state, newest first."""
    values = {
        "status": wanted.status,
        "words": wanted.words,
        "after": wanted.after,
        "limit": wanted.limit,
        "closed": sorted(CLOSED_STAGES),
    }
    return [DefinedView(**row) for row in (await connection.execute(_LISTED, values)).mappings()]


async def one(connection: AsyncConnection, slug: str) -> DefinedView | None:
    """One CE activity, in whichever state."""
    values = {"slug": slug, "closed": sorted(CLOSED_STAGES)}
    row = (await connection.execute(_ONE, values)).mappings().one_or_none()
    return DefinedView(**row) if row else None


async def versions(connection: AsyncConnection, ce_activity_id: str) -> list[DefinedVersion]:
    """All versions of a CE activity, newest first."""
    rows = await connection.execute(_VERSIONS, {"ce_activity_id": ce_activity_id})
    return [DefinedVersion(**row) for row in rows.mappings()]
