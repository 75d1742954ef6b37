"""Flow A of a university hospital, line by line, over HTTP and e-mail, on the whole embedded stack."""

import io
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx2
import pypdf
import pytest
from sqlalchemy import Engine

from cli.demo import EXAMPLES
from cli.learner import Json
from storage import employees
from tests.e2e.follower import responses_to
from tests.e2e.office import Office, details, own_slug, problem
from tests.e2e.people import SIGN_IN_LINK, Person, Town, action, credit_body

EXAMPLE = "rush-style-continuing-pharmacy-education"
NABP = {"nabp_eprofile_id": "483920", "birth_month_day": "07-04"}
FOUND, NO_MATCH = "account_found", "no_match"


def definition(code: str, **fields: str) -> str:
    """The example under a slug and an activity code of its own, with some of its lines changed."""
    text = (EXAMPLES / f"{EXAMPLE}.yaml").read_text().replace("485327", code)
    for name, value in {"slug": own_slug("pharmacy"), **fields}.items():
        text, count = re.subn(rf"(?m)^( *){name}: .+$", rf"\g<1>{name}: {value}", text)
        assert count == 1, name
    return text


def new_code() -> str:
    return f"RX-{secrets.token_hex(4)}".upper()


@pytest.fixture(scope="module")
def code() -> str:
    """The activity code."""
    return new_code()


@pytest.fixture(scope="module")
def slug(office: Office, code: str) -> str:
    return office.publish(definition(code))


@pytest.fixture
def pharmacist(town: Town) -> Person:
    return town.learner("pharmacist", credentials="PharmD", identifiers=NABP)


def prove(person: Person, slug: str, code: str) -> Json:
    """Open the claim and give the activity code."""
    return person.do(person.open_claim(slug), "state_participation", {"method": "code", "value": code})


def evaluate(person: Person, claim: Json) -> Json:
    questions = action(claim, "complete_evaluation")["form"]["questions"]
    return person.do(claim, "complete_evaluation", {"responses": responses_to(questions)})


def reach_credit(person: Person, slug: str, code: str) -> Json:
    return evaluate(person, prove(person, slug, code))


def complete(person: Person, slug: str, code: str) -> Json:
    answer = person.claim_credit(reach_credit(person, slug, code))
    assert answer.status_code == 200, answer.text
    return person.until(answer.json()["id"], lambda status: status["stage"] == "completed")


def test_a1_the_link_with_the_activity_code_leads_to_the_ce_activity(learner: Person, slug: str, code: str) -> None:
    def found_by(activity_code: str) -> list[str]:
        page = learner.get(f"/v1/ce-activities?activity_code={activity_code}")
        return [each["slug"] for each in page["data"]]

    assert found_by(code) == found_by(code.lower()) == [slug]
    assert found_by(f"{code}0") == []
    assert learner.get(f"/v1/ce-activities/{slug}")["acronym"] == "CPE"


def test_a1_a_changed_code_is_refused_and_after_five_of_them_also_the_right_one_must_wait(
    learner: Person, slug: str, code: str
) -> None:
    claim = learner.open_claim(slug)
    step = action(claim, "state_participation")
    assert step["form"]["methods"] == ["code"]
    for wrong in range(5):
        answer = learner.send(step["method"], step["href"], {"method": "code", "value": f"{code}{wrong}"})
        assert problem(answer) == (409, "identifier_not_found")
        assert "state_participation" in {each["action"] for each in answer.json()["next_actions"]}
    right = learner.send(step["method"], step["href"], {"method": "code", "value": code})
    assert problem(right) == (409, "too_many_tries")
    wait = datetime.fromisoformat(details(right)["again_at"]) - datetime.now(UTC)
    assert timedelta(minutes=55) < wait <= timedelta(hours=1)
    texts = [entry["text"] for entry in learner.get(f"{claim['href']}/history")["data"]]
    assert len([text for text in texts if "was refused" in text]) == 6


