"""A claim over HTTP, from opening to certificate, decided by the real ledger."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from sqlalchemy import Engine, text

from activities.claims import PostgresClaimActivities
from activities.contract import ClaimStep
from storage import awards
from storage.catalog import publish
from storage.definitions import Definition, DefinitionStatus
from tests.api.conftest import Person, publish_example, sign_in
from tests.claims import example_policy, full_responses, right_answers, wrong_answers

POLICY = example_policy()


def action(status: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in status["next_actions"] if each["action"] == name)


async def opened(learner: Person, slug: str) -> dict[str, Any]:
    response = await learner.post("/v1/claims", {"ce_activity": slug})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def with_attempt(learner: Person, slug: str) -> str:
    claim = await opened(learner, slug)
    value = POLICY.participation.options[0].code if POLICY.participation else ""
    assert (await learner.post(f"{claim['href']}/participation", {"value": value})).status_code == 200
    assert (await learner.post(f"{claim['href']}/attempts")).status_code == 201
    return str(claim["id"])


async def graded(ledger: PostgresClaimActivities, claim_id: str) -> None:
    step = ClaimStep(claim_id, datetime.now(UTC) + timedelta(seconds=5))
    await asyncio.to_thread(ledger.grade_attempt, step)


async def with_passed_test(learner: Person, slug: str, ledger: PostgresClaimActivities) -> str:
    claim_id = await with_attempt(learner, slug)
    path = f"/v1/claims/{claim_id}/attempts/1/answers"
    assert (await learner.post(path, {"answers": right_answers(POLICY)})).status_code == 200
    await graded(ledger, claim_id)
    return claim_id


async def awarded(learner: Person, slug: str, ledger: PostgresClaimActivities) -> dict[str, Any]:
    claim_id = await with_passed_test(learner, slug, ledger)
    path = f"/v1/claims/{claim_id}"
    evaluated = await learner.post(f"{path}/evaluations", {"responses": full_responses(POLICY)})
    assert evaluated.status_code == 200, evaluated.text
    offer = action(evaluated.json(), "claim_credit")["form"]["offers"][0]
    credit = {
        "credit_type": offer["credit_type"],
        "units": "1.00",
        "attestation_version": offer["attestation_version"],
        "attested": True,
    }
    claimed = await learner.call("PUT", f"{path}/credit", credit)
    assert claimed.status_code == 200, claimed.text
    return dict(claimed.json())


def issue(engine: Engine, ledger: PostgresClaimActivities, claim: dict[str, Any], content: bytes) -> None:
    certificate_id = claim["certificate"]["id"]
    sha256 = hashlib.sha256(content).digest()
    with ledger.ledger(claim["id"]) as entered:
        awards.issue_certificate(entered.connection, certificate_id, sha256, content)
        entered.certificate_issued(certificate_id, {"certificate": sha256})
        entered.close()


async def test_the_status_leads_through_a_claim_by_its_next_actions(
    learner: Person, slug: str, ledger: PostgresClaimActivities
) -> None:
    claim = await opened(learner, slug)
    assert claim["stage"] == "verifying_participation"
    assert claim["waiting_for"] == "learner"
    step = action(claim, "state_participation")
    stated = await learner.call(step["method"], step["href"], {"value": step["form"]["options"][0]["code"]})
    step = action(stated.json(), "start_attempt")
    assert step["form"]["passing_percent"] == POLICY.post_test.passing_percent  # type: ignore[union-attr]
    started = await learner.call(step["method"], step["href"])
    assert started.status_code == 201
    given = await learner.post(started.json()["answers_href"], {"answers": right_answers(POLICY)})
    assert given.json()["stage"] == "grading"
    assert given.json()["deadlines"][0]["name"] == "grading"
    await graded(ledger, claim["id"])
    shown = (await learner.get(claim["href"])).json()
    assert shown["attempts"][0]["has_passed"] is True
    step = action(shown, "complete_evaluation")
    done = await learner.call(step["method"], step["href"], {"responses": full_responses(POLICY)})
    assert action(done.json(), "claim_credit")["form"]["offers"]
    assert done.json()["blocked_by"] == []


async def test_an_attempt_shows_neither_key_nor_rationale(learner: Person, slug: str) -> None:
    claim_id = await with_attempt(learner, slug)
    response = await learner.get(f"/v1/claims/{claim_id}/attempts/1")
    assert response.json()["questions"]
    assert "correct_option" not in response.text
    question = response.json()["questions"][0]
    assert set(question) == {"code", "text", "options"}
    assert all(set(option) == {"code", "label"} for option in question["options"])


async def test_starting_an_attempt_twice_shows_the_same_attempt(learner: Person, slug: str) -> None:
    claim_id = await with_attempt(learner, slug)
    again = await learner.post(f"/v1/claims/{claim_id}/attempts", {})
    assert again.status_code == 201
    assert again.json()["number"] == 1


async def test_a_locked_step_says_what_can_be_done_instead(learner: Person, slug: str) -> None:
    claim = await opened(learner, slug)
    response = await learner.post(f"{claim['href']}/evaluations", {"responses": full_responses(POLICY)})
    problem = response.json()
    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["code"] == "step_locked"
    assert [each["action"] for each in problem["next_actions"]] == [
        "state_participation",
        "request_extension",
        "withdraw",
    ]


async def test_a_failed_test_leaves_attempts_until_none_is_left(engine: Engine, learner: Person, ledger: Any) -> None:
    slug = publish_example(engine)
    claim_id = await with_attempt(learner, slug)
    path = f"/v1/claims/{claim_id}/attempts"
    await learner.post(f"{path}/1/answers", {"answers": wrong_answers(POLICY)})
    await graded(ledger, claim_id)
    shown = (await learner.get(f"/v1/claims/{claim_id}")).json()
    allowed = POLICY.post_test.attempts_allowed if POLICY.post_test else None
    assert shown["attempts"][0]["has_passed"] is False
    assert shown["attempts_left"] == (None if allowed is None else allowed - 1)


async def test_incomplete_answers_are_refused_before_they_are_recorded(
    learner: Person, slug: str, engine: Engine
) -> None:
    claim_id = await with_attempt(learner, slug)
    answers = right_answers(POLICY)
    missing = next(iter(answers))
    response = await learner.post(
        f"/v1/claims/{claim_id}/attempts/1/answers",
        {"answers": {**{k: v for k, v in answers.items() if k != missing}, "made-up": "x"}},
    )
    assert response.status_code == 422
    assert {"pointer": f"/answers/{missing}", "code": "missing"} in response.json()["errors"]
    assert {"pointer": "/answers", "code": "unknown_question"} in response.json()["errors"]
    assert "made-up" not in response.text
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM submissions WHERE claim_id = :id AND kind = 'answers'")
        assert connection.execute(query, {"id": claim_id}).scalar_one() == 0


async def test_credit_is_awarded_and_its_certificate_is_served_byte_for_byte(
    learner: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await awarded(learner, slug, ledger)
    assert claim["award"]["units"] == "1.00"
    assert claim["certificate"]["state"] == "reserved"
    path = f"/v1/claims/{claim['id']}/certificate"
    early = await learner.get(path)
    assert (early.status_code, early.json()["code"]) == (409, "certificate_not_issued")
    content = b"%PDF-1.7 " + claim["id"].encode()
    issue(engine, ledger, claim, content)
    first = await learner.get(path)
    assert first.content == content
    assert first.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert first.headers["content-type"] == "application/pdf"
    assert "filename=" in first.headers["content-disposition"]
    assert (await learner.get(path, if_none_match=first.headers["etag"])).status_code == 304


async def test_the_history_tells_the_story_and_its_refusals_in_words(
    learner: Person, slug: str, ledger: PostgresClaimActivities
) -> None:
    claim_id = await with_passed_test(learner, slug, ledger)
    await learner.post(f"/v1/claims/{claim_id}/attempts")
    history = (await learner.get(f"/v1/claims/{claim_id}/history")).json()
    texts = [entry["text"] for entry in history["data"]]
    assert texts[0] == "The claim was opened."
    assert any("answers are right: passed" in each for each in texts)
    assert texts[-1] == "Starting an attempt was refused: this step is done."
    assert history["data"][-1]["actor"] == "you"
    paged = (await learner.get(f"/v1/claims/{claim_id}/history?limit=2")).json()
    rest = (await learner.get(f"/v1/claims/{claim_id}/history?after={paged['next']}")).json()
    assert paged["data"] + rest["data"] == history["data"]


async def test_the_amount_is_judged_by_its_credit_type(
    learner: Person, slug: str, ledger: PostgresClaimActivities
) -> None:
    claim_id = await with_passed_test(learner, slug, ledger)
    path = f"/v1/claims/{claim_id}"
    status = (await learner.post(f"{path}/evaluations", {"responses": full_responses(POLICY)})).json()
    offer = action(status, "claim_credit")["form"]["offers"][0]
    credit = {
        "credit_type": offer["credit_type"],
        "attestation_version": offer["attestation_version"],
        "attested": True,
    }
    for units, code in (("0.80", "credit_increment"), ("199", "credit_maximum")):
        response = await learner.call("PUT", f"{path}/credit", {**credit, "units": units})
        assert (response.status_code, response.json()["code"]) == (409, code)
    unattested = await learner.call("PUT", f"{path}/credit", {**credit, "units": "1.00", "attested": False})
    assert unattested.json()["code"] == "attestation_required"


async def test_claims_are_listed_by_group_and_page_by_page(learner: Person, engine: Engine) -> None:
    slugs = [publish_example(engine) for _ in range(3)]
    for slug in slugs:
        await opened(learner, slug)
    first = (await learner.get("/v1/claims?group=in_progress&limit=2")).json()
    second = (await learner.get(f"/v1/claims?group=in_progress&limit=2&after={first['next']}")).json()
    found = [each["ce_activity"]["slug"] for each in first["data"] + second["data"]]
    assert found == slugs[::-1]
    assert second["has_more"] is False
    assert (await learner.get("/v1/claims?group=completed")).json()["data"] == []


async def test_a_withdrawn_claim_is_closed(learner: Person, slug: str) -> None:
    claim = await opened(learner, slug)
    response = await learner.post(f"{claim['href']}/withdrawal", {"reason": "Changed my mind."})
    assert response.json()["stage"] == "withdrawn"
    again = await learner.post(f"{claim['href']}/withdrawal", {"reason": "Really."})
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")


async def test_a_closed_activity_is_shown_and_takes_no_new_claims_but_open_ones_go_on(
    engine: Engine, database_url: str, client: httpx2.AsyncClient, learner: Person
) -> None:
    slug = publish_example(engine)
    claim = await opened(learner, slug)
    with engine.begin() as connection:
        definition = Definition(slug=slug, status=DefinitionStatus.CLOSED, policy=POLICY)
        publish(connection, definition, None)
    second_learner = await sign_in(database_url, client)
    shown = await second_learner.get(f"/v1/ce-activities/{slug}")
    assert (shown.status_code, shown.json()["status"]) == (200, "closed")
    refused = await second_learner.post("/v1/claims", {"ce_activity": slug})
    assert (refused.status_code, refused.json()["code"]) == (409, "ce_activity_closed")
    found = await learner.post("/v1/claims", {"ce_activity": slug})
    assert (found.status_code, found.json()["id"]) == (200, claim["id"])


async def test_an_activity_says_what_is_missing_in_the_profile_of_who_asks(engine: Engine, learner: Person) -> None:
    slug = publish_example(engine, profile_fields=("credentials", "employee_id"))
    await learner.call("PATCH", "/v1/me", {"profession": "pharmacist", "credentials": ""})
    shown = (await learner.get(f"/v1/ce-activities/{slug}")).json()
    assert {"credentials", "employee_id", "nabp_eprofile_id", "birth_month_day"} <= set(shown["missing_in_profile"])
    changes = {"credentials": "PharmD", "identifiers": {"employee_id": "NA", "nabp_eprofile_id": "1234567"}}
    assert (await learner.call("PATCH", "/v1/me", changes)).status_code == 200
    shown = (await learner.get(f"/v1/ce-activities/{slug}")).json()
    assert shown["missing_in_profile"] == ["birth_month_day"]
