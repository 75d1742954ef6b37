"""What leaves the house: each export is entered in one stream, with who took it, why, and the hash of what they got."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select

from storage import acts
from storage.acts import Actor

STREAM: Final = "disclosures"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Who takes something out of the record, and for what."""

    actor: Actor
    reason: str


def enter(
    connection: Connection,
    event: str,
    disclosure: Disclosure,
    *,
    after: Mapping[str, Any],
    evidence: Mapping[str, str],
    subject: str | None = None,
) -> None:
    """Enter that something was handed out; commit before it is. ``subject`` is the learner whom the reason is about."""
    # Whoever exports takes turns with others who do, so that none is refused.
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(STREAM, 0))))
    acts.enter(
        connection,
        STREAM,
        event,
        disclosure.actor,
        after=after,
        evidence=evidence,
        private={"reason": disclosure.reason},
        subject=subject,
    )
