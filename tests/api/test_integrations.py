"""What learning platforms send: signed, kept once, merged, and told to the claim."""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine, RowMapping, text

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimStep
from activities.relay import Relay
from api.app import create_app
from config.settings import Settings
from domain.identities import derived_id, new_id
from domain.policy import CEActivityPolicy, ParticipationMethod
from storage import integrations
from storage.catalog import publish
from storage.definitions import Definition, DefinitionStatus
from tests.api.conftest import LedgerTemporal, Person, connector, running, sign_in, until
from tests.platforms import SENDER, Platform, content_policy, roster_policy, sender

MINUTE = 60


@pytest.fixture
def platform(client: httpx2.AsyncClient, engine: Engine) -> Platform:
    return Platform.added(client, engine)


def published(engine: Engine, policy: CEActivityPolicy, status: DefinitionStatus = DefinitionStatus.PUBLISHED) -> str:
    slug = new_id("course").replace("_", "-")
    with engine.begin() as connection:
        publish(connection, Definition(slug, status, policy), None)
    return slug


@pytest.fixture
def course(engine: Engine) -> str:
    """A CE activity with content of which partial progress earns credit."""
    return published(engine, content_policy())


async def relayed(engine: Engine, ledger: PostgresClaimActivities, claim_id: str) -> None:
    """Let the real relay deliver what is due; the real ledger decides what is for this claim."""

    async def deliver(row: RowMapping) -> None:
        if row["claim_id"] == claim_id:
            await asyncio.to_thread(ledger.load_claim, ClaimStep(claim_id, datetime.now(UTC)))

    while await Relay(engine, deliver).deliver_due():
        pass


def claim_id_of(platform: Platform, learner_id: str, slug: str) -> str:
    ce_activity = platform.rows("SELECT id FROM ce_activities WHERE slug = :slug", slug=slug)
    return derived_id("clm", learner_id, ce_activity[0]["id"])


