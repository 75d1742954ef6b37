"""The description of the API that is kept beside the pages."""

import json
from pathlib import Path

from cli.openapi import description

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT / "docs" / "openapi.json"


def test_the_description_that_is_kept_is_today_s_written_by_make_openapi() -> None:
    assert KEPT.read_text(encoding="utf-8") == f"{description()}\n", "run: make openapi"


def test_every_operation_has_a_name_of_its_own_and_every_reference_leads_somewhere() -> None:
    document = json.loads(description())
    operations = [each for path in document["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]
    assert len(names) == len(set(names))
    for reference in references(document):
        _, _, kind, name = reference.split("/")
        assert name in document["components"][kind]


def references(part: object) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [found for inner in part.values() for found in references(inner)]
    return [found for inner in part for found in references(inner)] if isinstance(part, list) else []
