"""Staff put a learner's profile right; what is wrong or not theirs to change is refused."""

from typing import Any

import pytest
from sqlalchemy import Engine, text

from domain.identities import new_id
from tests.api.conftest import Person
from tests.api.records import merge


async def change(staff: Person, learner_id: str, **values: Any) -> Any:
    body = {"reason": "Told by telephone.", **values}
    return await staff.call("PATCH", f"/v1/staff/learners/{learner_id}", body, Idempotency_Key=new_id("k"))


async def test_name_and_identifiers_are_put_right_and_the_change_is_entered_with_its_reason(
    learner: Person, administrator: Person
) -> None:
    npi = {"npi": "1234567893"}
    changed = await change(administrator, learner.learner_id, given_name="Adah", credentials="MD", identifiers=npi)
    assert changed.status_code == 200, changed.text
    document = changed.json()
    assert (document["given_name"], document["family_name"], document["credentials"]) == ("Adah", "Lovelace", "MD")
    assert document["identifiers"] == npi
    assert (await administrator.get(document["href"])).json() == document
    emptied = (await change(administrator, learner.learner_id, credentials="", identifiers={"npi": None})).json()
    assert (emptied["credentials"], emptied["identifiers"]) == (None, {})
    stream = f"learner:{learner.learner_id}"
    entry = (await administrator.get(f"/v1/staff/audit?stream={stream}")).json()["data"][1]
    assert (entry["event"], entry["reason"], entry["actor"]["id"]) == (
        "profile.changed",
        "Told by telephone.",
        administrator.account_id,
    )
    assert entry["after"] == {"fields": ["credentials", "given_name", "npi"]}
    assert entry["personal"]["before"]["given_name"] == "Ada"


async def test_of_a_learner_that_was_merged_the_other_one_is_changed(
    learner: Person, administrator: Person, coordinator: Person, engine: Engine
) -> None:
    merge(engine, learner.learner_id, coordinator.learner_id)
    changed = await change(administrator, learner.learner_id, family_name="King")
    assert (changed.json()["id"], changed.json()["family_name"]) == (coordinator.learner_id, "King")


async def test_nobody_changes_their_own_profile_as_staff(coordinator: Person) -> None:
    refused = await change(coordinator, coordinator.learner_id, given_name="Eve")
    assert (refused.status_code, refused.json()["code"]) == (403, "own_account")


async def test_nothing_is_written_about_an_erased_learner(learner: Person, coordinator: Person, engine: Engine) -> None:
    with engine.begin() as connection:
        erased = text("UPDATE learners SET erased_at = clock_timestamp() WHERE id = :id")
        connection.execute(erased, {"id": learner.learner_id})
    refused = await change(coordinator, learner.learner_id, given_name="Eve")
    assert (refused.status_code, refused.json()["code"]) == (409, "learner_erased")


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, "change_missing"),
        ({"identifiers": {"passport": "1"}}, "identifier_unknown"),
        ({"identifiers": {"npi": "12"}}, "identifier_format"),
    ],
)
async def test_a_wrong_change_is_refused_with_its_code(
    values: dict[str, Any], code: str, learner: Person, coordinator: Person
) -> None:
    refused = await change(coordinator, learner.learner_id, **values)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, code)


@pytest.mark.parametrize("absent", ["lrn_x", "lrn_00000000000000000000000000"])
async def test_a_learner_who_is_not_there_is_not_found(absent: str, coordinator: Person) -> None:
    assert (await change(coordinator, absent, given_name="Eve")).status_code == 404
