"""Where a claim's time and CPU go, from opening to certificate, the largest items first.

    python -m bench.profile [--claims 300] [--learners 20]

The same claims as ``bench/claims.py``, on workers that say what their threads spend CPU on
(``bench/measured_worker.py``). CPU is that of all parts, divided by the claims; time is what a learner waits for each
step, of which the record knows the part from receipt to decision. The floor is ``bench/floor.py``.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import psutil
from sqlalchemy import Engine, text

from bench.claims import FLOOR, Run, floor_phase, full_phase, running
from bench.measured_worker import FILE_VARIABLE
from bench.report import number, print_table
from bench.usage import cpu_by_part
from cli.local import LocalStack
from cli.local.supervisor import Part

WARM_UP = 60
_RUST = "tokio"
_KIND_OF_STEP = {"open": "opening"}
_DECIDED = text(
    "SELECT kind, percentile_cont(0.5) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM decided_at - received_at)) "
    "FROM submissions WHERE claim_id = ANY(:ids) GROUP BY kind"
)
_FINISHED = text(
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM f.issued_at - c.awarded_at)), "
    "percentile_cont(0.5) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM c.notified_at - f.issued_at)) "
    "FROM claims c JOIN awards a ON a.claim_id = c.id JOIN certificates f ON f.award_id = a.id WHERE c.id = ANY(:ids)"
)


class MeasuredStack(LocalStack):
    """The stack, with workers that say what they spend CPU on."""

    def cpu_file(self, name: str) -> Path:
        """Where a worker writes it."""
        return self.data_dir / "run" / f"{name}.cpu"

    def _worker(self, role: str, name: str, needs: Sequence[str]) -> Part:
        part = super()._worker(role, name, needs)
        command = [sys.executable, "-m", "bench.measured_worker", role]
        environment = {**(part.environment or {}), FILE_VARIABLE: str(self.cpu_file(name))}
        return replace(part, command=command, environment=environment)


def seconds_of_threads(process: psutil.Process) -> tuple[float, float]:
    """CPU seconds so far of the threads of the SDK's core, and of the main one, which runs the event loop."""
    core = loop = 0.0
    for thread in process.threads():
        spent = thread.user_time + thread.system_time
        with contextlib.suppress(FileNotFoundError):
            name = Path(f"/proc/{process.pid}/task/{thread.id}/comm").read_text()
            core += spent if name.startswith(_RUST) else 0
            loop += spent if thread.id == process.pid else 0
    return core, loop


def seconds_by_item(stack: MeasuredStack) -> dict[str, float]:
    """CPU seconds so far by item; what a worker does not explain is an item as well."""
    items: dict[str, float] = {}
    for name, seconds in cpu_by_part(stack).items():
        file = stack.cpu_file(name)
        if not file.exists():
            items[name] = seconds
            continue
        process = psutil.Process(stack.supervisor.pids[name])
        core, loop = seconds_of_threads(process)
        rendering = sum(sum(child.cpu_times()[:2]) for child in process.children(recursive=True))
        parts = {"SDK core": core, "event loop": loop, "rendering process": rendering, **json.loads(file.read_text())}
        parts["the rest"] = seconds - sum(parts.values())
        items.update({f"{name}: {part}": spent for part, spent in parts.items()})
    return items


def show_cpu_items(before: Mapping[str, float], after: Mapping[str, float], claims: int, floor_ms: float) -> None:
    spent = {name: 1000 * (seconds - before.get(name, 0)) / claims for name, seconds in after.items()}
    whole = sum(spent.values())
    rows = [
        (name, number(ms), f"{ms / whole:.0%}", number(floor_ms) if name == "temporal" else "")
        for name, ms in sorted(spent.items(), key=lambda item: -item[1])
        if ms >= whole / 1000
    ]
    print_table(("CPU of a claim", "ms", "Share", "Floor, ms"), [*rows, ("together", number(whole), "", "")])


def show_time(engine: Engine, run: Run) -> None:
    with engine.connect() as connection:
        decided = {row[0]: float(row[1]) for row in connection.execute(_DECIDED, {"ids": run.claim_ids}) if row[1]}
        issued, mailed = connection.execute(_FINISHED, {"ids": run.claim_ids}).one()
    rows = []
    for step, values in run.latencies.items():
        whole, within = median(values), decided[_KIND_OF_STEP.get(step, step)]
        rows.append((step, whole, whole - within, within))
    rows += [("award to certificate", issued, 0, issued), ("certificate to e-mail", mailed, 0, mailed)]
    rows.sort(key=lambda row: -row[1])
    print_table(
        ("Time of a claim, p50", "ms", "in API and on the way", "from receipt to decision"),
        [(name, *(number(value) if value else "" for value in values)) for name, *values in rows],
    )


async def mark(stack: MeasuredStack) -> dict[str, float]:
    """CPU seconds by item, once the workers, who write their sums twice a second, have written the last."""
    await asyncio.sleep(1)
    return await asyncio.to_thread(seconds_by_item, stack)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--claims", type=int, default=300)
    parser.add_argument("--learners", type=int, default=20)
    options = parser.parse_args()
    async with running(MeasuredStack) as (stack, engine, client):
        await full_phase(stack, engine, min(WARM_UP, options.claims), options.learners)
        await floor_phase(client, FLOOR, min(WARM_UP, options.claims), options.learners)
        before = await mark(stack)
        run = await full_phase(stack, engine, options.claims, options.learners)
        after = await mark(stack)
        await floor_phase(client, FLOOR, options.claims, options.learners)
        last = await mark(stack)
        floor_ms = 1000 * (last["temporal"] - after["temporal"]) / options.claims
        print(f"{os.cpu_count()} cores, {options.learners} learners at once, {options.claims} claims")
        show_cpu_items(before, after, options.claims, floor_ms)
        show_time(engine, run)


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)
