"""What the office is told of claims that do not go on by themselves, and of e-mails that do not arrive."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import Engine, insert, text
from temporalio.client import Client

from activities.claims import PostgresClaimActivities
from activities.contract import ISSUANCE_PAUSED, AttentionChange, ClaimStep, CorrectionAttention
from activities.corrections import PostgresCorrectionActivities
from api.stuck_words import CAUSE_WORDS, STUCK_WORDS, error_words
from domain.claims import Attention, Stage
from domain.corrections import CorrectionState, Reissue
from domain.identities import new_id
from domain.stuck import LATENESS, StuckCause, StuckReason
from storage.tables import OutgoingEmailRow, SubmissionRow
from tests.api.conftest import Person
from tests.api.records import add_claim, add_learner
from tests.claims import TestClaim, example_policy
from tests.corrections import asked

# Longer ago than anything that other tests leave behind, so that these are the oldest of their groups.
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


async def group(person: Person, reason: str) -> dict[str, Any]:
    response = await person.get("/v1/staff/claims/stuck")
    assert response.status_code == 200
    return next((each for each in response.json()["data"] if each["reason"] == reason), {"oldest": []})


async def ids(person: Person, reason: str) -> set[str]:
    return {each["id"] for each in (await group(person, reason))["oldest"]}


def add_email(engine: Engine, claim_id: str | None, **values: Any) -> str:
    email_id = new_id("eml")
    row = {
        "id": email_id,
        "purpose": "deadline_reminder",
        "subject_id": new_id("x"),
        "claim_id": claim_id,
        "recipient": "",
        "state": "failed",
        "tries": 3,
        "last_error": "ConnectionRefusedError",
        "created_at": LONG_AGO,
    }
    with engine.begin() as connection:
        connection.execute(insert(OutgoingEmailRow).values(**(row | values)))
    return email_id


def test_every_reason_has_words_and_every_attention_code_a_suggestion() -> None:
    assert STUCK_WORDS.keys() == set(StuckReason)
    assert CAUSE_WORDS.keys() == set(StuckCause)
    every = [*STUCK_WORDS.values(), *CAUSE_WORDS.values()]
    assert all(each.title and each.meaning and each.suggestion for each in every)
    assert len({each.suggestion for reason, each in STUCK_WORDS.items() if str(reason) in set(Attention)}) == len(
        Attention
    )


def test_an_error_that_nobody_foresaw_is_named_as_one() -> None:
    assert error_words("TimeoutError") == "It took too long"
    assert error_words("KeyError").startswith("A defect in Laurel")
    assert "log" in error_words("NobodyForesawThisError")


def test_a_pause_is_no_error_that_nobody_foresaw() -> None:
    assert error_words(ISSUANCE_PAUSED) == "Issuance is paused"


@pytest.mark.parametrize(
    ("reason", "values"),
    [
        ("email_failed", {"stage": "issuing", "attention": "email_failed", "stage_since_at": LONG_AGO}),
        (
            "on_hold",
            {
                "stage": "awaiting_test",
                "attention": "on_hold",
                "held_at": LONG_AGO,
                "held_by": "operator:ada",
                "hold_reason": "identity_check",
            },
        ),
        ("issuance_paused", {"stage": "issuing", "attention": "issuance_paused", "stage_since_at": LONG_AGO}),
        ("grading_overdue", {"stage": "grading", "wakes_at": LONG_AGO}),
        ("opening_overdue", {"stage": "awaiting_window", "wakes_at": LONG_AGO}),
        ("closing_overdue", {"stage": "awaiting_evaluation", "due_at": LONG_AGO}),
        ("email_overdue", {"stage": "issuing", "stage_since_at": LONG_AGO}),
    ],
)
async def test_a_claim_is_stuck_for_its_reason_and_no_other(
    reason: str, values: dict[str, Any], coordinator: Person, engine: Engine, slug: str
) -> None:
    claim = add_claim(engine, add_learner(engine), slug, **values)
    found = await group(coordinator, reason)
    [shown] = [each for each in found["oldest"] if each["id"] == claim]
    assert shown["since"].startswith("2001-01-01")
    assert found["since"].startswith("2001-01-01")
    assert found["claims"] >= 1
    assert found["suggested_action"] == {"email_failed": "retry", "on_hold": "release"}.get(reason)
    # The stand-in for Temporal tells nothing, which is why Laurel is late; what waits for people has no such cause.
    cause = found["cause"] and found["cause"]["code"]
    assert cause == ("temporal_away" if StuckReason(reason) in LATENESS else None)
    assert (found["suggestion"] == CAUSE_WORDS[StuckCause.TEMPORAL_AWAY].suggestion) is (cause is not None)
    others = set(StuckReason) - {reason}
    assert not [other for other in others if claim in await ids(coordinator, other)]
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE claims SET attention = NULL, held_at = NULL, stage = 'completed' WHERE id = :id"),
            {"id": claim},
        )
    assert claim not in await ids(coordinator, reason)


async def test_what_is_late_by_a_moment_only_is_nobodys_concern(coordinator: Person, engine: Engine, slug: str) -> None:
    just_now = datetime.now(UTC) - timedelta(seconds=20)
    claim = add_claim(engine, add_learner(engine), slug, stage="grading", wakes_at=just_now)
    assert claim not in await ids(coordinator, "grading_overdue")


async def test_a_claim_that_was_parked_tells_the_error_in_plain_words(
    coordinator: Person, engine: Engine, ledger: PostgresClaimActivities
) -> None:
    parked = TestClaim(engine, cast(Client, None), example_policy())
    parked.receive_steps(Stage.COMPLETED, datetime.now(UTC) - timedelta(hours=1))
    step, claim = ClaimStep(parked.claim_id, datetime.now(UTC)), parked.claim_id
    ledger.load_claim(step)
    ledger.grade_attempt(step)
    change = AttentionChange(claim, new_id("run"), 1, attention=Attention.CERTIFICATE_FAILED, error="RenderTimeout")
    ledger.record_attention(change)
    with engine.begin() as connection:
        connection.execute(text("UPDATE claims SET stage_since_at = :at WHERE id = :id"), {"at": LONG_AGO, "id": claim})
    [shown] = [each for each in (await group(coordinator, "certificate_failed"))["oldest"] if each["id"] == claim]
    assert shown["last_error"] == {"code": "RenderTimeout", "words": "Making the certificate took too long"}
    hours = (datetime.fromisoformat(shown["next_try_at"]) - datetime.now(UTC)) / timedelta(hours=1)
    assert 5.9 < hours < 6


async def test_a_parked_correction_is_listed_under_its_claim_by_its_own_id(
    coordinator: Person, engine: Engine, ledger: PostgresClaimActivities, corrections: PostgresCorrectionActivities
) -> None:
    claim = TestClaim(engine, cast(Client, None), example_policy())
    claim.receive_steps(Stage.COMPLETED, datetime.now(UTC) - timedelta(hours=1))
    step = ClaimStep(claim.claim_id, datetime.now(UTC))
    ledger.load_claim(step)
    ledger.grade_attempt(step)
    ref = asked(claim, Reissue(), CorrectionState.APPLIED, at=LONG_AGO)
    parked = CorrectionAttention(
        ref.correction_id, new_id("run"), 1, attention=Attention.CERTIFICATE_FAILED, error="RenderTimeout"
    )
    corrections.record_correction_attention(parked)
    reason = "correction_certificate_failed"
    [shown] = [each for each in (await group(coordinator, reason))["oldest"] if each["id"] == claim.claim_id]
    assert (shown["correction"], shown["last_error"]["code"]) == (ref.correction_id, "RenderTimeout")
    assert shown["since"].startswith("2001-01-01")
    page = (
        await coordinator.client.get("/staff/stuck", headers={"Cookie": f"laurel_session={coordinator.token}"})
    ).text
    assert ref.correction_id in page
    assert 'href="/staff/corrections">Corrections</a>' in page
    corrections.record_correction_attention(CorrectionAttention(ref.correction_id, new_id("run"), 2, attention=None))
    assert claim.claim_id not in await ids(coordinator, reason)


async def test_a_step_that_nobody_decides_is_stuck_unless_its_claim_is_held(
    coordinator: Person, engine: Engine, slug: str
) -> None:
    learner_id = add_learner(engine)
    claim = add_claim(engine, learner_id, slug, stage="awaiting_test")
    row = {
        "id": new_id("sub"),
        "claim_id": claim,
        "learner_id": learner_id,
        "actor": "acc_x",
        "kind": "withdrawal",
        "body": {},
        "received_at": LONG_AGO,
        "deliver_after": datetime(2100, 1, 1, tzinfo=UTC),
        "deliveries": 7,
    }
    with engine.begin() as connection:
        connection.execute(insert(SubmissionRow).values(**row))
    found = await group(coordinator, "submission_undecided")
    [shown] = [each for each in found["oldest"] if each["id"] == claim]
    assert (shown["tries"], found["suggested_action"]) == (7, None)
    held = "UPDATE claims SET attention = 'on_hold', held_at = now(), held_by = 'x', hold_reason = 'x' WHERE id = :id"
    with engine.begin() as connection:
        connection.execute(text(held), {"id": claim})
    assert claim not in await ids(coordinator, "submission_undecided")
    with engine.begin() as connection:
        connection.execute(text("UPDATE claims SET attention = NULL, held_at = NULL WHERE id = :id"), {"id": claim})
        connection.execute(
            text("UPDATE submissions SET decided_at = now(), outcome = 'accepted' WHERE id = :id"), {"id": row["id"]}
        )


async def test_a_failing_notice_names_its_claim_and_its_error_and_nobodys_address(
    coordinator: Person, engine: Engine, slug: str
) -> None:
    claim = add_claim(engine, add_learner(engine), slug)
    email = add_email(engine, claim, recipient="ada@people.example")
    response = await coordinator.get("/v1/staff/emails?state=failing&limit=100")
    [shown] = [each for each in response.json()["data"] if each["id"] == email]
    assert (shown["claim"], shown["tries"], shown["can_retry"]) == (claim, 3, True)
    assert shown["last_error"]["words"] == "The mail server does not answer"
    assert "ada@people.example" not in response.text
    assert claim in await ids(coordinator, "notice_failed")


async def test_an_e_mail_is_sent_once_more_with_one_entry_however_often_the_form_is_sent(
    coordinator: Person, engine: Engine, slug: str
) -> None:
    claim = add_claim(engine, add_learner(engine), slug)
    email = add_email(engine, claim)
    path = f"/v1/staff/emails/{email}/retry"
    answers = [await coordinator.post(path, {"reason": "Repaired."}, idempotency_key="r") for _ in range(2)]
    assert [each.json() for each in answers] == [{"email": email}] * 2
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT state, tries, send_after <= now() AS is_due FROM outgoing_emails WHERE id = :id"),
            {"id": email},
        ).one()
        events = connection.execute(
            text("SELECT audit_event(body) FROM audit_events WHERE stream = :stream"), {"stream": f"claim:{claim}"}
        )
        assert events.scalars().all() == ["email.requeued"]
    assert tuple(row) == ("queued", 0, True)
    with engine.begin() as connection:
        connection.execute(text("UPDATE outgoing_emails SET state = 'sent' WHERE id = :id"), {"id": email})


async def test_an_e_mail_about_no_claim_is_sent_once_more_too(coordinator: Person, engine: Engine) -> None:
    email = add_email(engine, None, purpose="audit_checkpoint")
    response = await coordinator.post(f"/v1/staff/emails/{email}/retry", {"reason": "Repaired."})
    assert response.status_code == 200
    with engine.begin() as connection:
        connection.execute(text("UPDATE outgoing_emails SET state = 'dropped' WHERE id = :id"), {"id": email})


@pytest.mark.parametrize(
    "values",
    [{"purpose": "award"}, {"purpose": "sign_in_link"}, {"state": "sent"}, {"state": "sending"}, {"state": "dropped"}],
)
async def test_what_is_on_its_way_or_is_not_the_outboxes_is_not_sent_once_more(
    values: dict[str, str], coordinator: Person, engine: Engine
) -> None:
    email = add_email(engine, None, **values)
    response = await coordinator.post(f"/v1/staff/emails/{email}/retry", {"reason": "Repaired."})
    assert (response.status_code, response.json()["code"]) == (409, "email_not_resendable")


@pytest.mark.parametrize("email", [pytest.param(new_id("eml"), id="unknown"), "eml_x", "clm"])
async def test_an_e_mail_that_is_not_there_is_not_found(email: str, coordinator: Person) -> None:
    response = await coordinator.post(f"/v1/staff/emails/{email}/retry", {"reason": "Repaired."})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_failing_e_mails_are_paged_oldest_first(coordinator: Person, engine: Engine) -> None:
    added = [
        add_email(engine, None, purpose="audit_checkpoint", created_at=LONG_AGO - timedelta(days=9 - number))
        for number in range(3)
    ]
    first = (await coordinator.get("/v1/staff/emails?limit=2")).json()
    assert [each["id"] for each in first["data"]] == added[:2]
    second = (await coordinator.get(f"/v1/staff/emails?limit=1&after={first['next']}")).json()
    assert [each["id"] for each in second["data"]] == added[2:]
    with engine.begin() as connection:
        connection.execute(text("UPDATE outgoing_emails SET state = 'dropped' WHERE id = ANY(:ids)"), {"ids": added})
