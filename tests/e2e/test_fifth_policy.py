"""Policies that nobody has thought of: one mixed from pieces of all four flows, and every example, by one follower.

The follower knows no flow, so what carries these claims is the policy alone.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli.demo import EXAMPLES, FAST_GRADING_SECONDS
from cli.learner import Json
from cli.local import LocalStack
from domain import credit
from domain.policy import CEActivityPolicy
from storage.definitions import read_definition
from tests.claims import right_answers
from tests.e2e.follower import Follower, Knowledge
from tests.e2e.office import Office, Platform, details, own_example, own_slug, problem
from tests.e2e.people import Person, Town, action

IDENTIFIERS = {
    "nabp_eprofile_id": "123456",
    "birth_month_day": "07-04",
    "license_number": "RN 204417",
    "abpath_id": "204417",
}

# Drills on the wards: live with a code, or recorded with content and a test, session by session, made final, and the
# certificate in the hospital's own system.
FIFTH = """
slug: SLUG
status: published
title: "Airway Drills: Ten Minutes That Decide"
format: live_activity
event_type: other
contact: drills@harbor-simulation.example
location: On the wards of Harbor Hospital, and online
provider:
  name: Harbor Simulation Consortium
  acronym: SIM
  website: https://www.harbor-simulation.example
  accreditation_statement: >
    The Harbor Simulation Consortium is accredited by the Accreditation Council for Continuing Medical Education (ACCME)
    to provide continuing medical education for physicians.
time_zone: America/Chicago
starts_on: 2026-02-02
ends_on: NEXT_YEAR
claim_window: {opens_on: 2026-02-02, closes_on: NEXT_YEAR, days: 60}
profile_fields: [license_number]
requirements:
  - kind: statement
  - kind: participation
    methods: [code, attestation]
    code: BOUGIE-7
    options:
      - {code: ward, label: On the ward}
      - {code: recording, label: I watched the recordings, format: enduring_material}
  - kind: disclosures
    version: 2026-1
    pages: [{title: Planners, text: Nobody who planned the drills has anything to disclose.}]
  - kind: content
    formats: [enduring_material]
    items:
      - {code: drills, title: Drills, url: "https://video.harbor-simulation.example/drills", minutes: 50}
      - {code: debriefing, title: Debriefing, url: "https://video.harbor-simulation.example/debriefing", minutes: 10}
  - kind: post_test
    formats: [enduring_material]
    passing_percent: 100
    attempts_allowed: 2
    grading_seconds: 4
    questions:
      - code: first
        text: What comes first when a tube will not pass?
        options: [{code: force, label: More force}, {code: oxygen, label: Oxygen}]
        correct: oxygen
  - kind: evaluation
    asked: at_claim
    questions: [{code: change, kind: text, text: What will you change?}]
  - kind: evaluation
    asked: per_session
    questions: [{code: useful, kind: scale, text: This drill was useful to me.}]
  - kind: finalization
sessions:
  - {code: bag, title: Bag and mask, held_on: 2026-02-02, starts_at: 09:00, ends_at: 10:00, maximum_units: 1.00}
  - {code: tube, title: Intubation, held_on: 2026-02-02, starts_at: 09:30, ends_at: 10:30, maximum_units: 1.00}
  - {code: neck, title: Front of neck, held_on: 2026-02-03, starts_at: 09:00, ends_at: 09:30, maximum_units: 0.50}
  - {code: next, title: Next year, held_on: NEXT_YEAR, starts_at: 09:00, ends_at: 10:00, maximum_units: 1.00}
credit:
  - credit_type: ama_pra_category_1
    formats: [live_activity]
    designated_units: "2.00"
    designation_statement: >
      The Harbor Simulation Consortium designates this live activity for a maximum of 2.00 AMA PRA Category 1
      Credit(s)™. Physicians should claim only the credit commensurate with the extent of their participation in the
      activity.
  - credit_type: ancc_contact_hours
    designated_units: "1.25"
    designation_statement: These drills are designated for up to 1.25 nursing contact hours.
  - credit_type: participation
    designated_units: "1.25"
    designation_statement: Members of other professions receive a certificate of participation of up to 1.25 hours.
