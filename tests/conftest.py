"""The real parts that tests stand on: one PostgreSQL for the whole run, with the schema made by migrations."""

import gc
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import Engine
from xdist.scheduler import EachScheduling

from cli.keys import make_missing_keys
from cli.local.postgres import EmbeddedPostgres
from config.keys import KeyFolder
from config.memory import settle
from storage.database import create_sync_engine
from storage.migrate import upgrade

pytest_plugins = ["tests.stack"]

# For measuring which branches are reached: the same examples each time, and as few as reach them.
settings.register_profile("coverage", max_examples=25, derandomize=True, deadline=None, database=None)

# Six processes run side by side under ``make test``. Each collects and runs the tests of one group, always in the same
# order: each has a database of its own, two have a stack, one of them the browser, and what a test finds never depends
# on the machine's mood. What is in no group is the last one's, with the tests that ask every route for themselves.
_GROUPS = (
    {"browser", "recovery"},
    {"cli", "e2e"},
    {"api"},
    {"workflows", "faults", "trail"},
    {"documents", "activities"},
)
_EVERY_ROUTE = {"test_access.py", "test_bad_input.py", "test_described.py", "test_page_access.py"}


def _group_of(path: Path) -> int:
    folder, *rest = path.relative_to(Path(__file__).parent).parts
    asks_every_route = folder == "api" and rest[-1] in _EVERY_ROUTE
    numbers = (number for number, folders in enumerate(_GROUPS) if folder in folders and not asks_every_route)
    return next(numbers, len(_GROUPS))


def _is_anothers(path: Path, config: pytest.Config) -> bool:
    worker = getattr(config, "workerinput", None)
    return worker is not None and _group_of(path) % worker["workercount"] != int(worker["workerid"].removeprefix("gw"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave to the other processes what is theirs: importing it takes as long as many a test."""
    return (collection_path.is_file() and _is_anothers(collection_path, config)) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files that the command line names are collected by every process."""
    items[:] = [item for item in items if not _is_anothers(item.path, config)]


class _EachItsOwn(EachScheduling):  # type: ignore[misc]  # the plugin has no types
    """Counts all processes' tests together, where the plugin takes those of one for the whole."""

    def schedule(self) -> None:
        session = self.config.pluginmanager.get_plugin("session")
        session.testscollected = sum(map(len, self.node2collection.values()))
        super().schedule()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> EachScheduling:
    """Have each process run what it collected."""
    return _EachItsOwn(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests live until the end; without this, each full garbage collection would look at all of them."""
    gc.disable()
    result = yield
    settle()
    gc.enable()
    return result


def pytest_unconfigure() -> None:
    """Let everything go in its order."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def runtime_folder() -> Iterator[Path]:
    """A folder that the unprivileged user who runs PostgreSQL can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="laurel-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(runtime_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server of this run's own: 18, or the one whose folder ``LAUREL_TEST_POSTGRES`` names."""
    other = os.environ.get("LAUREL_TEST_POSTGRES")
    folder = Path(other) if other else None
    with EmbeddedPostgres(runtime_folder, durable=False, server=folder, say=lambda _: None) as server:
        yield server


@pytest.fixture(scope="session")
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database with the newest schema, as processes use it: the role owns no table.

    Tests share it and keep to learners and CE activities of their own. After the last of them, every certificate that
    they had made must agree with everything else that is said about it.
    """
    upgrade(postgres.owner_url)
    yield postgres.url
    from tests.agreement import check_every_certificate  # noqa: PLC0415 - the tests of the rules need no application

    check_every_certificate(postgres.url)


@pytest.fixture(scope="session")
def owner_database_url(postgres: EmbeddedPostgres, database_url: str) -> str:
    """The same database as the owner of its tables."""
    return postgres.owner_url


@pytest.fixture(scope="session")
def engine(database_url: str) -> Iterator[Engine]:
    """Connections to the shared database, with the application's rights."""
    engine = create_sync_engine(database_url, pool_size=20)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def keys_dir(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key for each purpose, published in the shared database."""
    folder = tmp_path_factory.mktemp("keys")
    with engine.begin() as connection:
        make_missing_keys(connection, KeyFolder(folder), "cli:tests")
    return folder


@pytest.fixture(scope="session")
def owner_engine(owner_database_url: str) -> Iterator[Engine]:
    """Connections as the owner of the tables, for tampering and for clean-ups that no process may do."""
    engine = create_sync_engine(owner_database_url, pool_size=5)
    yield engine
    engine.dispose()
