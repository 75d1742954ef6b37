"""Flow D of the society portal up to the summary, line by line, over HTTP and e-mail, on the whole embedded stack.

Its meetings are the example's, each under a slug of its own; the rosters are uploaded by the office as they are.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import httpx2
import pytest
from sqlalchemy import Engine, text

from cli.learner import Json
from cli.local import LocalStack
from tests.e2e.meeting import (
    BADGE_IDS,
    BADGES,
    MEETING,
    NAMED_BADGES,
    RESPONSES,
    ROSTERS,
    Attendee,
    attendee,
    meeting_with_badges,
)
from tests.e2e.office import Office, details, own_example, own_slug, problem
from tests.e2e.people import Person, Town, action, credit_body

TELECONFERENCE = "infection-prevention-teleconference"
WEBINAR = "rapid-diagnostics-webinar"


def listed(person: Person, query: str) -> set[str]:
    """The slugs of all CE activities that a search finds, page by page."""
    found: set[str] = set()
    page: Json = {"has_more": True, "next": None}
    while page["has_more"]:
        after = f"&after={page['next']}" if page["next"] else ""
        page = person.get(f"/v1/ce-activities?{query}&limit=100{after}")
        found |= {each["slug"] for each in page["data"]}
    return found


def test_line_1_activities_are_looked_for_by_event_type_also_before_signing_in(town: Town) -> None:
    person = town.stranger()
    by_type = {"live_meeting": MEETING, "teleconference": TELECONFERENCE, "webinar": WEBINAR}
    for event_type, slug in by_type.items():
        assert listed(person, f"event_type={event_type}") & set(by_type.values()) == {slug}
    assert set(by_type.values()) <= listed(person, "format=live_activity")
    assert problem(person.send("GET", "/v1/ce-activities?event_type=picnic")) == (422, "validation_failed")
    with httpx2.Client(base_url=person.stack.urls["api"]) as nobody:
        shown = nobody.get("/v1/ce-activities?event_type=webinar&limit=100").json()["data"]
        assert WEBINAR in {each["slug"] for each in shown}
        assert {each["claim"] for each in shown} == {None}


def test_line_2_the_statement_of_credit_comes_first_and_decides_type_and_ids(town: Town, meeting: str) -> None:
    pharmacist = town.learner("pharmacist")
    claim = pharmacist.open_claim(meeting)
    assert (claim["stage"], claim["statement"]) == ("awaiting_statement", None)
    early = pharmacist.send("POST", f"{claim['href']}/participation", {"method": "badge_id", "value": BADGE_IDS[-1]})
    assert problem(early) == (409, "step_locked")
    offers = {each["credit_type"]: each for each in action(claim, "choose_statement")["form"]["offers"]}
    assert offers.keys() == {"acpe_contact_hours", "participation"}
    assert offers["acpe_contact_hours"]["missing_in_profile"] == ["nabp_eprofile_id", "birth_month_day"]
    path = f"{claim['href']}/statement"
    assert problem(pharmacist.send("PUT", path, {"credit_type": "ama_pra_category_1"})) == (409, "not_eligible")
    without = pharmacist.send("PUT", path, {"credit_type": "acpe_contact_hours"})
    assert problem(without) == (409, "profile_incomplete")
    assert details(without)["fields"] == "nabp_eprofile_id,birth_month_day"
    pharmacist.change_profile({"identifiers": {"nabp_eprofile_id": "204417", "birth_month_day": "07-04"}})
    chosen = pharmacist.do(claim, "choose_statement", {"credit_type": "acpe_contact_hours"})
    assert (chosen["stage"], chosen["statement"]) == ("verifying_participation", "acpe_contact_hours")


def test_line_2_another_statement_may_be_chosen_until_it_is_final(present: Attendee) -> None:
    person = present.person
    assert present.attend("thu-opening")["statement"] == "ama_pra_category_1"
    assert present.claim_credit()["stage"] == "awaiting_finalization"
    offers = action(present.status(), "choose_statement")["form"]["offers"]
    types = [each["credit_type"] for each in offers]
    assert types == ["ama_pra_category_1", "abpath_moc_points", "participation"]
    changed = person.do(present.status(), "choose_statement", {"credit_type": "participation"})
    # The amount was attested to for the statement before.
    assert (changed["statement"], changed["credit"], changed["stage"]) == ("participation", None, "ready_to_claim")
    assert [each["credit_type"] for each in action(changed, "claim_credit")["form"]["offers"]] == ["participation"]
    stale = {"credit_type": "ama_pra_category_1", "attestation_version": "ama-2026-1", "attested": True}
    refused = person.send("PUT", f"{present.claim['href']}/credit", stale)
    assert (problem(refused), details(refused)) == ((409, "not_eligible"), {"credit_type": "statement_differs"})


def test_line_3_badges_are_uploaded_previewed_and_applied_exactly_so(town: Town, office: Office) -> None:
    slug = office.publish(own_example(MEETING))
    person = town.learner()
    claim = person.do(person.open_claim(slug), "choose_statement", {"credit_type": "ama_pra_category_1"})
    badge = {"method": "badge_id", "value": BADGE_IDS[0]}
    preview = office.preview(slug, BADGES)
    assert (preview["state"], preview["columns"][0], preview["row_count"]) == ("previewed", "badge_id", len(BADGE_IDS))
    counts = {"new": len(BADGE_IDS), "changed": 0, "unchanged": 0, "removed": 0, "problems": 0, "warnings": 0}
    assert preview["counts"] == counts
    # Nothing is applied yet.
    early = person.send("POST", f"{claim['href']}/participation", badge)
    assert problem(early) == (409, "identifier_not_found")
    applied = office.send("POST", preview["apply_href"]).json()
    assert (applied["state"], applied["applied_count"]) == ("applied", len(BADGE_IDS))
    again = office.preview(slug, BADGES)
    assert again["counts"] == counts | {"new": 0, "unchanged": len(BADGE_IDS)}
    claim = person.do(claim, "state_participation", badge)
    assert (claim["stage"], claim["participation"]) == ("awaiting_disclosures", "badge_id")
    uploaded = person.send("POST", f"/v1/staff/ce-activities/{slug}/roster", BADGES, content_type="text/csv")
    assert problem(uploaded) == (403, "not_allowed")


def test_line_3_a_badge_belongs_to_one_person_however_it_is_typed(town: Town, meeting: str, present: Attendee) -> None:
    other = town.learner()
    claim = other.do(other.open_claim(meeting), "choose_statement", {"credit_type": "ama_pra_category_1"})
    for typed in (present.badge, present.badge.lower().replace("-", " ")):
        taken = other.send("POST", f"{claim['href']}/participation", {"method": "badge_id", "value": typed})
        assert problem(taken) == (409, "identifier_taken")
    assert present.badge not in taken.text
    assert other.claim(claim["id"])["stage"] == "verifying_participation"
    assert present.status()["participation"] == "badge_id"


def test_line_3_a_badge_counts_only_for_the_person_whom_it_names(town: Town, office: Office) -> None:
    slug = office.publish(own_example(MEETING))
    office.enrol(slug, NAMED_BADGES)
    other, owner = town.learner(), town.learner(given_name="Eunji", family_name="PARK")
    claims = [
        person.do(person.open_claim(slug), "choose_statement", {"credit_type": "ama_pra_category_1"})
        for person in (other, owner)
    ]
    badge = {"method": "badge_id", "value": BADGE_IDS[4]}
    refused = other.send("POST", f"{claims[0]['href']}/participation", badge)
    assert problem(refused) == (409, "identifier_not_found")
    assert "Park" not in refused.text
    [entry] = office.get(f"/v1/staff/claims/{claims[0]['id']}")["entries_of_others"]
    assert (entry["given_name"], entry["family_name"]) == ("Eun-ji", "Park")
    assert owner.do(claims[1], "state_participation", badge)["stage"] == "awaiting_disclosures"


def test_line_3_after_five_wrong_ids_in_an_hour_the_learner_must_wait(
    town: Town, meeting: str, badges: Iterator[str]
) -> None:
    person = town.learner()
    claim = person.do(person.open_claim(meeting), "choose_statement", {"credit_type": "participation"})
    path, started = f"{claim['href']}/participation", datetime.fromisoformat(claim["stage_since"])
    for number in range(5):
        wrong = person.send("POST", path, {"method": "badge_id", "value": f"GL26-00000{number}"})
        assert problem(wrong) == (409, "identifier_not_found")
    right = person.send("POST", path, {"method": "badge_id", "value": next(badges)})
    assert problem(right) == (409, "too_many_tries")
    again_at = datetime.fromisoformat(details(right)["again_at"])
    assert timedelta(hours=1) < again_at - started < timedelta(hours=1, minutes=2)
    history = person.get(f"{claim['href']}/history")["data"]
    assert [entry["details"]["refusal"] for entry in history if entry["event"] == "participation.refused"] == [
        *["identifier_not_found"] * 5,
        "too_many_tries",
    ]
    assert "GL26" not in str(history)


def test_line_3_a_group_id_is_shared_by_all_who_listened_at_a_site(town: Town, office: Office) -> None:
    slug = office.publish(own_example(TELECONFERENCE))
    office.enrol(slug, (ROSTERS / "teleconference-groups.csv").read_bytes())
    for profession, statement in (("nurse", "ancc_contact_hours"), ("physician", "ama_pra_category_1")):
        person = town.learner(profession)
        claim = person.do(person.open_claim(slug), "choose_statement", {"credit_type": statement})
        path = f"{claim['href']}/participation"
        badge = person.send("POST", path, {"method": "badge_id", "value": "TC-4107"})
        assert problem(badge) == (409, "method_not_offered")
        unknown = person.send("POST", path, {"method": "group_id", "value": "TC-0000"})
        assert problem(unknown) == (409, "identifier_not_found")
        claim = person.do(claim, "state_participation", {"method": "group_id", "value": "tc 4107"})
        assert (claim["stage"], claim["participation"]) == ("awaiting_disclosures", "group_id")


@pytest.fixture(scope="module")
def webinar(office: Office) -> str:
    return office.publish(own_example(WEBINAR))


def participants() -> tuple[bytes, list[str]]:
    """The webinar's list as its platform exports it, with addresses that no other test uses."""
    text = (ROSTERS / "webinar-participants.csv").read_text()
    text = text.replace("@attendees.example", f"@{own_slug('attendees')}.example")
    return text.encode(), re.findall(r"[\w.-]+@[\w.-]+", text)


