"""Two accounts that turn out to be one person: found, merged by staff, no credit counted twice; on the whole stack."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest

from cli.learner import Json
from cli.local import LocalStack
from tests.claims import right_answers
from tests.e2e.follower import Follower, Knowledge
from tests.e2e.office import Office, Platform, own_example, problem
from tests.e2e.people import POLICY, Person, Town

COURSE = "recognizing-sepsis-early"
TELECONFERENCE = "infection-prevention-teleconference"
CONTENT = "safe-patient-handling-on-demand"
REASON = "Changed hospitals in May; both addresses answered."


@dataclass
class Two:
    """Two accounts of one person: the one that is kept, and the one that becomes part of it."""

    office: Office
    kept: Person
    duplicate: Person

    def merge(self) -> Json:
        """Merge them, and wait until that is done."""
        learner, duplicate = self.office.learner_id(self.kept), self.office.learner_id(self.duplicate)
        path = f"/v1/staff/learners/{learner}/merge"
        answer = self.office.send("POST", path, {"duplicate": duplicate, "reason": REASON}, prefer="wait=20")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture
def two(town: Town, office: Office) -> Two:
    """One nurse with two addresses, and the same license in both profiles."""
    license_number = f"RN {random.randrange(10**9)}"  # noqa: S311  # some number that no other test uses
    kept, duplicate = (town.learner("nurse", identifiers={"rn_license": license_number}) for _ in range(2))
    return Two(office, kept, duplicate)


@pytest.fixture(scope="module")
def course(office: Office) -> str:
    """A course with credit for who was there, without a test."""
    return office.publish(own_example(COURSE))


def complete(person: Person, slug: str, knowledge: Knowledge | None = None) -> Json:
    claim = Follower(person, person.open_claim(slug), knowledge or Knowledge()).follow()
    assert claim["stage"] == "completed"
    return claim


def pairs(office: Office) -> Iterator[Json]:
    """All pairs that may be one person, page by page."""
    page: Json = {"has_more": True, "next": None}
    while page["has_more"]:
        after = f"&after={page['next']}" if page["next"] else ""
        page = office.get(f"/v1/staff/duplicates?limit=100{after}")
        yield from page["data"]


def test_accounts_with_one_license_are_found_and_merged_by_staff_only(two: Two) -> None:
    kept, duplicate = (two.office.learner_id(person) for person in (two.kept, two.duplicate))
    (pair,) = (each for each in pairs(two.office) if duplicate in (each["learner"]["id"], each["duplicate"]["id"]))
    assert (pair["learner"]["id"], pair["duplicate"]["id"]) == (kept, duplicate)
    assert (pair["reasons"], pair["identifiers"]) == (["same_identifier"], ["rn_license"])
    body = {"duplicate": duplicate, "reason": REASON}
    assert problem(two.kept.send("POST", pair["href"], body)) == (403, "not_allowed")
    assert problem(two.office.send("POST", pair["href"], body | {"reason": " "})) == (422, "validation_failed")
    merge = two.merge()
    assert (merge["learner"], merge["duplicate"], merge["reason"]) == (kept, duplicate, REASON)
    assert problem(two.office.send("POST", pair["href"], body)) == (409, "already_merged")
    assert not [each for each in pairs(two.office) if duplicate in (each["learner"]["id"], each["duplicate"]["id"])]
    shown = two.office.get(f"/v1/staff/learners/{duplicate}")
    assert (shown["merged_into"], shown["merges"][0]["reason"]) == (kept, REASON)


def test_the_same_name_and_birthday_make_a_pair_and_either_alone_does_not(town: Town, office: Office) -> None:
    name = f"Núñez {random.choice('abcdefgh')}{random.randrange(10**6)}"  # noqa: S311
    birthday = {"birth_month_day": "02-29"}
    people = (
        town.learner("nurse", family_name=name, identifiers=birthday),
        town.learner("nurse", family_name=name.upper().replace("Ú", "U"), identifiers=birthday),
        town.learner("nurse", family_name=name),
        town.learner("nurse", family_name=f"{name}-Ortiz", identifiers=birthday),
    )
    ids = [office.learner_id(person) for person in people]
    found = [(each["learner"]["id"], each["duplicate"]["id"], each["reasons"]) for each in pairs(office)]
    assert [each for each in found if set(ids) & {each[0], each[1]}] == [(ids[0], ids[1], ["same_name_and_birth_day"])]


def test_both_addresses_sign_in_to_one_learner_with_all_claims(two: Two, stack: LocalStack, course: str) -> None:
    first = complete(two.kept, course)
    second = complete(two.duplicate, "managing-hypertension-in-primary-care", knowledge_of_the_test())
    two.merge()
    # The session that the duplicate had goes on, as the kept learner.
    mine = {first["id"], second["id"]}
    with Person(stack, two.duplicate.email) as again:
        again.sign_in()
        for person in (two.kept, two.duplicate, again):
            assert {each["id"] for each in person.get("/v1/claims")["data"]} == mine
            assert {entry["claim"] for entry in person.get("/v1/transcript")["entries"]} == {
                f"/v1/claims/{claim_id}" for claim_id in mine
            }
    assert two.kept.certificate(second["id"]) == two.duplicate.certificate(second["id"])


def knowledge_of_the_test() -> Knowledge:
    return Knowledge(answers=right_answers(POLICY))


def test_credit_that_both_accounts_had_counts_once_and_both_histories_stay(two: Two, course: str) -> None:
    kept, doubled = complete(two.kept, course), complete(two.duplicate, course)
    (before,) = two.duplicate.get("/v1/transcript")["totals"]
    two.merge()
    transcript = two.kept.get("/v1/transcript")
    assert [entry["claim"] for entry in transcript["entries"]] == [kept["href"]]
    (total,) = transcript["totals"]
    assert (total["units"], total["awards"]) == (before["units"], 1) == (kept["award"]["units"], 1)
    assert two.duplicate.get("/v1/transcript")["totals"] == transcript["totals"]
    with httpx2.Client(base_url=two.kept.stack.urls["api"]) as anyone:
        states = [
            anyone.get(f"/v1/certificates/{claim['certificate']['verification_code']}").json()["status"]
            for claim in (kept, doubled)
        ]
    assert states == ["valid", "superseded"]
    for claim, is_merged in ((kept, False), (doubled, True)):
        events = [entry["event"] for entry in two.kept.get(f"{claim['href']}/history?limit=100")["data"]]
        assert "credit.awarded" in events
        assert ("award.merged" in events) is is_merged
    awards = {each["id"]: each["state"] for each in two.office.get(learner_href(two))["awards"]}
    assert awards == {kept["award"]["id"]: "active", doubled["award"]["id"]: "merged"}
    assert two.kept.open_claim(course)["id"] == kept["id"]
    with two.kept.browser() as browser:
        wallet = browser.get("/").text
    assert (wallet.count(">View certificate<"), wallet.count("Counts once")) == (1, 1)


def learner_href(two: Two) -> str:
    return f"/v1/staff/learners/{two.office.learner_id(two.kept)}"


def test_historical_credit_that_was_entered_for_both_counts_once(two: Two) -> None:
    award = {
        "title": "Wound Care Day",
        "provider": "Ridgeline Association of Wound Care Nurses",
        "credit_type": "ancc_contact_hours",
        "units": "3.00",
        "completed_on": "2019-05-04",
        "reason": "Paper record.",
    }
    for person, more in ((two.kept, {}), (two.duplicate, {}), (two.duplicate, {"title": "Wound Care Night"})):
        path = f"/v1/staff/learners/{two.office.learner_id(person)}/historical-awards"
        assert two.office.send("POST", path, award | more).json()["is_new"] is True
    two.merge()
    transcript = two.kept.get("/v1/transcript")
    assert sorted(entry["title"] for entry in transcript["entries"]) == ["Wound Care Day", "Wound Care Night"]
    assert transcript["totals"][0]["units"] == "6.00"


def test_of_two_open_claims_for_one_activity_the_kept_learners_goes_on(two: Two, course: str) -> None:
    mine, other = (person.take_part(course) for person in (two.kept, two.duplicate))
    merge = two.merge()
    assert merge["details"]["claims_withdrawn"] == [other["id"]]
    ended = two.kept.until(other["id"], lambda status: status["closed_at"] is not None)
    assert ended["stage"] == "withdrawn"
    last = two.kept.get(f"{other['href']}/history?limit=100")["data"][-1]
    assert (last["event"], last["actor"]) == ("withdrawal.accepted", "other")
    # From the duplicate's address, too, the activity leads to the claim that goes on.
    assert two.duplicate.open_claim(course)["id"] == mine["id"]
    claim = Follower(two.duplicate, two.duplicate.claim(mine["id"]), Knowledge()).follow()
    assert (claim["stage"], len(two.kept.get("/v1/transcript")["entries"])) == ("completed", 1)


def test_an_open_claim_beside_an_award_for_the_same_activity_is_withdrawn(two: Two, course: str) -> None:
    mine, awarded = two.kept.take_part(course), complete(two.duplicate, course)
    assert two.merge()["details"]["claims_withdrawn"] == [mine["id"]]
    ended = two.kept.until(mine["id"], lambda status: status["closed_at"] is not None)
    assert ended["stage"] == "withdrawn"
    assert two.kept.open_claim(course)["id"] == awarded["id"]
    assert [entry["claim"] for entry in two.kept.get("/v1/transcript")["entries"]] == [awarded["href"]]


def test_an_open_claim_that_only_the_duplicate_had_goes_on_as_the_kept_learners(two: Two, course: str) -> None:
    claim = two.duplicate.take_part(course)
    two.kept.change_profile({"given_name": "Alba", "family_name": "Moreau-Lind"})
    assert two.merge()["details"]["claims_moved"] == [claim["id"]]
    finished = Follower(two.kept, two.kept.claim(claim["id"]), Knowledge()).follow()
    assert finished["stage"] == "completed"
    with httpx2.Client(base_url=two.kept.stack.urls["api"]) as anyone:
        code = finished["certificate"]["verification_code"]
        assert anyone.get(f"/v1/certificates/{code}").json()["learner_name"] == "Alba Moreau-Lind"
    events = [entry["event"] for entry in two.kept.get(f"{claim['href']}/history?limit=100")["data"]]
    assert events.index("claim.moved") < events.index("credit.awarded")


def test_what_each_account_watched_is_put_together(two: Two, stack: LocalStack, office: Office) -> None:
    slug, platform = office.publish(own_example(CONTENT)), Platform.connected(stack)
    claim = two.kept.open_claim(slug)
    items = claim["content"]["items"]
    for person, watched in ((two.kept, items[:2]), (two.duplicate, items[1:])):
        for item in watched:
            platform.report(person, slug, item["code"], (0, item["seconds_needed"]))
    assert two.kept.claim(claim["id"])["content"]["minutes_completed"] == 50
    two.merge()
    claim = two.kept.until(claim["id"], lambda status: status["stage"] == "ready_to_claim")
    assert claim["content"]["minutes_completed"] == 60
    assert Follower(two.kept, claim, Knowledge()).follow()["stage"] == "completed"
