"""Pages for anyone: where a stranger begins, help, accessibility, the end of reminders, the choice of a language."""

import httpx2
import pytest
from sqlalchemy import Engine

from config.settings import Settings
from domain.identities import new_id
from storage import reminder_links
from tests.api.conftest import LedgerTemporal, Person, running
from tests.api.test_claim_over_http import opened
from tests.api.test_pages import cookie


async def test_a_stranger_begins_at_a_page_of_its_own(client: httpx2.AsyncClient) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    for address in ("/sign-in", "/verify", "/ce-activities", "/help"):
        assert f'href="{address}"' in page.text


@pytest.mark.parametrize("path", ["/no-such-page", "/claims/clm_x/no-such-page", "/static/no-such-file"])
async def test_whoever_is_signed_in_keeps_their_menu_at_an_address_that_matches_nothing(
    path: str, client: httpx2.AsyncClient, learner: Person, coordinator: Person
) -> None:
    for person, words in ((learner, ["Sign out"]), (coordinator, ["Sign out", "Office"])):
        page = await client.get(path, headers=cookie(person))
        assert page.status_code == 404
        assert all(f">{word}</" in page.text for word in words)
        assert 'href="/sign-in"' not in page.text
    stranger = await client.get(path, headers={"Accept": "text/html"})
    assert 'href="/sign-in"' in stranger.text
    assert "Sign out" not in stranger.text


@pytest.mark.parametrize("path", ["/", "/help", "/accessibility", "/verify", "/problems"])
async def test_help_is_in_the_same_place_on_every_page(client: httpx2.AsyncClient, path: str) -> None:
    page = await client.get(path)
    assert page.text.count("<h1") == 1
    footer = page.text.partition("<footer")[2]
    assert footer.index('href="/help"') < footer.index('href="/accessibility"')


async def test_help_names_whom_to_ask_and_the_claim_that_somebody_came_from(
    settings: Settings, temporal: LedgerTemporal, learner: Person, slug: str
) -> None:
    claim = await opened(learner, slug)
    chosen = settings.model_copy(update={"help_contact": "help@office.example"})
    async with running(chosen, temporal) as (_, client):
        cookie = {"Cookie": f"laurel_session={learner.token}"}
        page = await client.get(f"/help?claim={claim['id']}", headers=cookie)
        stranger = await client.get(f"/help?claim={claim['id']}")
        statement = await client.get("/accessibility")
    assert f'href="/claims/{claim["id"]}/report"' in page.text
    assert "help@office.example" in page.text
    assert claim["id"] not in stranger.text
    assert "help@office.example" in statement.text
    assert "2.2" in statement.text


async def test_opening_the_link_of_a_reminder_stops_nothing_and_its_button_does(
    learner: Person, engine: Engine, client: httpx2.AsyncClient
) -> None:
    with engine.begin() as connection:
        token = reminder_links.token_of(connection, learner.learner_id)
    asked = await client.get(f"/reminders/{token}")
    assert f'action="/reminders/{token}"' in asked.text
    assert (await learner.get("/v1/me")).json()["wants_reminders"] is True
    # A mail program sends this by itself (RFC 8058), without cookies and without a page.
    stopped = await client.post(f"/reminders/{token}", data={"List-Unsubscribe": "One-Click"})
    assert (stopped.status_code, "Reminders are stopped" in stopped.text) == (200, True)
    assert (await learner.get("/v1/me")).json()["wants_reminders"] is False


async def test_a_link_that_nobody_has_stops_nothing(client: httpx2.AsyncClient) -> None:
    unknown = await client.post(f"/reminders/{'x' * 43}", headers={"Accept": "text/html"})
    assert unknown.status_code == 404
    malformed = await client.post("/reminders/x", headers={"Accept": "text/html"})
    assert malformed.status_code in (404, 422)


@pytest.mark.parametrize(
    ("back", "leads_to"),
    [
        ("/help", "/help"),
        ("/ce-activities/some-course", "/ce-activities/some-course"),
        ("/ce-activities/some-course?code=RX-1", "/ce-activities/some-course?code=RX-1"),
        ("/?next=//evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("", "/"),
    ],
)
async def test_choosing_a_language_leads_back_within_this_site(
    client: httpx2.AsyncClient, back: str, leads_to: str
) -> None:
    chosen = await client.post("/language", data={"language": "es", "back": back})
    assert (chosen.status_code, chosen.headers["location"]) == (303, leads_to)


async def test_choosing_a_language_keeps_the_code_that_a_page_was_opened_with(client: httpx2.AsyncClient) -> None:
    page = "/ce-activities/some-course"
    leads_to = []
    for query in ("?code=RX-1", "?code=<script>", ""):
        headers = {"Referer": f"http://laurel.example{page}{query}"}
        chosen = await client.post("/language", data={"language": "es", "back": page}, headers=headers)
        leads_to.append(chosen.headers["location"])
    assert leads_to == [f"{page}?code=RX-1", "/", page]


async def test_choosing_a_language_beside_a_refused_form_leads_to_where_it_was_filled_in(
    client: httpx2.AsyncClient,
) -> None:
    headers = {"Referer": "http://laurel.example/sign-in"}
    refused = await client.post("/sign-in/links", data={"email": "nobody"}, headers=headers)
    assert refused.status_code == 422
    assert 'name="back" value="/sign-in"' in refused.text


async def test_a_language_that_there_is_not_changes_nothing(client: httpx2.AsyncClient) -> None:
    chosen = await client.post("/language", data={"language": new_id("x"), "back": "/help"})
    assert "laurel_language" not in str(chosen.headers.get_list("set-cookie"))
    english = await client.get("/help", headers={"Cookie": "laurel_language=en"})
    assert '<html lang="en">' in english.text
