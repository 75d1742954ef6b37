"""``laurel``, whose parts reach each other over wires that a test holds, and can be told to crash.

Run as ``python -m tests.faults.program up``; nothing else about Laurel differs.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import cli.local
from cli.local import LocalStack
from cli.local.supervisor import Part
from cli.main import run
from tests.faults.crash_points import load

# A JSON object: part -> variable -> the wire's port.
WIRES_VARIABLE: Final = "LAUREL_TEST_WIRES"
SERVERS_FILE: Final = "servers.json"
SERVERS: Final = {
    "postgres": "LAUREL_DATABASE_URL",
    "temporal": "TEMPORAL_ADDRESS",
    "mailbox": "LAUREL_SMTP_URL",
}
# Two workers for claims, so that one can go on with what another, paused one believes to hold.
ROLES: Final = ("claims", "claims", "documents", "audit")


class WiredStack(LocalStack):
    """A stack whose API and workers have each their own wire to each server; where those are, a file tells."""

    def __init__(self, *arguments: Any, roles: Sequence[str] = ROLES, **options: Any) -> None:
        self._wires: Mapping[str, Mapping[str, int]] = json.loads(os.environ[WIRES_VARIABLE])
        super().__init__(*arguments, roles=roles, **options)

    def _add_laurel(self) -> None:
        super()._add_laurel()
        servers = {name: _address(self._environment[variable]) for name, variable in SERVERS.items()}
        (self.data_dir / SERVERS_FILE).write_text(json.dumps(servers))
        self._parts = [self._wired(part) for part in self._parts]

    def _wired(self, part: Part) -> Part:
        environment = dict(part.environment or {})
        for variable, port in self._wires.get(part.name, {}).items():
            environment[variable] = _over(environment[variable], port)
        # A storm kills more often than a process would die that can never do its work.
        return replace(part, environment=environment or None, deaths_allowed=1_000)

    @staticmethod
    def _laurel(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "tests.faults.program", *arguments]


def _address(server: str) -> tuple[str | None, int | None]:
    parts = urlsplit(server if "//" in server else f"//{server}")
    return parts.hostname, parts.port


def _over(server: str, port: int) -> str:
    """The same server, by way of a port of this machine."""
    host, old = _address(server)
    return server.replace(f"{host}:{old}", f"127.0.0.1:{port}")


if __name__ == "__main__":
    load()
    cli.local.LocalStack = WiredStack  # type: ignore[misc]
    run()