def of_webinar(stack: LocalStack, address: str) -> Person:
    person = Person(stack, address)
    person.sign_in()
    person.change_profile({"given_name": "Farah", "family_name": "Haddad", "profession": "physician"})
    return person


def test_line_3_who_is_on_the_webinars_roster_is_verified_without_doing_anything(
    stack: LocalStack, office: Office, webinar: str
) -> None:
    roster, addresses = participants()
    applied = office.enrol(webinar, roster)
    assert (applied["columns"][2], applied["applied_count"]) == ("email", len(addresses))
    with of_webinar(stack, addresses[0].upper()) as person:
        claim = person.open_claim(webinar)
        claim = person.do(claim, "choose_statement", {"credit_type": "ama_pra_category_1"})
        claim = person.until(claim["id"], lambda status: status["stage"] == "awaiting_evaluation")
        assert claim["participation"] == "roster"
        told = [entry["text"] for entry in person.get(f"{claim['href']}/history")["data"]]
        assert "A roster proved participation." in told


def test_line_3_a_waiting_learner_goes_on_when_the_roster_comes(
    stack: LocalStack, office: Office, webinar: str
) -> None:
    roster, addresses = participants()
    with of_webinar(stack, addresses[1]) as person:
        claim = person.open_claim(webinar)
        claim = person.do(claim, "choose_statement", {"credit_type": "ama_pra_category_1"})
        assert claim["stage"] == "verifying_participation"
        absent = person.send("POST", f"{claim['href']}/participation", {"method": "roster"})
        assert problem(absent) == (409, "identifier_not_found")
        statuses = person.statuses(claim["id"])
        assert next(statuses)["stage"] == "verifying_participation"
        office.enrol(webinar, roster)
        seen = next(status for status in statuses if status["stage"] != "verifying_participation")
        assert (seen["stage"], seen["participation"]) == ("awaiting_evaluation", "roster")


