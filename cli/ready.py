"""How a worker tells the supervisor that it takes work; it has no port that could be asked."""

import os
from pathlib import Path

READY_FILE_VARIABLE = "LAUREL_READY_FILE"


def notify_ready() -> None:
    """Tell the supervisor, if there is one, that this process is ready. Call it once polling has begun."""
    if path := os.environ.get(READY_FILE_VARIABLE):
        Path(path).touch()
