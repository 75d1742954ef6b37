from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.roster_changes import Change, Entry, Outcome, changes_of, removals
from domain.rosters import RosterLine, RowCode, RowProblem

ADA = Entry(
    id="ent_ada",
    given_name="Ada",
    family_name="Lovelace",
    keys={"badge_id": frozenset({"A1"}), "email": frozenset({"ada@x.example"})},
)
GRACE = Entry(id="ent_grace", given_name="Grace", family_name="Hopper", keys={"badge_id": frozenset({"A2"})})
NAMELESS = Entry(id="ent_nameless", keys={"badge_id": frozenset({"A3"}), "npi": frozenset({"1"})})
SITE = Entry(id="ent_site", is_group=True, keys={"group_id": frozenset({"G1"})})
USED = replace(ADA, is_used=True)
ENTRIES = (ADA, GRACE, NAMELESS, SITE)


def row(number: int = 2, /, **values: str) -> RosterLine:
    return RosterLine(line=number, values=values)


def named(given: str, family: str, **keys: str) -> RosterLine:
    return row(2, given_name=given, family_name=family, **keys)


def change(line: RosterLine, *entries: Entry) -> Change:
    [made] = changes_of([line], entries or ENTRIES)
    return made


def codes(made: Change) -> list[RowCode]:
    return [problem.code for problem in made.line.problems]


@pytest.mark.parametrize(
    "line", [named("Alan", "Turing", badge_id="B1"), row(email="a@x.example"), row(group_id="G2"), row(group_id="A1")]
)
def test_a_row_of_which_no_key_is_known_is_new(line: RosterLine) -> None:
    assert change(line) == Change(line=line, outcome=Outcome.NEW)


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (named("Ada", "Lovelace", badge_id="A1", email="ada@x.example"), ADA),
        (row(badge_id="A1"), ADA),
        (row(email="ada@x.example", given_name="Ada"), ADA),
        (row(group_id="G1"), SITE),
        (row(npi="1", badge_id="A3"), NAMELESS),
    ],
)
def test_a_row_that_says_nothing_new_changes_nothing(line: RosterLine, entry: Entry) -> None:
    assert change(line) == Change(line=line, outcome=Outcome.UNCHANGED, entry=entry)


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        pytest.param(named("Ada", "Lovelace", badge_id="A1", npi="7"), ADA, id="another key"),
        pytest.param(named("Ada", "Byron", badge_id="A1"), ADA, id="another family name"),
        pytest.param(named("Ada Maria", "Lovelace", badge_id="A1"), ADA, id="another given name"),
        pytest.param(named("Ada", "LOVELACE", badge_id="A1"), ADA, id="another spelling"),
        pytest.param(row(badge_id="A3", family_name="Noether"), NAMELESS, id="a name for the nameless"),
        pytest.param(row(group_id="G1", family_name="Noether"), SITE, id="somebody of a group"),
    ],
)
def test_a_row_that_says_more_of_the_same_person_changes_the_entry(line: RosterLine, entry: Entry) -> None:
    made = change(line)
    assert (made.outcome, made.entry, made.replaced_kinds, codes(made)) == (Outcome.CHANGED, entry, (), [])


@pytest.mark.parametrize(
    "line",
    [
        named("Ada", "Lovelace", badge_id="B9", email="ada@x.example"),
        named("ADA", "Lövelace", badge_id="B9", email="ada@x.example"),
        row(family_name="Lovelace", badge_id="B9", email="ada@x.example"),
    ],
)
def test_the_same_person_may_get_another_badge_while_the_first_is_unused(line: RosterLine) -> None:
    made = change(line)
    assert (made.outcome, made.entry, made.replaced_kinds) == (Outcome.CHANGED, ADA, ("badge_id",))


def test_a_used_entry_gets_another_badge_and_keeps_the_first() -> None:
    made = change(named("Ada", "Lovelace", badge_id="B9", email="ada@x.example"), USED)
    assert (made.outcome, made.entry, made.replaced_kinds) == (Outcome.CHANGED, USED, ())


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(named("Alan", "Turing", badge_id="A1"), id="both names differ"),
        pytest.param(named("Ada", "Byron", badge_id="A1", email="b@x.example"), id="a name and another key differ"),
        pytest.param(named("Adam", "Lovelace", badge_id="A1", email="b@x.example"), id="only the family name agrees"),
        pytest.param(row(badge_id="A1", email="b@x.example"), id="another key differs and no name says it is the same"),
    ],
)
@pytest.mark.parametrize(("entry", "code"), [(ADA, RowCode.KEY_OF_ANOTHER), (USED, RowCode.KEY_USED)])
def test_a_key_of_one_person_is_not_given_to_another(line: RosterLine, entry: Entry, code: RowCode) -> None:
    made = change(line, entry)
    assert (made.outcome, made.entry) == (Outcome.PROBLEM, None)
    assert made.line.problems == (RowProblem(code, "badge_id"),)


