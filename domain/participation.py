"""Judging proof of participation: the learner's word, a code, or an entry of a roster.

What a roster knows is evidence that the caller looked up; it is judged here.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.policy import Participation, ParticipationMethod
from domain.submissions import ParticipationStated

# After this many wrong ids or codes within this time the learner must wait: ids are short, and belong to others.
WRONG_TRIES_ALLOWED: Final = 5
WRONG_TRIES_WITHIN: Final = timedelta(hours=1)

# What must be typed right, and can be guessed.
_GUESSABLE: Final = frozenset({ParticipationMethod.CODE, ParticipationMethod.BADGE_ID, ParticipationMethod.GROUP_ID})
ROSTER_METHODS: Final = frozenset(
    {ParticipationMethod.BADGE_ID, ParticipationMethod.GROUP_ID, ParticipationMethod.ROSTER}
)


class Mistake(StrEnum):
    """What is wrong with a proof of participation; the same words as the refusal codes."""

    METHOD_NOT_OFFERED = "method_not_offered"
    OPTION_UNKNOWN = "option_unknown"
    IDENTIFIER_NOT_FOUND = "identifier_not_found"
    IDENTIFIER_TAKEN = "identifier_taken"
    TOO_MANY_TRIES = "too_many_tries"


@dataclass(frozen=True, slots=True)
class RosterMatch:
    """The entry that an id or a learner was found under; ``claim_id`` is the claim that a person's entry proves."""

    entry_id: str
    is_group: bool
    claim_id: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the record knows about a proof of participation.

    The claim it is for, the roster's entry that it names, and when this learner's last wrong tries were.
    """

    claim_id: str = ""
    match: RosterMatch | None = None
    wrong_tries: Sequence[datetime] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """An accepted proof: ``participation`` is the option chosen, or the method; ``entry_id`` the person's entry."""

    participation: str
    entry_id: str | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A proof that does not hold, with codes and times that explain it."""

    mistake: Mistake
    details: Mapping[str, str]


def judge(
    requirement: Participation, stated: ParticipationStated, evidence: Evidence, at: datetime
) -> Proof | Rejection:
    """Whether what the learner stated at this time proves that they took part."""
    if stated.method not in requirement.methods:
        return Rejection(Mistake.METHOD_NOT_OFFERED, {"methods": ",".join(requirement.methods)})
    method = ParticipationMethod(stated.method)
    again_at = may_try_again_at(evidence.wrong_tries, at)
    if method in _GUESSABLE and again_at is not None:
        return Rejection(Mistake.TOO_MANY_TRIES, {"again_at": again_at.isoformat()})
    if method is ParticipationMethod.ATTESTATION:
        codes = [option.code for option in requirement.options]
        if stated.value not in codes:
            return Rejection(Mistake.OPTION_UNKNOWN, {"options": ",".join(codes)})
        return Proof(stated.value)
    if method is ParticipationMethod.CODE:
        is_right = hmac.compare_digest(normalize_code(stated.value), normalize_code(requirement.code or ""))
        return Proof(method) if is_right else Rejection(Mistake.IDENTIFIER_NOT_FOUND, {"method": method})
    return _judge_match(method, evidence)


def may_try_again_at(wrong_tries: Sequence[datetime], at: datetime) -> datetime | None:
    """When a learner who guessed too often may try again; None when they may now."""
    recent = sorted(wrong for wrong in wrong_tries if wrong > at - WRONG_TRIES_WITHIN)
    return recent[-WRONG_TRIES_ALLOWED] + WRONG_TRIES_WITHIN if len(recent) >= WRONG_TRIES_ALLOWED else None


def normalize_code(code: str) -> bytes:
    """A code without what people add or change when they copy it: blanks, and the case of letters."""
    return "".join(code.split()).casefold().encode()


def _judge_match(method: ParticipationMethod, evidence: Evidence) -> Proof | Rejection:
    match = evidence.match
    if match is None or match.is_group is not (method is ParticipationMethod.GROUP_ID):
        return Rejection(Mistake.IDENTIFIER_NOT_FOUND, {"method": method})
    if match.is_group:
        return Proof(method)
    if match.claim_id not in (None, evidence.claim_id):
        return Rejection(Mistake.IDENTIFIER_TAKEN, {"method": method})
    return Proof(method, match.entry_id)
