"""Events of learning platforms: each kept once for ever, applied at once, or in quarantine until it can be.

One transaction holds the event, the evidence that it is, and the submissions that tell its claim.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB

from domain.platform_events import (
    EMAIL,
    LEARNER_KEYS,
    EventProblem,
    EventState,
    LearnerKey,
    normalize_learner_key,
    read_event,
)
from storage.acts import Actor
from storage.integrations import enter
from storage.platform_effects import NotApplicableError, Source, apply, find_learner, lock_learner
from storage.tables import AccountRow, IntegrationEventRow, LearnerIdentifierRow, LearnerRow

SYSTEM: Final = "laurel"
_MOST_RETRIED: Final = 1_000


class EventIdReusedError(Exception):
    """The integration has sent another event under this id."""


class EventNotFoundError(Exception):
    """There is no such event."""


class EventSettledError(Exception):
    """The event is not in quarantine."""


class LearnerNotFoundError(Exception):
    """There is no such learner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """An event and what became of it; ``problem`` says why it is in quarantine, or was when it was dismissed."""

    integration: str
    id: str
    type: str
    body: Mapping[str, Any]
    state: EventState
    problem: EventProblem | None
    learner_id: str | None
    received_at: datetime
    settled_at: datetime | None
    settled_by: str | None


_KEEP: Final = text(
    """
    INSERT INTO integration_events (integration, id, type, body, state)
    VALUES (:integration, :id, :type, :body, :state)
    ON CONFLICT DO NOTHING RETURNING id
    """
).bindparams(bindparam("body", type_=JSONB()))
_IS_SAME: Final = text(
    "SELECT body = :body FROM integration_events WHERE integration = :integration AND id = :id"
).bindparams(bindparam("body", type_=JSONB()))


def receive(connection: Connection, source: Source, body: Mapping[str, Any]) -> bool:
    """Keep an event whose shape was checked, and apply it if that is possible; False when it came before.

    The same event sent twice at once waits for itself. Raises ``EventIdReusedError`` when another one has its id.
    """
    event = {"integration": source.integration, "id": source.event_id, "body": dict(body)}
    kept = connection.execute(_KEEP, {**event, "type": body["type"], "state": EventState.IGNORED}).one_or_none()
    if kept is None:
        if not connection.execute(_IS_SAME, event).scalar_one():
            raise EventIdReusedError
        return False
    _save(connection, source, **_outcome(connection, source, body, None))
    return True


def _outcome(
    connection: Connection, source: Source, body: Mapping[str, Any], learner_id: str | None
) -> dict[str, str | None]:
    """Apply an event, to a learner whom staff named if they did; the columns that say what became of it."""
    report = read_event(body)
    if report is None:
        return {"state": EventState.IGNORED, "problem": None, "learner_id": None}
    problem = None
    try:
        learner_id = learner_id or find_learner(connection, report.learner)
        apply(connection, source, learner_id, report)
    except NotApplicableError as error:
        problem = error.problem
    state = EventState.QUARANTINED if problem else EventState.APPLIED
    return {"state": state, "problem": problem, "learner_id": learner_id}


def _save(connection: Connection, source: Source, **values: Any) -> None:
    connection.execute(update(IntegrationEventRow).where(_is(source)).values(**values))


def _is(source: Source) -> ColumnElement[bool]:
    return (IntegrationEventRow.integration == source.integration) & (IntegrationEventRow.id == source.event_id)


def assign(connection: Connection, source: Source, learner_id: str, actor: str) -> EventView:
    """Apply a quarantined event to a learner whom staff name.

    Raises ``EventNotFoundError``, ``EventSettledError`` or ``LearnerNotFoundError``.
    """
    event = _lock_quarantined(connection, source)
    kept_id = lock_learner(connection, learner_id)
    if kept_id is None:
        raise LearnerNotFoundError
    return _settle(connection, source, event, action="event.assigned", actor=actor, learner_id=kept_id)


def retry(connection: Connection, source: Source, actor: str) -> EventView:
    """Try a quarantined event again, with the learner it was assigned to if there is one.

    Raises ``EventNotFoundError`` or ``EventSettledError``.
    """
    event = _lock_quarantined(connection, source)
    kept_id = lock_learner(connection, event.learner_id) if event.learner_id else None
    return _settle(connection, source, event, action="event.retried", actor=actor, learner_id=kept_id)


def dismiss(connection: Connection, source: Source, reason: str, actor: str) -> EventView:
    """Let a quarantined event have no effect, for a reason. Raises as ``retry`` does."""
    event = _lock_quarantined(connection, source)
    _save(connection, source, state=EventState.DISMISSED, settled_at=func.clock_timestamp(), settled_by=actor)
    after = {"event": source.event_id, "state": EventState.DISMISSED}
    enter(
        connection,
        source.integration,
        "event.dismissed",
        Actor(actor, source.request_id),
        before={"state": event.state},
        after=after,
        reason=reason,
        subject=event.learner_id,
    )
    return _event(connection, source)


