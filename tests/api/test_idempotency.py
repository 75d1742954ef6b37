"""A repeated request has one effect, however it is repeated."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.api.conftest import Person, publish_example
from tests.claims import example_policy

POLICY = example_policy()


def submissions(engine: Engine, learner: Person, kind: str) -> int:
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM submissions WHERE learner_id = :id AND kind = :kind")
        return int(connection.execute(query, {"id": learner.learner_id, "kind": kind}).scalar_one())


def participation() -> dict[str, Any]:
    assert POLICY.participation is not None
    return {"value": POLICY.participation.options[0].code}


async def test_opening_twice_finds_the_same_claim(learner: Person, slug: str) -> None:
    first = await learner.post("/v1/claims", {"ce_activity": slug})
    second = await learner.post("/v1/claims", {"ce_activity": slug})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


async def test_two_tabs_that_open_at_once_open_one_claim(learner: Person, slug: str, engine: Engine) -> None:
    responses = await asyncio.gather(*(learner.post("/v1/claims", {"ce_activity": slug}) for _ in range(5)))
    assert {response.status_code for response in responses} <= {200, 201}
    assert len({response.json()["id"] for response in responses}) == 1


async def test_a_repeated_key_gives_the_stored_answer_and_records_nothing(
    learner: Person, slug: str, engine: Engine
) -> None:
    first = await learner.post("/v1/claims", {"ce_activity": slug}, idempotency_key="open-1")
    second = await learner.post("/v1/claims", {"ce_activity": slug}, idempotency_key="open-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert submissions(engine, learner, "opening") == 1


async def test_a_repeated_step_is_answered_like_the_first_time(learner: Person, slug: str, engine: Engine) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    path = f"{claim['href']}/participation"
    first = await learner.post(path, participation(), idempotency_key="step")
    second = await learner.post(path, participation(), idempotency_key="step")
    assert (first.status_code, second.status_code) == (200, 200)
    refused = await learner.post(path, participation(), idempotency_key="again")
    assert refused.json()["code"] == "already_done"
    repeated = await learner.post(path, participation(), idempotency_key="again")
    assert (repeated.status_code, repeated.json()["code"]) == (409, "already_done")
    assert submissions(engine, learner, "participation") == 2


async def test_a_repeated_step_gets_its_first_answer_even_when_the_claim_has_moved_on(
    learner: Person, slug: str
) -> None:
    opened = await learner.post("/v1/claims", {"ce_activity": slug}, idempotency_key="open")
    path = f"{opened.json()['href']}/participation"
    stated = await learner.post(path, participation(), idempotency_key="state")
    refused = await learner.post(path, participation(), idempotency_key="state-again")
    await learner.post(f"{opened.json()['href']}/attempts", {})
    for first, key, where, body in (
        (opened, "open", "/v1/claims", {"ce_activity": slug}),
        (stated, "state", path, participation()),
        (refused, "state-again", path, participation()),
    ):
        again = await learner.post(where, body, idempotency_key=key)
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers.get("location") == first.headers.get("location")


async def test_concurrent_requests_with_one_key_are_one_step(learner: Person, slug: str, engine: Engine) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    path = f"{claim['href']}/participation"
    responses = await asyncio.gather(*(learner.post(path, participation(), idempotency_key="same") for _ in range(6)))
    assert [response.status_code for response in responses] == [200] * 6
    assert submissions(engine, learner, "participation") == 1


async def test_a_key_that_comes_with_another_body_is_refused(learner: Person, engine: Engine) -> None:
    one, other = publish_example(engine), publish_example(engine)
    await learner.post("/v1/claims", {"ce_activity": one}, idempotency_key="k")
    response = await learner.post("/v1/claims", {"ce_activity": other}, idempotency_key="k")
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_of_a_find_is_bound_to_its_body_too(learner: Person, engine: Engine) -> None:
    one, other = publish_example(engine), publish_example(engine)
    await learner.post("/v1/claims", {"ce_activity": one})
    assert (await learner.post("/v1/claims", {"ce_activity": one}, idempotency_key="k")).status_code == 200
    assert (await learner.post("/v1/claims", {"ce_activity": one}, idempotency_key="k")).status_code == 200
    response = await learner.post("/v1/claims", {"ce_activity": other}, idempotency_key="k")
    assert response.json()["code"] == "idempotency_key_reused"


async def test_keys_of_different_learners_do_not_meet(learner: Person, coordinator: Person, slug: str) -> None:
    first = await learner.post("/v1/claims", {"ce_activity": slug}, idempotency_key="k")
    second = await coordinator.post("/v1/claims", {"ce_activity": slug}, idempotency_key="k")
    assert first.json()["id"] != second.json()["id"]


async def test_the_order_of_fields_does_not_make_another_request(learner: Person) -> None:
    headers = {**learner.headers, "Idempotency-Key": "p", "Content-Type": "application/json"}
    one, other = b'{"given_name":"A","family_name":"B"}', b'{ "family_name":"B", "given_name":"A" }'
    assert (await learner.client.patch("/v1/me", content=one, headers=headers)).status_code == 200
    again = await learner.client.patch("/v1/me", content=other, headers=headers)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, "\x7f"])
async def test_an_unusable_key_is_refused(learner: Person, slug: str, key: str) -> None:
    headers = [(name.encode(), value.encode()) for name, value in learner.headers.items()]
    headers.append((b"Idempotency-Key", key.encode("latin-1")))
    response = await learner.client.post("/v1/claims", json={"ce_activity": slug}, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_invalid")
