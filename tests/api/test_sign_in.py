"""Signing in by an e-mailed link, and out again."""

import asyncio
from collections.abc import Callable

import httpx2
import pytest
from sqlalchemy import Engine, text

from config.settings import Settings
from domain.identities import new_id
from tests.api.conftest import PUBLIC_URL, LedgerTemporal, Person, running, sign_in


@pytest.fixture
def email() -> str:
    return f"{new_id('x')}@people.example"


@pytest.fixture
def tokens(engine: Engine) -> Callable[[str], list[str]]:
    """The tokens in the mails to an address that wait to be sent."""

    def read(email: str) -> list[str]:
        query = """
            SELECT l.token FROM sign_in_links l
            JOIN outgoing_emails m ON m.purpose = 'sign_in_link' AND m.subject_id = l.id AND m.recipient = l.email
            WHERE lower(l.email) = lower(:email) AND l.token IS NOT NULL ORDER BY l.requested_at
        """
        with engine.connect() as connection:
            return list(connection.execute(text(query), {"email": email}).scalars())

    return read


async def ask(client: httpx2.AsyncClient, email: str, key: str | None = None) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await client.post("/v1/session/links", json={"email": email}, headers=headers)


async def use(client: httpx2.AsyncClient, token: str, key: str | None = None) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await client.post("/v1/session", json={"token": token}, headers=headers)


async def test_a_link_makes_a_learner_of_a_new_address(
    client: httpx2.AsyncClient, email: str, tokens: Callable[[str], list[str]]
) -> None:
    assert (await ask(client, email)).status_code == 202
    session = (await use(client, tokens(email)[0])).json()
    me = await client.get("/v1/me", headers={"Authorization": f"Bearer {session['access_token']}"})
    assert (me.json()["email"], me.json()["role"]) == (email, "learner")


async def test_a_link_works_once(client: httpx2.AsyncClient, email: str, tokens: Callable[[str], list[str]]) -> None:
    await ask(client, email)
    token = tokens(email)[0]
    assert (await use(client, token)).status_code == 200
    again = await use(client, token)
    assert (again.status_code, again.json()["code"]) == (401, "link_invalid")


async def test_a_lost_answer_can_be_fetched_again_with_the_same_key(
    client: httpx2.AsyncClient, email: str, tokens: Callable[[str], list[str]]
) -> None:
    await ask(client, email)
    token = tokens(email)[0]
    first, second = await use(client, token, "k"), await use(client, token, "k")
    assert first.json()["access_token"] != second.json()["access_token"]
    assert (await use(client, token, "other")).status_code == 401


async def test_a_link_that_two_browsers_use_at_once_signs_one_of_them_in(
    client: httpx2.AsyncClient, email: str, tokens: Callable[[str], list[str]]
) -> None:
    await ask(client, email)
    token = tokens(email)[0]
    responses = await asyncio.gather(*(use(client, token) for _ in range(4)))
    assert sorted(response.status_code for response in responses) == [200, 401, 401, 401]


async def test_an_old_link_does_not_work(
    client: httpx2.AsyncClient, email: str, tokens: Callable[[str], list[str]], engine: Engine
) -> None:
    await ask(client, email)
    token = tokens(email)[0]
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE sign_in_links SET expires_at = clock_timestamp() WHERE email = :e"), {"e": email}
        )
    assert (await use(client, token)).json()["code"] == "link_invalid"


async def test_a_repeated_key_sends_no_second_mail(
    client: httpx2.AsyncClient, email: str, tokens: Callable[[str], list[str]]
) -> None:
    first, second = await ask(client, email, "k"), await ask(client, email, "k")
    assert first.json() == second.json()
    assert len(tokens(email)) == 1


async def test_an_address_gets_only_so_many_links_and_nobody_can_tell(
    client: httpx2.AsyncClient, email: str, tokens: Callable[[str], list[str]], settings: Settings
) -> None:
    answers = [await ask(client, email) for _ in range(settings.sign_in_links_per_hour + 2)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert len(tokens(email)) == settings.sign_in_links_per_hour


async def test_known_and_unknown_addresses_get_the_same_answer(
    client: httpx2.AsyncClient, learner: Person, email: str
) -> None:
    known, unknown = await ask(client, learner.email), await ask(client, email)
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)


async def test_a_client_that_asks_for_many_addresses_has_to_wait(settings: Settings, temporal: LedgerTemporal) -> None:
    few = settings.model_copy(update={"sign_in_links_per_hour": 1})
    async with running(few, temporal) as (_, client):
        answers = [await ask(client, f"{new_id('x')}@people.example") for _ in range(11)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_signing_out_ends_the_session_at_once(client: httpx2.AsyncClient, learner: Person) -> None:
    assert (await learner.call("DELETE", "/v1/session")).status_code == 204
    response = await learner.get("/v1/me")
    assert (response.status_code, response.json()["code"]) == (401, "not_signed_in")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_only_hashes_of_access_tokens_are_stored(learner: Person, engine: Engine) -> None:
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT string_agg(s::text, '') FROM login_sessions s")).scalar_one()
    assert learner.token not in stored


async def test_deactivated_accounts_are_signed_out(learner: Person, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE accounts SET deactivated_at = now() WHERE id = :id"), {"id": learner.account_id}
        )
    assert (await learner.get("/v1/me")).status_code == 401


async def test_opening_the_mailed_page_uses_nothing_up(
    client: httpx2.AsyncClient, email: str, tokens: Callable[[str], list[str]]
) -> None:
    await ask(client, email)
    token = tokens(email)[0]
    page = await client.get(f"/sign-in?token={token}")
    assert page.status_code == 200
    assert "<form" in page.text
    assert page.headers["referrer-policy"] == "same-origin"
    signed_in = await client.post("/sign-in", data={"token": token})
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/profile/look-up")
    cookie = signed_in.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert (await client.get("/")).status_code == 200


async def test_a_form_from_another_site_is_refused(client: httpx2.AsyncClient, email: str) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        response = await client.post("/sign-in/links", data={"email": email}, headers=headers)
        assert (response.status_code, response.json()["code"]) == (403, "cross_site")
    same = await client.post("/sign-in/links", data={"email": email}, headers={"Origin": PUBLIC_URL})
    assert same.status_code == 200


async def test_the_cookie_opens_pages_but_not_the_api(database_url: str, client: httpx2.AsyncClient) -> None:
    person = await sign_in(database_url, client)
    cookie = {"Cookie": f"laurel_session={person.token}"}
    assert (await client.get("/", headers=cookie)).status_code == 200
    assert (await client.get("/v1/me", headers=cookie)).status_code == 401
