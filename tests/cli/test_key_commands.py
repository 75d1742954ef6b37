"""``laurel keys``: private halves in a folder, public halves in the record, every change audited."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from typer.testing import CliRunner, Result

from cli.doctor import check_keys
from cli.errors import StackError
from cli.main import app
from config.keys import KeyFolder, KeyPurpose
from config.settings import load_settings
from storage import keys
from storage.audit import first_break
from storage.tables import SigningKeyRow


@pytest.fixture
def folder(database_url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of keys. What other tests sign with goes on signing afterwards, whatever was rotated."""
    monkeypatch.setenv("LAUREL_DATABASE_URL", database_url)
    monkeypatch.setenv("LAUREL_KEYS_DIR", str(tmp_path / "keys"))
    load_settings.cache_clear()
    others = [key_id for purpose in KeyPurpose for key_id in signing(engine, purpose)]
    yield tmp_path / "keys"
    load_settings.cache_clear()
    with engine.begin() as connection:
        connection.execute(update(SigningKeyRow).where(SigningKeyRow.id.in_(others)).values(retired_at=None))


def laurel(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments])


def said(*arguments: str) -> list[str]:
    result = laurel(*arguments)
    assert result.exit_code == 0, result.exception
    return result.stdout.splitlines()


def signing(engine: Engine, purpose: KeyPurpose) -> list[str]:
    with engine.connect() as connection:
        return keys.signing_key_ids(connection, purpose)


def test_missing_keys_are_made_once_and_are_private(folder: Path, engine: Engine) -> None:
    assert len(said("create")) == 2
    assert said("create") == []
    assert folder.stat().st_mode & 0o777 == 0o700
    for purpose in KeyPurpose:
        [key_id] = KeyFolder(folder).ids(purpose)
        assert (folder / f"{key_id}.pem").stat().st_mode & 0o777 == 0o600
        assert key_id in signing(engine, purpose)
        assert any(line.startswith(f"{key_id}: {purpose}, signs") and "here" in line for line in said("list"))


def test_after_a_rotation_only_the_new_key_signs(folder: Path, engine: Engine) -> None:
    said("create")
    [old] = KeyFolder(folder).ids(KeyPurpose.CREDENTIAL)
    new = said("rotate", "credential")[0].partition(":")[0]
    assert signing(engine, KeyPurpose.CREDENTIAL) == [new]
    assert KeyFolder(folder).ids(KeyPurpose.CREDENTIAL) == [old, new]
    assert any(line.startswith(f"{old}: credential, retired") for line in said("list"))
    assert said("create") == []


def test_a_stolen_key_is_revoked_with_a_reason_and_replaced(folder: Path, engine: Engine) -> None:
    said("create")
    stolen = said("rotate", "audit")[0].partition(":")[0]
    assert said("revoke", stolen, "--reason", "The laptop was stolen.")[0].startswith(f"{stolen}: revoked")
    assert stolen not in signing(engine, KeyPurpose.AUDIT)
    [published] = said("create")
    assert signing(engine, KeyPurpose.AUDIT) == [published.partition(":")[0]]
    assert isinstance(laurel("revoke", stolen, "--reason", "Again.").exception, StackError)
    with engine.connect() as connection:
        assert first_break(connection, keys.STREAM) is None


def test_keys_that_were_brought_along_are_published(folder: Path, engine: Engine) -> None:
    brought = KeyFolder(folder).create(KeyPurpose.CREDENTIAL).id
    assert f"{brought}: published" in said("create")
    assert brought in signing(engine, KeyPurpose.CREDENTIAL)


def test_a_file_that_is_no_key_is_named(folder: Path) -> None:
    folder.mkdir()
    (folder / "credential-2026-01-02-00000000.pem").write_text("nonsense")
    assert "credential-2026-01-02-00000000" in str(laurel("create").exception)


async def test_the_doctor_names_keys_that_are_missing_readable_by_others_or_unpublished(
    folder: Path, database_url: str
) -> None:
    missing = await check_keys(folder, database_url, required=False)
    assert (missing.passed, missing.required, missing.repair) == (False, False, "laurel keys create")
    said("create")
    assert (await check_keys(folder, database_url, required=True)).passed
    brought = KeyFolder(folder).create(KeyPurpose.AUDIT).id
    unpublished = await check_keys(folder, database_url, required=False)
    assert (unpublished.passed, unpublished.required, brought in unpublished.detail) == (False, True, True)
    assert (await check_keys(folder, None, required=False)).passed
    (folder / f"{brought}.pem").chmod(0o640)
    exposed = await check_keys(folder, None, required=False)
    assert (exposed.passed, exposed.repair) == (False, f"chmod 600 {folder}/*.pem")


@pytest.mark.parametrize("purpose", list(KeyPurpose))
async def test_the_doctor_misses_a_key_that_may_sign_where_only_ended_ones_are_here(
    folder: Path, database_url: str, engine: Engine, purpose: KeyPurpose
) -> None:
    said("create")
    [old] = KeyFolder(folder).ids(purpose)
    new = KeyFolder(folder).create(purpose).id
    said("create")
    with engine.begin() as connection:
        keys.retire(connection, old, "cli:office")
    assert (await check_keys(folder, database_url, required=False)).passed
    (folder / f"{new}.pem").rename(folder / "away")
    moved = await check_keys(folder, database_url, required=False)
    assert (moved.passed, moved.required) == (False, True)
    assert moved.detail == f"{folder}: no key here may sign for {purpose} (the newest is {new})"
    assert moved.repair.startswith("laurel keys create, or")
    (folder / "away").rename(folder / f"{new}.pem")
    assert (await check_keys(folder, database_url, required=False)).passed
    said("revoke", new, "--reason", "The laptop was stolen.")
    assert not (await check_keys(folder, database_url, required=False)).passed
    said("create")
    assert (await check_keys(folder, database_url, required=False)).passed


async def test_keys_are_not_compared_with_a_record_that_cannot_be_read(folder: Path) -> None:
    said("create")
    check = await check_keys(folder, "postgresql://laurel@127.0.0.1:1/laurel", required=True)
    assert (check.passed, check.required) == (False, False)
