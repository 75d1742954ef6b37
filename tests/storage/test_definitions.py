import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.policy import CreditOffer, LearningFormat
from domain.rosters import read_roster
from storage.definitions import (
    MAXIMUM_DEFINITION_BYTES,
    DefinitionError,
    DefinitionStatus,
    json_schema,
    policy_from_json,
    policy_to_json,
    read_definition,
)

ROSTERS = sorted((Path(__file__).parents[2] / "examples" / "rosters").glob("*.csv"))
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
TOO_MANY = {("profile_fields", "has at most 500 entries")} | {
    (f"profile_fields[{at}]", "is used once only") for at in range(1, 100)
}
MINIMAL = """\
slug: grand-rounds
title: Grand Rounds
format: live_activity
provider:
  name: Lakeside Academy
  accreditation_statement: The Lakeside Academy is accredited.
time_zone: UTC
starts_on: 2026-09-01
ends_on: 2026-09-30
contact: ce@lakeside.example
requirements:
  - kind: participation
    options:
      - {code: yes, label: I was there}
credit:
  - credit_type: participation
    designated_units: 1.50
    designation_statement: One and a half hours.
"""


def problems_of(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(DefinitionError) as caught:
        read_definition(text)
    return [(problem.line, problem.field, problem.message) for problem in caught.value.problems]


def changed(old: str, new: str) -> str:
    assert MINIMAL.count(old) == 1, old
    return MINIMAL.replace(old, new)


def with_all_as_text(path: Path) -> dict[str, object]:
    """The document as a general YAML reader sees it, dates and times of day as text."""
    loader = type("TextDates", (yaml.SafeLoader,), {})
    loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)  # type: ignore[attr-defined]
    # YAML 1.1 reads 10:30 as a number in base sixty.
    loader.add_constructor(  # type: ignore[attr-defined]
        "tag:yaml.org,2002:int", lambda _, node: node.value if ":" in node.value else int(node.value)
    )
    loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 -- derived from the safe loader
    assert isinstance(loaded, dict)
    return loaded


def test_a_minimal_definition_is_read_with_its_defaults() -> None:
    definition = read_definition(MINIMAL)
    assert (definition.slug, definition.status) == ("grand-rounds", DefinitionStatus.PUBLISHED)
    assert definition.policy.format is LearningFormat.LIVE_ACTIVITY
    assert definition.policy.starts_on == date(2026, 9, 1)
    assert definition.policy.claim_window.closes_on is None
    assert definition.policy.paper == "letter"


def test_words_stay_words_and_amounts_keep_their_digits() -> None:
    policy = read_definition(MINIMAL).policy
    assert policy.participation is not None
    assert policy.participation.options[0].code == "yes"
    assert str(policy.credit[0].designated_units) == "1.50"
    assert str(read_definition(changed("1.50", '"1.50"')).policy.credit[0].designated_units) == "1.50"
    assert read_definition(changed("1.50", "2")).policy.credit[0].designated_units == Decimal(2)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_valid_named_as_its_file_and_the_same_as_json(path: Path) -> None:
    definition = read_definition(path.read_text(encoding="utf-8"))
    assert definition.slug == path.stem
    assert read_definition(json.dumps(with_all_as_text(path), indent="\t")) == definition


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_policy_reads_back_from_json_with_every_rule_version_named(path: Path) -> None:
    policy = read_definition(path.read_text(encoding="utf-8")).policy
    stored = json.loads(json.dumps(policy_to_json(policy)))
    restored = policy_from_json(stored)
    assert restored == replace(policy, credit=restored.credit)
    assert [replace(offer, rule_version=None) for offer in restored.credit] == list(policy.credit)
    assert all(offer.rule_version for offer in restored.credit)
    assert policy_to_json(restored) == stored


@pytest.mark.parametrize("path", ROSTERS, ids=lambda path: path.stem)
def test_every_roster_of_the_examples_is_read_without_a_problem(path: Path) -> None:
    lines = read_roster(path.read_bytes()).lines
    assert len(lines) > 5
    assert not [problem for line in lines for problem in line.problems]


