"""Credit from before the portal's time: entered by staff, listed on the transcript, voided and kept."""

import asyncio
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx2
import pypdf
import pytest
from sqlalchemy import Engine, text

from domain.identities import new_id
from domain.roles import Role
from storage.audit import first_break
from tests.api.conftest import Person, sign_in
from tests.api.records import add_learner, merge
from tests.audit import entries_of

AWARD = {
    "title": "Residency Didactics, Spring Term",
    "provider": "Riverbend College of Medicine",
    "credit_type": "ama_pra_category_1",
    "units": "12.50",
    "completed_on": "2019-06-14",
    "reference": "RC-2019-77",
    "reason": "Certificate shown to the office.",
}


def path_of(learner_id: str) -> str:
    return f"/v1/staff/learners/{learner_id}/historical-awards"


async def entered(staff: Person, learner_id: str, **changes: Any) -> dict[str, Any]:
    response = await staff.post(path_of(learner_id), AWARD | changes)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def listed(learner: Person) -> list[dict[str, Any]]:
    return list((await learner.get("/v1/transcript")).json()["entries"])


def audit_of(engine: Engine, learner_id: str) -> list[dict[str, Any]]:
    stream = f"learner:{learner_id}"
    with engine.connect() as connection:
        assert first_break(connection, stream) is None
    entries = entries_of(engine, stream)
    return [entry for entry in entries if entry["event"].startswith("historical_award.")]


async def test_a_historical_award_is_on_the_transcript_and_marked(learner: Person, coordinator: Person) -> None:
    award = await entered(coordinator, learner.learner_id)
    assert award["is_new"] is True
    assert award["entered_by"] == coordinator.account_id
    assert {name: award[name] for name in AWARD} == AWARD
    [entry] = await listed(learner)
    assert entry == {
        "id": award["id"],
        "historical": True,
        "title": AWARD["title"],
        "provider": AWARD["provider"],
        "learning_format": None,
        "completed_on": "2019-06-14",
        "credit_type": "ama_pra_category_1",
        "credit_name": "AMA PRA Category 1 Credit(s)™",
        "credit_is_italic": True,
        "unit": "credit",
        "units": "12.50",
        "sessions": [],
        "is_final": True,
        "reference": "RC-2019-77",
        "claim": None,
        "certificate": None,
    }
    pdf = (await learner.get("/v1/transcript?format=pdf")).content
    printed = " ".join(pypdf.PdfReader(io.BytesIO(pdf)).pages[0].extract_text().split())
    assert "Riverbend College of Medicine · reference RC-2019-77 Historical award, entered by staff" in printed


async def test_a_voided_award_is_on_no_transcript_and_stays_in_the_record(
    learner: Person, coordinator: Person, engine: Engine
) -> None:
    award = await entered(coordinator, learner.learner_id)
    void = f"{award['href']}/void"
    voided = await coordinator.post(void, {"reason": "Entered for the wrong person."})
    assert voided.status_code == 200
    assert (voided.json()["voided_by"], voided.json()["void_reason"]) == (
        coordinator.account_id,
        "Entered for the wrong person.",
    )
    assert await listed(learner) == []
    again = await coordinator.post(void, {"reason": "Once more."})
    assert again.json() == voided.json()
    kept = (await coordinator.get(path_of(learner.learner_id))).json()
    assert [each["void_reason"] for each in kept["data"]] == ["Entered for the wrong person."]
    first, second = audit_of(engine, learner.learner_id)
    assert (first["event"], first["reason"]) == ("historical_award.entered", AWARD["reason"])
    assert (second["event"], second["reason"]) == ("historical_award.voided", "Entered for the wrong person.")
    assert first["actor"] == second["actor"] == coordinator.account_id
    assert (first["before"], second["before"]) == ({"state": None}, {"state": "entered"})
    assert first["title"] == AWARD["title"]
    assert first["after"] == {
        "state": "entered",
        "historical_award": award["id"],
        "credit_type": "ama_pra_category_1",
        "units": "12.50",
        "completed_on": "2019-06-14",
    }


