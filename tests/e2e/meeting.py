"""The society's meeting of flow D as a physician goes through it over HTTP: to the sessions, and to the certificate."""

import csv
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from cli.demo import EXAMPLES
from cli.learner import Json
from tests.e2e.office import Office
from tests.e2e.people import Person, action, credit_body

MEETING: Final = "annual-meeting-clinical-microbiology-2026"
ROSTERS: Final = EXAMPLES / "rosters"
NAMED_BADGES: Final = (ROSTERS / "annual-meeting-badges.csv").read_bytes()
BADGE_IDS: Final = [row["Badge ID"] for row in csv.DictReader(NAMED_BADGES.decode().splitlines())]
# Without names a badge counts for whoever brings it, so that any learner of these tests may have one.
BADGES: Final = "\n".join(("Badge ID", *BADGE_IDS)).encode()
RESPONSES: Final[dict[str, Any]] = {"objectives": 5, "speakers": 4, "balance": "yes"}


def meeting_with_badges(office: Office, definition: str) -> str:
    """Publish a meeting and apply the example's badges; answers with its slug."""
    slug = office.publish(definition)
    office.enrol(slug, BADGES)
    return slug


@dataclass
class Attendee:
    """A physician with a badge, and their claim, ready for its sessions."""

    person: Person
    badge: str
    claim: Json

    def put(self, session: str, units: str | None = None, **responses: Any) -> httpx2.Response:
        """Claim units for a session: by default what it has at most, and with responses its evaluation."""
        body: Json = {"units": units or self.session(session)["maximum_units"]}
        if responses:
            body["responses"] = responses
        return self.person.send("PUT", f"{self.claim['href']}/sessions/{session}", body)

    def attend(self, session: str, units: str | None = None) -> Json:
        """Claim a session and evaluate it; answers with the claim."""
        answer = self.put(session, units, **RESPONSES)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def session(self, code: str) -> Json:
        listed = self.person.get(f"{self.claim['href']}/sessions?limit=500")["data"]
        return dict(next(each for each in listed if each["code"] == code))

    def status(self) -> Json:
        return self.person.claim(self.claim["id"])

    def claim_credit(self) -> Json:
        """Claim what the sessions add up to, with the attestation."""
        step = action(self.status(), "claim_credit")
        body = credit_body(step["form"]["offers"][0])
        del body["units"]
        return self.person.take(step, body)

    def finish(self) -> Json:
        """Make the statement final, and wait for the certificate."""
        claim = self.person.do(self.status(), "finalize", {"confirmed": True})
        return self.person.until(claim["id"], lambda status: status["stage"] == "completed")


def attendee(person: Person, slug: str, badge: str) -> Attendee:
    """Everything that comes before the sessions."""
    claim = person.open_claim(slug)
    claim = person.do(claim, "choose_statement", {"credit_type": "ama_pra_category_1"})
    claim = person.do(claim, "state_participation", {"method": "badge_id", "value": badge})
    version = action(claim, "acknowledge_disclosures")["form"]["version"]
    return Attendee(person, badge, person.do(claim, "acknowledge_disclosures", {"version": version}))


def finished(person: Person, slug: str, badge: str, *sessions: str) -> tuple[Attendee, Json]:
    """The whole way to the certificate; answers with the completed claim, too."""
    present = attendee(person, slug, badge)
    for session in sessions:
        present.attend(session)
    present.claim_credit()
    return present, present.finish()
