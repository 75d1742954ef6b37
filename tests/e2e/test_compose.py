"""The production shape: the compose file is valid, and each of Laurel's services does on this machine what it says.

There is no Docker engine here, so images are not built: every service's exact command runs with its exact environment,
against a PostgreSQL that the compose file's own script prepared and a namespace of the real Temporal server.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql

from activities.checkpoints import NEWEST_NOTE
from cli.local import LocalStack, ports
from cli.local.postgres import EmbeddedPostgres, installed_server
from cli.local.processes import wait_until
from config.temporal import connect
from tests.test_docs import rows, section

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
OWN_POSTGRES, OWN_TEMPORAL = "deploy/compose.own-postgres.yaml", "deploy/compose.own-temporal.yaml"


def with_files(*names: str) -> dict[str, Any]:
    """The services as Compose sees them when these files come after the first one."""
    services = SERVICES
    for name in names:
        services = merged(services, yaml.safe_load((ROOT / name).read_text())["services"])
    return services


def merged(below: Any, above: Any) -> Any:
    """What Compose makes of two values; the files have no lists in the same place, which it would join."""
    if not isinstance(below, dict):
        return above
    return below | {name: merged(below.get(name), value) for name, value in above.items()}


def started(services: Mapping[str, Any]) -> dict[str, Any]:
    """The services that start when no profile is asked for."""
    return {name: service for name, service in services.items() if not service.get("profiles")}


def environment_of(service: Mapping[str, Any], dotenv: Mapping[str, str]) -> dict[str, str]:
    """What the compose file says to a service when ``.env`` holds this."""

    def fill(words: str) -> str:
        return VARIABLE.sub(lambda found: dotenv.get(found[1]) or found[2], words)

    return {name: fill(str(value)) for name, value in service["environment"].items()}


@pytest.mark.parametrize("name", ["docker-compose.yml", OWN_POSTGRES, OWN_TEMPORAL])
def test_the_compose_files_follow_the_specification(name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run([*command, ROOT / name], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("files", "left_out"),
    [
        ([], set()),
        ([OWN_POSTGRES], {"postgres"}),
        ([OWN_TEMPORAL], {"temporal-schema", "temporal", "temporal-ui", "namespace"}),
        ([OWN_POSTGRES, OWN_TEMPORAL], {"postgres", "temporal-schema", "temporal", "temporal-ui", "namespace"}),
        ([OWN_TEMPORAL, OWN_POSTGRES], {"postgres", "temporal-schema", "temporal", "temporal-ui", "namespace"}),
    ],
    ids=lambda value: "+".join(sorted(value)) or "none",
)
def test_a_server_of_ones_own_leaves_the_bundled_one_out_and_nobody_waits_for_it(
    files: list[str], left_out: set[str]
) -> None:
    there = started(with_files(*files))
    assert there.keys() == started(SERVICES).keys() - left_out
    for service in there.values():
        # Compose refuses a file in which something is needed that does not start.
        waits = service.get("depends_on", {})
        assert {name for name, how in waits.items() if how.get("required", True)} <= there.keys()
        assert {name for name, how in waits.items() if not how.get("required", True)} <= left_out


def test_temporal_finds_a_postgresql_of_ones_own_by_what_env_says() -> None:
    there = started(with_files(OWN_POSTGRES))
    dotenv = {"POSTGRES_SEEDS": "db.office.example", "POSTGRES_PORT": "5433"}
    for name in ("temporal", "temporal-schema"):
        assert environment_of(there[name], {}).items() >= {("POSTGRES_SEEDS", "postgres"), ("DB_PORT", "5432")}
        assert environment_of(there[name], dotenv).items() >= {
            ("POSTGRES_SEEDS", "db.office.example"),
            ("DB_PORT", "5433"),
        }


@pytest.mark.parametrize("files", [[], [OWN_TEMPORAL]], ids=["bundled", "own"])
def test_every_process_finds_temporal_by_what_env_says(files: list[str]) -> None:
    dotenv = {"TEMPORAL_ADDRESS": "temporal.office.example:7233", "TEMPORAL_NAMESPACE": "laurel"}
    for name in OURS:
        environment = environment_of(with_files(*files)[name], dotenv)
        assert environment.items() >= dotenv.items()
        # Whatever else the SDK reads comes from laurel.env, and the compose file must not outrank it.
        others = rows(section("docs/configuration.md", "Temporal")).keys() - dotenv.keys()
        assert "TEMPORAL_TLS" in others
        assert not others & environment.keys()


async def test_a_file_of_profiles_says_where_temporal_is_if_env_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "profiles.toml"
    file.write_text('[profile.office]\naddress = "temporal.office.example:7233"\nnamespace = "laurel"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    monkeypatch.setenv("TEMPORAL_PROFILE", "office")
    there = started(with_files(OWN_TEMPORAL))
    for name in ("api", "worker-claims", "worker-documents", "worker-audit"):
        for variable, value in environment_of(there[name], {}).items():
            if variable.startswith("TEMPORAL_"):
                monkeypatch.setenv(variable, value)
        client = await connect(lazy=True)
        found = client.service_client.config.target_host, client.namespace
        assert found == ("temporal.office.example:7233", "laurel")


def test_every_port_is_published_to_this_machine_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_image_of_others_is_pinned_to_a_version() -> None:
    images = [VARIABLE.sub(r"\2", service["image"]) for service in SERVICES.values() if "build" not in service]
    assert all(re.search(r":v?\d+(\.\d+)*$", image) for image in images), images


def test_our_containers_can_write_nothing_but_their_volumes() -> None:
    assert set(OURS) == {"namespace", "migrate", "keys", "api", "worker-claims", "worker-documents", "worker-audit"}
    for service in OURS.values():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_keys_are_written_only_by_the_job_that_makes_them_and_by_the_worker_that_notes_what_it_signed() -> None:
    mounts = {name: volume for name, service in OURS.items() for volume in service.get("volumes", [])}
    folder = "keys:/var/lib/laurel/keys"
    assert mounts == {
        "keys": folder,
        "worker-audit": folder,
        "worker-claims": f"{folder}:ro",
        "worker-documents": f"{folder}:ro",
    }


def test_what_needs_something_waits_until_it_is_there() -> None:
    conditions = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    for name in ("api", "worker-claims", "worker-documents", "worker-audit"):
        assert conditions[name] == {"migrate", "namespace", "keys"}
    assert all(need in SERVICES for needs in conditions.values() for need in needs)


def test_every_secret_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    first = subprocess.run([ROOT / "bin/make-secrets", folder], capture_output=True, text=True, check=True)
    made = {file.name: file.read_text() for file in folder.iterdir()}
    assert made.keys() == COMPOSE["secrets"].keys()
    assert all(Path(secret["file"]).name == name for name, secret in COMPOSE["secrets"].items())
    assert len(first.stdout.splitlines()) == len(made)
    again = subprocess.run([ROOT / "bin/make-secrets", folder], capture_output=True, text=True, check=True)
    assert again.stdout == ""
    assert made == {file.name: file.read_text() for file in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == made.keys()


class Machine:
    """This machine in the place of the compose file's network: each name and path in it stands for one of ours."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres, temporal_address: str) -> None:
        self.secrets, self.keys, self.log = folder / "secrets", folder / "keys", folder / "log"
        self.api, self.metrics, self.sdk = (ports.next_free(18_000) for _ in range(3))
        subprocess.run([ROOT / "bin/make-secrets", self.secrets], check=True, capture_output=True)
        self._replaced = {
            "/run/secrets": str(self.secrets),
            "/var/lib/laurel/keys": str(self.keys),
            "temporal:7233": temporal_address,
            "default": "compose",
            "9464": str(self.metrics),
            "9465": str(self.sdk),
            "8000": str(self.api),
        }
        for name in ("database_url", "owner_database_url"):
            file = self.secrets / name
            url = file.read_text().replace("@postgres:5432", f"@127.0.0.1:{postgres.port}")
            file.chmod(0o644)
            file.write_text(url)

    def environment(self, service: Mapping[str, Any]) -> dict[str, str]:
        ours = {name: self.translate(value) for name, value in environment_of(service, {}).items()}
        return {**os.environ, **ours}

    def translate(self, words: str) -> str:
        for theirs, here in self._replaced.items():
            words = words.replace(theirs, here)
        return words

    def command(self, command: list[str]) -> list[str]:
        program = str(Path(sys.executable).parent / "laurel")
        return [program, *(self.translate(word) for word in command if word != "laurel")]

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        service = OURS[name]
        command, environment = self.command(service["command"]), self.environment(service)
        return subprocess.run(command, env=environment, cwd=self.secrets, capture_output=True, text=True, check=False)

    @contextmanager
    def started(self, name: str) -> Iterator["subprocess.Popen[bytes]"]:
        service = OURS[name]
        command, environment = self.command(service["command"]), self.environment(service)
        with self.log.open("wb") as log:
            process = subprocess.Popen(command, env=environment, cwd=self.secrets, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            # The API's server ends itself by the signal that it was sent, once everything is closed.
            assert process.wait(35) in (0, -signal.SIGTERM)

    def wait_until_healthy(self, name: str) -> str:
        """Run the service's own health check until it succeeds; answers what it printed."""
        service = OURS[name]
        test = service["healthcheck"]["test"]
        assert test[:2] == ["CMD", "laurel"]
        for _ in range(100):
            checked = subprocess.run(self.command(test[1:]), capture_output=True, text=True, check=False)
            if checked.returncode == 0:
                return checked.stdout
            time.sleep(0.2)
        raise AssertionError(f"{name} did not become healthy: {checked.stdout}{self.log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def machine(stack: LocalStack) -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp(prefix="laurel-compose-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user when we are root.
    with EmbeddedPostgres(folder / "data", say=lambda _: None) as postgres:
        machine = Machine(folder, postgres, stack.temporal_address)
        _prepare(postgres, machine)
        yield machine
    shutil.rmtree(folder, ignore_errors=True)


def _prepare(postgres: EmbeddedPostgres, machine: Machine) -> None:
    """Let the compose file's own script prepare the server, in which nothing of ours is yet."""
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE laurel")
        for role in ("laurel_process", "laurel_app"):
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
        server = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port)}
        account = {"PGUSER": connection.info.user, "PGPASSWORD": connection.info.password}
    path = f"{installed_server()}/bin:{os.environ['PATH']}"
    subprocess.run(
        [ROOT / "deploy/postgres/10-databases.sh"], check=True, capture_output=True,
        env={**server, **account, "PATH": path, "SECRETS": str(machine.secrets)},
    )  # fmt: skip


def test_every_service_runs_as_the_compose_file_says(machine: Machine) -> None:
    for job in ("namespace", "migrate", "keys", "migrate", "namespace", "keys"):
        done = machine.run(job)
        assert done.returncode == 0, (job, done.stdout, done.stderr)
    with machine.started("api"):
        assert '"database":true' in machine.wait_until_healthy("api")
    for worker, queue in (("worker-claims", "claims"), ("worker-documents", "documents"), ("worker-audit", None)):
        with machine.started(worker):
            checks = machine.wait_until_healthy(worker)
            assert (queue is None) or f"worker {queue}" in checks


def test_the_worker_that_signs_the_audit_trail_notes_beside_its_keys_what_it_signed(machine: Machine) -> None:
    assert [machine.run(job).returncode for job in ("migrate", "keys")] == [0, 0]
    with machine.started("worker-audit"):
        assert wait_until((machine.keys / NEWEST_NOTE).exists, 30)


def test_processes_sign_in_with_rights_of_their_own(machine: Machine) -> None:
    assert machine.run("migrate").returncode == 0
    with psycopg.connect((machine.secrets / "database_url").read_text()) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE anything (id int)")
        connection.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM audit_events")
