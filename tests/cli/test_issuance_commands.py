"""``laurel issuance``: what it prints, and that a pause is lifted by whom it is of."""

import pytest
from sqlalchemy import Engine, insert
from typer.testing import CliRunner, Result

from cli.actor import cli_actor
from cli.errors import StackError
from cli.main import app
from config.settings import load_settings
from domain.identities import new_id
from storage import issuance
from storage.tables import ProviderRow
from tests.audit import entries_of


@pytest.fixture(autouse=True)
def _database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUREL_DATABASE_URL", database_url)
    load_settings.cache_clear()


@pytest.fixture
def provider(engine: Engine) -> str:
    slug = new_id("prv").replace("_", "-")
    with engine.begin() as connection:
        connection.execute(insert(ProviderRow).values(slug=slug, name="Academy", acronym="CE"))
    return slug


def laurel(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["issuance", *arguments])


def said(*arguments: str) -> str:
    result = laurel(*arguments)
    assert result.exit_code == 0, result.exception
    return result.stdout


def refused(*arguments: str) -> str:
    result = laurel(*arguments)
    assert isinstance(result.exception, StackError)
    return str(result.exception)


def test_a_pause_is_placed_listed_and_lifted_by_its_provider(engine: Engine, provider: str) -> None:
    why = ("--provider", provider, "--reason", "A laptop is lost.")
    placed = said("pause", *why, "--reason-code", "key_compromised")
    pause_id = placed.split(maxsplit=1)[0]
    assert placed == f"{pause_id} pauses issuance of {provider}\n"
    assert said("pause", *why) == f"{pause_id} already pauses issuance of {provider}\n"
    listed = said("list")
    assert f"{pause_id}  {provider}  key_compromised  since " in listed
    assert listed.splitlines()[-1].startswith("waiting: ")
    assert "A laptop is lost." not in listed
    resumed = said("resume", "--provider", provider, "--reason", "It was found.")
    assert resumed.splitlines()[0] == f"{pause_id} pauses issuance of {provider} no more"
    assert pause_id not in said("list")
    assert ", lifted " in next(line for line in said("list", "--all").splitlines() if pause_id in line)
    entries = [each for each in entries_of(engine, issuance.STREAM) if each["after"]["pause"] == pause_id]
    assert [(each["event"], each["actor"]) for each in entries] == [
        ("issuance.paused", cli_actor()),
        ("issuance.resumed", cli_actor()),
    ]


def test_a_pause_of_all_is_lifted_apart_from_that_of_one_provider(provider: str) -> None:
    one = said("pause", "--provider", provider, "--reason", "A drill.").split(maxsplit=1)[0]
    every = said("pause", "--reason", "A drill.")
    assert every.endswith(" pauses issuance of every provider\n")
    resumed = said("resume", "--reason", "Over.")
    assert f"{one} still pauses issuance of {provider}" in resumed
    said("resume", "--provider", provider, "--reason", "Over.")


def test_what_is_not_known_or_not_paused_is_named_as_such(provider: str) -> None:
    assert refused("pause", "--provider", "nobody", "--reason", "?").startswith("no provider with this slug")
    assert refused("resume", "--provider", provider, "--reason", "?").startswith("no such pause is in force")
