"""The JSON Schema of a definition, for editors and for the API's documentation."""

from storage.definitions.reading import MAXIMUM_SLUG_LENGTH, SLUG, DefinitionStatus
from storage.definitions.stored import POLICY


def json_schema() -> dict[str, object]:
    """The JSON Schema of a definition, for editors and for the API's documentation."""
    schema = POLICY.json_schema()
    heading = {
        "slug": {"type": "string", "pattern": f"^{SLUG.pattern}$", "maxLength": MAXIMUM_SLUG_LENGTH},
        "status": {"type": "string", "enum": list(DefinitionStatus), "default": DefinitionStatus.PUBLISHED},
    }
    schema["title"] = "CE activity definition"
    schema["properties"] = heading | schema["properties"]
    schema["required"] = ["slug", *schema["required"]]
    return schema
