"""Flow C of the learner wallet, line by line, over HTTP and e-mail, on the whole embedded stack."""

import asyncio
import csv
import hashlib
import io
import re
import time
from datetime import date, datetime, timedelta
from typing import Any

import httpx2
import pypdf
import pytest
from sqlalchemy import Engine, text
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle

from cli.demo import EXAMPLES, STORY
from cli.learner import Json
from storage.definitions import read_definition
from tests.claims import PROVIDER, full_responses, right_answers, wrong_answers
from tests.e2e.follower import Follower, Knowledge
from tests.e2e.office import Office, own_example, problem
from tests.e2e.people import POLICY, Person, Town, action

LIVE_EVENT = "antimicrobial-stewardship-grand-rounds"
MIXED = "recognizing-sepsis-early"
MIXED_ANSWERS = right_answers(read_definition((EXAMPLES / f"{MIXED}.yaml").read_text()).policy)
PHARMACY = {"nabp_eprofile_id": "204417", "birth_month_day": "07-04"}


async def shows(handle: WorkflowHandle[Any, Any], **attributes: Any) -> WorkflowExecutionDescription:
    """The workflow's description once it shows these search attributes, which follow the record in a moment."""
    shown: dict[str, Any] = {}
    for _ in range(50):
        description = await handle.describe()
        shown = {pair.key.name: pair.value for pair in description.typed_search_attributes}
        if attributes.items() <= shown.items():
            return description
        await asyncio.sleep(0.1)
    raise AssertionError(f"it still shows {shown}")


def test_the_passing_score_is_known_before_the_start(learner: Person) -> None:
    course = learner.get(f"/v1/ce-activities/{STORY}")
    post_test = next(each for each in course["requirements"] if each["kind"] == "post_test")
    assert (post_test["passing_percent"], post_test["attempts_allowed"], post_test["question_count"]) == (80, 3, 5)
    assert post_test["words"] == "Pass the post-test (5 questions) with at least 80 %, in at most 3 attempts."
    form = action(learner.take_part(), "start_attempt")["form"]
    assert (form["passing_percent"], form["attempts_left"]) == (80, 3)


def test_a_live_event_is_verified_by_an_option_and_its_credit_waits_for_the_day_after(learner: Person) -> None:
    claim = learner.open_claim(LIVE_EVENT)
    options = action(claim, "state_participation")["form"]["options"]
    assert [option["code"] for option in options] == ["in_person", "live_stream"]
    claim = learner.do(claim, "state_participation", {"value": "live_stream"})
    questions = action(claim, "complete_evaluation")["form"]["questions"]
    answer_to = {"scale": 5, "choice": "yes", "text": "Stop antibiotics sooner."}
    claim = learner.do(
        claim, "complete_evaluation", {"responses": {q["code"]: answer_to[q["kind"]] for q in questions}}
    )
    assert (claim["stage"], claim["waiting_for"]) == ("awaiting_window", "claim_window")
    body = {"credit_type": "ama_pra_category_1", "units": "1.25", "attestation_version": "1", "attested": True}
    answer = learner.send("PUT", f"{claim['href']}/credit", body)
    assert problem(answer) == (409, "window_not_open")
    assert answer.json()["details"]["opens_at"].startswith("2027-10-15T")


@pytest.mark.parametrize(
    ("option", "learning_format", "stages", "units"),
    [
        ("virtual", "live_activity", ["awaiting_evaluation"], "1.50"),
        ("recorded", "enduring_material", ["awaiting_test", "grading", "awaiting_evaluation"], "1.25"),
    ],
)
def test_how_somebody_took_part_in_a_mixed_activity_decides_about_test_and_certificate(
    option: str, learning_format: str, stages: list[str], units: str, learner: Person
) -> None:
    follower = Follower(learner, learner.open_claim(MIXED), Knowledge(option=option, answers=MIXED_ANSWERS))
    assert "start_attempt" not in {each["action"] for each in follower.claim["next_actions"]}
    claim = follower.follow()
    assert follower.stages == ["verifying_participation", *stages, "ready_to_claim", "completed"]
    assert (claim["award"]["units"], claim["ce_activity"]["format"]) == (units, learning_format)
    if option == "virtual":
        refused = learner.send("POST", f"{claim['href']}/attempts", {})
        assert problem(refused) == (409, "step_not_required")
    printed = words_of(learner.certificate(claim["id"]))
    statement = f"designates this {learning_format.replace('_', ' ')} for a maximum of {units} AMA PRA Category 1"
    assert statement in printed
    (entry,) = learner.get("/v1/transcript")["entries"]
    assert entry["learning_format"] == learning_format


