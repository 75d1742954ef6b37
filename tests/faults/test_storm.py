"""Everything goes wrong while learners claim credit: what was acknowledged stays, and nothing happens twice."""

import asyncio
import os
import secrets
import time
from collections import Counter
from pathlib import Path
from statistics import median

import httpx2
import psycopg
import pytest
from sqlalchemy import text
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from cli.demo import load_examples
from cli.local.folders import running_stack
from storage.database import create_sync_engine
from tests.faults import record, report
from tests.faults.installation import Installation
from tests.faults.invariants import Evidence, count_aside
from tests.faults.learners import Diary, Letters, StormLearner
from tests.faults.plan import plan, seeded
from tests.faults.storm import Storm

KILLS = int(os.environ.get("LAUREL_KILLS") or 12)
SEED = int(os.environ.get("LAUREL_SEED") or secrets.randbelow(2**32))
REPORT = os.environ.get("LAUREL_FAULTS_REPORT")
LEARNERS = 12
PATIENT_LEARNERS = 2
# A run this long also loses Temporal's database.
LONG = 50
# In a run this long every crash point was armed several times.
LONG_ENOUGH_FOR_EVERY_POINT = 400


class Crowd:
    """Twelve learners at once for as long as the storm lasts, and some who leave their claim open until it is over."""

    def __init__(self, http: httpx2.AsyncClient, letters: Letters, log: Path) -> None:
        self.diary = Diary(log=log)
        self.calm = asyncio.Event()
        self._http = http
        self._letters = letters
        self._chance = seeded(SEED + 1)
        self.patient = [self._learner() for _ in range(PATIENT_LEARNERS)]

    def _learner(self) -> StormLearner:
        return StormLearner(self._http, self._letters, self.diary, seeded(self._chance.getrandbits(32)))

    def calm_down(self) -> None:
        """Nothing fails any more: from now on learners need not wait for long."""
        self.diary.calm_at = time.monotonic()
        self.calm.set()

    async def run(self) -> None:
        """Keep claiming until it is calm, and finish what was begun."""
        patient = [learner.run(pause=self.calm) for learner in self.patient]
        await asyncio.gather(*patient, *(self._keep_claiming() for _ in range(LEARNERS)))

    async def _keep_claiming(self) -> None:
        while not self.calm.is_set():
            await self._learner().run()


async def tend(installation: Installation) -> None:
    """The office: claims whose e-mail was refused for good are tried again, until nobody asks for it any more."""
    office = ("--filter", "attention=email_failed", "--reason", "the mail server takes it now", "--yes")
    while True:
        await asyncio.sleep(5)
        if await asyncio.to_thread(has_parked_claims, installation.folder):
            await asyncio.to_thread(installation.command, "claims", "retry", *office)


def has_parked_claims(folder: Path) -> bool:
    """Whether a claim waits for the office; nobody knows while PostgreSQL is away, or everything."""
    stack = running_stack(folder)
    if stack is None:
        return False
    try:
        with psycopg.connect(stack.database_url, connect_timeout=3) as connection:
            found = connection.execute("SELECT 1 FROM claims WHERE attention = 'email_failed' LIMIT 1").fetchone()
    except psycopg.OperationalError:
        return False
    return found is not None


@pytest.mark.timeout(300 + 12 * KILLS)
async def test_no_fault_loses_an_acknowledged_step_or_awards_anything_twice(
    installation: Installation, measured: list[str]
) -> None:
    measured.append(f"LAUREL_KILLS={KILLS} LAUREL_SEED={SEED}")
    started, tested = time.monotonic(), report.commit()
    load_examples(installation.running.database_url, fast=True)
    letters = Letters(installation.folder / "mail")
    storm = Storm(installation, plan(SEED, KILLS), loses_temporal=KILLS >= LONG)
    async with httpx2.AsyncClient(base_url=installation.api_url) as http:
        crowd = Crowd(http, letters, installation.folder / "client.jsonl")
        office = asyncio.create_task(tend(installation))
        claiming = asyncio.create_task(crowd.run())
        await storm.run()
        stormy = time.monotonic() - started
        waiting = [each.claim["id"] for each in crowd.patient if each.claim and each.claim["closed_at"] is None]
        unattended = await of_workflows(installation, waiting, WorkflowExecutionStatus.RUNNING)
        crowd.calm_down()
        await claiming
        office.cancel()
    drained = time.monotonic() - started - stormy
    counts = await settle(installation, crowd.diary, letters)
    counts["I12"] += unattended
    took = f"{installation.kills.total()} kills in {stormy:.0f} s; {drained:.0f} s later the last claim was completed"
    unreached = f"crash points that did not act: {', '.join(storm.unreached) or 'none'}"
    happened = [took, _listed(installation.kills), _listed(storm.met), unreached, *figures(crowd.diary, letters)]
    measured.extend(happened)
    if REPORT:
        report.publish(Path(REPORT), report.section(counts, happened, f"make faults KILLS={KILLS} SEED={SEED}", tested))
    violations = [f"{name}: {each}" for name, found in counts.items() for each in found]
    if KILLS >= LONG_ENOUGH_FOR_EVERY_POINT:
        violations += [f"the run proves nothing of {point}" for point in storm.unreached]
    assert not violations, f"seed {SEED}:\n" + "\n".join(violations)
    assert installation.kills.total() >= KILLS


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


async def settle(installation: Installation, diary: Diary, letters: Letters) -> dict[str, list[str]]:
    """Count, once every workflow that Temporal knows has ended."""
    engine = create_sync_engine(installation.running.database_url, pool_size=5)
    with engine.connect() as connection:
        claim_ids = list(connection.execute(text("SELECT id FROM claims ORDER BY opened_at DESC LIMIT 50")).scalars())
    ended = await of_workflows(installation, claim_ids, WorkflowExecutionStatus.COMPLETED)
    counts = await count_aside(Evidence(installation, engine, diary, letters))
    counts["I12"] += ended
    engine.dispose()
    return counts


def figures(diary: Diary, letters: Letters) -> list[str]:
    """What the run was like for its learners."""
    requests = sum((step.requests for step in diary.steps), Counter[str]())
    waits = sorted(diary.waits)
    award_mails = [message.message_id for message in letters.messages if "/certificate" in (message.text or "")]
    return [
        f"{len(diary.certificates)} claims completed, {len(diary.steps)} steps taken",
        f"requests: {', '.join(f'{count} {outcome}' for outcome, count in sorted(requests.items()))}",
        f"a step took {median(waits):.2f} s (median), {waits[-1]:.1f} s at most",
        f"{len(award_mails)} award mails, {len(award_mails) - len(set(award_mails))} of them second copies",
    ]


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
