"""PostgreSQL committed, and its answer never came: the request is done again, and finds what it did."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import httpx2
import pytest
from fastapi import FastAPI
from psycopg import OperationalError
from sqlalchemy import Engine, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.database import Database
from api.v1.once import answer_once
from config.settings import Settings
from domain.identities import new_id
from storage import people
from storage.database import create_api_engine
from tests.api.conftest import LedgerTemporal, running
from tests.faults.proxy import Wire


@asynccontextmanager
async def wired(settings: Settings, temporal: LedgerTemporal) -> AsyncIterator[tuple[Wire, httpx2.AsyncClient]]:
    """An API whose database answers over a wire."""
    database = make_url(settings.database_url)
    wire = Wire("test", lambda: (str(database.host), int(database.port or 5432)))
    over = database.set(host="127.0.0.1", port=await wire.start()).render_as_string(hide_password=False)
    try:
        async with running(settings.model_copy(update={"database_url": over}), temporal) as (_, client):
            yield wire, client
    finally:
        await wire.stop()


async def link(settings: Settings) -> str:
    """The token of a link that was mailed to a new address."""
    token, engine = secrets.token_urlsafe(32), create_api_engine(settings.database_url, 1)
    async with engine.begin() as connection:
        await people.request_link(connection, f"{new_id('x')}@people.example", token, timedelta(minutes=10), 10)
    await engine.dispose()
    return token


@pytest.mark.parametrize("has_key", [True, False])
async def test_whoever_used_a_link_is_signed_in_although_the_commit_was_not_answered(
    settings: Settings, temporal: LedgerTemporal, has_key: bool
) -> None:
    headers: dict[str, Any] = {"Idempotency-Key": new_id("key")} if has_key else {}
    async with wired(settings, temporal) as (wire, client):
        token = await link(settings)
        wire.lose_commits = 1
        response = await client.post("/v1/session", json={"token": token}, headers=headers)
        assert (response.status_code, wire.lost) == (200, 1)
        signed_in = {"Authorization": f"Bearer {response.json()['access_token']}"}
        assert (await client.get("/v1/session", headers=signed_in)).status_code != 401
        again = await client.post("/v1/session", json={"token": token})
        assert (again.status_code, again.json()["code"]) == (401, "link_invalid")


async def test_whoever_used_a_link_on_its_page_is_signed_in_although_the_commit_was_not_answered(
    settings: Settings, temporal: LedgerTemporal
) -> None:
    async with wired(settings, temporal) as (wire, client):
        token = await link(settings)
        wire.lose_commits = 1
        response = await client.post("/sign-in", data={"token": token})
        assert (response.status_code, wire.lost) == (303, 1)
        assert "laurel_session" in response.cookies


async def test_a_link_is_mailed_once_although_the_commit_was_not_answered(
    settings: Settings, temporal: LedgerTemporal, engine: Engine
) -> None:
    email = f"{new_id('x')}@people.example"
    async with wired(settings, temporal) as (wire, client):
        # The first counts how often this client has asked.
        wire.spare_commits = wire.lose_commits = 1
        response = await client.post("/v1/session/links", json={"email": email})
        assert (response.status_code, wire.lost) == (202, 1)
    query = text("SELECT count(*) FROM sign_in_links WHERE email = :email")
    with engine.connect() as connection:
        assert connection.execute(query, {"email": email}).scalar_one() == 1


async def test_what_has_no_key_is_done_once_although_the_commit_was_not_answered(
    settings: Settings, temporal: LedgerTemporal, engine: Engine
) -> None:
    async with wired(settings, temporal) as (wire, client):
        session = await client.post("/v1/session", json={"token": await link(settings)})
        signed_in = {"Authorization": f"Bearer {session.json()['access_token']}"}
        wire.lose_commits = 1
        made = await client.post("/v1/me/transcript-links", json={"days": 7}, headers=signed_in)
        assert (made.status_code, wire.lost) == (201, 1)
        listed = (await client.get("/v1/me/transcript-links", headers=signed_in)).json()["data"]
        assert [each["id"] for each in listed] == [made.json()["id"]]
    with engine.connect() as connection:
        kept = text("SELECT count(*) FROM idempotency_keys WHERE principal = 'request' AND body ? 'url'")
        assert connection.execute(kept).scalar_one() == 0


class Vanishing(Database):
    """A database that is gone once a transaction is committed."""

    async def statements(self, work: object) -> NoReturn:  # noqa: ARG002  # whatever it is, nothing answers
        raise OperationalError


async def test_what_is_committed_is_answered_although_the_database_went_away_then(
    app: FastAPI, settings: Settings
) -> None:
    database = Vanishing(settings.database_url, 1)

    async def work(connection: AsyncConnection) -> dict[str, Any]:
        return {"answer": await connection.scalar(text("SELECT 42"))}

    response = await answer_once(replace(app.state.services, database=database), None, work)
    await database.close()
    assert (response.status_code, bytes(response.body)) == (200, b'{"answer":42}')