@pytest.mark.parametrize(
    ("profession", "option", "number"),
    [
        ("pharmacist", "in_person", "0999-0000-26-031-L01-P"),
        ("pharmacist", "recorded", "0999-0000-26-031-H01-P"),
        ("pharmacy_technician", "virtual", "0999-0000-26-031-L01-T"),
    ],
)
def test_pharmacy_credit_has_the_number_of_its_audience_and_format(
    profession: str, option: str, number: str, town: Town
) -> None:
    learner = town.learner(profession, identifiers=PHARMACY)
    knowledge = Knowledge(option=option, answers=MIXED_ANSWERS)
    claim = Follower(learner, learner.open_claim(MIXED), knowledge).follow()
    assert claim["award"]["credit_type"] == "acpe_contact_hours"
    printed = re.findall(r"0999-0000-26-031-\S+", words_of(learner.certificate(claim["id"])))
    assert printed == [number]


def words_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())


def test_the_evaluation_is_locked_while_the_test_is_graded_and_then_unlocks_by_itself(learner: Person) -> None:
    claim = learner.take_part()
    attempt = learner.do(claim, "start_attempt", {})
    statuses = learner.statuses(claim["id"])
    assert next(statuses)["stage"] == "awaiting_test"
    grading = learner.take({"method": "POST", "href": attempt["answers_href"]}, {"answers": right_answers(POLICY)})
    answered = time.monotonic()
    assert (grading["stage"], grading["waiting_for"]) == ("grading", "grading")
    early = learner.send("POST", f"{claim['href']}/evaluations", {"responses": full_responses(POLICY)})
    assert problem(early) == (409, "step_locked")
    unlocks_at = datetime.fromisoformat(early.json()["details"]["unlocks_at"])
    assert unlocks_at == datetime.fromisoformat(grading["waiting_until"])
    assert early.json()["next_actions"] == grading["next_actions"]
    seen = [next(statuses)["stage"]]
    while seen[-1] != "awaiting_evaluation":
        status = next(statuses)
        seen.append(status["stage"])
    assert set(seen) == {"grading", "awaiting_evaluation"}
    assert 1.5 < time.monotonic() - answered < 10
    assert status["attempts"][0]["percent"] == 100
    done = learner.do(status, "complete_evaluation", {"responses": full_responses(POLICY)})
    assert done["stage"] == "ready_to_claim"


def test_each_failed_attempt_shows_its_score_until_none_is_left(learner: Person) -> None:
    claim = learner.take_part()
    answers = right_answers(POLICY) | dict(list(wrong_answers(POLICY).items())[:2])
    for number, left in ((1, 2), (2, 1)):
        claim = learner.take_test(claim, answers)
        result = claim["attempts"][-1]
        assert (result["number"], result["has_passed"], result["percent"]) == (number, False, 60)
        assert (claim["stage"], claim["attempts_left"]) == ("awaiting_test", left)
    claim = learner.take_test(claim, wrong_answers(POLICY))
    assert (claim["stage"], claim["attempts_left"], claim["attempts"][-1]["percent"]) == ("denied", 0, 0)
    again = learner.send("POST", f"{claim['href']}/attempts")
    assert problem(again) == (409, "attempts_exhausted")
    texts = [entry["text"] for entry in learner.get(f"{claim['href']}/history")["data"]]
    assert "The post-test was graded. 3 of 5 answers are right: not passed." in texts
    assert texts[-1] == "Starting an attempt was refused: no attempts are left."


