"""A large meeting on the embedded stack: many learners claim some of its 300 sessions each, over HTTP.

    python -m bench.meeting [--learners 1000] [--sessions 5] [--at-once 50]

Each learner opens the claim, chooses a statement, proves participation by their badge, reads the disclosures, claims
and evaluates every session, attests to the sum and makes it final; then comes the award, the certificate with its
table of sessions, and the e-mail. The definition is published over HTTP as staff would. Afterwards the record is asked
whether every learner got exactly what they claimed. Prints figures; fails if anything was refused, lost or doubled.
"""

import argparse
import asyncio
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

from sqlalchemy import Engine

from bench.claims import (
    Run,
    Stages,
    at_once,
    embedded_stack,
    floor_phase,
    show_cpu,
    show_histories,
    show_latencies,
    sign_in_learners,
)
from bench.floor import FloorStory
from bench.http import Connection
from bench.usage import Usage
from cli.local import LocalStack
from domain.claims import Stage
from domain.policy import Profession
from domain.roles import Role
from tests import meetings
from tests.meetings import SLUG, STATEMENTS, ProgrammeSession

FLOOR_CLAIMS = 200
LARGEST_TABLES = 8
# A certificate that is not mailed by then is an error. Before that, how long it took is one of the figures.
PATIENCE_SECONDS = 900


@dataclass
class Meeting:
    """The learners of one meeting: where they claim, and what was seen. ``claims`` maps each claim to its learner.

    Before each request they think for ``thinking_seconds``, half of that more or less.
    """

    api: str
    stages: Stages
    programme: tuple[ProgrammeSession, ...]
    sessions: int
    thinking_seconds: float = 0.0
    run: Run = field(default_factory=Run)
    claims: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    async def claim(self, number: int, token: str) -> None:
        """One learner's claim; what goes wrong with it is noted, and the others go on."""
        http = Connection(self.api, token)
        try:
            await self._claim(http, number)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is one of the errors that this counts
            self.errors.append(f"learner {number}: {error}")
        await http.close()

    async def _claim(self, http: Connection, number: int) -> None:
        step = partial(self._call, http)
        claim = await step("open", "POST", "/v1/claims", {"ce_activity": SLUG})
        path, claim_id = f"/v1/claims/{claim['id']}", str(claim["id"])
        self.claims[claim_id] = number
        self.run.claim_ids.append(claim_id)
        statement = {"credit_type": STATEMENTS[meetings.profession_of(number)]}
        await step("statement", "PUT", f"{path}/statement", statement)
        badge = {"method": "badge_id", "value": meetings.badge_of(number)}
        await step("badge", "POST", f"{path}/participation", badge)
        await step("disclosures", "POST", f"{path}/disclosures", {"version": meetings.DISCLOSURES})
        await self._call(http, "page of sessions", "GET", f"{path}/sessions?limit=100", is_step=False)
        for choice in meetings.choices_of(number, self.programme, self.sessions):
            await step("session", "PUT", f"{path}/sessions/{choice.session.code}", choice.body)
        await step("credit", "PUT", f"{path}/credit", meetings.credit_of(number))
        completed = asyncio.ensure_future(self.stages.reached(claim_id, Stage.COMPLETED))
        await step("finalization", "POST", f"{path}/finalization", {"confirmed": True})
        started = time.perf_counter()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await completed
        self.run.time("final to e-mail", started, is_step=False)

    async def _call(
        self,
        http: Connection,
        name: str,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        is_step: bool = True,
    ) -> dict[str, Any]:
        await asyncio.sleep(self.thinking_seconds * (0.5 + secrets.randbelow(1000) / 1000))
        started = time.perf_counter()
        answer = await http.call(method, path, body)
        self.run.time(name, started, is_step=is_step)
        return answer


@dataclass(frozen=True, slots=True)
class Preparation:
    """How long the office waited, in milliseconds: for the definition, and for the roster's preview and application."""

    definition: float
    preview: float
    application: float