def test_a1_the_right_code_proves_participation_however_it_is_typed(learner: Person, slug: str, code: str) -> None:
    claim = prove(learner, slug, f" {code.lower()[:4]} {code.lower()[4:]} ")
    assert (claim["participation"], claim["stage"]) == ("code", "awaiting_evaluation")


def test_a2_an_unknown_address_becomes_an_account_without_a_profile(town: Town) -> None:
    newcomer = town.stranger()
    me = newcomer.get("/v1/me")
    assert (me["email"], me["is_new"], me["missing"]) == (
        newcomer.email,
        True,
        ["given_name", "family_name", "profession"],
    )
    saved = newcomer.change_profile({"given_name": "Priya", "family_name": "Nair", "profession": "pharmacist"})
    assert (saved["is_new"], saved["missing"]) == (False, [])


def look_up(person: Person, family_name: str, employee_id: str) -> httpx2.Response:
    body = {"given_name": "Priya", "family_name": family_name, "employee_id": employee_id}
    return person.send("POST", "/v1/me/lookup", body)


def result_of(answer: httpx2.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["result"])


def unique_name() -> str:
    """A family name that nobody else in the stack has."""
    return f"Nair-{''.join(secrets.choice('abcdefghijklmnop') for _ in range(12))}"


@pytest.mark.parametrize("not_applicable", ["NA", "na", "N/A"])
def test_a3_who_is_no_employee_is_found_by_name_and_gets_a_link_to_the_address_on_record(
    town: Town, not_applicable: str
) -> None:
    known = town.learner("pharmacist", given_name="Priya", family_name=unique_name())
    newcomer = town.stranger()
    asked_at = datetime.now(UTC)
    answer = look_up(newcomer, known.get("/v1/me")["family_name"].upper(), not_applicable)
    assert result_of(answer) == FOUND
    assert known.email not in answer.text
    mail = known.wait_for_mail(lambda message: datetime.fromisoformat(message["received_at"]) > asked_at)
    token = SIGN_IN_LINK.search(mail["text"])
    assert token is not None
    session = newcomer.send("POST", "/v1/session", {"token": token[1]}).json()
    me = newcomer.send("GET", "/v1/me", authorization=f"Bearer {session['access_token']}").json()
    assert (me["email"], me["is_new"]) == (known.email, False)
    # The account of the new address held nothing, and is not there any more.
    assert problem(newcomer.send("GET", "/v1/me")) == (401, "not_signed_in")


def test_a3_an_employee_is_found_by_id_whatever_their_name_is_now(town: Town) -> None:
    employee_id = f"E-{secrets.token_hex(5)}".upper()
    town.learner("pharmacist", family_name=unique_name(), identifiers={"employee_id": employee_id})
    assert result_of(look_up(town.stranger(), unique_name(), f" {employee_id.lower()} ")) == FOUND


def test_a3_a_name_of_two_learners_finds_neither_and_an_unknown_one_nobody(town: Town) -> None:
    shared = unique_name()
    for _ in range(2):
        town.learner("pharmacist", given_name="Priya", family_name=shared)
    newcomer = town.stranger()
    assert result_of(look_up(newcomer, shared, "NA")) == NO_MATCH
    assert result_of(look_up(newcomer, unique_name(), "NA")) == NO_MATCH
    assert newcomer.change_profile({"given_name": "Priya", "family_name": shared})["is_new"] is False


@pytest.fixture
def listed(office: Office, record: Engine) -> Iterator[tuple[str, str]]:
    """Family name and employee id of the one person who is on the organisation's list while a test runs."""
    family_name, employee_id = unique_name(), f"E-{secrets.token_hex(5)}".upper()
    rows = f"Employee ID,First name,Last name\n{employee_id},Priya,{family_name}\n"
    answer = office.send("PUT", "/v1/staff/employees", rows.encode(), content_type="text/csv")
    assert (answer.status_code, answer.json()) == (200, {"employees": 1})
    yield family_name, employee_id
    with record.begin() as connection:
        employees.replace_list(connection, ())