def test_nothing_is_awarded_until_every_step_is_done(learner: Person, record: Engine) -> None:
    claim = learner.take_part()
    offer = learner.get(f"/v1/ce-activities/{STORY}")["credit"][0]
    body = {
        "credit_type": offer["credit_type"],
        "units": offer["designated_units"],
        "attestation_version": offer["attestation_version"],
        "attested": True,
    }
    for step in ("awaiting_test", "awaiting_evaluation"):
        assert claim["stage"] == step
        assert problem(learner.send("PUT", f"{claim['href']}/credit", body)) == (409, "step_locked")
        claim = learner.take_test(claim, right_answers(POLICY)) if step == "awaiting_test" else claim
    claim = learner.do(claim, "complete_evaluation", {"responses": full_responses(POLICY)})
    unattested = learner.claim_credit(claim, attested=False)
    assert problem(unattested) == (409, "attestation_required")
    with record.connect() as connection:
        count = text("SELECT count(*) FROM awards WHERE claim_id = :id")
        assert connection.execute(count, {"id": claim["id"]}).scalar_one() == 0
        assert learner.claim_credit(claim).status_code == 200
        connection.rollback()
        assert connection.execute(count, {"id": claim["id"]}).scalar_one() == 1


def test_the_award_mail_leads_to_the_dashboard_the_course_and_the_certificate(
    holder: tuple[Person, Json],
) -> None:
    learner, claim = holder
    (mail,) = learner.award_mails()
    assert mail["to"] == [learner.email]
    assert "1.00 AMA PRA Category 1 Credit" in mail["text"]
    assert re.fullmatch(r"<eml_[0-9a-z]+@[a-z.]+>", mail["message_id"])
    api = learner.stack.urls["api"]
    links = {
        "dashboard": f"{api}/",
        "course": f"{api}/ce-activities/{STORY}",
        "certificate": f"{api}/claims/{claim['id']}/certificate",
    }
    with learner.browser() as browser:
        for name, link in links.items():
            assert re.search(rf"{re.escape(link)}(\s|$)", mail["text"]), f"no link to the {name}"
            assert f'href="{link}"' in mail["html"]
            assert browser.get(link).status_code == 200
    with httpx2.Client() as stranger:
        answer = stranger.get(links["certificate"])
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_the_wallet_shows_the_credit_and_serves_the_same_certificate_every_time(
    holder: tuple[Person, Json], record: Engine
) -> None:
    learner, claim = holder
    path = f"{claim['href']}/certificate"
    first = learner.send("GET", path)
    digest = hashlib.sha256(first.content).hexdigest()
    assert first.content.startswith(b"%PDF-")
    assert first.headers["etag"] == f'"{digest}"'
    assert all(learner.certificate(claim["id"]) == first.content for _ in range(2))
    assert learner.send("GET", path, if_none_match=f'"{digest}"').status_code == 304
    with record.connect() as connection:
        query = text("SELECT encode(sha256, 'hex') FROM certificates WHERE id = :id AND state = 'issued'")
        assert connection.execute(query, {"id": claim["certificate"]["id"]}).scalar_one() == digest
    with learner.browser() as browser:
        wallet = browser.get("/").text
        assert POLICY.title in wallet
        assert "AMA PRA Category 1" in wallet
        assert f"/claims/{claim['id']}/certificate" in wallet
        details = browser.get(f"/claims/{claim['id']}/certificate").text
        assert claim["certificate"]["verification_code"] in details
        assert "Alice Moreau" in browser.get(f"/claims/{claim['id']}/certificate/print").text
        assert browser.get(f"/claims/{claim['id']}/certificate.pdf").content == first.content
    completed = learner.get("/v1/claims?group=completed")["data"]
    assert [each["id"] for each in completed] == [claim["id"]]


