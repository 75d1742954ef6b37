"""A claim through its pages, as a learner's browser without scripts sees it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, text

from activities.claims import PostgresClaimActivities
from api.pages.wording import LOCK_WORDS, STATE_WORDS, STEP_WORDS, WAITING_WORDS
from config.settings import Settings
from domain.identities import new_id
from domain.policy import ClaimWindow, Participation, ParticipationMethod, PostTest
from domain.progress import StepKind, StepState, WaitingFor
from tests.api.browser import Browser, Page
from tests.api.conftest import Person, SilentTemporal, publish_example, running, sign_in
from tests.api.test_claim_over_http import graded
from tests.claims import example_policy, full_responses, right_answers, wrong_answers

POLICY = example_policy()
CODE = Participation(methods=(ParticipationMethod.CODE,), code="485327")


def answered(answers: dict[str, Any]) -> dict[str, str]:
    return {f"q-{code}": str(value) for code, value in answers.items()}


@pytest.fixture
def browser(learner: Person) -> Browser:
    return Browser(learner.client, learner)


async def claimed(browser: Browser, slug: str, query: str = "") -> Page:
    """The page of a claim that was just opened with the button of its activity."""
    return await browser.send(await browser.get(f"/ce-activities/{slug}{query}"), f"/ce-activities/{slug}/claim")


async def attempted(browser: Browser, slug: str) -> Page:
    """The questions of a first attempt."""
    page = await claimed(browser, slug)
    page = await browser.send(page, f"{page.path}/participation", value="recorded")
    return await browser.send(page, f"{page.path}/attempts")


async def after_test(browser: Browser, slug: str, ledger: PostgresClaimActivities, answers: dict[str, str]) -> Page:
    """The claim's page after a post-test was answered like this and graded."""
    page = await attempted(browser, slug)
    page = await browser.send(page, f"{page.path}/answers", **answered(answers))
    await graded(ledger, page.path.rpartition("/")[2])
    return await browser.get(page.path)


async def evaluated(browser: Browser, slug: str, ledger: PostgresClaimActivities) -> Page:
    page = await after_test(browser, slug, ledger, right_answers(POLICY))
    form = await browser.get(f"{page.path}/evaluation")
    return await browser.send(form, form.path, **answered(full_responses(POLICY)))


def test_there_are_words_for_every_step_state_lock_and_wait() -> None:
    assert STEP_WORDS.keys() == set(StepKind)
    assert STATE_WORDS.keys() == set(StepState)
    assert WAITING_WORDS.keys() == set(WaitingFor)
    assert {"step_locked", "window_not_open", "deadline_passed", "attempts_exhausted", "wrong_state"} <= set(LOCK_WORDS)


async def test_the_button_of_an_activity_opens_one_claim_however_often_it_is_pressed(
    browser: Browser, slug: str
) -> None:
    activity = await browser.get(f"/ce-activities/{slug}")
    fields = activity.fields(f"/ce-activities/{slug}/claim")
    first = await browser.post(f"/ce-activities/{slug}/claim", fields)
    again = await browser.post(f"/ce-activities/{slug}/claim", fields)
    assert first.path == again.path
    assert re.fullmatch(r"/claims/clm_\w+", first.path)
    assert f'href="{first.path}"' in (await browser.get(f"/ce-activities/{slug}")).html


async def test_the_checklist_says_what_is_to_do_and_what_is_locked_and_why(browser: Browser, slug: str) -> None:
    page = await claimed(browser, slug)
    states = re.findall(r'<li data-state="(\w+)" data-kind="(\w+)">', page.html)
    assert states[:3] == [("to_do", "participation"), ("locked", "post_test"), ("locked", "evaluation")]
    assert "It opens when the steps before it are done." in page.text
    assert "We are waiting for you." in page.text


async def test_a_deadline_has_city_and_offset_and_the_learners_own_time(browser: Browser, slug: str) -> None:
    assert browser.person is not None
    await browser.person.call("PATCH", "/v1/me", {"time_zone": "Asia/Tokyo"})
    page = await claimed(browser, slug)
    assert re.search(r"Claim by .*23:59 \(Chicago, UTC-\d\) \(your time: .* \(Tokyo, UTC\+9\)\)", page.text)


