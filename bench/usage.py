"""What a stack used so far: CPU by part, memory by part, bytes of both databases."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import psutil
from sqlalchemy import Engine, text

from bench.report import Figure
from cli.local import LocalStack

MEBIBYTE = 2**20


def cpu_by_part(stack: LocalStack) -> dict[str, float]:
    """CPU seconds used so far by each part and its children, and by this process."""
    used: dict[str, float] = {"benchmark": sum(psutil.Process().cpu_times()[:2])}
    for name, pid in stack.supervisor.pids.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            # Children of PostgreSQL come and go; what ended ones used is in the parent's children times.
            members = [process, *process.children(recursive=True)]
            times = [member.cpu_times() for member in members]
            used[name] = sum(t.user + t.system for t in times) + times[0].children_user + times[0].children_system
    return used


def memory_by_part(stack: LocalStack) -> dict[str, int]:
    """Bytes of each part and its children; what processes share, as PostgreSQL's do, counts once."""
    used: dict[str, int] = {}
    for name, pid in stack.supervisor.pids.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            used[name] = sum(each.memory_full_info().pss for each in [process, *process.children(recursive=True)])
    return used


def database_sizes(engine: Engine) -> dict[str, int]:
    """Bytes of each table with its indexes and long values, and under an empty name of the whole database."""
    tables = text("SELECT relname, pg_total_relation_size(relid) AS size FROM pg_stat_user_tables")
    with engine.connect() as connection:
        whole: int = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        return {row.relname: row.size for row in connection.execute(tables)} | {"": whole}


def temporal_size(stack: LocalStack) -> int:
    """Bytes of Temporal's database, with what is still in its write-ahead log only."""
    (file,) = stack.data_dir.rglob("temporal.db")
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    try:
        (pages,), (size,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
        return int(pages * size)
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used so far: CPU seconds by part, and bytes of both databases."""

    cpu: Mapping[str, float]
    tables: Mapping[str, int]
    temporal: int

    @classmethod
    def now(cls, stack: LocalStack, engine: Engine) -> "Usage":
        return cls(cpu_by_part(stack), database_sizes(engine), temporal_size(stack))

    def cpu_since(self, before: "Usage") -> dict[str, float]:
        """CPU seconds by part since then, the largest first."""
        used = {name: seconds - before.cpu.get(name, 0) for name, seconds in self.cpu.items()}
        return dict(sorted(used.items(), key=lambda item: -item[1]))

    def bytes_since(self, before: "Usage") -> dict[str, int]:
        """Bytes that each database has grown by since then."""
        return {"PostgreSQL": self.tables[""] - before.tables[""], "Temporal": self.temporal - before.temporal}


def costs(after: Usage, before: Usage, claims: int) -> list[Figure]:
    """CPU by part and bytes by database, per claim."""
    spent = after.cpu_since(before).items()
    grown = after.bytes_since(before).items()
    return [Figure(f"CPU per claim: {name}", 1000 * seconds / claims, "ms") for name, seconds in spent] + [
        Figure(f"bytes per claim: {name}", size / claims / 1024, "KiB") for name, size in grown
    ]


@dataclass
class Memory:
    """The most memory that each part had while somebody watched, in bytes."""

    most: dict[str, int] = field(default_factory=dict)

    async def watch(self, stack: LocalStack, seconds: float = 2) -> None:
        """Look every so often, until cancelled."""
        while True:
            for name, size in (await asyncio.to_thread(memory_by_part, stack)).items():
                self.most[name] = max(size, self.most.get(name, 0))
            await asyncio.sleep(seconds)

    def figures(self) -> list[Figure]:
        """A line for each part, the largest first."""
        parts = sorted(self.most.items(), key=lambda item: -item[1])
        return [Figure(f"most memory: {name}", size / MEBIBYTE, "MiB") for name, size in parts]


@contextlib.asynccontextmanager
async def watched(stack: LocalStack) -> AsyncIterator[Memory]:
    """Watch memory for as long as the block lasts."""
    memory = Memory()
    watcher = asyncio.create_task(memory.watch(stack))
    try:
        yield memory
    finally:
        watcher.cancel()
