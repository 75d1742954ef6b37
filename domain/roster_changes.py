"""What the rows of an uploaded roster mean for the roster that a CE activity has already.

Rows add entries and change them; an entry that proved somebody's participation keeps every key it has.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from domain.roster_columns import FAMILY_NAME, GIVEN_NAME
from domain.rosters import MOST_LINES_NAMED, RosterLine, RowCode, RowProblem

_OF_THE_ROSTER: Final = frozenset(
    {RowCode.KEY_OF_ANOTHER, RowCode.KEY_USED, RowCode.KEYS_OF_SEVERAL, RowCode.PERSON_REPEATED}
)


class Outcome(StrEnum):
    """What applying a row does. ``removed`` is said of an entry that a replacing roster does not name."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    PROBLEM = "problem"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of the roster as it is now, with its keys by kind.

    ``is_used`` when it proved a claim's participation, ``is_uploaded`` when it came with a file, not from a platform.
    """

    id: str
    is_group: bool = False
    given_name: str | None = None
    family_name: str | None = None
    is_used: bool = False
    is_uploaded: bool = True
    keys: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one row does, and to which entry; a new row, and one that does nothing, has none."""

    line: RosterLine
    outcome: Outcome
    entry: Entry | None = None

    @property
    def replaced_kinds(self) -> tuple[str, ...]:
        """Kinds of keys of which the entry gets another value; the old one goes, unless the entry is used."""
        entry = self.entry
        if entry is None or entry.is_used:
            return ()
        return tuple(kind for kind, value in self.line.keys.items() if _contradicts(entry, kind, value))


def changes_of(lines: Iterable[RosterLine], entries: Iterable[Entry]) -> list[Change]:
    """What each row does, in the order of the rows; problems that an earlier look found are looked for anew."""
    owners = {(kind, value): entry for entry in entries for kind, values in entry.keys.items() for value in values}
    changes = [_change(_on_its_own(line), owners) for line in lines]
    return list(_without_repeated_people(changes))


def removals(lines: Iterable[RosterLine], entries: Iterable[Entry]) -> list[Entry]:
    """The entries that a replacing roster removes: from a file, without a row that has their keys, and unused."""
    named = {key for line in lines for key in line.keys.items()}
    return [
        entry
        for entry in entries
        if entry.is_uploaded
        and not entry.is_used
        and not any((kind, value) in named for kind, values in entry.keys.items() for value in values)
    ]


def _on_its_own(line: RosterLine) -> RosterLine:
    own = tuple(problem for problem in line.problems if problem.code not in _OF_THE_ROSTER)
    return line if len(own) == len(line.problems) else replace(line, problems=own)


def _change(line: RosterLine, owners: Mapping[tuple[str, str], Entry]) -> Change:
    if line.has_error:
        return Change(line=line, outcome=Outcome.PROBLEM)
    if line.is_repeated:
        return Change(line=line, outcome=Outcome.UNCHANGED)
    hits = {owners[key].id: (key[0], owners[key]) for key in line.keys.items() if key in owners}
    if not hits:
        return Change(line=line, outcome=Outcome.NEW)
    kind, entry = next(iter(hits.values()))
    if len(hits) > 1:
        return _problem(line, RowProblem(RowCode.KEYS_OF_SEVERAL))
    if _is_another(line, entry):
        return _problem(line, RowProblem(RowCode.KEY_USED if entry.is_used else RowCode.KEY_OF_ANOTHER, kind))
    outcome = Outcome.CHANGED if _changes(line, entry) else Outcome.UNCHANGED
    return Change(line=line, outcome=outcome, entry=entry)


def _problem(line: RosterLine, problem: RowProblem) -> Change:
    return Change(line=line.with_problem(problem), outcome=Outcome.PROBLEM)


def _is_another(line: RosterLine, entry: Entry) -> bool:
    """Whether a row that shares a key with an entry is about another person.

    It is when both names differ, or when another key differs and the names do not say that it is the same person.
    """
    given = _compare(line.values.get(GIVEN_NAME), entry.given_name)
    family = _compare(line.values.get(FAMILY_NAME), entry.family_name)
    if given is False and family is False:
        return True
    is_same = family is True and given is not False
    return not is_same and any(_contradicts(entry, kind, value) for kind, value in line.keys.items())


def _contradicts(entry: Entry, kind: str, value: str) -> bool:
    return kind in entry.keys and value not in entry.keys[kind]


def _compare(one: str | None, other: str | None) -> bool | None:
    """Whether two names are the same but for accents, case and signs; None when either is missing."""
    return one == other or _plain(one) == _plain(other) if one and other else None


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name)
    return "".join(each for each in letters if each.isalnum() and not unicodedata.combining(each)).casefold()


def _changes(line: RosterLine, entry: Entry) -> bool:
    """Whether a row says anything of an entry that the roster does not; what it leaves out stays."""
    names = (
        (line.values.get(GIVEN_NAME), entry.given_name),
        (line.values.get(FAMILY_NAME), entry.family_name),
    )
    is_renamed = any(said and said != known for said, known in names)
    return is_renamed or any(value not in entry.keys.get(kind, ()) for kind, value in line.keys.items())


def _without_repeated_people(changes: Sequence[Change]) -> Iterator[Change]:
    by_entry: defaultdict[str, list[int]] = defaultdict(list)
    for change in changes:
        if change.entry is not None:
            by_entry[change.entry.id].append(change.line.line)
    for change in changes:
        lines = by_entry[change.entry.id] if change.entry is not None else []
        if len(lines) > 1:
            others = tuple(line for line in lines[: MOST_LINES_NAMED + 1] if line != change.line.line)
            yield _problem(change.line, RowProblem(RowCode.PERSON_REPEATED, lines=others[:MOST_LINES_NAMED]))
        else:
            yield change
