"""Accounts and their roles, whoever gives and takes them: what is entered, and which sessions end."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, insert, select

from domain.identities import new_id
from domain.roles import Role
from storage import accounts
from storage.acts import Actor
from storage.tables import LearnerRow, LoginSessionRow
from tests.audit import entries_of

ISSUER = "https://id.hospital.example"


@pytest.fixture
def account_id(engine: Engine) -> str:
    """A coordinator who is signed in."""
    with engine.begin() as connection:
        account_id = accounts.give_role(connection, f"{new_id('x')}@people.example", Role.COORDINATOR, Actor("cli:ada"))
    sign_in(engine, account_id)
    return account_id


def sign_in(engine: Engine, account_id: str) -> None:
    with engine.begin() as connection:
        expires_at = datetime.now(UTC) + timedelta(hours=1)
        row = {"token_hash": new_id("x").encode(), "id": new_id("ses"), "account_id": account_id}
        connection.execute(insert(LoginSessionRow).values(**row, expires_at=expires_at))


def sessions(engine: Engine, account_id: str) -> int:
    with engine.connect() as connection:
        query = select(func.count()).where(LoginSessionRow.account_id == account_id)
        return connection.execute(query).scalar_one()


def changes(engine: Engine, account_id: str) -> list[tuple[str, str | None, str, str | None]]:
    """What is entered about the account: who, the role before and after, and the provider that said so."""
    with engine.connect() as connection:
        learner_id = connection.execute(select(LearnerRow.id).where(LearnerRow.account_id == account_id)).scalar_one()
    entries = entries_of(engine, f"learner:{learner_id}")
    return [
        (each["actor"], each["before"]["role"], each["after"]["role"], each["after"].get("issuer")) for each in entries
    ]


def test_a_role_that_a_provider_takes_or_gives_is_entered_with_its_name_and_ends_the_sessions(
    engine: Engine, account_id: str
) -> None:
    with engine.begin() as connection:
        accounts.change_role(connection, account_id, Role.LEARNER, ISSUER)
    assert changes(engine, account_id)[1:] == [("laurel", "coordinator", "learner", ISSUER)]
    assert sessions(engine, account_id) == 0


def test_a_provider_that_says_what_is_so_already_changes_nothing(engine: Engine, account_id: str) -> None:
    with engine.begin() as connection:
        accounts.change_role(connection, account_id, Role.COORDINATOR, ISSUER)
    assert len(changes(engine, account_id)) == 1
    assert sessions(engine, account_id) == 1


def test_whoever_gets_another_role_from_anybody_signs_in_anew(engine: Engine, account_id: str) -> None:
    with engine.begin() as connection:
        accounts.change_account(connection, account_id, {"role": Role.AUDITOR}, Actor("acc_chief"), "Moved.")
    assert sessions(engine, account_id) == 0
    sign_in(engine, account_id)
    with engine.begin() as connection:
        accounts.change_account(connection, account_id, {"is_active": True}, Actor("acc_chief"), "Checked.")
    assert sessions(engine, account_id) == 1


def test_a_learner_who_comes_to_work_in_the_office_stays_signed_in(engine: Engine, account_id: str) -> None:
    with engine.begin() as connection:
        accounts.change_account(connection, account_id, {"role": Role.LEARNER}, Actor("acc_chief"), "Left.")
    sign_in(engine, account_id)
    with engine.begin() as connection:
        accounts.change_account(connection, account_id, {"role": Role.VIEWER}, Actor("acc_chief"), "Is back.")
    assert sessions(engine, account_id) == 1


def test_nobody_has_an_account_that_is_not_there(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(LookupError):
        accounts.change_role(connection, new_id("acc"), Role.LEARNER, ISSUER)