certificate:
  issued: elsewhere
  system: Harbor Learning Record
  url: https://records.harbor-simulation.example/certificates
"""


@pytest.fixture(scope="module")
def platform(stack: LocalStack) -> Platform:
    return Platform.connected(stack)


@pytest.fixture(scope="module")
def fifth(office: Office) -> str:
    next_year = datetime.now(UTC).date() + timedelta(days=366)
    text = FIFTH.strip().replace("SLUG", own_slug("airway-drills")).replace("NEXT_YEAR", next_year.isoformat())
    return office.publish(text)


def watching(platform: Platform, person: Person, slug: str) -> Any:
    """What completes a piece of content."""
    return lambda item: platform.report(person, slug, item["code"], (0, item["seconds_needed"]))


# What is refused in which stage when somebody tries everything that is not offered: by the code, in the order of the
# claim. What is missing here is offered, or changes nothing.
LOCKED, DONE = "step_locked", "already_done"
STEPS = ("disclosures", "attempt", "answers", "evaluation", "session", "credit", "finalization")
REFUSALS: Mapping[str, Mapping[str, str]] = {
    "awaiting_statement": {"participation": LOCKED} | dict.fromkeys(STEPS, LOCKED),
    "verifying_participation": dict.fromkeys(STEPS, LOCKED),
    "awaiting_disclosures": {"participation": DONE} | dict.fromkeys(STEPS[1:], LOCKED),
    "awaiting_content": {"participation": DONE, "disclosures": DONE} | dict.fromkeys(STEPS[1:], LOCKED),
    "awaiting_test": {"participation": DONE, "disclosures": DONE} | dict.fromkeys(STEPS[3:], LOCKED),
    "grading": {"participation": DONE, "disclosures": DONE} | dict.fromkeys(STEPS[1:], LOCKED),
    "ready_to_claim": dict.fromkeys(("participation", "disclosures", "attempt", "answers"), DONE)
    | {"credit": "evaluations_missing", "finalization": "credit_missing"},
}


def everything(credit_type: str) -> dict[str, tuple[str, str, Json]]:
    """Every step, as it would be right in its turn."""
    return {
        "statement": ("PUT", "/statement", {"credit_type": credit_type}),
        "participation": ("POST", "/participation", {"method": "attestation", "value": "recording"}),
        "disclosures": ("POST", "/disclosures", {"version": "2026-1"}),
        "attempt": ("POST", "/attempts", {}),
        "answers": ("POST", "/attempts/1/answers", {"answers": {"first": "oxygen"}}),
        "evaluation": ("POST", "/evaluations", {"responses": {"change": "The order of things."}}),
        "session": ("PUT", "/sessions/neck", {"units": "0.50", "responses": {"useful": 5}}),
        "overlapped": ("PUT", "/sessions/bag", {"units": "1.00"}),
        "overlapping": ("PUT", "/sessions/tube", {"units": "1.00", "responses": {"useful": 5}}),
        "next_year": ("PUT", "/sessions/next", {"units": "1.00", "responses": {"useful": 5}}),
        "credit": (
            "PUT",
            "/credit",
            {
                "credit_type": credit_type,
                "attestation_version": credit.rule(credit_type).attestation_version,
                "attested": True,
            },
        ),
        "finalization": ("POST", "/finalization", {"confirmed": True}),
    }


class Steps:
    """All steps of one nurse's claim, whether their turn has come or not."""

    def __init__(self, person: Person, claim: Json) -> None:
        self._person = person
        self._href = claim["href"]

    def send(self, name: str, **changes: Any) -> httpx2.Response:
        method, path, body = everything("ancc_contact_hours")[name]
        return self._person.send(method, f"{self._href}{path}", body | changes)

    def take(self, name: str, **changes: Any) -> None:
        answer = self.send(name, **changes)
        assert answer.status_code == 200, answer.text

    def refusal(self, name: str, **changes: Any) -> str:
        """The code with which a step is refused."""
        status, code = problem(self.send(name, **changes))
        assert status == 409
        return code