def test_line_3_who_joined_the_webinar_under_another_name_enters_its_code(town: Town, webinar: str) -> None:
    person = town.learner()
    claim = person.do(person.open_claim(webinar), "choose_statement", {"credit_type": "ama_pra_category_1"})
    form = action(claim, "state_participation")["form"]
    assert form["methods"] == ["roster", "code"]
    wrong = person.send("POST", f"{claim['href']}/participation", {"method": "code", "value": "RAPID-1021"})
    assert problem(wrong) == (409, "identifier_not_found")
    assert "RAPID-1020" not in wrong.text
    claim = person.do(claim, "state_participation", {"method": "code", "value": " rapid-1020 "})
    assert (claim["stage"], claim["participation"]) == ("awaiting_evaluation", "code")


def test_line_4_the_disclosures_are_acknowledged_in_their_version(
    town: Town, meeting: str, badges: Iterator[str], record: Engine
) -> None:
    person = town.learner()
    claim = person.do(person.open_claim(meeting), "choose_statement", {"credit_type": "ama_pra_category_1"})
    claim = person.do(claim, "state_participation", {"method": "badge_id", "value": next(badges)})
    form = action(claim, "acknowledge_disclosures")["form"]
    assert form["version"] == "2026-06-02"
    assert [page["title"] for page in form["pages"]][1] == "Financial relationships of planners and speakers"
    assert "Lucía Benavides, PharmD" in form["pages"][1]["text"]
    path = f"{claim['href']}/disclosures"
    outdated = person.send("POST", path, {"version": "2025-06-04"})
    assert (problem(outdated), details(outdated)) == ((409, "disclosures_outdated"), {"version": "2026-06-02"})
    session = person.send("PUT", f"{claim['href']}/sessions/thu-a1", {"units": "1.00", "responses": RESPONSES})
    assert problem(session) == (409, "step_locked")
    claim = person.do(claim, "acknowledge_disclosures", {"version": "2026-06-02"})
    assert claim["stage"] == "ready_to_claim"
    last = person.get(f"{claim['href']}/history")["data"][-1]
    assert (last["event"], last["details"]["version"]) == ("disclosures.accepted", "2026-06-02")
    with record.connect() as connection:
        query = text("SELECT disclosures_version, disclosures_at IS NOT NULL FROM claims WHERE id = :id")
        assert connection.execute(query, {"id": claim["id"]}).one() == ("2026-06-02", True)


