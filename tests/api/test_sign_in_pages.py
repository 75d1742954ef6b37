"""The pages to sign in, to see where one is signed in, and to sign out; and what other sites may not do."""

import re
from collections.abc import Callable

import httpx2
import pytest
from sqlalchemy import Engine, text

from config.settings import Settings
from domain.identities import new_id
from tests.api.conftest import PUBLIC_URL, LedgerTemporal, Person, running
from tests.api.test_login_sessions import FIREFOX, second_session
from tests.api.test_pages import cookie


@pytest.fixture
def email() -> str:
    return f"{new_id('x')}@people.example"


@pytest.fixture
def links_to(engine: Engine) -> Callable[[str], int]:
    """How many links were asked for with an address."""

    def count(email: str) -> int:
        with engine.connect() as connection:
            query = text("SELECT count(*) FROM sign_in_links WHERE email = :email")
            return int(connection.execute(query, {"email": email}).scalar_one())

    return count


def key_in(page: str) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found is not None
    return found[1]


async def test_a_form_that_is_sent_twice_sends_one_link(
    client: httpx2.AsyncClient, email: str, links_to: Callable[[str], int]
) -> None:
    form = {"email": email, "key": key_in((await client.get("/sign-in")).text)}
    pages = [await client.post("/sign-in/links", data=form) for _ in range(2)]
    assert [page.status_code for page in pages] == [200, 200]
    assert links_to(email) == 1


async def test_an_address_that_is_none_is_named_beside_its_field_and_can_be_corrected(
    client: httpx2.AsyncClient,
) -> None:
    page = await client.post("/sign-in/links", data={"email": 'ada"@'})
    assert page.status_code == 422
    assert "<title>Error: Sign in" in page.text
    assert '<a href="#email">' in page.text
    assert 'aria-describedby="email-error"' in page.text
    assert 'value="ada&#34;@"' in page.text


async def test_a_link_that_was_used_leads_to_another_one(client: httpx2.AsyncClient) -> None:
    page = await client.post("/sign-in", data={"token": "x" * 43})
    assert page.status_code == 401
    assert '<a href="#email">' in page.text


async def test_no_page_asks_for_a_password_or_keeps_anybody_from_pasting(client: httpx2.AsyncClient) -> None:
    page = (await client.get("/sign-in")).text
    assert 'type="password"' not in page
    assert 'autocomplete="email"' in page
    assert "onpaste" not in page


async def test_signing_in_in_a_browser_ends_the_session_that_it_held(
    learner: Person, client: httpx2.AsyncClient, engine: Engine
) -> None:
    await client.post("/sign-in/links", data={"email": learner.email})
    with engine.connect() as connection:
        query = text("SELECT token FROM sign_in_links WHERE email = :email AND token IS NOT NULL AND used_at IS NULL")
        token = connection.execute(query, {"email": learner.email}).scalar_one()
    await client.post("/sign-in", data={"token": token}, headers=cookie(learner))
    assert (await learner.get("/v1/me")).status_code == 401


async def test_people_see_where_they_are_signed_in_and_sign_out_there(learner: Person, database_url: str) -> None:
    other = await second_session(learner, database_url, FIREFOX)
    page = await learner.client.get("/profile/sessions", headers=cookie(learner))
    assert page.status_code == 200
    assert "Firefox on Linux" in page.text
    form = re.search(r'action="(/profile/sessions/ses_\w+/end)"', page.text)
    assert form is not None
    answer = await learner.client.post(form[1], headers=cookie(learner))
    assert (answer.status_code, answer.headers["location"]) == (303, "/profile/sessions")
    assert (await other.get("/v1/me")).status_code == 401
    after = await learner.client.get("/profile/sessions", headers=cookie(learner))
    assert "You are signed in nowhere else." in after.text


async def test_people_sign_out_everywhere_else_at_once(learner: Person, database_url: str) -> None:
    others = [await second_session(learner, database_url) for _ in range(2)]
    answer = await learner.client.post("/profile/sessions/end-others", headers=cookie(learner))
    assert answer.status_code == 303
    assert [(await other.get("/v1/me")).status_code for other in others] == [401, 401]
    assert (await learner.get("/v1/me")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "is_taken"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": PUBLIC_URL}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": PUBLIC_URL}, True),
        ({}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": PUBLIC_URL}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": f"{PUBLIC_URL}.evil.example"}, False),
        ({"Origin": "null"}, False),
    ],
)
async def test_a_form_is_taken_from_this_site_and_refused_from_any_other(
    headers: dict[str, str], is_taken: bool, learner: Person
) -> None:
    answer = await learner.client.post("/sign-out", headers={**cookie(learner), **headers})
    is_signed_out = (await learner.get("/v1/me")).status_code == 401
    assert is_signed_out is is_taken
    assert answer.status_code == (303 if is_taken else 403)


async def test_another_site_may_lead_here_but_learns_nothing(learner: Person) -> None:
    headers = {**cookie(learner), "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    page = await learner.client.get("/profile/sessions", headers=headers)
    assert page.status_code == 200
    assert page.headers["cross-origin-resource-policy"] == "same-origin"
    assert page.headers["x-frame-options"] == "DENY"
    assert "access-control-allow-origin" not in page.headers


async def test_too_many_tries_to_sign_in_have_to_wait(settings: Settings, temporal: LedgerTemporal) -> None:
    few = settings.model_copy(update={"requests_per_minute": 3})
    async with running(few, temporal) as (_, client):
        # While they are sent one minute may end.
        pages = [await client.post("/sign-in", data={"token": "x"}) for _ in range(7)]
    assert pages[0].status_code == 401
    assert {page.status_code for page in pages} == {401, 429}
    assert int(next(page for page in pages if page.status_code == 429).headers["retry-after"]) > 0


async def test_a_page_of_a_person_is_kept_by_no_browser_and_no_proxy(learner: Person) -> None:
    for path in ("/sign-in", "/profile/sessions"):
        assert (await learner.client.get(path, headers=cookie(learner))).headers["cache-control"] == "no-store"


async def test_pages_tell_other_sites_nothing_of_where_a_reader_came_from(client: httpx2.AsyncClient) -> None:
    page = await client.get("/sign-in")
    # Without a referrer of its own, a browser would say of this page's own forms that they come from nowhere.
    assert page.headers["referrer-policy"] == "same-origin"
    assert (await client.get("/v1/me")).headers["referrer-policy"] == "no-referrer"
