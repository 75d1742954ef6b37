"""An installation of Laurel's own parts in which a test breaks one thing, and then does what it is told to do."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import Engine, RowMapping
from temporalio.client import Client
from temporalio.worker import Worker
from typer.testing import CliRunner

from activities.relay import Relay
from cli.errors import StackError
from cli.local.postgres import EmbeddedPostgres
from cli.main import app
from config.settings import Settings, load_settings
from domain.submissions import SubmissionKind
from tests.claims import TestClaim, example_policy
from worker import Activities, build_claims_worker, build_documents_worker
from workflows.delivery import Delivery, deliver


class Sink:
    """A mail server that takes everything."""

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802  # its name
        return "250 OK"


class MailServer:
    """A real SMTP server at one address, which can be away."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._running: Controller | None = None

    def start(self) -> None:
        self._running = Controller(Sink(), hostname="127.0.0.1", port=self._port)
        self._running.start()

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
        self._running = None


@dataclass
class Installation:
    """PostgreSQL, Temporal, a mail server and workers; each may be stopped and started."""

    client: Client
    engine: Engine
    postgres: EmbeddedPostgres
    mail: MailServer
    settings: Settings
    activities: Activities
    _workers: dict[str, AsyncExitStack] = field(default_factory=dict)

    async def start(self, *roles: str) -> None:
        """Start workers of roles, with the activities of now."""
        await self.stop(*roles)
        for role in roles:
            build = build_claims_worker if role == "claims" else build_documents_worker
            await self.run(role, build(self.client, self.activities, self.settings))

    async def run(self, role: str, worker: Worker) -> None:
        """Run a worker of a role that is away."""
        self._workers[role] = AsyncExitStack()
        await self._workers[role].enter_async_context(worker)

    async def stop(self, *roles: str) -> None:
        for role in roles:
            if role in self._workers:
                await self._workers.pop(role).aclose()

    async def stop_all(self) -> None:
        await self.stop(*self._workers)

    def claim(self, **changes: Any) -> TestClaim:
        """A learner's claim of a CE activity of its own."""
        return TestClaim(self.engine, self.client, example_policy(**changes))

    async def relay(self) -> None:
        """Deliver what is due, as a worker's relay does every second."""

        async def deliver_row(row: RowMapping) -> None:
            await deliver(self.client, Delivery(**{**row, "kind": SubmissionKind(row["kind"])}))

        await Relay(self.engine, deliver_row).deliver_due()


@dataclass(frozen=True)
class Terminal:
    """Where an operator types commands: the environment names the installation's servers."""

    monkeypatch: pytest.MonkeyPatch

    def point_at(self, settings: Settings, temporal_address: str) -> None:
        # A command reads its settings once, and here many commands run in one process.
        load_settings.cache_clear()
        self.monkeypatch.setenv("LAUREL_DATABASE_URL", settings.database_url)
        self.monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)

    async def laurel(self, *words: str) -> tuple[int, str]:
        """Run a command; its exit code and what it says."""
        result = await asyncio.to_thread(CliRunner().invoke, app, words)
        if isinstance(result.exception, StackError):
            return 1, f"{result.output}{result.exception}"
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    async def succeeds(self, *words: str) -> str:
        code, said = await self.laurel(*words)
        assert code == 0, said
        return said

    async def stuck(self) -> list[Mapping[str, Any]]:
        """The groups that ``laurel claims stuck`` finds."""
        _, said = await self.laurel("claims", "stuck", "--json")
        groups: list[Mapping[str, Any]] = json.loads(said)
        return groups
