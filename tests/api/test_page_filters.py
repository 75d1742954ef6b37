"""Pages of lists: an address whose filter is wrong still leads to the page, with what is wrong beside the field."""

import re

import httpx2
import pytest
from sqlalchemy import Engine

from domain.identities import new_id
from tests.api.conftest import Person, publish_example
from tests.api.test_pages import cookie

CHOICE = "There is no such choice. Choose one of the list."


async def see(person: Person, path: str) -> httpx2.Response:
    return await person.client.get(path, headers={**cookie(person), "Accept": "text/html"})


@pytest.fixture
def slug(engine: Engine) -> str:
    return publish_example(engine)


@pytest.mark.parametrize(
    ("path", "field", "words"),
    [
        ("/ce-activities?event_type=zzz", "event_type", CHOICE),
        ("/staff/ce-activities?status=zzz", "status", CHOICE),
        ("/staff/ce-activities/{slug}/preview?profession=zzz", "profession", CHOICE),
        ("/staff/ce-activities/{slug}/versions?from=1&to=7", "versions", "There is no such version."),
        ("/staff/ce-activities/{slug}/versions?from=x&to=1", "versions", "There is no such version."),
        ("/staff/ce-activities/{slug}/completion?stage=zzz", "stage", CHOICE),
        ("/staff/claims?stage=zzz", "stage", CHOICE),
        ("/staff/integration-events?state=zzz", "state", CHOICE),
        (
            "/staff/integration-events?integration=Z%20Z",
            "integration",
            "Some of these characters cannot be part of it.",
        ),
        ("/staff/problem-reports?state=zzz", "state", CHOICE),
    ],
)
async def test_a_wrong_filter_is_said_by_its_field_on_the_page_itself(
    coordinator: Person, slug: str, path: str, field: str, words: str
) -> None:
    page = await see(coordinator, path.format(slug=slug))
    assert page.status_code == 422
    assert f'<a href="#{field}">' in page.text
    assert f'id="{field}"' in page.text
    assert words in page.text
    assert "<title>Error: " in page.text
    assert "Each entry of errors" not in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/ce-activities?after=%00",
        "/staff/ce-activities?after=Z%20Z",
        "/staff/ce-activities/{slug}/yaml?version=x",
        "/staff/accounts?after=x",
        "/staff/exports?after=x",
        "/staff/learners?after=x",
        "/claims/clm_x/sessions?page=x",
    ],
)
async def test_an_address_that_says_nothing_is_explained_in_plain_words_with_the_way_to_the_page(
    administrator: Person, slug: str, path: str
) -> None:
    address = path.format(slug=slug)
    page = await see(administrator, address)
    assert page.status_code == 422
    assert "This address has a mistake" in page.text
    assert f'<a href="{address.partition("?")[0]}">Open the page without it</a>' in page.text
    assert "Each entry of errors" not in page.text


async def test_names_of_activities_are_offered_where_one_is_asked_for(coordinator: Person, engine: Engine) -> None:
    word = new_id("x")[2:]
    slug = publish_example(engine, title=f"Rounds {word} & more")
    for path in ("/staff", "/staff/claims", "/staff/exports"):
        page = (await see(coordinator, path)).text
        assert re.search(r'<input id="ce_activity"[^>]* list="activity-names"[^>]* hx-get="/staff/ce-activities"', page)
        assert '<datalist id="activity-names">' in page
    offered = (await see(coordinator, f"/staff/ce-activities?ce_activity={word}")).text
    found = re.search('<datalist id="activity-names">(.*?)</datalist>', offered)
    assert found is not None
    assert found[1] == f'<option value="{slug}">Rounds {word} &amp; more</option>'