@given(units=st.integers(1, 800).map(lambda n: Decimal(n) / 4), on=st.dates(date(2000, 1, 1), date(2100, 12, 31)))
def test_amounts_and_dates_come_back_exactly(units: Decimal, on: date) -> None:
    policy = read_definition(MINIMAL).policy
    offer = CreditOffer(credit_type="participation", designated_units=units, designation_statement="Hours.")
    policy = replace(policy, credit=(offer,), starts_on=on)
    restored = policy_from_json(json.loads(json.dumps(policy_to_json(policy, published_on=on))))
    assert restored.starts_on == on
    assert str(restored.credit[0].designated_units) == str(units)


def test_what_is_no_stored_policy_is_not_read_as_one() -> None:
    with pytest.raises(ValidationError):
        policy_from_json({"title": "Grand Rounds"})


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("slug: grand-rounds", "slug: Grand Rounds", (1, "slug", "a name for addresses")),
        ("slug: grand-rounds", f"slug: {'a' * 81}", (1, "slug", "at most 80 long")),
        ("slug: grand-rounds\n", "", (1, "slug", "is missing")),
        ("slug: grand-rounds", "slug: [a]", (1, "slug", "is text; write it in quotes")),
        ("slug: grand-rounds", "slug: a\nstatus: on", (2, "status", "is draft, published or closed")),
        ("slug: grand-rounds", "slug: a\nstatus: [draft]", (2, "status", "is draft, published or closed")),
        ("title: Grand Rounds", "titel: Grand Rounds", (2, "titel", "did you mean title?")),
        ("title: Grand Rounds", "title: 2026", (2, "title", "is text; write it in quotes")),
        ("title: Grand Rounds", "title:", (2, "title", "has no value")),
        ("live_activity", "webinar", (3, "format", "is live_activity, enduring_material")),
        ("  name: Lakeside Academy\n", "", (4, "provider.name", "is missing")),
        ("  name: Lakeside", "  qzx: 1\n  name: Lakeside", (5, "provider.qzx", "is not a field here")),
        ("time_zone: UTC", "time_zone: Mars/Base", (7, "time_zone", "is an IANA time zone")),
        ("2026-09-01", "1 September 2026", (8, "starts_on", "is a date such as 2026-09-30")),
        ("2026-09-01", "20260901", (8, "starts_on", "is a date such as 2026-09-30")),
        ("2026-09-30", "2026-09-31", (9, "ends_on", "is a date such as 2026-09-30")),
        (
            "kind: participation",
            "kind: quiz",
            (12, "requirements[0].kind", "is participation, statement, disclosures, content, post_test"),
        ),
        ("kind: participation", "prompt: How?", (12, "requirements[0].kind", "is participation, statement,")),
        ("label: I was there", "text: I was there", (14, "requirements[0].options[0].label", "is missing")),
        ("1.50", "1e1", (17, "credit[0].designated_units", "is written in digits")),
        ("1.50", "1_5.0", (17, "credit[0].designated_units", "is written in digits")),
        ("1.50", "1.505", (17, "credit[0].designated_units", "is written in digits")),
        ("1.50", ".nan", (17, "credit[0].designated_units", "is written in digits")),
        ("1.50", "true", (17, "credit[0].designated_units", "is written in digits")),
        ("1.50", "1.60", (17, "credit[0].designated_units", "is a multiple of 0.25")),
        ("credit_type: participation", "credit_type: gold", (16, "credit[0].credit_type", "is one of aapa")),
    ],
)
def test_a_mistake_is_reported_with_its_line_its_field_and_what_would_be_right(
    old: str, new: str, problem: tuple[int, str, str]
) -> None:
    found = problems_of(changed(old, new))
    line, field, message = problem
    assert any((line, field) == each[:2] and message in each[2] for each in found), found


def test_all_mistakes_are_reported_in_the_order_of_their_lines() -> None:
    text = changed("slug: grand-rounds", "slug: A").replace("2026-09-01", "soon").replace("1.50", "much")
    text = text.replace("contact:", "kontakt:")
    found = problems_of(text)
    assert [(line, field) for line, field, _ in found] == [
        (1, "contact"),
        (1, "slug"),
        (8, "starts_on"),
        (10, "kontakt"),
        (17, "credit[0].designated_units"),
    ]


def test_errors_of_a_requirement_come_from_its_own_kind_only() -> None:
    text = changed("kind: participation", "kind: post_test").replace("prompt", "text")
    assert {(field, message) for _, field, message in problems_of(text)} == {
        ("requirements[0].passing_percent", "is missing"),
        ("requirements[0].questions", "is missing"),
        ("requirements[0].options", "is not a field here"),
    }


