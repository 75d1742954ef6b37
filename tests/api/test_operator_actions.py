"""Staff free a claim that is stuck, or stop one, and see which of that is possible now."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, text

from domain.roles import STAFF_ROLES, Role
from tests.api.conftest import Person, sign_in
from tests.api.test_access import BODIES
from tests.claims import example_policy, full_responses

EVALUATION = {"responses": full_responses(example_policy())}
DUE = {"due_on": "2030-01-31"}


@pytest.fixture
async def approver(database_url: str, client: httpx2.AsyncClient) -> Person:
    return await sign_in(database_url, client, Role.APPROVER)


@pytest.fixture
async def claim(learner: Person, slug: str) -> str:
    opened = await learner.post("/v1/claims", {"ce_activity": slug})
    return str(opened.json()["id"])


async def act(person: Person, claim: str, action: str, body: Mapping[str, Any] | None = None) -> httpx2.Response:
    return await person.post(f"/v1/staff/claims/{claim}/{action}", {**BODIES[action], **(body or {})})


async def actions(person: Person, claim: str) -> dict[str, Any]:
    shown = (await person.get(f"/v1/staff/claims/{claim}")).json()
    return {each["action"]: each for each in shown["operator_actions"]}


async def proved(learner: Person, claim: str) -> None:
    option = example_policy().participation.options[0].code  # type: ignore[union-attr]
    stated = await learner.post(f"/v1/claims/{claim}/participation", {"method": "attestation", "value": option})
    assert stated.status_code == 200, stated.text


async def test_a_held_claim_tells_its_learner_why_in_plain_words_and_offers_nothing(
    learner: Person, coordinator: Person, claim: str
) -> None:
    held = await act(coordinator, claim, "hold", {"reason": "She looks suspicious."})
    assert held.status_code == 200
    shown = (await learner.get(f"/v1/claims/{claim}")).json()
    assert (shown["waiting_for"], shown["next_actions"], shown["attention"]) == ("operator", [], "on_hold")
    assert shown["hold"]["reason_code"] == "identity_check"
    assert shown["hold"]["message"] == "The claim was put on hold: it is being checked who the learner is."
    assert {step["reason"] for step in shown["progress"]["steps"]} == {"on_hold", "step_locked"}
    told = (await learner.get(f"/v1/claims/{claim}/history")).json()["data"][-1]
    assert (told["text"], told["reason"]) == (shown["hold"]["message"], None)
    assert "suspicious" not in (await learner.get(f"/v1/claims/{claim}/history")).text + str(shown)


async def test_staff_see_who_holds_a_claim_and_what_they_wrote(coordinator: Person, claim: str) -> None:
    await act(coordinator, claim, "hold", {"reason": "Two people."})
    hold = (await coordinator.get(f"/v1/staff/claims/{claim}")).json()["hold"]
    assert (hold["by"]["id"], hold["by"]["email"]) == (coordinator.account_id, coordinator.email)
    assert (hold["reason_code"], hold["reason"]) == ("identity_check", "Two people.")
    listed = (await coordinator.get("/v1/staff/claims?attention=on_hold&limit=100")).json()["data"]
    assert claim in [each["id"] for each in listed]


async def test_a_step_on_a_held_claim_is_received_and_decided_at_its_release(
    learner: Person, coordinator: Person, claim: str
) -> None:
    await act(coordinator, claim, "hold")
    option = example_policy().participation.options[0].code  # type: ignore[union-attr]
    body = {"method": "attestation", "value": option}
    waiting = await learner.post(f"/v1/claims/{claim}/participation", body, Idempotency_Key="held", Prefer="wait=0")
    assert (waiting.status_code, waiting.json()["outcome"]) == (202, "undecided")
    released = await act(coordinator, claim, "release")
    assert (released.status_code, released.json()["hold"]) == (200, None)
    decided = (await learner.get(waiting.json()["href"])).json()
    assert decided["outcome"] == "accepted"
    again = await learner.post(f"/v1/claims/{claim}/participation", body, Idempotency_Key="held")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")


async def test_nobody_waits_for_the_decision_of_a_step_on_a_held_claim(
    learner: Person, coordinator: Person, claim: str
) -> None:
    await act(coordinator, claim, "hold")
    async with asyncio.timeout(15):
        waiting = await learner.post(f"/v1/claims/{claim}/withdrawal", {"reason": "Mistake."}, Prefer="wait=30")
    assert waiting.status_code == 202


async def test_a_waived_requirement_is_shown_as_waived_everywhere(
    learner: Person, coordinator: Person, claim: str
) -> None:
    waived = await act(coordinator, claim, "waive")
    assert waived.status_code == 200
    for shown in (waived.json(), (await learner.get(f"/v1/claims/{claim}")).json()):
        step = next(each for each in shown["progress"]["steps"] if each["kind"] == "evaluation")
        assert (step["state"], step["reason"]) == ("waived", None)
        assert shown["progress"]["done"] == 1
    told = (await learner.get(f"/v1/claims/{claim}/history")).json()["data"][-1]
    assert told["text"] == "A requirement was waived: the evaluation (it was done in another way)."
    again = await act(coordinator, claim, "waive")
    assert (again.status_code, again.json()["code"]) == (409, "already_done")
    refused = await learner.post(f"/v1/claims/{claim}/evaluations", EVALUATION)
    assert refused.json()["code"] == "already_done"


@pytest.mark.parametrize(("requirement", "because"), [("credit", "learners_word"), ("sessions", "measures_credit")])
async def test_what_credit_rests_on_is_never_waived(
    coordinator: Person, claim: str, requirement: str, because: str
) -> None:
    refused = await act(coordinator, claim, "waive", {"requirement": requirement})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_waivable")
    assert refused.json()["details"] == {"because": because}


async def test_a_denied_claim_is_opened_again_by_an_approver_only(
    learner: Person, coordinator: Person, approver: Person, claim: str
) -> None:
    await proved(learner, claim)
    assert (await act(coordinator, claim, "deny")).status_code == 403
    denied = await act(approver, claim, "deny")
    assert (denied.status_code, denied.json()["stage"]) == (200, "denied")
    told = (await learner.get(f"/v1/claims/{claim}/history")).json()["data"][-1]
    assert told["text"] == "The claim was denied: this credit is not for the learner's profession."
    assert (await act(coordinator, claim, "reopen")).status_code == 403
    reopened = await act(approver, claim, "reopen", DUE)
    assert (reopened.status_code, reopened.json()["stage"]) == (200, "awaiting_test")
    assert reopened.json()["due_at"].startswith("2030-01-31T23:59:59")


async def test_a_claim_that_staff_withdrew_is_closed(learner: Person, coordinator: Person, claim: str) -> None:
    withdrawn = await act(coordinator, claim, "withdraw")
    assert (withdrawn.status_code, withdrawn.json()["stage"]) == (200, "withdrawn")
    told = (await learner.get(f"/v1/claims/{claim}/history")).json()["data"][-1]
    assert told["text"] == "The office withdrew the claim: the learner asked for it."


async def test_each_role_is_offered_what_it_may_do_now(
    database_url: str, client: httpx2.AsyncClient, approver: Person, coordinator: Person, claim: str
) -> None:
    auditor = await sign_in(database_url, client, Role.AUDITOR)
    assert await actions(auditor, claim) == {}
    assert set(await actions(coordinator, claim)) == {"extend", "hold", "waive", "withdraw"}
    assert set(await actions(approver, claim)) == {"extend", "hold", "waive", "withdraw", "deny"}
    await act(coordinator, claim, "hold")
    assert set(await actions(coordinator, claim)) == {"extend", "release", "waive", "withdraw"}
    await act(approver, claim, "deny")
    assert await actions(coordinator, claim) == {}
    assert set(await actions(approver, claim)) == {"reopen"}


async def test_nobody_is_offered_anything_for_their_own_claim(approver: Person, slug: str) -> None:
    own = (await approver.post("/v1/claims", {"ce_activity": slug})).json()["id"]
    assert await actions(approver, own) == {}
    for action in ("deny", "reopen"):
        refused = await act(approver, own, action)
        assert (refused.status_code, refused.json()["code"]) == (403, "own_claim")


async def test_an_action_says_where_to_send_it_and_what_to_choose_from(approver: Person, claim: str) -> None:
    offered = await actions(approver, claim)
    hold = offered["hold"]
    assert (hold["method"], hold["href"]) == ("POST", f"/v1/staff/claims/{claim}/hold")
    assert {"code": "identity_check", "label": "it is being checked who the learner is"} in hold["form"]["reason_codes"]
    assert [each["code"] for each in offered["waive"]["form"]["requirements"]] == ["participation", "evaluation"]
    extend = offered["extend"]["form"]
    assert extend["due_on"] == {"is_required": True, "time_zone": example_policy().time_zone}
    assert {"code": "learner_asked", "label": "the learner asked for it"} in extend["reason_codes"]
    for each in offered.values():
        action = each["href"].rpartition("/")[2]
        codes = [code["code"] for code in each["form"].get("reason_codes", [])]
        body = {"reason_code": codes[-1]} if codes else {}
        assert (await approver.post(each["href"], {**BODIES[action], **DUE, **body})).status_code in (200, 409, 422)


@pytest.mark.parametrize("action", ["hold", "waive", "withdraw", "deny"])
async def test_a_reason_code_is_one_of_the_actions_own(approver: Person, claim: str, action: str) -> None:
    for code in ("bad_mood", "checked", ""):
        refused = await act(approver, claim, action, {"reason_code": code})
        assert refused.status_code == 422
    missing = {name: value for name, value in BODIES[action].items() if name != "reason_code"}
    assert (await approver.post(f"/v1/staff/claims/{claim}/{action}", missing)).status_code == 422


async def test_more_time_has_a_reason_code_which_clients_of_before_need_not_send(
    coordinator: Person, claim: str
) -> None:
    path = f"/v1/staff/claims/{claim}"
    codes = []
    for day, words in (("2030-01-31", {}), ("2030-02-28", {"reason_code": "accommodation"})):
        extended = await coordinator.post(f"{path}/extend", {"due_on": day, "reason": "Well.", **words})
        assert extended.status_code == 200, extended.text
        entries = (await coordinator.get(f"{path}/audit?order=newest&limit=1")).json()["data"]
        codes.append((entries[0]["event"], entries[0]["after"]["reason_code"]))
    assert codes == [("extension.accepted", "other"), ("extension.accepted", "accommodation")]
    refused = await coordinator.post(f"{path}/extend", {"due_on": "2030-03-31", "reason": "X", "reason_code": "mood"})
    assert refused.status_code == 422


async def test_a_purged_claim_is_not_opened_again(
    learner: Person, approver: Person, claim: str, engine: Engine
) -> None:
    await act(approver, claim, "deny")
    with engine.begin() as connection:
        purge = text("UPDATE claims SET purged_at = clock_timestamp() WHERE id = :id")
        connection.execute(purge, {"id": claim})
    assert await actions(approver, claim) == {}
    refused = await act(approver, claim, "reopen")
    assert (refused.status_code, refused.json()["code"]) == (409, "retention_ended")


def test_whoever_acts_on_claims_is_staff() -> None:
    assert {Role.APPROVER, Role.ADMINISTRATOR, Role.COORDINATOR} == STAFF_ROLES
