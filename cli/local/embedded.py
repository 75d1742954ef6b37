"""What the embedded servers have in common when one is used alone, without the rest of the stack."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from cli.local.supervisor import Part, Say, Supervisor


class Embedded(ABC):
    """One server in a data folder. Alone it has its own supervisor, so it comes back when it is killed."""

    def __init__(self, data_dir: Path, say: Say) -> None:
        """Remember the data folder; nothing is touched before ``start``."""
        self._data_dir = data_dir.expanduser().resolve()
        self._say = say
        self._supervisor: Supervisor | None = None

    @property
    @abstractmethod
    def part(self) -> Part:
        """The server as a part of a stack."""

    def start(self) -> Self:
        """Start the server alone and return when it can be used; a ``StackError`` says why it cannot."""
        self._supervisor = Supervisor(self._data_dir, [self.part], say=self._say)
        self._supervisor.start()
        return self

    def stop(self) -> None:
        """Stop the server that ``start`` started."""
        if self._supervisor is not None:
            self._supervisor.stop()

    def kill(self) -> int:
        """Kill the server as ``kill -9`` would and return its pid; it then recovers and comes back by itself."""
        if self._supervisor is None:
            msg = "the server was not started by start()"
            raise RuntimeError(msg)
        return self._supervisor.kill(self.part.name)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()