def test_an_error_can_be_read_as_text() -> None:
    with pytest.raises(DefinitionError, match=r"^line 2: title: is text; write it in quotes$"):
        read_definition(changed("title: Grand Rounds", "title: 7"))
    with pytest.raises(DefinitionError, match=r"^line 1: the definition: is empty$"):
        read_definition("")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "is empty"),
        ("# nothing\n", 1, "is empty"),
        ("- a\n", 1, "is a mapping of fields"),
        ("grand rounds", 1, "is a mapping of fields"),
        ("a: 1\n---\nb: 2\n", 1, "is one document only"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "cannot be read"),
        ("a: 1\n\tb: 2\n", 2, "cannot be read"),
        ("a: 1\nb: \x07\n", 2, "a character that is not printed"),
        ("a: \ud800\n", 1, "a character that is not printed"),
        ('{"a": "\\ud800"}', 1, "cannot be read"),
        ("a: " + "[" * 20 + "]" * 20, 1, "is nested at most 12 deep"),
        ("a: " + "[" * 100_000, 1, "is nested at most 12 deep"),
        ("a: !x " + "[" * 100_000, 1, "is nested at most 12 deep"),
        ("a: " + "- " * 100_000, 1, "cannot be read"),
        ("a: " + "x" * MAXIMUM_DEFINITION_BYTES, 1, "is larger than 256 KiB"),
    ],
)
def test_a_text_that_cannot_be_read_to_its_end_is_refused_for_that(text: str, line: int, message: str) -> None:
    started = time.process_time()
    found_line, _, found = problems_of(text)[-1]
    assert (found_line, message in found) == (line, True), found
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("contact: me\n", {("contact", "is given twice")}),
        ("location: &x Chicago\n", {("location", "has no anchors (&) and no aliases (*)")}),
        ("location: *x\n", {("location", "has no anchors (&) and no aliases (*)")}),
        ("location: !secret x\n", {("location", "has no tags (!)")}),
        ("location: !!python/object/apply:os.system [echo]\n", {("location", "has no tags (!)")}),
        ("*x : 1\n", {("", "has names for fields, not lists or aliases")}),
        ("[b, c]: [{d: 1}]\n", {("", "has names for fields, not lists or aliases")}),
        ("<<: *x\n", {("<<", "has no anchors (&) and no aliases (*)"), ("<<", "is not a field here")}),
        (f"profile_fields: [{'npi, ' * 501}]\n", TOO_MANY),
    ],
)
def test_what_a_definition_may_not_hold_is_reported_where_it_stands(text: str, problems: set[tuple[str, str]]) -> None:
    found = problems_of(MINIMAL + text)
    assert {(field, message) for _, field, message in found} == problems
    assert {line for line, _, _ in found} == {19}


def test_a_mistake_of_the_notation_hides_no_other() -> None:
    text = changed("title: Grand Rounds", "title: &t Rounds").replace("kind: participation", "kind: *t")
    text = text.replace("UTC", "Mars/Base").replace("contact:", "kontakt:").replace("1.50", "1.60")
    assert {field for _, field, _ in problems_of(text)} == {
        "title",
        "contact",
        "kontakt",
        "time_zone",
        "requirements[0].kind",
        "credit[0].designated_units",
    }


