"""What the load benches share: many open claims, commands of Laurel's own, and a count of what the record has."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Engine, text

from bench.claims import at_once, publish_policy, sign_in_learners
from bench.http import Connection
from cli.local import LocalStack
from domain.policy import ClaimWindow, Profession
from tests.claims import example_policy

SLUG = "load"
# So many accounts are made by one statement.
_TOGETHER = 5_000


@dataclass(frozen=True, slots=True)
class OpenClaim:
    """A claim that waits for its learner, who is signed in with ``token``."""

    id: str
    token: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The claims, and the seconds from the first request to the last decided answer."""

    claims: list[OpenClaim]
    seconds: float


def prepare(engine: Engine, learners: int) -> list[str]:
    """Publish a CE activity whose claims stay open for a year, and sign its learners in; answers with their tokens."""
    window = ClaimWindow(days=365)
    # Two days before the deadline, and never on the last day: whoever moves a deadline to tomorrow makes it due.
    publish_policy(engine, SLUG, example_policy(claim_window=window, reminder_days=(2,)))
    tokens: list[str] = []
    while len(tokens) < learners:
        tokens += sign_in_learners(engine, [Profession.PHYSICIAN] * min(_TOGETHER, learners - len(tokens)))
    return tokens


async def open_claims(stack: LocalStack, tokens: Sequence[str], learners_at_once: int = 30) -> Opened:
    """Open a claim for each learner, over HTTP."""
    claims: list[OpenClaim] = []

    async def open_one(token: str) -> None:
        http = Connection(stack.urls["api"], token)
        answer = await http.call("POST", "/v1/claims", {"ce_activity": SLUG})
        claims.append(OpenClaim(str(answer["id"]), token))
        await http.close()

    seconds = await at_once(learners_at_once, [partial(open_one, token) for token in tokens])
    return Opened(claims, seconds)


def count(engine: Engine, query: str, **values: Any) -> int:
    """The one number that a query answers with."""
    with engine.connect() as connection:
        return int(connection.execute(text(query), values).scalar_one())


async def wait_for(condition: Callable[[], bool], seconds: float, pause: float = 0.25) -> float:
    """Ask until it holds; answers with the seconds that took. Raises ``TimeoutError`` when it takes too long."""
    started = time.perf_counter()
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110  # the record is asked, which rings no bell
            await asyncio.sleep(pause)
    return time.perf_counter() - started


async def run_command(stack: LocalStack, *arguments: str) -> tuple[int, float]:
    """Run a command of ``laurel`` on the stack; its status, and the seconds it took."""
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli",
        *arguments,
        env=dict(stack.environment),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait(), time.perf_counter() - started


async def milliseconds(work: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """Do something again and again; how long each took."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        await work()
        taken.append(1000 * (time.perf_counter() - started))
    return taken


@asynccontextmanager
async def sampled(engine: Engine, queries: Mapping[str, str], seconds: float = 1) -> AsyncIterator[dict[str, int]]:
    """Ask the record for some numbers again and again; yields the most that each was, filled in meanwhile."""
    most = dict.fromkeys(queries, 0)

    async def watch() -> None:
        while True:
            for name, query in queries.items():
                most[name] = max(most[name], await asyncio.to_thread(count, engine, query))
            await asyncio.sleep(seconds)

    watcher = asyncio.create_task(watch())
    try:
        yield most
    finally:
        watcher.cancel()
