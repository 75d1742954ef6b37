"""Claims after a merge: the learner sees all of them, and no credit is granted twice."""

import asyncio
import secrets
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, text

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimStep
from activities.people import PostgresPeopleActivities
from domain.identities import derived_id
from domain.submissions import Opening
from tests.activities.test_merge import asked
from tests.api.conftest import Person, publish_example, sign_in
from tests.api.test_people import merge
from tests.claims import example_policy, full_responses, right_answers

POLICY = example_policy(grading_seconds=0)


@pytest.fixture
def slug(engine: Engine) -> str:
    """The example, graded at once."""
    return publish_example(engine, grading_seconds=0)


@pytest.fixture
async def two(database_url: str, client: httpx2.AsyncClient) -> tuple[Person, Person]:
    """The learner who is kept, and the duplicate."""
    name = secrets.token_hex(6)
    return await sign_in(database_url, client, family_name=name), await sign_in(database_url, client, family_name=name)


async def opened(person: Person, slug: str) -> str:
    response = await person.post("/v1/claims", {"ce_activity": slug})
    assert response.status_code in (200, 201), response.text
    return str(response.json()["id"])


async def brought_to_credit(person: Person, slug: str) -> str:
    claim = await opened(person, slug)
    path = f"/v1/claims/{claim}"
    steps: list[tuple[str, dict[str, Any]]] = [
        ("participation", {"value": POLICY.participation.options[0].code}),  # type: ignore[union-attr]
        ("attempts", {}),
        ("attempts/1/answers", {"answers": right_answers(POLICY)}),
        ("evaluations", {"responses": full_responses(POLICY)}),
    ]
    for step, body in steps:
        response = await person.post(f"{path}/{step}", body)
        assert response.status_code in (200, 201), response.text
    return claim


async def claim_credit(person: Person, claim: str) -> httpx2.Response:
    body = {
        "credit_type": "ama_pra_category_1",
        "units": "1.00",
        "attestation_version": "ama-2026-1",
        "attested": True,
    }
    return await person.call("PUT", f"/v1/claims/{claim}/credit", body)


def verification_code(engine: Engine, claim: str) -> str:
    query = """
        UPDATE certificates SET state = 'issued', issued_at = now(), sha256 = NULL
         WHERE award_id IN (SELECT id FROM awards WHERE claim_id = :id) RETURNING verification_code
    """
    with engine.begin() as connection:
        return str(connection.execute(text(query), {"id": claim}).scalar_one())


async def test_opening_again_finds_the_claim_that_came_with_the_merge(
    two: tuple[Person, Person], coordinator: Person, slug: str
) -> None:
    kept, duplicate = two
    claim = await opened(duplicate, slug)
    await merge(coordinator, kept, duplicate)
    for person in two:
        response = await person.post("/v1/claims", {"ce_activity": slug})
        assert (response.status_code, response.json()["id"]) == (200, claim)
    listed = (await kept.get(f"/v1/ce-activities/{slug}")).json()
    assert listed["claim"] == f"/v1/claims/{claim}"


async def test_both_claims_for_one_activity_are_shown_and_the_standing_one_is_found(
    two: tuple[Person, Person], coordinator: Person, slug: str
) -> None:
    kept, duplicate = two
    left = await brought_to_credit(duplicate, slug)
    assert (await claim_credit(duplicate, left)).status_code == 200
    own = await opened(kept, slug)
    await merge(coordinator, kept, duplicate)
    listed = [each["id"] for each in (await kept.get("/v1/claims")).json()["data"]]
    assert sorted(listed) == sorted([own, left])
    assert await opened(kept, slug) == left
    for claim in (own, left):
        assert (await kept.get(f"/v1/claims/{claim}")).status_code == 200
        assert (await duplicate.get(f"/v1/claims/{claim}/history")).status_code == 200


async def test_steps_sent_before_the_merge_can_still_be_looked_up(
    two: tuple[Person, Person], coordinator: Person, slug: str, engine: Engine
) -> None:
    kept, duplicate = two
    claim = await opened(duplicate, slug)
    await merge(coordinator, kept, duplicate)
    with engine.connect() as connection:
        query = text("SELECT id FROM submissions WHERE claim_id = :id")
        submission = connection.execute(query, {"id": claim}).scalar_one()
    for person in two:
        response = await person.get(f"/v1/claims/{claim}/submissions/{submission}")
        assert (response.status_code, response.json()["outcome"]) == (200, "accepted")


async def test_a_claim_that_opens_after_the_merge_earns_nothing_twice(
    two: tuple[Person, Person], slug: str, engine: Engine, ledger: PostgresClaimActivities
) -> None:
    kept, duplicate = two
    own = await brought_to_credit(kept, slug)
    assert (await claim_credit(kept, own)).status_code == 200
    ref = asked(engine, kept.learner_id, duplicate.learner_id)
    with engine.begin() as connection:
        row = connection.execute(text("SELECT id, version_id FROM ce_activities WHERE slug = :s"), {"s": slug}).one()
    late = derived_id("clm", duplicate.learner_id, row.id)
    await asyncio.to_thread(PostgresPeopleActivities(engine).merge_learners, ref)
    # The request was on its way while the merge was done, so it still names the duplicate.
    query = """
        INSERT INTO submissions (id, claim_id, learner_id, actor, kind, body)
        VALUES (:id, :claim, :learner, :actor, 'opening', CAST(:body AS jsonb))
    """
    body = Opening(row.id, row.version_id)
    values = {
        "id": derived_id("sub", late),
        "claim": late,
        "learner": duplicate.learner_id,
        "actor": duplicate.account_id,
        "body": f'{{"ce_activity_id": "{body.ce_activity_id}", "version_id": "{body.version_id}"}}',
    }
    with engine.begin() as connection:
        connection.execute(text(query), values)
    assert (await kept.get(f"/v1/claims/{late}")).json()["is_pending"] is True
    await asyncio.to_thread(ledger.load_claim, ClaimStep(late, datetime.now(UTC)))
    assert await opened(kept, slug) == own
    path = f"/v1/claims/{late}"
    await kept.post(f"{path}/participation", {"value": POLICY.participation.options[0].code})  # type: ignore[union-attr]
    await kept.post(f"{path}/attempts", {})
    await kept.post(f"{path}/attempts/1/answers", {"answers": right_answers(POLICY)})
    await kept.post(f"{path}/evaluations", {"responses": full_responses(POLICY)})
    refused = await claim_credit(kept, late)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_claimed")


async def test_the_certificate_of_an_award_that_was_merged_verifies_as_superseded(
    two: tuple[Person, Person], coordinator: Person, slug: str, engine: Engine, client: httpx2.AsyncClient
) -> None:
    kept, duplicate = two
    claims = [await brought_to_credit(person, slug) for person in two]
    for person, claim in zip(two, claims, strict=True):
        assert (await claim_credit(person, claim)).status_code == 200
    codes = [verification_code(engine, claim) for claim in claims]
    await merge(coordinator, kept, duplicate)
    found = [(await client.get(f"/v1/certificates/{code}")).json()["status"] for code in codes]
    assert found == ["valid", "superseded"]
    states = [(await kept.get(f"/v1/claims/{claim}")).json()["award"]["state"] for claim in claims]
    assert states == ["active", "merged"]
