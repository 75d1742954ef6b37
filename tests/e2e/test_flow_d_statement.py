"""Flow D of the society portal from the final statement on, line by line, over HTTP and e-mail, on the whole stack."""

import csv
import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import httpx2
import pypdf
import pytest
from sqlalchemy import Engine, text

from cli.learner import Json
from cli.local import LocalStack
from tests.e2e.meeting import MEETING, RESPONSES, Attendee, attendee, finished, meeting_with_badges
from tests.e2e.office import Office, own_example, problem
from tests.e2e.people import Town, action


def test_line_7_the_learner_is_warned_and_confirms_before_the_statement_is_final(present: Attendee) -> None:
    person, path = present.person, f"{present.claim['href']}/finalization"
    present.attend("thu-opening")
    assert problem(person.send("POST", path, {"confirmed": True})) == (409, "credit_missing")
    assert present.claim_credit()["stage"] == "awaiting_finalization"
    # "Do not press Next before": until it is confirmed, sessions may be added, and the amount is attested to again.
    added = present.attend("thu-a1")
    assert (added["stage"], added["credit"], added["is_final"]) == ("ready_to_claim", None, False)
    claim = present.claim_credit()
    warning = action(claim, "finalize")["form"]["warning"]
    assert "Sessions cannot be added, changed or removed" in warning
    unconfirmed = person.send("POST", path, {"confirmed": False})
    assert problem(unconfirmed) == (409, "confirmation_required")
    assert present.status()["award"] is None
    claim = present.finish()
    assert (claim["is_final"], claim["award"]["units"]) == (True, "2.00")
    assert [each["action"] for each in claim["next_actions"]] == ["view_certificate"]


@pytest.fixture(scope="module")
def final(stack: LocalStack, meeting: str, badges: Iterator[str]) -> Iterator[tuple[Attendee, Json]]:
    """A physician whose statement is final, and the completed claim; for tests that change neither."""
    town = Town(stack)
    sessions = ("thu-opening", "thu-c1", "fri-plenary", "sat-closing")
    yield finished(town.learner(credentials="MD"), meeting, next(badges), *sessions)
    town.close()


def test_line_7_a_final_statement_cannot_be_changed(final: tuple[Attendee, Json]) -> None:
    present, claim = final
    href = claim["href"]
    body = {"credit_type": "ama_pra_category_1", "attestation_version": "ama-2026-1", "attested": True}
    steps: list[tuple[str, str, Any]] = [
        ("PUT", f"{href}/sessions/fri-a1", {"units": "1.00", "responses": RESPONSES}),
        ("DELETE", f"{href}/sessions/thu-opening", None),
        ("PUT", f"{href}/statement", {"credit_type": "participation"}),
        ("PUT", f"{href}/credit", body),
        ("POST", f"{href}/finalization", {"confirmed": True}),
    ]
    for method, path, sent in steps:
        refused = present.person.send(method, path, sent)
        assert problem(refused) == (409, "finalized"), path
    assert present.status()["sessions"]["claimed"] == 4
    assert present.status()["award"] == claim["award"]


def test_line_7_two_devices_that_finalize_at_once_get_one_award(present: Attendee, record: Engine) -> None:
    present.attend("thu-opening")
    path, claim = f"{present.claim['href']}/finalization", present.claim_credit()
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(present.person.send, "POST", path, {"confirmed": True}) for _ in range(4)]
        answers = sorted((each.result() for each in sent), key=lambda answer: answer.status_code)
    assert answers[0].status_code == 200
    assert [problem(answer) for answer in answers[1:]] == [(409, "finalized")] * 3
    present.person.until(claim["id"], lambda status: status["stage"] == "completed")
    with record.connect() as connection:
        query = """
            SELECT (SELECT count(*) FROM awards WHERE claim_id = :id), (SELECT count(*) FROM outgoing_emails
                     WHERE claim_id = :id AND purpose = 'award')
        """
        assert connection.execute(text(query), {"id": claim["id"]}).one() == (1, 1)


def test_line_5_evaluations_of_sessions_add_up_for_the_office(
    town: Town, office: Office, badges: Iterator[str]
) -> None:
    slug = meeting_with_badges(office, own_example(MEETING))
    present = attendee(town.learner(), slug, next(badges))
    present.attend("fri-plenary")
    present.put("thu-opening", objectives=2, speakers=4, balance="no", comment="Slower, please.")
    outcomes = office.get(f"/v1/staff/ce-activities/{slug}/outcomes")["session_evaluations"]
    assert (outcomes["responses"], [each["session"] for each in outcomes["sessions"]]) == (
        2,
        ["thu-opening", "fri-plenary"],
    )
    assert [(question["code"], question["mean"]) for question in outcomes["questions"][:2]] == [
        ("objectives", "3.50"),
        ("speakers", "4.00"),
    ]
    opening = {question["code"]: question for question in outcomes["sessions"][0]["questions"]}
    assert {each["code"]: each["count"] for each in opening["balance"]["options"]} == {"yes": 0, "no": 1}
    assert opening["comment"]["answered"] == 1


