"""The process that renders: it reads jobs and writes PDFs, and can do nothing else.

It holds no database login and no key, has no network where the system lets it give that up, may not start programs,
open connections or read other files than its own anyway, and has limits of memory and time. What a template does wrong
ends here.

Its one argument beside the two limits is its temporary folder, which goes when it goes, even if its parent was killed.
Each message is its length in 8 bytes (big endian) and its content; an answer begins with one byte (``Answer``).
"""

import ctypes
import gc
import os
import resource
import shutil
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import IO, Final, NoReturn

LENGTH: Final = 8
_CLONE_NEWNET: Final = 0x40000000
_CLONE_NEWUSER: Final = 0x10000000
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_MEMORY: Final = Path("/proc/self/statm")
_LARGEST_FILE: Final = 64 * 1024 * 1024

# The interpreter announces these before it does them; a hook that refuses can't be removed again.
_FORBIDDEN: Final = ("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.system", "pty.")


class Answer(IntEnum):
    """What became of a job: its PDF, or a failure's code; ``READY`` says what was given up, once at the start."""

    READY = 0
    PDF = 1
    FAILED = 2
    EXHAUSTED = 3


def main() -> None:
    """Give up what is not needed, then render until the other side closes the pipe."""
    memory_mb, seconds, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    jobs, answers = os.fdopen(0, "rb", closefd=False), os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not be taken for an answer.
    os.dup2(2, 1)
    _die_with_parent(folder)
    is_offline = _leave_network()
    render = _prepared_renderer()
    _limit(memory_mb)
    sys.addaudithook(_refusal_outside(*_own_folders()))
    _write(answers, Answer.READY, b"offline" if is_offline else b"online")
    while (job := _read(jobs)) is not None:
        signal.alarm(seconds)
        answer, content = _answer(render, job)
        signal.alarm(0)
        _write(answers, answer, content)
        if answer is Answer.EXHAUSTED:
            # What is left of the memory is in pieces; the other side starts a new process.
            break
    _leave_nothing(folder)


def _prepared_renderer() -> Callable[[bytes], bytes]:
    from documents.certificate import render_certificate, warm_up  # noqa: PLC0415 - after the network is gone
    from documents.jobs import CertificateJob  # noqa: PLC0415

    warm_up()
    # What is loaded now stays for good: the collector would look through it again every fifty certificates.
    gc.freeze()
    return lambda job: render_certificate(CertificateJob.from_bytes(job))


def _answer(render: Callable[[bytes], bytes], job: bytes) -> tuple[Answer, bytes]:
    from documents.jobs import RenderFailedError  # noqa: PLC0415

    try:
        return Answer.PDF, render(job)
    except MemoryError:
        return Answer.EXHAUSTED, b"RenderMemoryExhausted"
    except RecursionError:
        return Answer.FAILED, b"RenderTooDeep"
    except RenderFailedError as error:
        return Answer.FAILED, error.code.encode()
    except Exception as error:  # noqa: BLE001 - whatever a template does wrong is an answer, not this process's end
        # The type only: an error's text may repeat what is printed on the certificate.
        return Answer.FAILED, type(error).__name__.encode()


def _read(stream: IO[bytes]) -> bytes | None:
    head = stream.read(LENGTH)
    return stream.read(int.from_bytes(head, "big")) if len(head) == LENGTH else None


def _write(stream: IO[bytes], answer: Answer, content: bytes) -> None:
    stream.write(bytes([answer]) + len(content).to_bytes(LENGTH, "big") + content)
    stream.flush()


def _die_with_parent(folder: str) -> None:
    # A parent that was killed can't remove the folder any more, so the signal must be one that lets us do it.
    signal.signal(signal.SIGTERM, lambda *_: _leave_nothing(folder))
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _leave_nothing(folder: str) -> NoReturn:
    """End at once, whatever runs, and take the temporary folder with the fonts along."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os._exit(0)


def _leave_network() -> bool:
    """Move into an empty network of our own; False where the system allows that to nobody but a privileged user."""
    libc = ctypes.CDLL(None, use_errno=True)
    ways = (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET)
    return hasattr(libc, "unshare") and any(libc.unshare(flags) == 0 for flags in ways)


def _limit(memory_mb: int) -> None:
    """Allow so much memory on top of what is in use, no core dumps, and files only as large as a cached font."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    if _MEMORY.exists():
        in_use = int(_MEMORY.read_text().split()[0]) * resource.getpagesize()
        limit = in_use + memory_mb * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _own_folders() -> tuple[str, ...]:
    """Python with its packages, Laurel's documents with their fonts, and this process's temporary folder."""
    here = str(Path(__file__).resolve().parent)
    found = {sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), here}
    return (*(folder + os.sep for folder in found), tempfile.gettempdir() + os.sep)


def _refusal_outside(*folders: str) -> Callable[[str, tuple[object, ...]], None]:
    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(_FORBIDDEN):
            raise PermissionError(event)
        if event == "open" and isinstance(arguments[0], str | bytes):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not f"{path}{os.sep}".startswith(folders):
                raise PermissionError(event)

    return refuse


if __name__ == "__main__":
    main()
