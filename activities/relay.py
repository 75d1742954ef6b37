"""The relay: delivers every submission that is still undecided, until its claim has decided it.

The API delivers at once; the relay is for what that missed: Temporal away, the API killed, a lost Temporal database.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import Connection, Engine, RowMapping

from config.crash_points import crash_point
from config.metrics import DELIVERIES
from storage.claims import stalled_claims
from storage.deliveries import note_delivered
from storage.submissions import take_undelivered

logger = structlog.get_logger(__name__)

Deliver = Callable[[RowMapping], Awaitable[None]]
Find = Callable[[Connection], Sequence[RowMapping]]
_AT_ONCE: Final = 20


class Relay:
    """Any number of relays may run; each submission is taken by one at a time."""

    def __init__(self, engine: Engine, deliver: Deliver) -> None:
        self._engine = engine
        self._deliver = deliver

    async def run(self, pause: timedelta = timedelta(seconds=1)) -> None:
        """Deliver what is due, for ever."""
        while True:
            try:
                while await self.deliver_due():
                    pass
            except Exception as error:  # noqa: BLE001  # the database may be away; the next round tries again
                logger.warning("relay pauses", error=type(error).__name__)
            await asyncio.sleep(pause.total_seconds())

    async def deliver_due(self) -> int:
        """Deliver one batch, oldest first; answers how many were due."""
        rows = await asyncio.to_thread(self._take)
        slots = asyncio.Semaphore(_AT_ONCE)
        delivered: list[str] = []

        async def deliver(row: RowMapping) -> None:
            ids = {name: row[name] for name in ("claim_id", "submission_id", "request_id")}
            async with slots:
                try:
                    await self._deliver(row)
                    crash_point("relay.delivered")
                    delivered.append(row["submission_id"])
                    DELIVERIES.labels("delivered").inc()
                    logger.info("delivered", **ids)
                except Exception as error:  # noqa: BLE001  # it stays due, and is taken again later
                    DELIVERIES.labels("failed").inc()
                    logger.warning("delivery failed", **ids, error=type(error).__name__)

        await asyncio.gather(*(deliver(row) for row in rows))
        if delivered:
            await asyncio.to_thread(self._note, delivered)
        return len(rows)

    def _take(self) -> Sequence[RowMapping]:
        with self._engine.begin() as connection:
            return take_undelivered(connection)

    def _note(self, submission_ids: Sequence[str]) -> None:
        with self._engine.begin() as connection:
            note_delivered(connection, submission_ids)


class Restarter:
    """Starts workflows that should have moved on by themselves: of claims whose timers went with a lost engine.

    What runs already is left alone, so a claim that is merely late costs one question a minute. ``find`` finds what
    has stalled; merges that never started are found in the same way.
    """

    def __init__(self, engine: Engine, start: Deliver, find: Find = stalled_claims) -> None:
        self._engine = engine
        self._start = start
        self._find = find

    async def run(self, pause: timedelta = timedelta(minutes=1)) -> None:
        """Start what has stalled, for ever."""
        while True:
            try:
                await self.restart_stalled()
            except Exception as error:  # noqa: BLE001  # the database or Temporal may be away; the next round tries again
                logger.warning("restarter pauses", error=type(error).__name__)
            await asyncio.sleep(pause.total_seconds())

    async def restart_stalled(self) -> int:
        """Look once; answers how many have stalled."""
        rows = await asyncio.to_thread(self._read)
        for row in rows:
            await self._start(row)
        return len(rows)

    def _read(self) -> Sequence[RowMapping]:
        with self._engine.connect() as connection:
            return self._find(connection)
