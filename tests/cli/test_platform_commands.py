"""``laurel integrations``: secrets are shown once, and everything is audited."""

import re

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from cli.errors import StackError
from cli.main import app
from config.settings import load_settings
from domain.identities import new_id
from storage import integrations
from storage.audit import first_break

SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=\n")


@pytest.fixture(autouse=True)
def _database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUREL_DATABASE_URL", database_url)
    load_settings.cache_clear()


@pytest.fixture
def name() -> str:
    return new_id("academy").replace("_", "-")


def laurel(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["integrations", *arguments])


def said(*arguments: str) -> str:
    result = laurel(*arguments)
    assert result.exit_code == 0, result.exception
    return result.stdout


def valid_secrets(engine: Engine, name: str) -> tuple[str, ...]:
    with engine.connect() as connection:
        return integrations.valid_secrets(connection, name)


def test_a_platform_gets_a_secret_of_256_bits_that_is_shown_once(name: str, engine: Engine) -> None:
    printed = said("add", name)
    assert SECRET.fullmatch(printed)
    assert valid_secrets(engine, name) == (printed.strip(),)
    listed = said("list")
    assert f"{name}: one secret, added " in listed
    assert "whsec_" not in listed


def test_a_new_secret_leaves_the_one_before_valid_until_it_is_dropped(name: str, engine: Engine) -> None:
    first, second = said("add", name).strip(), said("rotate", name).strip()
    assert valid_secrets(engine, name) == (second, first)
    assert f"{name}: two secrets" in said("list")
    third = said("rotate", name).strip()
    assert valid_secrets(engine, name) == (third, second)
    assert "whsec_" not in said("rotate", name, "--drop-previous")
    assert valid_secrets(engine, name) == (third,)


def test_a_disabled_platform_has_no_valid_secret_and_may_be_added_again(name: str, engine: Engine) -> None:
    before = said("add", name).strip()
    said("disable", name)
    assert valid_secrets(engine, name) == ()
    assert f"{name}: disabled" in said("list")
    after = said("add", name).strip()
    assert valid_secrets(engine, name) == (after,)
    assert after != before


def test_every_change_is_in_the_audit_trail_without_secrets(name: str, engine: Engine) -> None:
    said("add", name)
    said("rotate", name)
    said("rotate", name, "--drop-previous")
    said("disable", name)
    with engine.connect() as connection:
        assert first_break(connection, f"integration:{name}") is None
        rows = connection.exec_driver_sql(
            "SELECT body FROM audit_events WHERE stream = %s ORDER BY seq", (f"integration:{name}",)
        )
        entries = [bytes(row.body) for row in rows]
    events = [re.findall(rb'"event":"([a-z_.]+)"', entry)[-1].decode() for entry in entries]
    assert events == [
        "integration.added",
        "integration.secret_rotated",
        "integration.previous_secret_dropped",
        "integration.disabled",
    ]
    assert b"whsec_" not in b"".join(entries)


@pytest.mark.parametrize("wrong", ["", "Academy", "a/b", "a--b", "-a", "x" * 41])
def test_a_name_that_is_no_address_is_refused(wrong: str) -> None:
    assert isinstance(laurel("add", "--", wrong).exception, StackError)


@pytest.mark.parametrize("arguments", [("rotate",), ("rotate", "--drop-previous"), ("disable",)])
def test_an_unknown_or_disabled_platform_cannot_be_changed(arguments: tuple[str, ...], name: str) -> None:
    command, *options = arguments
    unknown = laurel(command, name, *options)
    said("add", name)
    said("disable", name)
    for refused in (unknown, laurel(command, name, *options)):
        assert isinstance(refused.exception, StackError)
        assert "laurel integrations list" in str(refused.exception)


def test_a_platform_that_is_there_is_not_added_again(name: str, engine: Engine) -> None:
    secret = said("add", name).strip()
    assert isinstance(laurel("add", name).exception, StackError)
    assert valid_secrets(engine, name) == (secret,)
