"""Credit from before the portal's time, entered by staff: never changed and never deleted, but it can be voided.

Every function takes part in the caller's transaction. Entries of the audit trail are in the stream of the learner.
"""

from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.identities import new_id
from storage.acts import Actor
from storage.acts import enter as enter_act
from storage.audit import learner_stream
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


_COLUMNS: Final = tuple(HistoricalAwardRow.__table__.columns)
# Two that are the same can only have come together by a merge, and they count once.
_OF_PERSON: Final = text(
    f"""
    {PERSON}
    SELECT DISTINCT ON (title, provider, credit_type, units, completed_on, reference) h.*
      FROM historical_awards h JOIN person p ON p.id = h.learner_id
     WHERE h.voided_at IS NULL
     ORDER BY title, provider, credit_type, units, completed_on, reference, entered_at, id
    """  # noqa: S608  # both parts are ours
)
_ENTERED_FOR: Final = text(
    f"""
    {PERSON}
    SELECT h.* FROM historical_awards h JOIN person p ON p.id = h.learner_id
     WHERE (CAST(:after AS text) IS NULL OR (h.completed_on, h.id) < (
              SELECT a.completed_on, a.id FROM historical_awards a JOIN person o ON o.id = a.learner_id
               WHERE a.id = :after))
     ORDER BY h.completed_on DESC, h.id DESC LIMIT :limit
    """  # noqa: S608  # both parts are ours
)


def lock_learner(connection: Connection, learner_id: str) -> str | None:
    """Let nobody else write a learner's record until the transaction ends; None when there is no such learner.

    Answers with whose record it is: the learner's own, or that of whom they were merged into.
    """
    row = connection.execute(_learner(learner_id)).one_or_none()
    while row is not None and row.merged_into is not None:
        row = connection.execute(_learner(row.merged_into)).one_or_none()
    if row is None:
        return None
    # Only the kept learner is locked, because a merge locks several in the order of their ids.
    locked = connection.execute(_learner(row.id).with_for_update(key_share=True)).one()
    return locked.id if locked.merged_into is None else lock_learner(connection, locked.id)


def _learner(learner_id: str) -> Select[str, str | None]:
    return select(LearnerRow.id, LearnerRow.merged_into).where(LearnerRow.id == learner_id)


def enter(
    connection: Connection, learner_id: str, new: NewHistoricalAward, actor: Actor
) -> tuple[HistoricalAward, bool]:
    """Enter a historical award of a locked learner; answers with it, and whether it is new.

    The same credit is entered once: repeating it, with whatever reason, finds the first, unless that was voided.
    """
    earlier = _one(connection, _is_same(learner_id, new))
    if earlier is not None:
        return earlier, False
    values = asdict(new) | {"id": new_id("haw"), "learner_id": learner_id, "entered_by": actor.id}
    added = connection.execute(insert(HistoricalAwardRow).values(**values).returning(*_COLUMNS))
    award = HistoricalAward(**added.mappings().one())
    _enter_audit(connection, award, actor)
    return award, True


def _is_same(learner_id: str, new: NewHistoricalAward) -> ColumnElement[bool]:
    row = HistoricalAwardRow
    return and_(
        row.learner_id == learner_id,
        row.title == new.title,
        row.provider == new.provider,
        row.credit_type == new.credit_type,
        row.units == new.units,
        row.completed_on == new.completed_on,
        row.reference.is_not_distinct_from(new.reference),
        row.voided_at.is_(None),
    )


def void(connection: Connection, learner_id: str, award_id: str, actor: Actor, reason: str) -> HistoricalAward | None:
    """Void a historical award of a locked learner; one that is voided stays as it is. None when there is none."""
    row = HistoricalAwardRow
    is_meant = and_(row.id == award_id, row.learner_id == learner_id)
    changed = connection.execute(
        update(row)
        .where(is_meant, row.voided_at.is_(None))
        .values(voided_by=actor.id, voided_at=func.clock_timestamp(), void_reason=reason)
        .returning(row.id)
    ).one_or_none()
    award = _one(connection, is_meant)
    if award is not None and changed is not None:
        _enter_audit(connection, award, actor)
    return award


def _enter_audit(connection: Connection, award: HistoricalAward, actor: Actor) -> None:
    what, before, after = ("voided", "entered", "voided") if award.is_voided else ("entered", None, "entered")
    enter_act(
        connection,
        learner_stream(award.learner_id),
        f"historical_award.{what}",
        actor,
        step_key=f"{award.id}:{what}",
        at=award.voided_at or award.entered_at,
        before={"state": before},
        after={
            "state": after,
            "historical_award": award.id,
            "credit_type": award.credit_type,
            "units": str(award.units),
            "completed_on": award.completed_on.isoformat(),
        },
        private={
            "reason": award.void_reason or award.reason,
            "title": award.title,
            "provider": award.provider,
            "reference": award.reference,
        },
        subject=award.learner_id,
    )


def _one(connection: Connection, is_meant: ColumnElement[bool]) -> HistoricalAward | None:
    query = select(*_COLUMNS).where(is_meant).order_by(HistoricalAwardRow.entered_at).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    return HistoricalAward(**row) if row else None


async def awards_of(connection: AsyncConnection, learner_id: str) -> list[HistoricalAward]:
    """What the transcript of the person that a learner is shows: nothing voided, and nothing twice."""
    rows = await connection.execute(_OF_PERSON, {"learner_id": learner_id})
    return [HistoricalAward(**row) for row in rows.mappings()]


async def entered_for(
    connection: AsyncConnection, learner_id: str, after: str | None, limit: int
) -> list[HistoricalAward]:
    """Everything that was entered for the person that a learner is, voided or not, the newest completion first."""
    values = {"learner_id": learner_id, "after": after, "limit": limit}
    rows = await connection.execute(_ENTERED_FOR, values)
    return [HistoricalAward(**row) for row in rows.mappings()]
