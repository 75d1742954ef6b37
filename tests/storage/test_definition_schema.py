"""The JSON Schema that editors use, and the page that explains the same fields in the same words."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from storage.definitions import json_schema, read_definition
from storage.definitions.notation import Document
from storage.definitions.schema import field_descriptions
from storage.definitions.shapes import policy_classes

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
PAGE = (ROOT / "docs" / "ce-activity.md").read_text(encoding="utf-8")
FRAGMENTS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1:]
BASE: dict[str, Any] = {
    "slug": "grand-rounds",
    "title": "Grand Rounds",
    "format": "live_activity",
    "provider": {
        "name": "Lakeside Academy",
        "website": "https://www.lakeside.example",
        "accreditation_statement": "The Lakeside Academy is accredited.",
    },
    "time_zone": "UTC",
    "starts_on": "2026-09-01",
    "ends_on": "2026-09-30",
    "contact": "ce@lakeside.example",
    "requirements": [],
    "credit": [{"credit_type": "participation", "designated_units": "1.00", "designation_statement": "One hour."}],
}


def mistakes(values: object) -> list[str]:
    validator = jsonschema_rs.validator_for(json.loads(json.dumps(json_schema())))
    return [error.message for error in validator.iter_errors(values)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_schema_finds_nothing_wrong_with_an_example(path: Path) -> None:
    assert mistakes(Document(path.read_text(encoding="utf-8")).values) == []


@pytest.mark.parametrize(
    "change",
    [
        {"titel": "Grand Rounds"},
        {"title": None},
        {"slug": "Grand Rounds"},
        {"status": "open"},
        {"format": "webinar"},
        {"starts_on": 2026},
        {"requirements": [{"methods": ["roster"]}]},
        {"requirements": [{"kind": "quiz"}]},
        {"requirements": [{"kind": "statement", "text": "Choose."}]},
        {"sessions": [{"code": "a", "title": "A", "held_on": "2026-09-01", "starts_at": "9:00", "ends_at": "10:00"}]},
        {"credit": [{**BASE["credit"][0], "designated_units": "1.505"}]},
        {"credit": [{**BASE["credit"][0], "designated_units": -1}]},
    ],
    ids=json.dumps,
)
def test_the_schema_marks_what_the_reader_refuses(change: dict[str, Any]) -> None:
    assert mistakes(BASE) == []
    assert mistakes(BASE | change) != []
    with pytest.raises(ValueError, match="line"):
        read_definition(json.dumps(BASE | change))


def test_the_committed_schema_is_the_one_that_is_printed() -> None:
    committed = (ROOT / "docs" / "ce-activity.schema.json").read_text(encoding="utf-8")
    assert committed == json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", "run: laurel schema"


def test_every_field_is_explained_and_no_other() -> None:
    explained = {name: list(fields) for name, fields in field_descriptions().items() if name != "Heading"}
    classes = {name: list(cls.__dataclass_fields__) for name, cls in policy_classes().items()}
    assert {name: sorted(fields) for name, fields in explained.items()} == {
        name: sorted(fields) for name, fields in classes.items()
    }


@pytest.mark.parametrize("name", [name for name in field_descriptions() if name != "Heading"])
def test_the_page_says_of_each_field_what_editors_say(name: str) -> None:
    section = re.search(rf"^#+ {name}\n(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", section[1], re.MULTILINE)
    assert {field: re.sub(r"\]\(#[\w-]+\)", "]", what) for field, what in rows} == field_descriptions()[name]


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda fragment: re.sub(r"\W+", "-", fragment[:40]))
def test_every_short_example_on_the_page_is_right(fragment: str) -> None:
    values = BASE | Document(fragment).values
    if values["format"] == "live_activity" and "enduring_material" in fragment:
        values["format"] = "enduring_material"
    assert read_definition(json.dumps(values)).policy.title == "Grand Rounds"


def test_every_part_of_a_definition_has_a_short_example() -> None:
    shown = {name for fragment in FRAGMENTS for name in re.findall(r"\w+(?=:)", fragment)}
    kinds = {kind for fragment in FRAGMENTS for kind in re.findall(r"- kind: (\w+)$", fragment, re.MULTILINE)}
    assert kinds == {"participation", "statement", "disclosures", "content", "post_test", "evaluation", "finalization"}
    assert {"provider", "sessions", "credit", "claim_window", "certificate", "signatories"} <= shown
