"""E-mails that do not arrive: those that were given up, and those whose sending failed and is tried again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.notices import NoticePurpose
from storage.acts import Actor, enter
from storage.audit import claim_stream

_FAILING: Final = """
    (m.state = 'failed' OR m.state IN ('queued', 'sending') AND (m.last_error IS NOT NULL OR m.tries > 1))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingEmail:
    """An e-mail that was not taken; ``last_error`` is a code. ``claim_id`` is None where it is about no claim."""

    id: str
    purpose: str
    claim_id: str | None
    state: str
    tries: int
    created_at: datetime
    send_after: datetime
    last_error: str | None

    @property
    def can_retry(self) -> bool:
        """Whether staff may have it sent now: neither by its claim's workflow, nor a link that its token left."""
        is_ours = self.purpose not in (NoticePurpose.AWARD, NoticePurpose.SIGN_IN_LINK)
        return is_ours and (self.state == "failed" or (self.state == "queued" and self.last_error is not None))


_COLUMNS: Final = "m.id, m.purpose, m.claim_id, m.state, m.tries, m.created_at, m.send_after, m.last_error"
_LISTED: Final = text(
    f"""
    SELECT {_COLUMNS} FROM outgoing_emails m
     WHERE {_FAILING}
       AND (CAST(:after AS text) IS NULL
            OR (m.created_at, m.id) > (SELECT p.created_at, p.id FROM outgoing_emails p WHERE p.id = :after))
     ORDER BY m.created_at, m.id LIMIT :limit
    """  # noqa: S608  # constants only
)
_COUNT: Final = text(f"SELECT count(*) FROM outgoing_emails m WHERE {_FAILING}")  # noqa: S608  # constants only
_CLAIM: Final = text("SELECT claim_id FROM outgoing_emails WHERE id = :id")
# Whoever writes to a claim's stream holds its row; the learner is who the words are sealed for.
_LOCK_CLAIM: Final = text("SELECT learner_id FROM claims WHERE id = :claim_id FOR UPDATE")
_LOCK: Final = text(f"SELECT {_COLUMNS} FROM outgoing_emails m WHERE m.id = :id FOR UPDATE")  # noqa: S608  # constants
_AGAIN: Final = text(
    "UPDATE outgoing_emails SET state = 'queued', tries = 0, send_after = clock_timestamp() WHERE id = :id"
)


async def listed(connection: AsyncConnection, after: str | None, limit: int) -> Sequence[FailingEmail]:
    """What fails, the oldest first, after the e-mail ``after``."""
    rows = await connection.execute(_LISTED, {"after": after, "limit": limit})
    return [FailingEmail(**row) for row in rows.mappings()]


async def count(connection: AsyncConnection) -> int:
    """How many fail."""
    number: int = (await connection.execute(_COUNT)).scalar_one()
    return number


def lock(connection: Connection, email_id: str) -> FailingEmail | None:
    """An e-mail, held with the claim that it is about until the transaction ends; None when there is none."""
    claim_id = connection.execute(_CLAIM, {"id": email_id}).scalar_one_or_none()
    if claim_id is not None:
        connection.execute(_LOCK_CLAIM, {"claim_id": claim_id})
    row = connection.execute(_LOCK, {"id": email_id}).mappings().one_or_none()
    return FailingEmail(**row) if row else None


def queue_again(connection: Connection, email: FailingEmail, actor: Actor, reason: str) -> None:
    """Let the outbox try an e-mail now that the caller has locked; under its Message-ID, so that it arrives once."""
    connection.execute(_AGAIN, {"id": email.id})
    learner_id = connection.execute(_LOCK_CLAIM, {"claim_id": email.claim_id}).scalar_one_or_none()
    enter(
        connection,
        claim_stream(email.claim_id) if email.claim_id else f"email:{email.id}",
        "email.requeued",
        actor,
        after={"email": email.id, "purpose": email.purpose},
        private={"reason": reason},
        subject=learner_id,
    )