def places_in(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of everything in a document; of long lists only the first two entries and the last."""
    yield path
    if isinstance(value, dict):
        for name, each in value.items():
            yield from places_in(each, (*path, name))
    if isinstance(value, list):
        for at in sorted({0, 1, len(value) - 1} & set(range(len(value)))):
            yield from places_in(value[at], (*path, at))


def with_changed(document: object, path: tuple[str | int, ...], change: Callable[[Any, Any], None]) -> dict[str, Any]:
    """A copy of the document, in which ``change`` was called with what holds the last part of the path."""
    values = json.loads(json.dumps(document))
    holder = values
    for part in path[:-1]:
        holder = holder[part]
    change(holder, path[-1])
    return cast("dict[str, Any]", values)


def make_wrong(holder: Any, key: Any) -> None:
    holder[key] = "x" if isinstance(holder[key], list) else ["x"]


def printed(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def problems_in(document: dict[str, Any]) -> list[tuple[str, str]]:
    try:
        read_definition(json.dumps(document))
    except DefinitionError as error:
        return [(problem.field, problem.message) for problem in error.problems]
    return []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_one_field_of_the_wrong_shape_is_one_problem_wherever_it_is(path: Path) -> None:
    document = with_all_as_text(path)
    for place in list(places_in(document))[1:]:
        found = problems_in(with_changed(document, place, make_wrong))
        assert [field for field, _ in found] == [printed(place)], found


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_one_needed_field_that_is_missing_is_one_problem_wherever_it_is(path: Path) -> None:
    document, missing = with_all_as_text(path), 0
    for place in list(places_in(document))[1:]:
        found = problems_in(with_changed(document, place, lambda holder, key: holder.pop(key)))
        if "is missing" in [message for _, message in found]:
            missing += 1
            assert [field for field, _ in found] == [printed(place)], found
    assert missing > 20


@pytest.mark.parametrize(
    "text",
    [
        "requirements:\n" + "  - {kind: evaluation, c: d}\n" * 9000,
        "requirements:\n" + "  - {kind: post_test, questions: [" + "{q: r}, " * 30_000 + "]}\n",
        "credit: [" + "1, " * 80_000 + "]",
        "credit:\n" + "  - {credit_type: participation, designated_units: 9}\n" * 4500,
        "sessions: [" + "{held_on: 2026-01-01, starts_at: 08:30, ends_at: 09:30, maximum_units: 7}, " * 3400 + "]",
        MINIMAL
        + "sessions:\n"
        + "  - {code: a, title: a, held_on: 2026-01-01, starts_at: 08:30, ends_at: 09:30, maximum_units: 7}\n" * 2500,
        "".join(f"field{number}: 1\n" for number in range(16_000)),
        "".join(f"titl{'e' * number}: 1\n" for number in range(700)),
        "title: " + "e\u0301" * 80_000,
        "description: |\n" + "  line\n" * 36_000,
        "a: [" + "{" * 11 + "}" * 11 + ", {}" * 60_000 + "]",
        "a: {" + "? " * 100_000 + "}",
        "a: '" + "\n" * 200_000 + "'",
        "a: " + '"\\\n' * 60_000,
        "{" + '"a": {"b": [1]}, ' * 14_000 + "}",
    ],
    ids=range(15),
)
def test_a_hostile_definition_is_refused_in_a_moment(text: str) -> None:
    started = time.process_time()
    assert len(text.encode()) <= MAXIMUM_DEFINITION_BYTES
    assert 0 < len(problems_of(text)) <= 100
    assert time.process_time() - started < 2


def test_thousands_of_unknown_fields_are_refused_without_reporting_each_of_them() -> None:
    started = time.process_time()
    found = problems_of("\n".join(f"field{number}: 1" for number in range(5000)))
    assert len(found) == 100
    assert time.process_time() - started < 5


def test_both_halves_of_a_character_in_json_are_one_character() -> None:
    document = json.loads(json.dumps({"slug": "x"}))
    values = with_all_as_text(EXAMPLES[0]) | document | {"title": "Rounds \U0001f9ea"}
    assert read_definition(json.dumps(values, ensure_ascii=True)).policy.title == "Rounds \U0001f9ea"


def test_what_the_author_wrote_is_not_repeated_in_an_error_except_for_the_names_of_fields() -> None:
    text = changed("title: Grand Rounds", "title: [canary]").replace("1.50", "canary").replace("UTC", "canary")
    assert "canary" not in str(problems_of(text))
    ((_, field, _),) = problems_of(changed("contact:", f"{'x' * 5000}: 1\ncontact:"))
    assert len(field) <= 60


@given(st.text(max_size=200) | st.builds(lambda a, b: MINIMAL[:a] + b + MINIMAL[a:], st.integers(0, 400), st.text()))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        definition = read_definition(text)
    except DefinitionError as error:
        assert error.problems  # noqa: PT017 -- both outcomes are right, anything else is not
    else:
        assert policy_from_json(policy_to_json(definition.policy)).title == definition.policy.title


def test_the_schema_names_every_field_and_is_plain_json() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert {"slug", "status", "title", "requirements", "credit"} <= set(schema["properties"])
    assert schema["required"][0] == "slug"
    assert schema["additionalProperties"] is False
