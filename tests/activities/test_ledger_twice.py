"""Every activity may run twice, or on two workers at once, with one effect."""

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from activities.contract import AttentionChange, ClaimRef, ClaimState, ClaimStep, OperatorAct
from domain.claims import Attention, Stage
from domain.identities import derived_id, new_id
from domain.policy import ClaimWindow
from domain.reasons import HoldReason
from domain.submissions import AttemptStarted, ClaimHeld, SubmissionKind
from tests.activities.conftest import CountedRender
from tests.claims import KeptMail, TestClaim
from worker import Activities

NewClaim = Callable[..., TestClaim]
Run = Callable[[], Any]

AN_HOUR = timedelta(hours=1)


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - AN_HOUR


def step(claim: TestClaim, at: datetime | None = None) -> ClaimStep:
    return ClaimStep(claim.claim_id, at or datetime.now(UTC))


def brought_to(claim: TestClaim, activities: Activities, stage: Stage, opened_at: datetime | None = None) -> TestClaim:
    """Take a claim to a stage by ledger writes alone."""
    opened_at = opened_at or an_hour_ago()
    claim.receive_steps(stage, opened_at)
    activities.claims.load_claim(step(claim))
    activities.claims.grade_attempt(step(claim))
    return claim


def opening(new_claim: NewClaim, activities: Activities) -> tuple[TestClaim, Run]:
    claim = new_claim()
    claim.receive(claim.opening())
    return claim, lambda: activities.claims.load_claim(step(claim))


def deciding(new_claim: NewClaim, activities: Activities) -> tuple[TestClaim, Run]:
    claim = brought_to(new_claim(), activities, Stage.VERIFYING_PARTICIPATION)
    claim.receive(claim.participation())
    return claim, lambda: activities.claims.decide_submissions(step(claim))


def awarding(new_claim: NewClaim, activities: Activities) -> tuple[TestClaim, Run]:
    claim = brought_to(new_claim(), activities, Stage.READY_TO_CLAIM)
    claim.receive(claim.credit())
    return claim, lambda: activities.claims.decide_submissions(step(claim))


def grading(new_claim: NewClaim, activities: Activities) -> tuple[TestClaim, Run]:
    claim = brought_to(new_claim(grading_seconds=30), activities, Stage.AWAITING_TEST)
    now = datetime.now(UTC)
    claim.receive(AttemptStarted(), now - timedelta(seconds=1))
    claim.receive(claim.answers(), now)
    activities.claims.decide_submissions(step(claim))
    return claim, lambda: activities.claims.grade_attempt(step(claim, now + timedelta(seconds=30)))


def opening_the_window(new_claim: NewClaim, activities: Activities) -> tuple[TestClaim, Run]:
    next_week = datetime.now(UTC) + timedelta(days=9)
    claim = new_claim(claim_window=ClaimWindow(opens_on=(next_week - timedelta(days=2)).date()))
    brought_to(claim, activities, Stage.READY_TO_CLAIM)
    return claim, lambda: activities.claims.open_window(step(claim, next_week))


def expiring(new_claim: NewClaim, activities: Activities) -> tuple[TestClaim, Run]:
    claim = brought_to(new_claim(claim_window=ClaimWindow(days=3)), activities, Stage.AWAITING_TEST)
    return claim, lambda: activities.claims.expire_claim(step(claim, datetime.now(UTC) + timedelta(days=9)))


def parking(new_claim: NewClaim, activities: Activities) -> tuple[TestClaim, Run]:
    claim = brought_to(new_claim(), activities, Stage.COMPLETED)
    change = AttentionChange(claim.claim_id, "run", 1, Attention.EMAIL_FAILED, "SMTPServerDisconnected")
    return claim, lambda: activities.claims.record_attention(change)


def operator_act(claim: TestClaim, **changes: Any) -> OperatorAct:
    values = {"operator": "j.doe", "reason": "illness", "due_on": "2029-01-31"} | changes
    submission_id = derived_id("sub", claim.claim_id, "typed")
    return OperatorAct(claim.claim_id, submission_id, SubmissionKind.EXTENSION, **values)


def acting(new_claim: NewClaim, activities: Activities) -> tuple[TestClaim, Run]:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_TEST)
    return claim, lambda: activities.claims.record_operator_act(operator_act(claim))


def acting_badly(new_claim: NewClaim, activities: Activities) -> tuple[TestClaim, Run]:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_TEST)
    return claim, lambda: activities.claims.record_operator_act(operator_act(claim, due_on="tomorrow"))


def issuing(new_claim: NewClaim, activities: Activities) -> tuple[TestClaim, Run]:
    claim = brought_to(new_claim(), activities, Stage.COMPLETED)
    return claim, lambda: activities.certificates.issue_certificate(ClaimRef(claim.claim_id))


def mailing(new_claim: NewClaim, activities: Activities) -> tuple[TestClaim, Run]:
    claim = brought_to(new_claim(), activities, Stage.COMPLETED)
    activities.certificates.issue_certificate(ClaimRef(claim.claim_id))
    return claim, lambda: activities.mail.send_award_email(ClaimRef(claim.claim_id))


SCENES = (
    opening,
    deciding,
    awarding,
    grading,
    opening_the_window,
    expiring,
    parking,
    acting,
    acting_badly,
    issuing,
    mailing,
)


