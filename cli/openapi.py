"""The description of the HTTP API as a file, in an order that keeps differences between versions readable."""

import json

from api.app import create_app
from config.settings import Settings


def description() -> str:
    """OpenAPI 3.1 as JSON with sorted keys; the same on every machine, whatever its settings."""
    return json.dumps(create_app(Settings(_env_file=None)).openapi(), indent=1, sort_keys=True, ensure_ascii=False)
