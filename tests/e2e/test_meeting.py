"""A meeting of 300 sessions: learners claim some of them at the same time, and the record holds exactly that."""

import io
from concurrent.futures import ThreadPoolExecutor

import pypdf
import pytest
from sqlalchemy import Engine

from cli.learner import Json
from cli.local import LocalStack
from tests import meetings
from tests.e2e.office import Office
from tests.e2e.people import Person, Town, action
from tests.meetings import SLUG, STATEMENTS

LEARNERS = 8
SESSIONS = 5
PROGRAMME = meetings.programme()


@pytest.fixture(scope="module")
def large_meeting(stack: LocalStack) -> str:
    """The meeting as its office sets it up over HTTP: the definition, and the badges that were printed."""
    with Office.opened(stack) as office:
        slug = office.publish(meetings.definition())
        assert office.enrol(slug, meetings.roster(LEARNERS))["applied_count"] == LEARNERS
        return slug


def reach_sessions(person: Person, number: int) -> Json:
    """Everything that comes before the sessions."""
    claim = person.open_claim(SLUG)
    claim = person.do(claim, "choose_statement", {"credit_type": STATEMENTS[meetings.profession_of(number)]})
    badge = {"method": "badge_id", "value": meetings.badge_of(number)}
    claim = person.do(claim, "state_participation", badge)
    version = action(claim, "acknowledge_disclosures")["form"]["version"]
    return person.do(claim, "acknowledge_disclosures", {"version": version})


def claim_all(person: Person, number: int) -> Json:
    """One learner's whole way to the certificate."""
    claim = reach_sessions(person, number)
    for choice in meetings.choices_of(number, PROGRAMME, SESSIONS):
        href = action(claim, "claim_session")["href"].replace("{session}", choice.session.code)
        claim = person.take({"method": "PUT", "href": href}, choice.body)
    claim = person.do(claim, "claim_credit", meetings.credit_of(number))
    claim = person.do(claim, "finalize", {"confirmed": True})
    return person.until(claim["id"], lambda status: status["stage"] == "completed")


def test_learners_who_claim_their_sessions_at_the_same_time_each_get_exactly_what_they_claimed(
    town: Town, large_meeting: str, record: Engine
) -> None:
    with ThreadPoolExecutor(LEARNERS) as pool:
        learners = list(pool.map(town.learner, map(meetings.profession_of, range(LEARNERS))))
        claims = list(pool.map(claim_all, learners, range(LEARNERS)))
    expected = {claim["id"]: number for number, claim in enumerate(claims)}
    assert list(meetings.deviations(record, expected, SESSIONS)) == []
    for number, (person, claim) in enumerate(zip(learners, claims, strict=True)):
        choices = meetings.choices_of(number, PROGRAMME, SESSIONS)
        assert claim["award"]["units"] == str(sum(choice.units for choice in choices))
        assert len(person.award_mails()) == 1
    printed = pypdf.PdfReader(io.BytesIO(learners[0].certificate(claims[0]["id"])))
    words = " ".join(" ".join(page.extract_text() for page in printed.pages).split())
    for choice in meetings.choices_of(0, PROGRAMME, SESSIONS):
        assert choice.session.title in words


def test_the_programme_is_read_in_pages_and_is_no_part_of_a_claims_status(town: Town, large_meeting: str) -> None:
    person = town.learner()
    claim = person.open_claim(SLUG)
    pages: list[Json] = []
    after = ""
    while not pages or pages[-1]["has_more"]:
        pages.append(person.get(f"{claim['href']}/sessions?limit=120{after}"))
        after = f"&after={pages[-1]['next']}"
    assert [len(page["data"]) for page in pages] == [120, 120, 60]
    listed = [(each["code"], each["title"], each["maximum_units"]) for page in pages for each in page["data"]]
    assert listed == [(each.code, each.title, str(each.units)) for each in PROGRAMME]
    assert claim["sessions"]["count"] == len(PROGRAMME)
    status = person.send("GET", claim["href"])
    assert "t01-0800" not in status.text
    assert "t01-0800" not in person.send("GET", f"/v1/ce-activities/{large_meeting}").text
