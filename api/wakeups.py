"""Waiting for decisions: one ``LISTEN`` connection wakes every request and every event stream that waits.

A notification can be lost (the connection may be down), so what waits is also looked up every half second.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from api.database import Database
from storage.database import CLAIMS_CHANNEL
from storage.intake import decided_among

_log = structlog.get_logger("laurel.api")

_RECHECK_SECONDS: Final = 0.5
_HEARTBEAT_SECONDS: Final = 10.0
_RECONNECT_SECONDS: Final = (0.1, 0.5, 1.0, 2.0)

Waiter = asyncio.Future[bool]


class Wakeups:
    """Who waits for what.

    ``is_listening`` tells whether notifications arrive at present; ``is_stopped`` ends event streams.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiters: dict[str, set[Waiter]] = defaultdict(set)
        self._watchers: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._tasks: list[asyncio.Task[None]] = []
        self.is_listening = False
        self.is_stopped = False

    def start(self) -> None:
        """Begin to listen; returns at once, and keeps trying while the database is away."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._recheck())]

    async def stop(self) -> None:
        """Stop listening, and let every event stream end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.is_listening, self.is_stopped = False, True
        self._wake_everyone()

    @contextmanager
    def expect(self, submission_id: str) -> Iterator[Waiter]:
        """A future that becomes True when the submission is decided; ask for it before the submission is sent."""
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._waiters[submission_id].add(waiter)
        try:
            yield waiter
        finally:
            self._waiters[submission_id].discard(waiter)
            if not self._waiters[submission_id]:
                del self._waiters[submission_id]

    @contextmanager
    def watch(self, claim_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something about the claim changed, and perhaps once too often."""
        event = asyncio.Event()
        self._watchers[claim_id].add(event)
        try:
            yield event
        finally:
            self._watchers[claim_id].discard(event)
            if not self._watchers[claim_id]:
                del self._watchers[claim_id]

    async def _listen(self) -> None:
        failures = 0
        while True:
            try:
                await self._listen_once()
            except (psycopg.Error, OSError, TimeoutError) as error:
                if self.is_listening:
                    failures = 0
                self.is_listening = False
                _log.warning("listener.lost", error=type(error).__name__)
            await asyncio.sleep(_RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)])
            failures += 1

    async def _listen_once(self) -> None:
        connection = await psycopg.AsyncConnection.connect(
            self._database.url, autocommit=True, connect_timeout=3, application_name="laurel-listener"
        )
        try:
            await connection.execute(f"LISTEN {CLAIMS_CHANNEL}")
            self.is_listening = True
            await self._resolve_decided()
            self._wake_everyone()
            while True:
                async for notification in connection.notifies(timeout=_HEARTBEAT_SECONDS):
                    self._wake(notification.payload)
                # A connection whose other end is gone says nothing: ask, and be told.
                async with asyncio.timeout(_HEARTBEAT_SECONDS):
                    await connection.execute("SELECT 1")
        finally:
            with suppress(psycopg.Error):
                await connection.close()

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(_RECHECK_SECONDS)
            await self._resolve_decided()

    async def _resolve_decided(self) -> None:
        waiting = list(self._waiters)
        if not waiting:
            return
        with suppress(SQLAlchemyError, OSError):
            for submission_id in await self._database.statements(lambda c: decided_among(c, waiting)):
                self._resolve(submission_id)

    def _wake(self, payload: str) -> None:
        claim_id, _, submission_id = payload.partition(" ")
        self._resolve(submission_id)
        for event in self._watchers.get(claim_id, ()):
            event.set()

    def _resolve(self, submission_id: str) -> None:
        for waiter in self._waiters.get(submission_id, ()):
            if not waiter.done():
                waiter.set_result(True)

    def _wake_everyone(self) -> None:
        for events in self._watchers.values():
            for event in events:
                event.set()