def test_line_7_staff_correct_a_mistake_and_the_history_is_kept(
    town: Town, office: Office, meeting: str, badges: Iterator[str]
) -> None:
    person = town.learner()
    present, claim = finished(person, meeting, next(badges), "thu-opening", "thu-a1")
    before, first = claim["certificate"], person.certificate(claim["id"])
    path = f"/v1/staff/claims/{claim['id']}/correct"
    correction = {"sessions": {"thu-opening": "1.00", "thu-c1": "2.25"}, "reason": "Attended the workshop instead."}
    assert problem(person.send("POST", path, correction)) == (403, "not_allowed")
    overlapping = correction | {"sessions": {"thu-a1": "1.00", "thu-c1": "2.25"}}
    assert problem(office.send("POST", path, overlapping)) == (409, "sessions_overlap")
    made = office.send("POST", path, correction)
    assert (made.status_code, made.json()["kind"], made.json()["version"]) == (200, "credit", 2)
    # The claim is complete all the time; the mail says when the new version can be had.
    mail = person.wait_for_mail(lambda message: "3.25" in message["text"])
    claim = person.claim(claim["id"])
    after = claim["certificate"]
    assert (claim["award"]["units"], after["version"], after["state"]) == ("3.25", 2, "issued")
    with httpx2.Client(base_url=person.stack.urls["api"]) as anyone:
        old, new = (anyone.get(f"/v1/certificates/{each['verification_code']}").json() for each in (before, after))
    assert (old["status"], old["units"]) == ("superseded", "2.00")
    assert (new["status"], new["units"]) == ("valid", "3.25")
    assert person.certificate(claim["id"]) != first
    assert "corrected" in mail["text"]
    assert len(person.award_mails()) == 2
    (entry,) = person.get("/v1/transcript")["entries"]
    assert (entry["units"], entry["certificate"]["verification_code"]) == ("3.25", after["verification_code"])
    history = person.get(f"{claim['href']}/history?limit=100")["data"]
    texts = [each["text"] for each in history]
    assert sum(each.startswith("The credit was awarded: 2.00 ") for each in texts) == 1
    assert sum(each.startswith("The credit was corrected: 3.25 ") for each in texts) == 1
    told = next(each for each in history if each["event"] == "correction.requested")
    # What staff write is for the office.
    assert (told["actor"], told["reason"]) == ("other", None)
    assert office.get(made.json()["href"])["state"] in ("applied", "completed")
    assert problem(present.put("fri-a1", **RESPONSES)) == (409, "finalized")


def test_line_8_the_award_is_in_the_transcript_by_date_and_type(final: tuple[Attendee, Json]) -> None:
    present, claim = final
    person = present.person
    assert [each["id"] for each in person.get("/v1/claims?group=completed")["data"]] == [claim["id"]]
    transcript = person.get("/v1/transcript")
    (entry,) = transcript["entries"]
    assert (entry["claim"], entry["units"], entry["is_final"]) == (f"/v1/claims/{claim['id']}", "5.50", True)
    assert [(each["title"][:16], each["held_on"], each["units"]) for each in entry["sessions"]] == [
        ("Opening plenary:", "2026-06-11", "1.00"),
        ("Workshop: Valida", "2026-06-11", "2.25"),
        ("Plenary: One sam", "2026-06-12", "1.00"),
        ("Closing plenary:", "2026-06-13", "1.25"),
    ]
    day = date.fromisoformat(entry["completed_on"])
    earlier, later = day - timedelta(days=1), day + timedelta(days=1)
    for query, count in (
        (f"from={day}&to={day}", 1),
        (f"from={later}", 0),
        (f"to={earlier}", 0),
        (f"year={day.year}&credit_type=ama_pra_category_1", 1),
        ("credit_type=participation", 0),
        (f"year={day.year - 1}", 0),
    ):
        assert len(person.get(f"/v1/transcript?{query}")["entries"]) == count, query
    (total,) = transcript["totals"]
    assert (total["credit_type"], total["units"], total["awards"]) == ("ama_pra_category_1", "5.50", 1)