def assert_refused(response: httpx2.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"


PING = {"type": "course.renamed", "timestamp": "2026-11-21T21:40:00Z", "data": {}}
BODY = json.dumps(PING).encode()


def signature(secret: str, event_id: str, sent_at: str, body: bytes = BODY) -> str:
    return str(sender.signed_headers(secret, event_id, sent_at, body)["webhook-signature"])


Headers = Callable[[Platform], dict[str, str | None]]


def at_time(seconds_from_now: float) -> Headers:
    """A signature that is right, made at another time."""

    def headers(platform: Platform) -> dict[str, str | None]:
        sent_at = str(int(time.time() + seconds_from_now))
        signed = signature(platform.secret, "msg_1", sent_at)
        return {"webhook_id": "msg_1", "webhook_timestamp": sent_at, "webhook_signature": signed}

    return headers


def odd_time(sent_at: str) -> Headers:
    def headers(platform: Platform) -> dict[str, str | None]:
        signed = signature(platform.secret, "msg_1", sent_at)
        return {"webhook_id": "msg_1", "webhook_timestamp": sent_at, "webhook_signature": signed}

    return headers


WRONG: dict[str, Headers] = {
    "no signature": lambda _: {"webhook_signature": None},
    "no id": lambda _: {"webhook_id": None},
    "no time": lambda _: {"webhook_timestamp": None},
    "an empty signature": lambda _: {"webhook_signature": ""},
    "a signature of nothing": lambda _: {"webhook_signature": "v1,"},
    "what is no signature": lambda _: {"webhook_signature": "nonsense"},
    "what is no base 64": lambda _: {"webhook_signature": "v1,%%%"},
    "a signature with another secret": lambda p: {
        "webhook_signature": p.headers(BODY)["webhook-signature"].replace("v1,", "v1,AAAA")
    },
    "another version of the same signature": lambda p: {
        "webhook_id": "msg_1",
        "webhook_signature": signature(p.secret, "msg_1", str(int(time.time()))).replace("v1,", "v2,"),
    },
    "another id than was signed": lambda _: {"webhook_id": "msg_other"},
    "another time than was signed": lambda _: {"webhook_timestamp": str(int(time.time()) - 1)},
    "more than five minutes ago": at_time(-302),
    "more than five minutes ahead": at_time(302),
    "a time that is no number": odd_time("NaN"),
    "a time that never comes": odd_time("inf"),
    "a time of a million digits": odd_time("9" * 400),
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_is_not_signed_rightly_is_refused_and_not_kept(case: str, platform: Platform) -> None:
    response = await platform.post(BODY, **WRONG[case](platform))
    assert_refused(response, 401, "signature_invalid")
    assert not platform.rows("SELECT id FROM integration_events WHERE integration = :name")


@pytest.mark.parametrize("age", [-295, 0, 295])
async def test_clocks_may_differ_by_five_minutes(age: int, platform: Platform) -> None:
    response = await platform.post(BODY, **at_time(age)(platform))
    assert response.status_code == 202


async def test_a_body_that_was_changed_on_its_way_is_refused(platform: Platform) -> None:
    headers = platform.headers(BODY)
    for changed in (BODY.replace(b"{}", b'{"a": 1}'), BODY + b" ", json.dumps(PING, indent=1).encode()):
        response = await platform.client.post(platform.path, content=changed, headers=headers)
        assert_refused(response, 401, "signature_invalid")


async def test_a_header_that_comes_twice_is_refused(platform: Platform) -> None:
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        headers = [*platform.headers(BODY).items(), (name, "x")]
        response = await platform.client.post(platform.path, content=BODY, headers=headers)
        assert_refused(response, 401, "signature_invalid")


async def test_an_unknown_platform_and_a_wrong_signature_are_answered_alike(platform: Platform) -> None:
    def told(response: httpx2.Response) -> dict[str, Any]:
        return {**response.json(), "instance": None, "request_id": None}

    known = await platform.post(BODY, webhook_signature="v1,AAAA")
    for name in ("nobody", "No-Body", "a%00", "x" * 200):
        headers = platform.headers(BODY)
        unknown = await platform.client.post(f"/v1/integrations/{name}/events", content=BODY, headers=headers)
        assert (unknown.status_code, told(unknown)) == (401, told(known))


async def test_both_secrets_are_valid_while_one_replaces_the_other(platform: Platform, engine: Engine) -> None:
    old = platform.secret
    with engine.begin() as connection:
        new = integrations.rotate(connection, platform.name)
    for platform.secret in (old, new):
        assert (await platform.post(BODY)).status_code == 202
    sent_at = str(int(time.time()))
    both = f"v1a,AAAA {signature(old, 'msg_both', sent_at)} {signature(new, 'msg_both', sent_at)}"
    response = await platform.post(BODY, webhook_id="msg_both", webhook_timestamp=sent_at, webhook_signature=both)
    assert response.status_code == 202
    with engine.begin() as connection:
        integrations.drop_previous(connection, platform.name)
    platform.secret = old
    assert_refused(await platform.post(BODY), 401, "signature_invalid")
    platform.secret = new
    assert (await platform.post(BODY)).status_code == 202


async def test_the_secret_before_the_previous_one_is_dead(platform: Platform, engine: Engine) -> None:
    with engine.begin() as connection:
        integrations.rotate(connection, platform.name)
        integrations.rotate(connection, platform.name)
    assert_refused(await platform.post(BODY), 401, "signature_invalid")


async def test_a_disabled_platform_is_as_unknown_as_any_other(platform: Platform, engine: Engine) -> None:
    with engine.begin() as connection:
        integrations.disable(connection, platform.name)
    assert_refused(await platform.post(BODY), 401, "signature_invalid")
    with engine.begin() as connection:
        again = integrations.add(connection, platform.name)
    assert_refused(await platform.post(BODY), 401, "signature_invalid")
    platform.secret = again
    assert (await platform.post(BODY)).status_code == 202


async def test_an_id_that_cannot_be_kept_is_named(platform: Platform) -> None:
    for event_id in ("a.b", "x" * 129, "a/b"):
        headers = platform.headers(BODY, event_id=event_id)
        response = await platform.client.post(platform.path, content=BODY, headers=headers)
        assert_refused(response, 422, "validation_failed")
        assert response.json()["errors"] == [{"pointer": "webhook-id", "code": "format"}]


async def test_progress_opens_the_claim_and_is_there_when_it_is_decided(
    platform: Platform, learner: Person, course: str, engine: Engine, ledger: PostgresClaimActivities
) -> None:
    await platform.progress(learner.email, course, (0, 10 * MINUTE))
    assert platform.event()["state"] == "applied"
    assert platform.kinds(learner.learner_id) == ["opening", "progress"]
    await relayed(engine, ledger, claim_id_of(platform, learner.learner_id, course))
    (claim,) = (await learner.get("/v1/claims")).json()["data"]
    assert claim["ce_activity"]["slug"] == course
    # A quarter of an hour is the step, and ten minutes are nearest to one.
    assert claim["stage"] == "ready_to_claim"
    assert {each["outcome"] for each in platform.submissions(learner.learner_id)} == {"accepted"}


async def test_an_event_outlives_whoever_took_it(platform: Platform, learner: Person, course: str) -> None:
    """When 202 is answered, all is committed: were the API killed now, the relay would find what is due."""
    await platform.progress(learner.email, course, (0, 30 * MINUTE))
    waiting = platform.submissions(learner.learner_id)
    assert [(each["kind"], each["is_due"], each["decided_at"]) for each in waiting] == [
        ("opening", True, None),
        ("progress", True, None),
    ]
    assert waiting[0]["received_at"] < waiting[1]["received_at"]


async def test_a_minute_that_is_watched_twice_counts_once(platform: Platform, learner: Person, course: str) -> None:
    await platform.progress(learner.email, course, (0, 60), (30, 90))
    await platform.progress(learner.email, course, (60, 120))
    await platform.progress(learner.email, course, (0, 120))
    assert platform.seconds(learner.learner_id) == 120


async def test_order_does_not_matter_and_nothing_is_ever_lowered(
    platform: Platform, database_url: str, client: httpx2.AsyncClient, course: str
) -> None:
    reports: list[dict[str, Any]] = [
        {"intervals": [[0, 100]]},
        {"intervals": [[50, 200]], "seconds": 120},
        {"seconds": 260},
        {"intervals": [[300, 330]], "seconds": 10},
        {"intervals": []},
    ]
    ends = set()
    for order in list(itertools.permutations(reports))[::40]:
        person, seen = await sign_in(database_url, client), 0
        for report in order:
            await platform.progress(person.email, course, **report)
            now = platform.seconds(person.learner_id)
            assert now >= seen
            seen = now
        ends.add(seen)
    assert ends == {260}


async def test_only_what_changes_a_decision_is_handed_to_the_claim(
    platform: Platform, learner: Person, course: str
) -> None:
    for end in range(0, 31 * MINUTE, 3 * MINUTE):
        await platform.progress(learner.email, course, (0, end))
    # At 8 and 23 minutes the amount rises, at 30 the video is complete.
    assert platform.kinds(learner.learner_id) == ["opening", "progress", "progress", "progress"]
    await platform.progress(learner.email, course, (0, 40 * MINUTE))
    assert len(platform.kinds(learner.learner_id)) == 4


async def test_whoever_watches_the_claim_sees_progress_that_decides_nothing(
    platform: Platform, learner: Person, course: str, app: FastAPI
) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": course})).json()
    with app.state.services.wakeups.watch(claim["id"]) as changed:
        await platform.progress(learner.email, course, (0, 60))
        async with asyncio.timeout(20):
            await changed.wait()
    assert platform.kinds(learner.learner_id) == []


async def test_a_claim_that_the_learner_opened_is_told(platform: Platform, learner: Person, course: str) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": course})).json()
    await platform.progress(learner.email, course, seconds=30 * MINUTE)
    (told,) = platform.submissions(learner.learner_id)
    assert (told["kind"], told["claim_id"]) == ("progress", claim["id"])
    assert told["actor"] == f"integration:{platform.name}"


async def test_a_closed_claim_is_left_alone(platform: Platform, learner: Person, course: str) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": course})).json()
    await learner.post(f"{claim['href']}/withdrawal", {"reason": "Enough."})
    await platform.progress(learner.email, course, seconds=30 * MINUTE)
    assert platform.event()["state"] == "applied"
    assert platform.seconds(learner.learner_id) == 30 * MINUTE
    assert platform.kinds(learner.learner_id) == []


async def test_an_event_counts_once_however_often_it_is_sent(
    platform: Platform, learner: Person, course: str, engine: Engine
) -> None:
    data = {"learner": {"email": learner.email}, "ce_activity": course, "content": "video", "seconds": 1800}
    sent_at = datetime.now(UTC).isoformat()
    answers = await asyncio.gather(
        *(platform.send("progress.updated", data, "msg_same", timestamp=sent_at) for _ in range(8))
    )
    assert [answer.status_code for answer in answers] == [202] * 8
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert platform.kinds(learner.learner_id) == ["opening", "progress"]
    later = await platform.send("progress.updated", data, "msg_same", timestamp=sent_at)
    assert (later.status_code, later.json()) == (202, answers[0].json())
    assert len(platform.rows("SELECT id FROM integration_events WHERE integration = :name")) == 1


async def test_another_event_under_the_same_id_is_refused(platform: Platform, learner: Person, course: str) -> None:
    await platform.progress(learner.email, course, (0, 60), event_id="msg_1")
    data = {"learner": {"email": learner.email}, "ce_activity": course, "content": "video", "seconds": 99}
    assert_refused(await platform.send("progress.updated", data, "msg_1"), 409, "event_id_reused")
    assert platform.seconds(learner.learner_id) == 60


async def test_two_platforms_may_use_the_same_id(
    platform: Platform, client: httpx2.AsyncClient, engine: Engine, learner: Person, course: str
) -> None:
    other = Platform.added(client, engine)
    await platform.progress(learner.email, course, (0, 60), event_id="msg_1")
    await other.progress(learner.email, course, (60, 120), event_id="msg_1")
    assert platform.seconds(learner.learner_id) == 120


async def test_numbers_that_are_hard_to_keep_do_not_make_a_repeated_event_another_one(platform: Platform) -> None:
    data = {"large": 1e308, "small": 5e-324, "whole": 1.0, "long": 10**17, "text": "ü 山"}
    for _ in range(2):
        response = await platform.send("course.measured", data, "msg_1", timestamp="2026-11-21T21:40:00Z")
        assert response.status_code == 202
    assert response.headers["idempotent-replayed"] == "true"


async def test_events_that_come_at_once_lose_none_of_their_seconds(
    platform: Platform, learner: Person, course: str
) -> None:
    pieces = [(60 * n, 60 * n + 60) for n in range(30)]
    await asyncio.gather(
        *(platform.progress(learner.email, course, piece, content=content)
          for piece in pieces for content in ("video", "pages"))
    )  # fmt: skip
    assert platform.seconds(learner.learner_id, "video") == platform.seconds(learner.learner_id, "pages") == 1800
    # Opened once; told when the amount rises at 8, 23, 38 and 53 minutes, and when each piece of content is complete.
    assert sorted(platform.kinds(learner.learner_id)) == ["opening"] + ["progress"] * 6


async def test_an_activity_code_names_the_activity_too(platform: Platform, learner: Person, engine: Engine) -> None:
    slug, code = published(engine, content_policy()), new_id("code")
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE ce_activities SET activity_code = :code WHERE slug = :slug"), {"code": code, "slug": slug}
        )
    await platform.progress(learner.email, code, (0, 60))
    assert platform.event()["state"] == "applied"


async def test_a_learner_is_known_by_address_in_any_case_and_by_identifier(
    platform: Platform, learner: Person, course: str
) -> None:
    npi = f"{time.time_ns() % 10**10:010}"
    await learner.call("PATCH", "/v1/me", {"identifiers": {"npi": npi}})
    await platform.progress(learner.email.upper(), course, (0, 60))
    data = {"learner": {"npi": f"{npi[:4]}-{npi[4:]}"}, "ce_activity": course, "content": "video"}
    await platform.send("progress.updated", {**data, "seconds": 90})
    assert platform.event()["learner_id"] == learner.learner_id
    assert platform.seconds(learner.learner_id) == 90


async def test_a_merged_learner_counts_as_the_one_who_was_kept(
    platform: Platform, learner: Person, coordinator: Person, course: str, engine: Engine
) -> None:
    third = await sign_in(str(engine.url.render_as_string(hide_password=False)), platform.client)
    chain = [learner, coordinator, third]
    with engine.begin() as connection:
        for kept, duplicate in itertools.pairwise(chain):
            connection.execute(
                text("UPDATE learners SET merged_into = :kept WHERE id = :duplicate"),
                {"kept": kept.learner_id, "duplicate": duplicate.learner_id},
            )
    await platform.progress(chain[-1].email, course, (0, 60))
    assert platform.event()["learner_id"] == learner.learner_id
    assert [platform.seconds(each.learner_id) for each in chain] == [60, 0, 0]


async def test_the_platform_vouches_for_a_learner(
    platform: Platform, learner: Person, engine: Engine, ledger: PostgresClaimActivities
) -> None:
    slug = published(engine, roster_policy())
    data = {"learner": {"email": learner.email}, "ce_activity": slug, "method": "attended"}
    assert (await platform.send("participation.recorded", data)).status_code == 202
    assert platform.kinds(learner.learner_id) == ["opening", "participation"]
    claim_id = claim_id_of(platform, learner.learner_id, slug)
    await relayed(engine, ledger, claim_id)
    claim = (await learner.get(f"/v1/claims/{claim_id}")).json()
    assert claim["stage"] == "ready_to_claim"
    await platform.send("participation.recorded", data)
    assert len(platform.kinds(learner.learner_id)) == 2
    query = (
        "SELECT r.state, r.row_count, r.applied_count, e.given_name, e.claim_id FROM rosters r "
        "JOIN roster_entries e ON e.roster_id = r.id WHERE r.uploaded_by = 'integration:' || :name"
    )
    assert platform.rows(query) == [
        {"state": "applied", "row_count": 1, "applied_count": 1, "given_name": "Ada", "claim_id": claim_id}
    ]


async def test_a_learner_who_is_on_a_roster_already_gets_no_second_entry(
    platform: Platform, client: httpx2.AsyncClient, learner: Person, engine: Engine
) -> None:
    other, slug = Platform.added(client, engine), published(engine, roster_policy())
    for sends in (platform, other):
        await sends.send("participation.recorded", {"learner": {"email": learner.email}, "ce_activity": slug})
        assert sends.event()["state"] == "applied"
    assert len(platform.rows("SELECT 1 FROM roster_keys WHERE value = lower(:email)", email=learner.email)) == 1


async def test_before_its_turn_participation_is_evidence_only(
    platform: Platform, learner: Person, engine: Engine
) -> None:
    slug = published(engine, roster_policy(ParticipationMethod.ATTESTATION, ParticipationMethod.ROSTER))
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    await learner.post(f"{claim['href']}/withdrawal", {"reason": "Enough."})
    await platform.send("participation.recorded", {"learner": {"email": learner.email}, "ce_activity": slug})
    assert platform.event()["state"] == "applied"
    assert platform.kinds(learner.learner_id) == []


async def test_a_type_without_an_effect_is_kept_and_acknowledged(platform: Platform) -> None:
    response = await platform.send("assessment.completed", {"anything": ["goes", {"here": 1}]})
    assert response.status_code == 202
    assert (platform.event()["state"], platform.event()["body"]["data"]["anything"][0]) == ("ignored", "goes")


PROGRESS: dict[str, Any] = {
    "learner": {"email": "ada@hospital.example"}, "ce_activity": "course", "content": "video", "seconds": 1,
}  # fmt: skip
WRONG_DATA: list[tuple[dict[str, Any], str, str]] = [
    ({"intervals": [[60, 0]]}, "/data/intervals", "interval_reversed"),
    ({"intervals": [[-1, 5]]}, "/data/intervals", "greater_than_equal"),
    ({"intervals": [[0, 10**12]]}, "/data/intervals", "less_than_equal"),
    ({"intervals": [[0.5, 5]]}, "/data/intervals", "int_type"),
    ({"intervals": [[True, 5]]}, "/data/intervals", "int_type"),
    ({"intervals": [["0", "5"]]}, "/data/intervals", "int_type"),
    ({"intervals": [[0]]}, "/data/intervals", "too_short"),
    ({"intervals": [[0, 5, 9]]}, "/data/intervals", "too_long"),
    ({"intervals": [[0, 1]] * 8000}, "/data/intervals", "too_long"),
    ({"intervals": {"0": 5}}, "/data/intervals", "list_type"),
    ({"seconds": -1}, "/data/seconds", "greater_than_equal"),
    ({"seconds": 10**17}, "/data/seconds", "less_than_equal"),
    ({"seconds": "60"}, "/data/seconds", "int_type"),
    ({"seconds": 1.5}, "/data/seconds", "int_type"),
    ({"seconds": None}, "/data", "progress_missing"),
    ({"learner": {}}, "/data/learner", "too_short"),
    ({"learner": {"email": "a@b.example", "npi": "1234567893"}}, "/data/learner", "too_long"),
    ({"learner": {"shoe_size": "44"}}, "/data/learner", "identifier_unknown"),
    ({"learner": {"birth_month_day": "07-04"}}, "/data/learner", "identifier_unknown"),
    ({"learner": {"email": 5}}, "/data/learner/email", "string_type"),
    ({"learner": "ada@hospital.example"}, "/data/learner", "dict_type"),
    ({"ce_activity": "../etc"}, "/data/ce_activity", "format"),
    ({"content": "<img>"}, "/data/content", "format"),
    ({"content": None}, "/data/content", "string_type"),
    ({"minutes": 5}, "/data", "unknown_field"),
]


@pytest.mark.parametrize(("changes", "pointer", "code"), WRONG_DATA)
async def test_data_that_its_type_does_not_have_is_refused_and_not_kept(
    changes: dict[str, Any], pointer: str, code: str, platform: Platform
) -> None:
    response = await platform.send("progress.updated", PROGRESS | changes)
    assert_refused(response, 422, "validation_failed")
    assert {"pointer": pointer, "code": code} in response.json()["errors"]
    assert "hospital" not in response.text
    assert not platform.rows("SELECT id FROM integration_events WHERE integration = :name")


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"timestamp": "yesterday"}, "/timestamp", "time_format"),
        ({"timestamp": "2026-11-21T21:40:00"}, "/timestamp", "time_format"),
        ({"timestamp": "2026-02-30T21:40:00Z"}, "/timestamp", "time_format"),
        ({"timestamp": 1700000000}, "/timestamp", "string_type"),
        ({"timestamp": (datetime.now(UTC) + timedelta(days=1)).isoformat()}, "/timestamp", "time_in_future"),
        ({"type": "a b"}, "/type", "format"),
        ({"type": ["progress.updated"]}, "/type", "string_type"),
        ({"data": []}, "/data", "dict_type"),
        ({"more": 1}, "", "unknown_field"),
    ],
)
async def test_an_envelope_of_another_shape_is_refused(
    changes: dict[str, Any], pointer: str, code: str, platform: Platform
) -> None:
    response = await platform.send("progress.updated", PROGRESS, **changes)
    assert_refused(response, 422, "validation_failed")
    assert {"pointer": pointer, "code": code} in response.json()["errors"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"type": NaN}', 400),
        (b'{"seconds": 1e999}', 400),
        (b'{"seconds": ' + b"9" * 5000 + b"}", 400),
        (b"[" * 60 + b"]" * 60, 400),
        (b"\xff\xfe", 400),
        (b"", 422),
        (b"[]", 422),
        (b'{"data": "' + b"x" * 70_000 + b'"}', 413),
    ],
)
async def test_a_hostile_body_is_refused_even_when_it_is_signed(body: bytes, status: int, platform: Platform) -> None:
    response = await platform.post(body)
    assert response.status_code == status, response.text
    assert not platform.rows("SELECT id FROM integration_events WHERE integration = :name")


