"""The API as its description says: generated requests find no failure of ours and no answer of another shape."""

import asyncio
import threading
import time
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import httpx2
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import Engine

from api.app import create_app
from config.settings import Settings
from domain.roles import Role
from tests.api.conftest import LedgerTemporal, Person, connector, publish_example, sign_in
from tests.description import DESCRIPTION

SCHEMA = schemathesis.openapi.from_dict(deepcopy(DESCRIPTION))
# A stream of an open claim does not end by itself.
OPERATIONS = [
    operation
    for operation in (result.ok() for result in SCHEMA.get_all_operations() if isinstance(result, Ok))
    if not operation.path.endswith("/events")
]
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


class Server:
    """The application in a thread of its own, as generated requests come from a synchronous client."""

    def __init__(self, chosen: Settings, temporal: LedgerTemporal) -> None:
        app = create_app(chosen, connector(temporal))
        config = uvicorn.Config(app, port=0, log_config=None, access_log=False, ws="none", lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="module")
def base_url(database_url: str, temporal: LedgerTemporal) -> Iterator[str]:
    chosen = Settings(
        database_url=database_url, requests_per_minute=1_000_000, sign_in_links_per_hour=100_000, _env_file=None
    )
    with Server(chosen, temporal) as url:
        yield url


@pytest.fixture(scope="module")
def person(base_url: str, database_url: str) -> Person:
    async def prepare() -> Person:
        async with httpx2.AsyncClient(base_url=base_url) as client:
            return await sign_in(database_url, client, Role.COORDINATOR)

    return asyncio.run(prepare())


@pytest.fixture(scope="module")
def claim_id(base_url: str, person: Person, engine: Engine) -> str:
    body = {"ce_activity": publish_example(engine)}
    response = httpx2.post(f"{base_url}/v1/claims", json=body, headers=person.headers)
    return str(response.json()["id"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_generated_requests_find_no_failure(operation: Any, base_url: str, person: Person, claim_id: str) -> None:
    @settings(
        max_examples=10,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), is_own=st.booleans(), is_signed_in=st.integers(0, 9).map(bool))
    def requests(case: Any, *, is_own: bool, is_signed_in: bool) -> None:
        if is_own and "claim_id" in (case.path_parameters or {}):
            case.path_parameters["claim_id"] = claim_id
        # Signing out would leave the rest of the run without a session.
        signs_in = is_signed_in and operation.method.upper() != "DELETE"
        response = case.call(base_url=base_url, headers=person.headers if signs_in else {}, timeout=10)
        case.validate_response(response, checks=CHECKS)

    requests()
