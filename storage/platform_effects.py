"""What an event of a platform does: evidence about its learner, and submissions that tell the claim.

Claims have one writer, which is not here: the intake takes what they need to hear, and the relay delivers it.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, TextClause, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from domain.claims import Stage
from domain.identities import derived_id
from domain.intervals import MOST_INTERVALS, Watched
from domain.platform_events import (
    EMAIL,
    EventProblem,
    LearnerKey,
    ParticipationRecorded,
    ProgressUpdated,
    matters,
    normalize_learner_key,
)
from domain.policy import CEActivityPolicy, Participation, ParticipationMethod
from domain.rosters import normalize_key
from domain.submissions import Opening, ParticipationStated, ProgressReported, SubmissionBody, kind_of, to_json
from storage import content_progress
from storage.acts import Actor, enter
from storage.catalog import ce_activity_stream, policy_of
from storage.claims import undecided_opening
from storage.database import CLAIMS_CHANNEL
from storage.definitions import DefinitionStatus
from storage.participation import find_learner as find_on_rosters
from storage.rosters import RosterState
from storage.tables import AccountRow, CEActivityRow, LearnerRow, RosterEntryRow, RosterKeyRow, RosterRow, SubmissionRow


class NotApplicableError(Exception):
    """The event cannot have its effect at present; nothing was written."""

    def __init__(self, problem: EventProblem) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Source:
    """Where a report comes from; what it causes has ids that follow from these."""

    integration: str
    event_id: str
    request_id: str | None

    @property
    def actor(self) -> str:
        """Who acts, in submissions and in the audit trail."""
        return f"integration:{self.integration}"


@dataclass(frozen=True, slots=True)
class Place:
    """A CE activity, and the claim that a learner has for it or would have; ``stage`` is None before it is decided."""

    learner_id: str
    ce_activity_id: str
    claim_id: str
    version_id: str
    stage: str | None
    is_opened: bool
    is_closed: bool


def _kept_learners(start: str) -> TextClause:
    """The learners that a condition finds, each merged one replaced by the one that was kept."""
    return text(
        f"""
        WITH RECURSIVE found (id, merged_into) AS (
            SELECT l.id, l.merged_into FROM learners l {start}
             UNION
            SELECT k.id, k.merged_into FROM learners k JOIN found f ON k.id = f.merged_into
        )
        SELECT id FROM found WHERE merged_into IS NULL
        """  # noqa: S608  # constants only
    )


_BY_EMAIL: Final = _kept_learners("JOIN accounts a ON a.id = l.account_id WHERE lower(a.email) = :value")
_BY_IDENTIFIER: Final = _kept_learners(
    "JOIN learner_identifiers i ON i.learner_id = l.id WHERE i.kind = :kind AND i.value = :value"
)
_BY_ID: Final = _kept_learners("WHERE l.id = :value")


def find_learner(connection: Connection, key: LearnerKey) -> str:
    """The learner whom a platform means, locked until the transaction ends.

    Raises ``NotApplicableError`` when nobody is known by this key, or several are.
    """
    value = normalize_learner_key(key)
    statement = _BY_EMAIL if key.kind == EMAIL else _BY_IDENTIFIER
    found = connection.execute(statement, {"kind": key.kind, "value": value}).scalars().all()
    if len(found) != 1:
        raise NotApplicableError(EventProblem.LEARNER_AMBIGUOUS if found else EventProblem.LEARNER_UNKNOWN)
    learner_id = lock_learner(connection, found[0])
    if learner_id is None:
        raise NotApplicableError(EventProblem.LEARNER_UNKNOWN)
    return learner_id


def lock_learner(connection: Connection, learner_id: str) -> str | None:
    """The learner with this id, or the one they were merged into, locked until the transaction ends; None if unknown.

    Events about one learner thus wait for each other, so that each sees all progress that was made before.
    """
    kept_id: str | None = connection.execute(_BY_ID, {"value": learner_id}).scalar_one_or_none()
    if kept_id is None:
        return None
    merged_into = connection.execute(
        select(LearnerRow.merged_into).where(LearnerRow.id == kept_id).with_for_update(key_share=True)
    ).scalar_one()
    # They may have been merged between the two statements.
    return kept_id if merged_into is None else lock_learner(connection, merged_into)


def apply(
    connection: Connection, source: Source, learner_id: str, report: ProgressUpdated | ParticipationRecorded
) -> None:
    """Let a report about a locked learner have its effect. Raises ``NotApplicableError`` before anything is written."""
    place = _place(connection, learner_id, report.ce_activity)
    policy = policy_of(connection, place.version_id)
    if isinstance(report, ParticipationRecorded):
        _apply_participation(connection, source, place, policy, report)
    else:
        _apply_progress(connection, source, place, policy, report)


_PLACES: Final = text(
    """
    SELECT a.id, a.slug, a.version_id, c.id AS claim_id, c.version_id AS claim_version_id, c.stage, c.closed_at
      FROM ce_activities a LEFT JOIN claims c ON c.ce_activity_id = a.id AND c.learner_id = :learner_id
     WHERE (a.slug = :code OR lower(a.activity_code) = lower(:code)) AND (a.status = :published OR c.id IS NOT NULL)
    """
)


def _place(connection: Connection, learner_id: str, code: str) -> Place:
    parameters = {"learner_id": learner_id, "code": code, "published": DefinitionStatus.PUBLISHED}
    rows = connection.execute(_PLACES, parameters).all()
    # Two providers may use one activity code; a slug is the only one of its kind.
    rows = [row for row in rows if row.slug == code] or rows
    if len(rows) != 1:
        raise NotApplicableError(EventProblem.CE_ACTIVITY_AMBIGUOUS if rows else EventProblem.CE_ACTIVITY_UNKNOWN)
    row = rows[0]
    if row.claim_id is not None:
        is_closed = row.closed_at is not None
        return Place(learner_id, row.id, row.claim_id, row.claim_version_id, row.stage, True, is_closed)  # noqa: FBT003
    claim_id = derived_id("clm", learner_id, row.id)
    opening = undecided_opening(connection, claim_id)
    version_id = row.version_id
    if opening is not None and isinstance(opening[0].submission.body, Opening):
        version_id = opening[0].submission.body.version_id
    return Place(learner_id, row.id, claim_id, version_id, None, opening is not None, False)  # noqa: FBT003


def _apply_progress(
    connection: Connection, source: Source, place: Place, policy: CEActivityPolicy, report: ProgressUpdated
) -> None:
    if report.content not in [item.code for item in policy.content.items] if policy.content else []:
        raise NotApplicableError(EventProblem.CONTENT_UNKNOWN)
    known = content_progress.watched_by(connection, place.learner_id, place.ce_activity_id)
    before = known.get(report.content, Watched())
    after = before.with_report(report.intervals, report.seconds)
    if len(after.intervals) > MOST_INTERVALS:
        raise NotApplicableError(EventProblem.INTERVALS_TOO_MANY)
    if after != before:
        content_progress.save(connection, place.learner_id, place.ce_activity_id, report.content, after)
    seconds = {content: watched.seconds for content, watched in known.items()}
    is_decisive = matters(policy, seconds, {**seconds, report.content: after.seconds})
    _tell_claim(connection, source, place, ProgressReported(report.content) if is_decisive else None)
    if after != before:
        # Who watches the claim sees each second of progress, also where there is nothing to decide.
        message = f"{place.claim_id} -"
        connection.execute(select(func.pg_notify(CLAIMS_CHANNEL, message)))


def _apply_participation(
    connection: Connection, source: Source, place: Place, policy: CEActivityPolicy, report: ParticipationRecorded
) -> None:
    requirement = policy.participation
    if requirement is None or ParticipationMethod.ROSTER not in requirement.methods:
        raise NotApplicableError(EventProblem.ROSTER_NOT_ACCEPTED)
    # Whoever applies a roster of the CE activity at the same time waits, or is waited for.
    connection.execute(
        select(CEActivityRow.id).where(CEActivityRow.id == place.ce_activity_id).with_for_update(key_share=True)
    )
    match = find_on_rosters(connection, place.ce_activity_id, place.learner_id)
    if match is None or match.is_anothers:
        _add_to_roster(connection, source, place, report.learner)
    first = place.stage is None and isinstance(policy.requirements[0], Participation)
    # Before its turn it would be refused; the learner then states it later, and the roster knows them.
    is_due = first or place.stage == Stage.VERIFYING_PARTICIPATION
    _tell_claim(connection, source, place, ParticipationStated(ParticipationMethod.ROSTER) if is_due else None)


def _add_to_roster(connection: Connection, source: Source, place: Place, key: LearnerKey) -> None:
    """Enter a learner on the roster that an integration keeps of a CE activity."""
    roster_id = derived_id("ros", source.integration, place.ce_activity_id)
    roster = {
        "id": roster_id,
        "ce_activity_id": place.ce_activity_id,
        "file_name": source.actor,
        "sha256": sha256(roster_id.encode()).digest(),
        # There was no file.
        "reading": {"encoding": "", "separator": "", "columns": [EMAIL], "ignored_columns": []},
        "state": RosterState.APPLIED,
        "row_count": 0,
        "problem_count": 0,
        "uploaded_by": source.actor,
        "applied_by": source.actor,
        "applied_at": func.clock_timestamp(),
    }
    connection.execute(insert(RosterRow).values(**roster).on_conflict_do_nothing())
    learner = connection.execute(
        select(LearnerRow.given_name, LearnerRow.family_name, AccountRow.email)
        .outerjoin(AccountRow, AccountRow.id == LearnerRow.account_id)
        .where(LearnerRow.id == place.learner_id)
    ).one()
    entry = {
        "id": derived_id("ent", roster_id, place.learner_id),
        "ce_activity_id": place.ce_activity_id,
        "roster_id": roster_id,
        "given_name": learner.given_name,
        "family_name": learner.family_name,
    }
    added = insert(RosterEntryRow).values(**entry).on_conflict_do_nothing().returning(RosterEntryRow.id)
    is_new = connection.execute(added).one_or_none() is not None
    kind, value = (EMAIL, learner.email) if learner.email else (key.kind, key.value)
    roster_key = {"kind": kind, "value": normalize_key(kind, value), "entry_id": entry["id"]}
    connection.execute(
        insert(RosterKeyRow).values(ce_activity_id=place.ce_activity_id, **roster_key).on_conflict_do_nothing()
    )
    connection.execute(
        update(RosterRow)
        .where(RosterRow.id == roster_id)
        .values(row_count=RosterRow.row_count + 1, applied_count=RosterRow.applied_count + 1)
    )
    if is_new:
        actor, after = Actor(source.actor, source.request_id), {"roster": roster_id, "entry": entry["id"]}
        enter(connection, ce_activity_stream(place.ce_activity_id), "roster.entry_added", actor, after=after)


def _tell_claim(connection: Connection, source: Source, place: Place, body: SubmissionBody | None) -> None:
    """Hand in what the claim must decide, after its opening where the learner has no claim yet."""
    if place.is_closed:
        return
    if not place.is_opened:
        _submit(connection, source, place, Opening(place.ce_activity_id, place.version_id))
    if body is not None:
        _submit(connection, source, place, body)


def _submit(connection: Connection, source: Source, place: Place, body: SubmissionBody) -> None:
    kind = kind_of(body)
    values: dict[str, Any] = {
        "id": derived_id("sub", source.integration, source.event_id, kind),
        "claim_id": place.claim_id,
        "learner_id": place.learner_id,
        "actor": source.actor,
        "kind": kind,
        "body": to_json(body),
        "request_id": source.request_id,
        # No request waits to deliver it, so the relay need not give one time.
        "deliver_after": func.clock_timestamp(),
    }
    connection.execute(insert(SubmissionRow).values(**values).on_conflict_do_nothing())
