"""``laurel retention``, ``laurel staff`` and ``laurel audit replay``: what they print, and what they leave behind."""

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from cli.actor import cli_actor
from cli.errors import StackError
from cli.main import app
from config.settings import load_settings
from domain.identities import new_id
from tests.audit import entries_of


@pytest.fixture(autouse=True)
def _database(database_url: str, owner_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUREL_DATABASE_URL", database_url)
    monkeypatch.setenv("LAUREL_OWNER_DATABASE_URL", owner_database_url)
    load_settings.cache_clear()


def laurel(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def said(*arguments: str) -> str:
    result = laurel(*arguments)
    assert result.exit_code == 0, result.exception
    return result.stdout


def refused(*arguments: str) -> str:
    result = laurel(*arguments)
    assert isinstance(result.exception, StackError)
    return str(result.exception)


@pytest.fixture
def address() -> str:
    return f"{new_id('x')}@people.example"


def learner_of(engine: Engine, account_id: str) -> str:
    with engine.connect() as connection:
        query = text("SELECT id FROM learners WHERE account_id = :id")
        learner_id: str = connection.execute(query, {"id": account_id}).scalar_one()
    return learner_id


def test_a_hold_is_placed_listed_and_released(engine: Engine, address: str) -> None:
    learner_id = learner_of(engine, said("staff", "add", address, "--role", "auditor").strip())
    hold_id, _, held = said("retention", "hold", learner_id, "--reason", "A lawsuit.").strip().partition(" ")
    assert held == f"holds learner:{learner_id}"
    listed = said("retention", "list")
    assert f"{hold_id}  learner:{learner_id}  since " in listed
    assert "A lawsuit." not in listed
    assert refused("retention", "erase-contact", learner_id, "--reason", "Asked.").startswith("a legal hold")
    assert said("retention", "release", hold_id, "--reason", "Settled.").endswith("no more\n")
    assert hold_id not in said("retention", "list")
    assert ", lifted " in next(line for line in said("retention", "list", "--all").splitlines() if hold_id in line)


def test_what_does_not_exist_is_neither_held_nor_released_nor_erased() -> None:
    assert refused("retention", "hold", "clm_none", "--reason", "?") == "there is no such claim, learner or CE activity"
    assert refused("retention", "release", "hld_none", "--reason", "?") == "there is no such hold"
    assert refused("retention", "erase-contact", "lrn_none", "--reason", "?") == "there is no such learner"
    assert refused("staff", "deactivate", "nobody@people.example", "--reason", "?") == "no account has this address"
    assert refused("audit", "replay", "--claim", "clm_none") == "there is no such claim"


def test_a_purge_is_counted_unless_it_is_applied_on_somebodys_authority() -> None:
    assert "nothing was removed; --apply removes what is due" in said("retention", "purge", "--before", "1990-01-01")
    assert refused("retention", "purge", "--before", "1990-01-01", "--apply").startswith("say on whose authority")
    assert "must not lie in the future" in refused("retention", "purge", "--before", "2999-01-01")
    applied = said("retention", "purge", "--before", "1990-01-01", "--apply", "--authority", "schedule 7")
    assert "claims: none is old enough" in applied


def test_a_role_is_given_changed_and_taken_and_each_is_entered_once(engine: Engine, address: str) -> None:
    account_id = said("staff", "add", address, "--role", "coordinator").strip()
    for role in ("coordinator", "approver"):
        assert said("staff", "add", address, "--role", role).strip() == account_id
    for _ in range(2):
        assert said("staff", "deactivate", address, "--reason", "Left the office.").strip() == account_id
    entries = entries_of(engine, f"learner:{learner_of(engine, account_id)}")
    told = [(each["event"], each["before"]["role"], each["after"]["role"]) for each in entries]
    assert told == [
        ("account.role_given", None, "coordinator"),
        ("account.role_given", "coordinator", "approver"),
        ("account.deactivated", "approver", "approver"),
    ]
    assert {each["actor"] for each in entries} == {cli_actor()}
    assert {each["email"] for each in entries} == {address}
    assert entries[-1]["after"]["is_active"] is False


def test_whoever_gets_another_role_at_the_command_line_signs_in_anew(engine: Engine, address: str) -> None:
    account_id = said("staff", "add", address, "--role", "coordinator").strip()
    with engine.begin() as connection:
        query = "INSERT INTO login_sessions (token_hash, id, account_id, expires_at) VALUES (:h, :i, :a, now() + '1 h')"
        connection.execute(text(query), {"h": account_id.encode(), "i": new_id("ses"), "a": account_id})
    counted = text("SELECT count(*) FROM login_sessions WHERE account_id = :a")
    left = []
    for role in ("coordinator", "viewer"):
        said("staff", "add", address, "--role", role)
        with engine.connect() as connection:
            left.append(connection.execute(counted, {"a": account_id}).scalar_one())
    assert left == [1, 0]


def test_whoever_is_erased_leaves_an_address_that_nobody_can_read(engine: Engine, address: str) -> None:
    account_id = said("staff", "add", address, "--role", "auditor").strip()
    learner_id = learner_of(engine, account_id)
    assert said("retention", "erase-contact", learner_id, "--reason", "Asked.").endswith("no record must be kept\n")
    assert said("retention", "erase-contact", learner_id, "--reason", "Asked.").endswith("was erased before\n")
    entries = entries_of(engine, f"learner:{learner_id}")
    assert [each["event"] for each in entries] == ["account.role_given", "erasure.contact", "erasure.record"]
    assert not [each for each in entries if address in str(each)]
    assert refused("staff", "deactivate", address, "--reason", "Gone.") == "no account has this address"
