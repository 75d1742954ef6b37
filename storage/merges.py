"""Merging two learners in the record. Only activities write here, because claims change with their learners."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, select, text, update

from domain.identities import derived_id
from domain.merging import MERGED, HeldAward, HeldClaim
from domain.people import NOT_AN_EMPLOYEE
from domain.submissions import ProgressReported, SubmissionBody, Withdrawal, kind_of, to_json
from storage import acts, content_progress
from storage.acts import Actor
from storage.claims import StaleReadError, add_submission
from storage.database import CLAIMS_CHANNEL
from storage.tables import AwardRow, ClaimRow, HistoricalAwardRow, LearnerMergeRow

# Merges are rare, so one at a time keeps them simple: nobody else changes who was merged into whom.
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtext('laurel merge'))")
_MERGE: Final = text(
    """
    SELECT m.id, coalesce(l.merged_into, l.id) AS kept_id, m.duplicate_id, m.reason, m.requested_by, m.merged_at
      FROM learner_merges m JOIN learners l ON l.id = m.learner_id
     WHERE m.id = :merge_id
    """
)
_PERSONS: Final = text("SELECT id FROM learners WHERE id = ANY(:both) OR merged_into = ANY(:both)")
# The order that ledger writes lock in, too: claims first, then learners, who get no new claims from then on.
_LOCK_CLAIMS: Final = text("SELECT id FROM claims WHERE learner_id = ANY(:persons) ORDER BY id FOR UPDATE")
_LOCK_LEARNERS: Final = text("SELECT id FROM learners WHERE id = ANY(:persons) ORDER BY id FOR UPDATE")
_CLAIMS: Final = text(
    """
    SELECT id, learner_id, ce_activity_id, closed_at IS NULL AS is_open,
           EXISTS (SELECT 1 FROM awards w WHERE w.claim_id = claims.id AND w.state = 'active') AS is_awarded
      FROM claims WHERE learner_id = ANY(:persons)
    """
)
_AWARDS: Final = text(
    """
    SELECT id, claim_id, ce_activity_id, credit_type, awarded_at
      FROM awards WHERE learner_id = ANY(:persons) AND state = 'active'
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedMerge:
    """A merge between lock and commit, with the claims and active awards of both. ``now`` is the database's clock."""

    id: str
    kept_id: str
    duplicate_id: str
    reason: str
    requested_by: str
    claims: Sequence[HeldClaim]
    awards: Sequence[HeldAward]
    now: datetime


def lock_merge(connection: Connection, merge_id: str) -> LockedMerge | None:
    """Lock both learners of a merge with all that is theirs; None when the merge is done.

    Raises ``NoResultFound`` for a merge that nobody asked for, and ``StaleReadError`` when a claim was opened in
    between: the caller runs again.
    """
    connection.execute(_ONE_AT_A_TIME)
    row = connection.execute(_MERGE, {"merge_id": merge_id}).mappings().one()
    if row["merged_at"] is not None:
        return None
    both = [row["kept_id"], row["duplicate_id"]]
    persons = connection.execute(_PERSONS, {"both": both}).scalars().all()
    locked = set(connection.execute(_LOCK_CLAIMS, {"persons": persons}).scalars())
    connection.execute(_LOCK_LEARNERS, {"persons": persons})
    claims = [HeldClaim(**each) for each in connection.execute(_CLAIMS, {"persons": persons}).mappings()]
    if {claim.id for claim in claims} != locked:
        raise StaleReadError(merge_id)
    awards = [HeldAward(**each) for each in connection.execute(_AWARDS, {"persons": persons}).mappings()]
    return _locked(connection, row, claims, awards)


def _locked(
    connection: Connection, row: RowMapping, claims: Sequence[HeldClaim], awards: Sequence[HeldAward]
) -> LockedMerge:
    return LockedMerge(
        id=row["id"],
        kept_id=row["kept_id"],
        duplicate_id=row["duplicate_id"],
        reason=row["reason"],
        requested_by=row["requested_by"],
        claims=claims,
        awards=awards,
        now=connection.execute(select(func.clock_timestamp())).scalar_one(),
    )


def move_claims(connection: Connection, merge: LockedMerge, claim_ids: Sequence[str]) -> None:
    """Let claims of the duplicate be the kept learner's."""
    connection.execute(update(ClaimRow).where(ClaimRow.id.in_(claim_ids)).values(learner_id=merge.kept_id))


def move_awards(connection: Connection, merge: LockedMerge, doubled: Sequence[str]) -> None:
    """Let all awards be the kept learner's; those that grant what another one grants already count no more."""
    connection.execute(update(AwardRow).where(AwardRow.id.in_(doubled)).values(state=MERGED))
    for row in (AwardRow, HistoricalAwardRow):
        connection.execute(update(row).where(row.learner_id == merge.duplicate_id).values(learner_id=merge.kept_id))


_TELL_PROGRESS: Final = text(
    """
    SELECT c.id, min(p.content) AS content
      FROM content_progress p
      JOIN claims c ON c.ce_activity_id = p.ce_activity_id AND c.learner_id = :kept
     WHERE p.learner_id = :duplicate AND c.closed_at IS NULL AND c.awarded_at IS NULL
     GROUP BY c.id
    """
)