async def test_a_repeated_request_is_answered_as_the_first_time(learner: Person, coordinator: Person) -> None:
    path = path_of(learner.learner_id)
    first = await coordinator.post(path, AWARD, Idempotency_Key="h-1")
    second = await coordinator.post(path, AWARD, Idempotency_Key="h-1")
    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"
    other = await coordinator.post(path, AWARD | {"units": "1"}, Idempotency_Key="h-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(await listed(learner)) == 1


async def test_a_double_click_enters_the_same_credit_once(learner: Person, coordinator: Person, engine: Engine) -> None:
    responses = await asyncio.gather(*(coordinator.post(path_of(learner.learner_id), AWARD) for _ in range(5)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.json()["id"] for response in responses}) == 1
    assert sorted(response.json()["is_new"] for response in responses) == [False] * 4 + [True]
    found = await entered(coordinator, learner.learner_id, units="12.5", reason="Another reason.")
    assert (found["is_new"], found["reason"]) == (False, AWARD["reason"])
    assert len(audit_of(engine, learner.learner_id)) == 1


async def test_credit_may_be_entered_again_after_it_was_voided(learner: Person, coordinator: Person) -> None:
    first = await entered(coordinator, learner.learner_id, reference=None)
    await coordinator.post(f"{first['href']}/void", {"reason": "Doubtful."})
    second = await entered(coordinator, learner.learner_id, reference=None)
    assert second["is_new"] is True
    assert second["id"] != first["id"]
    assert [entry["id"] for entry in await listed(learner)] == [second["id"]]


async def test_members_of_staff_who_write_at_once_leave_a_whole_audit_trail(
    learner: Person, database_url: str, client: httpx2.AsyncClient, engine: Engine
) -> None:
    staff = [await sign_in(database_url, client, Role.COORDINATOR) for _ in range(4)]
    await asyncio.gather(
        *(entered(person, learner.learner_id, units=f"{number}.00") for number, person in enumerate(staff, 1))
    )
    assert len(audit_of(engine, learner.learner_id)) == 4


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"credit_type": "air_miles"}, "/credit_type", "credit_type_unknown"),
    ({"units": "12.60"}, "/units", "credit_increment"),
    ({"units": "200.25"}, "/units", "credit_maximum"),
    ({"units": "0"}, "/units", "units_format"),
    ({"completed_on": "1899-12-31"}, "/completed_on", "date_implausible"),
    ({"completed_on": "2019-02-30"}, "/completed_on", "date_invalid"),
    ({"title": "  "}, "/title", "text_empty"),
    ({"title": "x" * 301}, "/title", "text_too_long"),
    ({"title": "a\u0007b"}, "/title", "text_characters"),
    ({"provider": ""}, "/provider", "text_empty"),
    ({"reference": "\u202egnp"}, "/reference", "text_characters"),
    ({"reason": " "}, "/reason", "text_empty"),
]


@pytest.mark.parametrize(("changes", "pointer", "code"), WRONG)
async def test_a_wrong_field_is_named_and_nothing_is_entered(
    changes: dict[str, Any], pointer: str, code: str, learner: Person, coordinator: Person
) -> None:
    response = await coordinator.post(path_of(learner.learner_id), AWARD | changes)
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert await listed(learner) == []


async def test_credit_of_tomorrow_is_refused_and_of_today_is_taken(learner: Person, coordinator: Person) -> None:
    now = datetime.now(UTC)
    today = (await coordinator.post(path_of(learner.learner_id), AWARD | {"completed_on": str(now.date())})).json()
    assert today["is_new"] is True
    # Where the day begins first, it is tomorrow already.
    late = str(date.fromisoformat(today["completed_on"]) + timedelta(days=2))
    refused = await coordinator.post(path_of(learner.learner_id), AWARD | {"completed_on": late})
    assert refused.json()["errors"] == [
        {"pointer": "/completed_on", "code": "date_in_future", "message": "is not after today"}
    ]


