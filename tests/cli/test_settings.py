"""Where settings come from: the environment, ``.env``, and files that either of them names for a secret."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import load_settings

SECRETS = ("database_url", "owner_database_url", "smtp_url", "oidc_client_secret")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory of its own, and an environment that gives no secret."""
    for name in SECRETS:
        monkeypatch.delenv(f"LAUREL_{name.upper()}", raising=False)
        monkeypatch.delenv(f"LAUREL_{name.upper()}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)
    load_settings.cache_clear()
    yield tmp_path
    load_settings.cache_clear()


@pytest.mark.parametrize("name", SECRETS)
def test_a_file_that_dotenv_names_holds_a_secret_as_one_that_the_environment_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    variable = f"LAUREL_{name.upper()}_FILE"
    secrets = {"dotenv": folder / "dotenv", "environment": folder / "environment"}
    for place, file in secrets.items():
        file.write_text(f"{place}\n")
    (folder / ".env").write_text(f"{variable}={secrets['dotenv']}\n")
    assert said(name) == "dotenv"
    monkeypatch.setenv(variable, str(secrets["environment"]))
    assert said(name) == "environment"


def test_a_value_in_the_environment_goes_before_a_file_that_dotenv_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "secret").write_text("smtp://dotenv.example")
    (folder / ".env").write_text(f"LAUREL_SMTP_URL_FILE={folder / 'secret'}\n")
    monkeypatch.setenv("LAUREL_SMTP_URL", "smtp://environment.example")
    assert said("smtp_url") == "smtp://environment.example"


def test_a_file_goes_before_a_value_that_is_said_beside_it(folder: Path) -> None:
    (folder / "secret").write_text("smtp://file.example")
    (folder / ".env").write_text(f"LAUREL_SMTP_URL=smtp://value.example\nLAUREL_SMTP_URL_FILE={folder / 'secret'}\n")
    assert said("smtp_url") == "smtp://file.example"


def said(name: str) -> str:
    load_settings.cache_clear()
    value = getattr(load_settings(), name)
    return value if isinstance(value, str) else str(value.get_secret_value())
