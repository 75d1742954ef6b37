"""What lives shortly goes by itself, and what is still needed does not."""

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, text

from activities.housekeeping import Housekeeper
from domain.identities import new_id
from storage.housekeeping import tidy_up

_KEY = """
    INSERT INTO idempotency_keys (principal, key, fingerprint, created_at)
    VALUES ('acc_x', :id, '', clock_timestamp() - :age)
"""
_LINK = """
    INSERT INTO sign_in_links (id, token_hash, email, requested_at, expires_at)
    VALUES (:id, sha256(convert_to(:id, 'UTF8')), 'a@x.example', clock_timestamp() - :age, clock_timestamp())
"""
_SESSION = """
    INSERT INTO login_sessions (id, token_hash, account_id, expires_at)
    VALUES (:id, sha256(convert_to(:id, 'UTF8')), :id, clock_timestamp() - :age)
"""
_BULK = """
    INSERT INTO bulk_actions (id, account_id, action, body, filter, previewed_at)
    VALUES (:id, :id, 'hold', '{}', '{}', clock_timestamp() - :age)
"""
WITH_ACCOUNT = {"login_sessions", "bulk_actions"}
ROWS = {
    "bulk_actions": ("id", _BULK, timedelta(days=30)),
    "idempotency_keys": ("key", _KEY, timedelta(days=30)),
    "sign_in_links": ("id", _LINK, timedelta(days=1)),
    "login_sessions": ("account_id", _SESSION, timedelta()),
}


def added(engine: Engine, table: str, difference: timedelta) -> str:
    row_id = new_id("hk")
    _, statement, life = ROWS[table]
    with engine.begin() as connection:
        if table in WITH_ACCOUNT:
            account = "INSERT INTO accounts (id, email, role) VALUES (:id, :id || '@x.example', 'learner')"
            connection.execute(text(account), {"id": row_id})
        connection.execute(text(statement), {"id": row_id, "age": life + difference})
    return row_id


def is_there(engine: Engine, table: str, row_id: str) -> bool:
    column = ROWS[table][0]
    with engine.connect() as connection:
        query = text(f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {column} = :id)")  # noqa: S608  # ours
        return bool(connection.execute(query, {"id": row_id}).scalar_one())


def test_keys_links_sessions_and_bulk_actions_live_as_long_as_they_are_said_to(engine: Engine) -> None:
    minute = timedelta(minutes=1)
    old = {table: added(engine, table, minute) for table in ROWS}
    young = {table: added(engine, table, -minute) for table in ROWS}
    removed = tidy_up(engine)
    assert all(removed[table] >= 1 for table in ROWS)
    assert {table: is_there(engine, table, row_id) for table, row_id in old.items()} == dict.fromkeys(ROWS, False)
    assert {table: is_there(engine, table, row_id) for table, row_id in young.items()} == dict.fromkeys(ROWS, True)


def test_the_address_of_an_old_e_mail_goes_and_its_row_keeps_it_from_being_sent_twice(engine: Engine) -> None:
    def email(state: str, days: int) -> str:
        email_id = new_id("eml")
        insert = """
            INSERT INTO outgoing_emails (id, purpose, subject_id, recipient, state, created_at)
            VALUES (:id, 'award', :id, 'a@x.example', :state, clock_timestamp() - :age)
        """
        with engine.begin() as connection:
            connection.execute(text(insert), {"id": email_id, "state": state, "age": timedelta(days=days)})
        return email_id

    def recipient(email_id: str) -> Any:
        with engine.connect() as connection:
            query = text("SELECT recipient FROM outgoing_emails WHERE id = :id")
            return connection.execute(query, {"id": email_id}).scalar_one()

    emails = [email("sent", 367), email("sent", 363), email("reserved", 367)]
    assert tidy_up(engine)["outgoing_emails"] >= 1
    assert [recipient(each) for each in emails] == ["", "a@x.example", "a@x.example"]


async def test_the_housekeeper_goes_round_again_after_an_outage(engine: Engine) -> None:
    class FailingOnce:
        """An engine whose database is away the first time."""

        def __init__(self) -> None:
            self.tries = 0

        def begin(self) -> Any:
            self.tries += 1
            if self.tries == 1:
                raise OSError
            return engine.begin()

    failing: Any = FailingOnce()
    link = added(engine, "sign_in_links", timedelta(minutes=1))
    rounds = asyncio.create_task(Housekeeper(failing).run(timedelta(milliseconds=1)))
    for _ in range(3_000):
        if not is_there(engine, "sign_in_links", link):
            break
        await asyncio.sleep(0.01)
    rounds.cancel()
    assert not is_there(engine, "sign_in_links", link)
    assert failing.tries > 1
