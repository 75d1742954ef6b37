"""Links by which a learner lets others read a transcript. Of a link's token only the SHA-256 is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.identities import new_id
from domain.transcripts import TranscriptFilter, TranscriptLinkState, link_state
from storage.acts import Actor, enter
from storage.audit import learner_stream
from storage.login_sessions import token_hash
from storage.tables import LearnerRow, TranscriptLinkRow
from storage.transcripts import PERSON


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptLink:
    """A link to the part of a transcript that its filter lets through; ``read_at`` is the database's clock."""

    id: str
    learner_id: str
    from_on: date | None
    until_on: date | None
    year: int | None
    credit_type: str | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    read_at: datetime

    @property
    def wanted(self) -> TranscriptFilter:
        """What it shows."""
        return TranscriptFilter(
            from_on=self.from_on, until_on=self.until_on, year=self.year, credit_type=self.credit_type
        )

    @property
    def state(self) -> TranscriptLinkState:
        """Whether it worked when it was read."""
        return link_state(self.expires_at, self.revoked_at, self.read_at)


_COLUMNS: Final = (
    *(column for column in TranscriptLinkRow.__table__.columns if column.name != "token_hash"),
    func.clock_timestamp().label("read_at"),
)
_OF_PERSON: Final = text(
    f"""
    {PERSON}
    SELECT t.id, t.learner_id, t.from_on, t.until_on, t.year, t.credit_type, t.created_at, t.expires_at, t.revoked_at,
           clock_timestamp() AS read_at
      FROM transcript_links t JOIN person p ON p.id = t.learner_id
     ORDER BY t.created_at DESC, t.id DESC LIMIT :limit
    """  # noqa: S608  # both parts are ours
)
_LOCK_OF_PERSON: Final = text(
    f"""
    {PERSON}
    SELECT t.id FROM transcript_links t JOIN person p ON p.id = t.learner_id WHERE t.id = :link_id FOR UPDATE OF t
    """  # noqa: S608  # both parts are ours
)


def add(
    connection: Connection, learner_id: str, token: str, wanted: TranscriptFilter, *, life: timedelta, actor: Actor
) -> TranscriptLink:
    """Make a link that works for a while under this token."""
    _lock_learner(connection, learner_id)
    values = {
        "id": new_id("trl"),
        "token_hash": token_hash(token),
        "learner_id": learner_id,
        "from_on": wanted.from_on,
        "until_on": wanted.until_on,
        "year": wanted.year,
        "credit_type": wanted.credit_type,
        # The same moment twice, where the clock would have gone on between the two.
        "created_at": func.statement_timestamp(),
        "expires_at": func.statement_timestamp() + life,
    }
    added = connection.execute(insert(TranscriptLinkRow).values(**values).returning(*_COLUMNS))
    link = TranscriptLink(**added.mappings().one())
    after = {"transcript_link": link.id, "state": link.state, "expires_at": link.expires_at.isoformat()}
    stream = learner_stream(learner_id)
    enter(connection, stream, "transcript_link.created", actor, step_key=f"{link.id}:created", after=after)
    return link


def revoke(connection: Connection, learner_id: str, link_id: str, actor: Actor) -> bool:
    """End a link of the person that a learner is; one that has ended stays as it is. False when there is none."""
    _lock_learner(connection, learner_id)
    found = connection.execute(_LOCK_OF_PERSON, {"learner_id": learner_id, "link_id": link_id}).one_or_none()
    if found is None:
        return False
    revoked = connection.execute(
        update(TranscriptLinkRow)
        .where(
            TranscriptLinkRow.id == link_id,
            TranscriptLinkRow.revoked_at.is_(None),
            TranscriptLinkRow.expires_at > func.clock_timestamp(),
        )
        .values(revoked_at=func.clock_timestamp())
        .returning(TranscriptLinkRow.id)
    ).one_or_none()
    if revoked is not None:
        before, after = {"state": TranscriptLinkState.ACTIVE}, {"transcript_link": link_id}
        enter(
            connection,
            learner_stream(learner_id),
            "transcript_link.revoked",
            actor,
            step_key=f"{link_id}:revoked",
            before=before,
            after={**after, "state": TranscriptLinkState.REVOKED},
        )
    return True


def _lock_learner(connection: Connection, learner_id: str) -> None:
    """Entries in a learner's stream are written one after the other."""
    connection.execute(select(LearnerRow.id).where(LearnerRow.id == learner_id).with_for_update(key_share=True))


async def links_of(connection: AsyncConnection, learner_id: str, limit: int) -> Sequence[TranscriptLink]:
    """The newest links of the person that a learner is, whether they work or not."""
    rows = await connection.execute(_OF_PERSON, {"learner_id": learner_id, "limit": limit})
    return [TranscriptLink(**row) for row in rows.mappings()]


async def link_with(connection: AsyncConnection, token: str) -> TranscriptLink | None:
    """The link with this token, whether it works or not; None when there is none."""
    found = await connection.execute(select(*_COLUMNS).where(TranscriptLinkRow.token_hash == token_hash(token)))
    row = found.mappings().one_or_none()
    return TranscriptLink(**row) if row else None
