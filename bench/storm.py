"""A deadline storm: many claims come due at one moment, while other learners go on claiming.

    python -m bench.storm [--claims 10000] [--spread 0]

Half of the claims expire, the others are reminded. Laurel spreads both over half an hour by the claim's id, which is
what an installation sees and what runs by default; the bar is what that does to the steps of learners meanwhile.
``--spread 0`` takes it away, as an engine does that was down for that half hour: all claims expire, their timers fire
in the same second, nobody else is there, and the bar is how fast that is drained. With fewer claims the spread is as
much shorter, so that as many are due per second: a minute with ``--claims 200``.

Deadlines are moved in the record and every workflow is told to read it; a reminder's time cannot be chosen, so those
workflows are told at their moment. Some learners try a step after their deadline. Afterwards the record is asked
whether each claim was decided once, and nothing was taken late.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import quantiles

from sqlalchemy import Engine, text
from temporalio.client import Client

from bench.claims import THINKING_SECONDS, Run, at_once, embedded_stack, full_phase
from bench.http import Connection
from bench.load import OpenClaim, count, open_claims, prepare, sampled, wait_for
from bench.report import Figure, show
from bench.usage import Usage, costs, watched
from domain.deadlines import jitter_of
from workflows import presence
from workflows.contract import DEADLINE_GRACE, DEADLINE_JITTER
from workflows.presence import Kind

FULL_SCALE = 10_000
SAME_SECOND = 1.0
LEARNERS = 20
# Their claims are enough for a percentile of a hundred, and take a few minutes.
MOST_LIVE = 500
LATE = 50
# To tell a workflow its new deadline takes two tasks of it; so many a second is slow even for a busy machine.
TOLD_PER_SECOND = 15
_EXPIRED = "SELECT count(*) FROM claims WHERE id = ANY(:ids) AND stage = 'expired'"
# Asked again and again while the storm lasts, so without a list of ids: no other claim of this stack comes due.
_DONE = (
    "SELECT (SELECT count(*) FROM claims WHERE stage = 'expired') "
    "+ (SELECT count(*) FROM outgoing_emails WHERE purpose = 'deadline_reminder')"
)
_UNSENT = "SELECT count(*) FROM outgoing_emails WHERE state IN ('queued', 'sending')"
_QUEUED = "SELECT count(*) FROM outgoing_emails WHERE claim_id = ANY(:ids) AND purpose = :purpose"
_ENTERED = (
    "SELECT count(*) FROM audit_events e JOIN unnest(CAST(:ids AS text[])) AS c(id) ON e.stream = 'claim:' || c.id "
    "WHERE e.step_key LIKE 'expiry:%'"
)
_TAKEN_LATE = (
    "SELECT count(*) FROM submissions s JOIN claims c ON c.id = s.claim_id "
    "WHERE c.id = ANY(:ids) AND s.kind <> 'opening' AND s.outcome = 'accepted' "
    "AND s.received_at > c.due_at"
)
_WAITING = {
    "most e-mails that waited": _UNSENT,
    "most steps that waited": "SELECT count(*) FROM submissions WHERE decided_at IS NULL",
}


@dataclass(frozen=True, slots=True)
class Storm:
    """Which claims expire and which are reminded, and over how many seconds from ``at`` on."""

    expiring: Sequence[OpenClaim]
    reminded: Sequence[OpenClaim]
    at: datetime
    spread: float

    def moment_of(self, claim_id: str) -> datetime:
        """When this claim's part of the storm comes, by its own jitter."""
        return self.at + timedelta(seconds=self.spread) * (jitter_of(claim_id, DEADLINE_JITTER) / DEADLINE_JITTER)

    def deadline_of(self, claim_id: str) -> datetime:
        """The deadline whose timer, with grace and the claim's own jitter, fires at the claim's moment."""
        return self.moment_of(claim_id) - DEADLINE_GRACE - jitter_of(claim_id, DEADLINE_JITTER)


