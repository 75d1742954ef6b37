"""The issuance pause in the record: placing and lifting it, and finding what waits for its end.

Whoever may issue takes a share of one lock in the transaction that issues, and reads afterwards whether issuance is
paused; whoever pauses takes that lock alone. So once a pause is acknowledged, nothing is issued any more. What waits
says so in its own row, and is looked for as long as it does: a wake-up that is lost is followed by another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, insert, select, text, update

from domain.identities import new_id
from domain.reasons import PauseReason, ResumptionReason
from storage.acts import Actor, enter
from storage.tables import IssuancePauseRow, ProviderRow

STREAM: Final = "issuance"
_LOCK: Final = "hashtext('laurel issuance')"
SHARE_IN_ISSUANCE: Final = f"pg_advisory_xact_lock_shared({_LOCK})"
"""Takes a share of the lock, as an expression of SQL; what is read in a later statement holds until the commit."""

IS_PAUSED: Final = """
    EXISTS (SELECT 1 FROM issuance_pauses p JOIN ce_activities a ON a.id = c.ce_activity_id
             WHERE p.lifted_at IS NULL AND (p.provider IS NULL OR p.provider = a.provider_slug))
"""
"""Whether issuance is paused for a claim ``c``, as an expression of SQL."""

_ALONE: Final = text(f"SELECT pg_advisory_xact_lock({_LOCK})")


class UnknownProviderError(LookupError):
    """No provider has this slug."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuancePause:
    """A pause of one provider, or of all (None). It is in force until ``lifted_at``."""

    id: str
    provider: str | None
    reason_code: PauseReason
    reason: str
    placed_by: str
    placed_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None
    lift_reason_code: ResumptionReason | None
    lift_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many claims and corrections wait for issuance to go on."""

    claims: int
    corrections: int


def place(
    connection: Connection, provider: str | None, reason_code: PauseReason, reason: str, actor: Actor
) -> tuple[IssuancePause, bool]:
    """Pause issuance, and tell whether that is new: a pause that is in force already stays as it was placed.

    Waits for the transactions that issue at this moment, for milliseconds. Raises ``UnknownProviderError``.
    """
    if provider is not None and not _is_provider(connection, provider):
        raise UnknownProviderError(provider)
    connection.execute(_ALONE)
    earlier = in_force(connection, provider)
    if earlier is not None:
        return earlier, False
    pause_id, row = new_id("isp"), IssuancePauseRow
    values = {"id": pause_id, "provider": provider, "reason_code": reason_code, "reason": reason}
    placed = insert(row).values(**values, placed_by=actor.id).returning(*row.__table__.columns)
    pause = _pause(connection.execute(placed).mappings().one())
    said = _said(pause, reason_code)
    enter(connection, STREAM, "issuance.paused", actor, after=said, private={"reason": reason})
    return pause, True


def in_force(connection: Connection, provider: str | None) -> IssuancePause | None:
    """The pause of this provider, or the one of all (None), that is in force."""
    return next((pause for pause in listed(connection) if pause.provider == provider), None)


def lift(
    connection: Connection, pause_id: str, reason_code: ResumptionReason, reason: str, actor: Actor
) -> IssuancePause | None:
    """Let issuance go on; a pause that was lifted stays as it is. None for an unknown one."""
    connection.execute(_ALONE)
    pause = _one(connection, pause_id)
    if pause is None or pause.lifted_at is not None:
        return pause
    lifting = {"lifted_by": actor.id, "lift_reason_code": reason_code, "lift_reason": reason}
    connection.execute(
        update(IssuancePauseRow)
        .where(IssuancePauseRow.id == pause_id)
        .values(**lifting, lifted_at=func.clock_timestamp())
    )
    said = _said(pause, reason_code)
    enter(connection, STREAM, "issuance.resumed", actor, after=said, private={"reason": reason})
    return _one(connection, pause_id)


def listed(connection: Connection, *, with_lifted: bool = False) -> list[IssuancePause]:
    """The pauses in force, the oldest first; or the newest hundred that ever were, the newest first."""
    row = IssuancePauseRow
    query = select(*row.__table__.columns)
    if with_lifted:
        query = query.order_by(row.placed_at.desc(), row.id.desc()).limit(100)
    else:
        query = query.where(row.lifted_at.is_(None)).order_by(row.placed_at, row.id)
    return [_pause(each) for each in connection.execute(query).mappings()]


_WAITING: Final = text(
    """
    SELECT (SELECT count(*) FROM claims WHERE attention = 'issuance_paused') AS claims,
           (SELECT count(*) FROM corrections WHERE attention = 'issuance_paused') AS corrections
    """
)


def waiting(connection: Connection) -> Waiting:
    """How much waits at present, for whichever pause, or is about to be woken."""
    return Waiting(**connection.execute(_WAITING).mappings().one())


_PAUSED: Final = text(f"SELECT {IS_PAUSED} FROM claims c WHERE c.id = :claim_id")  # noqa: S608  # constants only


def is_paused(connection: Connection, claim_id: str) -> bool:
    """Whether nothing may be issued for a claim at present; without the lock, that may change at any moment."""
    return bool(connection.execute(_PAUSED, {"claim_id": claim_id}).scalar_one_or_none())


def providers(connection: Connection) -> list[tuple[str, str]]:
    """Slug and name of each provider that has published a CE activity, by name."""
    rows = connection.execute(select(ProviderRow.slug, ProviderRow.name).order_by(ProviderRow.name, ProviderRow.slug))
    return [(row.slug, row.name) for row in rows]


# In no order, so that some that cannot be woken hold up nobody; each row is found again until it waits no more.
_CLAIMS: Final = text(
    f"""
    SELECT c.id AS claim_id, y.slug AS ce_activity, y.provider_slug AS provider, c.stage, c.stage_since_at, c.due_at
      FROM claims c JOIN ce_activities y ON y.id = c.ce_activity_id
     WHERE c.attention = 'issuance_paused' AND NOT {IS_PAUSED}
     ORDER BY random() LIMIT 500
    """  # noqa: S608  # constants only
)
_CORRECTIONS: Final = text(
    f"""
    SELECT r.id AS correction_id, y.slug AS ce_activity, y.provider_slug AS provider
      FROM corrections r JOIN claims c ON c.id = r.claim_id JOIN ce_activities y ON y.id = c.ce_activity_id
     WHERE r.attention = 'issuance_paused' AND NOT {IS_PAUSED}
     ORDER BY random() LIMIT 500
    """  # noqa: S608  # constants only
)


def resumable_claims(connection: Connection) -> Sequence[RowMapping]:
    """Up to 500 claims that still wait although issuance goes on, in no order."""
    return connection.execute(_CLAIMS).mappings().all()


def resumable_corrections(connection: Connection) -> Sequence[RowMapping]:
    """Up to 500 corrections that still wait although issuance goes on, in no order."""
    return connection.execute(_CORRECTIONS).mappings().all()


def _said(pause: IssuancePause, reason_code: str) -> dict[str, Any]:
    of_one = {"provider": pause.provider} if pause.provider else {}
    return {"pause": pause.id, **of_one, "reason_code": reason_code}


def _is_provider(connection: Connection, slug: str) -> bool:
    return connection.execute(select(ProviderRow.slug).where(ProviderRow.slug == slug)).one_or_none() is not None


def _one(connection: Connection, pause_id: str) -> IssuancePause | None:
    query = select(*IssuancePauseRow.__table__.columns).where(IssuancePauseRow.id == pause_id)
    row = connection.execute(query).mappings().one_or_none()
    return _pause(row) if row else None


def _pause(row: RowMapping) -> IssuancePause:
    lifted: Any = row["lift_reason_code"]
    codes = {
        "reason_code": PauseReason(row["reason_code"]),
        "lift_reason_code": ResumptionReason(lifted) if lifted else None,
    }
    return IssuancePause(**{**row, **codes})
