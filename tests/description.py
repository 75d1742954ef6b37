"""The description of the API, which many tests are made from: drawn up once for each process."""

from typing import Any, Final

from api.app import create_app
from config.settings import Settings

DESCRIPTION: Final[dict[str, Any]] = create_app(Settings(_env_file=None)).openapi()
