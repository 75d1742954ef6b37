"""The API on a real PostgreSQL, with a stand-in for Temporal that lets the real ledger decide at once."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimStep, CorrectionRef, MergeRef
from activities.corrections import PostgresCorrectionActivities
from activities.people import PostgresPeopleActivities
from activities.policies import PolicyCache
from api.app import create_app
from api.database import Database
from config.logging import configure_logging
from config.settings import Settings
from domain.identities import new_id
from domain.roles import Role
from storage import accounts, login_sessions, people
from storage.acts import LAUREL
from storage.catalog import publish
from storage.database import create_api_engine
from storage.definitions import Definition, read_definition
from tests.claims import example_policy

PUBLIC_URL = "http://laurel.test"


class LedgerTemporal:
    """Takes deliveries as Temporal's client does, and has the real ledger decide them."""

    namespace = "default"

    def __init__(
        self,
        ledger: PostgresClaimActivities | None = None,
        people: PostgresPeopleActivities | None = None,
        corrections: PostgresCorrectionActivities | None = None,
    ) -> None:
        self._ledger = ledger
        self._people = people
        self._corrections = corrections
        self.deliveries: list[str] = []

    async def start_workflow(self, *_arguments: Any, **options: Any) -> None:
        await self.take(options["id"])

    def get_workflow_handle(self, workflow_id: str) -> "Handle":
        return Handle(self, workflow_id)

    async def take(self, workflow_id: str) -> None:
        self.deliveries.append(workflow_id)
        if self._people is not None and workflow_id.startswith("merge-"):
            await asyncio.to_thread(self._people.merge_learners, MergeRef(workflow_id.removeprefix("merge-")))
        elif self._corrections is not None and workflow_id.startswith("correction-"):
            ref = CorrectionRef(workflow_id.removeprefix("correction-"))
            await asyncio.to_thread(self._corrections.load_correction, ref)
            await asyncio.to_thread(self._corrections.apply_correction, ref)
        elif self._ledger is not None:
            step = ClaimStep(workflow_id.removeprefix("claim-"), datetime.now(UTC))
            await asyncio.to_thread(self._ledger.load_claim, step)

    @property
    def service_client(self) -> "LedgerTemporal":
        return self

    async def check_health(self) -> bool:
        return True


@dataclass
class Handle:
    """A workflow that can be signalled."""

    temporal: LedgerTemporal
    workflow_id: str

    async def signal(self, *_arguments: Any, **_options: Any) -> None:
        await self.temporal.take(self.workflow_id)


class SilentTemporal(LedgerTemporal):
    """Takes every call and decides nothing, like a Temporal whose workers are away."""


class AbsentTemporal(LedgerTemporal):
    """Refuses every call, as the SDK does when nothing listens."""

    async def take(self, workflow_id: str) -> None:
        await super().take(workflow_id)
        raise RuntimeError("Failed client connect")

    async def check_health(self) -> bool:
        raise RuntimeError("Failed client connect")


def claim_of(response: httpx2.Response) -> str:
    """The id of the claim that a step was answered for."""
    return str(response.json()["claim"].rpartition("/")[2])


def step_of(response: httpx2.Response) -> str:
    """The id of the step that was answered."""
    return str(response.headers["location"].rpartition("/")[2])


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something holds that nobody announces."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.01)


def connector(temporal: Any) -> Callable[[], Awaitable[Any]]:
    async def connect() -> Any:
        return temporal

    return connect


@asynccontextmanager
async def running(settings: Settings, temporal: Any) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
    """An application between start and stop, and a client that talks to it without a socket."""
    app = create_app(settings, connector(temporal))
    async with app.router.lifespan_context(app):
        # Some limits are counted in the database, which tests share: each application has a client of its own.
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False, client=(new_id("client"), 1))
        async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
            yield app, client


@dataclass
class Person:
    """Someone who is signed in."""

    client: httpx2.AsyncClient
    email: str
    token: str
    learner_id: str
    account_id: str
    headers: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, json: Any = None, **headers: str) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {} if json is None else {"json": json}
        return await self.client.request(method, path, headers={**self.headers, **named}, **body)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.call("GET", path, **headers)

    async def post(self, path: str, json: Any = None, **headers: str) -> httpx2.Response:
        return await self.call("POST", path, json, **headers)


_ENGINES: dict[str, AsyncEngine] = {}
"""One for each database in which somebody signed in: thousands of tests do, and a connection of its own costs more."""


@pytest.fixture(scope="session", autouse=True)
async def _disposed_engines() -> AsyncIterator[None]:
    yield
    for engine in _ENGINES.values():
        await engine.dispose()