def test_a3_employee_ids_are_verified_where_a_list_is_loaded(town: Town, listed: tuple[str, str]) -> None:
    family_name, employee_id = listed
    newcomer = town.stranger()
    assert problem(look_up(newcomer, family_name, "E-0")) == (422, "employee_id_unknown")
    assert problem(look_up(newcomer, unique_name(), employee_id)) == (422, "employee_id_unknown")
    assert result_of(look_up(newcomer, family_name, employee_id)) == NO_MATCH
    profile = {"given_name": "Priya", "family_name": family_name, "identifiers": {"employee_id": "E-0"}}
    assert problem(newcomer.send("PATCH", "/v1/me", profile)) == (422, "employee_id_unknown")
    newcomer.change_profile(profile | {"identifiers": {"employee_id": employee_id}})
    assert newcomer.get("/v1/me")["identifiers"]["employee_id"] == employee_id


def test_a4_pharmacy_credit_asks_for_what_its_registry_needs_and_goes_on_once_it_is_there(
    town: Town, slug: str, code: str
) -> None:
    pharmacist = town.learner("pharmacist", credentials="PharmD")
    course = pharmacist.get(f"/v1/ce-activities/{slug}")
    assert set(course["profile_fields"]) >= {"given_name", "family_name", "credentials", "profession"}
    assert course["credit"][0]["required_identifiers"] == ["nabp_eprofile_id", "birth_month_day"]
    claim = reach_credit(pharmacist, slug, code)
    assert missing_for_credit(claim) == ["nabp_eprofile_id", "birth_month_day"]
    refused = pharmacist.claim_credit(claim)
    assert problem(refused) == (409, "profile_incomplete")
    assert details(refused)["fields"] == "nabp_eprofile_id,birth_month_day"
    pharmacist.change_profile({"identifiers": {"nabp_eprofile_id": "483920"}})
    assert details(pharmacist.claim_credit(claim))["fields"] == "birth_month_day"
    pharmacist.change_profile({"identifiers": {"birth_month_day": "07/04"}})
    assert missing_for_credit(pharmacist.claim(claim["id"])) == []
    assert pharmacist.claim_credit(claim).status_code == 200


def missing_for_credit(claim: Json) -> list[str]:
    return list(action(claim, "claim_credit")["form"]["offers"][0]["missing_in_profile"])


def test_a5_the_evaluation_follows_the_code_and_is_taken_in_full_only(learner: Person, slug: str, code: str) -> None:
    claim = learner.open_claim(slug)
    path = f"{claim['href']}/evaluations"
    requirements = learner.get(f"/v1/ce-activities/{slug}")["requirements"]
    questions = next(each["questions"] for each in requirements if each["kind"] == "evaluation")
    full = responses_to(questions)
    early = learner.send("POST", path, {"responses": full})
    assert problem(early) == (409, "step_locked")
    claim = prove(learner, slug, code)
    incomplete = learner.send("POST", path, {"responses": {"choose": 5}})
    assert problem(incomplete) == (422, "validation_failed")
    unanswered = {error["pointer"].rpartition("/")[2] for error in incomplete.json()["errors"]}
    assert unanswered == {each["code"] for each in questions if each["is_required"]} - {"choose"}
    required = {each["code"]: full[each["code"]] for each in questions if each["is_required"]}
    done = learner.do(claim, "complete_evaluation", {"responses": required})
    assert done["stage"] == "ready_to_claim"
    again = learner.send("POST", path, {"responses": full})
    assert problem(again) == (409, "already_done")