@dataclass
class Outcome:
    """What became of a storm: seconds from its moment until every claim was decided, and every e-mail sent."""

    decided: float = 0.0
    mailed: float = 0.0
    late_refused: int = 0


def move_deadlines(engine: Engine, storm: Storm) -> None:
    """Enter the deadlines; those that are reminded have theirs tomorrow, so that yesterday's reminder is missing."""
    expiring = [{"id": claim.id, "due_at": storm.deadline_of(claim.id)} for claim in storm.expiring]
    reminded = [{"id": claim.id, "due_at": storm.at + timedelta(days=1)} for claim in storm.reminded]
    with engine.begin() as connection:
        connection.execute(text("UPDATE claims SET due_at = :due_at WHERE id = :id"), expiring)
        earlier = "UPDATE claims SET due_at = :due_at, reminded_at = opened_at - interval '3 days' WHERE id = :id"
        if reminded:
            connection.execute(text(earlier), reminded)


async def tell(client: Client, claims: Sequence[OpenClaim]) -> None:
    """Have every workflow read the record."""
    await at_once(50, [partial(presence.tell, client, Kind.CLAIM, claim.id) for claim in claims])


async def remind(client: Client, storm: Storm) -> None:
    """Have every workflow whose reminder is missing read the record, at its own moment of the storm."""

    async def tell_then(claim: OpenClaim) -> None:
        await asyncio.sleep(max(0.0, (storm.moment_of(claim.id) - datetime.now(UTC)).total_seconds()))
        await presence.tell(client, Kind.CLAIM, claim.id)

    await asyncio.gather(*(tell_then(claim) for claim in storm.reminded))


async def arm(engine: Engine, client: Client, claims: Sequence[OpenClaim], spread: float) -> Storm:
    """Let the first half's timers be set for one moment, or all; the other half gets its deadline at that moment."""
    half = len(claims) if spread <= SAME_SECOND else len(claims) // 2
    at = datetime.now(UTC) + timedelta(seconds=20 + half / TOLD_PER_SECOND)
    storm = Storm(claims[:half], claims[half:], at, spread)
    await asyncio.to_thread(move_deadlines, engine, storm)
    await tell(client, storm.expiring)
    left = (at - datetime.now(UTC)).total_seconds()
    # Timers that are set when the storm has begun fire one by one.
    if left < 0:
        msg = f"the machine is too busy: telling {half} claims their deadline took {-left:.0f} s too long"
        raise RuntimeError(msg)
    return storm


async def step_late(api: str, claim: OpenClaim) -> bool:
    """Try a step after the deadline; whether it was refused."""
    http = Connection(api, claim.token)
    try:
        await http.call("POST", f"/v1/claims/{claim.id}/participation", {"method": "attestation", "value": "in_person"})
    except RuntimeError as refused:
        return " 409 " in str(refused)
    finally:
        await http.close()
    return False


async def break_loose(engine: Engine, client: Client, api: str, storm: Storm) -> Outcome:
    """Wait for the moment, and then until everything is decided and mailed."""
    outcome = Outcome()
    await asyncio.sleep(max(0.0, (storm.at - datetime.now(UTC)).total_seconds()))
    started = time.perf_counter()
    telling = asyncio.create_task(remind(client, storm))
    late = [asyncio.create_task(step_late(api, claim)) for claim in storm.expiring[:LATE]]

    everybody = len(storm.expiring) + len(storm.reminded)

    def is_decided() -> bool:
        return count(engine, _DONE) >= everybody

    def is_mailed() -> bool:
        return count(engine, _UNSENT) == 0

    patience = storm.spread + 120 + everybody / 5
    await wait_for(is_decided, patience)
    outcome.decided = time.perf_counter() - started
    await wait_for(is_mailed, patience)
    outcome.mailed = time.perf_counter() - started
    await telling
    outcome.late_refused = sum(await asyncio.gather(*late))
    return outcome