def test_line_8_the_transcript_is_printed_and_exported(final: tuple[Attendee, Json]) -> None:
    present, claim = final
    person = present.person
    exported = person.send("GET", "/v1/transcript", accept="text/csv").text
    (row,) = csv.DictReader(exported.removeprefix("\ufeff").splitlines())
    assert (row["Units"], row["Final"], row["Verification code"]) == (
        "5.50",
        "yes",
        claim["certificate"]["verification_code"],
    )
    printed = person.send("GET", "/v1/transcript?format=pdf")
    assert printed.headers["content-type"] == "application/pdf"
    words = words_of(printed.content)[0]
    for part in ("Alice Moreau", "Annual Meeting 2026 of the Great Lakes Society", "5.50 credits", "4 sessions"):
        assert part in words


def words_of(pdf: bytes) -> list[str]:
    """The words of each page, apart by single spaces."""
    return [" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def test_line_7_the_certificate_lists_the_sessions(final: tuple[Attendee, Json]) -> None:
    present, claim = final
    pages = words_of(present.person.certificate(claim["id"]))
    assert claim["certificate"]["verification_code"] in pages[0]
    for part in ("Alice Moreau, MD", "5.50 AMA PRA Category 1 Credit(s)™", "a maximum of 18.75"):
        assert part in pages[0]
    words = " ".join(pages)
    table = words[words.index("Opening plenary: Diagnosis") :]
    assert re.search(r"Workshop: Validating a laboratory-developed test .*2\.25", table)
    assert table.index("Opening plenary") < table.index("One sample, many answers") < table.index("Closing plenary")
    assert "Gram stain at night" not in words


def test_line_7_a_certificate_of_thirty_sessions_goes_on_over_the_page(
    town: Town, office: Office, badges: Iterator[str]
) -> None:
    """Half an hour each, one after the other, on three days."""
    lines = []
    for number in range(30):
        day, half_hours = 11 + number // 10, 16 + number % 10
        times = [f"{each // 2:02}:{each % 2 * 30:02}" for each in (half_hours, half_hours + 1)]
        lines.append(
            f'  - {{code: s{number + 1}, title: "Short talk {number + 1}: organisms and what they resist", '
            f"held_on: 2026-06-{day}, starts_at: {times[0]}, ends_at: {times[1]}, maximum_units: 0.50}}"
        )
    definition = re.sub(
        r"(?s)\nsessions:\n.*?\ncredit:\n", "\nsessions:\n" + "\n".join(lines) + "\n\ncredit:\n", own_example(MEETING)
    )
    slug = meeting_with_badges(office, definition.replace("18.75", "15.00"))
    person = town.learner(credentials="MD, PhD")
    _, claim = finished(person, slug, next(badges), *(f"s{number + 1}" for number in range(30)))
    assert claim["award"]["units"] == "15.00"
    pages = words_of(person.certificate(claim["id"]))
    assert len(pages) > 1
    listed = [int(number) for page in pages for number in re.findall(r"Short talk (\d+):", page)]
    assert listed == list(range(1, 31))
    assert re.search(r"Short talk 30: .* Total awarded 15\.00", pages[-1])
    assert all(claim["certificate"]["verification_code"] in page for page in pages)


def test_line_9_the_library_is_browsed_and_online_activities_lead_to_their_content(town: Town) -> None:
    person = town.learner("nurse")
    (course,) = (
        each
        for each in person.get("/v1/ce-activities?event_type=on_demand&limit=100")["data"]
        if each["slug"] == "safe-patient-handling-on-demand"
    )
    assert (course["title"], course["claim"]) == ("Safe Patient Handling: Protecting Patients and Backs", None)
    claim = person.open_claim(course["slug"])
    items = action(claim, "complete_content")["form"]["items"]
    assert [item["url"].rpartition("/")[2] for item in items] == ["mobility", "lifts", "plan"]
    assert person.get(course["href"])["claim"] == claim["href"]


def test_line_9_credit_from_before_the_portal_is_entered_by_staff_and_appears(town: Town, office: Office) -> None:
    person = town.learner()
    learner = office.learner_id(person)
    path = f"/v1/staff/learners/{learner}/historical-awards"
    award = {
        "title": "Annual Meeting 2019",
        "provider": "Great Lakes Society for Clinical Microbiology",
        "credit_type": "ama_pra_category_1",
        "units": "12.25",
        "completed_on": "2019-06-15",
        "reference": "Letter of 24 June 2019",
        "reason": "Attendance list of 2019.",
    }
    assert problem(person.send("POST", path, award)) == (403, "not_allowed")
    assert person.get("/v1/transcript")["entries"] == []
    entered = office.send("POST", path, award).json()
    (entry,) = person.get("/v1/transcript?year=2019")["entries"]
    assert (entry["historical"], entry["units"], entry["claim"]) == (True, "12.25", None)
    assert entry["reference"] == "Letter of 24 June 2019"
    voided = office.send("POST", f"{entered['href']}/void", {"reason": "Entered for the wrong person."})
    assert voided.status_code == 200
    assert person.get("/v1/transcript")["entries"] == []
