"""Credit from before the portal's time, entered by staff: never changed and never deleted, but it can be voided.

Every function takes part in the caller's transaction. Entries of the audit trail are in the stream of the learner.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection, RowMapping, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.identities import derived_id
from storage.audit import AuditEntry, AuditStream
from storage.tables import HistoricalAwardRow, LearnerRow
from storage.transcripts import PERSON


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHistoricalAward:
    """What staff enter: the credit as others have it on record, and the reason for entering it."""

    title: str
    provider: str
    credit_type: str
    units: Decimal
    completed_on: date
    reference: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricalAward(NewHistoricalAward):
    """A historical award as the record has it; the last three are set once it is voided."""

    id: str
    learner_id: str
    entered_by: str
    entered_at: datetime
    voided_by: str | None
    voided_at: datetime | None
    void_reason: str | None

    @property
    def is_voided(self) -> bool:
        """Whether it is on no transcript any more."""
        return self.voided_at is not None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and with which request."""

    account_id: str
    request_id: str


_COLUMNS: Final = tuple(HistoricalAwardRow.__table__.columns)
_OF_PERSON: Final = text(
    f"{PERSON} SELECT h.* FROM historical_awards h JOIN person p ON p.id = h.learner_id "  # noqa: S608  # ours
    "WHERE h.voided_at IS NULL"
)
_ENTERED_FOR: Final = text(
    """
    SELECT * FROM historical_awards
     WHERE learner_id = :learner_id
       AND (CAST(:after AS text) IS NULL OR (completed_on, id) < (
              SELECT a.completed_on, a.id FROM historical_awards a WHERE a.id = :after AND a.learner_id = :learner_id))
     ORDER BY completed_on DESC, id DESC LIMIT :limit
    """
)
_ARE_ONE_PERSON: Final = text(
    """
    WITH RECURSIVE becomes AS (
        SELECT id, merged_into FROM learners WHERE id IN (:one, :other)
        UNION
        SELECT l.id, l.merged_into FROM learners l JOIN becomes b ON l.id = b.merged_into
    )
    SELECT count(*) < 2 FROM becomes WHERE merged_into IS NULL
    """
)


def learner_stream(learner_id: str) -> str:
    """The stream that tells what staff did to one learner's record."""
    return f"learner:{learner_id}"


async def are_one_person(connection: AsyncConnection, one: str, other: str) -> bool:
    """Whether two learners are the same, or were merged into the same."""
    return bool(await connection.scalar(_ARE_ONE_PERSON, {"one": one, "other": other}))


def lock_learner(connection: Connection, learner_id: str) -> bool:
    """Let nobody else write this learner's stream until the transaction ends; False when there is no such learner."""
    found = connection.execute(
        select(LearnerRow.id).where(LearnerRow.id == learner_id).with_for_update(key_share=True)
    ).one_or_none()
    return found is not None


def enter(
    connection: Connection, learner_id: str, new: NewHistoricalAward, actor: Actor
) -> tuple[HistoricalAward, bool]:
    """Enter a historical award of a locked learner; answers with it, and whether it is new.

    The same credit is entered once: repeating it, with whatever reason, finds the first, unless that was voided.
    """
    content = (new.title, new.provider, new.credit_type, str(new.units.normalize()), new.completed_on.isoformat())
    voided = _voided_like(connection, learner_id, new)
    award_id = derived_id("haw", learner_id, *content, new.reference or "", str(voided))
    values = {name: getattr(new, name) for name in NewHistoricalAward.__dataclass_fields__}
    added = connection.execute(
        insert(HistoricalAwardRow)
        .values(id=award_id, learner_id=learner_id, entered_by=actor.account_id, **values)
        .on_conflict_do_nothing()
        .returning(HistoricalAwardRow.id)
    ).one_or_none()
    award = _one(connection, learner_id, award_id)
    assert award is not None  # noqa: S101  # it was there, or it was just added
    if added is not None:
        _enter_audit(connection, award, actor)
    return award, added is not None


def _voided_like(connection: Connection, learner_id: str, new: NewHistoricalAward) -> int:
    """How often this very credit was entered and voided."""
    row = HistoricalAwardRow
    is_like = (
        (row.learner_id == learner_id)
        & (row.title == new.title)
        & (row.provider == new.provider)
        & (row.credit_type == new.credit_type)
        & (row.units == new.units)
        & (row.completed_on == new.completed_on)
        & row.reference.is_not_distinct_from(new.reference)
    )
    query = select(func.count()).select_from(row).where(is_like, row.voided_at.is_not(None))
    return int(connection.execute(query).scalar_one())


def void(connection: Connection, learner_id: str, award_id: str, actor: Actor, reason: str) -> HistoricalAward | None:
    """Void a historical award of a locked learner; one that is voided stays as it is. None when there is none."""
    row = HistoricalAwardRow
    changed = connection.execute(
        update(row)
        .where(row.id == award_id, row.learner_id == learner_id, row.voided_at.is_(None))
        .values(voided_by=actor.account_id, voided_at=func.clock_timestamp(), void_reason=reason)
        .returning(row.id)
    ).one_or_none()
    award = _one(connection, learner_id, award_id)
    if award is not None and changed is not None:
        _enter_audit(connection, award, actor)
    return award


def _enter_audit(connection: Connection, award: HistoricalAward, actor: Actor) -> None:
    what = "voided" if award.is_voided else "entered"
    AuditStream.open(connection, learner_stream(award.learner_id)).append(
        AuditEntry(
            step_key=f"{award.id}:{what}",
            event=f"historical_award.{what}",
            at=award.voided_at or award.entered_at,
            actor=actor.account_id,
            after={
                "historical_award": award.id,
                "credit_type": award.credit_type,
                "units": str(award.units),
                "completed_on": award.completed_on.isoformat(),
            },
            reason=award.void_reason or award.reason,
            request_id=actor.request_id,
        )
    )


def _one(connection: Connection, learner_id: str, award_id: str) -> HistoricalAward | None:
    query = select(*_COLUMNS).where(HistoricalAwardRow.id == award_id, HistoricalAwardRow.learner_id == learner_id)
    row = connection.execute(query).mappings().one_or_none()
    return _award(row) if row else None


async def awards_of(connection: AsyncConnection, learner_id: str) -> list[HistoricalAward]:
    """What the transcript of a learner shows: of everyone who was merged into them too, and nothing voided."""
    rows = await connection.execute(_OF_PERSON, {"learner_id": learner_id})
    return [_award(row) for row in rows.mappings()]


async def entered_for(
    connection: AsyncConnection, learner_id: str, after: str | None, limit: int
) -> list[HistoricalAward]:
    """Everything that was entered for a learner, voided or not, the newest completion first."""
    values = {"learner_id": learner_id, "after": after, "limit": limit}
    rows = await connection.execute(_ENTERED_FOR, values)
    return [_award(row) for row in rows.mappings()]


def _award(row: RowMapping) -> HistoricalAward:
    return HistoricalAward(**row)
