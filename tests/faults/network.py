"""All wires of one installation and its post office, in a thread of their own, so that no test can hold them up."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from tests.faults.post_office import PostOffice
from tests.faults.program import SERVERS, SERVERS_FILE
from tests.faults.proxy import Address, Wire

T = TypeVar("T")

# Who talks to whom. Mail goes by way of the post office.
_TALKS = {
    "api": ("postgres", "temporal"),
    "worker-claims": ("postgres", "temporal", "mailbox"),
    "worker-claims-2": ("postgres", "temporal", "mailbox"),
    "worker-documents": ("postgres", "temporal"),
    "worker-audit": ("postgres",),
}
WIRES = tuple(f"{part}>{server}" for part, servers in _TALKS.items() for server in servers)


class Network:
    """``ports`` says which port each part finds each server at: part, then the variable that names it."""

    def __init__(self, folder: Path) -> None:
        self._servers = folder / SERVERS_FILE
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()
        self.wires = {name: Wire(name, self._target(name.partition(">")[2])) for name in WIRES}
        self.post_office = PostOffice(self._server("mailbox"))
        self.ports = self._do(self._start())

    def stop(self) -> None:
        """End every connection, and the thread."""
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def change(self, name: str, change: Callable[[Wire], None]) -> None:
        """Do something to a wire."""
        self._loop.call_soon_threadsafe(change, self.wires[name])

    def heal(self) -> None:
        """Let every wire and the post office be as they should."""
        for name in self.wires:
            self.change(name, Wire.heal)
        self._loop.call_soon_threadsafe(self.post_office.calm)

    async def _start(self) -> dict[str, dict[str, int]]:
        self._office_port = await self.post_office.start()
        ports: dict[str, dict[str, int]] = {part: {} for part in _TALKS}
        for name, wire in self.wires.items():
            part, _, server = name.partition(">")
            ports[part][SERVERS[server]] = await wire.start()
        return ports

    async def _stop(self) -> None:
        for wire in self.wires.values():
            await wire.stop()
        await self.post_office.stop()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _target(self, server: str) -> Callable[[], Address]:
        return (lambda: ("127.0.0.1", self._office_port)) if server == "mailbox" else self._server(server)

    def _server(self, name: str) -> Callable[[], Address]:
        """Where a server is now; it may be elsewhere after the supervisor was started again."""

        def address() -> Address:
            host, port = json.loads(self._servers.read_text())[name]
            return str(host), int(port)

        return address

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
