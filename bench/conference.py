"""A day of a conference: thousands of learners claim within an hour that has the shape of such a day, compressed.

    python -m bench.conference [--claims 5000] [--minutes 30]

Learners come as they do after a morning: some early, most within the quarter of an hour after a session ended, then
fewer and fewer. Each opens a claim of the large meeting (``bench/meeting.py``) and thinks before each step. The hour
takes ``--minutes`` at full scale, and at a smaller one so much less that the arrivals per second stay the same: a
minute with ``--claims 150``. Afterwards the record is asked whether all got exactly what they claimed.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from statistics import median, quantiles

from bench.claims import Run, Stages, embedded_stack, floor_phase, show_latencies, sign_in_learners
from bench.floor import FloorStory
from bench.load import sampled
from bench.meeting import FLOOR_CLAIMS, Meeting, hold, prepare
from bench.report import Figure, show
from bench.usage import Usage, costs, watched
from tests import meetings

FULL_SCALE = 5_000
SESSIONS = 5
THINKING_SECONDS = 2.0
QUIET_LEARNERS = 20
# The share of the learners that comes within each twelfth of the hour, in hundredths.
SHAPE = (2, 3, 6, 18, 24, 16, 9, 7, 5, 4, 3, 3)
_WAITING = {
    "most steps that waited for their decision": "SELECT count(*) FROM submissions WHERE decided_at IS NULL",
    "most certificates that waited": "SELECT count(*) FROM claims WHERE stage IN ('awarding', 'issuing')",
    "most claims open at once": "SELECT count(*) FROM claims WHERE closed_at IS NULL",
}


def arrivals(learners: int, seconds: float) -> Iterator[float]:
    """When each learner comes, in seconds after the first could: evenly within each part of the hour."""
    ends = [0, *accumulate(SHAPE)]
    for number in range(learners):
        place = 100 * (number + 0.5) / learners
        part = next(at for at, end in enumerate(ends[1:]) if place <= end)
        yield seconds / len(SHAPE) * (part + (place - ends[part]) / SHAPE[part])


async def come(meeting: Meeting, first: int, tokens: list[str], seconds: float) -> None:
    """Let the learners come in the hour's shape, and wait until the last has a certificate."""
    watcher = asyncio.create_task(meeting.stages.watch())
    started = time.perf_counter()

    async def one(number: int, token: str, at: float) -> None:
        await asyncio.sleep(at)
        await meeting.claim(number, token)

    times = arrivals(len(tokens), seconds)
    await asyncio.gather(*(one(*each) for each in zip(range(first, first + len(tokens)), tokens, times, strict=True)))
    meeting.run.seconds = time.perf_counter() - started
    watcher.cancel()


def latencies(run: Run, quiet: Run) -> Iterator[Figure]:
    """Percentiles of all steps, against those of a few learners on the same stack."""
    values, few = ([value for times in each.latencies.values() for value in times] for each in (run, quiet))
    cuts, floor = quantiles(values, n=100), quantiles(few, n=100)
    yield Figure("step p50, to that of 20 learners", median(values), "ms", median(few))
    yield Figure("step p95, to that of 20 learners", cuts[94], "ms", floor[94])
    yield Figure("step p99, to that of 20 learners", cuts[98], "ms", floor[98])
    yield Figure("step p50 of 20 learners", median(few), "ms", most=60)
    yield Figure("step p99 of 20 learners", floor[98], "ms", most=400)
    mailed = quantiles(run.others["final to e-mail"], n=100)
    yield Figure("from the last step to the e-mail, p50", mailed[49] / 1000, "s")
    yield Figure("from the last step to the e-mail, p99", mailed[98] / 1000, "s")


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--claims", type=int, default=FULL_SCALE)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long the hour takes at full scale")
    options = parser.parse_args()
    seconds = 60 * options.minutes * options.claims / FULL_SCALE
    story = FloorStory(moves=(*[True] * 3, *[False] * SESSIONS, True, True))
    async with embedded_stack() as (stack, engine, client):
        learners = options.claims + QUIET_LEARNERS
        await prepare(stack, engine, learners)
        tokens = sign_in_learners(engine, [meetings.profession_of(number) for number in range(learners)])
        meet = partial(Meeting, stack.urls["api"], Stages(engine), meetings.programme(), SESSIONS, THINKING_SECONDS)
        few, many = meet(), meet()
        await hold(few, tokens[:QUIET_LEARNERS], QUIET_LEARNERS)
        before = await asyncio.to_thread(Usage.now, stack, engine)
        async with watched(stack) as memory, sampled(engine, _WAITING) as most:
            await come(many, QUIET_LEARNERS, tokens[QUIET_LEARNERS:], seconds)
        after = await asyncio.to_thread(Usage.now, stack, engine)
        floor_claims = min(FLOOR_CLAIMS, options.claims)
        floor = floor_claims / await floor_phase(client, story, floor_claims, 50)
        deviations = list(meetings.deviations(engine, few.claims | many.claims, SESSIONS))
    wrong = [*few.errors, *many.errors, *deviations]
    print("\n".join(wrong[:20]))
    show_latencies(f"{options.claims:,} learners", many.run)
    figures = [
        Figure("certificates mailed", len(many.run.others["final to e-mail"]), least=options.claims, is_certain=True),
        Figure("errors, and claims that the record has otherwise", len(wrong), most=0, is_certain=True),
        Figure("the hour took", seconds / 60, "min"),
        Figure("from its end to the last e-mail", max(0.0, many.run.seconds - seconds), "s"),
        Figure("full claims per second, to a bare workflow", options.claims / many.run.seconds, floor=floor),
        *latencies(many.run, few.run),
        *(Figure(name, value) for name, value in most.items()),
        *costs(after, before, options.claims),
        *memory.figures(),
    ]
    title = f"{options.claims:,} learners of a conference, {os.cpu_count()} cores"
    return show(title, figures, is_full_scale=options.claims >= FULL_SCALE)


if __name__ == "__main__":
    status = asyncio.run(main())
    sys.stdout.flush()
    os._exit(status)