@asynccontextmanager
async def served(chosen: Settings, temporal: LedgerTemporal) -> AsyncIterator[str]:
    """The application at a real socket."""
    app = create_app(chosen, connector(temporal))
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, ws="none", lifespan="on")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


async def test_a_platform_that_sends_too_much_has_to_wait(
    settings: Settings, temporal: LedgerTemporal, engine: Engine
) -> None:
    few = settings.model_copy(update={"requests_per_minute": 1})
    async with running(few, temporal) as (_, client):
        platform = Platform.added(client, engine)
        # Ten in a minute; while they are sent one minute may end.
        answers = [await platform.post(BODY) for _ in range(22)]
    assert answers[0].status_code == 202
    refused = next(answer for answer in answers if answer.status_code != 202)
    assert_refused(refused, 429, "rate_limited")
    assert 0 < int(refused.headers["retry-after"]) <= 60


async def test_the_sample_sender_sends_what_laurel_takes(
    settings: Settings, temporal: LedgerTemporal, platform: Platform, learner: Person, course: str
) -> None:
    async with served(settings, temporal) as url:
        sending = await asyncio.create_subprocess_exec(
            sys.executable, str(SENDER), f"{url}{platform.path}", "progress", "--email", learner.email,
            "--ce-activity", course, "--content", "video", "--interval", "0-60", "--interval", "30-90",
            env={"LAUREL_INTEGRATION_SECRET": platform.secret}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await sending.communicate()
    assert (sending.returncode, said) == (0, b"recorded\n")
    assert platform.seconds(learner.learner_id) == 90
