import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import doctor
from cli.local import ports


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
    check = doctor.check_postgres_binaries()
    assert (check.passed, check.required, check.repair) == (False, True, "bin/setup")
    monkeypatch.setenv("LAUREL_DATABASE_URL", "postgresql://db.example/laurel")
    assert not doctor.check_postgres_binaries().required


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another user")
def test_a_data_folder_that_postgresqls_user_cannot_pass_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    check = doctor.check_data_dir(tmp_path / "new" / "laurel")
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


def run_doctor(data_dir: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "doctor", "--json", "--data-dir", str(data_dir)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