async def sign_in(database_url: str, client: httpx2.AsyncClient, role: Role = Role.LEARNER, **profile: str) -> Person:
    """A new account of this role, signed in; ``email`` and fields of the profile are as the test says."""
    email = profile.pop("email", f"{new_id('x')}@people.example")
    token, access = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    engine = _ENGINES.setdefault(database_url, create_api_engine(database_url, 5))
    async with engine.begin() as connection:
        if role is not Role.LEARNER:
            await connection.run_sync(accounts.give_role, email, role, LAUREL)
        await people.request_link(connection, email, token, timedelta(minutes=10), 10)
        await people.use_link(connection, token, None, access, timedelta(hours=1))
        found = await login_sessions.find_session(connection, access, timedelta(hours=1))
        assert found is not None
        chosen = {"given_name": "Ada", "family_name": "Lovelace", "profession": "physician"} | profile
        await people.change_profile(connection, found.learner_id, chosen, {})
    headers = {"Authorization": f"Bearer {access}"}
    return Person(client, email, access, found.learner_id, found.account_id, headers)


@pytest.fixture(scope="session")
def settings(database_url: str) -> Settings:
    return Settings(database_url=database_url, public_url=PUBLIC_URL, requests_per_minute=100_000, _env_file=None)


@pytest.fixture(scope="session", autouse=True)
def _logging(settings: Settings) -> None:
    configure_logging(settings)


@pytest.fixture(scope="session")
def ledger(engine: Engine) -> PostgresClaimActivities:
    return PostgresClaimActivities(engine, PolicyCache(), PUBLIC_URL)


@pytest.fixture(scope="session")
def temporal(
    ledger: PostgresClaimActivities, engine: Engine, corrections: PostgresCorrectionActivities
) -> LedgerTemporal:
    return LedgerTemporal(ledger, PostgresPeopleActivities(engine), corrections)


@pytest.fixture(scope="session")
def corrections(ledger: PostgresClaimActivities, engine: Engine) -> PostgresCorrectionActivities:
    return PostgresCorrectionActivities(engine, ledger, PolicyCache(), PUBLIC_URL)


@pytest.fixture(scope="session")
async def application(
    settings: Settings, temporal: LedgerTemporal
) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
    async with running(settings, temporal) as parts:
        await make_connections(parts[0].state.services.database, settings.database_pool_size)
        yield parts


async def make_connections(database: Database, count: int) -> None:
    """Fill the pool, one by one: made all at once on a busy machine, some take longer than a request has for them."""
    if count:
        await database.statements(lambda _: make_connections(database, count - 1))


@pytest.fixture
def app(application: tuple[FastAPI, httpx2.AsyncClient]) -> FastAPI:
    return application[0]


@pytest.fixture
def client(application: tuple[FastAPI, httpx2.AsyncClient]) -> httpx2.AsyncClient:
    application[1].cookies.clear()
    return application[1]


@pytest.fixture
async def learner(database_url: str, client: httpx2.AsyncClient) -> Person:
    return await sign_in(database_url, client)


@pytest.fixture
async def coordinator(database_url: str, client: httpx2.AsyncClient) -> Person:
    return await sign_in(database_url, client, Role.COORDINATOR)


@pytest.fixture
async def administrator(database_url: str, client: httpx2.AsyncClient) -> Person:
    return await sign_in(database_url, client, Role.ADMINISTRATOR)


@pytest.fixture
def slug(engine: Engine) -> str:
    """A published CE activity of this test's own, as in flow C."""
    return publish_example(engine)


def publish_example(engine: Engine, **changes: Any) -> str:
    slug = new_id("course").replace("_", "-")
    with engine.begin() as connection:
        publish(connection, Definition(slug, "published", example_policy(**changes)), None)  # type: ignore[arg-type]
    return slug


def definition_text(slug: str) -> str:
    """A small definition that is right."""
    text = f"""
slug: {slug}
title: Grand rounds
format: live_activity
location: Chicago
time_zone: America/Chicago
starts_on: 2026-01-01
ends_on: 2027-12-31
contact: ce@example.org
provider: {{name: Example University, accreditation_statement: Example University is accredited.}}
requirements:
  - kind: participation
    options:
      - {{code: live, label: Live}}
credit:
  - credit_type: ama_pra_category_1
    designated_units: "1.25"
    designation_statement: >-
      Example University designates this live activity for a maximum of 1.25 AMA PRA Category 1 Credit(s)™.
      Physicians should claim only the credit commensurate with the extent of their participation in the activity.
"""
    read_definition(text)
    return text
