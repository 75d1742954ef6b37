"""Who changed what of a profile is in the audit trail; what it was and is can be read only with the learner's key."""

from typing import Any

from sqlalchemy import Engine, text

from tests.api.conftest import Person
from tests.audit import entries_of


def changes(engine: Engine, person: Person) -> list[dict[str, Any]]:
    entries = entries_of(engine, f"learner:{person.learner_id}")
    told = [entry for entry in entries if entry["event"] == "profile.changed"]
    # The profile with which a person of these tests begins is Laurel's doing.
    return [entry for entry in told if entry["actor"] == person.account_id]


async def test_a_change_is_entered_once_with_what_was_before(learner: Person, engine: Engine) -> None:
    canary = "Canaryfield"
    change = {"family_name": canary, "time_zone": "Europe/Lisbon", "wants_reminders": False}
    response = await learner.call("PATCH", "/v1/me", {**change, "identifiers": {"npi": "1234567893"}})
    assert response.status_code == 200
    assert (await learner.call("PATCH", "/v1/me", change)).status_code == 200
    [entry] = changes(engine, learner)
    assert entry["request_id"] == response.headers["x-request-id"]
    before, after = entry["private"]["before"], entry["private"]["after"]
    assert (before["npi"], before["family_name"] in (None, canary)) == (None, False)
    assert after == {"family_name": canary, "npi": "1234567893"}
    with engine.connect() as connection:
        stream = {"stream": f"learner:{learner.learner_id}"}
        bodies = connection.execute(text("SELECT body FROM audit_events WHERE stream = :stream"), stream).scalars()
        stored = b"".join(bytes(body) for body in bodies)
    assert not [word for word in (canary, "Lisbon", "1234567893", learner.email) if word.encode() in stored]


async def test_an_entry_names_the_fields_and_says_in_the_clear_only_what_tells_nothing_of_a_person(
    learner: Person, engine: Engine
) -> None:
    await learner.call("PATCH", "/v1/me", {"wants_reminders": False})
    await learner.call("PATCH", "/v1/me", {"time_zone": "Europe/Lisbon"})
    first, second = changes(engine, learner)
    assert (first["before"], first["after"]) == (
        {"wants_reminders": True},
        {"wants_reminders": False, "fields": ["wants_reminders"]},
    )
    assert (second["after"], "private" in second) == ({"fields": ["time_zone"]}, False)


async def test_an_account_begins_with_an_entry_whose_address_is_sealed(learner: Person, engine: Engine) -> None:
    [opened] = [
        entry for entry in entries_of(engine, f"learner:{learner.learner_id}") if entry["event"] == "account.opened"
    ]
    assert (opened["before"], opened["after"]) == ({"role": None}, {"account": learner.account_id, "role": "learner"})
    assert (opened["email"], opened["actor"]) == (learner.email, learner.account_id)


async def test_the_language_of_an_account_is_one_that_there_is(learner: Person) -> None:
    assert (await learner.get("/v1/me")).json()["language"] is None
    changed = await learner.call("PATCH", "/v1/me", {"language": "es"})
    assert changed.json()["language"] == "es"
    unknown = await learner.call("PATCH", "/v1/me", {"language": "tlh"})
    assert (unknown.status_code, unknown.json()["errors"]) == (
        422,
        [{"pointer": "/language", "code": "language_unknown"}],
    )