def test_keys_of_several_entries_are_not_joined() -> None:
    made = change(named("Ada", "Lovelace", badge_id="A2", email="ada@x.example"))
    assert (made.outcome, codes(made)) == (Outcome.PROBLEM, [RowCode.KEYS_OF_SEVERAL])


def test_a_row_with_an_error_of_its_own_is_not_looked_at_further() -> None:
    line = row(badge_id="A1").with_problem(RowProblem(RowCode.EMAIL_FORMAT, "email"))
    assert change(line) == Change(line=line, outcome=Outcome.PROBLEM)


def test_a_repeated_row_does_nothing() -> None:
    line = row(badge_id="B1").with_problem(RowProblem(RowCode.ROW_REPEATED, lines=(2,)))
    assert change(line) == Change(line=line, outcome=Outcome.UNCHANGED)


def test_two_rows_may_not_name_one_person_by_different_keys() -> None:
    first, second, other = changes_of(
        [row(2, badge_id="A1"), row(3, email="ada@x.example"), row(4, badge_id="A2")], ENTRIES
    )
    assert first.line.problems == (RowProblem(RowCode.PERSON_REPEATED, lines=(3,)),)
    assert second.line.problems == (RowProblem(RowCode.PERSON_REPEATED, lines=(2,)),)
    assert {first.outcome, second.outcome} == {Outcome.PROBLEM}
    assert other.outcome is Outcome.UNCHANGED


def test_a_second_look_forgets_what_the_first_one_found() -> None:
    before = change(named("Alan", "Turing", badge_id="A1"))
    assert before.outcome is Outcome.PROBLEM
    assert change(before.line, GRACE).outcome is Outcome.NEW


def test_a_replacing_roster_removes_what_it_does_not_name_and_nobody_used() -> None:
    assert removals([row(badge_id="A1"), row(npi="1")], ENTRIES) == [GRACE, SITE]
    assert removals([row(badge_id="A2")], [USED, GRACE]) == []
    assert removals([], [replace(GRACE, is_uploaded=False)]) == []


KEYS = st.dictionaries(st.sampled_from(["badge_id", "email", "npi"]), st.sampled_from("ABCD"), min_size=1)
NAMES = st.dictionaries(st.sampled_from(["given_name", "family_name"]), st.sampled_from(["Ada", "Lovelace"]))


@st.composite
def rosters(draw: st.DrawFn) -> list[RosterLine]:
    """Rows without a key twice, as reading leaves them."""
    taken: set[tuple[str, str]] = set()
    lines = []
    for number, (keys, names) in enumerate(draw(st.lists(st.tuples(KEYS, NAMES), max_size=6)), 2):
        if not taken & set(keys.items()):
            taken |= set(keys.items())
            lines.append(RosterLine(line=number, values={**keys, **names}))
    return lines


def applied(changes: list[Change], entries: list[Entry]) -> list[Entry]:
    """The roster after the changes, as a plain model."""
    after = {entry.id: entry for entry in entries}
    for made in changes:
        entry = made.entry or Entry(id=f"ent_{made.line.line}_{len(after)}", keys={})
        if made.outcome in (Outcome.NEW, Outcome.CHANGED):
            kept = {kind: values for kind, values in entry.keys.items() if kind not in made.replaced_kinds}
            said = {kind: kept.get(kind, frozenset()) | {value} for kind, value in made.line.keys.items()}
            after[entry.id] = replace(
                entry,
                keys=kept | said,
                given_name=made.line.values.get("given_name", entry.given_name),
                family_name=made.line.values.get("family_name", entry.family_name),
            )
    return list(after.values())


@given(st.lists(rosters(), min_size=1, max_size=4), st.sets(st.integers(0, 20)))
def test_applied_rows_change_nothing_a_second_time_and_no_key_gets_two_owners(
    uploads: list[list[RosterLine]], used: set[int]
) -> None:
    entries: list[Entry] = []
    for lines in uploads:
        before = {entry.id: entry for entry in entries}
        changes = changes_of(lines, entries)
        entries = applied(changes, entries)
        entries = [replace(entry, is_used=entry.is_used or at in used) for at, entry in enumerate(entries)]
        owned = [key for entry in entries for kind, values in entry.keys.items() for key in ((kind, v) for v in values)]
        assert len(owned) == len(set(owned))
        for entry in entries:
            kept = before[entry.id].keys if entry.id in before and before[entry.id].is_used else {}
            assert all(values <= entry.keys[kind] for kind, values in kept.items())
        # A row that is a problem may become clear by what the others changed, and then ask for another look.
        if all(made.outcome is not Outcome.PROBLEM for made in changes):
            assert {made.outcome for made in changes_of(lines, entries)} <= {Outcome.UNCHANGED}