def test_the_wallet_adds_up_credit_by_type_and_year(learner: Person, office: Office) -> None:
    for slug, option in ((MIXED, "in_person"), (office.publish(own_example(MIXED)), "virtual")):
        claim = Follower(learner, learner.open_claim(slug), Knowledge(option=option)).follow()
        assert claim["award"]["units"] == "1.50"
    year = claim["award"]["completed_on"][:4]
    transcript = learner.get("/v1/transcript")
    (total,) = transcript["totals"]
    assert (total["credit_name"], total["units"], total["awards"]) == ("AMA PRA Category 1 Credit(s)™", "3.00", 2)
    assert [(each["year"], each["totals"][0]["units"]) for each in transcript["years"]] == [(int(year), "3.00")]
    with learner.browser() as browser:
        wallet = browser.get("/").text
    shown = re.search(r'<ul class="totals".*?</ul>', wallet, re.DOTALL)
    assert shown is not None
    words = re.sub(r"<[^>]+>", " ", shown[0]).split()
    assert " ".join(words) == f"3.00 AMA PRA Category 1 Credit(s)™ {year}"
    assert wallet.count(">View certificate<") == 2


def test_anyone_can_verify_a_certificate_by_its_code(holder: tuple[Person, Json]) -> None:
    learner, claim = holder
    certificate = claim["certificate"]
    code = certificate["verification_code"]
    with httpx2.Client(base_url=learner.stack.urls["api"]) as stranger:
        found = stranger.get(f"/v1/certificates/{code}").json()
        assert (found["status"], found["learner_name"], found["units"]) == ("valid", "Alice Moreau", "1.00")
        assert learner.email not in str(found)
        page = stranger.get(certificate["verification_url"])
        assert page.status_code == 200
        assert POLICY.title in page.text
        # A letter that is certainly another one makes a code that was never given out.
        unknown = code[:-1] + ("2" if code[-1] != "2" else "3")
        answer = stranger.get(f"/v1/certificates/{unknown}")
        assert (answer.status_code, answer.json()["status"]) == (404, "unknown")
        assert stranger.get(f"/verify/{unknown}").status_code == 404


def test_a_nurse_is_refused_the_physicians_credit_and_claims_hers(town: Town) -> None:
    nurse = town.learner("nurse")
    claim = nurse.reach_credit()
    offers = action(claim, "claim_credit")["form"]["offers"]
    assert [offer["credit_type"] for offer in offers] == ["ancc_contact_hours", "participation"]
    refused = nurse.claim_credit(claim, credit_type="ama_pra_category_1")
    assert problem(refused) == (409, "not_eligible")
    assert nurse.claim_credit(claim).status_code == 200
    claim = nurse.until(claim["id"], lambda status: status["stage"] == "completed")
    assert claim["award"]["credit_type"] == "ancc_contact_hours"
    texts = [entry["text"] for entry in nurse.get(f"{claim['href']}/history")["data"]]
    assert "Claiming credit was refused: not eligible for this credit." in texts


async def test_staff_extend_a_deadline_and_the_claim_and_its_workflow_follow(
    learner: Person, coordinator: Person, temporal: Client
) -> None:
    claim = learner.take_part()
    body = {"due_on": "2029-01-31", "reason": "Parental leave."}
    assert learner.send("POST", f"/v1/staff/claims/{claim['id']}/extend", body).status_code == 403
    answer = coordinator.send("POST", f"/v1/staff/claims/{claim['id']}/extend", body)
    assert answer.status_code == 200, answer.text
    (deadline,) = learner.claim(claim["id"])["deadlines"]
    assert deadline["time_zone"] == "America/Chicago"
    due_at = datetime.fromisoformat(deadline["at"])
    assert (due_at.date(), due_at.utcoffset()) == (date(2029, 1, 31), timedelta(hours=-6))
    earlier = coordinator.send("POST", f"/v1/staff/claims/{claim['id']}/extend", body | {"due_on": "2028-12-31"})
    assert problem(earlier) == (409, "deadline_not_later")
    await shows(temporal.get_workflow_handle(f"claim-{claim['id']}"), ClaimDueAt=due_at)
    last, refused = learner.get(f"{claim['href']}/history")["data"][-2:]
    assert last["text"] == "The deadline was extended to 31 Jan 2029, 23:59 (Chicago, UTC-6)."
    assert (last["actor"], last["reason"]) == ("other", "Parental leave.")
    assert refused["event"] == "extension.refused"


