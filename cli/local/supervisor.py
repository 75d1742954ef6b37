"""One supervisor for a list of parts: starts them in order of need, restarts what dies, stops all in reverse."""

import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from pwd import struct_passwd

from cli.errors import StackError
from cli.local import processes
from cli.local.folders import locked, make_data_dir

Say = Callable[[str], None]

_PULSE = 0.05
_SLOW_START = 5.0
_DEATHS_WINDOW = 60.0
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of the stack, as data.

    A part with ``ready`` is a server: it is started once all its ``needs`` are ready, and restarted when it dies.
    A part without is a step: it is ready when its command has ended with 0, and never runs again.
    Limits are in seconds. What dies more than ``deaths_allowed`` times in a minute is not started again.
    """

    name: str
    command: Sequence[str]
    ready: Callable[[], bool] | None = None
    needs: Sequence[str] = ()
    prepare: Callable[[], None] | None = None
    address: str = ""
    environment: Mapping[str, str] | None = None
    folder: Path | None = None
    user: struct_passwd | None = None
    start_limit: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_limit: float = 10.0
    death_signal: signal.Signals = signal.SIGKILL
    deaths_allowed: int = 5


class Phase(StrEnum):
    """Where one part stands."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"


@dataclass
class _Child:
    """A part, and the process that runs it now."""

    part: Part
    log: Path
    pid_file: Path
    phase: Phase = Phase.WAITING
    process: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    not_before: float = 0.0
    was_ready: bool = False
    said_slow: bool = False
    deaths: deque[float] = field(default_factory=deque)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)