def test_a_policy_mixed_of_all_four_flows_leads_a_recorded_learner_to_credit_through_every_step(
    town: Town, fifth: str, platform: Platform
) -> None:
    nurse = town.learner("nurse", identifiers={"license_number": "RN 204417"})
    knowledge = Knowledge(option="recording", answers={"first": "oxygen"}, complete=watching(platform, nurse, fifth))
    follower = Follower(nurse, nurse.open_claim(fifth), knowledge)
    for stage, codes in REFUSALS.items():
        assert follower.follow(until=stage)["stage"] == stage
        steps, before = Steps(nurse, follower.claim), follower.claim["progress"]
        assert {name: steps.refusal(name) for name in codes} == codes
        assert nurse.claim(follower.claim["id"])["progress"] == before
    claim = follower.follow()
    assert follower.stages == [*REFUSALS, "awaiting_finalization", "completed"]
    assert claim["ce_activity"]["format"] == "enduring_material"
    assert (claim["award"]["credit_type"], claim["award"]["units"]) == ("ancc_contact_hours", "1.00")
    assert (claim["certificate"], claim["is_final"]) == (None, True)
    assert Steps(nurse, claim).refusal("session") == "finalized"


def test_the_same_policy_asks_less_of_who_was_there_and_gives_them_other_credit(town: Town, fifth: str) -> None:
    physician = town.learner(identifiers={"license_number": "MD 36-123"})
    follower = Follower(physician, physician.open_claim(fifth), Knowledge(proofs={"code": "bougie-7"}))
    wanted = follower.claim
    assert [offer["credit_type"] for offer in action(wanted, "choose_statement")["form"]["offers"]] == [
        "ama_pra_category_1",
        "participation",
    ]
    claim = follower.follow()
    assert follower.stages == [
        "awaiting_statement",
        "verifying_participation",
        "awaiting_disclosures",
        "ready_to_claim",
        "awaiting_finalization",
        "completed",
    ]
    assert claim["ce_activity"]["format"] == "live_activity"
    assert (claim["award"]["credit_type"], claim["award"]["units"]) == ("ama_pra_category_1", "1.50")
    mail = physician.wait_for_mail(lambda message: "1.50 AMA PRA Category 1 Credit" in message["text"])
    assert "https://records.harbor-simulation.example/certificates" in mail["text"]
    (entry,) = physician.get("/v1/transcript")["entries"]
    assert [session["title"] for session in entry["sessions"]] == ["Bag and mask", "Front of neck"]
    assert entry["certificate"]["system"] == "Harbor Learning Record"
    with physician.browser() as browser:
        page = browser.get("/").text
    assert re.search(
        r'<a href="https://records\.harbor-simulation\.example/certificates"[^>]*>Harbor Learning Record</a>', page
    )


def test_the_mix_refuses_whom_and_what_its_pieces_refuse(town: Town, fifth: str) -> None:
    nurse = town.learner("nurse")
    claim = nurse.open_claim(fifth)
    steps = Steps(nurse, claim)
    assert steps.refusal("statement", credit_type="ama_pra_category_1") == "not_eligible"
    unlicensed = steps.send("statement")
    assert (problem(unlicensed), details(unlicensed)["fields"]) == ((409, "profile_incomplete"), "license_number")
    nurse.change_profile({"identifiers": {"license_number": "RN 204417"}})
    steps.take("statement")
    assert steps.refusal("participation", value="by_hearsay") == "option_unknown"
    assert steps.refusal("participation", method="badge_id", value="BOUGIE-7") == "method_not_offered"
    assert steps.refusal("participation", method="code", value="STYLET-7") == "identifier_not_found"
    steps.take("participation", method="code", value="BOUGIE-7")
    assert steps.refusal("attempt") == "step_not_required"
    assert steps.refusal("disclosures", version="2025-1") == "disclosures_outdated"
    assert nurse.claim(claim["id"])["stage"] == "awaiting_disclosures"


