"""Events that cannot be applied: nothing is lost, staff settle them, and learners who come later find theirs."""

import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, text

from domain.identities import new_id
from domain.intervals import MOST_INTERVALS
from domain.policy import CEActivityPolicy, ParticipationMethod
from storage.audit import first_break
from storage.catalog import publish
from storage.definitions import Definition, DefinitionStatus
from tests.api.conftest import Person, sign_in
from tests.audit import entries_of
from tests.platforms import Platform, content_policy, roster_policy

STAFF = "/v1/staff/integration-events"


@pytest.fixture
def platform(client: httpx2.AsyncClient, engine: Engine) -> Platform:
    return Platform.added(client, engine)


def published(
    engine: Engine,
    slug: str | None = None,
    *,
    policy: CEActivityPolicy | None = None,
    status: DefinitionStatus = DefinitionStatus.PUBLISHED,
) -> str:
    slug = slug or new_id("course").replace("_", "-")
    with engine.begin() as connection:
        publish(connection, Definition(slug, status, policy or content_policy()), None)
    return slug


@pytest.fixture
def course(engine: Engine) -> str:
    return published(engine)


def somebody() -> str:
    return f"{new_id('x')}@elsewhere.example"


def assert_quarantined(platform: Platform, problem: str) -> None:
    assert (platform.event()["state"], platform.event()["problem"]) == ("quarantined", problem)


async def settle(person: Person, platform: Platform, action: str, body: Any = None, **headers: str) -> httpx2.Response:
    return await person.post(f"{STAFF}/{platform.name}/{platform.sent[-1]}/{action}", body, **headers)


def audited(platform: Platform, engine: Engine) -> list[dict[str, Any]]:
    """The integration's audit entries, whose chain holds."""
    with engine.connect() as connection:
        assert first_break(connection, f"integration:{platform.name}") is None
    return entries_of(engine, f"integration:{platform.name}")


async def test_the_platform_is_not_told_whether_it_named_somebody(
    platform: Platform, learner: Person, course: str
) -> None:
    known = await platform.progress(learner.email, course, (0, 60))
    unknown = await platform.progress(somebody(), course, (0, 60))
    assert_quarantined(platform, "learner_unknown")
    assert unknown.json() == known.json()
    assert set(unknown.headers) == set(known.headers)


async def test_two_learners_with_one_number_are_not_guessed_between(
    platform: Platform, learner: Person, coordinator: Person, course: str
) -> None:
    number = new_id("e").upper().replace("_", "-")
    for person in (learner, coordinator):
        await person.call("PATCH", "/v1/me", {"identifiers": {"employee_id": number}})
    data = {"learner": {"employee_id": number.lower()}, "ce_activity": course, "content": "video", "seconds": 5}
    assert (await platform.send("progress.updated", data)).status_code == 202
    assert_quarantined(platform, "learner_ambiguous")


async def test_a_number_that_nobody_can_have_names_nobody(platform: Platform, course: str) -> None:
    data = {"learner": {"employee_id": "N/A"}, "ce_activity": course, "content": "video", "seconds": 5}
    assert (await platform.send("progress.updated", data)).status_code == 202
    assert_quarantined(platform, "learner_unknown")


async def test_what_the_event_names_must_exist(platform: Platform, learner: Person, course: str) -> None:
    await platform.progress(learner.email, "no-such-course", (0, 60))
    assert_quarantined(platform, "ce_activity_unknown")
    await platform.progress(learner.email, course, (0, 60), content="no-such-content")
    assert_quarantined(platform, "content_unknown")
    assert platform.kinds(learner.learner_id) == []
    assert platform.event()["learner_id"] == learner.learner_id


async def test_a_draft_takes_no_progress_until_it_is_published(
    platform: Platform, learner: Person, coordinator: Person, engine: Engine
) -> None:
    slug = published(engine, status=DefinitionStatus.DRAFT)
    await platform.progress(learner.email, slug, (0, 60))
    assert_quarantined(platform, "ce_activity_unknown")
    published(engine, slug)
    event = (await settle(coordinator, platform, "retry")).json()
    assert (event["state"], event["problem"], event["settled_by"]) == ("applied", None, coordinator.account_id)
    assert platform.seconds(learner.learner_id) == 60


