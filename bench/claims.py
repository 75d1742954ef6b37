"""Full claims per second on the embedded stack, against the floor of the same server in the same run.

    python -m bench.claims [--claims 300] [--learners 50]

A full claim is: open, participation, attempt, answers, one second of grading, evaluation, credit, award, certificate,
e-mail, all over HTTP and SMTP. The floor is ``bench/floor.py``. Prints ratios; asserts nothing about time.
"""

import argparse
import asyncio
import contextlib
import hashlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any, TypeVar

from sqlalchemy import Engine, insert, text
from temporalio.client import Client

from bench.floor import FloorStory, floor_claim, floor_worker
from bench.http import Connection
from bench.usage import cpu_by_part
from cli.demo import STORY
from cli.local import LocalStack
from domain.claims import Stage
from domain.identities import new_id
from domain.policy import CEActivityPolicy, Profession
from domain.roles import Role
from storage.catalog import publish
from storage.database import create_sync_engine
from storage.definitions import Definition, DefinitionStatus
from storage.tables import AccountRow, LearnerRow, LoginSessionRow
from tests.claims import example_policy, full_responses, right_answers
from workflows.contract import claim_workflow_id

Stack = TypeVar("Stack", bound=LocalStack)

GRADING_SECONDS = 1
THINKING_SECONDS = 1.0
# Participation, attempt, answers, evaluation, credit: starting an attempt moves nothing, and answers are graded.
FLOOR = FloorStory(moves=(True, False, True, True, True), graded_after=3, grading_seconds=GRADING_SECONDS)


@dataclass
class Run:
    """What one phase of the benchmark saw; latencies in milliseconds by step."""

    seconds: float = 0.0
    latencies: dict[str, list[float]] = field(default_factory=dict)
    others: dict[str, list[float]] = field(default_factory=dict)
    claim_ids: list[str] = field(default_factory=list)

    def time(self, step: str, started: float, *, is_step: bool = True) -> None:
        """Note a step's time to its decision, or the time of something else that a learner waits for."""
        noted = self.latencies if is_step else self.others
        noted.setdefault(step, []).append(1000 * (time.perf_counter() - started))