@pytest.mark.parametrize(
    ("profession", "offered"),
    [
        ("pharmacist", ["acpe_contact_hours", "participation"]),
        ("pharmacy_technician", ["acpe_contact_hours", "participation"]),
        ("physician", ["ama_pra_category_1", "participation"]),
        ("nurse", ["ancc_contact_hours", "participation"]),
        ("other", ["participation"]),
    ],
)
def test_a6_only_the_types_of_credit_for_the_profession_are_offered(
    town: Town, slug: str, code: str, profession: str, offered: list[str]
) -> None:
    person = town.learner(profession)
    claim = reach_credit(person, slug, code)
    form = action(claim, "claim_credit")["form"]
    assert [offer["credit_type"] for offer in form["offers"]] == offered
    foreign = {"acpe_contact_hours", "ama_pra_category_1", "ancc_contact_hours"} - set(offered)
    for credit_type in foreign:
        assert problem(person.claim_credit(claim, credit_type=credit_type)) == (409, "not_eligible")


def test_a7_the_amount_is_a_step_of_its_type_up_to_its_maximum_and_attested_to(
    pharmacist: Person, slug: str, code: str
) -> None:
    claim = reach_credit(pharmacist, slug, code)
    offer = action(claim, "claim_credit")["form"]["offers"][0]
    assert (offer["increment"], offer["designated_units"], offer["unit"]) == ("0.25", "1.00", "contact hour")
    assert "number of contact hours that I claim" in offer["attestation_text"]
    for units, refusal, limit in (
        ("0.60", "credit_increment", "0.25"),
        ("1.25", "credit_maximum", "1.00"),
    ):
        answer = pharmacist.claim_credit(claim, units=units)
        assert (problem(answer), details(answer)["limit"]) == ((409, refusal), limit)
    assert problem(pharmacist.claim_credit(claim, units="0.00")) == (422, "validation_failed")
    assert problem(pharmacist.claim_credit(claim, attested=False)) == (409, "attestation_required")
    assert problem(pharmacist.claim_credit(claim, attestation_version="0")) == (409, "attestation_outdated")
    accepted = pharmacist.claim_credit(claim, units="0.75")
    assert accepted.status_code == 200
    assert accepted.json()["award"]["units"] == "0.75"


def printed(person: Person, claim: Json) -> str:
    """The words on a certificate."""
    pages = pypdf.PdfReader(io.BytesIO(person.certificate(claim["id"]))).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


@pytest.mark.parametrize(("profession", "audience"), [("pharmacist", "P"), ("pharmacy_technician", "T")])
def test_a8_the_certificate_is_there_at_once_with_the_number_of_its_audience(
    town: Town, slug: str, code: str, profession: str, audience: str
) -> None:
    person = town.learner(profession, given_name="Priya", family_name="Nair", credentials="PharmD", identifiers=NABP)
    claim = complete(person, slug, code)
    assert (claim["certificate"]["state"], claim["certificate_elsewhere"]) == ("issued", None)
    words = printed(person, claim)
    assert "Priya Nair" in words
    assert re.findall(r"0999-0000-26-121-L01-(\w)", words) == [audience]
    assert claim["certificate"]["verification_code"] in words
    asked = person.send("POST", f"{claim['href']}/certificate/link")
    assert asked.status_code == 202
    mail = person.wait_for_mail(lambda message: message["subject"].startswith("Your certificate:"))
    assert re.search(rf"/claims/{claim['id']}/certificate\s", mail["text"])
    assert "CPE credit" in mail["text"]


