"""Corrections in the record: asked for and decided about by the API, brought about by activities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.claims import Attention
from domain.corrections import UNFINISHED_STATES, Change, CorrectionKind, CorrectionState, from_json
from domain.people import name_key
from domain.reasons import CorrectionResolutionReason
from storage.database import CLAIMS_CHANNEL
from storage.tables import CEActivityRow, ClaimRow, CorrectionRow, LearnerRow


class InProgressError(Exception):
    """The claim has a correction that is not finished; ``correction_id`` says which."""

    def __init__(self, correction_id: str) -> None:
        super().__init__(correction_id)
        self.correction_id = correction_id


class PurgedError(Exception):
    """What a correction needs was removed at the end of the claim's retention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCorrection:
    """A correction that is about to be recorded; ``body`` is the change as ``domain.corrections.to_json`` writes it."""

    id: str
    claim_id: str
    kind: CorrectionKind
    state: CorrectionState
    body: Mapping[str, object]
    reason: str
    requested_by: str
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """That a parked correction is to end as it is: on whose word, why, and when that was said.

    ``by`` is an account's id or ``operator:<name>``. ``reason`` is for the office, and None once retention is over.
    """

    by: str
    reason_code: CorrectionResolutionReason
    reason: str | None
    request_id: str | None = None
    at: datetime | None = None

    @property
    def columns(self) -> dict[str, str | None]:
        """The columns of the correction that say so, but for the time."""
        return {
            "resolved_by": self.by,
            "resolution_code": self.reason_code,
            "resolution": self.reason,
            "resolution_request_id": self.request_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A correction as it stands. ``is_approved`` is a second person's word, None before it or where none is asked.

    ``resolution`` is the office's word that it is to end as it is although it is parked. ``body`` is empty once the
    claim's retention is over.
    """

    id: str
    claim_id: str
    kind: CorrectionKind
    state: CorrectionState
    attention: Attention | None
    body: Mapping[str, Any]
    reason: str
    requested_by: str
    request_id: str | None
    requested_at: datetime
    is_approved: bool | None
    decided_by: str | None
    decision_request_id: str | None
    decided_at: datetime | None
    resolution: Resolution | None
    applied_at: datetime | None
    finished_at: datetime | None
    outcome: Mapping[str, Any] | None

    @property
    def change(self) -> Change:
        """What is asked for, while it is not finished."""
        return from_json(self.kind, self.body)


_COLUMNS: Final = [column for column in CorrectionRow.__table__.columns if column.name != "reason_class"]


def _correction(row: RowMapping) -> Correction:
    attention = Attention(row["attention"]) if row["attention"] else None
    read = {"kind": CorrectionKind(row["kind"]), "state": CorrectionState(row["state"]), "attention": attention}
    plain = {name: value for name, value in row.items() if name not in _OF_RESOLUTION}
    return Correction(**{**plain, **read, "resolution": _resolution(row)})


_OF_RESOLUTION: Final = ("resolved_by", "resolution_code", "resolution", "resolution_request_id", "resolved_at")


def _resolution(row: RowMapping) -> Resolution | None:
    by, code, reason, request_id, at = (row[name] for name in _OF_RESOLUTION)
    if by is None:
        return None
    return Resolution(by=by, reason_code=CorrectionResolutionReason(code), reason=reason, request_id=request_id, at=at)


def claim_of(connection: Connection, correction_id: str) -> str:
    """The claim that a correction is of; raises ``NoResultFound``."""
    found: str = connection.execute(
        select(CorrectionRow.claim_id).where(CorrectionRow.id == correction_id)
    ).scalar_one()
    return found


def lock(connection: Connection, correction_id: str) -> Correction:
    """Lock a correction until the transaction ends; its claim is locked before it."""
    query = select(*_COLUMNS).where(CorrectionRow.id == correction_id).with_for_update()
    return _correction(connection.execute(query).mappings().one())


def save(connection: Connection, correction: Correction, values: Mapping[str, Any]) -> None:
    """Write changed columns of a correction. Whoever waits for it, or watches its claim, is woken.

    One that was approved is about to be made, which is what they wait for.
    """
    connection.execute(update(CorrectionRow).where(CorrectionRow.id == correction.id).values(**values))
    if correction.state is not CorrectionState.APPROVED:
        connection.execute(select(func.pg_notify(CLAIMS_CHANNEL, f"{correction.claim_id} {correction.id}")))


def current_version(connection: Connection, ce_activity_id: str) -> str:
    """The id of the newest published policy of a CE activity."""
    query = select(CEActivityRow.version_id).where(CEActivityRow.id == ce_activity_id)
    version_id: str = connection.execute(query).scalar_one()
    return version_id


def name_of(connection: Connection, learner_id: str) -> dict[str, str | None]:
    """``given_name``, ``family_name`` and ``credentials`` of a learner, locked until the transaction ends."""
    query = select(LearnerRow.given_name, LearnerRow.family_name, LearnerRow.credentials)
    locked = query.where(LearnerRow.id == learner_id).with_for_update(key_share=True)
    return dict(connection.execute(locked).mappings().one())


def save_name(connection: Connection, learner_id: str, name: Mapping[str, str | None]) -> None:
    """Let the profile have the corrected name."""
    key = name_key(name["given_name"], name["family_name"])
    connection.execute(
        update(LearnerRow)
        .where(LearnerRow.id == learner_id)
        .values(**name, name_key=key, updated_at=func.clock_timestamp())
    )


# Those that only wait for a person come last, and of the others any may come first, so that none holds up another.
_UNFINISHED: Final = text(
    """
    SELECT r.id AS correction_id,
           r.state = 'awaiting_approval' AND r.is_approved IS NOT NULL OR r.resolved_at IS NOT NULL AS is_decided,
           a.slug AS ce_activity, a.provider_slug AS provider
      FROM corrections r JOIN claims c ON c.id = r.claim_id JOIN ce_activities a ON a.id = c.ce_activity_id
     WHERE r.state IN ('awaiting_approval', 'approved', 'applied')
       AND coalesce(r.decided_at, r.requested_at) < clock_timestamp() - interval '5 seconds'
     ORDER BY r.state = 'awaiting_approval' AND r.is_approved IS NULL, random() LIMIT 100
    """
)


def unfinished_corrections(connection: Connection) -> Sequence[RowMapping]:
    """Up to 100 corrections that were asked for, or decided about, some seconds ago and are not finished."""
    return connection.execute(_UNFINISHED).mappings().all()


async def request(connection: AsyncConnection, new: NewCorrection) -> None:
    """Record that something is to be corrected.

    Raises ``InProgressError`` while another correction is unfinished, ``PurgedError`` once the claim was purged.
    """
    # The lock keeps a purge waiting, which then finds the correction and leaves the claim alone.
    purged_at = select(ClaimRow.purged_at).where(ClaimRow.id == new.claim_id).with_for_update(read=True)
    if (await connection.execute(purged_at)).scalar_one() is not None:
        raise PurgedError(new.claim_id)
    values = {
        "id": new.id,
        "claim_id": new.claim_id,
        "kind": new.kind,
        "state": new.state,
        "body": dict(new.body),
        "reason_class": new.body.get("reason_class"),
        "reason": new.reason,
        "requested_by": new.requested_by,
        "request_id": new.request_id,
    }
    added = upsert(CorrectionRow).values(**values).on_conflict_do_nothing().returning(CorrectionRow.id)
    if (await connection.execute(added)).one_or_none() is not None:
        return
    unfinished = select(CorrectionRow.id).where(
        CorrectionRow.claim_id == new.claim_id, CorrectionRow.state.in_(UNFINISHED_STATES)
    )
    earlier = (await connection.execute(unfinished)).scalar_one_or_none()
    if earlier is None:
        # It was finished in between, so the way is free.
        await connection.execute(insert(CorrectionRow).values(**values))
    elif earlier != new.id:
        raise InProgressError(earlier)


async def decide(
    connection: AsyncConnection, correction_id: str, account_id: str, *, is_approved: bool, request_id: str
) -> bool:
    """Record a second person's word about a correction that waits for it; False when it waits no more."""
    decided = await connection.execute(
        update(CorrectionRow)
        .where(
            CorrectionRow.id == correction_id,
            CorrectionRow.state == CorrectionState.AWAITING_APPROVAL,
            CorrectionRow.is_approved.is_(None),
        )
        .values(
            is_approved=is_approved,
            decided_by=account_id,
            decision_request_id=request_id,
            decided_at=func.clock_timestamp(),
        )
        .returning(CorrectionRow.id)
    )
    return decided.one_or_none() is not None


async def resolve(connection: AsyncConnection, correction_id: str, resolution: Resolution) -> bool:
    """Record that a parked correction is to end as it is; False when it is not parked, or is to end already."""
    resolved = await connection.execute(
        update(CorrectionRow)
        .where(
            CorrectionRow.id == correction_id,
            CorrectionRow.attention.is_not(None),
            CorrectionRow.resolved_by.is_(None),
        )
        .values(**resolution.columns, resolved_at=func.clock_timestamp())
        .returning(CorrectionRow.id)
    )
    return resolved.one_or_none() is not None


async def correction(connection: AsyncConnection, correction_id: str) -> Correction | None:
    """One correction; None when there is none."""
    found = await connection.execute(select(*_COLUMNS).where(CorrectionRow.id == correction_id))
    row = found.mappings().one_or_none()
    return _correction(row) if row else None


async def listed(
    connection: AsyncConnection,
    *,
    claim_id: str | None = None,
    state: CorrectionState | None = None,
    after: str | None = None,
    limit: int,
) -> list[Correction]:
    """Corrections of one claim or of all, in one state or in any, the newest first; ``after`` is the id to go on from.

    An id begins with its time, so ids are in the order of asking.
    """
    query = select(*_COLUMNS).order_by(CorrectionRow.id.desc()).limit(limit)
    if claim_id is not None:
        query = query.where(CorrectionRow.claim_id == claim_id)
    if state is not None:
        query = query.where(CorrectionRow.state == state)
    if after is not None:
        query = query.where(CorrectionRow.id < after)
    return [_correction(row) for row in (await connection.execute(query)).mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a correction is about: the CE activity and the learner, who has no name once erased."""

    ce_activity: str
    title: str
    learner_id: str
    given_name: str | None
    family_name: str | None


_CIRCUMSTANCES: Final = text(
    """
    SELECT r.id, a.slug AS ce_activity, v.policy ->> 'title' AS title, l.id AS learner_id,
           CASE WHEN l.erased_at IS NULL THEN l.given_name END AS given_name,
           CASE WHEN l.erased_at IS NULL THEN l.family_name END AS family_name
      FROM corrections r
      JOIN claims c ON c.id = r.claim_id
      JOIN ce_activities a ON a.id = c.ce_activity_id
      JOIN ce_activity_versions v ON v.id = c.version_id
      JOIN learners o ON o.id = c.learner_id
      JOIN learners l ON l.id = coalesce(o.merged_into, o.id)
     WHERE r.id = ANY(:ids)
    """
)


async def circumstances(connection: AsyncConnection, correction_ids: Sequence[str]) -> Mapping[str, Circumstances]:
    """What each of these corrections is about, by its id."""
    rows = (await connection.execute(_CIRCUMSTANCES, {"ids": list(correction_ids)})).mappings()
    return {row["id"]: Circumstances(**{name: row[name] for name in row if name != "id"}) for row in rows}
