"""A real Temporal server on which each workflow has its own clock, and the product's own worker."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import Engine
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment

from activities.mail import Postman
from cli.local.temporal import installed_binary
from config.settings import Settings
from tests.claims import KeptMail, TestClaim, example_policy
from worker import Activities, build_claims_worker, build_documents_worker
from workflows import contract
from workflows.sandbox import watching_runner

Forward = Callable[[TestClaim, datetime | timedelta], Awaitable[None]]


class Workers:
    """The product's workers of both roles, which can be away for a while."""

    def __init__(self, client: Client, activities: Activities, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._running: AsyncExitStack | None = None
        self.activities = activities

    async def start(self) -> None:
        self._running = AsyncExitStack()
        claims = build_claims_worker(self._client, self.activities, self._settings, watching_runner())
        await self._running.enter_async_context(claims)
        documents = build_documents_worker(self._client, self.activities, self._settings)
        await self._running.enter_async_context(documents)

    async def stop(self) -> None:
        if self._running is not None:
            await self._running.aclose()
        self._running = None

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """No worker takes tasks inside this block."""
        await self.stop()
        try:
            yield
        finally:
            await self.start()

    @asynccontextmanager
    async def replaced(self, activities: Activities) -> AsyncIterator[None]:
        """Inside this block the workers have other activities."""
        own = self.activities
        await self.stop()
        self.activities = activities
        await self.start()
        try:
            yield
        finally:
            await self.stop()
            self.activities = own
            await self.start()


@pytest.fixture(scope="session", autouse=True)
def plain_logging() -> None:
    """Failures are logged in one line: drawing a traceback for a person takes longer than the tests wait.

    And not to where commands that run in this process say what they have to say.
    """
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.__stderr__),
    )


LONG_HISTORY = 400


@pytest.fixture(scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """The dev server with time skipping; clocks run normally until a test moves one forward."""
    binary = installed_binary()
    assert binary, "the temporal binary is missing: bin/setup --dev installs it"
    attributes = [v for v in vars(contract).values() if isinstance(v, SearchAttributeKey)]
    async with await WorkflowEnvironment.start_time_skipping_v2(
        ts_config=TimeSkippingConfig(enabled=False),
        dev_server_existing_path=str(binary),
        dev_server_extra_args=[
            *("--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"),
            # A history counts as long after a tenth of what the server's default is, so that a test reaches it.
            *("--dynamic-config-value", f"limit.historyCount.suggestContinueAsNew={LONG_HISTORY}"),
        ],
        search_attributes=attributes,
    ) as environment:
        yield environment


@pytest.fixture(scope="session")
def settings(database_url: str, keys_dir: Path) -> Settings:
    return Settings(database_url=database_url, public_url="https://laurel.example", keys_dir=keys_dir)


@pytest.fixture(scope="session")
def mail() -> KeptMail:
    return KeptMail()


@pytest.fixture(scope="session")
def activities(engine: Engine, settings: Settings, mail: KeptMail) -> Activities:
    return Activities(engine, settings, Postman(mail, settings.mail_from))


@pytest.fixture(scope="session")
async def workers(
    environment: WorkflowEnvironment, activities: Activities, settings: Settings
) -> AsyncIterator[Workers]:
    """The product's workers of both roles, for the whole run."""
    workers = Workers(environment.client, activities, settings)
    await workers.start()
    yield workers
    await workers.stop()


@pytest.fixture
def new_claim(engine: Engine, environment: WorkflowEnvironment) -> Callable[..., TestClaim]:
    """A claim of a learner and a CE activity of its own; keyword arguments change the example's policy."""

    def make(client: Client | None = None, learner: dict[str, Any] | None = None, **changes: Any) -> TestClaim:
        return TestClaim(engine, client or environment.client, example_policy(**changes), **(learner or {}))

    return make


@pytest.fixture
def forward(environment: WorkflowEnvironment) -> Forward:
    """Move one claim's clock on by a while, or to a moment; the database's clock stays."""

    async def move(claim: TestClaim, to: datetime | timedelta) -> None:
        await environment.fast_forward(claim.handle, to if isinstance(to, timedelta) else to - datetime.now(UTC))

    return move


@pytest.fixture
def details() -> Callable[[TestClaim], Awaitable[str]]:
    """What an operator reads in the Temporal UI about a claim."""

    async def read(claim: TestClaim) -> str:
        metadata: WorkflowMetadata = await claim.handle.query(
            "__temporal_workflow_metadata", result_type=WorkflowMetadata
        )
        return metadata.current_details

    return read
