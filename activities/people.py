"""Merging two learners who turn out to be one person: one transaction, safe to run twice."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import NoResultFound
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.contract import MergeRef, PeopleActivities
from domain.merging import HeldAward, MergePlan, doubled_awards, plan_merge
from storage import merges, platform_events
from storage.audit import claim_stream, learner_stream
from storage.merges import LockedMerge
from storage.roster_wakeups import wake_claims_of_learner


class PostgresPeopleActivities(PeopleActivities):
    """Merges in PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @activity.defn(name="learners.merge")
    def merge_learners(self, merge: MergeRef) -> None:
        """See ``PeopleActivities``."""
        with self._engine.begin() as connection:
            try:
                locked = merges.lock_merge(connection, merge.merge_id)
            except NoResultFound:
                raise ApplicationError("MergeNotInRecord", type="MergeNotInRecord", non_retryable=True) from None
            if locked is not None:
                _merge(connection, locked)


def _merge(connection: Connection, merge: LockedMerge) -> None:
    plan = plan_merge(merge.claims, merge.kept_id, merge.duplicate_id)
    doubled = doubled_awards(merge.awards)
    merges.move_claims(connection, merge, plan.moved)
    merges.move_awards(connection, merge, [award.id for award in doubled])
    merges.merge_progress(connection, merge)
    for claim_id in plan.withdrawn:
        merges.withdraw(connection, merge, claim_id)
    kept_apart = merges.move_identifiers(connection, merge)
    merges.join_learners(connection, merge)
    # What a platform or a roster says about either of them is about one person now.
    platform_events.retry_for_learner(connection, merge.kept_id)
    wake_claims_of_learner(connection, merge.kept_id)
    details = {
        "claims_moved": list(plan.moved),
        "claims_left": list(plan.left),
        "claims_withdrawn": list(plan.withdrawn),
        "awards_merged": [award.id for award in doubled],
        "identifiers_kept_apart": kept_apart,
    }
    merges.finish(connection, merge, details)
    _enter(connection, merge, plan, doubled, details)


def _enter(
    connection: Connection,
    merge: LockedMerge,
    plan: MergePlan,
    doubled: Mapping[HeldAward, HeldAward],
    details: Mapping[str, Any],
) -> None:
    """Tell the merge in the history of both learners, and of each claim that it changed."""
    of_kept, of_duplicate = learner_stream(merge.kept_id), learner_stream(merge.duplicate_id)
    told = {"duplicate": merge.duplicate_id, **details}
    merges.enter(connection, merge, of_kept, "learner.merged", after=told)
    before, after = {"merged_into": None}, {"merged_into": merge.kept_id, "learner": merge.kept_id}
    merges.enter(connection, merge, of_duplicate, "learner.merged_into", before=before, after=after)
    for claim_id in plan.moved:
        moved = {"before": {"learner_id": merge.duplicate_id}, "after": {"learner_id": merge.kept_id}}
        merges.enter(connection, merge, claim_stream(claim_id), "claim.moved", **moved)
    for award, standing in doubled.items():
        told = {"award": award.id, "state": "merged", "standing": standing.id}
        merges.enter(
            connection, merge, claim_stream(award.claim_id), "award.merged", before={"state": "active"}, after=told
        )
