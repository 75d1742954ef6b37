"""The stack's data folder: where it is, who holds it, and what the running stack says about itself."""

import fcntl
import json
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cli.errors import StackError
from cli.local.processes import wait_until

# A supervisor that was just killed may hold its lock a moment longer.
_LOCK_PATIENCE = 1.0


@dataclass(frozen=True)
class RunningStack:
    """What ``stack.json`` says of a running stack: addresses and process ids by part, whether it has an anchor."""

    pid: int
    database_url: str
    owner_database_url: str
    temporal_address: str
    smtp_url: str
    urls: Mapping[str, str]
    pids: Mapping[str, int]
    is_anchored: bool = False


def names_an_anchor(environment: Mapping[str, str]) -> bool:
    """Tell whether these settings have the checkpoints of the audit trail kept elsewhere too."""
    names = [f"LAUREL_AUDIT_ANCHOR_{kind}{suffix}" for kind in ("FILE", "EMAIL") for suffix in ("", "_FILE")]
    return any(environment.get(name) for name in names)


def default_data_dir() -> Path:
    """Return the folder used without ``--data-dir``: ``/var/lib/laurel`` for root, else below the XDG data home."""
    if os.geteuid() == 0:
        return Path("/var/lib/laurel")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "laurel"


def make_data_dir(folder: Path) -> Path:
    """Create the data folder if it is missing, and return its absolute path.

    A folder that root makes may be passed through by others, because PostgreSQL runs as another user in it.
    """
    folder = folder.expanduser().resolve()
    if not folder.exists():
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            msg = f"cannot create the data folder {folder} ({error.strerror}); choose another with --data-dir"
            raise StackError(msg) from error
        folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    if not os.access(folder, os.W_OK | os.X_OK):
        msg = f"the data folder {folder} is not writable for this user; choose another with --data-dir"
        raise StackError(msg)
    return folder


def blocking_folder(path: Path, user: pwd.struct_passwd) -> Path | None:
    """Return the first folder or file on the way to ``path`` that ``user`` cannot pass or execute, if any."""
    resolved = path.resolve()
    for step in [*reversed(resolved.parents), resolved]:
        info = step.stat()
        if info.st_uid == user.pw_uid:
            allowed = info.st_mode & stat.S_IXUSR
        elif info.st_gid == user.pw_gid:
            allowed = info.st_mode & stat.S_IXGRP
        else:
            allowed = info.st_mode & stat.S_IXOTH
        if not allowed:
            return step
    return None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the data folder for one supervisor; a second one gets a ``StackError`` naming the first."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not wait_until(lambda: _take_lock(descriptor), _LOCK_PATIENCE):
            raise StackError(_already_running(folder))
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Tell whether a living supervisor holds the folder."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _take_lock(descriptor)
    finally:
        os.close(descriptor)


def _take_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def refuse_if_locked(folder: Path) -> None:
    """Raise a ``StackError`` that names the living supervisor of the folder, if there is one."""
    if not wait_until(lambda: not is_locked(folder), _LOCK_PATIENCE):
        raise StackError(_already_running(folder))


def _already_running(folder: Path) -> str:
    pid = (folder / "lock").read_text().strip() or "unknown"
    stack = _read_stack(folder)
    address = f", {stack.urls['api']}" if stack and str(stack.pid) == pid else ""
    return f"Laurel already runs on {folder} (process {pid}{address}); stop it first, or choose another --data-dir"


def write_stack(folder: Path, stack: RunningStack) -> None:
    """Publish the running stack; only its owner may read it, because it holds the database's password."""
    new = folder / "stack.json.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(asdict(stack), indent=2))
    new.replace(folder / "stack.json")


def forget_stack(folder: Path) -> None:
    """Remove what ``write_stack`` published."""
    (folder / "stack.json").unlink(missing_ok=True)


def running_stack(data_dir: Path | None = None) -> RunningStack | None:
    """Return the stack that runs on a data folder (the default one if none is named), or None."""
    folder = (data_dir or default_data_dir()).expanduser()
    return _read_stack(folder) if is_locked(folder) else None


def _read_stack(folder: Path) -> RunningStack | None:
    try:
        return RunningStack(**json.loads((folder / "stack.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
