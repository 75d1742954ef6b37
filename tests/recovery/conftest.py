"""One world for all losses of a run: each test brings claims of its own, and leaves record and Temporal agreeing."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from tests.recovery.world import World


@pytest.fixture(scope="session", autouse=True)
def plain_logging() -> None:
    """Failures are logged in one line: drawing a traceback for a person takes longer than the tests wait."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="laurel-recovery-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user when we are root.
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def world(folder: Path) -> AsyncIterator[World]:
    world = World(folder)
    await world.start()
    yield world
    await world.stop()
