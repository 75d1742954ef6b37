import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.service import RPCStatusCode

from cli import doctor
from cli.errors import StackError
from cli.local import ports
from cli.servers import Servers
from config.settings import Settings


def test_a_missing_library_is_named_with_the_line_that_installs_it() -> None:
    check = doctor.check_pango(("libpango-1.0.so.0", "libpangoft2-9.9.so.0"))
    assert not check.passed
    assert check.required
    assert "libpangoft2-9.9.so.0" in check.detail
    assert "apt-get install -y libpango-1.0-0 libpangoft2-1.0-0" in str(check)


def test_missing_fonts_are_named(tmp_path: Path) -> None:
    assert not doctor.check_fonts(tmp_path).passed
    assert doctor.check_fonts().passed


def test_missing_binaries_are_required_only_while_no_other_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "installed_server", lambda: None)
    check = doctor.check_postgres_binaries(Servers())
    assert (check.passed, check.required, check.repair) == (False, True, "bin/setup")
    assert not doctor.check_postgres_binaries(Servers("postgresql://db.example/laurel")).required


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another user")
def test_a_data_folder_that_postgresqls_user_cannot_pass_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    check = doctor.check_data_dir(tmp_path / "new" / "laurel", Servers())
    assert not check.passed
    assert "cannot pass" in check.detail
    assert "--data-dir" in check.repair
    assert not (tmp_path / "new").exists()


def test_unreachable_servers_fail_the_command_and_no_password_is_shown(data_dir: Path) -> None:
    closed = ports.next_free(15432)
    environment = {
        **os.environ,
        "LAUREL_DATABASE_URL": f"postgresql://laurel:canary-secret@127.0.0.1:{closed}/laurel",
        "LAUREL_SMTP_URL": f"smtp://mailer:canary-secret@127.0.0.1:{closed}",
        "TEMPORAL_ADDRESS": f"127.0.0.1:{closed}",
    }
    ended = run_doctor(data_dir, environment)
    checks = {check["name"]: check for check in json.loads(ended.stdout)}
    assert ended.returncode == 1
    assert "canary-secret" not in ended.stdout + ended.stderr
    for name, variable in (
        ("database", "LAUREL_DATABASE_URL"),
        ("Temporal", "TEMPORAL_ADDRESS"),
        ("mail", "LAUREL_SMTP_URL"),
    ):
        assert not checks[name]["passed"]
        assert variable in checks[name]["repair"]


def test_servers_that_only_dotenv_and_a_profile_name_are_those_that_are_examined(
    data_dir: Path, tmp_path: Path
) -> None:
    where = f"127.0.0.1:{ports.next_free(15432)}"
    (tmp_path / "database-url").write_text(f"postgresql://laurel@{where}/laurel\n")
    dotenv = {"LAUREL_DATABASE_URL_FILE": tmp_path / "database-url", "LAUREL_SMTP_URL": f"smtp://{where}"}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in dotenv.items()))
    (tmp_path / "profiles.toml").write_text(f'[profile.office]\naddress = "{where}"\n')
    profile = {"TEMPORAL_CONFIG_FILE": str(tmp_path / "profiles.toml"), "TEMPORAL_PROFILE": "office"}
    checks = {check["name"]: check for check in json.loads(run_doctor(data_dir, bare() | profile, tmp_path).stdout)}
    for name in ("database", "Temporal", "mail"):
        assert where in checks[name]["detail"]
        assert checks[name]["required"]
    assert not checks["Temporal binary"]["required"]
    assert not checks["PostgreSQL"]["required"]


def test_a_profile_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").touch()
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "profiles.toml"))
    monkeypatch.setenv("TEMPORAL_PROFILE", "office")
    with pytest.raises(StackError, match="Profile 'office' not found"):
        Servers.given(Settings())


@pytest.mark.parametrize(
    ("status", "is_reachable"),
    [(RPCStatusCode.PERMISSION_DENIED, True), (RPCStatusCode.UNIMPLEMENTED, True), (RPCStatusCode.UNAVAILABLE, False)],
)
async def test_a_temporal_that_keeps_its_search_attributes_to_itself_is_reachable(
    monkeypatch: pytest.MonkeyPatch, status: RPCStatusCode, *, is_reachable: bool
) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    server = await asyncio.start_server(lambda *streams: refuse(status, *streams), "127.0.0.1", 0)
    async with server:
        check = await doctor.check_temporal(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert check.passed is is_reachable
    assert ("told by its console alone" in check.detail) is is_reachable


async def refuse(status: RPCStatusCode, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speak just enough HTTP/2 to answer the first call, which asks what the server can do, and refuse the others."""
    data, headers, settings, ping = 0, 1, 4, 6
    ends, is_answer = 1, 1
    await reader.readexactly(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
    writer.write(frame(settings, 0, 0, b""))
    answered = False
    while header := await reader.read(9):
        kind, flags, stream = header[3], header[4], int.from_bytes(header[5:])
        payload = await reader.readexactly(int.from_bytes(header[:3]))
        if kind in {settings, ping} and not flags & is_answer:
            writer.write(frame(kind, is_answer, 0, payload if kind == ping else b""))
        elif kind == data and flags & ends:
            writer.write(frame(headers, 4, stream, b"\x88" + field(b"content-type", b"application/grpc")))
            if not answered:
                writer.write(frame(data, 0, stream, bytes(5)))
            code = b"%d" % (status if answered else 0)
            writer.write(frame(headers, 4 | ends, stream, field(b"grpc-status", code)))
            answered = True
    writer.close()


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def field(name: bytes, value: bytes) -> bytes:
    """A header in plain letters."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def bare() -> dict[str, str]:
    """The environment without what it says of Laurel and Temporal."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("LAUREL_", "TEMPORAL_"))}


def run_doctor(
    data_dir: Path, environment: dict[str, str], folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in a working directory, by default this one."""
    command = [sys.executable, "-m", "cli", "doctor", "--json", "--data-dir", str(data_dir)]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