def p99(run: Run) -> float:
    """Milliseconds to a decided answer that one step in a hundred exceeds."""
    return quantiles([value for values in run.latencies.values() for value in values], n=100)[98]


def live_figures(quiet: Run, busy: Run | None) -> list[Figure]:
    """How learners fare during a storm, if there were any."""
    if busy is None:
        return []
    return [Figure(f"step p99 of {LEARNERS} learners, to that before", p99(busy), "ms", p99(quiet), most_ratio=3)]


def truth(engine: Engine, storm: Storm, outcome: Outcome) -> list[Figure]:
    """What the record has of the storm, which holds at any scale."""
    expiring, reminded = ([claim.id for claim in half] for half in (storm.expiring, storm.reminded))
    tried = len(expiring[:LATE])

    def exactly(what: str, value: int, expected: int) -> Figure:
        return Figure(what, value, most=expected, least=expected, is_certain=True)

    notices = partial(count, engine, _QUEUED)
    return [
        exactly("claims expired", count(engine, _EXPIRED, ids=expiring), len(expiring)),
        exactly("entries of an expiry", count(engine, _ENTERED, ids=expiring), len(expiring)),
        exactly("e-mails about an expiry", notices(ids=expiring, purpose="claim_expired"), len(expiring)),
        exactly("e-mails that remind", notices(ids=reminded, purpose="deadline_reminder"), len(reminded)),
        exactly("late steps refused", outcome.late_refused, tried),
        exactly("late steps taken", count(engine, _TAKEN_LATE, ids=expiring), 0),
    ]


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--claims", type=int, default=FULL_SCALE)
    parser.add_argument("--spread", type=float, help="seconds over which the deadlines' timers fire")
    options = parser.parse_args()
    as_installed = DEADLINE_JITTER.total_seconds() * options.claims / FULL_SCALE
    spread = as_installed if options.spread is None else options.spread
    is_drain = spread <= SAME_SECOND
    live = 0 if is_drain else max(LEARNERS, min(MOST_LIVE, options.claims // 20))
    async with embedded_stack() as (stack, engine, client):
        tokens = await asyncio.to_thread(prepare, engine, options.claims)
        await full_phase(stack, engine, LEARNERS, LEARNERS)
        quiet = await full_phase(stack, engine, live or LEARNERS, LEARNERS, THINKING_SECONDS)
        before = await asyncio.to_thread(Usage.now, stack, engine)
        opened = await open_claims(stack, tokens)
        storm = await arm(engine, client, opened.claims, spread)
        async with watched(stack) as memory, sampled(engine, _WAITING) as most:
            breaking = asyncio.create_task(break_loose(engine, client, stack.urls["api"], storm))
            await asyncio.sleep(max(0.0, (storm.at - datetime.now(UTC)).total_seconds()))
            at_storm = await asyncio.to_thread(Usage.now, stack, engine)
            busy = await full_phase(stack, engine, live, LEARNERS, THINKING_SECONDS) if live else None
            outcome = await breaking
        after = await asyncio.to_thread(Usage.now, stack, engine)
        certain = truth(engine, storm, outcome)
    rate = options.claims / outcome.decided
    grown = after.bytes_since(before)
    figures = [
        *certain,
        Figure("from the moment until all are decided", outcome.decided, "s"),
        Figure("decided per second", rate, least=50 if is_drain else None),
        Figure("until all e-mails are sent", outcome.mailed, "s"),
        *(Figure(name, value) for name, value in most.items()),
        *live_figures(quiet, busy),
        *(
            Figure(f"{name} per claim, opening included", size / options.claims, "bytes")
            for name, size in grown.items()
        ),
        *costs(after, at_storm, options.claims),
        *memory.figures(),
    ]
    title = f"{options.claims:,} claims due over {spread:g} s, {os.cpu_count()} cores"
    return show(title, figures, is_full_scale=options.claims >= FULL_SCALE)


if __name__ == "__main__":
    status = asyncio.run(main())
    sys.stdout.flush()
    os._exit(status)
