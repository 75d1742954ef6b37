"""A whole Laurel to kill, and a place for what a run measured, which is shown whether it passed or failed."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.local import ports
from tests.faults.installation import Installation

_measured: list[str] = []


@pytest.fixture
def measured() -> list[str]:
    """Lines for the end of the test run's report."""
    return _measured


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was measured."""
    if _measured:
        terminalreporter.section("faults")
        for line in _measured:
            terminalreporter.write_line(line)


@pytest.fixture
def installation(request: pytest.FixtureRequest) -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="laurel-faults-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user when we are root.
    installation = Installation(folder, ports.next_free(18000))
    try:
        installation.start()
        yield installation
    finally:
        installation.stop()
    if request.session.testsfailed == 0:
        shutil.rmtree(folder)
    else:
        _measured.append(f"The logs and the record are kept in {folder}.")