async def test_a_post_test_goes_from_its_passing_score_to_an_evaluation_that_unlocks(
    browser: Browser, slug: str, ledger: PostgresClaimActivities
) -> None:
    page = await claimed(browser, slug)
    page = await browser.send(page, f"{page.path}/participation", value="recorded")
    assert isinstance(POLICY.post_test, PostTest)
    assert f"Passing score {POLICY.post_test.passing_percent} %" in page.text
    assert "Attempts left 3 of 3" in page.text
    page = await browser.send(page, f"{page.path}/attempts")
    page = await browser.send(page, f"{page.path}/answers", **answered(right_answers(POLICY)))
    assert "Your post-test is being graded" in page.text
    assert re.search(r'data-seconds="\d+"', page.html)
    assert re.search(r'<noscript><meta http-equiv="refresh" content="5;', page.html)
    locked = await browser.get(f"{page.path}/evaluation")
    assert locked.path == page.path
    await graded(ledger, page.path.rpartition("/")[2])
    page = await browser.get(page.path)
    assert "Open the evaluation" in page.text
    assert "Passed" in page.text


async def test_answers_that_are_missing_are_named_beside_their_questions_and_the_others_stay(
    browser: Browser, slug: str
) -> None:
    page = await attempted(browser, slug)
    (code, answer), *rest = right_answers(POLICY).items()
    refused = await browser.send(page, f"{page.path}/answers", **{f"q-{code}": answer})
    assert refused.status == 422
    assert "<title>Error: Post-test" in refused.html
    for missing, _answer in rest:
        assert f'<a href="#q-{missing}">' in refused.html
        assert f'id="q-{missing}-error"' in refused.html
    assert refused.fields(f"{page.path}/answers")[f"q-{code}"] == answer


async def test_a_draft_is_saved_by_its_button_and_restored(browser: Browser, slug: str) -> None:
    page = await attempted(browser, slug)
    code, answer = next(iter(right_answers(POLICY).items()))
    address = page.path.partition("/attempts")[0]
    form = page.fields(f"{page.path}/answers") | {f"q-{code}": answer, "draft": "1"}
    saved = await browser.post(f"{address}/drafts/answers", form)
    assert saved.path == page.path
    assert "Draft saved." in saved.text
    assert saved.fields(f"{page.path}/answers")[f"q-{code}"] == answer
    by_script = await browser.post(f"{address}/drafts/answers", {**form, "auto": "1"})
    assert (by_script.status, by_script.html) == (204, "")


async def test_a_failed_attempt_shows_its_score_and_the_attempts_left_until_none_is(
    browser: Browser, slug: str, ledger: PostgresClaimActivities
) -> None:
    page = await after_test(browser, slug, ledger, wrong_answers(POLICY))
    assert "Not passed this time" in page.text
    assert re.search(r"You reached \d+ % \(\d of \d answers right\)", page.text)
    assert "Attempts left 2 of 3" in page.text
    result = await browser.get(f"{page.path}/attempts/1")
    assert "2 attempts are left." in result.text
    for _ in range(2):
        attempt = await browser.send(await browser.get(page.path), f"{page.path}/attempts")
        await browser.send(attempt, f"{attempt.path}/answers", **answered(wrong_answers(POLICY)))
        await graded(ledger, page.path.rpartition("/")[2])
    page = await browser.get(page.path)
    assert "The post-test was not passed in the attempts that are allowed." in page.text


async def test_an_evaluation_says_who_reads_it_and_what_is_missing(
    browser: Browser, slug: str, ledger: PostgresClaimActivities
) -> None:
    page = await after_test(browser, slug, ledger, right_answers(POLICY))
    form = await browser.get(f"{page.path}/evaluation")
    assert "reads the responses without names" in form.text
    refused = await browser.send(form, form.path)
    assert (refused.status, refused.path) == (422, form.path)
    assert "There is a problem" in refused.text
    done = await browser.send(refused, form.path, **answered(full_responses(POLICY)))
    assert "Choose the type of credit" in done.text


