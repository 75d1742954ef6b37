"""Legal holds: what must not be removed although its retention is over, until somebody lifts the hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, TextClause, func, insert, select, text, update

from domain.identities import new_id
from storage.acts import Actor, enter
from storage.audit import claim_stream, learner_stream
from storage.catalog import ce_activity_stream
from storage.tables import LegalHoldRow


class UnknownSubjectError(LookupError):
    """There is no such claim, learner or CE activity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """A hold; ``subject`` is the audit stream of what is held. It is in force until ``lifted_at``."""

    id: str
    subject: str
    reason: str
    placed_by: str
    placed_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None
    lift_reason: str | None


@dataclass(frozen=True, slots=True)
class _Subject:
    stream: str
    learner_id: str | None


# Whoever writes to these streams holds these rows, too.
_CLAIM: Final = text("SELECT id, learner_id FROM claims WHERE id = :name FOR UPDATE")
_LEARNER: Final = text("SELECT id, id AS learner_id FROM learners WHERE id = :name FOR NO KEY UPDATE")
_CE_ACTIVITY: Final = text("SELECT id, NULL AS learner_id FROM ce_activities WHERE slug = :name FOR NO KEY UPDATE")


def place(connection: Connection, name: str, reason: str, actor: Actor) -> LegalHold:
    """Hold a claim or a learner, each by id, or a CE activity by its slug. Raises ``UnknownSubjectError``."""
    subject = _lock(connection, name)
    hold_id = new_id("hld")
    values = {"id": hold_id, "subject": subject.stream, "reason": reason, "placed_by": actor.id}
    connection.execute(insert(LegalHoldRow).values(**values))
    enter(connection, subject.stream, "legal_hold.placed", actor, **_told(subject, hold_id, reason))
    return _one(connection, hold_id)


def release(connection: Connection, hold_id: str, reason: str, actor: Actor) -> LegalHold:
    """Lift a hold; one that was lifted stays as it is. Raises ``NoResultFound`` for an unknown one."""
    hold = _one(connection, hold_id)
    subject = _lock_stream(connection, hold.subject)
    lifted = connection.execute(
        update(LegalHoldRow)
        .where(LegalHoldRow.id == hold_id, LegalHoldRow.lifted_at.is_(None))
        .values(lifted_by=actor.id, lifted_at=func.clock_timestamp(), lift_reason=reason)
    )
    if lifted.rowcount:
        enter(connection, subject.stream, "legal_hold.released", actor, **_told(subject, hold_id, reason))
    return _one(connection, hold_id)


def listed(connection: Connection, *, with_lifted: bool = False) -> list[LegalHold]:
    """The holds in force, or all that ever were, in the order of their time."""
    query = select(*LegalHoldRow.__table__.columns).order_by(LegalHoldRow.placed_at, LegalHoldRow.id)
    if not with_lifted:
        query = query.where(LegalHoldRow.lifted_at.is_(None))
    return [LegalHold(**row) for row in connection.execute(query).mappings()]


def held_among(connection: Connection, streams: Sequence[str]) -> bool:
    """Whether a hold is in force on one of these."""
    row = LegalHoldRow
    is_held = select(row.id).where(row.subject.in_(streams), row.lifted_at.is_(None)).limit(1)
    return connection.execute(is_held).one_or_none() is not None


def _lock(connection: Connection, name: str) -> _Subject:
    """What has this name, with its row locked until the transaction ends."""
    kinds: Mapping[str, tuple[TextClause, Any]] = {"clm": (_CLAIM, claim_stream), "lrn": (_LEARNER, learner_stream)}
    query, stream_of = kinds.get(name.partition("_")[0], (_CE_ACTIVITY, ce_activity_stream))
    row = connection.execute(query, {"name": name}).one_or_none()
    if row is None:
        raise UnknownSubjectError(name)
    return _Subject(stream_of(row.id), row.learner_id)


def _lock_stream(connection: Connection, stream: str) -> _Subject:
    kind, _, subject_id = stream.partition(":")
    if kind == "ce_activity":
        query = text("SELECT slug FROM ce_activities WHERE id = :id")
        subject_id = connection.execute(query, {"id": subject_id}).scalar_one()
    return _lock(connection, subject_id)


def _told(subject: _Subject, hold_id: str, reason: str) -> dict[str, Any]:
    """What an entry says of a hold."""
    return {"after": {"hold": hold_id}, "private": {"reason": reason}, "subject": subject.learner_id}


def _one(connection: Connection, hold_id: str) -> LegalHold:
    query = select(*LegalHoldRow.__table__.columns).where(LegalHoldRow.id == hold_id)
    return LegalHold(**connection.execute(query).mappings().one())
