"""The door: so many requests are worked on at once, the others wait, and nobody waits for what is slow elsewhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from api import door
from api.door import Door
from config.settings import Settings
from tests.api.conftest import SilentTemporal, running, sign_in, until


class Rooms:
    """Answers each request when its path is let go; notes who came in, in order."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = Request(scope).url.path
        self.inside.append(path)
        if path.startswith("/outward"):
            door.leave()
        await self.gates.setdefault(path, asyncio.Event()).wait()
        if path.startswith("/failing"):
            raise RuntimeError
        await JSONResponse({})(scope, receive, send)

    def let_go(self, path: str) -> None:
        self.gates.setdefault(path, asyncio.Event()).set()


class House:
    """Rooms behind a door, and a client."""

    def __init__(self, places: int, patience_seconds: float = 30) -> None:
        self.rooms = Rooms()
        transport = httpx2.ASGITransport(Door(self.rooms, places=places, patience_seconds=patience_seconds))
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://laurel.test")
        self.asked: list[asyncio.Task[httpx2.Response]] = []

    def ask(self, path: str) -> asyncio.Task[httpx2.Response]:
        self.asked.append(asyncio.create_task(self.client.get(path)))
        return self.asked[-1]


@asynccontextmanager
async def house_of(places: int, patience_seconds: float = 30) -> AsyncIterator[House]:
    house = House(places, patience_seconds)
    yield house
    for task in house.asked:
        task.cancel()
    await asyncio.gather(*house.asked, return_exceptions=True)


async def test_as_many_are_inside_as_there_are_places_and_the_others_come_in_turn() -> None:
    async with house_of(places=2) as house:
        asked = [house.ask(f"/{number}") for number in range(4)]
        await asyncio.sleep(0.05)
        assert house.rooms.inside == ["/0", "/1"]
        house.rooms.let_go("/1")
        await asked[1]
        await until(lambda: house.rooms.inside == ["/0", "/1", "/2"])
        for path in ("/0", "/2", "/3"):
            house.rooms.let_go(path)
        assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200] * 4


async def test_who_waits_for_something_outside_or_fails_keeps_nobody_out() -> None:
    async with house_of(places=1) as house:
        house.ask("/outward")
        failing = house.ask("/failing")
        await until(lambda: house.rooms.inside == ["/outward", "/failing"])
        house.rooms.let_go("/failing")
        with pytest.raises(RuntimeError):
            await failing
        house.ask("/last")
        await until(lambda: house.rooms.inside == ["/outward", "/failing", "/last"])


async def test_who_gives_up_at_the_door_takes_no_place() -> None:
    async with house_of(places=1) as house:
        first, second, third = house.ask("/first"), house.ask("/second"), house.ask("/third")
        await asyncio.sleep(0.05)
        second.cancel()
        house.rooms.let_go("/first")
        await first
        await until(lambda: house.rooms.inside == ["/first", "/third"])
        house.rooms.let_go("/third")
        assert (await third).status_code == 200


async def test_who_waits_too_long_is_told_to_come_again_and_that_nothing_was_done() -> None:
    async with house_of(places=1, patience_seconds=0.1) as house:
        house.ask("/first")
        answer = await house.ask("/second")
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "busy", "5")
        assert house.rooms.inside == ["/first"]


async def test_who_watches_the_process_is_always_let_in() -> None:
    async with house_of(places=1, patience_seconds=0.1) as house:
        house.ask("/first")
        for path in ("/healthz", "/readyz", "/metrics"):
            house.rooms.let_go(path)
            assert (await house.ask(path)).status_code == 200


async def test_learners_who_wait_for_a_decision_leave_room_for_others(settings: Settings, slug: str) -> None:
    few = settings.model_copy(update={"database_pool_size": 1})
    async with running(few, SilentTemporal()) as (_, client):
        *people, last = [await sign_in(settings.database_url, client) for _ in range(5)]
        opening = {"ce_activity": slug}
        waiting = [asyncio.create_task(each.post("/v1/claims", opening, prefer="wait=3")) for each in people]
        await asyncio.sleep(0.5)
        async with asyncio.timeout(2):
            assert (await last.get("/v1/me")).status_code == 200
        assert not any(task.done() for task in waiting)
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [202] * 4
