"""kill -9 of every part while learners claim credit: what was acknowledged stays, and nothing happens twice."""

import asyncio
import os
import random
import secrets
import time
from collections import Counter
from functools import partial
from statistics import median

import httpx2
import pytest
from sqlalchemy import text
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from cli.demo import load_examples
from cli.local.processes import wait_until
from storage.database import create_sync_engine
from tests.faults import record
from tests.faults.installation import PARTS, Installation
from tests.faults.learners import Diary, Letters, StormLearner

KILLS = int(os.environ.get("LAUREL_KILLS", "24"))
SEED = int(os.environ.get("LAUREL_SEED") or secrets.randbelow(2**32))
LEARNERS = 12
PATIENT_LEARNERS = 2


def seeded(seed: int) -> random.Random:
    """Chance that comes again with its seed."""
    return random.Random(seed)  # noqa: S311  # Repeatable is what it must be.


async def storm(installation: Installation, chance: random.Random) -> None:
    """Kill parts in turn, in an order and at a pace that the seed decides; halfway, kill the supervisor too.

    Each round kills every part once, so that no part dies so often that the supervisor gives it up.
    """
    for number in range(KILLS):
        if number % len(PARTS) == 0:
            turn = chance.sample(PARTS, len(PARTS))
        await asyncio.sleep(chance.uniform(0.5, 5))
        if number == KILLS // 2:
            await asyncio.to_thread(installation.kill_supervisor)
            await asyncio.to_thread(installation.start)
        await asyncio.to_thread(wait_until, partial(installation.kill, turn[number % len(PARTS)]), 60)


class Crowd:
    """Twelve learners at once for as long as the storm lasts, and some who leave their claim open until it is over."""

    def __init__(self, http: httpx2.AsyncClient, letters: Letters) -> None:
        self.diary = Diary()
        self.calm = asyncio.Event()
        self._http = http
        self._letters = letters
        self._chance = seeded(SEED + 1)
        self.patient = [self._learner() for _ in range(PATIENT_LEARNERS)]

    def _learner(self) -> StormLearner:
        return StormLearner(self._http, self._letters, self.diary, seeded(self._chance.getrandbits(32)))

    async def run(self) -> None:
        """Keep claiming until it is calm, and finish what was begun."""
        patient = [learner.run(pause=self.calm) for learner in self.patient]
        await asyncio.gather(*patient, *(self._keep_claiming() for _ in range(LEARNERS)))

    async def _keep_claiming(self) -> None:
        while not self.calm.is_set():
            await self._learner().run()


@pytest.mark.timeout(180 + 10 * KILLS)
async def test_kill_nine_of_any_part_loses_no_acknowledged_step_and_awards_nothing_twice(
    installation: Installation, measured: list[str]
) -> None:
    measured.append(f"LAUREL_KILLS={KILLS} LAUREL_SEED={SEED}")
    started = time.monotonic()
    load_examples(installation.running.database_url, fast=True)
    letters = Letters(installation.folder / "mail")
    async with httpx2.AsyncClient(base_url=installation.api_url) as http:
        crowd = Crowd(http, letters)
        claiming = asyncio.create_task(crowd.run())
        await storm(installation, seeded(SEED))
        stormy = time.monotonic() - started
        violations = await open_claims_without_workflow(installation, crowd)
        crowd.calm.set()
        await claiming
    drained = time.monotonic() - started - stormy
    violations += crowd.diary.surprises
    violations += await settle(installation, crowd.diary, letters)
    measured.extend(figures(installation, crowd.diary, letters, stormy, drained))
    assert not violations, f"seed {SEED}:\n" + "\n".join(violations)
    assert installation.kills.total() >= KILLS


async def open_claims_without_workflow(installation: Installation, crowd: Crowd) -> list[str]:
    """The claims that patient learners left open are waited for by a workflow that runs."""
    waiting = [each.claim["id"] for each in crowd.patient if each.claim and each.claim["closed_at"] is None]
    return await of_workflows(installation, waiting, WorkflowExecutionStatus.RUNNING)


async def of_workflows(installation: Installation, claim_ids: list[str], status: WorkflowExecutionStatus) -> list[str]:
    """Ask the server, as soon as it answers again, until it says what we hope for; at most 20 s."""
    violations = ["Temporal did not answer"]
    end = time.monotonic() + 20
    while violations and time.monotonic() < end:
        try:
            temporal = await Client.connect(installation.running.temporal_address)
            violations = await record.of_workflows(temporal, claim_ids, status)
        except (RPCError, RuntimeError):
            await asyncio.sleep(0.5)
    return violations


async def settle(installation: Installation, diary: Diary, letters: Letters) -> list[str]:
    """Count, once every workflow has ended."""
    engine = create_sync_engine(installation.running.database_url, pool_size=2)
    with engine.connect() as connection:
        claim_ids = list(connection.execute(text("SELECT id FROM claims")).scalars())
        connection.rollback()
        ended = await of_workflows(installation, claim_ids, WorkflowExecutionStatus.COMPLETED)
        violations = [
            *ended,
            *record.of_record(connection),
            *record.of_audit(connection),
            *record.of_steps(connection, diary.steps),
            *record.of_documents(connection, diary),
            *record.of_mail(connection, letters),
        ]
    engine.dispose()
    return violations


def figures(installation: Installation, diary: Diary, letters: Letters, stormy: float, drained: float) -> list[str]:
    """What the run was like."""
    requests = sum((step.requests for step in diary.steps), Counter[str]())
    waits = sorted(diary.waits)
    award_mails = [message.message_id for message in letters.messages if "/certificate" in (message.text or "")]
    return [
        f"{installation.kills.total()} kills in {stormy:.0f} s; {drained:.0f} s later the last claim was completed",
        ", ".join(f"{part} {count}" for part, count in sorted(installation.kills.items())),
        f"{len(diary.certificates)} claims completed, {len(diary.steps)} steps taken",
        f"requests: {', '.join(f'{count} {outcome}' for outcome, count in sorted(requests.items()))}",
        f"a step took {median(waits):.2f} s (median), {waits[-1]:.1f} s at most",
        f"{len(award_mails)} award mails, {len(award_mails) - len(set(award_mails))} of them second copies",
    ]
