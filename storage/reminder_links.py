"""The links in reminders with which whoever has the e-mail switches them off."""

import secrets
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

# A learner has one token for good, so that an old e-mail's link works and a repeated e-mail has the same bytes.
_TOKEN: Final = text(
    """
    WITH added AS (
        INSERT INTO reminder_links (learner_id, token) VALUES (:learner_id, :token)
        ON CONFLICT (learner_id) DO NOTHING RETURNING token
    )
    SELECT token FROM added UNION ALL SELECT token FROM reminder_links WHERE learner_id = :learner_id LIMIT 1
    """
)
_LEARNER: Final = text(
    """
    SELECT k.id, k.account_id
      FROM reminder_links r JOIN learners l ON l.id = r.learner_id
      JOIN learners k ON k.id = coalesce(l.merged_into, l.id)
     WHERE r.token = :token AND k.account_id IS NOT NULL
    """
)


def token_of(connection: Connection, learner_id: str) -> str:
    """The token in a learner's reminders, made when the first is written."""
    values = {"learner_id": learner_id, "token": secrets.token_urlsafe(32)}
    while True:
        # Another sender may be about to commit the same learner's token: then neither row is seen, once.
        token: str | None = connection.execute(_TOKEN, values).scalar()
        if token is not None:
            return token


async def learner_with(connection: AsyncConnection, token: str) -> tuple[str, str] | None:
    """Whose reminders carry this token, as the ids of learner and account; None when nobody's do."""
    row = (await connection.execute(_LEARNER, {"token": token})).one_or_none()
    return (row.id, row.account_id) if row else None
