"""Signing in through an identity provider: whom it lets in, whose account they get, and what it may not claim."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc.jwk import OctKey, RSAKey
from pydantic import SecretStr
from sqlalchemy import Engine, text

from config.settings import Settings
from domain.identities import new_id
from domain.roles import Role
from storage import accounts, people
from storage.database import create_api_engine
from tests.api.conftest import LedgerTemporal, running, sign_in
from tests.api.providers import OddProvider, real_provider
from tests.audit import entries_of

START = "/sign-in/provider"
CALLBACK = "/sign-in/provider/callback"
SECRET = "a-secret-that-both-know-and-nobody-else-in-the-world"


def with_provider(settings: Settings, issuer: str, **more: Any) -> Settings:
    secret = SecretStr(SECRET)
    chosen = {"oidc_issuer": issuer, "oidc_client_id": "laurel", "oidc_client_secret": secret, "oidc_name": "Lakeside"}
    return settings.model_copy(update=chosen | more)


@pytest.fixture(scope="module")
def server() -> Iterator[OddProvider]:
    provider = OddProvider()
    yield provider
    provider.stop()


@pytest.fixture
def provider(server: OddProvider) -> OddProvider:
    server.behave()
    return server


@pytest.fixture(scope="module")
async def installation(
    server: OddProvider, settings: Settings, temporal: LedgerTemporal
) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(with_provider(settings, server.issuer), temporal) as (_, client):
        yield client


@pytest.fixture
def email() -> str:
    return f"{new_id('x')}@hospital.example"


@pytest.fixture
def browser(provider: OddProvider, installation: httpx2.AsyncClient, email: str) -> httpx2.AsyncClient:
    """A browser at an installation with the odd provider, which knows one person."""
    provider.claims = {"sub": new_id("sub"), "email": email}
    installation.cookies.clear()
    return installation


async def there_and_back(browser: httpx2.AsyncClient, provider: OddProvider, **changed: str) -> httpx2.Response:
    """Go to the provider, be let in there, and come back; ``changed`` is laid over what comes back."""
    away = await browser.get(START)
    assert away.status_code == 303, away.text
    return await browser.get(CALLBACK, params=provider.ask(away.headers["location"]) | changed)


def account(engine: Engine, email: str) -> Any:
    with engine.connect() as connection:
        query = text("SELECT a.id, a.role, l.id AS learner_id FROM accounts a JOIN learners l ON l.account_id = a.id "
                     "WHERE a.email = :email")  # fmt: skip
        return connection.execute(query, {"email": email}).one_or_none()


async def is_signed_in(browser: httpx2.AsyncClient) -> bool:
    return (await browser.get("/profile/sessions")).status_code == 200


async def test_a_real_provider_signs_a_person_in_whose_first_visit_makes_a_learner(
    settings: Settings, temporal: LedgerTemporal, engine: Engine, email: str
) -> None:
    subject = new_id("sub")
    with real_provider() as issuer:
        known = {"email": email, "email_verified": True}
        httpx2.put(f"{issuer}/users/{subject}", json=known).raise_for_status()
        async with running(with_provider(settings, issuer), temporal) as (_, browser):
            page = await browser.get("/sign-in")
            away = await browser.get(START)
            agreed = httpx2.post(away.headers["location"], data={"sub": subject})
            back = await browser.get(agreed.headers["location"])
            assert (back.status_code, back.headers["location"]) == (303, "/profile/look-up")
            assert await is_signed_in(browser)
    assert "Sign in with Lakeside" in page.text
    assert account(engine, email).role == "learner"


async def test_whoever_does_not_agree_there_is_asked_again_here(
    browser: httpx2.AsyncClient, provider: OddProvider
) -> None:
    state = provider.ask((await browser.get(START)).headers["location"])["state"]
    refused = await browser.get(CALLBACK, params={"state": state, "error": "access_denied"})
    assert refused.status_code == 403
    assert "You were not signed in there." in refused.text
    assert '<a href="#provider">' in refused.text


async def test_without_a_provider_there_is_no_such_page_and_no_button(client: httpx2.AsyncClient) -> None:
    assert "Sign in with" not in (await client.get("/sign-in")).text
    for path in (START, CALLBACK):
        assert (await client.get(path)).status_code == 404


async def test_the_browser_takes_a_state_a_nonce_and_a_challenge_along_and_no_secret(
    browser: httpx2.AsyncClient, provider: OddProvider
) -> None:
    away = await browser.get(START)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(away.headers["location"]).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert set(asked["scope"].split()) == {"openid", "email"}
    assert asked["redirect_uri"] == "http://laurel.test/sign-in/provider/callback"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    kept = away.headers["set-cookie"]
    assert kept.partition("=")[2].partition(";")[0] not in away.headers["location"]
    assert "HttpOnly" in kept
    assert "Max-Age=600" in kept
    assert (await browser.get(START)).headers["location"] != away.headers["location"]


async def test_whoever_wanted_a_page_gets_there(
    browser: httpx2.AsyncClient, provider: OddProvider, email: str, database_url: str
) -> None:
    await sign_in(database_url, browser, email=email)
    await browser.get("/profile/sessions")
    back = await there_and_back(browser, provider)
    assert back.headers["location"] == "/profile/sessions"


async def test_a_newcomer_is_looked_up_before_the_page_that_was_wanted(
    browser: httpx2.AsyncClient, provider: OddProvider
) -> None:
    await browser.get("/profile/sessions")
    back = await there_and_back(browser, provider)
    assert back.headers["location"] == "/profile/look-up"
    assert browser.cookies["laurel_next"].strip('"') == "/profile/sessions"


async def test_a_verified_address_finds_the_account_that_exists(
    browser: httpx2.AsyncClient, provider: OddProvider, engine: Engine, email: str, database_url: str
) -> None:
    written = f"X{email}"
    accounts.add_staff(database_url, written, Role.COORDINATOR)
    before = account(engine, written)
    provider.claims["email"] = f"x{email}"
    await there_and_back(browser, provider)
    assert account(engine, written) == before
    assert account(engine, f"x{email}") is None
    assert account(engine, email) is None
    linked = [each for each in entries_of(engine, f"learner:{before.learner_id}") if each["event"] == "account.linked"]
    assert [each["after"]["issuer"] for each in linked] == [provider.issuer]


async def test_the_link_is_entered_once_however_often_somebody_comes(
    browser: httpx2.AsyncClient, provider: OddProvider, engine: Engine, email: str
) -> None:
    for _ in range(2):
        assert (await there_and_back(browser, provider)).status_code == 303
    events = [each["event"] for each in entries_of(engine, f"learner:{account(engine, email).learner_id}")]
    assert events == ["account.opened", "account.linked"]


async def test_a_person_keeps_the_account_when_the_address_changes(
    browser: httpx2.AsyncClient, provider: OddProvider, engine: Engine, email: str
) -> None:
    await there_and_back(browser, provider)
    provider.claims["email"] = f"new-{email}"
    assert (await there_and_back(browser, provider)).status_code == 303
    assert account(engine, f"new-{email}") is None


async def test_an_address_that_somebody_else_got_leads_them_to_no_account(
    browser: httpx2.AsyncClient, provider: OddProvider
) -> None:
    await there_and_back(browser, provider)
    browser.cookies.clear()
    provider.claims["sub"] = new_id("sub")
    back = await there_and_back(browser, provider)
    assert back.status_code == 403
    assert "This address belongs to the account of somebody else" in back.text
    assert not await is_signed_in(browser)


@pytest.mark.parametrize("verified", [False, "false", None, 1, "yes"])
async def test_an_address_that_is_not_verified_opens_nothing(
    verified: object, browser: httpx2.AsyncClient, provider: OddProvider, engine: Engine, email: str
) -> None:
    provider.claims["email_verified"] = verified
    back = await there_and_back(browser, provider)
    assert back.status_code == 403
    assert "does not confirm an e-mail address" in back.text
    assert account(engine, email) is None


@pytest.mark.parametrize("claimed", [None, "", "no address", "a@x.org\r\nBcc: b@y.org", ["a@x.org"]])
async def test_somebody_without_a_usable_address_is_not_let_in(
    claimed: object, browser: httpx2.AsyncClient, provider: OddProvider
) -> None:
    provider.claims["email"] = claimed
    provider.userinfo = {"sub": provider.claims["sub"]}
    assert (await there_and_back(browser, provider)).status_code == 403
    assert not await is_signed_in(browser)


@pytest.mark.parametrize(("said", "status"), [(None, 303), (False, 403)])
async def test_a_provider_that_assigns_addresses_itself_need_not_say_that_they_are_verified(
    said: bool | None, status: int, provider: OddProvider, settings: Settings, temporal: LedgerTemporal
) -> None:
    provider.claims = {"sub": new_id("sub"), "email": f"{new_id('x')}@hospital.example", "email_verified": said}
    chosen = with_provider(settings, provider.issuer, oidc_email_is_verified=True)
    async with running(chosen, temporal) as (_, browser):
        assert (await there_and_back(browser, provider)).status_code == status


@pytest.mark.parametrize(("domain", "status"), [("hospital.example", 303), ("HOSPITAL.example", 303),
                         ("x.example", 403), ("evil-hospital.example", 403), ("example", 403)])  # fmt: skip
async def test_only_listed_domains_are_let_in_where_some_are_listed(
    domain: str, status: int, provider: OddProvider, settings: Settings, temporal: LedgerTemporal
) -> None:
    provider.claims = {"sub": new_id("sub"), "email": f"{new_id('x')}@{domain}"}
    chosen = with_provider(settings, provider.issuer, oidc_domains=("hospital.example",))
    async with running(chosen, temporal) as (_, browser):
        assert (await there_and_back(browser, provider)).status_code == status


async def test_an_address_that_only_the_user_info_holds_is_asked_for(
    browser: httpx2.AsyncClient, provider: OddProvider, engine: Engine, email: str
) -> None:
    provider.userinfo = {"sub": provider.claims["sub"], "email": email, "email_verified": True}
    provider.claims |= {"email": None, "email_verified": None}
    assert (await there_and_back(browser, provider)).status_code == 303
    provider.userinfo["sub"] = "somebody else"
    assert (await there_and_back(browser, provider)).status_code == 502


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"}, {"nonce": None}, {"aud": "another"}, {"aud": None}, {"iss": "https://evil.example"},
        {"iss": None}, {"exp": 1}, {"exp": None}, {"iat": None}, {"sub": None}, {"sub": ""}, {"sub": "x" * 256},
        {"aud": ["laurel", "another"]}, {"azp": "another"}, {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, {"sub": "a\nb"},
    ],
)  # fmt: skip
async def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    claims: dict[str, Any], browser: httpx2.AsyncClient, provider: OddProvider
) -> None:
    provider.claims |= claims
    assert (await there_and_back(browser, provider)).status_code == 502
    assert not await is_signed_in(browser)


async def test_an_id_token_that_the_provider_did_not_sign_is_refused(
    browser: httpx2.AsyncClient, provider: OddProvider
) -> None:
    provider.signing_key = RSAKey.generate_key(2048, {"kid": "k1"})
    assert (await there_and_back(browser, provider)).status_code == 502
    provider.signing_key, provider.header = OctKey.import_key(SECRET), {"alg": "HS256"}
    assert (await there_and_back(browser, provider)).status_code == 502
    provider.header = {"alg": "none"}
    assert (await there_and_back(browser, provider)).status_code == 502


@pytest.mark.parametrize("changed", [{"state": "another"}, {"state": ""}, {"iss": "https://evil.example"}], ids=str)
async def test_an_answer_to_another_question_is_refused(
    changed: dict[str, str], browser: httpx2.AsyncClient, provider: OddProvider
) -> None:
    assert (await there_and_back(browser, provider, **changed)).status_code == 400
    assert provider.token_requests == []


async def test_an_answer_in_another_browser_or_for_a_second_time_is_refused(
    browser: httpx2.AsyncClient, provider: OddProvider
) -> None:
    answer = provider.ask((await browser.get(START)).headers["location"])
    kept = list(browser.cookies.jar)
    browser.cookies.clear()
    assert (await browser.get(CALLBACK, params=answer)).status_code == 400
    for each in kept:
        browser.cookies.jar.set_cookie(each)
    assert (await browser.get(CALLBACK, params=answer)).status_code == 303
    assert (await browser.get(CALLBACK, params=answer)).status_code == 400


async def test_a_code_without_the_verifier_of_this_browser_is_worth_nothing(
    browser: httpx2.AsyncClient, provider: OddProvider
) -> None:
    answer = provider.ask((await browser.get(START)).headers["location"])
    provider.asked["code_challenge"] = "another"
    assert (await browser.get(CALLBACK, params=answer)).status_code == 502


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"}, {"token_endpoint": "http://localhost:1/token"}, {"jwks_uri": None},
        {"authorization_endpoint": 5, "token_endpoint": 5},
    ],
)  # fmt: skip
async def test_a_provider_that_answers_nonsense_or_nothing_is_said_to_fail(
    metadata: dict[str, Any], browser: httpx2.AsyncClient, provider: OddProvider
) -> None:
    answer = provider.ask((await browser.get(START)).headers["location"])
    provider.metadata = metadata
    back = await browser.get(CALLBACK, params=answer)
    assert back.status_code == 502
    assert "did not answer as it should" in back.text
    assert 'action="/sign-in/links"' in back.text


async def test_a_provider_that_is_away_leaves_the_link_by_mail(settings: Settings, temporal: LedgerTemporal) -> None:
    async with running(with_provider(settings, "http://localhost:1"), temporal) as (_, browser):
        page = await browser.get(START)
    assert page.status_code == 502
    assert 'action="/sign-in/links"' in page.text


async def test_somebody_who_finds_an_older_account_of_theirs_gets_it_through_the_provider_from_then_on(
    browser: httpx2.AsyncClient, provider: OddProvider, engine: Engine, email: str, database_url: str
) -> None:
    family_name = new_id("x")
    older = await sign_in(database_url, browser, family_name=family_name)
    await there_and_back(browser, provider)
    empty = account(engine, email)
    token = new_id("token")
    database = create_api_engine(database_url, 1)
    async with database.begin() as connection:
        minutes = timedelta(minutes=5)
        await people.request_link(connection, older.email, token, minutes, 5, asked_by=empty.id)
    await database.dispose()
    assert (await browser.post("/sign-in", data={"token": token})).status_code == 303
    assert account(engine, email) is None
    browser.cookies.clear()
    await there_and_back(browser, provider)
    sessions = await older.get("/v1/me/sessions")
    assert len(sessions.json()["data"]) == 3


async def test_a_closed_account_stays_closed(
    browser: httpx2.AsyncClient, provider: OddProvider, email: str, database_url: str
) -> None:
    await there_and_back(browser, provider)
    accounts.deactivate(database_url, email, "Left.")
    assert not await is_signed_in(browser)
    back = await there_and_back(browser, provider)
    assert back.status_code == 403
    assert "This account was closed." in back.text


async def test_no_role_comes_from_a_provider_that_was_not_asked_for_any(
    browser: httpx2.AsyncClient, provider: OddProvider, engine: Engine, email: str
) -> None:
    provider.claims["groups"] = ["administrator"]
    await there_and_back(browser, provider)
    assert account(engine, email).role == "learner"


async def test_roles_follow_the_providers_groups_where_the_settings_say_so(
    provider: OddProvider, settings: Settings, temporal: LedgerTemporal, engine: Engine, email: str
) -> None:
    provider.claims = {"sub": new_id("sub"), "email": email}
    roles = {"ce-leads": "approver", "ce-office": "coordinator"}
    chosen = with_provider(settings, provider.issuer, oidc_role_claim="groups", oidc_roles=roles)
    async with running(chosen, temporal) as (_, browser):
        for groups, role in (
            (["ce-office", "ce-leads"], "approver"), (["ce-office"], "coordinator"), ("ce-leads", "approver"),
            (["administrator"], "learner"), ({"ce-leads": 1}, "approver"), (None, "learner"), (7, "learner"),
        ):  # fmt: skip
            provider.claims["groups"] = groups
            assert (await there_and_back(browser, provider)).status_code == 303
            assert account(engine, email).role == role
    entries = entries_of(engine, f"learner:{account(engine, email).learner_id}")
    given = [each for each in entries if each["event"] == "account.role_given"]
    assert [each["after"]["role"] for each in given] == [
        "approver", "coordinator", "approver", "learner", "approver", "learner",
    ]  # fmt: skip
    assert {each["actor"] for each in given} == {"laurel"}


async def test_a_role_that_the_provider_takes_ends_the_sessions_that_had_it(
    provider: OddProvider, settings: Settings, temporal: LedgerTemporal, email: str, database_url: str
) -> None:
    provider.claims = {"sub": new_id("sub"), "email": email}
    chosen = with_provider(settings, provider.issuer, oidc_role_claim="groups", oidc_roles={"office": "coordinator"})
    async with running(chosen, temporal) as (_, browser):
        person = await sign_in(database_url, browser, Role.COORDINATOR, email=email)
        assert (await person.get("/v1/staff/claims")).status_code == 200
        await there_and_back(browser, provider)
        assert (await person.get("/v1/me")).status_code == 401
        assert await is_signed_in(browser)


async def test_a_provider_that_takes_the_secret_in_the_form_gets_it_there(
    browser: httpx2.AsyncClient, provider: OddProvider
) -> None:
    provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await there_and_back(browser, provider)).status_code == 303
    assert provider.token_requests[0]["client_secret"] == SECRET


async def test_a_client_without_a_secret_sends_none(
    provider: OddProvider, settings: Settings, temporal: LedgerTemporal, email: str
) -> None:
    provider.claims = {"sub": new_id("sub"), "email": email}
    chosen = with_provider(settings, provider.issuer, oidc_client_secret=None)
    async with running(chosen, temporal) as (_, browser):
        assert (await there_and_back(browser, provider)).status_code == 303
    assert provider.token_requests[0]["client_id"] == "laurel"
    assert "client_secret" not in provider.token_requests[0]


async def test_the_log_says_why_nobody_was_signed_in_and_not_who(
    browser: httpx2.AsyncClient, provider: OddProvider, email: str, caplog: pytest.LogCaptureFixture
) -> None:
    provider.claims["email_verified"] = False
    await there_and_back(browser, provider)
    logged = "\n".join(str(record.msg) for record in caplog.records if record.name.startswith("laurel"))
    assert "email_unverified" in logged
    for secret in (email, provider.claims["sub"], "the-code", SECRET):
        assert secret not in logged


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_issuer": "https://id.example"}, {"oidc_client_id": "laurel"}, {"oidc_roles": {"office": "coordinator"}},
        {"oidc_role_claim": "groups", "oidc_roles": {"office": "wizard"}},
        {"oidc_role_claim": "groups", "oidc_roles": {"office": "learner"}},
    ],
)  # fmt: skip
def test_settings_of_a_provider_that_do_not_go_together_keep_laurel_from_starting(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"(?i)oidc_"):
        Settings(_env_file=None, **wrong)
