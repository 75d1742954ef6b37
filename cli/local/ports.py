"""Choosing ports on this machine, and saying who holds one that is taken."""

import errno
import socket
import sys
from pathlib import Path

LOOPBACK = "127.0.0.1"
_LISTENING = "0A"
_LOOPBACKS = ((socket.AF_INET, LOOPBACK), (socket.AF_INET6, "::1"))
_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of both loopback addresses now.

    Both, because ``localhost`` in a link may mean either. A port this user may not use raises ``OSError``.
    """
    return not any(_is_taken(family, address, port) for family, address in _LOOPBACKS)


def _is_taken(family: socket.AddressFamily, address: str, port: int) -> bool:
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        if error.errno in _NO_SUCH_ADDRESS:
            return False  # This machine has no IPv6.
        if error.errno != errno.EADDRINUSE:
            raise
        return True
    return False


def next_free(usual: int) -> int:
    """Return the usual port, or the next one above it, that is free and promised to nobody; promise it.

    The promise holds until this process ends, so that stacks and tests that start together choose different ports.
    """
    for port in range(usual, min(usual + 1000, 65536)):
        if is_free(port) and _promise(port):
            return port
    msg = f"none of the 1000 ports from {usual} on is free"
    raise OSError(msg)


def _promise(port: int) -> bool:
    """Take a name that only one process can hold, and that the kernel gives back when the process ends."""
    if sys.platform != "linux":
        return True
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0laurel-port-{port}")
    except OSError:
        mark.close()
        return False
    mark.detach()  # The name is held until the process ends, not until this object goes.
    return True


def holder(port: int) -> str:
    """Name the process that listens on a port, as far as the kernel lets this user see it."""
    sockets = _listening_sockets(port)
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(descriptor.readlink()) in sockets:
                process = descriptor.parents[1]
                return f"process {process.name} ({(process / 'comm').read_text().strip()})"
        except OSError:
            continue  # The process ended meanwhile, or belongs to another user.
    return "a process of another user"


def _listening_sockets(port: int) -> set[str]:
    sockets = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    return sockets
