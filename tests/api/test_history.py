"""The audit trail for people: a learner's history, staff's entries in full, and what only auditors may search."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import psycopg
import pytest
from sqlalchemy import Engine, make_url, text

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimStep
from cli.local.postgres import EmbeddedPostgres
from config.settings import Settings
from domain.identities import new_id
from domain.roles import Role
from storage.audit import AuditEntry, AuditStream, claim_stream
from storage.database import create_sync_engine
from storage.migrate import upgrade
from storage.sealing import UNREADABLE, SealPurpose, destroy_keys, open_entries, seal
from tests.api.conftest import LedgerTemporal, Person, running, sign_in
from tests.api.records import merge
from tests.api.test_access import address_of
from tests.api.test_claim_over_http import awarded, opened
from tests.description import DESCRIPTION

READS = sorted(
    path for path, operations in DESCRIPTION["paths"].items() if path.startswith("/v1/staff/") and "get" in operations
)
WRITES = sorted(
    (method.upper(), path)
    for path, operations in DESCRIPTION["paths"].items()
    if path.startswith("/v1/staff/")
    for method in operations
    # A preview changes nothing.
    if method != "get" and not path.endswith("/preview")
)


@pytest.fixture
async def auditor(database_url: str, client: httpx2.AsyncClient) -> Person:
    return await sign_in(database_url, client, Role.AUDITOR, given_name="Grace", family_name="Hopper")


async def entries_of(person: Person, claim_id: str) -> list[dict[str, Any]]:
    response = await person.get(f"/v1/staff/claims/{claim_id}/audit?limit=100")
    assert response.status_code == 200, response.text
    return list(response.json()["data"])


def test_an_entry_cannot_be_left_out_of_these_tests() -> None:
    assert "/v1/staff/audit" in READS
    assert "/v1/staff/claims/{claim_id}/audit" in READS
    assert len(WRITES) > 10


async def test_the_same_entries_are_told_to_learner_and_staff(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities
) -> None:
    claim = await awarded(learner, slug, ledger)
    own = (await learner.get(f"{claim['href']}/history?limit=100")).json()["data"]
    staffs = await entries_of(coordinator, claim["id"])
    assert [entry["seq"] for entry in own] == [entry["seq"] for entry in staffs] == list(range(1, len(own) + 1))
    assert [entry["text"] for entry in own] == [entry["text"] for entry in staffs]
    assert own[-1]["text"] == "The credit was awarded: 1.00 AMA PRA Category 1 Credit(s)™."
    assert {entry["actor"] for entry in own} == {"you", "system"}
    # What the row of the claim looks like is nothing that a learner needs.
    assert not {name for entry in own for name in entry["details"]} & {"attested_at", "version_id", "learner_id"}


async def test_staff_read_who_what_before_and_after_by_which_rule_and_on_what_evidence(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await awarded(learner, slug, ledger)
    *_, claimed, granted = await entries_of(coordinator, claim["id"])
    assert claimed["event"] == "credit.accepted"
    assert claimed["actor"] == {
        "kind": "account", "id": learner.account_id, "name": "Ada Lovelace", "email": learner.email,
    }  # fmt: skip
    assert granted["actor"] == {"kind": "system", "id": "laurel", "name": "Laurel", "email": None}
    assert (claimed["before"]["claimed_units"], claimed["after"]["claimed_units"]) == (None, "1.00")
    assert granted["rule"]
    assert set(granted["evidence"]) == {"submission"}
    assert claimed["request_id"].startswith("req_")
    query = "SELECT body, hash FROM audit_events WHERE stream = :stream AND seq = :seq"
    with engine.connect() as connection:
        row = connection.execute(text(query), {"stream": granted["stream"], "seq": granted["seq"]}).one()
    assert granted["hash"] == bytes(row.hash).hex()
    assert granted["body_hash"] == hashlib.sha256(bytes(row.body)).hexdigest()
    assert json.loads(bytes(row.body))["event"] == granted["event"] == "credit.awarded"


async def test_a_refusal_is_told_with_its_reason(learner: Person, coordinator: Person, slug: str) -> None:
    claim = await opened(learner, slug)
    refused = await learner.post(f"{claim['href']}/participation", {"value": "by-telepathy"})
    assert refused.status_code == 409
    last = (await learner.get(f"{claim['href']}/history")).json()["data"][-1]
    assert last["text"] == "Proving participation was refused: there is no such option."
    assert (await entries_of(coordinator, claim["id"]))[-1]["after"]["refusal"] == "option_unknown"


async def test_what_people_wrote_is_sealed_and_opened_for_those_who_may_read_it(
    learner: Person, coordinator: Person, auditor: Person, slug: str, engine: Engine
) -> None:
    claim = await opened(learner, slug)
    await learner.post(f"{claim['href']}/withdrawal", {"reason": "I have moved to Lisbon."})
    with engine.connect() as connection:
        query = text("SELECT convert_from(body, 'UTF8') FROM audit_events WHERE stream = :stream")
        bodies = "".join(connection.execute(query, {"stream": claim_stream(claim["id"])}).scalars())
    assert "Lisbon" not in bodies
    own = (await learner.get(f"{claim['href']}/history")).json()["data"][-1]
    assert (own["reason"], own["is_erased"]) == ("I have moved to Lisbon.", False)
    for reader in (coordinator, auditor):
        assert (await entries_of(reader, claim["id"]))[-1]["reason"] == "I have moved to Lisbon."
    with engine.begin() as connection:
        destroy_keys(connection, [learner.learner_id], SealPurpose.RECORD)
    own = (await learner.get(f"{claim['href']}/history")).json()["data"][-1]
    assert (own["reason"], own["is_erased"], own["text"]) == (None, True, "The claim was withdrawn.")
    assert (await entries_of(coordinator, claim["id"]))[-1]["is_erased"] is True


async def test_of_the_reasons_that_staff_give_a_learner_reads_only_why_there_is_more_time_or_not(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    claim = await opened(learner, slug)
    events = ["extension.accepted", "extension_refusal.accepted", "extension.refused", "retry.accepted"]
    with engine.begin() as connection:
        stream = AuditStream.open(connection, claim_stream(claim["id"]))
        for number, event in enumerate(events):
            at, said = datetime(2026, 5, 1, 12, number, tzinfo=UTC), {"reason": f"Because of {event}."}
            stream.append(
                AuditEntry(
                    step_key=new_id("x"), event=event, at=at, actor=coordinator.account_id, private=said,
                    subject=learner.learner_id,
                )
            )  # fmt: skip
    own, staffs, office = [
        [entry["reason"] for entry in (await person.get(path)).json()["data"][1:]]
        for person, path in (
            (learner, f"{claim['href']}/history"),
            (coordinator, f"/v1/staff/claims/{claim['id']}/history"),
            (coordinator, f"/v1/staff/claims/{claim['id']}/audit"),
        )
    ]
    assert own == ["Because of extension.accepted.", "Because of extension_refusal.accepted.", None, None]
    assert staffs == office == [f"Because of {event}." for event in events]


async def test_what_was_meddled_with_cannot_be_read_and_hides_nothing_else(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    claim = await opened(learner, slug)
    await learner.post(f"{claim['href']}/withdrawal", {"reason": "I have moved to Lisbon."})
    with engine.begin() as connection:
        key = text("UPDATE learner_keys SET key = sha256(key) WHERE learner_id = :id")
        assert connection.execute(key, {"id": learner.learner_id}).rowcount
    *earlier, own = (await learner.get(f"{claim['href']}/history")).json()["data"]
    assert (own["reason"], own["personal"], own["is_erased"]) == (None, dict(UNREADABLE), False)
    assert own["text"] == "The claim was withdrawn."
    assert earlier
    staffs = await entries_of(coordinator, claim["id"])
    assert [entry["personal"] for entry in staffs] == [{}] * len(earlier) + [dict(UNREADABLE)]


def test_a_changed_box_is_told_from_an_entry_whose_key_is_destroyed(engine: Engine) -> None:
    subject = new_id("lrn")
    with engine.begin() as connection:
        sealed = seal(connection, subject, {"reason": "Moved."})
        boxes = [sealed, sealed | {"box": sealed["box"][::-1]}, sealed | {"nonce": "?"}, {"key": sealed["key"]}]
        bodies = [json.dumps({"sealed": box}).encode() for box in boxes]
        assert [entry["private"] for entry in open_entries(connection, bodies)] == [
            {"reason": "Moved."}, *[UNREADABLE] * 3,
        ]  # fmt: skip
        destroy_keys(connection, [subject], SealPurpose.RECORD)
        assert [entry["private"] for entry in open_entries(connection, bodies)] == [None] * 4


async def test_an_entry_whose_retention_ended_says_so_and_keeps_its_hashes(
    learner: Person, coordinator: Person, slug: str, owner_engine: Engine
) -> None:
    claim = await opened(learner, slug)
    [before] = await entries_of(coordinator, claim["id"])
    with owner_engine.begin() as connection:
        connection.execute(text("UPDATE audit_events SET body = NULL WHERE stream = :s"), {"s": before["stream"]})
    [after] = await entries_of(coordinator, claim["id"])
    assert (after["hash"], after["body_hash"]) == (before["hash"], before["body_hash"])
    assert (after["event"], after["actor"], after["is_erased"]) == (None, None, True)
    assert after["text"] == "What was entered here was removed at the end of its retention."
    [own] = (await learner.get(f"{claim['href']}/history")).json()["data"]
    assert (own["text"], own["at"]) == (after["text"], None)


async def test_acts_under_a_second_address_of_the_same_person_are_their_own(
    learner: Person, database_url: str, client: httpx2.AsyncClient, slug: str, engine: Engine
) -> None:
    second = await sign_in(database_url, client)
    claim = await opened(second, slug)
    merge(engine, second.learner_id, learner.learner_id)
    told = (await learner.get(f"{claim['href']}/history")).json()["data"]
    assert {entry["actor"] for entry in told} == {"you"}


async def test_whoever_acted_is_named_as_far_as_they_are_known(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    claim = await opened(learner, slug)
    shown = [
        {"kind": "operator", "id": "operator:Maria", "name": "Maria", "email": None},
        {"kind": "command_line", "id": "cli:root", "name": "root", "email": None},
        {"kind": "platform", "id": "integration:lms", "name": "lms", "email": None},
        {"kind": "account", "id": "acc_gone", "name": None, "email": None},
    ]
    with engine.begin() as connection:
        stream = AuditStream.open(connection, claim_stream(claim["id"]))
        for number, actor in enumerate(shown):
            at, event = datetime(2026, 5, 1, 12, number, tzinfo=UTC), "claim.continued"
            stream.append(AuditEntry(step_key=new_id("x"), event=event, at=at, actor=str(actor["id"])))
    assert [entry["actor"] for entry in await entries_of(coordinator, claim["id"])][1:] == shown
    told = (await learner.get(f"{claim['href']}/history")).json()["data"]
    assert [entry["actor"] for entry in told] == ["you", *["other"] * 4]


async def test_a_claims_entries_are_read_page_by_page(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities
) -> None:
    claim = await awarded(learner, slug, ledger)
    seen: list[int] = []
    page: dict[str, Any] = {"next": 0}
    while page["next"] is not None:
        page = (await coordinator.get(f"/v1/staff/claims/{claim['id']}/audit?limit=2&after={page['next']}")).json()
        assert len(page["data"]) <= 2
        assert page["has_more"] is (page["next"] is not None)
        seen += [entry["seq"] for entry in page["data"]]
    assert seen == list(range(1, len(seen) + 1))


async def found(auditor: Person, **wanted: str) -> list[dict[str, Any]]:
    response = await auditor.client.get("/v1/staff/audit", params=wanted, headers=auditor.headers)
    assert response.status_code == 200, response.text
    return list(response.json()["data"])


async def test_auditors_search_all_streams_by_stream_event_actor_and_time(
    learner: Person, auditor: Person, slug: str, ledger: PostgresClaimActivities
) -> None:
    claim = await awarded(learner, slug, ledger)
    stream = claim_stream(claim["id"])
    of_claim = await found(auditor, stream=stream, limit="100")
    assert [entry["seq"] for entry in of_claim] == sorted((entry["seq"] for entry in of_claim), reverse=True)
    assert {entry["stream"] for entry in of_claim} == {stream}
    assert [entry["event"] for entry in await found(auditor, stream=stream, event="credit")] == [
        "credit.awarded", "credit.accepted",
    ]  # fmt: skip
    assert len(await found(auditor, stream=stream, event="credit.awarded")) == 1
    by_address = await found(auditor, actor=learner.email.upper(), limit="100")
    assert by_address
    assert by_address == await found(auditor, actor=learner.account_id, limit="100")
    assert stream in {entry["stream"] for entry in by_address}
    middle = of_claim[1]["recorded_at"]
    later, earlier = (
        await found(auditor, stream=stream, since=middle),
        await found(auditor, stream=stream, until=middle),
    )
    assert [entry["seq"] for entry in later + earlier] == [entry["seq"] for entry in of_claim]
    assert {entry["stream"].partition(":")[0] for entry in await found(auditor, stream="ce_activity")} == {
        "ce_activity"
    }


async def test_a_search_goes_on_where_its_page_ended_whatever_is_entered_meanwhile(
    learner: Person, auditor: Person, slug: str, ledger: PostgresClaimActivities
) -> None:
    claim = await awarded(learner, slug, ledger)
    every = await found(auditor, stream=claim_stream(claim["id"]), limit="100")
    first = (await auditor.get(f"/v1/staff/audit?stream={claim_stream(claim['id'])}&limit=3")).json()
    await learner.post(f"{claim['href']}/attempts")
    rest = await found(auditor, stream=claim_stream(claim["id"]), after=first["next"], limit="100")
    assert [entry["seq"] for entry in first["data"] + rest] == [entry["seq"] for entry in every]


WRONG = [
    "stream=Claim", "stream=claim:%00", "event=a.b.c", "actor=", "actor=%00", "since=yesterday",
    "since=0001-01-01T00:00:00Z", "limit=0", "limit=101", "after=x", "after=claim:x:", "after=claim:x:-1",
    "after=claim:x:99999999999", "order=asc",
]  # fmt: skip


async def test_a_search_that_cannot_be_meant_is_refused(auditor: Person) -> None:
    for query in WRONG:
        response = await auditor.get(f"/v1/staff/audit?{query}")
        assert (response.status_code, response.json()["code"]) == (422, "validation_failed"), query


async def test_only_auditors_and_administrators_search_all_streams(
    coordinator: Person, learner: Person, database_url: str, client: httpx2.AsyncClient
) -> None:
    administrator = await sign_in(database_url, client, Role.ADMINISTRATOR)
    approver = await sign_in(database_url, client, Role.APPROVER)
    assert (await administrator.get("/v1/staff/audit?limit=1")).status_code == 200
    for person in (coordinator, approver, learner):
        assert (await person.get("/v1/staff/audit?limit=1")).status_code == 403


async def test_auditors_read_everything_and_change_nothing(auditor: Person) -> None:
    read = {path: (await auditor.get(address_of(path))).status_code for path in READS}
    # Nothing has these ids, and what an address must say is missing: but nobody is turned away.
    assert {path for path, status in read.items() if status not in {200, 404, 422}} == set()
    written = {each: (await auditor.call(each[0], address_of(each[1]), {})).json().get("code") for each in WRITES}
    assert {each for each, code in written.items() if code != "not_allowed"} == set()


@pytest.fixture
def own_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database of the test's own: a checkpoint is never taken back."""
    name = new_id("db")
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER laurel".encode())
        url = make_url(postgres.owner_url).set(database=name).render_as_string(hide_password=False)
        upgrade(url)
        yield url
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