async def test_credit_is_claimed_by_type_then_by_amount_with_the_attestation(
    browser: Browser, slug: str, ledger: PostgresClaimActivities
) -> None:
    page = await evaluated(browser, slug, ledger)
    page = await browser.get(f"{page.path}?step=claim_credit&credit_type=ama_pra_category_1")
    assert 'type="number"' in page.html
    assert 'step="0.25"' in page.html
    action = f"{page.path}/credit"
    between = await browser.send(page, action, units="0.80", attested="1")
    assert between.status == 409
    assert "Claim in steps of 0.25." in between.text
    assert between.fields(action)["units"] == "0.80"
    unattested = await browser.send(between, action, units="0.75")
    assert (unattested.status, "The attestation is missing." in unattested.text) == (409, True)
    odd = await browser.send(unattested, action, units="much", attested="1")
    assert (odd.status, "Enter an amount such as 1.25." in odd.text) == (422, True)
    done = await browser.send(odd, action, units="0,75", attested="1")
    assert "Your credit is awarded" in done.text
    assert 'data-kind="credit"' in done.html


async def test_those_whom_no_credit_is_for_are_led_to_a_certificate_of_participation(
    database_url: str, client: httpx2.AsyncClient, slug: str, ledger: PostgresClaimActivities
) -> None:
    other = await sign_in(database_url, client, profession="other")
    page = await evaluated(Browser(client, other), slug, ledger)
    assert "Claim your certificate of participation" in page.text
    assert "AMA PRA" not in page.text


async def test_a_links_code_is_filled_in_read_only_and_a_changed_one_is_refused(
    browser: Browser, engine: Engine
) -> None:
    slug = publish_example(engine, requirements=(CODE,), activity_code=new_id("a").replace("_", "-")[:40])
    page = await claimed(browser, slug, "?code=485327")
    action = f"{page.path}/participation"
    shown = re.search(r'<input id="value"[^>]*>', page.html)
    assert shown is not None
    assert 'value="485327"' in shown[0]
    assert " readonly" in shown[0]
    changed = await browser.send(page, action, value="485328")
    assert (changed.status, "This id or code is not right." in changed.text) == (409, True)
    done = await browser.send(page, action, value="485327", key=new_id("k"))
    assert re.search(r'<li data-state="done" data-kind="participation">', done.html)


async def test_wrong_ids_are_counted_and_the_page_says_until_when_to_wait(browser: Browser, engine: Engine) -> None:
    page = await claimed(browser, publish_example(engine, requirements=(CODE,)))
    action = f"{page.path}/participation"
    for number in range(6):
        page = await browser.send(page, action, value=f"wrong-{number}")
    assert "Too many wrong ids." in page.text
    assert re.search(r"You can try again after \d+ \w+ \d{4}, \d\d:\d\d", page.text)


async def test_a_form_that_was_sent_before_with_something_else_is_checked_again(
    browser: Browser, engine: Engine
) -> None:
    page = await claimed(browser, publish_example(engine, requirements=(CODE,)))
    action = f"{page.path}/participation"
    fields = page.fields(action)
    await browser.post(action, fields | {"value": "one"})
    again = await browser.post(action, fields | {"value": "two"})
    assert (again.status, "This form was sent before, with something else in it." in again.text) == (422, True)


async def test_before_its_window_the_page_says_when_claiming_opens(browser: Browser, engine: Engine) -> None:
    opens = datetime.now(UTC).date() + timedelta(days=30)
    page = await claimed(
        browser, publish_example(engine, requirements=(), claim_window=ClaimWindow(opens_on=opens), time_zone="UTC")
    )
    assert "Claiming is not open yet" in page.text
    assert f"It opens {opens.day} " in page.text
    assert '<noscript><meta http-equiv="refresh" content="60;' in page.html


async def test_after_the_deadline_the_page_says_when_it_was_and_offers_to_ask_for_more_time(
    browser: Browser, slug: str, engine: Engine
) -> None:
    page = await claimed(browser, slug)
    with engine.begin() as connection:
        late = text("UPDATE claims SET due_at = '2026-05-31T04:59:59Z' WHERE id = :id")
        connection.execute(late, {"id": page.path.rpartition("/")[2]})
    page = await browser.get(page.path)
    assert "Credit could be claimed until 30 May 2026, 23:59 (Chicago, UTC-5)" in page.text
    empty = await browser.send(page, f"{page.path}/extension-requests", reason="")
    assert (empty.status, 'id="reason-error"' in empty.html) == (422, True)
    asked = await browser.send(empty, f"{page.path}/extension-requests", reason="I was ill.")
    assert "You asked for more time." in asked.text


