"""Reports of problems: taken once, kept, told in the claim's history without their words, settled once by others."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, select, text

from domain.identities import new_id
from domain.roles import Role
from storage.tables import OutgoingEmailRow
from tests.api.conftest import Person, sign_in
from tests.api.test_claim_over_http import opened

QUEUE = "/v1/staff/problem-reports"


async def reported(person: Person, slug: str, message: str = "My badge is refused.") -> dict[str, Any]:
    claim = await opened(person, slug)
    response = await person.post(f"/v1/claims/{claim['id']}/problem-reports", {"message": message})
    assert response.status_code == 201, response.text
    return dict(response.json())


def emails_about(engine: Engine, report: dict[str, Any]) -> list[str]:
    subject = f"{report['claim'].rpartition('/')[2]}:{report['id']}"
    with engine.connect() as connection:
        query = select(OutgoingEmailRow.purpose).where(OutgoingEmailRow.subject_id == subject)
        return sorted(connection.execute(query).scalars())


async def test_a_report_reaches_staff_with_whose_it_is_and_its_answer_reaches_the_learner(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    report = await reported(learner, slug)
    assert (report["state"], report["answer"]) == ("open", None)
    shown = (await coordinator.get(f"{QUEUE}/{report['id']}")).json()
    assert (shown["message"], shown["learner"]["email"]) == ("My badge is refused.", learner.email)
    assert shown["ce_activity"]["slug"] == slug
    answered = await coordinator.post(f"{QUEUE}/{report['id']}/answer", {"answer": "Try again now."})
    assert (answered.status_code, answered.json()["state"]) == (200, "answered")
    assert answered.json()["settled_by"] == coordinator.account_id
    [told] = (await learner.get(f"{report['claim']}/problem-reports")).json()["data"]
    assert (told["state"], told["answer"]) == ("answered", "Try again now.")
    assert emails_about(engine, report) == ["problem_answered", "problem_reported"]


async def test_the_history_tells_of_a_report_and_no_table_of_the_trail_holds_its_words_in_clear(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    words = f"Nobody should read {new_id('x')} in the trail."
    report = await reported(learner, slug, words)
    await coordinator.post(f"{QUEUE}/{report['id']}/answer", {"answer": words.upper()})
    history = (await learner.get(f"{report['claim']}/history")).json()["data"]
    assert [each["text"] for each in history[-2:]] == [
        "A problem was reported.",
        "The report of a problem was answered.",
    ]
    assert (history[-2]["actor"], history[-2]["personal"]) == ("you", {"message": words})
    claim_id = report["claim"].rpartition("/")[2]
    with engine.connect() as connection:
        bodies = connection.execute(
            text("SELECT body FROM audit_events WHERE stream = :stream"), {"stream": f"claim:{claim_id}"}
        ).scalars()
        assert not [each for each in bodies if words.encode() in bytes(each) or words.upper().encode() in bytes(each)]


async def test_a_report_that_is_settled_stays_as_it_is(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    report = await reported(learner, slug)
    closed = await coordinator.post(f"{QUEUE}/{report['id']}/close", {"reason": "Solved on the phone."})
    assert (closed.json()["state"], closed.json()["answer"]) == ("closed", None)
    late = await coordinator.post(f"{QUEUE}/{report['id']}/answer", {"answer": "Try again."})
    assert (late.status_code, late.json()["code"]) == (409, "report_settled")
    assert emails_about(engine, report) == ["problem_reported"]
    own = (await learner.get(f"{report['claim']}/history")).json()["data"][-1]
    assert (own["text"], own["reason"]) == ("The report of a problem was closed.", None)


async def test_a_request_that_is_repeated_is_one_report_and_one_answer(
    learner: Person, coordinator: Person, slug: str
) -> None:
    claim = await opened(learner, slug)
    path, key = f"/v1/claims/{claim['id']}/problem-reports", new_id("key")
    first = await learner.post(path, {"message": "Once."}, Idempotency_Key=key)
    again = await learner.post(path, {"message": "Once."}, Idempotency_Key=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len((await learner.get(path)).json()["data"]) == 1
    address, key = f"{QUEUE}/{first.json()['id']}/answer", new_id("key")
    answers = [await coordinator.post(address, {"answer": "Yes."}, Idempotency_Key=key) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200]


async def test_five_reports_a_day_are_taken(learner: Person, slug: str) -> None:
    claim = await opened(learner, slug)
    path = f"/v1/claims/{claim['id']}/problem-reports"
    taken = [(await learner.post(path, {"message": f"Number {n}."})).status_code for n in range(5)]
    assert taken == [201] * 5
    sixth = await learner.post(path, {"message": "Number 6."})
    assert (sixth.status_code, sixth.json()["code"]) == (429, "rate_limited")
    assert 0 < int(sixth.headers["retry-after"]) <= 86_400


async def test_nobody_settles_a_report_about_their_own_claim(coordinator: Person, slug: str) -> None:
    report = await reported(coordinator, slug)
    for act, body in (("answer", {"answer": "Fine."}), ("close", {"reason": "Fine."})):
        response = await coordinator.post(f"{QUEUE}/{report['id']}/{act}", body)
        assert (response.status_code, response.json()["code"]) == (403, "own_claim")


async def test_reports_are_listed_from_the_oldest_in_pages_and_by_state(
    learner: Person, coordinator: Person, slug: str
) -> None:
    first = await reported(learner, slug)
    second = (await learner.post(f"{first['claim']}/problem-reports", {"message": "And more."})).json()
    await coordinator.post(f"{QUEUE}/{first['id']}/close", {"reason": "Twice."})

    async def listed(state: str) -> list[str]:
        found, query = [], f"?state={state}&limit=100"
        while True:
            page = (await coordinator.get(f"{QUEUE}{query}")).json()
            found += [each["id"] for each in page["data"]]
            if page["next"] is None:
                return found
            query = f"?state={state}&limit=100&after={page['next']}"

    assert first["id"] in await listed("closed")
    waiting = await listed("open")
    assert second["id"] in waiting
    assert first["id"] not in waiting
    [older, newer] = [
        each["id"] for each in (await learner.get(f"{first['claim']}/problem-reports")).json()["data"][::-1]
    ]
    assert (older, newer) == (first["id"], second["id"])


@pytest.mark.parametrize("message", ["", "   ", "a" * 2001, "\u202e"])
async def test_a_report_needs_words(learner: Person, slug: str, message: str) -> None:
    claim = await opened(learner, slug)
    response = await learner.post(f"/v1/claims/{claim['id']}/problem-reports", {"message": message})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/message")


async def test_a_foreign_report_is_absent_and_an_auditor_only_reads(
    learner: Person, slug: str, database_url: str, client: httpx2.AsyncClient
) -> None:
    report = await reported(learner, slug)
    stranger = await sign_in(database_url, client)
    assert (await stranger.get(f"{report['claim']}/problem-reports")).status_code == 404
    assert (await stranger.get(f"{QUEUE}/{report['id']}")).status_code == 403
    auditor = await sign_in(database_url, client, Role.AUDITOR)
    assert (await auditor.get(f"{QUEUE}/{report['id']}")).status_code == 200
    assert (await auditor.post(f"{QUEUE}/{report['id']}/answer", {"answer": "x"})).status_code == 403
    for absent in (new_id("prb"), "prb_x"):
        assert (await auditor.get(f"{QUEUE}/{absent}")).status_code == 404
    wrong = await auditor.get(f"{QUEUE}?after=clm_x")
    assert wrong.json()["errors"][0]["code"] == "cursor_invalid"


def cookies(person: Person) -> dict[str, str]:
    return {"Cookie": f"laurel_session={person.token}", "Accept": "text/html"}


async def test_the_office_reads_reports_on_a_page_and_answers_there(
    learner: Person, coordinator: Person, slug: str
) -> None:
    report = await reported(learner, slug, "My badge is <refused>.")
    path = f"/staff/problem-reports/{report['id']}"
    page = await learner.client.get(path, headers=cookies(coordinator))
    assert "My badge is &lt;refused&gt;." in page.text
    assert f'href="/staff/claims/{report["claim"].rpartition("/")[2]}"' in page.text
    empty = await learner.client.post(f"{path}/answer", data={"answer": " "}, headers=cookies(coordinator))
    assert empty.status_code == 422
    assert '<a href="#answer">Fill this in.' in empty.text
    sent = await learner.client.post(f"{path}/answer", data={"answer": "Try again."}, headers=cookies(coordinator))
    assert sent.headers["location"] == "/staff/problem-reports"
    late = await learner.client.post(f"{path}/close", data={"reason": "Twice."}, headers=cookies(coordinator))
    assert (late.status_code, "The report is settled" in late.text) == (409, True)
    listed = await learner.client.get("/staff/problem-reports?state=answered", headers=cookies(coordinator))
    assert (listed.status_code, "Try again." in late.text) == (200, True)


async def test_on_the_page_too_nobody_answers_their_own_report_and_learners_see_none(
    coordinator: Person, learner: Person, slug: str
) -> None:
    report = await reported(coordinator, slug)
    path = f"/staff/problem-reports/{report['id']}"
    own = await learner.client.post(f"{path}/answer", data={"answer": "Fine."}, headers=cookies(coordinator))
    assert (own.status_code, "This is your own claim" in own.text) == (403, True)
    assert (await learner.client.get(path, headers=cookies(learner))).status_code == 403
    absent = await learner.client.get(f"/staff/problem-reports/{new_id('prb')}", headers=cookies(coordinator))
    assert absent.status_code == 404
