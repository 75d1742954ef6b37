"""A whole Laurel as its operator runs it, ``laurel up`` in a process of its own, and the means to kill any part."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from cli.local.folders import RunningStack, running_stack
from cli.local.processes import identity, wait_until

PARTS = ("api", "worker-claims", "worker-documents", "worker-audit", "temporal", "postgres", "mailbox")
SUPERVISOR = "supervisor"
# Learners of a long run all sign in from one address.
_ENVIRONMENT = {"LAUREL_SIGN_IN_LINKS_PER_HOUR": "10000"}


class Installation:
    """``laurel up`` on one folder; ``kills`` counts the processes killed, by part."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.api_url = f"http://localhost:{port}"
        self.kills: Counter[str] = Counter()
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the supervisor, and return when all parts are ready."""
        command = [sys.executable, "-m", "cli", "up", "--data-dir", str(self.folder), "--port", str(self._port)]
        with (self.folder / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | _ENVIRONMENT, start_new_session=True
            )
        assert wait_until(lambda: self._has_ended or self._is_up, 90), self.log
        assert not self._has_ended, self.log

    def stop(self) -> None:
        """Stop everything in order, as Ctrl-C does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)

    @property
    def running(self) -> RunningStack:
        """What the running stack says about itself."""
        found = running_stack(self.folder)
        assert found is not None, self.log
        return found

    @property
    def log(self) -> str:
        """What ``laurel up`` printed."""
        return (self.folder / "up.log").read_text()

    def kill(self, part: str) -> bool:
        """Kill one part as ``kill -9`` does; False when it does not live at this moment."""
        pid = self._pid(part)
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        self.kills[part] += 1
        return True

    def kill_supervisor(self) -> None:
        """Kill ``laurel up`` itself as ``kill -9`` does, which takes its parts along; ``start`` begins again."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.kills[SUPERVISOR] += 1

    def _pid(self, part: str) -> int | None:
        try:
            known = json.loads((self.folder / "run" / f"{part}.pid").read_text())
        except FileNotFoundError:
            return None
        return int(known["pid"]) if identity(known["pid"]) == known["identity"] else None

    @property
    def _has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    @property
    def _is_up(self) -> bool:
        stack = running_stack(self.folder)
        return stack is not None and self._process is not None and stack.pid == self._process.pid
