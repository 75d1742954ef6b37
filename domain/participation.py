"""Judging proof of participation: the learner's word, a code, or an entry of a roster.

What a roster knows is evidence that the caller looked up; it is judged here.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from domain.people import FullName, may_be_one_name
from domain.policy import Participation, ParticipationMethod
from domain.refusals import RefusalCode, Refused
from domain.submissions import ParticipationStated

# After this many wrong ids or codes within this time the learner must wait: ids are short, and belong to others.
WRONG_TRIES_ALLOWED: Final = 5
WRONG_TRIES_WITHIN: Final = timedelta(hours=1)

# What must be typed right, and can be guessed.
_GUESSABLE: Final = frozenset({ParticipationMethod.CODE, ParticipationMethod.BADGE_ID, ParticipationMethod.GROUP_ID})
ROSTER_METHODS: Final = frozenset(
    {ParticipationMethod.BADGE_ID, ParticipationMethod.GROUP_ID, ParticipationMethod.ROSTER}
)


@dataclass(frozen=True, slots=True)
class KnownAs:
    """What a roster says of a person, or Laurel knows of a learner; addresses as ``normalize_key`` writes them."""

    name: FullName = (None, None)
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RosterMatch:
    """The entry that an id or a learner was found under; ``claim_id`` is the claim that a person's entry proves.

    ``is_anothers`` when the entry names a person, and nothing of it says that this is the learner.
    """

    entry_id: str
    is_group: bool
    claim_id: str | None
    is_anothers: bool = False


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


def judge(requirement: Participation, stated: ParticipationStated, evidence: Evidence, at: datetime) -> Proof | Refused:
    """Whether what the learner stated at this time proves that they took part."""
    if stated.method not in requirement.methods:
        return Refused(RefusalCode.METHOD_NOT_OFFERED, {"methods": ",".join(requirement.methods)})
    method = ParticipationMethod(stated.method)
    again_at = may_try_again_at(evidence.wrong_tries, at)
    if method in _GUESSABLE and again_at is not None:
        return Refused(RefusalCode.TOO_MANY_TRIES, {"again_at": again_at.isoformat()})
    match method:
        case ParticipationMethod.ATTESTATION:
            return _judge_option(requirement, stated.value)
        case ParticipationMethod.CODE:
            return Proof(method) if _is_code(requirement, stated.value) else _not_found(method)
        case _:
            return _judge_match(method, evidence)


def names_another(entry: KnownAs, learner: KnownAs) -> bool:
    """Whether an entry names somebody, and neither its address nor its name says that it is this learner.

    An entry without either is for whoever brings its id.
    """
    is_anybodys = not any(entry.name) and not entry.addresses
    return not (is_anybodys or entry.addresses & learner.addresses or may_be_one_name(entry.name, learner.name))


def may_try_again_at(wrong_tries: Sequence[datetime], at: datetime) -> datetime | None:
    """When a learner who guessed too often may try again; None when they may now."""
    recent = sorted(wrong for wrong in wrong_tries if wrong > at - WRONG_TRIES_WITHIN)
    return recent[-WRONG_TRIES_ALLOWED] + WRONG_TRIES_WITHIN if len(recent) >= WRONG_TRIES_ALLOWED else None


def normalize_code(code: str) -> bytes:
    """A code without what people add or change when they copy it: blanks, and the case of letters."""
    return "".join(code.split()).casefold().encode()


def _judge_option(requirement: Participation, value: str) -> Proof | Refused:
    codes = [option.code for option in requirement.options]
    return Proof(value) if value in codes else Refused(RefusalCode.OPTION_UNKNOWN, {"options": ",".join(codes)})


def _is_code(requirement: Participation, value: str) -> bool:
    """Whether this is the code, compared in constant time; without a code no value is right."""
    code = normalize_code(requirement.code or "")
    return code != b"" and hmac.compare_digest(normalize_code(value), code)


def _judge_match(method: ParticipationMethod, evidence: Evidence) -> Proof | Refused:
    match = evidence.match
    if match is None or match.is_group is not (method is ParticipationMethod.GROUP_ID):
        return _not_found(method)
    if match.is_group:
        return Proof(method)
    if match.is_anothers:
        # As for an id that nobody has: whoever tries ids must not learn which there are, or whose. The office is told.
        return replace(_not_found(method), roster_entry=match.entry_id)
    if match.claim_id not in (None, evidence.claim_id):
        return Refused(RefusalCode.IDENTIFIER_TAKEN, {"method": method})
    return Proof(method, match.entry_id)


def _not_found(method: ParticipationMethod) -> Refused:
    return Refused(RefusalCode.IDENTIFIER_NOT_FOUND, {"method": method})
