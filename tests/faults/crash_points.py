"""What happens at Laurel's named crash points: nothing, until a test arms one. One file is one order.

A file ``<name>:<nth>:<action>`` in the folder that ``LAUREL_TEST_CRASH_POINTS`` names arms a point: the process that
reaches it for the nth time since, and removes the file, is the only one that acts. So a process that is started again
lives. ``fired.log`` beside the files tells what happened: name, action and process, one line each.
"""

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from config.crash_points import react_with

FOLDER_VARIABLE = "LAUREL_TEST_CRASH_POINTS"
DELAY = 5.0
_LOG = "fired.log"


class Action(StrEnum):
    """What a process does at a point: die, stop until it is continued, go on late, or fail."""

    KILL = "kill"
    STOP = "stop"
    DELAY = "delay"
    RAISE = "raise"


# Where a claim can be interrupted (reliability.md 3.1), and what may happen there. An exception in the API is a bug
# that its client is told of with 500, so it is not among the API's faults.
_OF_API = (Action.KILL, Action.STOP, Action.DELAY)
_OF_WORKER = tuple(Action)
POINTS = {
    "step.received": _OF_API,
    "step.recorded": _OF_API,
    "delivery.begun": _OF_API,
    "delivery.made": _OF_API,
    "relay.delivered": _OF_WORKER,
    "ledger.begun": _OF_WORKER,
    "entered.attempt.graded": _OF_WORKER,
    "committed.attempt.graded": _OF_WORKER,
    "entered.credit.awarded": _OF_WORKER,
    "committed.credit.awarded": _OF_WORKER,
    "certificate.begun": _OF_WORKER,
    "certificate.rendered": _OF_WORKER,
    "committed.certificate.issued": _OF_WORKER,
    "email.begun": _OF_WORKER,
    "email.taken": _OF_WORKER,
    "entered.email.sent": _OF_WORKER,
    "committed.email.sent": _OF_WORKER,
    "checkpoint.begun": _OF_WORKER,
    "checkpoint.stored": _OF_WORKER,
    "checkpoint.signed": _OF_WORKER,
}


class CrashPointError(Exception):
    """What a point raises that was told to fail."""


@dataclass(frozen=True)
class Fired:
    """One point that acted, and in which process."""

    name: str
    action: Action
    pid: int


class CrashPoints:
    """The folder of orders, for both sides: the test arms and reads, its processes react."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hits: Counter[tuple[str, int]] = Counter()

    def arm(self, name: str, nth: int, action: Action) -> None:
        """Let the process act that comes to ``name`` for the ``nth`` time."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{name}:{nth}:{action}").touch()

    def disarm(self) -> None:
        """Take every order back."""
        for order in self._folder.glob("*:*:*"):
            order.unlink(missing_ok=True)

    def fired(self) -> list[Fired]:
        """What happened so far, the oldest first."""
        log = self._folder / _LOG
        lines = log.read_text().splitlines() if log.exists() else []
        return [Fired(name, Action(action), int(pid)) for name, action, pid in map(str.split, lines)]

    def reach(self, name: str) -> None:
        """Act, if this is the process and the moment."""
        for order in self._folder.glob(f"{name}:*:*"):
            _, nth, action = order.name.split(":")
            try:
                armed = (order.name, order.stat().st_mtime_ns)
                self._hits[armed] += 1
                if self._hits[armed] < int(nth):
                    continue
                order.unlink()
            except FileNotFoundError:
                continue  # Another process was faster.
            with (self._folder / _LOG).open("a") as log:
                log.write(f"{name} {action} {os.getpid()}\n")
            _act(Action(action))


def _act(action: Action) -> None:
    match action:
        case Action.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        case Action.STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        case Action.DELAY:
            time.sleep(DELAY)
        case Action.RAISE:
            raise CrashPointError


def load() -> None:
    """Make this process one that can be told to crash, if its environment names a folder of orders."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        react_with(CrashPoints(Path(folder)).reach)