def merge_progress(connection: Connection, merge: LockedMerge) -> None:
    """Let the kept learner have the duplicate's progress, too, and have open claims look at it."""
    content_progress.merge_learners(connection, merge.kept_id, merge.duplicate_id)
    both = {"kept": merge.kept_id, "duplicate": merge.duplicate_id}
    for row in connection.execute(_TELL_PROGRESS, both).all():
        _submit(connection, merge, row.id, ProgressReported(row.content))


def withdraw(connection: Connection, merge: LockedMerge, claim_id: str) -> None:
    """Hand in that a claim is withdrawn; its workflow decides, as it does for everybody."""
    _submit(connection, merge, claim_id, Withdrawal(MERGED))


def _submit(connection: Connection, merge: LockedMerge, claim_id: str, body: SubmissionBody) -> None:
    values = {
        "id": derived_id("sub", merge.id, claim_id, kind_of(body)),
        "claim_id": claim_id,
        "learner_id": merge.kept_id,
        "actor": merge.requested_by,
        "kind": kind_of(body),
        "body": to_json(body),
        # No request waits to deliver it, so the relay need not give one time.
        "deliver_after": func.clock_timestamp(),
    }
    add_submission(connection, values)


_IDENTIFIERS: Final = (
    """
    INSERT INTO learner_identifiers AS kept (learner_id, kind, value)
    SELECT :kept, kind, value FROM learner_identifiers WHERE learner_id = :duplicate
    ON CONFLICT (learner_id, kind) DO UPDATE SET value = excluded.value WHERE kept.value = :none
    """,
    """
    DELETE FROM learner_identifiers d USING learner_identifiers k
     WHERE d.learner_id = :duplicate AND k.learner_id = :kept AND k.kind = d.kind
       AND (k.value = d.value OR d.value = :none)
    """,
)
_LEFT: Final = text("SELECT kind FROM learner_identifiers WHERE learner_id = :duplicate ORDER BY kind")


def move_identifiers(connection: Connection, merge: LockedMerge) -> list[str]:
    """Let the kept learner have the duplicate's identifiers; answers with the kinds of which both have their own.

    Those stay where they are, for staff to see. That somebody is no employee gives way to an employee id.
    """
    values = {"kept": merge.kept_id, "duplicate": merge.duplicate_id, "none": NOT_AN_EMPLOYEE}
    for statement in _IDENTIFIERS:
        connection.execute(text(statement), values)
    return list(connection.execute(_LEFT, {"duplicate": merge.duplicate_id}).scalars())


# What the kept learner did not say of themselves, the duplicate may have; a name is taken whole or not at all.
_PROFILE: Final = text(
    """
    UPDATE learners k
       SET given_name = CASE WHEN k.name_key IS NULL THEN coalesce(d.given_name, k.given_name) ELSE k.given_name END,
           family_name = CASE WHEN k.name_key IS NULL THEN coalesce(d.family_name, k.family_name)
                              ELSE k.family_name END,
           name_key = coalesce(k.name_key, d.name_key),
           credentials = coalesce(k.credentials, d.credentials),
           profession = coalesce(k.profession, d.profession),
           time_zone = coalesce(k.time_zone, d.time_zone),
           wants_reminders = k.wants_reminders AND d.wants_reminders,
           shows_name = k.shows_name AND d.shows_name,
           updated_at = clock_timestamp()
      FROM learners d WHERE k.id = :kept AND d.id = :duplicate
    """
)
_POINT: Final = text("UPDATE learners SET merged_into = :kept WHERE id = :duplicate OR merged_into = :duplicate")


def join_learners(connection: Connection, merge: LockedMerge) -> None:
    """Let the duplicate, and whoever was merged into it before, be the kept learner from the commit on."""
    both = {"kept": merge.kept_id, "duplicate": merge.duplicate_id}
    connection.execute(_PROFILE, both)
    connection.execute(_POINT, both)


def finish(connection: Connection, merge: LockedMerge, details: Mapping[str, Any]) -> None:
    """Note that a merge is done, and what it did: ids and kinds, no values. Whoever waits for it is woken."""
    connection.execute(
        update(LearnerMergeRow).where(LearnerMergeRow.id == merge.id).values(merged_at=merge.now, details=dict(details))
    )
    connection.execute(select(func.pg_notify(CLAIMS_CHANNEL, f"- {merge.id}")))


def enter(connection: Connection, merge: LockedMerge, stream: str, event: str, **changes: Mapping[str, Any]) -> None:
    """Enter what the merge did in one audit stream; ``changes`` are ``before`` and ``after``."""
    acts.enter(
        connection,
        stream,
        event,
        Actor(merge.requested_by),
        step_key=f"{event}:{merge.id}",
        at=merge.now,
        before=changes.get("before"),
        after={"merge": merge.id, **changes.get("after", {})},
        private={"reason": merge.reason},
        subject=merge.kept_id,
    )


_UNFINISHED: Final = text(
    """
    SELECT id AS merge_id FROM learner_merges
     WHERE merged_at IS NULL AND requested_at < clock_timestamp() - interval '5 seconds'
     ORDER BY random() LIMIT 100
    """
)


def unfinished_merges(connection: Connection) -> Sequence[RowMapping]:
    """Up to 100 merges that were asked for some seconds ago and are not done."""
    return connection.execute(_UNFINISHED).mappings().all()
