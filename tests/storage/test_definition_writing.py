"""Definitions written as people edit them read back as the same, whatever their texts hold."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from domain.policy import CEActivityPolicy
from storage.definitions import (
    definition_values,
    definition_yaml,
    policy_from_json,
    policy_to_json,
    read_definition,
)

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
TEXTS = [
    "yes",
    "null",
    "1.10",
    "0o17",
    "2026-01-01",
    "08:30",
    "- a list?",
    "a: b",
    "# no comment",
    "{curly}",
    "%percent",
    "two\nlines",
    "two\n\n  indented\nlines",
    "long " * 60 + "end",
    "long  with   blanks " * 20 + "end",
    "'quoted' and \"quoted\"",
    "back\\slash",
    "&anchor *alias !tag",
    "Đặng 山田 ™ 😀",
    "@ at ` and |",
]


def example() -> CEActivityPolicy:
    return read_definition(EXAMPLES[0].read_text(encoding="utf-8")).policy


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_reads_back_as_the_same_from_yaml_and_from_fields(path: Path) -> None:
    definition = read_definition(path.read_text(encoding="utf-8"))
    values = definition_values(definition.slug, definition.status, definition.policy)
    assert read_definition(definition_yaml(values)) == definition
    assert read_definition(json.dumps(values)) == definition


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_published_policy_is_written_with_the_rules_it_is_pinned_to(path: Path) -> None:
    definition = read_definition(path.read_text(encoding="utf-8"))
    stored = policy_to_json(definition.policy)
    values = definition_values(definition.slug, definition.status, policy_from_json(stored))
    assert all(offer["rule_version"] for offer in values["credit"])
    assert policy_to_json(read_definition(definition_yaml(values)).policy) == stored


@pytest.mark.parametrize("words", TEXTS)
def test_a_text_stays_what_it_is(words: str) -> None:
    definition = read_definition(EXAMPLES[0].read_text(encoding="utf-8"))
    policy = replace(definition.policy, description=words)
    values = definition_values(definition.slug, definition.status, policy)
    assert read_definition(definition_yaml(values)).policy.description == words


def test_what_goes_without_saying_is_not_written() -> None:
    values = definition_values("a-slug", read_definition(EXAMPLES[0].read_text(encoding="utf-8")).status, example())
    assert list(values)[:3] == ["slug", "status", "title"]
    assert "paper" not in values
    assert "starts_on: '" not in definition_yaml(values)
