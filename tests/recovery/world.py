"""A record and a Temporal server of one's own, which can be copied, lost and restored, and workers between them."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Engine, text
from temporalio.client import Client

from activities.mail import Postman
from cli.keys import make_missing_keys
from cli.local import EmbeddedTemporal
from cli.local.postgres import EmbeddedPostgres, installed_server
from cli.reconcile import Counts, Reconciliation
from config.keys import KeyFolder
from config.settings import Settings
from domain.claims import Stage
from domain.submissions import AttemptStarted, SubmissionBody
from storage.database import create_sync_engine
from storage.migrate import upgrade
from storage.replay import replay_all
from tests.claims import KeptMail, TestClaim, example_policy
from tests.workflows.conftest import Workers
from worker import Activities
from workflows.contract import SEARCH_ATTRIBUTES

Result = TypeVar("Result")


def quiet(_line: str) -> None:
    """Drop a progress line."""


async def aside(work: Callable[..., Result], *arguments: Any) -> Result:
    """Do slow work in a thread, so that workers and clients go on."""
    return await asyncio.to_thread(work, *arguments)


class World:
    """PostgreSQL, Temporal, and the product's workers in this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.postgres = EmbeddedPostgres(folder / "record", durable=False, say=quiet)
        self.temporal = EmbeddedTemporal(folder / "engine", search_attributes=SEARCH_ATTRIBUTES, say=quiet)
        self.mail = KeptMail()
        self.engine: Engine
        self.client: Client
        self.settings: Settings
        self.activities: Activities
        self._workers: Workers

    async def start(self) -> None:
        await asyncio.gather(aside(self.postgres.start), aside(self.temporal.start))
        await aside(upgrade, self.postgres.owner_url)
        self.engine = create_sync_engine(self.postgres.url, pool_size=20)
        keys = self._folder / "keys"
        with self.engine.begin() as connection:
            make_missing_keys(connection, KeyFolder(keys), "cli:tests")
        self.settings = Settings(database_url=self.postgres.url, public_url="https://laurel.example", keys_dir=keys)
        self.client = await Client.connect(self.temporal.address)
        self.activities = Activities(self.engine, self.settings, Postman(self.mail, self.settings.mail_from))
        self._workers = Workers(self.client, self.activities, self.settings)
        await self._workers.start()

    async def stop(self) -> None:
        await self._workers.stop()
        self.engine.dispose()
        await aside(self.temporal.stop)
        await aside(self.postgres.stop)

    def claim(self, **changes: Any) -> TestClaim:
        """A claim of a learner of its own; keyword arguments change the example's policy."""
        return TestClaim(self.engine, self.client, example_policy(**changes))

    async def copy_temporal(self) -> Path:
        """Stop Temporal for a moment, and copy its database."""
        copy = self._folder / "older-temporal"
        await self._exchange_temporal(lambda own: shutil.copytree(own, copy))
        return copy

    async def restore_temporal(self, copy: Path | None) -> None:
        """Put a copy in the place of Temporal's database, or nothing at all."""

        def exchange(own: Path) -> None:
            shutil.rmtree(own)
            if copy is not None:
                shutil.copytree(copy, own)

        await self._exchange_temporal(exchange)

    async def _exchange_temporal(self, exchange: Callable[[Path], object]) -> None:
        async with self._workers.away():
            await aside(self.temporal.stop)
            await aside(exchange, self._folder / "engine" / "temporal")
            await aside(self.temporal.start)

    async def copy_record(self) -> Path:
        """Write a dump of the record, as ``docs/operations.md`` says, while everything runs."""
        dump = self._folder / "laurel.dump"
        await aside(self._client_program, "pg_dump", "--format=custom", f"--file={dump}", self.postgres.owner_url)
        return dump

    async def restore_record(self, dump: Path) -> None:
        """Put the record of a dump in the place of the present one."""
        async with self._workers.away():
            self.engine.dispose()
            with psycopg.connect(self.postgres.admin_url, autocommit=True) as connection:
                connection.execute("DROP DATABASE laurel WITH (FORCE)")
                connection.execute("CREATE DATABASE laurel OWNER laurel")
            await aside(
                self._client_program, "pg_restore", "--exit-on-error", f"--dbname={self.postgres.owner_url}", str(dump)
            )

    @staticmethod
    def _client_program(name: str, *arguments: str) -> None:
        server = installed_server()
        assert server is not None, "PostgreSQL is missing: bin/setup --dev installs it"
        subprocess.run([str(server / "bin" / name), *arguments], check=True, capture_output=True)

    async def reconcile(self, *, is_check: bool = False) -> dict[str, Counts]:
        return await Reconciliation(self.engine, self.client, is_check=is_check).run()

    async def assert_whole(self) -> None:
        """Record and Temporal agree, what was acknowledged is decided, and the trail says what the tables say."""
        await self._agrees()
        with self.engine.connect() as connection:
            undecided = connection.execute(text("SELECT id FROM submissions WHERE decided_at IS NULL")).scalars().all()
            differing = [each for each in replay_all(connection) if each.differences or not each.is_whole]
        assert not undecided
        assert not differing

    async def _agrees(self) -> None:
        """What was told to read the record does so a moment later."""
        for _ in range(20):
            found = await self.reconcile(is_check=True)
            if all(counts.is_clean for counts in found.values()):
                return
        raise AssertionError(f"record and Temporal still differ: {found}")


def left_to_do(claim: TestClaim) -> Sequence[tuple[Stage, SubmissionBody]]:
    """What the learner still has to do, as the record knows the claim."""
    stage, steps = claim.row()["stage"], claim.steps()
    if stage == Stage.AWAITING_TEST and claim.attempts():
        # The attempt was begun.
        steps = [step for step in steps if not isinstance(step[1], AttemptStarted)]
    stages = [each for each, _ in steps]
    if stage == Stage.GRADING:
        return steps[stages.index(Stage.AWAITING_EVALUATION) :]
    return steps[stages.index(stage) :] if stage in stages else []


async def finished(claim: TestClaim) -> None:
    """The learner does what is left, and is awarded once. Of a claim that was completed Temporal may know nothing."""
    was_open = claim.row()["stage"] != Stage.COMPLETED
    for stage, body in left_to_do(claim):
        await claim.reaches(stage)
        assert (await claim.submit(body))["outcome"] == "accepted"
    await claim.reaches(Stage.COMPLETED)
    if was_open:
        await claim.handle.result()
    claim.assert_awarded_once()
