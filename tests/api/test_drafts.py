"""Drafts: what a learner has filled in of a form is kept until the form is accepted."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, text

from activities.claims import PostgresClaimActivities
from domain.identities import new_id
from storage import drafts
from storage.acts import Actor
from storage.erasure import erase_contact
from storage.housekeeping import tidy_up
from tests.api.conftest import Person, publish_example
from tests.api.test_claim_over_http import with_attempt, with_passed_test
from tests.claims import example_policy, full_responses, right_answers
from tests.ways import FIRST, meeting

POLICY = example_policy()
EMPTY: dict[str, Any] = {"responses": {}, "saved_at": None}


async def draft(learner: Person, claim_id: str, form: str) -> dict[str, Any]:
    response = await learner.get(f"/v1/claims/{claim_id}/drafts/{form}")
    assert response.status_code == 200, response.text
    return dict(response.json())


async def save(learner: Person, claim_id: str, form: str, responses: dict[str, Any], **headers: str) -> Any:
    return await learner.call("PUT", f"/v1/claims/{claim_id}/drafts/{form}", {"responses": responses}, **headers)


async def test_a_draft_is_kept_as_it_was_saved_last_complete_or_not(learner: Person, slug: str) -> None:
    claim_id = await with_attempt(learner, slug)
    assert await draft(learner, claim_id, "answers") == {"form": "answers", **EMPTY}
    first, *_ = right_answers(POLICY).items()
    for responses in ({first[0]: "z"}, dict([first])):
        saved = await save(learner, claim_id, "answers", responses)
        assert saved.status_code == 200
        assert (await draft(learner, claim_id, "answers")) == saved.json()
        assert saved.json()["responses"] == responses


async def test_saving_under_one_key_saves_once(learner: Person, slug: str) -> None:
    claim_id = await with_attempt(learner, slug)
    code = next(iter(right_answers(POLICY)))
    first = await save(learner, claim_id, "answers", {code: "a"}, idempotency_key="k")
    await save(learner, claim_id, "answers", {code: "b"})
    again = await save(learner, claim_id, "answers", {code: "a"}, idempotency_key="k")
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert (await draft(learner, claim_id, "answers"))["responses"] == {code: "b"}


async def test_a_draft_decides_nothing_and_goes_when_the_form_is_accepted(
    learner: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim_id = await with_attempt(learner, slug)
    await save(learner, claim_id, "answers", right_answers(POLICY))
    claim = (await learner.get(f"/v1/claims/{claim_id}")).json()
    assert claim["stage"] == "awaiting_test"
    path = f"/v1/claims/{claim_id}/attempts/1/answers"
    assert (await learner.post(path, {"answers": right_answers(POLICY)})).status_code == 200
    assert await draft(learner, claim_id, "answers") == {"form": "answers", **EMPTY}


async def test_an_evaluations_draft_goes_when_the_evaluation_is_accepted(
    learner: Person, slug: str, ledger: PostgresClaimActivities
) -> None:
    claim_id = await with_passed_test(learner, slug, ledger)
    responses = full_responses(POLICY)
    assert (await save(learner, claim_id, "evaluation", responses)).status_code == 200
    incomplete = await learner.post(f"/v1/claims/{claim_id}/evaluations", {"responses": {}})
    assert incomplete.status_code == 422
    assert (await draft(learner, claim_id, "evaluation"))["responses"] == responses
    done = await learner.post(f"/v1/claims/{claim_id}/evaluations", {"responses": responses})
    assert done.status_code == 200
    assert await draft(learner, claim_id, "evaluation") == {"form": "evaluation", **EMPTY}


async def test_a_form_that_is_not_open_takes_no_draft(learner: Person, slug: str) -> None:
    claim_id = await with_attempt(learner, slug)
    response = await save(learner, claim_id, "evaluation", {})
    assert (response.status_code, response.json()["code"]) == (409, "wrong_state")


async def test_forms_that_a_claim_does_not_have_are_not_found(learner: Person, slug: str, engine: Engine) -> None:
    claim_id = await with_attempt(learner, slug)
    for form in ("credit", f"session.{FIRST}", "session.", "evaluation.x"):
        assert (await learner.get(f"/v1/claims/{claim_id}/drafts/{form}")).status_code == 404
        assert (await save(learner, claim_id, form, {})).status_code == 404
    at_meeting = await learner.post("/v1/claims", {"ce_activity": publish_example(engine, **meeting())})
    assert await draft(learner, at_meeting.json()["id"], f"session.{FIRST}") == {"form": f"session.{FIRST}", **EMPTY}


async def test_what_is_no_response_of_the_form_is_refused_and_not_repeated(learner: Person, slug: str) -> None:
    claim_id = await with_attempt(learner, slug)
    code = next(iter(right_answers(POLICY)))
    for responses, error in (
        ({"made-up": "a"}, {"pointer": "/responses", "code": "unknown_question"}),
        ({code: "bell \a"}, {"pointer": f"/responses/{code}", "code": "text_characters"}),
    ):
        response = await save(learner, claim_id, "answers", responses)
        assert (response.status_code, response.json()["errors"]) == (422, [error])
        assert "made-up" not in response.text


async def test_a_strangers_draft_is_as_absent_as_one_that_never_was(
    learner: Person, coordinator: Person, slug: str
) -> None:
    claim_id = await with_attempt(learner, slug)
    for each in (claim_id, new_id("clm")):
        assert (await coordinator.get(f"/v1/claims/{each}/drafts/answers")).status_code == 404
        assert (await save(coordinator, each, "answers", {})).status_code == 404


async def test_a_draft_that_nobody_goes_on_with_is_removed_after_a_month(
    learner: Person, slug: str, engine: Engine
) -> None:
    old, new = await with_attempt(learner, slug), await with_attempt(learner, publish_example(engine))
    code = next(iter(right_answers(POLICY)))
    for claim_id in (old, new):
        await save(learner, claim_id, "answers", {code: "a"})
    with engine.begin() as connection:
        query = text("UPDATE drafts SET saved_at = saved_at - :age WHERE claim_id = :id")
        connection.execute(query, {"age": timedelta(days=32), "id": old})
    tidy_up(engine)
    assert (await draft(learner, old, "answers"))["saved_at"] is None
    assert (await draft(learner, new, "answers"))["responses"] == {code: "a"}
    with engine.begin() as connection:
        drafts.drop(connection, new, "answers")
    assert (await draft(learner, new, "answers"))["saved_at"] is None


async def test_a_draft_of_a_claim_that_was_given_up_goes_when_its_learner_is_erased(
    learner: Person, slug: str, engine: Engine, owner_engine: Engine
) -> None:
    claim_id = await with_attempt(learner, slug)
    await save(learner, claim_id, "answers", {next(iter(right_answers(POLICY))): "a"})
    given_up = await learner.post(f"/v1/claims/{claim_id}/withdrawal", {"reason": "No time."})
    assert given_up.status_code == 200
    with owner_engine.begin() as connection:
        connection.execute(text("UPDATE claims SET closed_at = now() WHERE id = :id"), {"id": claim_id})
        erased = erase_contact(connection, learner.learner_id, "Asked for.", Actor("cli:tests"))
    assert erased.removed["drafts"] == 1
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT count(*) FROM drafts WHERE claim_id = :id"), {"id": claim_id})
        assert kept.scalar_one() == 0
