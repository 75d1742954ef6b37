"""What came with a claim, for staff: submissions, e-mails, notes."""

from typing import Any

from sqlalchemy import Engine, insert, text

from activities.claims import PostgresClaimActivities
from domain.identities import new_id
from domain.notices import NoticePurpose
from storage.tables import OutgoingEmailRow
from tests.api.conftest import Person
from tests.api.test_claim_over_http import awarded, issue, opened

WHY = {"reason": "Never came."}


def address(claim: dict[str, Any], end: str) -> str:
    return f"/v1/staff/claims/{claim['id']}/{end}"


def add_email(engine: Engine, claim: dict[str, Any], purpose: NoticePurpose, state: str) -> str:
    email_id = new_id("eml")
    row = {
        "id": email_id,
        "purpose": purpose,
        "subject_id": f"{claim['id']}:{new_id('occasion')}",
        "claim_id": claim["id"],
        "recipient": "",
        "state": state,
        "tries": 8,
    }
    with engine.begin() as connection:
        connection.execute(insert(OutgoingEmailRow).values(**row))
    return email_id


async def test_submissions_are_listed_newest_first_with_who_sent_them_and_what_became_of_them(
    learner: Person, coordinator: Person, slug: str
) -> None:
    claim = await opened(learner, slug)
    await coordinator.post(address(claim, "extend"), {"due_on": "2030-01-31", "reason": "Illness."})
    refused = await learner.post(f"{claim['href']}/attempts")
    assert refused.status_code == 409
    listed = (await coordinator.get(address(claim, "submissions"))).json()
    told = [(each["kind"], each["outcome"], each["actor"]["email"]) for each in listed["data"]]
    assert told == [
        ("attempt", "refused", learner.email),
        ("extension", "accepted", coordinator.email),
        ("opening", "accepted", learner.email),
    ]
    assert listed["data"][0]["code"] == "step_locked"
    first = (await coordinator.get(address(claim, "submissions?limit=2"))).json()
    rest = (await coordinator.get(address(claim, f"submissions?after={first['next']}"))).json()
    assert first["data"] + rest["data"] == listed["data"]


async def test_what_a_learner_answered_is_in_no_list(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities
) -> None:
    claim = await awarded(learner, slug, ledger)
    listed = await coordinator.get(address(claim, "submissions"))
    assert "evaluation" in {each["kind"] for each in listed.json()["data"]}
    assert not {"body", "answers", "responses"} & {name for each in listed.json()["data"] for name in each}


async def test_an_email_that_was_given_up_is_sent_once_more_and_that_is_entered(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    claim = await opened(learner, slug)
    email_id = add_email(engine, claim, NoticePurpose.DEADLINE_REMINDER, "failed")
    (listed,) = (await coordinator.get(address(claim, "emails"))).json()["data"]
    assert (listed["state"], listed["tries"], listed["resending"]) == ("failed", 8, "again")
    for _ in range(2):
        sent = await coordinator.post(f"{listed['href']}/resend", WHY, Idempotency_Key=email_id)
        assert (sent.status_code, sent.json()) == (200, {"email": email_id, "resending": "again"})
    (again,) = (await coordinator.get(address(claim, "emails"))).json()["data"]
    assert (again["state"], again["tries"], again["resending"]) == ("queued", 0, None)
    entries = (await coordinator.get(address(claim, "audit?limit=100"))).json()["data"]
    entered = [(each["reason"], each["after"]["email"]) for each in entries if each["event"] == "email.requeued"]
    assert entered == [("Never came.", email_id)]


async def test_an_email_that_is_on_its_way_is_not_sent_twice(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    claim = await opened(learner, slug)
    email_id = add_email(engine, claim, NoticePurpose.WINDOW_OPENED, "queued")
    refused = await coordinator.post(address(claim, f"emails/{email_id}/resend"), WHY)
    assert (refused.status_code, refused.json()["code"]) == (409, "email_not_resendable")
    elsewhere = await coordinator.post(address(claim, f"emails/{new_id('eml')}/resend"), WHY)
    assert elsewhere.status_code == 404


async def test_what_a_sent_email_announced_is_sent_as_a_link(
    learner: Person, coordinator: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await awarded(learner, slug, ledger)
    issue(engine, ledger, claim, b"%PDF-1.7 " + claim["id"].encode())
    with engine.begin() as connection:
        sent = "UPDATE outgoing_emails SET state = 'sent', sent_at = now() WHERE claim_id = :id AND purpose = 'award'"
        connection.execute(text(sent), {"id": claim["id"]})
    (email,) = (await coordinator.get(address(claim, "emails"))).json()["data"]
    resent = await coordinator.post(f"{email['href']}/resend", WHY)
    assert resent.json() == {"email": email["id"], "resending": "certificate_link"}
    states = {
        each["purpose"]: each["state"] for each in (await coordinator.get(address(claim, "emails"))).json()["data"]
    }
    assert states == {"certificate_link": "queued", "award": "sent"}


async def test_colleagues_read_notes_and_the_learner_does_not(
    learner: Person, coordinator: Person, administrator: Person, slug: str
) -> None:
    claim = await opened(learner, slug)
    for words in ("Telephoned.", "Sent the form."):
        written = await coordinator.post(address(claim, "notes"), {"text": words}, Idempotency_Key=words[:4])
        assert (written.status_code, written.json()["author"]["email"]) == (201, coordinator.email)
    again = await coordinator.post(address(claim, "notes"), {"text": "Telephoned."}, Idempotency_Key="Tele")
    assert again.headers["idempotent-replayed"] == "true"
    notes = (await administrator.get(address(claim, "notes"))).json()["data"]
    assert [each["text"] for each in notes] == ["Sent the form.", "Telephoned."]
    entries = (await administrator.get(address(claim, "audit?limit=100"))).json()["data"]
    assert [each["personal"] for each in entries if each["event"] == "note.added"] == [
        {"text": "Telephoned."},
        {"text": "Sent the form."},
    ]
    told = await learner.get(f"{claim['href']}/history?limit=100")
    assert "note" not in told.text
    assert (await learner.get(address(claim, "notes"))).status_code == 403


async def test_an_empty_note_is_refused(learner: Person, coordinator: Person, slug: str) -> None:
    claim = await opened(learner, slug)
    refused = await coordinator.post(address(claim, "notes"), {"text": "  "})
    assert refused.json()["errors"] == [{"pointer": "/text", "code": "text_empty"}]


async def test_nothing_is_noted_about_a_claim_whose_retention_has_ended(
    learner: Person, coordinator: Person, slug: str, engine: Engine
) -> None:
    claim = await opened(learner, slug)
    with engine.begin() as connection:
        connection.execute(text("UPDATE claims SET purged_at = now() WHERE id = :id"), {"id": claim["id"]})
    refused = await coordinator.post(address(claim, "notes"), {"text": "Late."})
    assert (refused.status_code, refused.json()["code"]) == (409, "retention_ended")
