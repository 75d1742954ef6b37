"""Live status over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import uvicorn

from api.app import create_app
from config.settings import Settings
from tests.api.conftest import LedgerTemporal, Person, connector, until


@pytest.fixture(scope="session")
async def base_url(settings: Settings, temporal: LedgerTemporal) -> AsyncIterator[str]:
    config = uvicorn.Config(
        create_app(settings, connector(temporal)), port=0, log_config=None, access_log=False, ws="none", lifespan="on"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


async def statuses(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    event = ""
    async for line in lines:
        if line.startswith("event: "):
            event = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield event, json.loads(line.removeprefix("data: "))


async def test_every_change_arrives_and_the_stream_ends_with_the_claim(
    base_url: str, learner: Person, slug: str
) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    async with (
        asyncio.timeout(20),
        httpx2.AsyncClient(base_url=base_url, headers=learner.headers) as client,
        client.stream("GET", f"{claim['href']}/events") as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        events = statuses(response.aiter_lines())
        name, status = await anext(events)
        assert (name, status["stage"]) == ("status", "verifying_participation")
        value = status["next_actions"][0]["form"]["options"][0]["code"]
        await learner.post(f"{claim['href']}/participation", {"value": value})
        _, status = await anext(events)
        assert status["stage"] == "awaiting_test"
        await learner.post(f"{claim['href']}/withdrawal", {"reason": "Enough."})
        rest = [event async for event in events]
    assert rest[0][1]["stage"] == "withdrawn"
    assert rest[-1][0] == "end"


async def test_a_stranger_cannot_listen(base_url: str, learner: Person, coordinator: Person, slug: str) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    async with httpx2.AsyncClient(base_url=base_url, headers=coordinator.headers) as client:
        response = await client.get(f"{claim['href']}/events")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_a_listener_that_leaves_is_forgotten(base_url: str, learner: Person, slug: str) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    async with httpx2.AsyncClient(base_url=base_url, headers=learner.headers) as client:
        async with client.stream("GET", f"{claim['href']}/events") as response:
            await anext(response.aiter_lines())
        assert (await client.get("/healthz")).status_code == 200
