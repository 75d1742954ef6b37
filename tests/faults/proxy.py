"""A wire: what one part sends another goes through it, until it is told otherwise."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress

Address = tuple[str, int]

# PostgreSQL's answer to what was committed: a transaction's end, or a statement that was one of its own, and then
# "ready, in no transaction" (message formats of its protocol, version 3).
_COMMITTED = re.compile(rb"C\0\0\0.(?:COMMIT|INSERT 0 [1-9]\d*|UPDATE [1-9]\d*)\0.*Z\0\0\0\x05I\Z", re.DOTALL)


class Wire:
    """One part's connections to one other. Use it in the loop that started it.

    ``delay`` is in seconds, for each piece of data. ``lose_commits`` is how many answers to a COMMIT are still to be
    lost, with their connections, after ``spare_commits`` of them; ``lost`` is how many were. While it is a black hole,
    data neither arrives nor is refused; like packets that TCP sends again, it comes when the hole is closed.
    """

    def __init__(self, name: str, target: Callable[[], Address]) -> None:
        self.name = name
        self.delay = 0.0
        self.spare_commits = 0
        self.lose_commits = 0
        self.lost = 0
        self._target = target
        self._is_cut = False
        self._passable = asyncio.Event()
        self._passable.set()
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> int:
        """Begin to listen, and answer with the port."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """End every connection."""
        self._server.close()
        self.cut()
        await asyncio.sleep(0)

    def cut(self) -> None:
        """End every connection, and refuse new ones until it is healed."""
        self._is_cut = True
        self._passable.set()
        for writer in self._open:
            writer.transport.abort()

    def swallow(self) -> None:
        """Become a black hole until it is healed."""
        self._passable.clear()

    def heal(self) -> None:
        """Let everything through again; what was held back too."""
        self._is_cut, self.delay, self.lose_commits = False, 0.0, 0
        self._passable.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        self._open.add(writer)
        with suppress(OSError):
            if not self._is_cut:
                far_reader, far_writer = await asyncio.open_connection(*self._target())
                ends.append(far_writer)
                self._open.add(far_writer)
                there = self._pump(reader, far_writer, is_answer=False)
                back = self._pump(far_reader, writer, is_answer=True)
                pumps = [asyncio.create_task(there), asyncio.create_task(back)]
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        for end in ends:
            self._open.discard(end)
            end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool) -> None:
        while data := await source.read(65536):
            await self._passable.wait()
            if self.delay:
                await asyncio.sleep(self.delay)
            if is_answer and self.lose_commits and _COMMITTED.search(data):
                if self.spare_commits == 0:
                    self.lose_commits -= 1
                    self.lost += 1
                    return
                self.spare_commits -= 1
            sink.write(data)
            await sink.drain()
