"""The office's daily pages: overview, claims list with views, completion, stuck claims, bulk actions, failing mail."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, insert, text

from api.pages.staff.durations import duration_words
from domain.identities import new_id
from domain.roles import Role
from storage.tables import OutgoingEmailRow
from tests.api.conftest import PUBLIC_URL, Person, sign_in
from tests.api.records import NOON, add_claim, add_learner

_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
_FORM = re.compile(r'<form method="post" action="([^"]+)".*?</form>', re.DOTALL)


class Browser:
    """Somebody who is signed in, looks at pages and sends their forms."""

    def __init__(self, person: Person) -> None:
        self._client = person.client
        self._headers = {"Cookie": f"laurel_session={person.token}", "Accept": "text/html"}

    async def get(self, path: str) -> httpx2.Response:
        return await self._client.get(path, headers=self._headers)

    async def shown(self, path: str) -> str:
        page = await self.get(path)
        assert page.status_code == 200, (path, page.status_code, page.text[:500])
        return unescape(page.text)

    async def post(self, path: str, fields: Mapping[str, Any]) -> httpx2.Response:
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded", "Origin": PUBLIC_URL}
        return await self._client.post(path, content=urlencode(fields, doseq=True).encode(), headers=headers)


def form_of(page: str, action: str) -> dict[str, list[str]]:
    """The hidden fields of the form that is sent there."""
    [form] = [found[0] for found in _FORM.finditer(page) if unescape(found[1]) == action]
    fields: dict[str, list[str]] = {}
    for name, value in _HIDDEN.findall(form):
        fields.setdefault(name, []).append(unescape(value))
    return fields


@pytest.fixture
def office(coordinator: Person) -> Browser:
    return Browser(coordinator)


@pytest.fixture
async def viewer(database_url: str, client: httpx2.AsyncClient) -> Browser:
    return Browser(await sign_in(database_url, client, Role.VIEWER))


def claim_of(engine: Engine, slug: str, **values: Any) -> str:
    learner_id = add_learner(engine, given_name="Ada", family_name="Lovelace")
    return add_claim(engine, learner_id, slug, **({"stage": "awaiting_test"} | values))


PAGES = ("/staff", "/staff/claims", "/staff/stuck", "/staff/emails", "/staff/workers")


@pytest.mark.parametrize("path", [*PAGES, "/staff/bulk?stage=grading"])
async def test_the_offices_pages_are_for_the_office(path: str, learner: Person) -> None:
    refused = await Browser(learner).get(path)
    assert refused.status_code == 403
    assert "Sign out" in refused.text


@pytest.mark.parametrize("path", PAGES)
async def test_those_who_only_read_see_every_page_and_no_form_that_changes_anything(
    path: str, viewer: Browser, engine: Engine, slug: str
) -> None:
    claim_of(engine, slug, attention="email_failed", stage="issuing")
    shown = await viewer.shown(path)
    forms = set(re.findall(r'<form method="post" action="([^"]+)"', shown))
    assert forms <= {"/sign-out", "/language"}
    assert "/staff/bulk?" not in shown


async def test_the_overview_shows_what_waits_how_it_goes_and_where_claims_are(
    office: Browser, engine: Engine, slug: str
) -> None:
    claim_of(engine, slug, participation_at=NOON)
    done = claim_of(engine, slug, stage="completed", awarded_at=NOON + timedelta(hours=3), notified_at=NOON)
    assert done
    shown = await office.shown(f"/staff?ce_activity={slug}")
    for words in ("Waiting for you", "ask for more time", "From opening to certificate", "Post-test"):
        assert words in shown
    assert re.search(r"Credit awarded</th><td class=\"number\">1</td><td class=\"number\">50 %</td>", shown)
    assert f'href="/staff/ce-activities/{slug}/completion"' in shown
    assert 'hx-get="/staff/workers"' in shown
    assert "As a table" in shown


async def test_everything_that_waits_leads_to_a_page_that_lists_it(office: Browser) -> None:
    tiles = re.search(r'<ul class="plain-list tiles">.*?</ul>', await office.shown("/staff"), re.DOTALL)
    assert tiles is not None
    addresses = re.findall(r'href="([^"]+)"', tiles[0])
    assert len(addresses) == 6
    for address in addresses:
        await office.shown(address)


async def test_the_overview_of_an_activity_that_is_not_there_says_so_beside_its_field(office: Browser) -> None:
    page = await office.get("/staff?ce_activity=nowhere-to-be-found")
    assert page.status_code == 422
    assert "There is no activity with this address." in page.text
    assert "<title>Error:" in page.text


async def test_the_parts_of_laurel_say_whether_they_work_in_words(office: Browser) -> None:
    shown = await office.shown("/staff/workers")
    for words in ("Temporal", "Steps that wait for their decision", "Checkpoints of the audit trail"):
        assert words in shown
    assert "✓ Works" in shown


async def test_the_list_shows_each_claim_with_its_learner_and_its_deadline_in_the_activitys_zone(
    office: Browser, engine: Engine, slug: str
) -> None:
    due_at = datetime.now(UTC) + timedelta(days=3)
    claim = claim_of(engine, slug, due_at=due_at, extension_requested_at=NOON)
    shown = await office.shown(f"/staff/claims?ce_activity={slug}&stage=awaiting_test")
    assert f'href="/staff/claims/{claim}"' in shown
    assert "Ada Lovelace" in shown
    assert "Asks for more time" in shown
    assert re.search(r"\d{4}, \d\d:\d\d \(\w+, UTC[+-]\d", shown)
    assert "1 claim" in shown
    assert "Stage: Post-test" in shown


async def test_pages_of_the_list_lead_on_and_back_with_the_same_filter(
    office: Browser, engine: Engine, slug: str
) -> None:
    claims = [claim_of(engine, slug, opened_at=NOON + timedelta(minutes=number)) for number in range(51)]
    first = await office.shown(f"/staff/claims?ce_activity={slug}&sort=newest")
    [following] = re.findall(r'<a rel="next" href="([^"]+)"', first)
    assert claims[0] not in first
    second = await office.shown(following)
    assert claims[0] in second
    assert claims[50] not in second
    assert parse_qs(urlsplit(following).query)["ce_activity"] == [slug]
    assert "51 claims" in second


async def test_a_filter_that_cannot_be_meant_is_said_beside_the_form(office: Browser) -> None:
    page = await office.get("/staff/claims?opened_from=2026-02-30&stage=")
    assert page.status_code == 422
    assert "Opened from: " in page.text
    assert "<title>Error:" in page.text


async def test_a_view_is_saved_shown_as_a_link_and_removed(office: Browser, slug: str) -> None:
    name = f"My “due” list {new_id('v')[2:]}"
    listed = f"/staff/claims?ce_activity={slug}&sort=due"
    fields = form_of(await office.shown(listed), "/staff/claims/views")
    saved = await office.post("/staff/claims/views", {**fields, "name": name, "is_shared": "yes"})
    assert (saved.status_code, saved.headers["location"]) == (303, listed)
    shown = await office.shown(listed)
    assert f'<a href="{listed}" aria-current="page">{name}</a>' in shown
    removed = await office.post("/staff/claims/views/remove", {"name": name, "key": new_id("key")})
    assert removed.status_code == 303
    assert name not in await office.shown(listed)


@pytest.mark.parametrize(("name", "words"), [("", "Fill this in."), ("a/b", "without a slash")])
async def test_a_view_without_a_usable_name_is_refused_beside_its_field(
    name: str, words: str, office: Browser, slug: str
) -> None:
    page = await office.post("/staff/claims/views", {"name": name, "ce_activity": slug, "key": new_id("key")})
    assert page.status_code == 422
    assert words in page.text
    assert f'value="{slug}"' in page.text


async def test_the_list_is_exported_as_it_is_filtered(office: Browser, engine: Engine, slug: str) -> None:
    claim = claim_of(engine, slug)
    other = claim_of(engine, slug, stage="grading")
    exported = await office.get(
        f"/staff/claims/export?ce_activity={slug}&stage=awaiting_test&format=csv&reason=Annual+report"
    )
    assert exported.headers["content-type"].startswith("text/csv")
    assert claim in exported.text
    assert other not in exported.text
    refused = await office.get(f"/staff/claims/export?ce_activity={slug}&format=csv&reason=")
    assert refused.status_code == 422
    assert "<title>Error:" in refused.text


async def test_the_matrix_shows_steps_in_words_and_leads_to_each_claim(
    office: Browser, engine: Engine, slug: str
) -> None:
    claim = claim_of(engine, slug, participation="online", waived=["post_test"])
    path = f"/staff/ce-activities/{slug}/completion"
    shown = await office.shown(path)
    assert f'href="/staff/claims/{claim}"' in shown
    assert 'data-state="waived"' in shown
    assert "Waived by the office" in shown
    exported = await office.get(f"{path}/export?format=csv&reason=Annual+report")
    assert claim in exported.text
    assert (await office.get(f"{path}/export?format=csv&reason=")).status_code == 422
    assert (await office.get(f"{path}?learner=%00")).status_code == 422
    assert (await office.get("/staff/ce-activities/nowhere-to-be-found/completion")).status_code == 404


async def test_stuck_claims_say_why_since_when_and_what_to_do(office: Browser, engine: Engine, slug: str) -> None:
    held = {"held_at": datetime(2001, 1, 1, tzinfo=UTC), "held_by": "operator:ada", "hold_reason": "identity_check"}
    claim = claim_of(engine, slug, attention="on_hold", **held)
    shown = await office.shown("/staff/stuck")
    assert "Release what has been checked." in shown
    assert f'href="/staff/claims/{claim}"' in shown
    assert 'href="/staff/bulk?attention=on_hold&action=release"' in shown
    with engine.begin() as connection:
        connection.execute(text("UPDATE claims SET attention = NULL, held_at = NULL WHERE id = :id"), {"id": claim})


async def test_an_action_on_many_claims_is_chosen_previewed_confirmed_and_watched(
    office: Browser, learner: Person, database_url: str, client: httpx2.AsyncClient, slug: str
) -> None:
    other = await sign_in(database_url, client)
    claims = [(await person.post("/v1/claims", {"ce_activity": slug})).json()["id"] for person in (learner, other)]
    chosen = urlencode({"claim": claims}, doseq=True)
    assert "2 chosen claims" in await office.shown(f"/staff/bulk?{chosen}")
    asked = await office.shown(f"/staff/bulk?{chosen}&action=hold")
    fields = form_of(asked, "/staff/bulk")
    assert fields["claim"] == claims
    filled = {**fields, "reason_code": "identity_check", "reason": "Looked odd."}
    preview = await office.post("/staff/bulk", filled)
    assert preview.status_code == 200
    assert re.search(r'<span class="amount">2</span> can be done', preview.text)
    start = form_of(preview.text, "/staff/bulk/start")
    wrong = await office.post("/staff/bulk/start", {**start, "confirmation": "3"})
    assert wrong.status_code == 422
    assert "Type the number of claims to confirm." in wrong.text
    started = await office.post("/staff/bulk/start", {**start, "confirmation": "2"})
    assert started.status_code == 303, started.text
    address = started.headers["location"]
    shown = await office.shown(address)
    assert "Put on hold" in shown
    assert "Looked odd." in shown
    again = await office.post("/staff/bulk/start", {**start, "confirmation": "2"})
    assert again.headers["location"] == address


async def test_an_action_that_lacks_something_is_refused_beside_its_field(office: Browser, slug: str) -> None:
    fields = {"ce_activity": slug, "action": "hold", "reason": "", "reason_code": "identity_check"}
    page = await office.post("/staff/bulk", fields)
    assert page.status_code == 422
    assert 'id="reason-error"' in page.text
    assert "<title>Error:" in page.text


async def test_nobody_acts_on_every_claim_by_choosing_none(office: Browser) -> None:
    page = await office.get("/staff/bulk?action=hold")
    assert page.status_code == 422
    assert "Choose claims in the list, or narrow the list down." in page.text


async def test_a_bulk_action_that_is_not_there_is_not_found(office: Browser) -> None:
    assert (await office.get(f"/staff/bulk/{new_id('blk')}")).status_code == 404


async def test_those_who_only_read_take_no_action_on_many_claims(viewer: Browser, slug: str) -> None:
    assert (await viewer.get(f"/staff/bulk?ce_activity={slug}")).status_code == 403


async def test_a_failing_e_mail_says_why_in_plain_words_and_is_sent_now_with_a_reason(
    office: Browser, engine: Engine, slug: str
) -> None:
    email = new_id("eml")
    row: dict[str, Any] = {
        "id": email,
        "purpose": "deadline_reminder",
        "subject_id": email,
        "claim_id": claim_of(engine, slug),
    }
    row |= {"recipient": "", "state": "failed", "tries": 3, "last_error": "TimeoutError"}
    with engine.begin() as connection:
        connection.execute(insert(OutgoingEmailRow).values(**row, created_at=datetime(2000, 1, 1, tzinfo=UTC)))
    shown = await office.shown("/staff/emails")
    assert "It took too long" in shown
    path = f"/staff/emails/{email}/retry"
    refused = await office.post(path, {**form_of(shown, path), "reason": ""})
    assert refused.status_code == 422
    assert f'id="reason-{email}-error"' in refused.text
    sent = await office.post(path, {**form_of(shown, path), "reason": "Repaired."})
    assert (sent.status_code, sent.headers["location"]) == (303, "/staff/emails")
    with engine.begin() as connection:
        state = connection.execute(
            text("UPDATE outgoing_emails SET state = 'dropped' WHERE id = :id RETURNING tries"), {"id": email}
        )
        assert state.scalar_one() == 0
    assert (await office.post(path, {"reason": "Again.", "key": new_id("key")})).status_code == 409


async def test_a_page_that_is_refused_ends_without_an_exception_that_would_end_its_connection(
    app: FastAPI, coordinator: Person
) -> None:
    headers = {"Cookie": f"laurel_session={coordinator.token}", "Accept": "text/html"}
    transport = httpx2.ASGITransport(app, raise_app_exceptions=True)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        answers = [await client.get(f"/staff/claims/{new_id('clm')}", headers=headers) for _ in range(2)]
    assert [each.status_code for each in answers] == [404, 404]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 seconds"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (3600, "1 hour"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
    ],
)
def test_a_length_of_time_is_said_in_the_greatest_unit_that_fits(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words
