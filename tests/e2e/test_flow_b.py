"""Flow B of an event site, line by line, over HTTP and e-mail, with a platform that signs what it reports."""

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from cli.learner import Json
from cli.local import LocalStack
from domain.identities import new_id
from tests.e2e.follower import responses_to
from tests.e2e.office import Office, Platform, details, own_example, problem
from tests.e2e.people import Person, Town, action
from tests.platforms import SENDER, sender

PARTIAL = "wound-care-online-conference"
WHOLE = "safe-patient-handling-on-demand"
ELSEWHERE = {"system": "Ridgeline Member Center", "url": "https://members.ridgeline-nurses.example/certificates"}
MINUTE = 60


@pytest.fixture(scope="module")
def conference(office: Office) -> str:
    """Credit in parts, and the certificate elsewhere."""
    return office.publish(own_example(PARTIAL))


@pytest.fixture(scope="module")
def course(office: Office) -> str:
    """Credit for the whole only, and the certificate here."""
    return office.publish(own_example(WHOLE))


@pytest.fixture(scope="module")
def platform(stack: LocalStack) -> Platform:
    return Platform.connected(stack)


@pytest.fixture
def nurse(town: Town) -> Person:
    return town.learner("nurse", given_name="Tomas", family_name="Rivera", credentials="RN")


def progress(email: str, slug: str, content: str, **reported: Any) -> bytes:
    """The body of an event about what somebody watched."""
    data = {"learner": {"email": email}, "ce_activity": slug, "content": content} | reported
    return bytes(sender.event("progress.updated", data))


def post_event(
    platform: Platform, body: bytes, *, secret: str | None = None, event_id: str | None = None
) -> httpx2.Response:
    """Send one event, signed with the platform's secret or with another one."""
    signed = sender.signed_headers(secret or platform.secret, event_id or new_id("msg"), int(time.time()), body)
    headers = {"Content-Type": "application/json"} | signed
    url = f"{platform.api_url}/v1/integrations/{platform.name}/events"
    return httpx2.post(url, content=body, headers=headers, timeout=10)


def claim_of(person: Person, group: str | None = None) -> Json:
    """The one claim that this person has, or has in this group, once it is there."""
    path = f"/v1/claims?group={group}" if group else "/v1/claims"
    (claim,) = person.wait_for(path, lambda page: page["data"])["data"]
    return dict(claim)


def item(claim: Json, code: str) -> Json:
    """One piece of a claim's content."""
    return next(dict(each) for each in claim["content"]["items"] if each["code"] == code)


def watch(platform: Platform, person: Person, slug: str, **minutes: int) -> Json:
    """Watch so many minutes of each content from its beginning; answers with the claim as it stands then."""
    for content, length in minutes.items():
        platform.report(person, slug, content, (0, length * MINUTE))
    claim, watched = claim_of(person), sum(minutes.values())
    return person.until(claim["id"], lambda status: status["content"]["minutes_completed"] >= watched)


def ready(platform: Platform, person: Person, slug: str, **minutes: int) -> Json:
    """Watch so much that credit may be claimed."""
    claim = watch(platform, person, slug, **minutes)
    return person.until(claim["id"], lambda status: status["stage"] == "ready_to_claim")


def answer_questions(person: Person, claim: Json) -> Json:
    questions = action(claim, "complete_evaluation")["form"]["questions"]
    return person.do(claim, "complete_evaluation", {"responses": responses_to(questions)})


def claim_and_finish(person: Person, claim: Json, units: str) -> Json:
    answer = person.claim_credit(claim, units=units)
    assert answer.status_code == 200, answer.text
    return person.until(claim["id"], lambda status: status["stage"] == "completed")


def test_b1_the_organisations_own_word_for_credit_is_in_every_answer(
    nurse: Person, platform: Platform, conference: str
) -> None:
    platform.report(nurse, conference, "opening", (0, 600))
    assert claim_of(nurse)["ce_activity"]["acronym"] == "CEU"
    assert nurse.get(f"/v1/ce-activities/{conference}")["acronym"] == "CEU"
    listed = nurse.get("/v1/ce-activities?event_type=on_demand&limit=100")["data"]
    assert {each["acronym"] for each in listed if each["slug"] == conference} == {"CEU"}


