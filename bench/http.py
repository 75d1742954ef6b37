"""A small HTTP/1.1 client over one kept connection, so that the learners of a benchmark cost little themselves."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

ACCEPTED = 202


class Connection:
    """One learner's connection. Answers are JSON, to steps when they are decided; a refusal raises ``RuntimeError``."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "localhost", parts.port or 80
        self._token = token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send JSON, or nothing."""
        return await self.send(method, path, json.dumps(body).encode() if body is not None else b"", "application/json")

    async def send(self, method: str, path: str, content: bytes, media_type: str) -> dict[str, Any]:
        """Send a file."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: {media_type}\r\nPrefer: wait=30\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        writer.write(head.encode() + content)
        status, length = 0, 0
        while line := (await reader.readline()).strip():
            if not status:
                status = int(line.split()[1])
            elif line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        answer = await reader.readexactly(length)
        if status == ACCEPTED:
            return await self._decided(json.loads(answer))
        if status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
        return dict(json.loads(answer))

    async def _decided(self, submission: dict[str, Any]) -> dict[str, Any]:
        """The claim, once a step is decided that took longer than anybody waits for an answer."""
        while submission["outcome"] == "undecided":
            await asyncio.sleep(0.5)
            submission = await self.call("GET", submission["href"])
        if submission["outcome"] != "accepted":
            raise RuntimeError(f"{submission['href']}: 409 {submission['code']}")
        return await self.call("GET", submission["claim"])

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            await self._streams[1].wait_closed()
