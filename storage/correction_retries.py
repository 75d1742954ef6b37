"""Letting a parked correction go on, on an operator's word."""

from typing import Final

from sqlalchemy import Connection, func, select, text

from domain.submissions import StepRetried
from storage.acts import Actor, enter
from storage.audit import claim_stream
from storage.database import CLAIMS_CHANNEL

# Whoever writes to a claim's stream holds its row. What waits for issuance goes on by the end of the pause alone.
_LOCK_CLAIM: Final = text(
    """
    SELECT c.id, c.learner_id FROM claims c JOIN corrections r ON r.claim_id = c.id WHERE r.id = :id FOR UPDATE OF c
    """
)
_GO_ON: Final = text(
    """
    UPDATE corrections SET attention = NULL
     WHERE id = :id AND attention IN ('certificate_failed', 'email_failed') RETURNING kind
    """
)


def go_on(connection: Connection, correction_id: str, actor: Actor, asked: StepRetried) -> bool:
    """Let a correction wait for nobody any more; False when it waits for nothing that a retry would bring about.

    The caller tells the correction's workflow, which finds nothing to enter then.
    """
    claim = connection.execute(_LOCK_CLAIM, {"id": correction_id}).one_or_none()
    kind = connection.execute(_GO_ON, {"id": correction_id}).scalar_one_or_none()
    if claim is None or kind is None:
        return False
    after = {"correction": correction_id, "kind": kind, "attention": None, "error": None}
    enter(
        connection,
        claim_stream(claim.id),
        "correction.continued",
        actor,
        after={**after, "reason_code": asked.reason_code},
        private={"reason": asked.reason},
        subject=claim.learner_id,
    )
    connection.execute(select(func.pg_notify(CLAIMS_CHANNEL, f"{claim.id} {correction_id}")))
    return True