def test_line_5_the_sessions_are_listed_in_pages_with_what_may_be_claimed(present: Attendee) -> None:
    href, codes = present.status()["sessions"]["href"], []
    page: Json = {"has_more": True, "next": None}
    lengths = []
    while page["has_more"]:
        after = f"&after={page['next']}" if page["next"] else ""
        page = present.person.get(f"{href}?limit=12{after}")
        lengths.append(len(page["data"]))
        codes += [each["code"] for each in page["data"]]
    assert (lengths, len(set(codes))) == ([12, 12, 6], 30)
    workshop = present.session("fri-c1")
    assert (workshop["maximum_units"], workshop["units"], workshop["is_evaluated"]) == ("2.25", None, False)
    assert (workshop["starts_at"], workshop["time_zone"]) == ("2026-06-12T14:30:00Z", "America/Chicago")
    questions = action(present.status(), "claim_session")["form"]["evaluation"]["questions"]
    assert [question["code"] for question in questions] == ["objectives", "speakers", "balance", "comment"]


def test_line_5_units_are_in_steps_and_at_most_the_sessions_own(present: Attendee) -> None:
    between = present.put("thu-a1", "0.80", **RESPONSES)
    assert (problem(between), details(between)) == ((409, "credit_increment"), {"limit": "0.25", "session": "thu-a1"})
    more = present.put("thu-a1", "1.25", **RESPONSES)
    assert (problem(more), details(more)) == ((409, "credit_maximum"), {"limit": "1.00", "session": "thu-a1"})
    assert problem(present.put("thu-a1", "0")) == (422, "validation_failed")
    assert problem(present.person.send("PUT", f"{present.claim['href']}/sessions/thu-z9", {"units": "1.00"})) == (
        404,
        "not_found",
    )
    assert present.status()["sessions"]["claimed"] == 0
    assert present.attend("thu-a1", "0.75")["sessions"]["total_units"] == "0.75"
    assert present.attend("thu-a1", "1.00")["sessions"]["total_units"] == "1.00"