def test_a_withdrawn_claim_is_closed_and_says_so(learner: Person) -> None:
    claim = learner.take_part()
    withdrawn = learner.do(claim, "withdraw", {"reason": "Enrolled by mistake."})
    assert (withdrawn["stage"], withdrawn["next_actions"], withdrawn["award"]) == ("withdrawn", [], None)
    assert withdrawn["closed_at"] is not None
    again = learner.send("POST", f"{claim['href']}/attempts")
    assert problem(again) == (409, "wrong_state")
    assert [each["id"] for each in learner.get("/v1/claims?group=closed")["data"]] == [claim["id"]]


def test_a_foreign_claim_is_the_same_404_as_an_absent_one(town: Town, learner: Person) -> None:
    claim = town.learner().take_part()
    absent = "clm_" + "0" * 26
    requests: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("GET", "/events", None),
        ("GET", "/history", None),
        ("GET", "/certificate", None),
        ("GET", "/attempts/1", None),
        ("POST", "/participation", {"value": "recorded"}),
        ("POST", "/attempts", {}),
        ("POST", "/attempts/1/answers", {"answers": right_answers(POLICY)}),
        ("POST", "/evaluations", {"responses": full_responses(POLICY)}),
        ("PUT", "/credit", {"credit_type": "x", "units": "1", "attestation_version": "1", "attested": True}),
        ("POST", "/withdrawal", {"reason": "Not mine."}),
    ]
    for method, path, body in requests:
        foreign, missing = (learner.send(method, f"/v1/claims/{one}{path}", body) for one in (claim["id"], absent))
        assert problem(foreign) == (404, "not_found"), path
        assert _without_request(foreign) == _without_request(missing)


def _without_request(answer: httpx2.Response) -> Json:
    return {name: value for name, value in answer.json().items() if name not in ("instance", "request_id")}


def test_a_repeated_request_has_one_effect_and_the_same_answer(learner: Person, record: Engine) -> None:
    first = learner.send("POST", "/v1/claims", {"ce_activity": STORY}, idempotency_key="open")
    again = learner.send("POST", "/v1/claims", {"ce_activity": STORY}, idempotency_key="open")
    assert (first.status_code, again.status_code) == (201, 201)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    href = first.json()["href"]
    stated = learner.send("POST", f"{href}/participation", {"value": "recorded"}, idempotency_key="part")
    repeated = learner.send("POST", f"{href}/participation", {"value": "recorded"}, idempotency_key="part")
    assert (repeated.status_code, repeated.headers["Idempotent-Replayed"]) == (200, "true")
    assert repeated.json() == stated.json()
    other = learner.send("POST", f"{href}/participation", {"value": "in_person"}, idempotency_key="part")
    assert problem(other) == (422, "idempotency_key_reused")
    with record.connect() as connection:
        query = text("SELECT kind FROM submissions WHERE claim_id = :id ORDER BY received_at")
        kinds = connection.execute(query, {"id": first.json()["id"]}).scalars().all()
    assert kinds == ["opening", "participation"]


def test_the_history_tells_the_whole_story_in_sentences(learner: Person) -> None:
    claim = learner.take_part()
    refused = learner.send("POST", f"{claim['href']}/evaluations", {"responses": full_responses(POLICY)})
    assert problem(refused) == (409, "step_locked")
    claim = learner.take_test(claim, right_answers(POLICY))
    claim = learner.do(claim, "complete_evaluation", {"responses": full_responses(POLICY)})
    learner.claim_credit(claim)
    learner.until(claim["id"], lambda status: status["stage"] == "completed")
    history = learner.get(f"{claim['href']}/history?limit=100")["data"]
    assert [entry["text"] for entry in history] == [
        "The claim was opened.",
        "Participation was proved.",
        "Completing the evaluation was refused: this step is locked.",
        "Attempt 1 at the post-test was started.",
        "The answers of attempt 1 at the post-test were given.",
        "The post-test was graded. 5 of 5 answers are right: passed.",
        "The evaluation was completed.",
        "Credit was claimed: 1.00 AMA PRA Category 1 Credit(s)™.",
        "The credit was awarded: 1.00 AMA PRA Category 1 Credit(s)™.",
        "The certificate was issued.",
        "The certificate was announced by e-mail.",
    ]
    assert [entry["seq"] for entry in history] == list(range(1, 12))
    assert {entry["actor"] for entry in history} == {"you", "system"}