async def test_an_activity_code_of_two_providers_is_not_guessed(
    platform: Platform, learner: Person, engine: Engine
) -> None:
    code, slugs = new_id("code"), [published(engine), published(engine)]
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO providers VALUES (:code, 'Another', 'CE')"), {"code": code})
        connection.execute(
            text("UPDATE ce_activities SET activity_code = :code WHERE slug = ANY(:slugs)"),
            {"code": code, "slugs": slugs[:1]},
        )
        connection.execute(
            text("UPDATE ce_activities SET activity_code = :code, provider_slug = :code WHERE slug = ANY(:slugs)"),
            {"code": code, "slugs": slugs[1:]},
        )
    await platform.progress(learner.email, code, (0, 60))
    assert_quarantined(platform, "ce_activity_ambiguous")


async def test_participation_where_rosters_prove_nothing_is_not_applied(
    platform: Platform, learner: Person, engine: Engine
) -> None:
    slug = published(engine, policy=roster_policy(ParticipationMethod.ATTESTATION))
    await platform.send("participation.recorded", {"learner": {"email": learner.email}, "ce_activity": slug})
    assert_quarantined(platform, "roster_not_accepted")


async def test_progress_in_more_pieces_than_anybody_watches_is_not_applied(
    platform: Platform, learner: Person, course: str
) -> None:
    for offset in (0, 2):
        pieces = [(4 * n + offset, 4 * n + offset + 1) for n in range(MOST_INTERVALS)]
        await platform.progress(learner.email, course, *pieces)
    assert_quarantined(platform, "intervals_too_many")
    assert platform.seconds(learner.learner_id) == MOST_INTERVALS


async def test_staff_say_whose_event_it_is(
    platform: Platform, learner: Person, coordinator: Person, course: str, engine: Engine
) -> None:
    await platform.progress(somebody(), course, (0, 30 * 60))
    response = await settle(coordinator, platform, "assign", {"learner": learner.learner_id})
    assert response.status_code == 200
    assert (response.json()["state"], response.json()["learner_id"]) == ("applied", learner.learner_id)
    assert platform.seconds(learner.learner_id) == 30 * 60
    assert platform.kinds(learner.learner_id) == ["opening", "progress"]
    entry = audited(platform, engine)[-1]
    assert (entry["event"], entry["actor"]) == ("event.assigned", coordinator.account_id)
    assert entry["after"] == {"event": platform.sent[-1], "state": "applied", "problem": None,
                              "learner": learner.learner_id}  # fmt: skip
    assert entry["request_id"] == response.headers["x-request-id"]


async def test_an_assigned_event_that_cannot_be_applied_stays_with_its_learner(
    platform: Platform, learner: Person, coordinator: Person, engine: Engine
) -> None:
    slug = new_id("course").replace("_", "-")
    await platform.progress(somebody(), slug, (0, 60))
    event = (await settle(coordinator, platform, "assign", {"learner": learner.learner_id})).json()
    assert (event["state"], event["problem"]) == ("quarantined", "ce_activity_unknown")
    published(engine, slug)
    assert (await settle(coordinator, platform, "retry", {})).json()["state"] == "applied"
    assert platform.seconds(learner.learner_id) == 60
    assert [entry["event"] for entry in audited(platform, engine)] == [
        "integration.added", "event.assigned", "event.retried",
    ]  # fmt: skip


