"""When Temporal is told of a recorded step: at once as long as few are undecided, else when a slot is free.

More steps told at once do not make workers faster (``docs/decisions/0020-too-much-waits-at-the-door.md``). What is
queued here is recorded, so nothing depends on this process: the relay tells of it should this process end.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from math import inf
from typing import Final

import structlog
from sqlalchemy import Connection

from api.database import Database
from api.wakeups import Waiter, Wakeups
from domain.submissions import SubmissionKind
from storage.deliveries import note_delivered, note_queued
from storage.intake import kept_among

_log = structlog.get_logger("laurel.api")

# Nearly every step is decided by then, and the relay takes what is undecided after two seconds.
_SLOW_SECONDS: Final = 1.0
# So many steps that are told and not decided keep workers busy. More would wait in Temporal, where a claim that waits
# for more than two seconds is taken from its worker's memory and built anew: the more waited, the less was done.
_UNDECIDED_AT_ONCE: Final = 16
# A claim that is begun is finished before another one is begun, so that those at work fit into workers' memory: with
# too many, each step finds its claim forgotten.
_OPENINGS_AT_ONCE: Final = 4
# A slot whose step is not decided by then is given to the next one: its claim is stuck, and others are not.
_SLOT_SECONDS: Final = 5.0
# Half of the time after which the relay takes over what an API has queued.
_RENEWAL_SECONDS: Final = 15.0
_NOTING_SECONDS: Final = 0.5

Note = Callable[[Connection, Sequence[str]], None]
# Tells Temporal of a step within two seconds, and answers whether Temporal took it.
Tell = Callable[[], Awaitable[bool]]


@dataclass(eq=False, slots=True)
class _Step:
    """A step that is not decided yet; ``note_at`` and ``slow_at`` are moments of the monotonic clock."""

    submission_id: str
    kind: SubmissionKind
    kept: Waiter
    slow_at: float
    note_at: float
    is_told: bool = False


class DeliveryQueue:
    """Steps that were recorded here and are not decided yet: some of them told, the others in the order they came.

    A told step has one of ``slots`` until it is decided, for ``slot_seconds`` at most, or until its claim keeps it.
    """

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        *,
        slots: int = _UNDECIDED_AT_ONCE,
        slot_seconds: float = _SLOT_SECONDS,
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._slots = asyncio.Semaphore(slots)
        self._slot_seconds = slot_seconds
        self._opening_slots = asyncio.Semaphore(_OPENINGS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling: set[asyncio.Task[None]] = set()
        self._steps: set[_Step] = set()
        self._stopped = asyncio.Event()
        self._noting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to tell the relay what it need not tell of."""
        self._noting = asyncio.create_task(self._spare_the_relay())

    async def stop(self, seconds: float) -> None:
        """Let what Temporal is being told be told, for so many seconds; the relay tells it of the rest."""
        self._stopped.set()
        for task in self._tasks - self._telling:
            task.cancel()
        await finish(self._telling, seconds)
        await finish(self._tasks, 0)
        if self._noting is not None:
            await self._noting

    def put(self, submission_id: str, kind: SubmissionKind, tell: Tell) -> None:
        """Have Temporal told of a step when a slot is free. Returns at once."""
        slow_at = time.monotonic() + _SLOW_SECONDS
        step = _Step(submission_id, kind, asyncio.get_running_loop().create_future(), slow_at, slow_at)
        task = asyncio.create_task(self._deliver(step, tell))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, step: _Step, tell: Tell) -> None:
        self._steps.add(step)
        try:
            with self._wakeups.expect(step.submission_id) as decided:
                opening = self._opening_slots if step.kind is SubmissionKind.OPENING else nullcontext()
                async with opening, self._slots:
                    if not decided.done() and await self._tell(step, tell) and not self._stopped.is_set():
                        ends = [decided, step.kept]
                        await asyncio.wait(ends, timeout=self._slot_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._steps.discard(step)

    async def _tell(self, step: _Step, tell: Tell) -> bool:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # this is one
        self._telling.add(task)
        try:
            step.is_told = await tell()
            step.note_at = step.slow_at
            return step.is_told
        finally:
            self._telling.discard(task)

    async def _spare_the_relay(self) -> None:
        """It would tell claims a second time of what Temporal has, and too early of what is queued here."""
        while not self._stopped.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _NOTING_SECONDS)
            now = time.monotonic()
            try:
                await self._note(note_delivered, [step for step in self._steps if step.is_told], now, inf)
                await self._note(note_queued, [step for step in self._steps if not step.is_told], now, _RENEWAL_SECONDS)
                await self._release_kept([step for step in self._steps if step.is_told and step.slow_at <= now])
            except Exception as error:  # noqa: BLE001  # then the relay does what it need not
                _log.warning("notes.postponed", error=type(error).__name__)

    async def _note(self, note: Note, steps: Sequence[_Step], now: float, pause: float) -> None:
        due = [step for step in steps if step.note_at <= now]
        if due:
            ids = [step.submission_id for step in due]
            for step in due:
                step.note_at = now + pause
            await self._database.statements(lambda c: c.run_sync(note, ids))

    async def _release_kept(self, steps: Sequence[_Step]) -> None:
        if steps:
            ids = [step.submission_id for step in steps]
            kept = await self._database.statements(lambda c: kept_among(c, ids))
            for step in steps:
                if step.submission_id in kept and not step.kept.done():
                    step.kept.set_result(True)


async def finish(tasks: Iterable[asyncio.Task[None]], seconds: float) -> None:
    """Wait for tasks to end, for so many seconds; then cancel them."""
    waiting = list(tasks)
    if waiting:
        await asyncio.wait(waiting, timeout=seconds)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