def test_responses_are_exported_apart_from_awards_and_name_nobody(town: Town, office: Office, record: Engine) -> None:
    slug = office.publish(own_example(MIXED))
    learners = (
        town.learner(family_name="Zyxwanda"),
        town.learner("nurse", family_name="Quillfeather"),
        town.learner("nurse", given_name="Bertolt"),
    )
    claims = []
    for person, team in zip(learners, (5, 3, 4), strict=True):
        claim = person.take_part(slug)
        responses = {"objectives": 4, "team": team, "balance": "yes", "change": f"Lactate at minute {team}."}
        claims.append(person.do(claim, "complete_evaluation", {"responses": responses}))
    claims[0] = Follower(learners[0], claims[0], Knowledge()).follow()
    outcomes = office.get(f"/v1/staff/ce-activities/{slug}/outcomes")
    assert (outcomes["claims"], outcomes["awards"], outcomes["evaluation"]["responses"]) == (3, 1, 3)
    by_code = {question["code"]: question for question in outcomes["evaluation"]["questions"]}
    assert (by_code["team"]["mean"], by_code["team"]["median"]) == ("4.00", "4")
    assert {each["code"]: each["count"] for each in by_code["balance"]["options"]} == {"yes": 3, "no": 0}
    exported = office.send("GET", outcomes["responses_href"]).text
    rows = list(csv.DictReader(exported.removeprefix("\ufeff").splitlines()))
    texts = {row["change: What will you or your team do differently?"] for row in rows}
    assert texts == {f"Lactate at minute {team}." for team in (3, 4, 5)}
    assert sorted(row["Profession"] for row in rows) == ["nurse", "nurse", "physician"]
    for private in ("Zyxwanda", "Quillfeather", "Bertolt", "Moreau", "@", "clm_", "lrn_", "acc_", "sub_", "T2"):
        assert private not in exported
        assert private not in str(outcomes)
    for path in (f"/v1/staff/ce-activities/{slug}/outcomes", outcomes["responses_href"]):
        assert problem(learners[0].send("GET", path)) == (403, "not_allowed")
    assert stored_with_award(record, claims[0]["id"]).count("Lactate") == 0


def stored_with_award(record: Engine, claim_id: str) -> str:
    """Everything that the record keeps of an award and its certificate, as text."""
    query = """
        SELECT row_to_json(w)::text || coalesce(string_agg(row_to_json(x)::text, ''), '')
          FROM awards w LEFT JOIN certificates x ON x.award_id = w.id WHERE w.claim_id = :id GROUP BY w.*
    """
    with record.connect() as connection:
        stored = str(connection.execute(text(query), {"id": claim_id}).scalar_one())
    assert "ama_pra_category_1" in stored
    return stored


async def test_operators_see_what_a_waiting_claim_waits_for(learner: Person, temporal: Client) -> None:
    claim = learner.take_part()
    handle = temporal.get_workflow_handle(f"claim-{claim['id']}")
    due_at = datetime.fromisoformat(claim["waiting_until"])
    description = await shows(
        handle, ClaimStage="awaiting_test", CEActivity=STORY, Provider=PROVIDER, ClaimDueAt=due_at
    )
    assert await description.static_summary() == f"Credit claim: {STORY}"
    metadata: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    assert metadata.current_details.startswith("**awaiting_test** since ")
    assert "Waits for the learner to take the post-test." in metadata.current_details
    assert "Deadline 2028-10-01 " in metadata.current_details


async def test_the_history_in_temporal_names_nobody(town: Town, temporal: Client) -> None:
    canary = "Zyxwanda"
    learner = town.learner(given_name=canary, family_name="Quillfeather", credentials="QXD")
    claim = learner.complete()
    assert f"{canary} Quillfeather" in learner.award_mails()[0]["text"]
    handle = temporal.get_workflow_handle(f"claim-{claim['id']}")
    await handle.result()
    history = await handle.fetch_history()
    raw = b"".join(event.SerializeToString() for event in history.events)
    assert claim["id"].encode() in raw
    for private in (canary, "Quillfeather", "QXD", learner.email, learner.email.partition("@")[0]):
        assert private.encode() not in raw
