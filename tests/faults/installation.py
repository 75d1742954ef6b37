"""A whole Laurel as its operator runs it, ``laurel up`` in a process of its own, and the means to harm any part."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from cli.local.folders import RunningStack, running_stack
from cli.local.processes import identity, wait_until
from tests.faults.crash_points import FOLDER_VARIABLE, CrashPoints
from tests.faults.network import Network
from tests.faults.program import WIRES_VARIABLE

ROOT = Path(__file__).parents[2]
WORKERS = ("worker-claims", "worker-claims-2", "worker-documents", "worker-audit")
PARTS = ("api", *WORKERS, "temporal", "postgres", "mailbox")
SUPERVISOR = "supervisor"
_PROGRAM = (sys.executable, "-m", "tests.faults.program")


class Installation:
    """``laurel up`` on one folder; ``kills`` counts the processes killed, by part."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.api_url = f"http://localhost:{port}"
        self.kills: Counter[str] = Counter()
        self.network = Network(folder)
        self.crash_points = CrashPoints(folder / "crash-points")
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the supervisor, and return when all parts are ready."""
        command = [*_PROGRAM, "up", "--data-dir", str(self.folder), "--port", str(self._port)]
        with (self.folder / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=self._environment, cwd=ROOT, start_new_session=True
            )
        assert wait_until(lambda: self._has_ended or self._is_up, 90), self.log
        assert not self._has_ended, self.log

    def stop(self) -> None:
        """Stop everything in order, as Ctrl-C does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
        self.network.stop()

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

    def command(self, *arguments: str) -> tuple[int, str]:
        """Run one of ``laurel``'s commands on this installation; its exit code, and what it said."""
        ended = subprocess.run(
            [*_PROGRAM[:2], "cli", *arguments, "--data-dir", str(self.folder)],
            capture_output=True, text=True, check=False, cwd=ROOT, timeout=900,
        )  # fmt: skip
        return ended.returncode, ended.stdout + ended.stderr

    def kill(self, part: str) -> bool:
        """Kill one part as ``kill -9`` does; False when it does not live at this moment."""
        if not self.send(part, signal.SIGKILL):
            return False
        self.kills[part] += 1
        return True

    def send(self, part: str, number: signal.Signals) -> bool:
        """Send one part a signal; False when it does not live at this moment."""
        pid = self._pid(part)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
                return True
        return False

    def continue_process(self, pid: int) -> None:
        """Let a process go on that stopped itself, if it is still one of ours."""
        for part in PARTS:
            if self._pid(part) == pid:
                os.kill(pid, signal.SIGCONT)

    def continue_all(self) -> None:
        """Let every part go on that was stopped."""
        for part in PARTS:
            self.send(part, signal.SIGCONT)

    def kill_supervisor(self) -> None:
        """Kill ``laurel up`` itself as ``kill -9`` does, which takes its parts along; ``start`` begins again."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.kills[SUPERVISOR] += 1

    def lose_temporal(self) -> None:
        """Remove Temporal's database; nothing may run."""
        files = list((self.folder / "temporal").glob("temporal.db*"))
        assert files
        for file in files:
            file.unlink()

    @property
    def _environment(self) -> dict[str, str]:
        ours: dict[str, str] = {
            # Learners of a long run all sign in from one address.
            "LAUREL_SIGN_IN_LINKS_PER_HOUR": "100000",
            "LAUREL_REQUESTS_PER_MINUTE": "100000",
            "LAUREL_AUDIT_CHECKPOINT_SECONDS": "5",
            FOLDER_VARIABLE: str(self.folder / "crash-points"),
            WIRES_VARIABLE: json.dumps(self.network.ports),
        }
        return os.environ | ours

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