def test_line_5_each_session_is_evaluated_in_full(present: Attendee) -> None:
    half = present.put("thu-a1", objectives=5)
    assert problem(half) == (422, "validation_failed")
    assert {each["pointer"] for each in half.json()["errors"]} == {"/responses/speakers", "/responses/balance"}
    unevaluated = present.put("thu-a1")
    assert unevaluated.status_code == 200
    assert unevaluated.json()["sessions"]["evaluations_missing"] == ["thu-a1"]
    assert "claim_credit" not in {each["action"] for each in unevaluated.json()["next_actions"]}
    body = {"credit_type": "ama_pra_category_1", "attestation_version": "ama-2026-1", "attested": True}
    refused = present.person.send("PUT", f"{present.claim['href']}/credit", body)
    assert (problem(refused), details(refused)) == ((409, "evaluations_missing"), {"sessions": "thu-a1"})
    claim = present.attend("thu-a1")
    assert claim["sessions"]["evaluations_missing"] == []
    assert "claim_credit" in {each["action"] for each in claim["next_actions"]}


def test_line_5_overlapping_sessions_cannot_both_be_claimed(present: Attendee) -> None:
    present.attend("thu-c1")
    for parallel in ("thu-a1", "thu-b1", "thu-a2", "thu-b2"):
        assert present.session(parallel)["overlaps"] == ["thu-c1"]
        refused = present.put(parallel, **RESPONSES)
        assert (problem(refused), details(refused)) == ((409, "sessions_overlap"), {"sessions": "thu-c1"})
    # Whoever changes their mind drops one first; sessions that only touch do not overlap.
    dropped = present.person.send("DELETE", f"{present.claim['href']}/sessions/thu-c1")
    assert dropped.json()["sessions"]["claimed"] == 0
    present.attend("thu-a1")
    assert present.attend("thu-a2")["sessions"]["total_units"] == "2.00"


def test_line_5_what_is_saved_is_there_on_another_device(stack: LocalStack, present: Attendee) -> None:
    present.attend("thu-opening", "0.50")
    assert present.put("fri-plenary").status_code == 200
    with Person(stack, present.person.email) as elsewhere:
        elsewhere.sign_in()
        assert elsewhere.open_claim(present.claim["ce_activity"]["slug"])["id"] == present.claim["id"]
        there = Attendee(elsewhere, present.badge, present.claim)
        saved = elsewhere.get(f"{present.claim['href']}/sessions?claimed=true")["data"]
        assert [(each["code"], each["units"], each["is_evaluated"]) for each in saved] == [
            ("thu-opening", "0.50", True),
            ("fri-plenary", "1.00", False),
        ]
        there.attend("fri-plenary")
        assert there.status()["stage"] == "ready_to_claim"
    assert present.status()["sessions"]["evaluations_missing"] == []


