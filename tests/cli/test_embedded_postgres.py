import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cli.local import EmbeddedPostgres, StackError, ports, processes
from cli.local.folders import blocking_folder

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL runs as another user under root only")


def quiet(_line: str) -> None:
    """Drop a progress line."""


def embedded(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder, say=quiet)


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    with embedded(data_dir) as server:
        yield server


def ask(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question).fetchone()
        return row[0] if row else None


def ask_patiently(server: EmbeddedPostgres, question: str) -> object:
    end = time.monotonic() + 20
    while True:
        try:
            return ask(server.owner_url, question)
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def put_note(url: str, note: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS notes (body text)")
        connection.execute("INSERT INTO notes VALUES (%s)", (note,))


def test_a_new_cluster_is_durable_checked_and_on_loopback_only(server: EmbeddedPostgres, data_dir: Path) -> None:
    wanted = {"data_checksums": "on", "fsync": "on", "full_page_writes": "on", "listen_addresses": "127.0.0.1"}
    wanted |= {"server_encoding": "UTF8", "unix_socket_directories": "", "TimeZone": "UTC"}
    assert {name: ask(server.admin_url, f"SHOW {name}") for name in wanted} == wanted
    assert str(ask(server.owner_url, "SELECT version()")).startswith("PostgreSQL 18")
    assert ask(server.owner_url, "SELECT datcollate FROM pg_database WHERE datname = 'laurel'") == "C.UTF-8"


def test_a_password_is_needed_and_kept_where_only_its_owner_reads_it(server: EmbeddedPostgres, data_dir: Path) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"password"):
        ask(f"postgresql://laurel:wrong@127.0.0.1:{server.port}/laurel", "SELECT 1")
    assert ask(server.admin_url, "SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = 'laurel'") == (
        "SCRAM-SHA-256"
    )
    assert not ask(server.owner_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    modes = {path.stat().st_mode & 0o777 for path in (data_dir / "postgres").glob("*.password")}
    assert modes == {0o600}


@needs_root
def test_from_root_it_runs_as_an_existing_unprivileged_user(server: EmbeddedPostgres, data_dir: Path) -> None:
    pid = int((data_dir / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    user = processes.unprivileged_user()
    assert user is not None
    assert Path(f"/proc/{pid}").stat().st_uid == user.pw_uid != 0
    groups = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Groups:"))
    assert groups.split()[1:] == []


@needs_root
def test_a_data_folder_its_user_cannot_pass_is_named_with_the_fix(data_dir: Path) -> None:
    closed = data_dir / "closed"
    (closed / "laurel").mkdir(parents=True)
    closed.chmod(0o700)
    with pytest.raises(StackError, match=rf"cannot pass the folder {closed};.*--data-dir"):
        embedded(closed / "laurel").start()


@needs_root
def test_a_folder_blocks_the_user_it_gives_no_right_to_pass(data_dir: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    assert blocking_folder(data_dir, nobody) is None
    data_dir.chmod(0o750)
    assert blocking_folder(data_dir, nobody) == data_dir
    os.chown(data_dir, nobody.pw_uid, 0)
    assert blocking_folder(data_dir, nobody) is None


@needs_root
def test_binaries_its_user_cannot_reach_are_copied_once(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_folder, closed = data_dir / "open", data_dir / "closed"
    open_folder.mkdir(mode=0o755)
    closed.mkdir(mode=0o700)
    installed = embedded(open_folder)._installed
    site = closed / "site-packages"
    site.mkdir()
    for name in (installed.parent.name, f"{installed.parent.name}.libs"):
        subprocess.run(["cp", "-r", str(installed.parents[1] / name), str(site)], check=True)
    monkeypatch.setattr("cli.local.postgres.find_spec", lambda _name: FoundPackage(site / installed.parent.name))
    with embedded(open_folder) as server:
        assert ask(server.owner_url, "SELECT 1") == 1
    stamp = open_folder / "postgres" / "server" / "copied-from"
    copied_at = stamp.stat().st_mtime_ns
    with embedded(open_folder) as server:
        assert ask(server.owner_url, "SELECT 1") == 1
    assert stamp.stat().st_mtime_ns == copied_at


class FoundPackage:
    """What ``find_spec`` finds: a package in one folder."""

    def __init__(self, folder: Path) -> None:
        self.submodule_search_locations = [str(folder)]


def test_what_was_committed_survives_kill_9_and_a_restart(server: EmbeddedPostgres, data_dir: Path) -> None:
    put_note(server.owner_url, "kept")
    server.kill()
    assert ask_patiently(server, "SELECT body FROM notes") == "kept"
    server.stop()
    with embedded(data_dir) as again:
        assert ask(again.owner_url, "SELECT body FROM notes") == "kept"


def test_a_lock_file_that_names_a_strangers_process_does_not_keep_it_down(data_dir: Path) -> None:
    with embedded(data_dir):
        pass
    user = processes.unprivileged_user()
    command = processes.as_user(["sleep", "60"], user, signal.SIGKILL)
    with subprocess.Popen(command) as stranger:
        lock_file = data_dir / "postgres" / "data" / "postmaster.pid"
        lock_file.write_text(f"{stranger.pid}\n{lock_file.parent}\n1\n{ports.next_free(5432)}\n\n127.0.0.1\n")
        if user:
            os.chown(lock_file, user.pw_uid, user.pw_gid)
        with embedded(data_dir) as server:
            assert ask(server.owner_url, "SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


def test_a_server_that_lost_its_supervisor_and_its_pid_file_is_ended_before_the_next_start(data_dir: Path) -> None:
    first = embedded(data_dir).start()
    put_note(first.owner_url, "kept")
    remembered = data_dir / "run" / "postgres.pid"
    pid = json.loads(remembered.read_text())["pid"]
    part = first.part
    first.stop()
    left = subprocess.Popen(
        processes.as_user(part.command, part.user, signal.SIGKILL),
        env=dict(part.environment or {}),
        cwd=part.folder,
        stderr=subprocess.DEVNULL,
    )
    assert ask_patiently(first, "SELECT body FROM notes") == "kept"
    with embedded(data_dir) as second:
        assert left.wait(timeout=10) == 0
        assert ask(second.owner_url, "SELECT body FROM notes") == "kept"
    assert left.pid != pid


SUPERVISE = """
import sys
from pathlib import Path
from cli.local import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), say=lambda line: None).start()
print(server.owner_url, flush=True)
server._supervisor.wait()
"""


def test_what_was_committed_survives_kill_9_of_the_supervisor(data_dir: Path) -> None:
    command = [sys.executable, "-c", SUPERVISE, str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        put_note(supervisor.stdout.readline().strip(), "kept")
        supervisor.kill()
        with embedded(data_dir) as server:
            assert ask(server.owner_url, "SELECT body FROM notes") == "kept"


def test_a_cluster_whose_creation_was_interrupted_is_created_afresh(data_dir: Path) -> None:
    half = data_dir / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with embedded(data_dir) as server:
        assert ask(server.owner_url, "SELECT 1") == 1
    assert not half.exists()