def test_the_mix_refuses_sessions_and_amounts_as_its_pieces_do(town: Town, fifth: str) -> None:
    nurse = town.learner("nurse", identifiers={"license_number": "RN 204417"})
    follower = Follower(nurse, nurse.open_claim(fifth), Knowledge(proofs={"code": "BOUGIE-7"}))
    steps = Steps(nurse, follower.follow(until="ready_to_claim"))
    assert steps.refusal("next_year") == "session_not_over"
    steps.take("session")
    steps.take("overlapped")
    overlap = steps.send("overlapping")
    assert (problem(overlap), details(overlap)["sessions"]) == ((409, "sessions_overlap"), "bag")
    assert steps.refusal("credit") == "evaluations_missing"
    steps.take("evaluation")
    assert steps.refusal("credit") == "evaluations_missing"
    steps.take("overlapped", responses={"useful": 1})
    over = steps.send("credit")
    assert (problem(over), details(over)["limit"]) == ((409, "credit_maximum"), "1.25")
    steps.take("session", units="0.25", responses=None)
    assert steps.refusal("credit", attested=False) == "attestation_required"
    assert steps.refusal("finalization") == "credit_missing"
    steps.take("credit")
    assert steps.refusal("finalization", confirmed=False) == "confirmation_required"
    steps.take("finalization")
    assert nurse.claim(follower.claim["id"])["award"]["units"] == "1.25"


def dated(text: str, today: date) -> str:
    """A definition moved back by whole years until its credit may be claimed."""
    policy = read_definition(text).policy
    opens_on = max(policy.starts_on, policy.claim_window.opens_on or policy.starts_on)
    years = max(0, opens_on.year - today.year + (opens_on.replace(year=today.year) > today))
    return re.sub(r"\b(20[0-9]{2})(?=-[0-9]{2}-[0-9]{2})", lambda found: str(int(found[1]) - years), text)


def enrolment(policy: CEActivityPolicy, person: Person) -> tuple[dict[str, str], bytes | None]:
    """What proves participation in each way that is not the learner's word, and the roster that makes it right."""
    participation = policy.participation
    proofs = {
        "badge_id": "FX-204417",
        "group_id": "SITE-7",
        "code": (participation and participation.code) or "",
        "roster": person.email,
    }
    methods = [method for method in (participation.methods if participation else ()) if method in proofs]
    columns = {"badge_id": "Badge ID", "group_id": "Group ID", "roster": "Email"}
    listed = [method for method in methods if method in columns]
    rows = (",".join(columns[method] for method in listed), ",".join(proofs[method] for method in listed))
    return {method: proofs[method] for method in methods}, "\n".join(rows).encode() if listed else None


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_leads_to_its_credit_by_its_policy_alone(
    path: Path, town: Town, office: Office, platform: Platform
) -> None:
    text = dated(own_example(path.stem), datetime.now(UTC).date())
    text = re.sub(r"(grading_seconds: )[0-9]+", rf"\g<1>{FAST_GRADING_SECONDS}", text)
    policy = read_definition(text).policy
    offer = policy.credit[0]
    person = town.learner(min(credit.rule_of(offer).professions), credentials="DNP", identifiers=IDENTIFIERS)
    slug = office.publish(text)
    proofs, roster = enrolment(policy, person)
    if roster is not None:
        assert office.enrol(slug, roster)["applied_count"] == 1
    knowledge = Knowledge(
        proofs=proofs,
        answers=right_answers(policy) if policy.post_test else {},
        complete=watching(platform, person, slug),
    )
    claim = Follower(person, person.open_claim(slug), knowledge).follow()
    assert (claim["stage"], claim["award"]["state"], claim["award"]["credit_type"]) == (
        "completed",
        "active",
        offer.credit_type,
    )
    assert Decimal(0) < Decimal(claim["award"]["units"]) <= offer.designated_units
    assert (claim["certificate"] is None) is not policy.certificate.is_here
