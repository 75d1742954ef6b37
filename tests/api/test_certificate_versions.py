"""Staff see every version of a claim's certificate, with the very bytes that were handed out."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import cast

import httpx2
import pytest
from sqlalchemy import Engine, text
from temporalio.client import Client

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimStep
from domain.claims import Stage
from domain.identities import new_id
from domain.roles import Role
from storage import awards
from tests.api.conftest import Person, sign_in
from tests.api.test_claim_over_http import awarded as credit_awarded
from tests.api.test_claim_over_http import issue
from tests.claims import TestClaim, example_policy
from tests.corrections import versions_of

REVOKED = {"reason_class": "issued_in_error", "reason": "Was not there."}


@pytest.fixture
def awarded(engine: Engine, ledger: PostgresClaimActivities) -> TestClaim:
    """A claim whose certificate is reserved."""
    claim = TestClaim(engine, cast(Client, None), example_policy())
    claim.receive_steps(Stage.COMPLETED, datetime.now(UTC) - timedelta(hours=1))
    step = ClaimStep(claim.claim_id, datetime.now(UTC))
    ledger.load_claim(step)
    ledger.grade_attempt(step)
    return claim


def issued(claim: TestClaim, ledger: PostgresClaimActivities) -> bytes:
    """Issue the reserved version; bytes of its own stand for the PDF, which no answer here depends on."""
    content = f"%PDF-1.7 {new_id('pdf')}".encode()
    sha256 = hashlib.sha256(content).digest()
    with ledger.ledger(claim.claim_id) as locked:
        certificate = awards.current_certificate(locked.connection, claim.claim_id)
        assert certificate is not None
        assert awards.issue_certificate(locked.connection, certificate["id"], sha256, content)
        locked.certificate_issued(certificate["id"], {"certificate": sha256})
        locked.email_sent(new_id("eml"))
        locked.close()
    return content


def address(claim: TestClaim, version: object = None) -> str:
    return f"/v1/staff/claims/{claim.claim_id}/certificates" + ("" if version is None else f"/{version}")


async def test_every_version_is_listed_with_what_became_of_it(
    awarded: TestClaim, coordinator: Person, ledger: PostgresClaimActivities
) -> None:
    first = issued(awarded, ledger)
    corrected = {"units": "0.50", "reason": "Left early."}
    assert (await coordinator.post(f"/v1/staff/claims/{awarded.claim_id}/correct", corrected)).status_code == 200
    one, two = (await coordinator.get(address(awarded))).json()["data"]
    stored = versions_of(awarded)
    assert (one["version"], one["number"], one["state"], one["superseded_by"]) == (1, 1, "superseded", 2)
    assert (two["version"], two["number"], two["state"], two["superseded_by"]) == (2, 2, "reserved", None)
    assert (one["sha256"], two["sha256"]) == (hashlib.sha256(first).hexdigest(), None)
    assert (one["href"], two["href"]) == (address(awarded, 1), None)
    assert one["issued_at"] < one["ended_at"]
    assert (two["issued_at"], two["ended_at"], two["revocation_class"]) == (None, None, None)
    for shown, row in zip((one, two), stored, strict=True):
        assert (shown["id"], shown["verification_code"]) == (row["id"], row["data"]["verification_code"])
        assert shown["template"] == row["data"]["template_version"]


async def test_each_version_is_served_as_it_was_issued_even_once_it_is_revoked(
    awarded: TestClaim,
    coordinator: Person,
    ledger: PostgresClaimActivities,
    database_url: str,
    client: httpx2.AsyncClient,
) -> None:
    first = issued(awarded, ledger)
    corrected = {"family_name": "Moreau-Lind", "reason": "Married."}
    assert (await coordinator.post(f"/v1/staff/claims/{awarded.claim_id}/correct", corrected)).status_code == 200
    second = issued(awarded, ledger)
    with awarded.engine.begin() as connection:
        finished = text("UPDATE corrections SET state = 'completed' WHERE claim_id = :id")
        connection.execute(finished, {"id": awarded.claim_id})
    assert (await coordinator.post(f"/v1/staff/claims/{awarded.claim_id}/revoke", REVOKED)).status_code == 200
    *_, last = (await coordinator.get(address(awarded))).json()["data"]
    assert (last["state"], last["revocation_class"]) == ("revoked", "issued_in_error")
    auditor = await sign_in(database_url, client, Role.AUDITOR)
    for reader in (coordinator, auditor):
        for version, content in ((1, first), (2, second)):
            response = await reader.get(address(awarded, version))
            assert (response.status_code, response.content) == (200, content)
            assert response.headers["content-type"] == "application/pdf"
    headers = {**auditor.headers, "If-None-Match": response.headers["etag"]}
    assert (await client.get(address(awarded, 2), headers=headers)).status_code == 304


async def test_what_has_no_bytes_is_as_absent_as_what_never_was(
    awarded: TestClaim, coordinator: Person, ledger: PostgresClaimActivities
) -> None:
    for version in (1, 2, 0, "x"):
        response = await coordinator.get(address(awarded, version))
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    issued(awarded, ledger)
    assert (await coordinator.get(address(awarded, 1))).status_code == 200
    assert (await coordinator.get(f"/v1/staff/claims/{new_id('clm')}/certificates")).status_code == 404
    assert (await coordinator.get(f"/v1/staff/claims/{new_id('clm')}/certificates/1")).status_code == 404


async def test_learners_keep_each_version_that_was_replaced(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await credit_awarded(learner, slug, ledger)
    first = f"%PDF-1.7 first {claim['id']}".encode()
    issue(engine, ledger, claim, first)
    path = f"/v1/claims/{claim['id']}/certificates"
    corrected = await coordinator.post(f"/v1/staff/claims/{claim['id']}/reissue", {"reason": "New logo."})
    assert corrected.status_code == 200
    one, two = (await learner.get(path)).json()["data"]
    assert (one["state"], one["superseded_by"], one["href"]) == ("superseded", 2, f"{path}/1")
    assert (two["state"], two["href"]) == ("reserved", None)
    assert (await learner.get(f"{path}/1")).content == first
    assert (await learner.get(f"{path}/99")).status_code == 404
    assert (await coordinator.get(f"{path}/1")).status_code == 404


async def test_learners_see_that_a_version_was_revoked_and_cannot_open_it(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await credit_awarded(learner, slug, ledger)
    issue(engine, ledger, claim, f"%PDF-1.7 {claim['id']}".encode())
    with ledger.ledger(claim["id"]) as locked:
        locked.email_sent(new_id("eml"))
        locked.close()
    path = f"/v1/claims/{claim['id']}/certificates"
    assert (await coordinator.post(f"/v1/staff/claims/{claim['id']}/revoke", REVOKED)).status_code == 200
    [ended] = (await learner.get(path)).json()["data"]
    assert (ended["state"], ended["revocation_class"], ended["href"]) == ("revoked", "issued_in_error", None)
    refused = await learner.get(f"{path}/1")
    assert (refused.status_code, refused.json()["code"]) == (410, "certificate_revoked")
