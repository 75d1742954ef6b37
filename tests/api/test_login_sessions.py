"""Sessions: where an account is signed in, until when, and signing out there."""

import secrets
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import Engine, text

from config.settings import Settings
from domain.devices import device_of
from domain.identities import new_id
from storage import people
from storage.database import create_api_engine
from tests.api.conftest import LedgerTemporal, Person, running, sign_in

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def second_session(person: Person, database_url: str, user_agent: str = "") -> Person:
    """The same person, signed in once more with another program."""
    token, access = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    engine = create_api_engine(database_url, 1)
    async with engine.begin() as connection:
        await people.request_link(connection, person.email, token, timedelta(minutes=10), 10)
        device = device_of(user_agent)
        await people.use_link(connection, token, None, access, timedelta(hours=1), device=device)
    await engine.dispose()
    headers = {"Authorization": f"Bearer {access}"}
    return Person(person.client, person.email, access, person.learner_id, person.account_id, headers)


def set_back(engine: Engine, person: Person, column: str, interval: str) -> None:
    """Let something of this person's sessions have happened earlier."""
    with engine.begin() as connection:
        statement = f"UPDATE login_sessions SET {column} = {column} - interval '{interval}' WHERE account_id = :id"  # noqa: S608  # ours
        connection.execute(text(statement), {"id": person.account_id})


async def sessions(person: Person) -> list[dict[str, object]]:
    return list((await person.get("/v1/me/sessions")).json()["data"])


async def test_a_session_is_shown_with_browser_and_system_and_the_one_that_asks_comes_first(
    learner: Person, database_url: str
) -> None:
    other = await second_session(learner, database_url, FIREFOX)
    mine, theirs = await sessions(learner)
    assert (mine["is_current"], mine["browser"], mine["system"]) == (True, None, None)
    assert (theirs["is_current"], theirs["browser"], theirs["system"]) == (False, "Firefox", "Linux")
    assert [each["id"] for each in await sessions(other)] == [theirs["id"], mine["id"]]


async def test_whoever_signs_in_with_a_browser_sees_its_name_and_nothing_more_of_it(
    client: httpx2.AsyncClient, engine: Engine
) -> None:
    email = f"{new_id('x')}@people.example"
    await client.post("/v1/session/links", json={"email": email})
    with engine.connect() as connection:
        query = text("SELECT token FROM sign_in_links WHERE email = :email")
        token = connection.execute(query, {"email": email}).scalar_one()
    answer = await client.post("/v1/session", json={"token": token}, headers={"User-Agent": FIREFOX})
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    [shown] = (await client.get("/v1/me/sessions", headers=headers)).json()["data"]
    assert (shown["browser"], shown["system"]) == ("Firefox", "Linux")
    with engine.connect() as connection:
        query = text("SELECT to_jsonb(s)::text FROM login_sessions s WHERE id = :id")
        stored = connection.execute(query, {"id": shown["id"]}).scalar_one()
    assert FIREFOX not in stored
    assert FIREFOX.rpartition("/")[2] not in stored


async def test_signing_out_elsewhere_ends_that_session_and_no_other(learner: Person, database_url: str) -> None:
    other = await second_session(learner, database_url)
    theirs = str((await sessions(learner))[1]["href"])
    for _ in range(2):
        assert (await learner.call("DELETE", theirs)).status_code == 204
    assert (await other.get("/v1/me")).status_code == 401
    assert len(await sessions(learner)) == 1


async def test_signing_out_everywhere_else_keeps_the_session_that_asks(learner: Person, database_url: str) -> None:
    others = [await second_session(learner, database_url) for _ in range(2)]
    assert (await learner.call("DELETE", "/v1/me/sessions")).status_code == 204
    assert [(await other.get("/v1/me")).status_code for other in others] == [401, 401]
    assert [each["is_current"] for each in await sessions(learner)] == [True]


async def test_somebody_elses_session_is_as_absent_as_none(learner: Person, coordinator: Person) -> None:
    theirs = str((await sessions(coordinator))[0]["href"])
    for path in (theirs, f"/v1/me/sessions/{new_id('ses')}", "/v1/me/sessions/ses_x", "/v1/me/sessions/%00"):
        answer = await learner.call("DELETE", path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await coordinator.get("/v1/me")).status_code == 200


async def test_a_session_that_nobody_uses_ends(learner: Person, engine: Engine, settings: Settings) -> None:
    set_back(engine, learner, "last_seen_at", f"{settings.session_idle_minutes} minutes")
    assert (await learner.get("/v1/me")).status_code == 401


async def test_a_session_in_use_goes_on_and_its_use_is_noted_after_five_minutes(
    learner: Person, engine: Engine, settings: Settings
) -> None:
    def seen() -> object:
        with engine.connect() as connection:
            query = text("SELECT last_seen_at FROM login_sessions WHERE account_id = :id")
            return connection.execute(query, {"id": learner.account_id}).scalar_one()

    set_back(engine, learner, "last_seen_at", "4 minutes")
    before = seen()
    assert (await learner.get("/v1/me")).status_code == 200
    assert seen() == before
    set_back(engine, learner, "last_seen_at", f"{settings.session_idle_minutes - 5} minutes")
    assert (await learner.get("/v1/me")).status_code == 200
    assert seen() > before  # type: ignore[operator]


async def test_a_session_ends_with_its_life_however_much_it_is_used(learner: Person, engine: Engine) -> None:
    set_back(engine, learner, "expires_at", "1 hour")
    assert (await learner.get("/v1/me")).status_code == 401


async def test_sessions_that_have_ended_are_not_shown(learner: Person, database_url: str, engine: Engine) -> None:
    await (await second_session(learner, database_url)).call("DELETE", "/v1/session")
    late = await second_session(learner, database_url)
    with engine.begin() as connection:
        statement = text("UPDATE login_sessions SET last_seen_at = now() - interval '1 day' WHERE id = :id")
        connection.execute(statement, {"id": (await sessions(late))[0]["id"]})
    assert len(await sessions(learner)) == 1


@pytest.mark.parametrize(
    ("public_url", "name", "is_secure"),
    [("https://laurel.test", "__Host-laurel_session", True), ("http://laurel.test", "laurel_session", False)],
)
async def test_the_cookie_belongs_to_this_host_alone_where_the_connection_is_safe(
    public_url: str, name: str, is_secure: bool, settings: Settings, temporal: LedgerTemporal
) -> None:
    token = new_id("token")
    engine = create_api_engine(settings.database_url, 1)
    async with engine.begin() as connection:
        await people.request_link(connection, f"{token}@people.example", token, timedelta(minutes=5), 5)
    await engine.dispose()
    async with running(settings.model_copy(update={"public_url": public_url}), temporal) as (_, client):
        answer = await client.post("/sign-in", data={"token": token}, headers={"Origin": public_url})
        cookie = next(each for each in answer.headers.get_list("set-cookie") if "laurel_session" in each)
        value = cookie.partition("=")[2].partition(";")[0]
        home = await client.get("/profile/sessions", headers={"Cookie": f"{name}={value}"})
    assert cookie.startswith(f"{name}=")
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert ("Secure" in cookie.split("; ")) is is_secure
    assert "Domain" not in cookie
    assert home.status_code == 200


async def test_signing_in_once_more_leaves_the_session_before_as_it_is(
    database_url: str, client: httpx2.AsyncClient
) -> None:
    person = await sign_in(database_url, client)
    again = await second_session(person, database_url)
    assert person.token != again.token
    assert (await person.get("/v1/me")).status_code == (await again.get("/v1/me")).status_code == 200
