"""What staff note about a claim, for colleagues. The words are sealed in the claim's audit stream, too."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.identities import new_id
from storage.acts import Actor, enter
from storage.audit import claim_stream
from storage.corrections import PurgedError
from storage.tables import ClaimNoteRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimNote:
    """A note: what was written, by which account, and when."""

    id: str
    text: str
    account_id: str
    written_at: datetime


_COLUMNS: Final = (ClaimNoteRow.id, ClaimNoteRow.text, ClaimNoteRow.account_id, ClaimNoteRow.written_at)
# Whoever writes to the claim's stream holds its row.
_LOCK: Final = text("SELECT purged_at FROM claims WHERE id = :claim_id FOR UPDATE")


def lock_claim(connection: Connection, claim_id: str) -> None:
    """Let nobody else write to a claim's audit stream until the transaction ends.

    Raises ``PurgedError`` once its retention has ended, and ``NoResultFound`` for a claim that is not in the record.
    """
    if connection.execute(_LOCK, {"claim_id": claim_id}).one().purged_at is not None:
        raise PurgedError(claim_id)


def write(connection: Connection, claim_id: str, learner_id: str, words: str, actor: Actor) -> ClaimNote:
    """Note something about a claim of this learner. Raises as ``lock_claim`` does."""
    lock_claim(connection, claim_id)
    values = {"id": new_id("cno"), "claim_id": claim_id, "account_id": actor.id, "text": words}
    note = ClaimNote(**connection.execute(insert(ClaimNoteRow).values(**values).returning(*_COLUMNS)).mappings().one())
    enter(
        connection,
        claim_stream(claim_id),
        "note.added",
        actor,
        at=note.written_at,
        after={"note": note.id},
        private={"text": words},
        subject=learner_id,
    )
    return note


async def of_claim(connection: AsyncConnection, claim_id: str, after: str | None, limit: int) -> list[ClaimNote]:
    """A claim's notes, the newest first; ``after`` is the id to go on from."""
    query = select(*_COLUMNS).where(ClaimNoteRow.claim_id == claim_id).order_by(ClaimNoteRow.id.desc()).limit(limit)
    if after is not None:
        query = query.where(ClaimNoteRow.id < after)
    return [ClaimNote(**row) for row in (await connection.execute(query)).mappings()]