async def test_an_event_is_settled_once(
    platform: Platform, learner: Person, coordinator: Person, course: str, engine: Engine
) -> None:
    await platform.progress(somebody(), course, (0, 60))
    body = {"learner": learner.learner_id}
    answers = await asyncio.gather(*(settle(coordinator, platform, "assign", body) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "event_settled"}
    for action, more in (("retry", None), ("dismiss", {"reason": "Late."}), ("assign", body)):
        response = await settle(coordinator, platform, action, more)
        assert (response.status_code, response.json()["code"]) == (409, "event_settled")
    assert len(audited(platform, engine)) == 2


async def test_a_repeated_key_settles_nothing_twice(
    platform: Platform, learner: Person, coordinator: Person, course: str
) -> None:
    await platform.progress(somebody(), course, (0, 60))
    body = {"learner": learner.learner_id}
    first = await settle(coordinator, platform, "assign", body, idempotency_key="a")
    again = await settle(coordinator, platform, "assign", body, idempotency_key="a")
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    other = await settle(coordinator, platform, "assign", {"learner": coordinator.learner_id[:-1] + "0"},
                         idempotency_key="a")  # fmt: skip
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_dismissed_event_has_no_effect_and_its_reason_is_kept(
    platform: Platform, learner: Person, coordinator: Person, course: str, engine: Engine
) -> None:
    await platform.progress(somebody(), course, (0, 60))
    response = await settle(coordinator, platform, "dismiss", {"reason": "A test of the platform."})
    assert (response.json()["state"], response.json()["problem"]) == ("dismissed", "learner_unknown")
    entry = audited(platform, engine)[-1]
    assert (entry["event"], entry["reason"]) == ("event.dismissed", "A test of the platform.")
    assert (await settle(coordinator, platform, "retry")).status_code == 409


async def test_nobody_takes_an_event_for_themselves(platform: Platform, coordinator: Person, course: str) -> None:
    await platform.progress(somebody(), course, (0, 60))
    response = await settle(coordinator, platform, "assign", {"learner": coordinator.learner_id})
    assert (response.status_code, response.json()["code"]) == (403, "own_claim")
    assert_quarantined(platform, "learner_unknown")


async def test_an_event_is_assigned_to_somebody_who_exists(
    platform: Platform, coordinator: Person, course: str
) -> None:
    await platform.progress(somebody(), course, (0, 60))
    response = await settle(coordinator, platform, "assign", {"learner": new_id("lrn")})
    assert response.status_code == 422
    assert response.json()["errors"] == [{"pointer": "/learner", "code": "learner_unknown"}]
    assert_quarantined(platform, "learner_unknown")


async def test_an_event_that_never_came_is_absent(platform: Platform, coordinator: Person) -> None:
    for path in (f"{platform.name}/msg_1", "nobody/msg_1", f"{platform.name}/a.b", "No-Body/msg_1"):
        response = await coordinator.post(f"{STAFF}/{path}/retry")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_staff_see_what_waits_oldest_first_page_by_page(
    platform: Platform, learner: Person, coordinator: Person, course: str
) -> None:
    address = somebody()
    for end in range(5):
        await platform.progress(address, course, (0, end))
    await platform.progress(learner.email, course, (0, 60))
    path, found = f"{STAFF}?integration={platform.name}&limit=2", []
    page = (await coordinator.get(path)).json()
    while True:
        found += page["data"]
        if not page["has_more"]:
            break
        page = (await coordinator.get(f"{path}&after={page['next']}")).json()
    assert [event["id"] for event in found] == platform.sent[:5]
    assert found[0]["body"]["data"]["learner"] == {"email": address}
    assert {event["problem"] for event in found} == {"learner_unknown"}
    applied = (await coordinator.get(f"{path}&state=applied")).json()["data"]
    assert [event["id"] for event in applied] == platform.sent[5:]


@pytest.mark.parametrize("query", ["state=lost", "limit=0", "integration=A%00", "after=x", "after=nobody/msg_1"])
async def test_a_wrong_filter_is_refused(query: str, coordinator: Person) -> None:
    response = await coordinator.get(f"{STAFF}?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "validation_failed")


async def test_what_came_before_the_learner_did_is_applied_when_they_sign_up(
    platform: Platform, database_url: str, client: httpx2.AsyncClient, course: str, engine: Engine
) -> None:
    address = somebody()
    for end in (60, 120, 180):
        await platform.progress(address.title(), course, (0, end))
    await platform.progress(somebody(), course, (0, 999))
    newcomer = await sign_in(database_url, client, email=address)
    assert platform.seconds(newcomer.learner_id) == 180
    assert platform.kinds(newcomer.learner_id) == ["opening"]
    assert_quarantined(platform, "learner_unknown")
    assert [entry["event"] for entry in audited(platform, engine)] == ["integration.added", *["event.retried"] * 3]
    assert audited(platform, engine)[-1]["actor"] == "laurel"


async def test_a_number_that_a_learner_adds_later_finds_their_events(
    platform: Platform, learner: Person, course: str
) -> None:
    number = new_id("e").upper().replace("_", "-")
    data = {"learner": {"employee_id": number.lower()}, "ce_activity": course, "content": "video", "seconds": 5}
    await platform.send("progress.updated", data)
    await learner.call("PATCH", "/v1/me", {"given_name": "Augusta"})
    assert_quarantined(platform, "learner_unknown")
    await learner.call("PATCH", "/v1/me", {"identifiers": {"employee_id": number}})
    assert platform.seconds(learner.learner_id) == 5


async def test_an_event_that_staff_are_settling_is_left_to_them(
    platform: Platform, learner: Person, course: str, engine: Engine
) -> None:
    address = somebody()
    await platform.progress(address, course, (0, 60))
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE accounts SET email = :email WHERE id = :id"), {"email": address, "id": learner.account_id}
        )
    with engine.begin() as staff:
        staff.execute(text("SELECT 1 FROM integration_events WHERE id = :id FOR UPDATE"), {"id": platform.sent[-1]})
        await learner.call("PATCH", "/v1/me", {"given_name": "Augusta"})
    assert_quarantined(platform, "learner_unknown")
    await learner.call("PATCH", "/v1/me", {"given_name": "Ada"})
    assert platform.event()["state"] == "applied"