async def prepare(stack: LocalStack, engine: Engine, learners: int) -> Preparation:
    """Publish the meeting and load its badges, as staff do."""
    (token,) = sign_in_learners(engine, [Profession.OTHER], Role.COORDINATOR)
    http = Connection(stack.urls["api"], token)
    path = f"/v1/staff/ce-activities/{SLUG}"
    times = [time.perf_counter()]
    await http.send("PUT", path, meetings.definition().encode(), "application/yaml")
    times.append(time.perf_counter())
    preview = await http.send("POST", f"{path}/roster", meetings.roster(learners), "text/csv")
    times.append(time.perf_counter())
    applied = await http.call("POST", preview["apply_href"])
    times.append(time.perf_counter())
    await http.close()
    if applied["applied_count"] != learners:
        raise RuntimeError(f"of {learners} badges {applied['applied_count']} are on the roster")
    return Preparation(*(1000 * (end - start) for start, end in pairwise(times)))


def show_growth(before: Mapping[str, int], after: Mapping[str, int], temporal: int, claims: int) -> None:
    grown = {name: (size - before.get(name, 0)) / claims for name, size in after.items()}
    print(f"\nbytes per claim: PostgreSQL {grown.pop(''):,.0f}, Temporal {temporal / claims:,.0f}")
    for name in sorted(grown, key=lambda name: -grown[name])[:LARGEST_TABLES]:
        print(f"{name:<24}{grown[name]:>10,.0f}")


async def hold(meeting: Meeting, tokens: Sequence[str], at_most: int) -> None:
    """Let the learners of a meeting claim, so many at a time."""
    watcher = asyncio.create_task(meeting.stages.watch())
    works: list[Callable[[], Awaitable[None]]] = [
        partial(meeting.claim, number, token) for number, token in enumerate(tokens)
    ]
    meeting.run.seconds = await at_once(at_most, works)
    watcher.cancel()


def show_rates(meeting: Meeting, floor: float, signals: int, prepared: Preparation) -> None:
    rate = len(meeting.claims) / meeting.run.seconds
    print(
        f"definition published in {prepared.definition:.0f} ms; roster previewed in {prepared.preview:.0f} ms, "
        f"applied in {prepared.application:.0f} ms"
    )
    print(f"{meeting.run.seconds:.0f} s until the last certificate was mailed")
    print(f"full claims per second: {rate:.1f}; floor: {floor:.1f}; ratio {rate / floor:.2f}")
    print(f"signals per second: {rate * signals:.1f}")


def show_errors(meeting: Meeting, engine: Engine) -> int:
    """Print what went wrong; answers with how much did."""
    deviations = list(meetings.deviations(engine, meeting.claims, meeting.sessions))
    print(f"\nerrors: {len(meeting.errors)}; claims that the record has otherwise: {len(deviations)}")
    print("\n".join([*meeting.errors, *deviations][:20]))
    return len(meeting.errors) + len(deviations)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=50)
    options = parser.parse_args()
    # Statement, badge, disclosures, credit and finalization move a claim; its sessions do not.
    story = FloorStory(moves=(*[True] * 3, *[False] * options.sessions, True, True))
    async with embedded_stack() as (stack, engine, client):
        prepared = await prepare(stack, engine, options.learners)
        meeting = Meeting(stack.urls["api"], Stages(engine), meetings.programme(), options.sessions)
        tokens = sign_in_learners(engine, [meetings.profession_of(number) for number in range(options.learners)])
        before = await asyncio.to_thread(Usage.now, stack, engine)
        await hold(meeting, tokens, options.at_once)
        after = await asyncio.to_thread(Usage.now, stack, engine)
        floor_claims = min(FLOOR_CLAIMS, options.learners)
        floor = floor_claims / await floor_phase(client, story, floor_claims, options.at_once)
        print(
            f"{os.cpu_count()} cores; {options.learners} learners, {options.at_once} at once, "
            f"{options.sessions} of {len(meeting.programme)} sessions each"
        )
        show_rates(meeting, floor, len(story.moves), prepared)
        show_latencies(f"{options.at_once} learners at once", meeting.run)
        show_cpu(before.cpu, after.cpu, options.learners)
        show_growth(before.tables, after.tables, after.temporal - before.temporal, options.learners)
        await show_histories(client, meeting.run.claim_ids)
        return 1 if show_errors(meeting, engine) else 0


if __name__ == "__main__":
    status = asyncio.run(main())
    sys.stdout.flush()
    os._exit(status)