def test_b2_what_staff_release_later_appears_by_itself_and_is_in_progress_once_it_is_begun(
    nurse: Person, office: Office, platform: Platform
) -> None:
    def available() -> set[str]:
        listed = nurse.get("/v1/ce-activities?event_type=on_demand&limit=100")
        return {each["slug"] for each in listed["data"]}

    planned = own_example(WHOLE).replace("\nstatus: published\n", "\nstatus: draft\n")
    slug = office.publish(planned)
    assert slug not in available()
    assert nurse.get("/v1/claims?group=in_progress")["data"] == []
    office.publish(planned.replace("\nstatus: draft\n", "\nstatus: published\n"))
    assert slug in available()
    platform.report(nurse, slug, "mobility", (0, 600))
    claim = claim_of(nurse, "in_progress")
    assert (claim["ce_activity"]["slug"], claim["stage"], claim["waiting_for"]) == (
        slug,
        "awaiting_content",
        "platform",
    )


def test_b3_each_piece_of_content_leads_to_its_own_address(nurse: Person, platform: Platform, conference: str) -> None:
    platform.report(nurse, conference, "opening", (0, 600))
    claim = claim_of(nurse)
    items = action(claim, "complete_content")["form"]["items"]
    assert items == claim["content"]["items"]
    assert [each["code"] for each in items][:2] == ["opening", "pressure"]
    assert item(claim, "discussion")["url"] == "https://conference.ridgeline-nurses.example/2026/live/hardest-case"
    assert all(each["url"].startswith("https://conference.ridgeline-nurses.example/2026/") for each in items)


