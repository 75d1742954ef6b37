"""A real Temporal server on which each workflow has its own clock, and the product's own worker."""

from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment

from activities.mail import Postman
from cli.local.temporal import installed_binary
from config.settings import Settings
from tests.claims import TestClaim, example_policy
from worker import Activities, build_claims_worker, build_documents_worker
from workflows import contract


class KeptMail:
    """A mailer that keeps what it is given; ``failures`` are raised first, one a message."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.failures: list[Exception] = []

    def send(self, message: EmailMessage) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.messages.append(message)

    def to(self, address: str) -> list[EmailMessage]:
        return [message for message in self.messages if address in message["To"]]


@pytest.fixture(scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """The dev server with time skipping; clocks run normally until a test moves one forward."""
    binary = installed_binary()
    assert binary, "the temporal binary is missing: bin/setup --dev installs it"
    attributes = [v for v in vars(contract).values() if isinstance(v, SearchAttributeKey)]
    async with await WorkflowEnvironment.start_time_skipping_v2(
        ts_config=TimeSkippingConfig(enabled=False),
        dev_server_existing_path=str(binary),
        dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
        search_attributes=attributes,
    ) as environment:
        yield environment


@pytest.fixture(scope="session")
def settings(database_url: str) -> Settings:
    return Settings(database_url=database_url, public_url="https://laurel.example")


@pytest.fixture(scope="session")
def mail() -> KeptMail:
    return KeptMail()


@pytest.fixture(scope="session")
def activities(engine: Engine, settings: Settings, mail: KeptMail) -> Activities:
    return Activities(engine, settings, Postman(mail, settings.mail_from))


@pytest.fixture(scope="session")
async def worker(environment: WorkflowEnvironment, activities: Activities, settings: Settings) -> AsyncIterator[None]:
    """The product's workers of both roles, for the whole run."""
    async with (
        build_claims_worker(environment.client, activities, settings),
        build_documents_worker(environment.client, activities),
    ):
        yield


@pytest.fixture
def new_claim(engine: Engine, environment: WorkflowEnvironment) -> Callable[..., TestClaim]:
    """A claim of a learner and a CE activity of its own; keyword arguments change the example's policy."""

    def make(client: Client | None = None, learner: dict[str, Any] | None = None, **changes: Any) -> TestClaim:
        return TestClaim(engine, client or environment.client, example_policy(**changes), **(learner or {}))

    return make
