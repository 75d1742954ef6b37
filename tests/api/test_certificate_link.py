"""A link to the certificate by e-mail: asked for by its learner, once per click, and not without end."""

import asyncio

from sqlalchemy import Engine, text

from activities.claims import PostgresClaimActivities
from domain.identities import new_id
from domain.policy import CertificateIssue
from tests.api.conftest import Person, publish_example
from tests.api.test_claim_over_http import awarded, issue, opened

ELSEWHERE = CertificateIssue(issued="elsewhere", system="The Registry", url="https://registry.example/mine")


def queued(engine: Engine, claim_id: str) -> list[str]:
    """The states of the e-mails with a link to this claim's certificate."""
    query = text("SELECT state FROM outgoing_emails WHERE claim_id = :id AND purpose = 'certificate_link'")
    with engine.connect() as connection:
        return list(connection.execute(query, {"id": claim_id}).scalars())


def earlier(engine: Engine, claim_id: str, hours: int) -> None:
    """As if the e-mails had been asked for that long ago."""
    query = text(
        "UPDATE outgoing_emails SET created_at = created_at - make_interval(hours => :hours), "
        "subject_id = subject_id || :apart WHERE claim_id = :id AND purpose = 'certificate_link'"
    )
    with engine.begin() as connection:
        connection.execute(query, {"id": claim_id, "hours": hours, "apart": new_id("x")})
        # The id follows from the minute, which these e-mails are no longer of.
        moved = text("UPDATE outgoing_emails SET id = :new || id WHERE claim_id = :id AND purpose = 'certificate_link'")
        connection.execute(moved, {"id": claim_id, "new": new_id("x")})


async def test_a_learner_gets_a_link_to_a_certificate_that_is_issued(
    learner: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await awarded(learner, slug, ledger)
    path = f"{claim['href']}/certificate/link"
    early = await learner.post(path)
    assert (early.status_code, early.json()["code"]) == (409, "certificate_not_issued")
    assert queued(engine, claim["id"]) == []
    issue(engine, ledger, claim, b"%PDF-1.7 " + claim["id"].encode())
    response = await learner.post(path)
    assert response.status_code == 202
    assert "on its way" in response.json()["message"]
    assert queued(engine, claim["id"]) == ["queued"]


async def test_without_an_award_there_is_nothing_to_link_to(learner: Person, slug: str, engine: Engine) -> None:
    claim = await opened(learner, slug)
    response = await learner.post(f"{claim['href']}/certificate/link")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert queued(engine, claim["id"]) == []


async def test_a_certificate_of_another_system_is_linked_to_without_waiting_for_it(
    learner: Person, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await awarded(learner, publish_example(engine, certificate=ELSEWHERE), ledger)
    assert (await learner.post(f"{claim['href']}/certificate/link")).status_code == 202
    assert queued(engine, claim["id"]) == ["queued"]


async def test_a_double_click_and_a_repeated_key_send_one_link(
    learner: Person, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await awarded(learner, publish_example(engine, certificate=ELSEWHERE), ledger)
    path = f"{claim['href']}/certificate/link"
    first = await learner.post(path, idempotency_key="link")
    earlier(engine, claim["id"], hours=1)
    repeated = await learner.post(path, idempotency_key="link")
    assert (repeated.status_code, repeated.json()) == (202, first.json())
    assert repeated.headers["idempotent-replayed"] == "true"
    assert len(queued(engine, claim["id"])) == 1
    clicks = await asyncio.gather(*(learner.post(path) for _ in range(3)))
    assert {click.status_code for click in clicks} == {202}
    # A minute may end between two clicks.
    assert len(queued(engine, claim["id"])) in (2, 3)


async def test_the_sixth_link_within_a_day_has_to_wait(
    learner: Person, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await awarded(learner, publish_example(engine, certificate=ELSEWHERE), ledger)
    path = f"{claim['href']}/certificate/link"
    for _ in range(5):
        assert (await learner.post(path)).status_code == 202
        earlier(engine, claim["id"], hours=1)
    late = await learner.post(path, idempotency_key="sixth")
    assert (late.status_code, late.json()["code"]) == (429, "rate_limited")
    assert 18 * 3600 < int(late.headers["retry-after"]) <= 19 * 3600
    assert len(queued(engine, claim["id"])) == 5
    earlier(engine, claim["id"], hours=20)
    assert (await learner.post(path, idempotency_key="sixth")).status_code == 202
    assert len(queued(engine, claim["id"])) == 6