_WAITING: Final = text(
    """
    SELECT integration, id, body #> '{data,learner}' AS learner FROM integration_events
     WHERE state = 'quarantined' AND problem IN ('learner_unknown', 'learner_ambiguous')
       AND (lower(trim(body #>> '{data,learner,email}')) = :email
            OR jsonb_exists_any(body #> '{data,learner}', :kinds))
     ORDER BY received_at, integration, id
    """
)


def retry_for_learner(connection: Connection, learner_id: str) -> int:
    """Try again what waits for a learner with this one's address or identifiers; answers how many were applied.

    At most 1,000 at a time. Call it in the transaction that made the account or changed the profile, after the change.
    """
    email, identifiers = _keys_of(connection, learner_id)
    keys = {LearnerKey(EMAIL, email), *(LearnerKey(kind, value) for kind, value in identifiers.items())}
    waiting = connection.execute(_WAITING, {"email": email, "kinds": sorted(LEARNER_KEYS & identifiers.keys())})
    matching = [row for row in waiting if keys & {_normalized(kind, value) for kind, value in row.learner.items()}]
    applied = 0
    for row in matching[:_MOST_RETRIED]:
        source = Source(row.integration, row.id, None)
        event = _lock(connection, source, skip_locked=True)
        if event is not None and event.state is EventState.QUARANTINED:
            settled = _settle(connection, source, event, action="event.retried", actor=SYSTEM)
            applied += settled.state is EventState.APPLIED
    return applied


def _keys_of(connection: Connection, learner_id: str) -> tuple[str, dict[str, str]]:
    """The address in small letters, empty without an account, and the identifiers of a learner."""
    email = connection.execute(
        select(func.lower(AccountRow.email))
        .join(LearnerRow, LearnerRow.account_id == AccountRow.id)
        .where(LearnerRow.id == learner_id)
    ).scalar_one_or_none()
    identifiers = connection.execute(
        select(LearnerIdentifierRow.kind, LearnerIdentifierRow.value).where(
            LearnerIdentifierRow.learner_id == learner_id
        )
    )
    return email or "", {row.kind: row.value for row in identifiers}


def _normalized(kind: str, value: str) -> LearnerKey:
    return LearnerKey(kind, normalize_learner_key(LearnerKey(kind, value)) or "")


def _settle(
    connection: Connection, source: Source, event: EventView, *, action: str, actor: str, learner_id: str | None = None
) -> EventView:
    outcome = _outcome(connection, source, event.body, learner_id)
    is_settled = outcome["state"] == EventState.APPLIED
    settled = {"settled_at": func.clock_timestamp(), "settled_by": actor} if is_settled else {}
    _save(connection, source, **outcome, **settled)
    after = {
        "event": source.event_id,
        "state": outcome["state"],
        "problem": outcome["problem"],
        "learner": outcome["learner_id"],
    }
    before = {"state": event.state, "problem": event.problem, "learner": event.learner_id}
    enter(connection, source.integration, action, Actor(actor, source.request_id), before=before, after=after)
    return _event(connection, source)


def events(
    connection: Connection, state: EventState, integration: str | None, after: Source | None, limit: int
) -> list[EventView]:
    """Events in a state, of one integration or of all, in the order of their receipt; those that follow ``after``.

    Raises ``EventNotFoundError`` when there is no event ``after``.
    """
    key = tuple_(IntegrationEventRow.received_at, IntegrationEventRow.integration, IntegrationEventRow.id)
    query = select(*_COLUMNS).where(IntegrationEventRow.state == state)
    if integration is not None:
        query = query.where(IntegrationEventRow.integration == integration)
    if after is not None:
        last = _event(connection, after)
        query = query.where(key > tuple_(last.received_at, last.integration, last.id))
    rows = connection.execute(query.order_by(*key.clauses).limit(limit))
    return [_view(row) for row in rows.mappings()]


_COLUMNS: Final = tuple(IntegrationEventRow.__table__.columns)


def _event(connection: Connection, source: Source) -> EventView:
    row = connection.execute(select(*_COLUMNS).where(_is(source))).mappings().one_or_none()
    if row is None:
        raise EventNotFoundError
    return _view(row)


def _lock(connection: Connection, source: Source, *, skip_locked: bool = False) -> EventView | None:
    query = select(*_COLUMNS).where(_is(source)).with_for_update(skip_locked=skip_locked)
    row = connection.execute(query).mappings().one_or_none()
    return _view(row) if row else None


def _lock_quarantined(connection: Connection, source: Source) -> EventView:
    event = _lock(connection, source)
    if event is None:
        raise EventNotFoundError
    if event.state is not EventState.QUARANTINED:
        raise EventSettledError
    return event


def _view(row: RowMapping) -> EventView:
    problem = EventProblem(row["problem"]) if row["problem"] else None
    return EventView(**{**row, "state": EventState(row["state"]), "problem": problem})
