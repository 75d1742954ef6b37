"""What somebody does at a desk or a terminal, entered in the audit trail beside the change that it makes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from storage.audit import AuditEntry, AuditStream
from storage.sealing import SealPurpose


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: an account's id, ``cli:<user>``, ``integration:<name>`` or ``laurel``; in which request."""

    id: str
    request_id: str | None = None


LAUREL = Actor("laurel")


def enter(
    connection: Connection,
    stream: str,
    event: str,
    actor: Actor,
    *,
    step_key: str | None = None,
    at: datetime | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    private: Mapping[str, Any] | None = None,
    subject: str | None = None,
    purpose: SealPurpose = SealPurpose.RECORD,
    rule: str | None = None,
    evidence: Mapping[str, str] | None = None,
) -> None:
    """Write the next entry of a stream, by default with the database's time.

    The caller holds a lock that every writer of the stream takes: the row of the claim, learner, CE activity or
    integration that it is about.
    """
    audit = AuditStream.open(connection, stream)
    now: datetime = at or connection.execute(select(func.clock_timestamp())).scalar_one()
    audit.append(
        AuditEntry(
            step_key=step_key or f"{event}:{audit.seq + 1}",
            event=event,
            at=now,
            actor=actor.id,
            before=before or {},
            after=after or {},
            rule=rule,
            evidence=evidence or {},
            private=private or {},
            subject=subject,
            purpose=purpose,
            request_id=actor.request_id,
        )
    )