async def test_the_newest_signed_checkpoint_is_there_for_anyone_who_keeps_it(
    own_database_url: str, settings: Settings, temporal: LedgerTemporal
) -> None:
    path = "/.well-known/laurel-audit/checkpoint"
    added = text(
        "INSERT INTO audit_checkpoints (tree_size, root, note, key_id, signed_at) "
        "VALUES (7, sha256('a'), 'seven', 'key', now()), (9, sha256('b'), 'nine', 'key', now()), "
        "(11, sha256('c'), NULL, NULL, NULL)"
    )
    async with running(settings.model_copy(update={"database_url": own_database_url}), temporal) as (_, client):
        assert (await client.get(path)).status_code == 404
        engine = create_sync_engine(own_database_url, 1)
        with engine.begin() as connection:
            connection.execute(added)
        engine.dispose()
        response = await client.get(path)
    assert (response.status_code, response.text) == (200, "nine")
    assert response.headers["content-type"].startswith("text/plain")
    assert response.headers["cache-control"] == "public, max-age=60"
    assert response.headers["access-control-allow-origin"] == "*"


async def test_the_history_follows_a_claim_as_it_goes_on(
    learner: Person, slug: str, ledger: PostgresClaimActivities
) -> None:
    claim = await opened(learner, slug)
    await asyncio.to_thread(ledger.load_claim, ClaimStep(claim["id"], datetime.now(UTC)))
    first = (await learner.get(f"{claim['href']}/history")).json()
    assert [entry["text"] for entry in first["data"]] == ["The claim was opened."]
    assert (first["has_more"], first["next"]) == (False, None)
