"""Many open claims that wait for their learners: what each costs, and how fast they are found.

    python -m bench.idle [--claims 100000]

Opens them over HTTP, then does nothing for a while, then looks: bytes in both databases against a bare workflow that
waits for a signal, CPU of every part against the same stack without a claim, memory of the worker against what it had
with a hundred claims, ``laurel reconcile --check``, ``laurel claims stuck``, and the lists of staff and of Temporal.
Three minutes with ``--claims 500``; at full scale the time to open them all decides.
"""

import argparse
import asyncio
import os
import secrets
import sys
from functools import partial
from statistics import median

from sqlalchemy import Engine
from temporalio.client import Client, WorkflowExecutionStatus

from bench.claims import at_once, embedded_stack, sign_in_learners
from bench.floor import FloorStory, floor_start, floor_worker
from bench.http import Connection
from bench.load import SLUG, milliseconds, open_claims, prepare, run_command
from bench.report import Figure, show
from bench.usage import MEBIBYTE, Usage, memory_by_part, temporal_size, watched
from cli.local import LocalStack
from domain.policy import Profession
from domain.roles import Role

FULL_SCALE = 100_000
FLOOR_CLAIMS = 500
FEW = 100
# Of the bytes of a bare workflow: docs/decisions/0017-idle-claim-bar.md.
MOST_RATIO = 1.25
# What was just opened is still written to indexes and lists.
SETTLING_SECONDS = 20
QUIET_SECONDS = 30
WORKER = "worker-claims"
_LISTS = {
    "all": "/v1/staff/claims",
    "by CE activity": f"/v1/staff/claims?ce_activity={SLUG}",
    "by stage": "/v1/staff/claims?stage=verifying_participation",
    "by what needs attention": "/v1/staff/claims?attention=email_failed",
}


async def quiet(stack: LocalStack, engine: Engine) -> dict[str, float]:
    """CPU milliseconds per second of each part, while nobody does anything."""
    await asyncio.sleep(SETTLING_SECONDS)
    before = await asyncio.to_thread(Usage.now, stack, engine)
    await asyncio.sleep(QUIET_SECONDS)
    after = await asyncio.to_thread(Usage.now, stack, engine)
    spent = after.cpu_since(before)
    return {name: 1000 * seconds / QUIET_SECONDS for name, seconds in spent.items() if name != "benchmark"}


async def floor_bytes(stack: LocalStack, client: Client, claims: int) -> float:
    """Bytes in Temporal's database of a bare workflow that waits for its first signal."""
    before = temporal_size(stack)
    story = FloorStory(moves=(True,))

    async def start() -> None:
        await floor_start(client, secrets.token_hex(8), story)

    async with floor_worker(client):
        await at_once(20, [start] * claims)
    return (temporal_size(stack) - before) / claims


async def lists(stack: LocalStack, engine: Engine, client: Client) -> list[Figure]:
    """How long staff and operators wait for a list; the bar is the one of the pages."""
    (token,) = sign_in_learners(engine, [Profession.OTHER], Role.COORDINATOR)
    http = Connection(stack.urls["api"], token)
    figures = [
        Figure(f"list of claims, {name}, p50", median(await milliseconds(partial(http.call, "GET", path), 20)), "ms")
        for name, path in _LISTS.items()
    ]
    await http.close()
    query = "WorkflowType = 'claim' AND ExecutionStatus = 'Running' AND ClaimStage = 'verifying_participation'"

    async def first_page() -> None:
        listed = client.list_workflows(query, page_size=50)
        assert (await anext(aiter(listed))).status is WorkflowExecutionStatus.RUNNING

    figures.append(
        Figure("Temporal's list by stage, first page, p50", median(await milliseconds(first_page, 20)), "ms")
    )
    return figures


async def commands(stack: LocalStack) -> list[Figure]:
    status, seconds = await run_command(stack, "reconcile", "--check")
    _, stuck_seconds = await run_command(stack, "claims", "stuck")
    return [
        Figure("`laurel reconcile --check`", seconds, "s"),
        Figure("its exit status: 0 if all is as it should be", status, most=0, is_certain=True),
        Figure("`laurel claims stuck`", stuck_seconds, "s"),
    ]


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--claims", type=int, default=FULL_SCALE)
    claims: int = parser.parse_args().claims
    async with embedded_stack() as (stack, engine, client):
        tokens = await asyncio.to_thread(prepare, engine, claims)
        nothing = await quiet(stack, engine)
        before = await asyncio.to_thread(Usage.now, stack, engine)
        few = await open_claims(stack, tokens[:FEW])
        little = (await asyncio.to_thread(memory_by_part, stack))[WORKER]
        async with watched(stack) as memory:
            many = await open_claims(stack, tokens[FEW:])
            after = await asyncio.to_thread(Usage.now, stack, engine)
            idling = await quiet(stack, engine)
            looked = [*await commands(stack), *await lists(stack, engine, client)]
        floor = await floor_bytes(stack, client, min(FLOOR_CLAIMS, claims))
    grown = after.bytes_since(before)
    figures = [
        Figure("claims open", len(few.claims) + len(many.claims), least=claims, is_certain=True),
        Figure("to open them all", few.seconds + many.seconds, "s"),
        Figure("opened per second", claims / (few.seconds + many.seconds)),
        Figure("Temporal per claim", grown["Temporal"] / claims, "bytes", floor=floor, most_ratio=MOST_RATIO),
        Figure("PostgreSQL per claim", grown["PostgreSQL"] / claims, "bytes", most=6 * 1024),
        Figure("CPU while all are idle, per second", sum(idling.values()), "ms", floor=sum(nothing.values())),
        *(Figure(f"that of {name}", spent, "ms", floor=nothing[name]) for name, spent in idling.items()),
        Figure(
            f"memory of {WORKER}, to that with {FEW} claims",
            memory.most[WORKER] / MEBIBYTE,
            "MiB",
            floor=little / MEBIBYTE,
            most=350,
        ),
        *memory.figures(),
        *looked,
    ]
    return show(f"{claims:,} idle claims, {os.cpu_count()} cores", figures, is_full_scale=claims >= FULL_SCALE)


if __name__ == "__main__":
    status = asyncio.run(main())
    sys.stdout.flush()
    os._exit(status)