@dataclass(frozen=True)
class Effect:
    """What a scene leaves behind, apart from ids and times."""

    events: list[str]
    stage: str
    counts: dict[str, int]

    @classmethod
    def of(cls, claim: TestClaim) -> "Effect":
        tables = ("awards", "award_lines", "certificates", "outgoing_emails", "attempts", "submissions", "documents")
        return cls(claim.events(), claim.row()["stage"], {table: claim.count(table) for table in tables})


def run_together(run: Run, times: int = 2) -> list[Any]:
    """Run in several threads that start at the same moment; raises what any of them raises."""
    start = threading.Barrier(times)

    def run_at_start() -> Any:
        start.wait(timeout=10)
        return run()

    with ThreadPoolExecutor(times) as pool:
        return [future.result(timeout=30) for future in [pool.submit(run_at_start) for _ in range(times)]]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_an_activity_that_runs_twice_or_in_two_places_at_once_has_one_effect(
    new_claim: NewClaim, activities: Activities, scene: Callable[..., tuple[TestClaim, Run]]
) -> None:
    once, run_once = scene(new_claim, activities)
    before = len(once.events())
    run_once()
    expected = Effect.of(once)
    assert len(expected.events) > before, "the scene does something"

    twice, run_twice = scene(new_claim, activities)
    assert run_twice() == run_twice()
    assert Effect.of(twice) == expected

    together, run = scene(new_claim, activities)
    assert len({str(state) for state in run_together(run)}) == 1
    assert Effect.of(together) == expected
    for claim in (once, twice, together):
        claim.assert_audited()


def test_an_e_mail_that_is_sent_twice_has_one_message_id(
    new_claim: NewClaim, activities: Activities, mail: KeptMail
) -> None:
    claim, run = mailing(new_claim, activities)
    run_together(run)
    run()
    messages = mail.to(claim.email)
    assert messages
    assert len({message["Message-ID"] for message in messages}) == 1
    assert len({message.as_bytes() for message in messages}) == 1
    assert claim.row()["stage"] == Stage.COMPLETED


def test_a_certificate_that_is_rendered_twice_keeps_its_first_bytes(
    new_claim: NewClaim, activities: Activities, engine: Engine, render: CountedRender
) -> None:
    claim, run = issuing(new_claim, activities)
    rendered_before = len(render.contents)
    run_together(run)
    run()
    ours = [hashlib.sha256(content).digest() for content in render.contents[rendered_before:]]
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM documents WHERE sha256 = ANY(:ours)")
        assert connection.execute(query, {"ours": ours}).scalar_one() == 1
    assert claim.events().count("certificate.issued") == 1


def test_a_write_that_waited_for_another_answers_with_what_that_one_left(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = brought_to(new_claim(grading_seconds=30), activities, Stage.AWAITING_TEST)
    now = datetime.now(UTC)
    claim.receive(AttemptStarted(), now - timedelta(seconds=1))
    claim.receive(claim.answers(), now)
    with ThreadPoolExecutor(1) as pool:
        with activities.claims.ledger(claim.claim_id) as ledger:
            ledger.decide_all()
            first = ledger.close()
            second = pool.submit(activities.claims.load_claim, step(claim))
            wait_for_a_lock(engine, claim)
        assert second.result(timeout=10) == first
    assert first.stage is Stage.GRADING
    assert first.wakes_at == now + timedelta(seconds=30)


def wait_for_a_lock(engine: Engine, claim: TestClaim) -> None:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'")
    for _ in range(3_000):
        with engine.connect() as connection:
            if connection.execute(query).scalar_one():
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits for the claim")


def test_a_hold_that_a_restored_record_brought_back_is_ended_by_nobody_but_staff(
    new_claim: NewClaim, activities: Activities
) -> None:
    claim = brought_to(new_claim(), activities, Stage.AWAITING_TEST)
    claim.receive(ClaimHeld(HoldReason.IDENTITY_CHECK, "Is she she?"), actor="acc_staff")
    activities.claims.decide_submissions(step(claim))
    going_on = AttentionChange(claim.claim_id, "run", 1, attention=None, error=None)
    assert activities.claims.record_attention(going_on).attention_code is Attention.ON_HOLD
    assert "claim.continued" not in claim.events()


def test_the_state_of_a_claim_grows_with_its_audit_trail(new_claim: NewClaim, activities: Activities) -> None:
    claim, run = deciding(new_claim, activities)
    state: ClaimState = run()
    assert state.version == len(claim.events())
    assert state.stage is Stage.AWAITING_TEST
    assert state.due_at == claim.row()["due_at"]


def test_a_claim_that_the_record_does_not_know_is_named_as_such(activities: Activities) -> None:
    with pytest.raises(Exception, match=r"^ClaimNotInLedger: ClaimNotInLedger$"):
        activities.claims.load_claim(ClaimStep(new_id("clm"), datetime.now(UTC)))


@pytest.mark.parametrize("due_on", ["2029-02-30", "", "next week", "2029-01-31T00:00:00Z", "0000-00-00"])
def test_a_typed_extension_needs_a_date(new_claim: NewClaim, activities: Activities, due_on: str) -> None:
    claim, _ = acting(new_claim, activities)
    activities.claims.record_operator_act(operator_act(claim, due_on=due_on))
    assert claim.events()[-1] == "extension.refused"
    assert date(2028, 10, 1) >= claim.row()["due_at"].date()
