"""Two learners turn out to be one person: what becomes of their claims and awards.

Everything stays in the record. No credit counts twice, and of two claims for one CE activity only one goes on.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

# The only reason that the system itself gives for a withdrawal.
MERGED: Final = "merged"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldClaim:
    """A claim of one of the two; ``is_open`` until it is closed, ``is_awarded`` while it has an award that counts."""

    id: str
    learner_id: str
    ce_activity_id: str
    is_open: bool
    is_awarded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAward:
    """An active award of one of the two."""

    id: str
    claim_id: str
    ce_activity_id: str
    credit_type: str
    awarded_at: datetime


@dataclass(frozen=True, slots=True)
class MergePlan:
    """What a merge does, by claim id.

    ``moved`` claims become the kept learner's. ``left`` claims stay with the duplicate, because the kept learner has a
    claim for the same CE activity. ``withdrawn`` are open claims, of either, beside which another one goes on.
    """

    moved: tuple[str, ...]
    left: tuple[str, ...]
    withdrawn: tuple[str, ...]


def plan_merge(claims: Sequence[HeldClaim], kept_id: str, duplicate_id: str) -> MergePlan:
    """Decide what becomes of all claims of the two, and of whoever was merged into either of them before."""
    moved: list[str] = []
    left: list[str] = []
    withdrawn: list[str] = []
    by_ce_activity = defaultdict(list)
    for claim in sorted(claims, key=lambda each: each.id):
        by_ce_activity[claim.ce_activity_id].append(claim)
    for group in by_ce_activity.values():
        has_kept = any(claim.learner_id == kept_id for claim in group)
        of_duplicate = [claim.id for claim in group if claim.learner_id == duplicate_id]
        (left if has_kept else moved).extend(of_duplicate)
        standing = min(group, key=lambda claim: (_rank(claim), claim.learner_id != kept_id))
        withdrawn += [each.id for each in group if each is not standing and _rank(each) == _OPEN]
    return MergePlan(tuple(moved), tuple(left), tuple(withdrawn))


_AWARDED, _OPEN, _CLOSED = range(3)


def _rank(claim: HeldClaim) -> int:
    """Which of several claims goes on: one with credit, else one that may still get it, else any.

    Credit that was revoked is none: it must not end the claim by which it may be earned.
    """
    if claim.is_awarded:
        return _AWARDED
    return _OPEN if claim.is_open else _CLOSED


def doubled_awards(awards: Sequence[HeldAward]) -> dict[HeldAward, HeldAward]:
    """The awards that grant credit which an earlier award grants already, each with that earlier award."""
    first: dict[tuple[str, str], HeldAward] = {}
    doubled = {}
    for award in sorted(awards, key=lambda each: (each.awarded_at, each.id)):
        earlier = first.setdefault((award.ce_activity_id, award.credit_type), award)
        if earlier is not award:
            doubled[award] = earlier
    return doubled
