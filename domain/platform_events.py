"""What learning platforms report, and what becomes of it.

An event is kept whatever it says. One that cannot be applied, because its learner is not known yet for example, waits
in quarantine for staff.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from domain import credit
from domain.claims import ClaimFacts, completed_minutes, is_item_complete
from domain.identifiers import IDENTIFIERS
from domain.intervals import Interval
from domain.policy import CEActivityPolicy

EMAIL: Final = "email"
# A day of the year belongs to many.
LEARNER_KEYS: Final = frozenset({EMAIL, *IDENTIFIERS} - {"birth_month_day"})
# Without full stops, so that what is signed, "id.time.body", can be divided in one way only.
_EVENT_ID: Final = re.compile(r"[A-Za-z0-9_:-]{1,128}")


class EventType(StrEnum):
    """The types of event that have an effect; others are kept and ignored."""

    PROGRESS_UPDATED = "progress.updated"
    PARTICIPATION_RECORDED = "participation.recorded"


class EventState(StrEnum):
    """What became of an event."""

    APPLIED = "applied"
    QUARANTINED = "quarantined"
    IGNORED = "ignored"
    DISMISSED = "dismissed"


class EventProblem(StrEnum):
    """Why an event is in quarantine."""

    LEARNER_UNKNOWN = "learner_unknown"
    LEARNER_AMBIGUOUS = "learner_ambiguous"
    CE_ACTIVITY_UNKNOWN = "ce_activity_unknown"
    CE_ACTIVITY_AMBIGUOUS = "ce_activity_ambiguous"
    CONTENT_UNKNOWN = "content_unknown"
    INTERVALS_TOO_MANY = "intervals_too_many"
    ROSTER_NOT_ACCEPTED = "roster_not_accepted"


@dataclass(frozen=True, slots=True)
class LearnerKey:
    """How a platform names a learner: the address of the account, or an identifier of the profile."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class ProgressUpdated:
    """A learner watched or attended more of one piece of content; ``seconds`` is the total so far, or 0."""

    learner: LearnerKey
    ce_activity: str
    content: str
    intervals: tuple[Interval, ...]
    seconds: int


@dataclass(frozen=True, slots=True)
class ParticipationRecorded:
    """The platform vouches that a learner took part."""

    learner: LearnerKey
    ce_activity: str


def is_event_id(text: str) -> bool:
    """Whether a text can be an event's id: at most 128 letters and digits of ASCII, hyphens, underscores and colons."""
    return _EVENT_ID.fullmatch(text) is not None


def read_event(body: Mapping[str, Any]) -> ProgressUpdated | ParticipationRecorded | None:
    """What an event says whose shape was checked when it came; None for a type that has no effect."""
    if body["type"] not in set(EventType):
        return None
    data = body["data"]
    (learner,) = (LearnerKey(kind, value) for kind, value in data["learner"].items())
    if body["type"] == EventType.PARTICIPATION_RECORDED:
        return ParticipationRecorded(learner, data["ce_activity"])
    intervals = tuple((start, end) for start, end in data.get("intervals") or ())
    return ProgressUpdated(learner, data["ce_activity"], data["content"], intervals, data.get("seconds") or 0)


def normalize_learner_key(key: LearnerKey) -> str | None:
    """A learner's key as the record writes it; None if it cannot be one."""
    if key.kind == EMAIL:
        return key.value.strip().lower()
    return IDENTIFIERS[key.kind].normalize(key.value)


def matters(policy: CEActivityPolicy, before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    """Whether progress changes what a claim may do: content is complete, or partial progress earns another amount.

    ``before`` and ``after`` map content to the seconds of it that are complete.
    """
    content = policy.content
    if content is None:
        return False
    then, now = (ClaimFacts(profession=None, due_at=None, content_seconds=seconds) for seconds in (before, after))
    if any(is_item_complete(item, then) is not is_item_complete(item, now) for item in content.items):
        return True
    minutes = (completed_minutes(content, then), completed_minutes(content, now))
    return content.allows_partial and any(
        rule.units_for(minutes[0]) != rule.units_for(minutes[1]) for rule in map(credit.rule_of, policy.credit)
    )
