"""What a correction would change, told before it is asked for, by the rules that it would follow itself."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx2
import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimStep
from config.settings import Settings
from domain.claims import Stage
from domain.identities import new_id
from domain.roles import Role
from tests.api.conftest import LedgerTemporal, Person, running, sign_in
from tests.api.test_claim_over_http import opened
from tests.claims import TestClaim, example_policy
from tests.corrections import versions_of

WHY = {"reason": "Left early."}


@pytest.fixture
def claim(engine: Engine, ledger: PostgresClaimActivities) -> TestClaim:
    """A learner's completed claim."""
    made = TestClaim(engine, cast(Client, None), example_policy())
    made.receive_steps(Stage.COMPLETED, datetime.now(UTC) - timedelta(hours=1))
    step = ClaimStep(made.claim_id, datetime.now(UTC))
    ledger.load_claim(step)
    ledger.grade_attempt(step)
    with ledger.ledger(made.claim_id) as locked:
        locked.email_sent(new_id("eml"))
        locked.close()
    return made


async def preview(staff: Person, claim: TestClaim, **change: Any) -> dict[str, Any]:
    path = f"/v1/staff/claims/{claim.claim_id}/correct/preview"
    response = await staff.post(path, change | WHY)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_another_amount_is_shown_beside_the_one_that_was_awarded(claim: TestClaim, coordinator: Person) -> None:
    shown = await preview(coordinator, claim, units="0.50")
    assert (shown["kind"], shown["needs_approval"], shown["version"], shown["refusal"]) == ("credit", False, 2, None)
    assert shown["before"]["units"] != "0.50"
    assert shown["after"] == {**shown["before"], "units": "0.50"}
    corrections = (await coordinator.get(f"/v1/staff/claims/{claim.claim_id}/corrections")).json()["data"]
    assert (corrections, len(versions_of(claim))) == ([], 1)


async def test_what_is_previewed_is_what_the_correction_prints(claim: TestClaim, coordinator: Person) -> None:
    change = {"given_name": "Alicia", "credentials": ""}
    shown = await preview(coordinator, claim, **change)
    assert (shown["kind"], shown["after"]["learner_name"]) == ("name", "Alicia Moreau")
    made = await coordinator.post(f"/v1/staff/claims/{claim.claim_id}/correct", change | WHY)
    assert made.status_code == 200
    data = versions_of(claim)[-1]["data"]
    assert (data["learner_name"], data["learner_credentials"], data["version"]) == (
        shown["after"]["learner_name"],
        shown["after"]["learner_credentials"],
        shown["version"],
    )
    assert made.json()["learner"]["given_name"] == "Alicia"
    assert made.json()["requester"]["email"] == coordinator.email


async def test_a_refusal_is_known_before_anything_is_asked_for(claim: TestClaim, coordinator: Person) -> None:
    for units in ("150.00", (await preview(coordinator, claim, units="0.50"))["before"]["units"]):
        shown = await preview(coordinator, claim, units=units)
        assert shown["after"] is None
        asked = await coordinator.post(f"/v1/staff/claims/{claim.claim_id}/correct", {"units": units} | WHY)
        assert (asked.status_code, asked.json()["code"]) == (409, shown["refusal"]["code"])
        assert shown["refusal"]["title"] == asked.json()["title"]


async def test_a_name_that_no_typeface_can_print_is_refused_before_and_when_it_is_asked_for(
    claim: TestClaim, coordinator: Person
) -> None:
    change = {"given_name": "Ada\U0001f600"}
    shown = await preview(coordinator, claim, **change)
    assert (shown["after"], shown["refusal"]["code"]) == (None, "name_not_printable")
    asked = await coordinator.post(f"/v1/staff/claims/{claim.claim_id}/correct", change | WHY)
    assert (asked.status_code, asked.json()["code"]) == (409, "name_not_printable")
    assert asked.json()["details"] == shown["refusal"]["details"] == {"characters": "U+1F600 GRINNING FACE"}
    assert len(versions_of(claim)) == 1


async def test_what_cannot_be_printed_under_the_profiles_name_is_refused_until_that_is_corrected(
    claim: TestClaim, coordinator: Person
) -> None:
    claim.change_learner(given_name="\U00013000")
    assert (await preview(coordinator, claim, units="0.50"))["refusal"]["code"] == "name_not_printable"
    for act, body in (("correct", {"units": "0.50"}), ("reissue", {})):
        asked = await coordinator.post(f"/v1/staff/claims/{claim.claim_id}/{act}", body | WHY)
        assert (asked.status_code, asked.json()["code"]) == (409, "name_not_printable")
    made = await coordinator.post(f"/v1/staff/claims/{claim.claim_id}/correct", {"given_name": "Alicia"} | WHY)
    assert made.status_code == 200


async def test_a_preview_says_whether_a_second_person_is_asked(
    claim: TestClaim, settings: Settings, temporal: LedgerTemporal
) -> None:
    careful = settings.model_copy(update={"correction_needs_approval": True})
    async with running(careful, temporal) as (_, client):
        staff = await sign_in(settings.database_url, client, Role.COORDINATOR)
        assert (await preview(staff, claim, units="0.50"))["needs_approval"] is True


async def test_nothing_is_previewed_before_an_award_and_nothing_of_ones_own(
    learner: Person, coordinator: Person, slug: str, database_url: str, client: httpx2.AsyncClient
) -> None:
    theirs = await opened(learner, slug)
    refused = await coordinator.post(f"/v1/staff/claims/{theirs['id']}/correct/preview", {"units": "0.50"} | WHY)
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    own = await opened(coordinator, slug)
    refused = await coordinator.post(f"/v1/staff/claims/{own['id']}/correct/preview", {"units": "0.50"} | WHY)
    assert (refused.status_code, refused.json()["code"]) == (403, "own_claim")
