"""A data folder that the unprivileged user PostgreSQL runs as can pass; pytest's own is closed to it under root."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="laurel-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
