"""The whole of Laurel on one machine, part by part."""

import http.client
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import cli
from cli.errors import StackError
from cli.local import folders, ports
from cli.local.folders import RunningStack, make_data_dir
from cli.local.postgres import USUAL_PORT as USUAL_POSTGRES_PORT
from cli.local.postgres import EmbeddedPostgres
from cli.local.supervisor import Part, Say, Supervisor
from cli.local.temporal import USUAL_PORT as USUAL_TEMPORAL_PORT
from cli.local.temporal import USUAL_UI_PORT, EmbeddedTemporal
from cli.ready import READY_FILE_VARIABLE

USUAL_API_PORT = 8000
USUAL_MAIL_PAGE_PORT = 8025
USUAL_SMTP_PORT = 1025
RETENTION_DAYS = 30


class LocalStack:
    """PostgreSQL, Temporal, mail catcher, schema, workers and API on one machine, kept running by one supervisor.

    A part whose address the environment gives (``LAUREL_DATABASE_URL``, ``TEMPORAL_ADDRESS``, ``LAUREL_SMTP_URL``) is
    not started; that server is used instead. ``start``, ``wait``, ``stop``, ``ask_to_stop`` and ``kill`` are the
    supervisor's. ``urls`` holds the web addresses by name: ``api``, ``temporal``, ``mail``.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        roles: Sequence[str] = ("claims", "documents", "audit"),
        environment: Mapping[str, str] | None = None,
        say: Say = print,
    ) -> None:
        """Choose the ports and describe the parts.

        Args:
            data_dir: Holds everything that the stack keeps; made if it is missing.
            port: The API's port, strictly; by default the next free one from 8000 on.
            roles: One worker process each; a role may be named several times.
            environment: Further variables for every one of Laurel's own processes.
            say: Gets each progress line.

        Raises:
            StackError: The port is taken, the folder cannot be used, or a needed binary is not installed.
        """
        self.data_dir = make_data_dir(data_dir)
        folders.refuse_if_locked(self.data_dir)
        self._say = say
        self._roles = roles
        self.urls: dict[str, str] = {}
        self._parts: list[Part] = []
        self._environment = {**os.environ, **(environment or {})}
        self._environment["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(Path(cli.__file__).parents[1]), os.environ.get("PYTHONPATH")))
        )
        # Whoever takes requests from the network needs no private key.
        self._keys_dir = self._environment.pop("LAUREL_KEYS_DIR", str(self.data_dir / "keys"))
        self._api_port = self._take_strictly(port) if port else self._take(USUAL_API_PORT)
        self._add_database()
        self._add_temporal()
        self._add_mailbox()
        self._add_laurel()
        self.supervisor = Supervisor(self.data_dir, self._parts, say=say, on_change=self._publish)

    @property
    def database_url(self) -> str:
        """The database in use, with its password."""
        return self._environment["LAUREL_DATABASE_URL"]

    @property
    def owner_database_url(self) -> str:
        """The same database as the owner of its tables, with its password; no long-running process gets it."""
        return self._owner_database_url

    @property
    def temporal_address(self) -> str:
        """Host and port of the Temporal server in use."""
        return self._environment["TEMPORAL_ADDRESS"]

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment that Laurel's own processes get; a client of the stack may use the same."""
        return dict(self._environment)

    @property
    def is_running(self) -> bool:
        """Whether all parts are up and no stop was asked for."""
        return self.supervisor.is_running

    def start(self) -> None:
        """Start everything and return when it can be used; see ``Supervisor.start``."""
        self.supervisor.start()

    def wait(self) -> None:
        """Return when everything has been stopped; see ``Supervisor.wait``."""
        try:
            self.supervisor.wait()
        finally:
            folders.forget_stack(self.data_dir)

    def stop(self) -> None:
        """Stop everything in order and wait until that is done."""
        self.ask_to_stop()
        self.wait()

    def ask_to_stop(self) -> None:
        """Begin to stop without waiting; a second call kills what still runs."""
        self.supervisor.ask_to_stop()

    def kill(self, name: str) -> int:
        """Kill a part (``postgres``, ``temporal``, ``worker-claims``, ``api`` ...) as ``kill -9`` would."""
        return self.supervisor.kill(name)

    def _take(self, usual: int) -> int:
        port = ports.next_free(usual)
        if port != usual:
            self._say(f"port {usual} is taken, using {port}")
        return port

    def _take_strictly(self, port: int) -> int:
        try:
            free = ports.is_free(port)
        except OSError as error:
            msg = f"port {port} cannot be used ({error.strerror}); choose another --port"
            raise StackError(msg) from error
        if not free:
            msg = f"port {port} is taken by {ports.holder(port)}; stop it, or choose another --port"
            raise StackError(msg)
        return port

    def _uses_given(self, name: str, variable: str) -> bool:
        """Tell, also the person who waits, whether the environment names a server to use instead of ``name``."""
        if file := self._environment.pop(f"{variable}_FILE", None):
            self._environment[variable] = Path(file).read_text().strip()
        given = self._environment.get(variable)
        if given:
            server = urlsplit(given if "//" in given else f"//{given}")
            where = f"{server.hostname}:{server.port}" if server.port else server.hostname
            self._say(f"{name:<18}not started, {variable} names {where}")
        return bool(given)

    def _add_database(self) -> None:
        owner_file = self._environment.pop("LAUREL_OWNER_DATABASE_URL_FILE", None)
        owner = self._environment.pop("LAUREL_OWNER_DATABASE_URL", None)
        if self._uses_given("postgres", "LAUREL_DATABASE_URL"):
            given = Path(owner_file).read_text().strip() if owner_file else owner
            self._owner_database_url = given or self.database_url
        else:
            postgres = EmbeddedPostgres(self.data_dir, port=self._take(USUAL_POSTGRES_PORT), say=self._say)
            self._environment["LAUREL_DATABASE_URL"] = postgres.url
            self._owner_database_url = postgres.owner_url
            self._parts.append(postgres.part)
        schema = self._step("schema", ["db", "upgrade"], after="postgres")
        as_owner = {**self._environment, "LAUREL_OWNER_DATABASE_URL": self._owner_database_url}
        self._parts.append(replace(schema, environment=as_owner))
        keys = self._step("keys", ["keys", "create"], after="schema")
        self._parts.append(replace(keys, environment={**self._environment, "LAUREL_KEYS_DIR": self._keys_dir}))

    def _add_temporal(self) -> None:
        set_up = ["temporal", "setup"]
        if not self._uses_given("temporal", "TEMPORAL_ADDRESS"):
            # How long a server of others keeps closed workflows is for its operators to say.
            set_up += ["--retention-days", str(RETENTION_DAYS)]
            port, ui_port = self._take(USUAL_TEMPORAL_PORT), self._take(USUAL_UI_PORT)
            temporal = EmbeddedTemporal(self.data_dir, port=port, ui_port=ui_port, say=self._say)
            self._environment["TEMPORAL_ADDRESS"] = temporal.address
            self._environment.setdefault("LAUREL_TEMPORAL_UI_URL", temporal.ui_url)
            self._parts.append(temporal.part)
        self._parts.append(self._step("search-attributes", set_up, after="temporal"))
        if ui_url := self._environment.get("LAUREL_TEMPORAL_UI_URL"):
            self.urls["temporal"] = ui_url

    def _add_mailbox(self) -> None:
        if self._uses_given("mailbox", "LAUREL_SMTP_URL"):
            return
        smtp_port, page_port = self._take(USUAL_SMTP_PORT), self._take(USUAL_MAIL_PAGE_PORT)
        self._environment["LAUREL_SMTP_URL"] = f"smtp://{ports.LOOPBACK}:{smtp_port}"
        self.urls["mail"] = f"http://localhost:{page_port}"
        mailbox = ["mailbox", "--data-dir", str(self.data_dir), "--port", str(page_port), "--smtp-port", str(smtp_port)]
        self._parts.append(
            Part(
                name="mailbox",
                command=self._laurel(*mailbox),
                ready=lambda: _answers(page_port, "/healthz"),
                address=f"{ports.LOOPBACK}:{smtp_port}, page {self.urls['mail']}",
                environment=self._environment,
            )
        )

    def _add_laurel(self) -> None:
        """Add the workers and the API, which need the schema and everything they send to."""
        self.urls["api"] = f"http://localhost:{self._api_port}"
        self._environment.setdefault("LAUREL_PUBLIC_URL", self.urls["api"])
        needs = [part.name for part in self._parts]
        roles = Counter(self._roles)
        self._parts += [
            self._worker(role, f"worker-{role}" + (f"-{number}" if number > 1 else ""), needs)
            for role, count in roles.items()
            for number in range(1, count + 1)
        ]
        self._parts.append(
            Part(
                name="api",
                command=self._laurel("api", "--host", ports.LOOPBACK, "--port", str(self._api_port)),
                ready=lambda: _answers(self._api_port, "/healthz"),
                needs=needs,
                address=self.urls["api"],
                environment=self._environment,
            )
        )

    def _worker(self, role: str, name: str, needs: Sequence[str]) -> Part:
        ready_file = self.data_dir / "run" / f"{name}.ready"
        return Part(
            name=name,
            command=self._laurel("worker", "--role", role),
            prepare=lambda: ready_file.unlink(missing_ok=True),
            ready=ready_file.exists,
            needs=needs,
            environment={
                **self._environment,
                "LAUREL_KEYS_DIR": self._keys_dir,
                READY_FILE_VARIABLE: str(ready_file),
            },
            stop_limit=30.0,
        )

    def _step(self, name: str, arguments: Sequence[str], *, after: str) -> Part:
        needs = [part.name for part in self._parts if part.name == after]
        return Part(name=name, command=self._laurel(*arguments), needs=needs, environment=self._environment)

    @staticmethod
    def _laurel(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "cli", *arguments]

    def _publish(self) -> None:
        folders.write_stack(
            self.data_dir,
            RunningStack(
                pid=os.getpid(),
                database_url=self.database_url,
                owner_database_url=self.owner_database_url,
                temporal_address=self.temporal_address,
                smtp_url=self._environment["LAUREL_SMTP_URL"],
                urls=self.urls,
                pids=self.supervisor.pids,
                is_anchored=folders.names_an_anchor(self._environment),
            ),
        )


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(ports.LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
