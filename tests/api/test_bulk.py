"""Staff act on many claims at once: what was previewed is what is done, and what changed meanwhile is told."""

from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, text

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimStep
from domain.roles import Role
from storage import bulk_actions
from tests.api.conftest import Person, publish_example, sign_in

HOLD = {"action": "hold", "reason_code": "activity_review", "reason": "The speaker was another one."}
BULK = "/v1/staff/claims/bulk"


@pytest.fixture
async def claims(database_url: str, client: httpx2.AsyncClient, slug: str) -> list[str]:
    """Three learners' claims of one CE activity."""
    learners = [await sign_in(database_url, client) for _ in range(3)]
    opened = [await learner.post("/v1/claims", {"ce_activity": slug}) for learner in learners]
    return [each.json()["id"] for each in opened]


async def previewed(person: Person, asked: Mapping[str, Any]) -> dict[str, Any]:
    response = await person.post(BULK, {**asked, "preview": True})
    assert response.status_code == 200, response.text
    return dict(response.json())


async def started(person: Person, asked: Mapping[str, Any], token: str, **headers: str) -> httpx2.Response:
    return await person.post(BULK, {**asked, "preview": False, "token": token}, **headers)


def decide(engine: Engine, ledger: PostgresClaimActivities, claims: list[str]) -> None:
    """What the relay brings about: each claim decides what it was sent."""
    with engine.connect() as connection:
        now = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    for claim in claims:
        ledger.decide_submissions(ClaimStep(claim, now))


def submitted(engine: Engine, claims: list[str]) -> list[tuple[str, str]]:
    query = text("SELECT claim_id, actor FROM submissions WHERE claim_id = ANY(:ids) AND kind = 'hold'")
    with engine.connect() as connection:
        return [(row.claim_id, row.actor) for row in connection.execute(query, {"ids": claims})]


async def test_what_was_previewed_is_done_to_every_claim_and_its_progress_is_told(
    coordinator: Person, claims: list[str], slug: str, engine: Engine, ledger: PostgresClaimActivities
) -> None:
    asked = {**HOLD, "filter": {"ce_activity": slug}}
    preview = await previewed(coordinator, asked)
    assert (preview["count"], preview["possible"], preview["refused"]) == (3, 3, [])
    assert {each["id"] for each in preview["sample"]} == set(claims)
    assert submitted(engine, claims) == []
    response = await started(coordinator, asked, preview["token"])
    assert (response.status_code, response.json()["left"]) == (202, 3)
    assert sorted(submitted(engine, claims)) == sorted((claim, coordinator.account_id) for claim in claims)
    decide(engine, ledger, claims)
    progress = (await coordinator.get(response.headers["location"])).json()
    assert {name: progress[name] for name in ("count", "done", "left", "refused", "skipped")} == {
        "count": 3, "done": 3, "left": 0, "refused": [], "skipped": [],
    }  # fmt: skip
    assert (progress["by"]["email"], progress["reason"]) == (coordinator.email, HOLD["reason"])
    for claim in claims:
        assert (await coordinator.get(f"/v1/staff/claims/{claim}")).json()["attention"] == "on_hold"


async def test_a_preview_says_which_claims_would_refuse_and_what_refuses_is_told(
    coordinator: Person, claims: list[str], engine: Engine, ledger: PostgresClaimActivities
) -> None:
    held = {"reason_code": "other", "reason": "Alone."}
    await coordinator.post(f"/v1/staff/claims/{claims[0]}/hold", held)
    asked = {**HOLD, "claim_ids": claims}
    preview = await previewed(coordinator, asked)
    refused = [{"code": "on_hold", "count": 1, "claims": [claims[0]]}]
    assert (preview["possible"], preview["refused"]) == (2, refused)
    response = await started(coordinator, asked, preview["token"])
    decide(engine, ledger, claims)
    progress = (await coordinator.get(response.json()["href"])).json()
    assert (progress["done"], progress["refused"]) == (2, refused)


async def test_a_claim_that_changed_since_the_preview_and_ones_own_are_skipped_and_told(
    coordinator: Person, claims: list[str], slug: str, engine: Engine, ledger: PostgresClaimActivities
) -> None:
    own = (await coordinator.post("/v1/claims", {"ce_activity": slug})).json()["id"]
    asked = {**HOLD, "filter": {"ce_activity": slug}}
    preview = await previewed(coordinator, asked)
    assert [(each["code"], each["claims"]) for each in preview["refused"]] == [("own_claim", [own])]
    await coordinator.post(f"/v1/staff/claims/{claims[0]}/extend", {"due_on": "2030-01-31", "reason": "Illness."})
    progress = (await started(coordinator, asked, preview["token"])).json()
    assert [(each["code"], each["claims"]) for each in progress["skipped"]] == [
        ("changed", [claims[0]]),
        ("own_claim", [own]),
    ]
    assert sorted(claim for claim, _ in submitted(engine, [*claims, own])) == sorted(claims[1:])


async def test_a_preview_is_done_once_however_often_it_is_sent(
    coordinator: Person, claims: list[str], engine: Engine
) -> None:
    asked = {**HOLD, "claim_ids": claims}
    token = (await previewed(coordinator, asked))["token"]
    answers = [
        await started(coordinator, asked, token, Idempotency_Key="bulk"),
        await started(coordinator, asked, token, Idempotency_Key="bulk"),
        await started(coordinator, asked, token),
    ]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(submitted(engine, claims)) == 3


