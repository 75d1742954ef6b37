"""Rendering in a process of its own, which can be stopped and replaced without harm to anyone else."""

import os
import select
import subprocess
import sys
import tempfile
import time
import weakref
from contextlib import suppress
from threading import Lock
from typing import Final

from documents.jobs import CertificateJob, Renderer, RenderFailedError
from documents.render_child import LENGTH, Answer

# Importing the PDF libraries and the fonts takes a second or two, on a busy machine many.
_START_SECONDS: Final = 60.0
# A process is replaced after so many certificates, in case a library keeps a little of each.
_JOBS_PER_PROCESS: Final = 2_000


class ProcessRenderer(Renderer):
    """Renders one certificate at a time in a child process; calls from several threads queue.

    The child is started at the first job, or by ``start``, and again after it was stopped or has ended.
    """

    def __init__(self, *, memory_mb: int = 512, seconds: int = 10) -> None:
        """Allow a render ``memory_mb`` of memory beyond what the libraries take, and ``seconds`` of wall time."""
        self._memory_mb = memory_mb
        self._seconds = seconds
        self._turn = Lock()
        self._child: _Child | None = None

    @property
    def is_offline(self) -> bool | None:
        """Whether the child has no network at all; None before it was started."""
        return self._child.is_offline if self._child else None

    def start(self) -> None:
        """Have the child ready, so that the first learner does not wait for it."""
        with self._turn:
            self._ready_child()

    def render(self, job: CertificateJob) -> bytes:
        """Return the PDF. Raises ``RenderFailedError``: final for what a template or its data did wrong.

        Running out of time or memory is not final, because a busy machine may be at fault; the child is replaced.
        """
        with self._turn:
            try:
                answer, content = self._ask(job.to_bytes())
            except TimeoutError:
                self._stop()
                raise RenderFailedError("RenderTimeout", is_final=False) from None
            except (OSError, EOFError):
                self._stop()
                raise RenderFailedError("RenderProcessDied", is_final=False) from None
            if answer is Answer.PDF:
                return content
            if answer is Answer.EXHAUSTED:
                self._stop()
            raise RenderFailedError(content.decode("ascii", "replace"), is_final=answer is Answer.FAILED)

    def close(self) -> None:
        """End the child; the next job would start another."""
        with self._turn:
            self._stop()

    def _ask(self, job: bytes) -> tuple[Answer, bytes]:
        try:
            return self._ready_child().ask(job, self._seconds)
        except TimeoutError:
            raise
        except (OSError, EOFError):
            # It may have been killed between two jobs, which is not this job's fault.
            self._stop()
            return self._ready_child().ask(job, self._seconds)

    def _ready_child(self) -> "_Child":
        if self._child is not None and (self._child.has_ended or self._child.jobs >= _JOBS_PER_PROCESS):
            self._stop()
        if self._child is None:
            self._child = _Child(self._memory_mb, self._seconds)
        return self._child

    def _stop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None


class _Child:
    """One running process and the pipes to it."""

    def __init__(self, memory_mb: int, seconds: int) -> None:
        # The child may have removed it already.
        folder = tempfile.TemporaryDirectory(prefix="laurel-render-", ignore_cleanup_errors=True)
        # Twice the time: the child's own limit is for the case that this process has died.
        limits = [str(memory_mb), str(2 * seconds)]
        command = [sys.executable, "-W", "ignore", "-m", "documents.render_child", *limits, folder.name]
        # The command is ours. Of the environment it gets nothing: no database, no mail server, no folder of keys.
        self._process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                "PATH": os.defpath,
                "LC_ALL": "C.UTF-8",
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "TMPDIR": folder.name,
                "HOME": folder.name,
            },
            cwd=folder.name,
            start_new_session=True,
        )
        self.jobs = 0
        # Also when nobody closes the renderer: no process, pipe or folder stays behind.
        self._end = weakref.finalize(self, _end, self._process, folder)
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101, PT018 - both are pipes
        self._jobs, self._answers = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._jobs, False)
        os.set_blocking(self._answers, False)
        try:
            _, content = self._receive(time.monotonic() + _START_SECONDS)
        except BaseException:
            self.kill()
            raise
        self.is_offline = content == b"offline"

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def ask(self, job: bytes, seconds: float) -> tuple[Answer, bytes]:
        """Send a job and wait; raises ``TimeoutError``, ``EOFError``, or ``OSError`` when the child is gone."""
        deadline = time.monotonic() + seconds
        self.jobs += 1
        self._send(len(job).to_bytes(LENGTH, "big") + job, deadline)
        return self._receive(deadline)

    def kill(self) -> None:
        self._end()

    def _send(self, content: bytes, deadline: float) -> None:
        left = memoryview(content)
        while left:
            _wait(self._jobs, select.POLLOUT, deadline)
            left = left[os.write(self._jobs, left) :]

    def _receive(self, deadline: float) -> tuple[Answer, bytes]:
        head = self._read(1 + LENGTH, deadline)
        return Answer(head[0]), self._read(int.from_bytes(head[1:], "big"), deadline)

    def _read(self, length: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            _wait(self._answers, select.POLLIN, deadline)
            part = os.read(self._answers, length - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)


def _end(process: "subprocess.Popen[bytes]", folder: "tempfile.TemporaryDirectory[str]") -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):
            stream.close()  # type: ignore[union-attr]  # both are pipes
    folder.cleanup()


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError
