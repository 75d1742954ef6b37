"""The office's programme over HTTP: definitions read back, versions, differences, preview, status and copies."""

from typing import Any

import httpx2
import pytest

from domain.identities import new_id
from domain.roles import Role
from storage.definitions import read_definition
from tests.api.conftest import Person, definition_text, sign_in

PROGRAMME = "/v1/staff/ce-activities"


def new_slug() -> str:
    return new_id("course").replace("_", "-")


async def put(person: Person, slug: str, text: str, query: str = "") -> httpx2.Response:
    headers = person.headers | {"Content-Type": "application/yaml"}
    return await person.client.put(f"{PROGRAMME}/{slug}{query}", content=text.encode(), headers=headers)


@pytest.fixture
async def draft(coordinator: Person) -> str:
    slug = new_slug()
    assert (await put(coordinator, slug, definition_text(slug) + "status: draft\n")).status_code == 200
    return slug


async def test_a_definition_reads_back_as_it_was_written(coordinator: Person, draft: str) -> None:
    shown = (await coordinator.get(f"{PROGRAMME}/{draft}")).json()
    assert (shown["status"], shown["version"], shown["shown_version"]) == ("draft", 1, 1)
    assert shown["definition"]["provider"]["name"] == "Example University"
    text = (await coordinator.get(shown["yaml_href"])).text
    again = await put(coordinator, draft, text)
    assert again.json()["is_new"] is False
    as_json = await coordinator.call("PUT", f"{PROGRAMME}/{draft}", shown["definition"])
    assert as_json.json()["is_new"] is False
    assert read_definition(text).slug == draft


async def test_versions_say_who_made_them_and_how_many_claims_keep_them(
    coordinator: Person, learner: Person, slug: str
) -> None:
    assert (await learner.post("/v1/claims", {"ce_activity": slug})).status_code == 201
    first = (await coordinator.get(f"{PROGRAMME}/{slug}")).json()
    text = (await coordinator.get(first["yaml_href"])).text
    changed = text.replace(f"title: {first['title']}", "title: Another title", 1)
    assert (await put(coordinator, slug, changed)).json()["version"] == 2
    shown = (await coordinator.get(f"{PROGRAMME}/{slug}")).json()
    told = [(each["version"], each["created_by"], each["claims"]) for each in shown["versions"]]
    assert told == [(2, coordinator.email, 0), (1, None, 1)]
    assert (shown["title"], shown["claims"]) == ("Another title", {"total": 1, "open": 1, "awarded": 0})
    earlier = (await coordinator.get(f"{PROGRAMME}/{slug}?version=1")).json()
    assert (earlier["shown_version"], earlier["definition"]["title"]) == (1, first["title"])
    absent = await coordinator.get(f"{PROGRAMME}/{slug}?version=3")
    assert absent.status_code == 404


async def test_differences_name_the_lines_that_changed_and_leave_the_others_out(
    coordinator: Person, draft: str
) -> None:
    await put(coordinator, draft, definition_text(draft).replace("location: Chicago", "location: Boston"))
    path = f"{PROGRAMME}/{draft}/differences"
    lines = (await coordinator.get(f"{path}?from=1&to=2")).json()["lines"]
    changed = {(each["state"], each["text"]) for each in lines if each["state"] in ("added", "removed")}
    assert changed == {("removed", "location: Chicago"), ("added", "location: Boston")}
    assert lines[0] == {"state": "left_out", "text": ""}
    assert any(each["state"] == "kept" for each in lines)
    assert (await coordinator.get(f"{path}?from=1&to=1")).json()["lines"] == []
    assert (await coordinator.get(f"{path}?from=1&to=3")).status_code == 404


async def test_a_change_to_a_version_that_is_not_current_any_more_is_not_taken(coordinator: Person, draft: str) -> None:
    theirs = definition_text(draft).replace("location: Chicago", "location: Boston")
    assert (await put(coordinator, draft, theirs, "?base=1")).json()["version"] == 2
    mine = definition_text(draft).replace("location: Chicago", "location: Denver")
    refused = await put(coordinator, draft, mine, "?base=1")
    assert (refused.status_code, refused.json()["code"]) == (409, "definition_outdated")
    assert (await coordinator.get(f"{PROGRAMME}/{draft}")).json()["definition"]["location"] == "Boston"
    unchanged = await put(coordinator, draft, theirs, "?base=2")
    assert unchanged.json()["is_new"] is False
    new = await put(coordinator, draft, theirs, "?base=0")
    assert new.json()["code"] == "definition_outdated"


async def test_a_draft_is_published_closed_and_opened_again_without_a_new_version(
    coordinator: Person, learner: Person, draft: str
) -> None:
    assert (await learner.get(f"/v1/ce-activities/{draft}")).status_code == 404
    published = (await coordinator.post(f"{PROGRAMME}/{draft}/publish")).json()
    assert (published["status"], published["version"]) == ("published", 1)
    assert (await learner.get(f"/v1/ce-activities/{draft}")).status_code == 200
    closed = (await coordinator.post(f"{PROGRAMME}/{draft}/close", None, Idempotency_Key="once")).json()
    again = await coordinator.post(f"{PROGRAMME}/{draft}/close", None, Idempotency_Key="once")
    assert (closed["status"], again.headers["idempotent-replayed"]) == ("closed", "true")
    refused = await learner.post("/v1/claims", {"ce_activity": draft})
    assert refused.json()["code"] == "ce_activity_closed"
    reopened = (await coordinator.post(f"{PROGRAMME}/{draft}/publish")).json()
    assert (reopened["status"], reopened["version"]) == ("published", 1)
    auditor_sees = await coordinator.get(f"{PROGRAMME}/{new_slug()}")
    assert auditor_sees.status_code == 404
    assert (await coordinator.post(f"{PROGRAMME}/{new_slug()}/publish")).status_code == 404


async def test_a_copy_is_a_draft_without_the_activity_code_and_takes_no_name_that_is_used(
    coordinator: Person, draft: str
) -> None:
    code = draft[-12:].upper()
    await put(coordinator, draft, definition_text(draft) + f"activity_code: {code}\n")
    copy = new_slug()
    made = await coordinator.post(f"{PROGRAMME}/{draft}/clone", {"slug": copy, "title": "Next year"})
    assert (made.status_code, made.json()["status"], made.json()["title"]) == (201, "draft", "Next year")
    assert made.json()["activity_code"] is None
    shown = (await coordinator.get(f"{PROGRAMME}/{copy}")).json()
    assert (
        shown["definition"]["credit"] == (await coordinator.get(f"{PROGRAMME}/{draft}")).json()["definition"]["credit"]
    )
    refused = await coordinator.post(f"{PROGRAMME}/{copy}/clone", {"slug": draft})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "slug_taken")
    assert (await coordinator.get(f"{PROGRAMME}/{draft}")).json()["title"] == "Grand rounds"


async def test_the_office_previews_a_draft_as_a_learner_of_some_profession(coordinator: Person, draft: str) -> None:
    physician = (await coordinator.get(f"{PROGRAMME}/{draft}/preview?profession=physician")).json()
    assert [each["credit_type"] for each in physician["credit"]] == ["ama_pra_category_1"]
    steps = [(each["kind"], each["state"]) for each in physician["checklist"]]
    assert steps == [("participation", "to_do"), ("credit", "locked"), ("certificate", "locked")]
    other = (await coordinator.get(f"{PROGRAMME}/{draft}/preview?profession=other")).json()
    assert other["credit"] == []


async def test_a_preview_shows_the_questions_of_the_post_test_without_their_key(coordinator: Person, slug: str) -> None:
    preview = (await coordinator.get(f"{PROGRAMME}/{slug}/preview")).json()
    assert preview["post_test_questions"]
    assert all(question.keys() == {"code", "text", "options"} for question in preview["post_test_questions"])


async def test_the_programme_is_listed_by_status_and_words_newest_first(
    coordinator: Person, database_url: str, client: httpx2.AsyncClient, draft: str
) -> None:
    second = new_slug()
    await put(coordinator, second, definition_text(second).replace("Grand rounds", f"Rounds about {draft[-20:]}"))

    async def found(query: str) -> list[Any]:
        response = await coordinator.get(f"{PROGRAMME}?{query}")
        return [each["slug"] for each in response.json()["data"]]

    assert await found(f"search={draft[-20:].upper()}") == [second, draft]
    assert await found(f"search={draft[-20:]}&status=draft") == [draft]
    page = (await coordinator.get(f"{PROGRAMME}?search={draft[-20:]}&limit=1")).json()
    assert (page["has_more"], page["next"]) == (True, second)
    assert await found(f"search={draft[-20:]}&after={second}") == [draft]
    viewer = await sign_in(database_url, client, Role.VIEWER)
    assert (await viewer.get(f"{PROGRAMME}/{draft}")).status_code == 200
    assert (await viewer.post(f"{PROGRAMME}/{draft}/publish")).status_code == 403
    wrong = await coordinator.get(f"{PROGRAMME}?after=../x")
    assert wrong.json()["code"] == "validation_failed"