async def test_a_start_is_entered_once_with_its_reason_sealed(
    coordinator: Person, claims: list[str], engine: Engine
) -> None:
    asked = {**HOLD, "claim_ids": claims}
    token = (await previewed(coordinator, asked))["token"]
    await started(coordinator, asked, token)
    await started(coordinator, asked, token)
    query = text("SELECT convert_from(body, 'UTF8') FROM audit_events WHERE stream = :stream")
    with engine.connect() as connection:
        [entry] = connection.execute(query, {"stream": f"bulk:{token}"}).scalars()
    assert '"event":"bulk.started"' in entry
    assert '"claims":3' in entry
    assert HOLD["reason"] not in entry


@pytest.mark.parametrize(
    "change",
    [{"reason": "Another one."}, {"reason_code": "other"}, {"action": "withdraw", "reason_code": "other"}],
)
async def test_something_else_than_was_previewed_is_not_done(
    coordinator: Person, claims: list[str], engine: Engine, change: dict[str, str]
) -> None:
    asked = {**HOLD, "claim_ids": claims}
    token = (await previewed(coordinator, asked))["token"]
    for other in ({**asked, **change}, {**asked, "claim_ids": claims[1:]}):
        refused = await started(coordinator, other, token)
        assert (refused.status_code, refused.json()["code"]) == (409, "bulk_preview_unknown")
    assert submitted(engine, claims) == []


async def test_a_preview_is_of_whoever_made_it_and_good_for_an_hour(
    coordinator: Person, administrator: Person, claims: list[str], engine: Engine
) -> None:
    asked = {**HOLD, "claim_ids": claims}
    token = (await previewed(coordinator, asked))["token"]
    assert (await started(administrator, asked, token)).status_code == 409
    assert (await coordinator.get(f"/v1/staff/bulk/{token}")).status_code == 404
    with engine.begin() as connection:
        older = text("UPDATE bulk_actions SET previewed_at = previewed_at - interval '61 minutes' WHERE id = :id")
        connection.execute(older, {"id": token})
    assert (await started(coordinator, asked, token)).json()["code"] == "bulk_preview_unknown"
    assert submitted(engine, claims) == []


async def test_approvers_alone_deny_many(
    database_url: str, client: httpx2.AsyncClient, coordinator: Person, claims: list[str]
) -> None:
    asked = {"action": "deny", "reason_code": "misconduct", "reason": "Copied answers.", "claim_ids": claims}
    refused = await coordinator.post(BULK, {**asked, "preview": True})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    approver = await sign_in(database_url, client, Role.APPROVER)
    assert (await previewed(approver, asked))["possible"] == 3


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"reason_code": None}, "/reason_code"),
        ({"reason_code": "bad_mood"}, "/reason_code"),
        ({"requirement": "evaluation"}, "/requirement"),
        ({"due_on": "2030-01-31"}, "/due_on"),
        ({"action": "waive", "reason_code": "other"}, "/requirement"),
        ({"action": "extend", "reason_code": None}, "/due_on"),
        ({"filter": {}}, ""),
        ({"claim_ids": None}, ""),
        ({"preview": False}, ""),
        ({"token": "blk_x"}, ""),
        ({"filter": {"colour": "red"}, "claim_ids": None}, "/filter"),
    ],
)
async def test_words_that_an_action_lacks_or_has_no_use_for_are_named(
    coordinator: Person, claims: list[str], change: dict[str, Any], pointer: str
) -> None:
    refused = await coordinator.post(BULK, {**HOLD, "claim_ids": claims, "preview": True, **change})
    assert refused.status_code == 422
    assert pointer in [each["pointer"] for each in refused.json()["errors"]]
    assert "bad_mood" not in refused.text


async def test_many_deadlines_are_extended_and_many_requirements_waived(
    coordinator: Person, claims: list[str], engine: Engine, ledger: PostgresClaimActivities
) -> None:
    for asked in (
        {"action": "extend", "due_on": "2031-01-31", "reason": "A storm."},
        {"action": "waive", "requirement": "evaluation", "reason_code": "technical_fault", "reason": "Lost."},
    ):
        meant = {**asked, "claim_ids": claims}
        response = await started(coordinator, meant, (await previewed(coordinator, meant))["token"])
        decide(engine, ledger, claims)
        assert (await coordinator.get(response.json()["href"])).json()["done"] == 3
    shown = (await coordinator.get(f"/v1/staff/claims/{claims[0]}")).json()
    assert shown["due_at"].startswith("2031-01-31")


async def test_more_claims_than_the_most_are_refused(
    coordinator: Person, claims: list[str], slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_actions, "MOST_CLAIMS", 2)
    refused = await coordinator.post(BULK, {**HOLD, "filter": {"ce_activity": slug}, "preview": True})
    assert (refused.status_code, refused.json()["code"]) == (422, "too_many_claims")


async def test_a_filter_that_means_nothing_is_an_empty_preview(coordinator: Person, engine: Engine) -> None:
    empty = publish_example(engine)
    asked = {**HOLD, "filter": {"ce_activity": empty, "learner": "nobody@people.example"}}
    preview = await previewed(coordinator, asked)
    assert (preview["count"], preview["sample"]) == (0, [])
    assert (await started(coordinator, asked, preview["token"])).json()["count"] == 0
