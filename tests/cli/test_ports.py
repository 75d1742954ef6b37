import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.local import LocalStack, StackError, ports


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((ports.LOOPBACK, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port_gives_way_to_the_next_free_one(taken_port: int) -> None:
    chosen = ports.next_free(taken_port)
    assert chosen > taken_port
    assert ports.is_free(chosen)


def test_a_port_is_promised_once_within_and_between_processes(taken_port: int) -> None:
    first = ports.next_free(taken_port)
    assert ports.next_free(first) > first
    program = f"from cli.local import ports; print(ports.next_free({first}))"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(other.stdout) > first
    assert ports.is_free(first)


def test_a_free_port_is_kept(taken_port: int) -> None:
    free = next(port for port in range(taken_port + 100, taken_port + 1000) if ports.is_free(port))
    assert ports.next_free(free) == free


def test_a_port_taken_on_ipv6_only_is_taken(taken_port: int) -> None:
    free = ports.next_free(taken_port)
    with socket.socket(socket.AF_INET6) as server:
        server.bind(("::1", free))
        server.listen()
        assert not ports.is_free(free)


def test_the_holder_of_a_port_is_named(taken_port: int) -> None:
    assert ports.holder(taken_port).startswith(f"process {os.getpid()} (")


def test_the_api_port_is_strict_and_its_holder_is_named(taken_port: int, data_dir: Path) -> None:
    with pytest.raises(StackError, match=rf"port {taken_port} is taken by process {os.getpid()} .*--port"):
        LocalStack(data_dir, port=taken_port)
