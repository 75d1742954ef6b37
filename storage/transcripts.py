"""What a transcript lists: the active awards of one person, under every account that is theirs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.transcripts import SessionPart

PERSON: Final = """
    WITH kept AS (
        SELECT coalesce(merged_into, id) AS id FROM learners WHERE id = :learner_id
    ), person AS (
        SELECT l.id FROM learners l, kept k WHERE l.id = k.id OR l.merged_into = k.id
    )
"""
"""A learner, or whom they were merged into, with everyone who was merged into the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerName:
    """Whose transcript it is; ``time_zone`` says which day it is for them."""

    learner_id: str
    given_name: str | None
    family_name: str | None
    credentials: str | None
    time_zone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardRecord:
    """An active award with its parts and its current certificate, if there is one.

    ``version_id`` names the policy; ``participation`` is the option that the learner chose.
    """

    id: str
    claim_id: str
    version_id: str
    credit_type: str
    rule_version: str
    units: Decimal
    completed_on: date
    awarded_at: datetime
    participation: str | None
    finalized_at: datetime | None
    sessions: tuple[SessionPart, ...]
    certificate_state: str | None
    verification_code: str | None


# Superseded, revoked and duplicate awards are on no transcript, so that nothing counts twice.
_AWARDS: Final = text(
    f"""
    {PERSON}
    SELECT w.id, w.claim_id, w.version_id, w.credit_type, w.rule_version, w.units, w.completed_on, w.awarded_at,
           c.participation, c.finalized_at, x.state AS certificate_state, x.verification_code,
           (SELECT json_agg(json_build_object('title', n.title, 'held_on', n.held_on, 'units', n.units::text)
                            ORDER BY n.number)
              FROM award_lines n WHERE n.award_id = w.id AND n.session IS NOT NULL) AS sessions
      FROM awards w
      JOIN person p ON p.id = w.learner_id
      JOIN claims c ON c.id = w.claim_id
      LEFT JOIN certificates x ON x.award_id = w.id AND x.state IN ('reserved', 'issued')
     WHERE w.state = 'active'
    """  # noqa: S608  # both parts are ours
)
_NAME: Final = text(
    """
    SELECT k.id AS learner_id, k.given_name, k.family_name, k.credentials, k.time_zone
      FROM learners l JOIN learners k ON k.id = coalesce(l.merged_into, l.id)
     WHERE l.id = :learner_id
    """
)


async def learner_name(connection: AsyncConnection, learner_id: str) -> LearnerName | None:
    """The name of a learner, or of whom they were merged into, as it is now; None when there is no such learner."""
    row = (await connection.execute(_NAME, {"learner_id": learner_id})).mappings().one_or_none()
    return LearnerName(**row) if row else None


async def awards_of(connection: AsyncConnection, learner_id: str) -> list[AwardRecord]:
    """The active awards of the person that a learner is, in no particular order."""
    rows = await connection.execute(_AWARDS, {"learner_id": learner_id})
    return [_award(row) for row in rows.mappings()]


def _award(row: RowMapping) -> AwardRecord:
    sessions = tuple(_session(values) for values in row["sessions"] or ())
    return AwardRecord(**{**row, "sessions": sessions})


def _session(values: Mapping[str, Any]) -> SessionPart:
    held_on = date.fromisoformat(values["held_on"]) if values["held_on"] else None
    return SessionPart(title=values["title"], held_on=held_on, units=Decimal(values["units"]))