async def test_nobody_enters_or_voids_their_own_credit_under_any_account(
    coordinator: Person, database_url: str, client: httpx2.AsyncClient, engine: Engine
) -> None:
    duplicate = add_learner(engine)
    merge(engine, duplicate, coordinator.learner_id)
    other = await sign_in(database_url, client, Role.COORDINATOR)
    for mine in (coordinator.learner_id, duplicate):
        refused = await coordinator.post(path_of(mine), AWARD)
        assert (refused.status_code, refused.json()["code"]) == (403, "own_account")
        award = await entered(other, mine)
        refused = await coordinator.post(f"{award['href']}/void", {"reason": "Why not."})
        assert (refused.status_code, refused.json()["code"]) == (403, "own_account")
    assert len(await listed(coordinator)) == 1


async def test_what_is_entered_for_a_merged_learner_is_of_whom_they_were_merged_into(
    learner: Person, coordinator: Person, engine: Engine
) -> None:
    duplicate = add_learner(engine)
    before = await entered(coordinator, duplicate, units="1.00")
    await entered(coordinator, learner.learner_id)
    await entered(coordinator, duplicate)
    assert [entry["units"] for entry in await listed(learner)] == ["12.50"]
    merge(engine, duplicate, learner.learner_id)
    afterwards = await entered(coordinator, duplicate, units="2.00")
    assert (before["learner"], afterwards["learner"]) == (duplicate, learner.learner_id)
    # The credit that both accounts had counts once.
    assert sorted(entry["units"] for entry in await listed(learner)) == ["1.00", "12.50", "2.00"]
    both = [(await coordinator.get(path_of(each))).json()["data"] for each in (learner.learner_id, duplicate)]
    assert both[0] == both[1]
    assert len(both[0]) == 4


async def test_what_is_absent_or_of_another_learner_is_not_found(
    learner: Person, coordinator: Person, engine: Engine
) -> None:
    award = await entered(coordinator, learner.learner_id)
    stranger = add_learner(engine)
    paths = [
        f"{path_of(stranger)}/{award['id']}/void",
        f"{path_of(learner.learner_id)}/{new_id('haw')}/void",
        f"{path_of(learner.learner_id)}/haw_x/void",
        f"{path_of(learner.learner_id)}/%00/void",
    ]
    for path in paths:
        assert (await coordinator.post(path, {"reason": "Why not."})).status_code == 404
    for absent in (new_id("lrn"), "lrn_x", "%00"):
        assert (await coordinator.post(path_of(absent), AWARD)).status_code == 404
        assert (await coordinator.get(path_of(absent))).status_code == 404
    assert len(await listed(learner)) == 1


async def test_the_list_is_cut_into_pages(learner: Person, coordinator: Person) -> None:
    for year in (2017, 2019, 2018):
        await entered(coordinator, learner.learner_id, completed_on=f"{year}-05-01")
    path = path_of(learner.learner_id)
    first = (await coordinator.get(f"{path}?limit=2")).json()
    assert [each["completed_on"][:4] for each in first["data"]] == ["2019", "2018"]
    rest = (await coordinator.get(f"{path}?limit=2&after={first['next']}")).json()
    assert ([each["completed_on"][:4] for each in rest["data"]], rest["has_more"]) == (["2017"], False)
    assert (await coordinator.get(f"{path}?after=x")).json()["errors"][0]["code"] == "cursor_invalid"


async def test_the_record_keeps_the_amount_exactly(learner: Person, coordinator: Person, engine: Engine) -> None:
    award = await entered(coordinator, learner.learner_id, units="0.25")
    with engine.connect() as connection:
        stored = connection.execute(
            text("SELECT units::text FROM historical_awards WHERE id = :id"), {"id": award["id"]}
        )
        assert stored.scalar_one() == "0.25"
