"""What an office does about a certificate afterwards, on the whole stack: each code goes on being answered."""

import hashlib
import io
import time

import httpx2
import pypdf

from cli.learner import Json
from tests.e2e.office import Office, problem
from tests.e2e.people import Person, Town


def corrected(office: Office, claim: Json, act: str, body: Json) -> Json:
    """Ask for a correction, and wait until it is complete."""
    answer = office.send("POST", f"/v1/staff/claims/{claim['id']}/{act}", body)
    assert answer.status_code == 200, answer.text
    document = dict(answer.json())
    for _ in range(1_200):
        if document["state"] == "completed":
            return document
        time.sleep(0.05)
        document = office.get(document["href"])
    raise AssertionError(document["state"])


def answered(person: Person, certificate: Json) -> Json:
    """What anyone is told about a certificate's code."""
    with httpx2.Client(base_url=person.stack.urls["api"]) as anyone:
        return dict(anyone.get(f"/v1/certificates/{certificate['verification_code']}").json())


def test_a_certificate_is_renamed_revoked_and_reissued_and_every_code_is_answered(town: Town, office: Office) -> None:
    person = town.learner(credentials="MD")
    claim = person.complete()
    first = claim["certificate"]
    path = f"/v1/staff/claims/{claim['id']}"
    bytes_before = hashlib.sha256(person.certificate(claim["id"])).hexdigest()

    corrected(office, claim, "correct", {"family_name": "Moreau-Lind", "reason": "Married."})
    second = person.claim(claim["id"])["certificate"]
    page = " ".join(pypdf.PdfReader(io.BytesIO(person.certificate(claim["id"]))).pages[0].extract_text().split())
    assert "Alice Moreau-Lind" in page
    assert (second["version"], answered(person, second)["status"]) == (2, "valid")
    assert answered(person, first)["status"] == "superseded"
    assert person.get("/v1/me")["family_name"] == "Moreau-Lind"

    corrected(office, claim, "revoke", {"reason_class": "participation_not_verified", "reason": "No badge."})
    assert [answered(person, each)["status"] for each in (first, second)] == ["revoked", "revoked"]
    assert person.get("/v1/transcript")["entries"] == []
    assert problem(person.send("GET", f"{claim['href']}/certificate")) == (410, "certificate_revoked")
    mail = person.wait_for_mail(lambda message: "was revoked" in message["subject"])
    assert "Participation could not be verified." in mail["text"]
    refused = office.send("POST", f"{path}/correct", {"units": "0.50", "reason": "Half."})
    assert problem(refused) == (409, "no_active_award")

    corrected(office, claim, "reissue", {"reason": "The badge was found."})
    third = person.claim(claim["id"])["certificate"]
    assert (third["version"], answered(person, third)["status"]) == (3, "valid")
    assert answered(person, first)["status"] != "valid"
    (entry,) = person.get("/v1/transcript")["entries"]
    assert entry["units"] == claim["award"]["units"]
    assert len(person.award_mails()) == 3
    assert hashlib.sha256(person.certificate(claim["id"])).hexdigest() != bytes_before
    states = [(each["kind"], each["state"]) for each in office.get(f"{path}/corrections")["data"]]
    assert states == [
        ("reissue", "completed"),
        ("credit", "refused"),
        ("revocation", "completed"),
        ("name", "completed"),
    ]
