"""Transcripts that learners share by links: until when, what is left out, and what the record says of it."""

import csv
import hashlib
import io
from datetime import date, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, select, text, update

from domain.identities import new_id
from storage.housekeeping import tidy_up
from storage.tables import TranscriptLinkRow
from tests.api.conftest import Person, publish_example, sign_in
from tests.api.records import add_award, merge
from tests.audit import entries_of

LINKS = "/v1/me/transcript-links"


async def shared(person: Person, **wanted: Any) -> dict[str, Any]:
    response = await person.post(LINKS, wanted)
    assert response.status_code == 201, response.text
    return dict(response.json())


def address_of(link: dict[str, Any]) -> str:
    """Where a client asks for what the page at ``url`` shows."""
    return f"/v1/transcript-links/{link['url'].rpartition('/')[2]}"


def change(engine: Engine, link: dict[str, Any], **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(update(TranscriptLinkRow).where(TranscriptLinkRow.id == link["id"]).values(**values))


async def test_whoever_has_the_link_reads_the_transcript_without_what_only_its_learner_may_open(
    learner: Person, slug: str, engine: Engine, client: httpx2.AsyncClient
) -> None:
    award_id = add_award(engine, learner.learner_id, slug, "1.25")
    link = await shared(learner)
    assert link["url"].startswith("http://laurel.test/transcripts/")
    assert datetime.fromisoformat(link["expires_at"]) - datetime.fromisoformat(link["created_at"]) == timedelta(days=30)
    answer = (await client.get(address_of(link))).json()
    assert answer["learner"] == {"id": None, "name": "Ada Lovelace", "credentials": None}
    [entry] = answer["entries"]
    assert (entry["id"], entry["units"], entry["claim"]) == (award_id, "1.25", None)
    assert entry["certificate"]["verification_url"].startswith("http://laurel.test/verify/")
    assert (entry["certificate"]["href"], entry["certificate"]["page_url"]) == (None, None)
    assert learner.learner_id not in str(answer)


async def test_a_link_shows_the_part_that_was_shared_also_as_csv_and_pdf(
    learner: Person, engine: Engine, client: httpx2.AsyncClient
) -> None:
    for units, day in (("1.25", date(2026, 3, 1)), ("0.50", date(2025, 12, 31))):
        add_award(engine, learner.learner_id, publish_example(engine), units, completed_on=day)
    link = await shared(learner, year=2025, credit_type="ama_pra_category_1", days=7)
    assert (link["year"], link["credit_type"]) == (2025, "ama_pra_category_1")
    [entry] = (await client.get(address_of(link))).json()["entries"]
    assert entry["units"] == "0.50"
    rows = await client.get(f"{address_of(link)}?format=csv")
    [row] = csv.DictReader(io.StringIO(rows.content.decode("utf-8-sig"), newline=""))
    assert row["Units"] == "0.50"
    pdf = await client.get(f"{address_of(link)}?format=pdf")
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")


async def test_a_link_ends_when_its_learner_ends_it_and_ending_it_twice_is_one_act(
    learner: Person, engine: Engine, client: httpx2.AsyncClient
) -> None:
    link = await shared(learner)
    for _ in range(2):
        assert (await learner.call("DELETE", link["href"])).status_code == 204
    ended = await client.get(address_of(link))
    assert (ended.status_code, ended.json()["code"]) == (410, "link_ended")
    [listed] = (await learner.get(LINKS)).json()["data"]
    assert (listed["id"], listed["state"], listed["url"]) == (link["id"], "revoked", None)
    told = [each for each in entries_of(engine, f"learner:{learner.learner_id}") if "transcript_link" in each["event"]]
    assert [each["event"] for each in told] == ["transcript_link.created", "transcript_link.revoked"]
    assert {each["actor"] for each in told} == {learner.account_id}
    assert link["url"].rpartition("/")[2] not in str(told)


async def test_a_link_expires(learner: Person, engine: Engine, client: httpx2.AsyncClient) -> None:
    link = await shared(learner, days=1)
    change(engine, link, expires_at=datetime.fromisoformat("2026-01-01T00:00:00Z"))
    assert (await client.get(address_of(link))).json()["code"] == "link_ended"
    assert (await learner.call("DELETE", link["href"])).status_code == 204
    [listed] = (await learner.get(LINKS)).json()["data"]
    assert (listed["state"], listed["revoked_at"]) == ("expired", None)


async def test_a_month_after_it_ended_a_link_is_removed(learner: Person, engine: Engine) -> None:
    old, new = await shared(learner), await shared(learner)
    change(engine, old, revoked_at=datetime.fromisoformat("2026-01-01T00:00:00Z"))
    tidy_up(engine)
    assert [each["id"] for each in (await learner.get(LINKS)).json()["data"]] == [new["id"]]


async def test_only_the_hash_of_a_token_is_stored_and_a_repeated_request_is_not_told_it(
    learner: Person, engine: Engine
) -> None:
    key = new_id("key")
    first = await learner.post(LINKS, {"days": 3}, Idempotency_Key=key)
    again = await learner.post(LINKS, {"days": 3}, Idempotency_Key=key)
    assert again.json() == {**first.json(), "url": None}
    assert again.headers["idempotent-replayed"] == "true"
    token = first.json()["url"].rpartition("/")[2]
    with engine.connect() as connection:
        [stored] = connection.execute(
            select(TranscriptLinkRow.token_hash).where(TranscriptLinkRow.learner_id == learner.learner_id)
        ).scalars()
        kept = connection.execute(text("SELECT body::text FROM idempotency_keys WHERE key = :key"), {"key": key})
        assert token not in kept.scalar_one()
    assert bytes(stored) == hashlib.sha256(token.encode()).digest()


async def test_another_persons_link_is_as_absent_as_one_that_never_was(learner: Person, coordinator: Person) -> None:
    link = await shared(learner)
    for link_id in (link["id"], new_id("trl"), "trl_x"):
        response = await coordinator.call("DELETE", f"{LINKS}/{link_id}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert (await coordinator.get(LINKS)).json() == {"data": []}
    unknown = await learner.client.get(f"/v1/transcript-links/{'x' * 43}")
    assert unknown.json()["code"] == "not_found"


async def test_links_of_an_account_that_became_part_of_another_go_on(
    database_url: str, client: httpx2.AsyncClient, learner: Person, engine: Engine
) -> None:
    duplicate = await sign_in(database_url, client)
    link = await shared(duplicate)
    add_award(engine, learner.learner_id, publish_example(engine), "2.00")
    merge(engine, duplicate.learner_id, learner.learner_id)
    assert len((await client.get(address_of(link))).json()["entries"]) == 1
    assert [each["id"] for each in (await learner.get(LINKS)).json()["data"]] == [link["id"]]
    assert (await learner.call("DELETE", link["href"])).status_code == 204


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"days": 0}, "/days"),
        ({"days": 366}, "/days"),
        ({"days": "30"}, "/days"),
        ({"year": 1800}, "/year"),
        ({"credit_type": "gold"}, "/credit_type"),
        ({"from": "2026-02-30"}, "/from"),
        ({"from": "2026-02-02", "to": "2026-01-01"}, "/to"),
    ],
)
async def test_a_link_to_nothing_is_refused(learner: Person, body: dict[str, Any], pointer: str) -> None:
    response = await learner.post(LINKS, body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == pointer
