import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.local import LocalStack


def laurel(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_every_command_without_loading_what_the_commands_need() -> None:
    slow = "temporalio", "sqlalchemy", "fastapi", "weasyprint", "psycopg", "pydantic"
    program = f"""
import sys
sys.argv = ["laurel", "--help"]
from cli.main import run
try:
    run()
finally:
    assert not set(sys.modules) & set({slow!r}), sorted(set(sys.modules) & set({slow!r}))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    for command in ("up", "demo", "doctor", "worker", "api", "mailbox", "db", "temporal", "import", "staff", "config"):
        assert f" {command} " in ended.stdout


def test_config_prints_every_setting_without_passwords() -> None:
    ended = laurel(
        "config",
        LAUREL_DATABASE_URL="postgresql://laurel:canary-secret@db.example/laurel?sslmode=require",
        LAUREL_SMTP_URL="smtps://mailer:canary-secret@mail.example:465",
        TEMPORAL_API_KEY="canary-secret",
        TEMPORAL_ADDRESS="temporal.example:7233",
    )
    assert ended.returncode == 0, ended.stderr
    assert "canary-secret" not in ended.stdout
    assert "LAUREL_DATABASE_URL=postgresql://laurel:***@db.example/laurel?sslmode=require" in ended.stdout
    assert "LAUREL_SMTP_URL=smtps://mailer:***@mail.example:465" in ended.stdout
    assert "TEMPORAL_ADDRESS=temporal.example:7233" in ended.stdout


def test_a_wrong_setting_is_named_in_one_line() -> None:
    ended = laurel("config", LAUREL_LOG_LEVEL="canary-loud")
    assert ended.returncode == 1
    assert ended.stderr.startswith("laurel: a setting is wrong: LAUREL_LOG_LEVEL")
    assert "canary-loud" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_parts_that_the_environment_names_are_not_started(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUREL_DATABASE_URL", "postgresql://laurel:canary-secret@db.example:5433/laurel")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
    secret = data_dir / "smtp-url"
    secret.write_text("smtp://mailer:canary-secret@mail.example\n")
    monkeypatch.setenv("LAUREL_SMTP_URL_FILE", str(secret))
    said: list[str] = []
    stack = LocalStack(data_dir, say=said.append)
    names = [part.name for part in stack._parts]
    workers = ["worker-claims", "worker-documents", "worker-audit"]
    assert names == ["schema", "keys", "search-attributes", *workers, "api"]
    assert stack.database_url.endswith("@db.example:5433/laurel")
    text = "\n".join(said)
    for where in ("db.example:5433", "temporal.example:7233", "mail.example"):
        assert where in text
    assert "canary-secret" not in text