def test_line_5_two_tabs_that_claim_different_sessions_at_once_both_count(stack: LocalStack, present: Attendee) -> None:
    with Person(stack, present.person.email) as elsewhere:
        elsewhere.sign_in()
        tabs = (present, Attendee(elsewhere, present.badge, present.claim))
        days = (("thu-opening", "thu-a1", "thu-a2", "thu-forum"), ("fri-plenary", "fri-a1", "fri-a2", "fri-forum"))
        with ThreadPoolExecutor(8) as pool:
            taken = [pool.submit(tab.attend, code) for tab, day in zip(tabs, days, strict=True) for code in day]
            assert all(each.result()["stage"] == "ready_to_claim" for each in taken)
        # Of two tabs that claim overlapping sessions at once, one is refused.
        with ThreadPoolExecutor(2) as pool:
            rivals = pool.map(
                lambda each: each[0].put(each[1], **RESPONSES), zip(tabs, ("sat-b1", "sat-c1"), strict=True)
            )
            assert sorted(answer.status_code for answer in rivals) == [200, 409]
    summary = present.status()["sessions"]
    assert (summary["claimed"], summary["evaluations_missing"]) == (9, [])


def test_line_6_the_summary_adds_up_and_names_what_is_missing(present: Attendee) -> None:
    present.attend("sat-plenary")
    present.put("sat-a1")
    present.put("sat-b3", "0.25")
    summary = present.status()["sessions"]
    assert summary == {
        "href": f"{present.claim['href']}/sessions",
        "count": 30,
        "claimed": 3,
        "total_units": "2.25",
        "designated_units": "18.75",
        "evaluations_missing": ["sat-a1", "sat-b3"],
    }
    assert present.status()["blocked_by"] == ["sessions"]


def test_line_6_more_than_is_designated_is_refused(town: Town, office: Office, badges: Iterator[str]) -> None:
    slug = meeting_with_badges(office, own_example(MEETING).replace("18.75", "2.00"))
    present = attendee(town.learner(), slug, next(badges))
    for code in ("thu-opening", "thu-forum", "fri-plenary"):
        claim = present.attend(code)
    assert (claim["sessions"]["total_units"], claim["sessions"]["designated_units"]) == ("3.00", "2.00")
    step = action(claim, "claim_credit")
    body = credit_body(step["form"]["offers"][0])
    whole = present.person.send(step["method"], step["href"], body | {"units": "3.00"})
    assert (problem(whole), details(whole)) == ((409, "credit_maximum"), {"limit": "2.00"})
    # Less than the sessions add up to is not what was attended.
    part = present.person.send(step["method"], step["href"], body | {"units": "2.00"})
    assert (problem(part), details(part)) == ((409, "credit_total_differs"), {"total": "3.00"})
    present.person.send("DELETE", f"{claim['href']}/sessions/thu-forum")
    assert present.claim_credit()["credit"] == {"credit_type": "ama_pra_category_1", "units": "2.00"}


def test_the_dashboard_shows_where_a_claim_of_a_meeting_is(town: Town, meeting: str, badges: Iterator[str]) -> None:
    person = town.learner()

    def shown() -> str:
        words = re.search(r"<strong>([^<]+)</strong> · \d+ of \d+ steps done", browser.get("/").text)
        assert words is not None
        return words[1]

    claim = person.open_claim(meeting)
    with person.browser() as browser:
        assert shown() == "Choose your statement of credit"
        claim = person.do(claim, "choose_statement", {"credit_type": "ama_pra_category_1"})
        assert shown() == "Say how you took part"
        claim = person.do(claim, "state_participation", {"method": "badge_id", "value": next(badges)})
        assert shown() == "Read the disclosures"
        claim = person.do(claim, "acknowledge_disclosures", {"version": "2026-06-02"})
        assert shown() == "Ready to claim"
        present = Attendee(person, "", claim)
        present.attend("thu-opening")
        present.claim_credit()
        assert shown() == "Make your statement final"