class Stages:
    """Tells when a claim reaches a stage, by one query a few times a second instead of a request per learner."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: dict[tuple[str, str], asyncio.Future[None]] = {}

    async def reached(self, claim_id: str, stage: Stage) -> None:
        future = self._waiting[claim_id, stage] = asyncio.get_running_loop().create_future()
        await future

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            ids = [claim_id for claim_id, _ in self._waiting]
            if not ids:
                continue
            with self._engine.connect() as connection:
                rows = connection.execute(text("SELECT id, stage FROM claims WHERE id = ANY(:ids)"), {"ids": ids}).all()
            for row in rows:
                future = self._waiting.pop((row.id, row.stage), None)
                if future is not None:
                    future.set_result(None)


def sign_in_learners(engine: Engine, professions: Sequence[Profession], role: Role = Role.LEARNER) -> list[str]:
    """Make a learner of each of these professions, with a session each; answers with their tokens."""
    tokens = [secrets.token_urlsafe(32) for _ in professions]
    accounts = [new_id("acc") for _ in tokens]
    expires_at = datetime.now(UTC) + timedelta(hours=8)
    with engine.begin() as connection:
        connection.execute(
            insert(AccountRow), [{"id": a, "email": f"{a}@learners.example", "role": role} for a in accounts]
        )
        connection.execute(
            insert(LearnerRow),
            [
                {
                    "id": new_id("lrn"),
                    "account_id": a,
                    "given_name": "Alice",
                    "family_name": "Moreau",
                    "credentials": "MD" if profession is Profession.PHYSICIAN else None,
                    "profession": profession,
                }
                for a, profession in zip(accounts, professions, strict=True)
            ],
        )
        connection.execute(
            insert(LoginSessionRow),
            [
                {
                    "id": new_id("ses"),
                    "token_hash": hashlib.sha256(t.encode()).digest(),
                    "account_id": a,
                    "expires_at": expires_at,
                }
                for t, a in zip(tokens, accounts, strict=True)
            ],
        )
    return tokens


@dataclass
class Phase:
    """One phase of the benchmark: where the learners claim, what, how long they think before a step, what was seen."""

    api: str
    policy: CEActivityPolicy
    stages: Stages
    thinking_seconds: float = 0.0
    run: Run = field(default_factory=Run)

    async def claim(self, token: str) -> None:
        """One learner's claim over HTTP, each step timed."""
        http = Connection(self.api, token)
        step = partial(self._step, http)
        claim = await step("open", "POST", "/v1/claims", {"ce_activity": STORY})
        path, claim_id = f"/v1/claims/{claim['id']}", str(claim["id"])
        self.run.claim_ids.append(claim_id)
        await step("participation", "POST", f"{path}/participation", {"method": "attestation", "value": "in_person"})
        await step("attempt", "POST", f"{path}/attempts", {})
        graded = asyncio.ensure_future(self.stages.reached(claim_id, Stage.AWAITING_EVALUATION))
        await step("answers", "POST", f"{path}/attempts/1/answers", {"answers": right_answers(self.policy)})
        await graded
        await step("evaluation", "POST", f"{path}/evaluations", {"responses": full_responses(self.policy)})
        completed = asyncio.ensure_future(self.stages.reached(claim_id, Stage.COMPLETED))
        credit = {"credit_type": "ama_pra_category_1", "units": "1.00", "attestation_version": "ama-2026-1"}
        await step("credit", "PUT", f"{path}/credit", {**credit, "attested": True})
        started = time.perf_counter()
        await completed
        self.run.time("credit to e-mail", started, is_step=False)
        await http.close()

    async def _step(self, http: Connection, name: str, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(self.thinking_seconds * (0.5 + secrets.randbelow(1000) / 1000))
        started = time.perf_counter()
        answer = await http.call(method, path, body)
        self.run.time(name, started)
        return answer


async def at_once(learners: int, works: Sequence[Callable[[], Awaitable[None]]]) -> float:
    """Do all the work, so many at a time; answers with the seconds it took."""
    slots = asyncio.Semaphore(learners)

    async def one(work: Callable[[], Awaitable[None]]) -> None:
        async with slots:
            await work()

    started = time.perf_counter()
    await asyncio.gather(*(one(work) for work in works))
    return time.perf_counter() - started


def make_folder() -> Path:
    """A data folder that the unprivileged user who runs PostgreSQL can reach."""
    folder = Path(tempfile.mkdtemp(prefix="laurel-bench-"))
    folder.chmod(0o755)
    return folder


@contextlib.asynccontextmanager
async def running(kind: type[Stack]) -> AsyncIterator[tuple[Stack, Engine, Client]]:
    """A stack of this kind in a folder of its own, with a connection to its database and one to its Temporal."""
    folder = await asyncio.to_thread(make_folder)
    environment = {"LAUREL_LOG_LEVEL": "WARNING", "LAUREL_REQUESTS_PER_MINUTE": "1000000"}
    stack = kind(folder, environment=environment, say=lambda _: None)
    await asyncio.to_thread(stack.start)
    engine = create_sync_engine(stack.database_url)
    try:
        yield stack, engine, await Client.connect(stack.temporal_address)
    finally:
        engine.dispose()
        await asyncio.to_thread(stack.stop)
        shutil.rmtree(folder, ignore_errors=True)


def publish_policy(engine: Engine, slug: str, policy: CEActivityPolicy) -> None:
    """Let learners claim credit for a CE activity with this policy."""
    with engine.begin() as connection:
        publish(connection, Definition(slug=slug, status=DefinitionStatus.PUBLISHED, policy=policy), None)


async def full_phase(stack: LocalStack, engine: Engine, claims: int, learners: int, thinking_seconds: float = 0) -> Run:
    policy = example_policy(grading_seconds=GRADING_SECONDS)
    publish_policy(engine, STORY, policy)
    phase = Phase(stack.urls["api"], policy, Stages(engine), thinking_seconds)
    watcher = asyncio.create_task(phase.stages.watch())
    works = [partial(phase.claim, token) for token in sign_in_learners(engine, [Profession.PHYSICIAN] * claims)]
    phase.run.seconds = await at_once(learners, works)
    watcher.cancel()
    return phase.run


def embedded_stack() -> contextlib.AbstractAsyncContextManager[tuple[LocalStack, Engine, Client]]:
    """The stack as ``laurel up`` has it; see ``running``."""
    return running(LocalStack)


async def floor_phase(client: Client, story: FloorStory, claims: int, learners: int) -> float:
    """So many claims' worth of nothing; answers with the seconds it took."""
    async with floor_worker(client):
        ids = [secrets.token_hex(8) for _ in range(claims)]
        return await at_once(learners, [partial(floor_claim, client, claim_id, story) for claim_id in ids])


def show_cpu(before: Mapping[str, float], after: Mapping[str, float], claims: int) -> None:
    print("\nCPU milliseconds per full claim")
    for name in sorted(after, key=lambda name: before.get(name, 0) - after[name]):
        print(f"{name:<18}{1000 * (after[name] - before.get(name, 0)) / claims:>8.1f}")


def show_latencies(title: str, run: Run) -> None:
    print(f"\n{title}: milliseconds to a decided answer\n{'step':<18}{'p50':>8}{'p95':>8}{'p99':>8}")
    together = [value for values in run.latencies.values() for value in values]
    for name, values in {**run.latencies, **run.others, "all steps": together}.items():
        cuts = quantiles(values, n=100)
        print(f"{name:<18}{median(values):>8.1f}{cuts[94]:>8.1f}{cuts[98]:>8.1f}")


async def show_histories(client: Client, claim_ids: list[str]) -> None:
    lengths, sizes = [], []
    for claim_id in claim_ids[:20]:
        description = await client.get_workflow_handle(claim_workflow_id(claim_id)).describe()
        lengths.append(description.history_length)
        sizes.append(description.raw_description.workflow_execution_info.history_size_bytes)
    print(f"\nhistory of a claim: {median(lengths):.0f} events, {median(sizes):.0f} bytes (medians of {len(sizes)})")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--claims", type=int, default=300)
    parser.add_argument("--learners", type=int, default=50)
    options = parser.parse_args()
    async with embedded_stack() as (stack, engine, client):
        await full_phase(stack, engine, 60, options.learners)
        await floor_phase(client, FLOOR, 60, options.learners)
        before = await asyncio.to_thread(cpu_by_part, stack)
        run = await full_phase(stack, engine, options.claims, options.learners)
        after = await asyncio.to_thread(cpu_by_part, stack)
        server = after["temporal"]
        floor_seconds = await floor_phase(client, FLOOR, options.claims, options.learners)
        floor_server = (await asyncio.to_thread(cpu_by_part, stack))["temporal"] - server
        paced = await full_phase(stack, engine, 200, 20, THINKING_SECONDS)
        full, floor = options.claims / run.seconds, options.claims / floor_seconds
        print(f"{os.cpu_count()} cores, {options.learners} learners at once, {options.claims} claims")
        print(f"full claims per second: {full:.1f}; floor: {floor:.1f}; ratio {full / floor:.2f}")
        show_cpu(before, after, options.claims)
        print(f"{'(floor: temporal)':<18}{1000 * floor_server / options.claims:>8.1f}")
        show_latencies(f"{options.learners} learners at once", run)
        show_latencies(f"20 learners at once, who think {THINKING_SECONDS:g} s before each step", paced)
        await show_histories(client, run.claim_ids)


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)