class Supervisor:
    """Runs parts until it is stopped; every process is started and reaped by its one thread.

    The kernel ties a child's life to the thread that started it, so that thread lives as long as the children do.
    """

    def __init__(
        self, folder: Path, parts: Sequence[Part], *, say: Say = print, on_change: Callable[[], None] | None = None
    ) -> None:
        """Supervise ``parts`` in ``folder``.

        ``say`` gets each progress line; ``on_change`` is called when all parts are ready, also after a restart.
        """
        self.folder = make_data_dir(folder)
        self._say = say
        self._on_change = on_change
        self._children = [
            _Child(part, self.folder / "logs" / f"{part.name}.log", self.folder / "run" / f"{part.name}.pid")
            for part in parts
        ]
        self._ready = threading.Event()
        self._settled = threading.Event()
        self._stop_asked = threading.Event()
        self._kill_asked = threading.Event()
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start every part and return when all are ready, or when a stop was asked for meanwhile.

        Raises:
            StackError: A part did not start; everything is stopped again.
        """
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()
        self._settled.wait()
        if not self._ready.is_set():
            self.wait()

    def wait(self) -> None:
        """Return when everything has been stopped.

        Raises:
            StackError: It was stopped because a part kept dying.
        """
        if self._thread is not None:
            self._thread.join()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Stop every part in reverse order, gracefully within each part's limit, and wait until that is done."""
        self.ask_to_stop()
        self.wait()

    def ask_to_stop(self) -> None:
        """Begin to stop without waiting; a second call kills what still runs. Safe in a signal handler."""
        (self._kill_asked if self._stop_asked.is_set() else self._stop_asked).set()

    def kill(self, name: str) -> int:
        """Kill one part's process as ``kill -9`` would, and return its pid; the supervisor then restarts it."""
        pid = self.pids[name]
        self._child(name).send(signal.SIGKILL)
        return pid

    @property
    def is_running(self) -> bool:
        """Whether all parts have been ready and no stop was asked for."""
        return self._ready.is_set() and not self._stop_asked.is_set() and self._failure is None

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the parts that live, by name."""
        return {child.part.name: child.process.pid for child in self._children if child.process and child.is_alive}

    def _child(self, name: str) -> _Child:
        return next(child for child in self._children if child.part.name == name)

    def _run(self) -> None:
        try:
            with locked(self.folder):
                self._end_leftovers()
                try:
                    while not self._stop_asked.is_set():
                        for child in self._children:
                            self._advance(child)
                        time.sleep(_PULSE)
                finally:
                    self._stop_all()
        except Exception as error:  # noqa: BLE001  # Whatever it is belongs to the thread that waits.
            self._failure = error
        finally:
            self._settled.set()

    def _end_leftovers(self) -> None:
        for name in ("logs", "run"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        for pid_file in (self.folder / "run").glob("*.pid"):
            if pid := processes.end_leftover(pid_file):
                self._say(f"{pid_file.stem}: ended process {pid}, left over from a supervisor that was killed")

    def _advance(self, child: _Child) -> None:
        """Move one part one step on: waiting, starting, ready, and back when its process has died."""
        part, now = child.part, time.monotonic()
        if child.phase is Phase.WAITING:
            if now >= child.not_before and all(self._child(need).phase is Phase.READY for need in part.needs):
                self._spawn(child)
        elif part.ready is None:
            self._advance_step(child)
        elif not child.is_alive:
            self._handle_death(child)
        elif child.phase is Phase.STARTING:
            if part.ready():
                self._mark_ready(child)
            elif now - child.since > part.start_limit:
                raise self._gave_up(child, f"was not ready after {part.start_limit:.0f} s")
            elif now - child.since > _SLOW_START and not child.said_slow:
                child.said_slow = True
                self._say(f"{part.name}: still starting, waiting up to {part.start_limit:.0f} s (log: {child.log})")

    def _advance_step(self, child: _Child) -> None:
        if child.phase is Phase.STARTING and not child.is_alive and child.process is not None:
            if child.process.returncode != 0:
                raise self._gave_up(child, f"failed with exit code {child.process.returncode}")
            self._mark_ready(child)

    def _spawn(self, child: _Child) -> None:
        part = child.part
        child.since, child.said_slow, child.phase = time.monotonic(), False, Phase.STARTING
        if part.prepare is not None:
            part.prepare()
        child.process = processes.spawn(
            processes.as_user(part.command, part.user, part.death_signal),
            log=child.log,
            folder=part.folder,
            environment=part.environment,
        )
        processes.remember(child.pid_file, child.process.pid, part.stop_signal)

    def _mark_ready(self, child: _Child) -> None:
        child.phase, child.was_ready = Phase.READY, True
        seconds = time.monotonic() - child.since
        self._say(f"{child.part.name:<18}ready in {seconds:4.1f} s  {child.part.address}".rstrip())
        if all(other.phase is Phase.READY for other in self._children):
            if self._on_change is not None:
                self._on_change()
            self._ready.set()
            self._settled.set()

    def _handle_death(self, child: _Child) -> None:
        now, code = time.monotonic(), child.process.returncode if child.process else 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if not child.was_ready:
            raise self._gave_up(child, f"{how} before it was ready")
        child.deaths.append(now)
        while child.deaths[0] < now - _DEATHS_WINDOW:
            child.deaths.popleft()
        if len(child.deaths) > child.part.deaths_allowed:
            raise self._gave_up(child, f"{how}, {len(child.deaths)} times in a minute")
        pause = min(0.1 * 2 ** len(child.deaths), _LONGEST_PAUSE)
        self._say(f"{child.part.name} {how}; starting it again in {pause:.1f} s (log: {child.log})")
        child.phase, child.not_before = Phase.WAITING, now + pause

    def _gave_up(self, child: _Child, why: str) -> StackError:
        last = "\n".join(f"  | {line}" for line in processes.tail(child.log))
        return StackError(f"{child.part.name} {why}. The end of {child.log}:\n{last}")

    def _stop_all(self) -> None:
        for child in reversed(self._children):
            if child.is_alive:
                child.send(child.part.stop_signal)
                processes.wait_until(
                    lambda child=child: not child.is_alive or self._kill_asked.is_set(),  # type: ignore[misc]
                    child.part.stop_limit,
                )
                if child.is_alive:
                    self._say(f"{child.part.name} did not stop within its limit; killing it")
                    child.send(signal.SIGKILL)
                if child.process is not None:
                    child.process.wait()
            child.pid_file.unlink(missing_ok=True)
