"""The JSON Schema of a definition, for editors and for the API's documentation."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final

from storage.definitions.reading import MAXIMUM_SLUG_LENGTH, SLUG, DefinitionStatus
from storage.definitions.shapes import requirement_classes
from storage.definitions.stored import POLICY

_LINK: Final = re.compile(r"\[([^\]]+)\]")
# As the reader takes them, which pydantic does not know: no seconds, and amounts that keep their digits.
_TIME: Final = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
_UNITS: Final = {"type": ["number", "string"], "pattern": r"^[0-9]{1,4}(\.[0-9]{1,2})?$", "minimum": 0}


@cache
def field_descriptions() -> dict[str, dict[str, str]]:
    """What each field means, by its class and its name; words in brackets are links on the page that shows them."""
    return tomllib.loads((Path(__file__).parent / "fields.toml").read_text(encoding="utf-8"))


def json_schema() -> dict[str, object]:
    """The JSON Schema of a definition; what a schema cannot say is left to ``domain/policy_checks.py``."""
    policy = POLICY.json_schema()
    parts = policy.pop("$defs")
    for kind in requirement_classes().values():
        # The dataclass has a default; in a definition the kind says which of them is meant.
        parts[kind.__name__].setdefault("required", []).insert(0, "kind")
    described = {name: _described(name, part) for name, part in parts.items()}
    policy = _described("CEActivityPolicy", policy)
    heading = {
        "slug": {"type": "string", "pattern": f"^{SLUG.pattern}$", "maxLength": MAXIMUM_SLUG_LENGTH},
        "status": {"type": "string", "enum": list(DefinitionStatus), "default": DefinitionStatus.PUBLISHED},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **policy,
        "title": "CE activity definition",
        "properties": _described("Heading", {"properties": heading})["properties"] | policy["properties"],
        "required": ["slug", *policy["required"]],
        "$defs": described,
    }


def _described(name: str, part: dict[str, Any]) -> dict[str, Any]:
    """One class of the schema with the descriptions of its fields, and without titles that only repeat their names."""
    if "properties" not in part:
        return part
    fields = {
        field: {**_plain(shape), "description": _LINK.sub(r"\1", field_descriptions()[name][field])}
        for field, shape in part["properties"].items()
    }
    return {**part, "description": part.get("description", "").replace("``", "`"), "properties": fields}


def _plain(shape: dict[str, Any]) -> dict[str, Any]:
    shape = {key: value for key, value in shape.items() if key != "title"}
    if shape.get("format") == "time":
        return dict(_TIME)
    return dict(_UNITS) if {"type": "number"} in shape.get("anyOf", ()) else shape
