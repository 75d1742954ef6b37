"""Who is who: comparing people by name, identifier and birthday, and what a profile still lacks.

Two records are compared by what people write differently without meaning anything else by it: case, accents, blanks.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from domain import credit
from domain.identifiers import IDENTIFIERS, is_not_applicable
from domain.policy import CEActivityPolicy, Profession

EMPLOYEE_ID: Final = "employee_id"
BIRTH_MONTH_DAY: Final = "birth_month_day"

# Stored in the place of an employee id by people who are no employees, so that the question counts as answered.
NOT_AN_EMPLOYEE: Final = "NA"

# Letters that are no other letter with an accent, and are written without it on many lists.
_PLAIN_LETTERS: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "\u0131": "i", "æ": "ae", "œ": "oe"})
# How a vowel with two dots is written where there are none.
_WRITTEN_OUT: Final = (("ae", "a"), ("oe", "o"), ("ue", "u"))

# What every learner is asked for: a certificate names its learner, and credit depends on the profession (R-AMA-6, 7).
ALWAYS_REQUIRED: Final = ("given_name", "family_name", "profession", "email")

FullName = tuple[str | None, str | None]
"""A given and a family name, as far as they are known."""

_FIRST_ACCENT, _LAST_ACCENT = "\u0300", "\u036f"


class Likeness(StrEnum):
    """Why two learners may be one person."""

    SAME_IDENTIFIER = "same_identifier"
    SAME_NAME_AND_BIRTH_DAY = "same_name_and_birth_day"


@dataclass(frozen=True, slots=True)
class Person:
    """A learner as people are compared: ``name`` as ``name_key`` writes it, identifiers by kind."""

    learner_id: str
    name: str | None
    identifiers: Mapping[str, str]

    @property
    def employee_id(self) -> str | None:
        """The employee id; None when there is none, or the person is no employee."""
        value = self.identifiers.get(EMPLOYEE_ID)
        return None if value == NOT_AN_EMPLOYEE else value


def name_key(given_name: str | None, family_name: str | None) -> str | None:
    """The full name as it is compared: without case and accents, its words apart by single spaces.

    ``José O'Brien-Núñez`` is ``jose o brien nunez``. None unless both names are there and say something.
    """
    if not (given_name and family_name):
        return None
    return " ".join(name_words(f"{given_name} {family_name}")) or None


def name_words(name: str) -> list[str]:
    """The words of a name as they are compared: letters, marks and digits only."""
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    plain = (each for each in unicodedata.normalize("NFKD", decomposed) if not _FIRST_ACCENT <= each <= _LAST_ACCENT)
    return "".join(each if unicodedata.category(each)[0] in "LMN" else " " for each in plain).split()


def is_name_of(listed: tuple[str | None, str | None], given_name: str | None, family_name: str | None) -> bool:
    """Whether a name agrees with the given and the family name on a list, as far as both say one.

    One may have more given names than the other: ``Ada`` is ``Ada King`` on many lists.
    """
    listed_given, listed_family = listed
    if listed_family and family_name and name_words(listed_family) != name_words(family_name):
        return False
    theirs, ours = name_words(listed_given or ""), name_words(given_name or "")
    return all(one == other for one, other in zip(theirs, ours, strict=False))


def may_be_one_name(one: FullName, other: FullName) -> bool:
    """Whether two given and family names may be one person's, as far as both say one.

    The family names agree, or one is a part of the other's double name; and of the given names one begins with the
    other: an initial is enough. Somebody may have written them the wrong way round. ``J. Nunez`` may be
    ``Núñez García, José``.
    """
    return _agree(one, other) or _agree(one, other[::-1])


def _agree(one: FullName, other: FullName) -> bool:
    given, family = ((_plain_words(mine), _plain_words(theirs)) for mine, theirs in zip(one, other, strict=True))
    pairs = ((_begin_alike, given), (_is_one_family, family))
    said = [is_alike(*pair) for is_alike, pair in pairs if all(pair)]
    return bool(said) and all(said)


def _is_one_family(one: Sequence[str], other: Sequence[str]) -> bool:
    return "".join(one) == "".join(other) or set(one) <= set(other) or set(other) <= set(one)


def _begin_alike(one: Sequence[str], other: Sequence[str]) -> bool:
    return any(mine.startswith(theirs) or theirs.startswith(mine) for mine in one for theirs in other)


def _plain_words(name: str | None) -> list[str]:
    """The words of a name, however its special letters are written."""
    words = " ".join(name_words(name or "")).translate(_PLAIN_LETTERS)
    for long, short in _WRITTEN_OUT:
        words = words.replace(long, short)
    return words.split()


def written_identifier(kind: str, text: str) -> str | None:
    """An identifier in the one way in which it is stored; None if the text cannot be one. Raises ``KeyError``.

    Of an employee id ``NA``, in any case and with or without a slash, says that there is none.
    """
    if kind == EMPLOYEE_ID and is_not_applicable(text):
        return NOT_AN_EMPLOYEE
    return IDENTIFIERS[kind].normalize(text)


def possible_identifiers(text: str) -> tuple[tuple[str, str], ...]:
    """Every kind of identifier that somebody may mean who names a number only, each with how it is stored.

    Birthdays are none: half of all learners would be found.
    """
    written = ((kind, written_identifier(kind, text)) for kind in IDENTIFIERS)
    return tuple((kind, value) for kind, value in written if value and is_telling(kind, value))


def matching_person(name: str | None, employee_id: str | None, people: Sequence[Person]) -> Person | None:
    """The one of these people who answers to an employee id, or else to a name; None when it could be several.

    ``employee_id`` is None for people who are no employees. Somebody with another employee id is somebody else.
    """
    if employee_id is not None:
        by_id = [each for each in people if each.employee_id == employee_id]
        if by_id:
            return _only(by_id) or _only([each for each in by_id if each.name == name])
        people = [each for each in people if each.employee_id is None]
    return _only([each for each in people if name is not None and each.name == name])


def _only(people: Sequence[Person]) -> Person | None:
    return people[0] if len(people) == 1 else None


def shared_identifiers(one: Person, other: Person) -> tuple[str, ...]:
    """The kinds of identifier, in order, that two learners share and that belong to one person only."""
    return tuple(
        kind
        for kind, value in sorted(one.identifiers.items())
        if is_telling(kind, value) and other.identifiers.get(kind) == value
    )


def is_telling(kind: str, value: str) -> bool:
    """Whether nobody else should have this identifier: many share a birthday, and many are no employees."""
    return kind != BIRTH_MONTH_DAY and value != NOT_AN_EMPLOYEE


def likenesses(one: Person, other: Person) -> tuple[Likeness, ...]:
    """Why two learners may be one person; empty when nothing says so."""
    found = [Likeness.SAME_IDENTIFIER] if shared_identifiers(one, other) else []
    birthday = one.identifiers.get(BIRTH_MONTH_DAY)
    has_same_birthday = birthday is not None and birthday == other.identifiers.get(BIRTH_MONTH_DAY)
    if has_same_birthday and one.name is not None and one.name == other.name:
        found.append(Likeness.SAME_NAME_AND_BIRTH_DAY)
    return tuple(found)


def required_fields(policy: CEActivityPolicy, profession: Profession | None) -> tuple[str, ...]:
    """The fields that a CE activity requires of a learner's profile: its own, and those of the credit on offer to them.

    Credit for other professions asks nothing of this one (R-CPE-3, for example, of pharmacists only).
    """
    identifiers = (
        kind for offer in credit.offers_for(policy, profession) for kind in credit.rule_of(offer).required_identifiers
    )
    return tuple(dict.fromkeys((*ALWAYS_REQUIRED, *policy.profile_fields, *identifiers)))


def missing_fields(profile: Mapping[str, str | None], required: Iterable[str]) -> tuple[str, ...]:
    """The required fields that a profile does not have, in the order of the requirement.

    ``profile`` maps fields, and kinds of identifier, to what the learner wrote.
    """
    return tuple(field for field in required if not profile.get(field))