def test_b3_the_sample_sender_of_the_examples_reports_progress(
    nurse: Person, platform: Platform, conference: str
) -> None:
    url = f"{platform.api_url}/v1/integrations/{platform.name}/events"
    arguments = [url, "progress", "--email", nurse.email, "--ce-activity", conference]
    content = ["--content", "opening", "--interval", "0-600", "--interval", "900-1000"]
    sent = subprocess.run(
        [sys.executable, str(SENDER), *arguments, *content],
        env=dict(os.environ) | {"LAUREL_INTEGRATION_SECRET": platform.secret},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (sent.returncode, sent.stdout) == (0, "recorded\n"), sent.stderr
    assert item(claim_of(nurse), "opening")["seconds_completed"] == 700


def test_b3_a_minute_watched_twice_counts_once_and_nothing_takes_progress_away(
    nurse: Person, platform: Platform, conference: str
) -> None:
    def seconds() -> int:
        return int(item(claim_of(nurse), "opening")["seconds_completed"])

    def report(**reported: Any) -> int:
        answer = post_event(platform, progress(nurse.email, conference, "opening", **reported))
        assert answer.status_code == 202, answer.text
        return seconds()

    assert report(intervals=[[300, 600]]) == 300
    assert report(intervals=[[300, 600], [450, 700]]) == 400
    # What was watched first is reported last.
    assert report(intervals=[[0, 100]]) == 500
    assert report(seconds=40) == 500
    assert report(seconds=600) == 600
    assert report(intervals=[[0, 10]], seconds=0) == 600
    body, event_id = progress(nurse.email, conference, "opening", intervals=[[1000, 1300]]), new_id("msg")
    assert [post_event(platform, body, event_id=event_id).status_code for _ in range(2)] == [202, 202]
    assert seconds() == 800
    assert report(intervals=[[0, 99999]]) == 45 * MINUTE


def test_b3_an_event_with_a_bad_signature_is_refused_and_counts_for_nothing(
    nurse: Person, platform: Platform, conference: str, stack: LocalStack
) -> None:
    body = progress(nurse.email, conference, "opening", intervals=[[0, 600]])
    stranger = Platform.connected(stack)
    forged = post_event(platform, body, secret=stranger.secret)
    assert problem(forged) == (401, "signature_invalid")
    assert nurse.get("/v1/claims")["data"] == []


def test_b3_an_event_of_somebody_unknown_waits_until_staff_say_whose_it_is_and_then_counts(
    nurse: Person, office: Office, platform: Platform, conference: str
) -> None:
    elsewhere = f"{new_id('x').replace('_', '.')}@another-address.example"
    taken = post_event(platform, progress(elsewhere, conference, "opening", intervals=[[0, 600]]))
    assert taken.status_code == 202
    waiting = office.get(f"/v1/staff/integration-events?integration={platform.name}")["data"]
    (event,) = (each for each in waiting if each["problem"] == "learner_unknown" and elsewhere in json.dumps(each))
    path = f"/v1/staff/integration-events/{platform.name}/{event['id']}/assign"
    settled = office.send("POST", path, {"learner": office.learner_id(nurse)})
    assert (settled.status_code, settled.json()["state"]) == (200, "applied"), settled.text
    assert item(claim_of(nurse), "opening")["seconds_completed"] == 600
    assert problem(office.send("POST", path, {"learner": office.learner_id(nurse)})) == (409, "event_settled")


def test_b3_what_was_watched_before_there_was_an_account_counts_once_there_is_one(
    town: Town, platform: Platform, conference: str, stack: LocalStack
) -> None:
    newcomer = Person(stack)
    platform.report(newcomer, conference, "opening", (0, 600))
    with newcomer:
        newcomer.sign_in()
        newcomer.change_profile({"given_name": "Ana", "family_name": "Lopes", "profession": "nurse"})
        assert item(claim_of(newcomer), "opening")["seconds_completed"] == 600


def test_b4_progress_and_what_is_needed_show_live(nurse: Person, platform: Platform, conference: str) -> None:
    platform.report(nurse, conference, "opening", (0, 600))
    claim = claim_of(nurse)
    seen = []
    with closing(nurse.statuses(claim["id"])) as statuses:
        assert item(next(statuses), "opening")["seconds_completed"] == 600
        for until in (1200, 1800, 2700):
            platform.report(nurse, conference, "opening", (0, until))
            seen.append(
                next(item(each, "opening") for each in statuses if item(each, "opening")["seconds_completed"] >= until)
            )
    assert [(each["seconds_completed"], each["seconds_needed"]) for each in seen] == [
        (1200, 2700),
        (1800, 2700),
        (2700, 2700),
    ]
    assert [each["is_complete"] for each in seen] == [False, False, True]
    content = nurse.claim(claim["id"])["content"]
    assert (content["minutes_completed"], content["minutes_needed"], content["allows_partial"]) == (45, 300, True)


def test_b5_before_its_date_credit_is_earned_but_not_claimed_and_the_status_says_when_it_opens(
    nurse: Person, office: Office, platform: Platform
) -> None:
    opens_on = (datetime.now(UTC) + timedelta(days=2)).date()
    slug = office.publish(own_example(PARTIAL).replace("opens_on: 2026-10-01", f"opens_on: {opens_on}"))
    claim = watch(platform, nurse, slug, opening=45)
    claim = nurse.until(claim["id"], lambda status: status["stage"] == "awaiting_window")
    opening = next(each for each in claim["deadlines"] if each["name"] == "opens")
    assert (opening["at"][:16], opening["time_zone"]) == (f"{opens_on}T00:00", "America/Denver")
    assert claim["waiting_for"] == "claim_window"
    assert datetime.fromisoformat(claim["waiting_until"]) == datetime.fromisoformat(opening["at"])
    assert "claim_credit" not in {each["action"] for each in claim["next_actions"]}
    offer = nurse.get(f"/v1/ce-activities/{slug}")["credit"][0]
    body = {"units": "0.75", "attestation_version": offer["attestation_version"], "attested": True}
    early = nurse.send("PUT", f"{claim['href']}/credit", body | {"credit_type": offer["credit_type"]})
    assert problem(early) == (409, "window_not_open")
    assert datetime.fromisoformat(details(early)["opens_at"]) == datetime.fromisoformat(opening["at"])
    later = watch(platform, nurse, slug, pressure=40)
    assert (later["stage"], item(later, "pressure")["is_complete"]) == ("awaiting_window", True)
    assert nurse.get("/v1/claims?group=ready_to_claim")["data"] == []


def test_b6_what_can_be_claimed_is_listed_and_its_questions_come_first(
    nurse: Person, platform: Platform, conference: str
) -> None:
    claim = ready(platform, nurse, conference, opening=45)
    assert [each["id"] for each in nurse.get("/v1/claims?group=ready_to_claim")["data"]] == [claim["id"]]
    assert nurse.get("/v1/claims?group=in_progress")["data"] == []
    assert "claim_credit" not in {each["action"] for each in claim["next_actions"]}
    offer = nurse.get(f"/v1/ce-activities/{conference}")["credit"][0]
    body = {"units": "0.75", "attestation_version": offer["attestation_version"], "attested": True}
    unanswered = nurse.send("PUT", f"{claim['href']}/credit", body | {"credit_type": offer["credit_type"]})
    assert problem(unanswered) == (409, "evaluations_missing")
    saved = answer_questions(nurse, claim)
    assert "complete_evaluation" not in {each["action"] for each in saved["next_actions"]}
    assert action(saved, "claim_credit")["form"]["offers"][0]["claimable_units"] == "0.75"


def test_b7_hours_are_claimed_in_part_up_to_what_progress_has_earned(
    nurse: Person, platform: Platform, conference: str
) -> None:
    # 45 minutes earn 0.75 hours; of the 20 minutes more, 15 earn another quarter.
    claim = answer_questions(nurse, ready(platform, nurse, conference, opening=45, pressure=20))
    offer = action(claim, "claim_credit")["form"]["offers"][0]
    assert (offer["claimable_units"], offer["designated_units"], offer["is_whole_only"]) == ("1.00", "5.00", False)
    over = nurse.claim_credit(claim, units="1.25")
    assert (problem(over), details(over)["limit"]) == ((409, "credit_maximum"), "1.00")
    between = nurse.claim_credit(claim, units="0.80")
    assert (problem(between), details(between)["limit"]) == ((409, "credit_increment"), "0.25")
    done = claim_and_finish(nurse, claim, "0.75")
    assert (done["award"]["units"], done["award"]["credit_type"]) == ("0.75", "ancc_contact_hours")


def test_b7_without_parts_credit_is_claimed_whole_once_everything_is_complete(
    nurse: Person, platform: Platform, course: str
) -> None:
    claim = watch(platform, nurse, course, mobility=20, lifts=30)
    assert (claim["stage"], claim["blocked_by"]) == ("awaiting_content", ["content", "evaluation"])
    offer = nurse.get(f"/v1/ce-activities/{course}")["credit"][0]
    body = {"units": "0.75", "attestation_version": offer["attestation_version"], "attested": True}
    early = nurse.send("PUT", f"{claim['href']}/credit", body | {"credit_type": offer["credit_type"]})
    assert problem(early) == (409, "step_locked")
    claim = answer_questions(nurse, ready(platform, nurse, course, plan=10))
    assert action(claim, "claim_credit")["form"]["offers"][0]["is_whole_only"] is True
    part = nurse.claim_credit(claim, units="0.75")
    assert (problem(part), details(part)["limit"]) == ((409, "credit_whole_only"), "1.00")
    assert claim_and_finish(nurse, claim, "1.00")["award"]["units"] == "1.00"


def test_b8_a_certificate_of_another_system_is_reported_with_its_link_and_not_made_here(
    nurse: Person, platform: Platform, conference: str
) -> None:
    claim = answer_questions(nurse, ready(platform, nurse, conference, opening=45))
    assert claim["certificate_elsewhere"] == ELSEWHERE
    done = claim_and_finish(nurse, claim, "0.75")
    assert (done["certificate"], done["certificate_elsewhere"]) == (None, ELSEWHERE)
    assert problem(nurse.send("GET", f"{done['href']}/certificate")) == (404, "not_found")
    mail = nurse.wait_for_mail(lambda message: "has awarded you" in message["text"])
    assert ELSEWHERE["url"] in mail["text"]
    assert f"issued in {ELSEWHERE['system']}" in mail["text"]
    assert "CEU credit" in mail["subject"]
    assert "/verify/" not in mail["text"]
    (entry,) = nurse.get("/v1/transcript")["entries"]
    certificate = entry["certificate"]
    assert (certificate["issued"], certificate["url"]) == ("elsewhere", ELSEWHERE["url"])


def test_b8_a_certificate_that_is_issued_here_is_downloaded(nurse: Person, platform: Platform, course: str) -> None:
    claim = answer_questions(nurse, ready(platform, nurse, course, mobility=20, lifts=30, plan=10))
    done = claim_and_finish(nurse, claim, "1.00")
    assert (done["certificate"]["state"], done["certificate_elsewhere"]) == ("issued", None)
    assert nurse.certificate(done["id"]).startswith(b"%PDF-")
    (mail,) = nurse.award_mails()
    assert f"/claims/{done['id']}/certificate" in mail["text"]
    assert "CEU credit" in mail["subject"]