def days_from_now(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


@pytest.fixture(scope="module")
def past(office: Office) -> str:
    """A CE activity whose claims closed a few days ago."""
    return office.publish(
        definition("LATE", starts_on=days_from_now(-9), ends_on=days_from_now(-9), closes_on=days_from_now(-3))
    )


def come_late(person: Person, slug: str) -> Json:
    """Try to claim what is over; answers with the claim, which is closed."""
    late = person.send("POST", "/v1/claims", {"ce_activity": slug})
    assert problem(late) == (409, "deadline_passed")
    last_day = datetime.fromisoformat(details(late)["due_at"]).astimezone(ZoneInfo("America/Chicago"))
    assert f"{last_day:%Y-%m-%d %H:%M}" == f"{days_from_now(-3)} 23:59"
    (claim,) = person.get("/v1/claims")["data"]
    return person.until(claim["id"], lambda status: status["stage"] == "expired")


def test_a9_after_the_deadline_every_step_says_so_and_what_is_left_is_to_ask_for_more_time(
    pharmacist: Person, past: str
) -> None:
    claim = come_late(pharmacist, past)
    steps = {
        "/participation": ("POST", {"method": "code", "value": "LATE"}),
        "/evaluations": ("POST", {"responses": responses_to(questions_of(pharmacist, past))}),
        "/credit": ("PUT", credit_body(pharmacist.get(f"/v1/ce-activities/{past}")["credit"][0])),
        "/withdrawal": ("POST", {"reason": "Too late."}),
    }
    for path, (method, body) in steps.items():
        answer = pharmacist.send(method, f"{claim['href']}{path}", body)
        assert problem(answer) == (409, "deadline_passed"), path
        assert datetime.fromisoformat(details(answer)["due_at"]) < datetime.now(UTC)
        assert [each["action"] for each in answer.json()["next_actions"]] == ["request_extension"]
    assert {step["reason"] for step in claim["progress"]["steps"]} == {"deadline_passed"}
    mail = pharmacist.wait_for_mail(lambda message: message["subject"].startswith("Your claim of CPE credit is closed"))
    assert f"/claims/{claim['id']}" in mail["text"]


def questions_of(person: Person, slug: str) -> list[Json]:
    requirements = person.get(f"/v1/ce-activities/{slug}")["requirements"]
    return next(list(each["questions"]) for each in requirements if each["kind"] == "evaluation")


def asking(office: Office, slug: str) -> list[str]:
    """The claims whose learners asked for more time, as staff see them."""
    page = office.get(f"/v1/staff/claims?is_extension_requested=true&ce_activity={slug}")
    return [each["id"] for each in page["data"]]


def test_a9_who_asks_for_more_time_is_listed_for_staff_and_goes_on_when_they_give_it(
    pharmacist: Person, office: Office, past: str
) -> None:
    claim = come_late(pharmacist, past)
    asked = pharmacist.do(claim, "request_extension", {"reason": "I was on parental leave."})
    assert (asked["is_extension_requested"], asked["next_actions"]) == (True, [])
    assert claim["id"] in asking(office, past)
    path, until = f"/v1/staff/claims/{claim['id']}/extend", days_from_now(10)
    assert problem(office.send("POST", path, {"due_on": until})) == (422, "validation_failed")
    extended = office.send("POST", path, {"due_on": until, "reason": "Parental leave."})
    assert (extended.status_code, extended.json()["stage"]) == (200, "verifying_participation")
    assert claim["id"] not in asking(office, past)
    mail = pharmacist.wait_for_mail(lambda message: message["subject"].startswith("You have until"))
    assert "Chicago" in mail["text"]
    assert "Parental leave" not in mail["text"]
    again = complete(pharmacist, past, "LATE")
    assert (again["id"], again["stage"]) == (claim["id"], "completed")
    entries = pharmacist.get(f"{claim['href']}/history")["data"]
    (extension,) = (entry for entry in entries if entry["text"].startswith("The deadline was extended to "))
    assert (extension["actor"], extension["reason"]) == ("other", "Parental leave.")


def test_a9_who_is_given_no_more_time_is_told(pharmacist: Person, office: Office, past: str) -> None:
    claim = come_late(pharmacist, past)
    path = f"/v1/staff/claims/{claim['id']}/refuse-extension"
    unasked = office.send("POST", path, {"reason": "Nobody asked."})
    assert problem(unasked) == (409, "wrong_state")
    pharmacist.do(claim, "request_extension", {"reason": "I forgot."})
    refused = office.send("POST", path, {"reason": "The year is reported."})
    assert (refused.status_code, refused.json()["stage"]) == (200, "expired")
    assert claim["id"] not in asking(office, past)
    mail = pharmacist.wait_for_mail(lambda message: message["subject"].startswith("Your request for more time"))
    assert "your claim stays closed" in mail["text"]
    assert pharmacist.claim(claim["id"])["stage"] == "expired"
