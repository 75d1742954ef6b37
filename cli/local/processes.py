"""Starting, recognising and ending the stack's processes."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_LOG_LIMIT = 10 * 1024 * 1024


def unprivileged_user() -> pwd.struct_passwd | None:
    """Return the existing user that PostgreSQL runs as when we are root; None means: as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    msg = "neither the user postgres nor the user nobody exists, and PostgreSQL refuses to run as root"
    raise RuntimeError(msg)


def as_user(command: Sequence[str], user: pwd.struct_passwd | None, death_signal: signal.Signals) -> list[str]:
    """Wrap a command so that it runs as ``user`` and the kernel sends it ``death_signal`` if its parent dies.

    The wrapper sets the death signal after it has changed the user, because changing the user clears it.
    Where ``setpriv`` is missing, only the pid files protect against leftovers, and the user cannot be changed.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if user is not None:
            msg = "the program setpriv (Debian package util-linux) is needed to start PostgreSQL from root"
            raise RuntimeError(msg)
        return list(command)
    identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"] if user else []
    return [setpriv, f"--pdeathsig={death_signal.name.removeprefix('SIG')}", *identity, "--", *command]


def spawn(
    command: Sequence[str], *, log: Path, folder: Path | None, environment: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own (Ctrl-C must not reach it), its output appended to ``log``."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603  # Every command is built by this package.
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )


def tail(log: Path, lines: int = 20) -> list[str]:
    """Return the last lines of a log file."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 64 * 1024))
        return file.read().decode(errors="replace").splitlines()[-lines:]


def identity(pid: int) -> str | None:
    """Return what tells this process from a later one with the same number, or None if it does not live."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else f"{fields[18]} {_BOOT.read_text().strip()}"


def remember(pid_file: Path, pid: int, stop_signal: signal.Signals) -> None:
    """Write down a process, so that the next supervisor can end it if this one is killed."""
    new = pid_file.with_suffix(".new")
    new.write_text(json.dumps({"pid": pid, "identity": identity(pid), "stop_signal": stop_signal}))
    new.replace(pid_file)


def end_leftover(pid_file: Path, limit: float = 10.0) -> int | None:
    """End the process a pid file remembers if that very process still lives; return its pid if there was one."""
    try:
        left = json.loads(pid_file.read_text())
        pid, known, stop_signal = int(left["pid"]), left["identity"], int(left["stop_signal"])
    except (OSError, ValueError, KeyError, TypeError):
        pid, known, stop_signal = 0, None, 0
    lives = known is not None and identity(pid) == known
    for number in (stop_signal, signal.SIGKILL) if lives else ():
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if wait_until(lambda: identity(pid) != known, limit):
            break
    pid_file.unlink(missing_ok=True)
    return pid if lives else None


def processes_in(folder: Path) -> list[int]:
    """Return the processes whose working folder is ``folder``, as far as this user may see them."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            if link.readlink() == folder:
                found.append(int(link.parent.name))
    return found


def wait_until(condition: Callable[[], bool], limit: float) -> bool:
    """Wait at most ``limit`` seconds for a condition and return whether it came true."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
