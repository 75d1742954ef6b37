"""A pause of issuance on the whole stack: what waited for its end goes on by itself, once."""

import time

from cli.demo import EXAMPLES
from cli.learner import Json
from cli.local import LocalStack
from domain.identities import new_id
from domain.roles import Role
from storage import accounts
from tests.e2e.follower import Follower, Knowledge
from tests.e2e.office import Office, own_example
from tests.e2e.people import Person, Town

COURSE = "recognizing-sepsis-early"
PAUSES = "/v1/staff/issuance-pauses"


def approver(town: Town, stack: LocalStack) -> Person:
    """Someone who may pause issuance."""
    person = town.stranger()
    accounts.add_staff(stack.database_url, person.email, Role.APPROVER)
    return person


def of_an_own_provider(office: Office) -> str:
    """Publish a course whose provider no other test has."""
    text = (EXAMPLES / f"{COURSE}.yaml").read_text()
    assert "Lakeside Academy of Medicine" in text
    return office.publish(own_example(COURSE).replace("Lakeside Academy of Medicine", f"Provider {new_id('x')[2:]}"))


def claim_of(learner: Person, slug: str) -> Follower:
    """A learner's claim of which nothing is missing but the credit."""
    follower = Follower(learner, learner.take_part(slug), Knowledge())
    follower.follow(until="ready_to_claim")
    return follower


def state_of(office: Office, correction: Json) -> str:
    return str(office.get(correction["href"])["state"])


def test_what_waited_for_issuance_goes_on_by_itself_when_the_pause_is_lifted(
    town: Town, office: Office, stack: LocalStack
) -> None:
    slug, boss = of_an_own_provider(office), approver(town, stack)
    done = claim_of(town.learner(credentials="MD"), slug).follow()
    learner = town.learner(credentials="MD")
    during = claim_of(learner, slug)
    name = boss.get(f"/v1/staff/ce-activities/{slug}")["provider"]
    (provider,) = (each["slug"] for each in boss.get(PAUSES)["providers"] if each["name"] == name)
    pause = boss.post(PAUSES, {"provider": provider, "reason_code": "credit_in_doubt", "reason": "They overlap."})

    assert learner.claim_credit(during.claim).status_code == 202
    asked = office.send("POST", f"/v1/staff/claims/{done['id']}/correct", {"family_name": "Lind", "reason": "Married."})
    assert asked.status_code == 202, asked.text
    correction = dict(asked.json())
    time.sleep(3)
    waiting = learner.claim(during.claim["id"])
    assert (waiting["stage"], waiting["award"]) == ("ready_to_claim", None)
    assert state_of(office, correction) != "completed"

    lifted = {"reason_code": "checked", "reason": "They do not."}
    assert boss.post(f"{PAUSES}/{pause['id']}/lift", lifted)["lifted_at"] is not None
    completed = learner.until(during.claim["id"], lambda status: status["stage"] == "completed")
    assert completed["award"] is not None
    assert len(learner.award_mails()) == 1
    for _ in range(300):
        if state_of(office, correction) == "completed":
            break
        time.sleep(0.1)
    assert state_of(office, correction) == "completed"