async def test_a_claim_is_given_up_with_a_word_that_is_typed(browser: Browser, slug: str) -> None:
    claim = await claimed(browser, slug)
    page = await browser.get(f"{claim.path}/withdrawal")
    kept = await browser.send(page, page.path, reason="Moved.", confirmation="yes")
    assert (kept.status, 'href="#confirmation"' in kept.html) == (422, True)
    assert kept.fields(page.path)["reason"] == "Moved."
    gone = await browser.send(kept, page.path, confirmation="Withdraw")
    assert "This claim was given up." in gone.text


async def test_the_history_tells_what_happened_refusals_too(browser: Browser, slug: str) -> None:
    claim = await claimed(browser, slug)
    await browser.send(claim, f"{claim.path}/participation", value="somewhere")
    history = await browser.get(f"{claim.path}/history")
    assert "The claim was opened." in history.text
    assert "was refused" in history.text


async def test_a_step_that_is_not_decided_is_shown_as_received_and_then_by_its_outcome(
    database_url: str, settings: Settings, slug: str, ledger: PostgresClaimActivities
) -> None:
    async with running(settings, SilentTemporal()) as (_app, client):
        learner = await sign_in(database_url, client)
        page = await claimed(Browser(client, learner), slug)
        assert page.status == 200
        assert "It is being decided" in page.text
        assert '<noscript><meta http-equiv="refresh" content="5;' in page.html


async def test_the_status_arrives_live(learner: Person, slug: str) -> None:
    browser = Browser(learner.client, learner)
    page = await claimed(browser, slug)
    done = await browser.send(
        await browser.get(f"{page.path}/withdrawal"), f"{page.path}/withdrawal", reason="x", confirmation="withdraw"
    )
    assert "data-events" not in done.html
    headers = {"Cookie": f"laurel_session={learner.token}"}
    response = await learner.client.get(f"{page.path}/events", headers=headers)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "event: status" in response.text
    assert response.text.endswith("event: end\ndata: {}\n\n")


PAGES = [
    "",
    "/history",
    "/withdrawal",
    "/evaluation",
    "/disclosures",
    "/attempts/1",
    "/events",
    "/sessions",
    "/summary",
]
FORMS = ["/participation", "/statement", "/credit", "/finalization", "/extension-requests", "/withdrawal", "/attempts",
         "/attempts/1/answers", "/evaluation", "/disclosures", "/sessions/a", "/sessions/a/removal", "/summary",
         "/drafts/answers"]  # fmt: skip


@pytest.mark.parametrize(("method", "ends"), [("GET", PAGES), ("POST", FORMS)])
async def test_a_strangers_claim_is_as_absent_as_one_that_never_was(
    method: str, ends: list[str], learner: Person, coordinator: Person, slug: str
) -> None:
    claim = (await learner.post("/v1/claims", {"ce_activity": slug})).json()
    stranger = Browser(coordinator.client, coordinator)
    filled = {"value": "x", "reason": "x", "confirmation": "withdraw"}
    for end in ends:
        shown = []
        for claim_id in (claim["id"], new_id("clm"), "clm_x"):
            address = f"/claims/{claim_id}{end}"
            page = await (stranger.get(address) if method == "GET" else stranger.post(address, filled))
            shown.append((page.status, re.sub(r"req_\w+|clm_\w+", "", page.text)))
        assert shown[0][0] == 404, end
        assert shown[0] == shown[1] == shown[2], end


async def test_a_hold_is_announced_as_one_and_not_as_the_step_that_it_stops(
    browser: Browser, coordinator: Person, slug: str
) -> None:
    page = await claimed(browser, slug)
    assert 'data-announcement="Say how you took part. ' in page.html
    reason = {"reason_code": "identity_check", "reason": "Two people, one badge."}
    held = await coordinator.post(f"/v1/staff{page.path}/hold", reason)
    assert held.status_code == 200, held.text
    assert 'data-announcement="On hold. We are waiting for a member of staff' in (await browser.get(page.path)).html
