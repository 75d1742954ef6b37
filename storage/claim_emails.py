"""The e-mails about one claim, as staff see them, and that one of them was sent once more."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.notices import NoticePurpose
from storage.acts import Actor, enter
from storage.audit import claim_stream
from storage.queries import ClaimView
from storage.tables import OutgoingEmailRow

# A claim has a few e-mails; more than this would be a fault, and nobody reads on.
_MOST_SHOWN: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimEmail:
    """An e-mail about a claim. ``recipient`` is empty until it is sent first, and once the learner is erased.

    ``last_error`` is a code: why it could not be sent, or is not wanted any more.
    """

    id: str
    purpose: NoticePurpose
    recipient: str
    state: str
    tries: int
    created_at: datetime
    send_after: datetime
    sent_at: datetime | None
    last_error: str | None


_COLUMNS: Final = (
    OutgoingEmailRow.id,
    OutgoingEmailRow.purpose,
    OutgoingEmailRow.recipient,
    OutgoingEmailRow.state,
    OutgoingEmailRow.tries,
    OutgoingEmailRow.created_at,
    OutgoingEmailRow.send_after,
    OutgoingEmailRow.sent_at,
    OutgoingEmailRow.last_error,
)


async def of_claim(connection: AsyncConnection, claim_id: str) -> list[ClaimEmail]:
    """The e-mails about a claim, the newest first."""
    query = select(*_COLUMNS).where(OutgoingEmailRow.claim_id == claim_id)
    newest_first = query.order_by(OutgoingEmailRow.created_at.desc(), OutgoingEmailRow.id).limit(_MOST_SHOWN)
    rows = (await connection.execute(newest_first)).mappings()
    return [ClaimEmail(**{**row, "purpose": NoticePurpose(row["purpose"])}) for row in rows]


def enter_resending(connection: Connection, view: ClaimView, email: ClaimEmail, reason: str, actor: Actor) -> None:
    """Enter that staff had what an e-mail announced sent once more; the caller holds the claim's row."""
    enter(
        connection,
        claim_stream(view.id),
        "email.requeued",
        actor,
        after={"email": email.id, "purpose": email.purpose},
        private={"reason": reason},
        subject=view.learner_id,
    )
