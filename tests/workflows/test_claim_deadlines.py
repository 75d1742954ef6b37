"""Deadlines: timeliness is the time of receipt, and the timer only closes what nobody continues."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from temporalio import activity
from temporalio.api.enums.v1 import EventType

from activities.ledger import ClaimLedger
from activities.mail import Postman
from config.settings import Settings
from domain.claims import Stage
from domain.deadlines import end_of_day, expires_at
from domain.policy import ClaimWindow
from domain.refusals import RefusalCode
from domain.stuck import LATE_AFTER, StuckReason
from domain.submissions import AttemptStarted, DeadlineExtended, SubmissionBody, Withdrawal
from tests.claims import KeptMail, TestClaim
from tests.workflows.conftest import Forward, Workers
from worker import Activities
from workflows import contract
from workflows.contract import OperatorSignal

NewClaim = Callable[..., TestClaim]
pytestmark = pytest.mark.usefixtures("workers")

MICROSECOND = timedelta(microseconds=1)
A_MONTH = ClaimWindow(days=30)
ZONE = "America/Chicago"
LATER_ON = datetime.now(UTC).date() + timedelta(days=90)

# Each stage that waits for the learner, with the step that it waits for.
STEPS: dict[Stage, Callable[[TestClaim], SubmissionBody]] = {
    Stage.VERIFYING_PARTICIPATION: lambda claim: claim.participation(),
    Stage.AWAITING_TEST: lambda _: AttemptStarted(),
    Stage.AWAITING_EVALUATION: lambda claim: claim.evaluation(),
    Stage.READY_TO_CLAIM: lambda claim: claim.credit(),
}


def due_at(claim: TestClaim) -> datetime:
    due: datetime = claim.row()["due_at"]
    return due


def timer_of(claim: TestClaim, due: datetime) -> datetime:
    return expires_at(due, claim.claim_id, contract.DEADLINE_GRACE, contract.DEADLINE_JITTER)


def test_a_claim_counts_as_late_only_after_the_last_moment_at_which_its_timer_may_fire() -> None:
    assert LATE_AFTER[StuckReason.CLOSING_OVERDUE] > contract.DEADLINE_GRACE + contract.DEADLINE_JITTER


async def expired(claim: TestClaim, forward: Forward) -> None:
    await forward(claim, timer_of(claim, due_at(claim)) + timedelta(seconds=30))
    await claim.reaches(Stage.EXPIRED)


@pytest.mark.parametrize("stage", STEPS)
async def test_a_step_received_at_the_last_microsecond_counts(new_claim: NewClaim, stage: Stage) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.brought_to(stage)
    result = await claim.submit(STEPS[stage](claim), due_at(claim))
    assert result["outcome"] == "accepted"


@pytest.mark.parametrize("stage", STEPS)
async def test_a_step_received_a_microsecond_late_is_refused_although_the_timer_has_not_fired(
    new_claim: NewClaim, stage: Stage
) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.brought_to(stage)
    due = due_at(claim)
    result = await claim.submit(STEPS[stage](claim), due + MICROSECOND)
    assert result["refusal"] == RefusalCode.DEADLINE_PASSED
    assert result["details"] == {"due_at": due.isoformat()}
    assert claim.row()["stage"] == stage
    assert claim.entries()[-1]["after"]["refusal"] == RefusalCode.DEADLINE_PASSED


async def test_the_deadline_is_the_end_of_the_local_day_in_the_zone_of_the_ce_activity(new_claim: NewClaim) -> None:
    claim = new_claim(claim_window=A_MONTH)
    # 03:00 UTC is the evening before in Chicago, so the thirty days count from the second of January.
    await claim.deliver(claim.receive(claim.opening(), datetime(2027, 1, 3, 3, tzinfo=UTC)))
    await claim.reaches(Stage.VERIFYING_PARTICIPATION)
    assert due_at(claim) == datetime(2027, 2, 2, 5, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize("stage", STEPS)
async def test_a_claim_that_waits_for_its_learner_expires_after_grace_and_jitter(
    new_claim: NewClaim, forward: Forward, stage: Stage
) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.brought_to(stage)
    due = due_at(claim)
    await forward(claim, due + timedelta(seconds=50))
    assert claim.row()["stage"] == stage
    await expired(claim, forward)
    assert (await claim.handle.result())["stage"] == Stage.EXPIRED
    row = claim.row()
    assert timer_of(claim, due) <= row["closed_at"] <= timer_of(claim, due) + timedelta(minutes=1)
    assert claim.entries()[-1]["event"] == "claim.expired"
    assert claim.awards() == []
    claim.assert_audited()


async def test_a_step_received_in_time_and_delivered_after_the_expiry_reopens_the_claim(
    new_claim: NewClaim, forward: Forward
) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.brought_to(Stage.READY_TO_CLAIM)
    await expired(claim, forward)
    await claim.handle.result()
    result = await claim.submit(claim.credit(), due_at(claim))
    assert result["outcome"] == "accepted"
    await claim.reaches(Stage.COMPLETED)
    claim.assert_awarded_once()


async def test_a_reopened_claim_whose_next_step_is_overdue_expires_again(new_claim: NewClaim, forward: Forward) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.brought_to(Stage.AWAITING_EVALUATION)
    await expired(claim, forward)
    await claim.handle.result()
    assert (await claim.submit(claim.evaluation(), due_at(claim)))["outcome"] == "accepted"
    await forward(claim, timer_of(claim, due_at(claim)) + timedelta(seconds=30))
    assert (await claim.handle.result())["stage"] == Stage.EXPIRED
    assert claim.events().count("claim.expired") == 2
    claim.assert_audited()


async def test_answers_received_in_time_and_found_by_the_deadline_timer_are_graded_and_then_the_claim_expires(
    new_claim: NewClaim, forward: Forward
) -> None:
    claim = new_claim(claim_window=A_MONTH, grading_seconds=30)
    await claim.brought_to(Stage.AWAITING_TEST)
    await claim.submit(AttemptStarted())
    # Committed, but its delivery is lost: the deadline's timer is the first to look.
    claim.receive(claim.answers(), due_at(claim))
    await expired(claim, forward)
    assert (await claim.handle.result())["stage"] == Stage.EXPIRED
    assert claim.attempts()[0]["has_passed"] is True
    assert claim.events()[-2:] == ["attempt.graded", "claim.expired"]
    claim.assert_audited()


async def test_grading_in_progress_across_the_deadline_is_finished_first(new_claim: NewClaim, forward: Forward) -> None:
    claim = new_claim(claim_window=A_MONTH, grading_seconds=3600)
    await claim.brought_to(Stage.AWAITING_TEST)
    due = due_at(claim)
    await claim.submit(AttemptStarted())
    await claim.submit(claim.answers(), due)
    # The deadline's own timer has fired by then.
    await forward(claim, due + timedelta(minutes=32))
    assert claim.row()["stage"] == Stage.GRADING
    await forward(claim, due + timedelta(minutes=61))
    await claim.reaches(Stage.EXPIRED)
    [graded, expiry] = claim.entries()[-2:]
    assert graded["event"] == "attempt.graded"
    assert graded["after"]["stage"] == Stage.AWAITING_EVALUATION
    assert expiry["before"]["stage"] == Stage.AWAITING_EVALUATION


async def test_a_worker_that_was_down_across_the_deadline_counts_what_came_in_time_and_no_more(
    new_claim: NewClaim, forward: Forward, workers: Workers
) -> None:
    punctual, late = new_claim(claim_window=A_MONTH), new_claim(claim_window=A_MONTH)
    for claim in (punctual, late):
        await claim.brought_to(Stage.READY_TO_CLAIM)
    async with workers.away():
        in_time = punctual.receive(punctual.credit(), due_at(punctual))
        too_late = late.receive(late.credit(), due_at(late) + MICROSECOND)
        await punctual.deliver(in_time)
        await late.deliver(too_late)
    assert (await punctual.outcome(in_time))["outcome"] == "accepted"
    await punctual.reaches(Stage.COMPLETED)
    assert (await late.outcome(too_late))["refusal"] == RefusalCode.DEADLINE_PASSED
    await expired(late, forward)
    punctual.assert_awarded_once()
    assert late.awards() == []


async def test_a_claim_whose_deadline_passed_before_its_workflow_began_decides_everything_by_its_receipt(
    new_claim: NewClaim,
) -> None:
    claim = new_claim(claim_window=A_MONTH)
    opened_at = datetime.now(UTC) - timedelta(days=60)
    first, *rest = claim.receive_steps(Stage.READY_TO_CLAIM, opened_at)
    late = claim.receive(claim.credit(), opened_at + timedelta(days=40))
    await claim.deliver(first)
    for submission_id in rest:
        assert (await claim.outcome(submission_id))["outcome"] == "accepted"
    assert (await claim.outcome(late))["refusal"] == RefusalCode.DEADLINE_PASSED
    assert (await claim.handle.result())["stage"] == Stage.EXPIRED
    claim.assert_audited()


async def test_an_extension_before_the_expiry_arms_the_timer_again(new_claim: NewClaim, forward: Forward) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.brought_to(Stage.AWAITING_EVALUATION)
    first_due = due_at(claim)
    assert (await claim.submit(DeadlineExtended(LATER_ON, "illness")))["outcome"] == "accepted"
    assert due_at(claim) == end_of_day(LATER_ON, ZONE)
    await forward(claim, timer_of(claim, first_due) + timedelta(hours=1))
    assert claim.row()["stage"] == Stage.AWAITING_EVALUATION
    await claim.shows(contract.CLAIM_DUE_AT, due_at(claim))
    await expired(claim, forward)
    claim.assert_audited()


async def test_an_extension_after_the_expiry_reopens_the_claim_where_it_was(
    new_claim: NewClaim, forward: Forward
) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.brought_to(Stage.AWAITING_EVALUATION)
    await expired(claim, forward)
    await claim.handle.result()
    assert (await claim.submit(DeadlineExtended(LATER_ON, "illness")))["outcome"] == "accepted"
    assert claim.row()["stage"] == Stage.AWAITING_EVALUATION
    assert claim.row()["closed_at"] is None
    await claim.submit(claim.evaluation())
    await claim.submit(claim.credit())
    await claim.reaches(Stage.COMPLETED)
    claim.assert_awarded_once()


async def test_an_extension_sent_as_the_claim_expires_is_not_lost(new_claim: NewClaim, forward: Forward) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.brought_to(Stage.AWAITING_EVALUATION)
    # Recorded and not delivered: the write that the deadline's timer causes finds it before it judges the deadline.
    extension = claim.receive(DeadlineExtended(LATER_ON, "illness"))
    await forward(claim, timer_of(claim, due_at(claim)) + timedelta(minutes=1))
    assert (await claim.outcome(extension))["outcome"] == "accepted"
    assert claim.row()["stage"] == Stage.AWAITING_EVALUATION
    assert "claim.expired" not in claim.events()


class SlowLedger:
    """A ledger whose writes are handed over and then wait until a test lets them happen."""

    def __init__(self, activities: Activities) -> None:
        self.is_slow = False
        self.may_happen = {"claim.expire": threading.Event(), "submissions.decide": threading.Event()}
        self._open = activities.claims.ledger
        activities.claims.ledger = self.ledger  # type: ignore[method-assign]  # stands for a slow database

    @contextmanager
    def ledger(self, claim_id: str) -> Iterator[ClaimLedger]:
        info = activity.info()
        if self.is_slow and info.is_local:
            raise ConnectionError
        if self.is_slow:
            assert self.may_happen[info.activity_type].wait(timeout=30)
        with self._open(claim_id) as opened:
            yield opened


async def test_a_claim_that_is_extended_while_it_closes_goes_on(
    new_claim: NewClaim, forward: Forward, workers: Workers, engine: Engine, settings: Settings
) -> None:
    own = Activities(engine, settings, Postman(KeptMail(), settings.mail_from))
    slow = SlowLedger(own)
    async with workers.replaced(own):
        claim = new_claim(claim_window=A_MONTH, reminder_days=())
        await claim.brought_to(Stage.AWAITING_EVALUATION)
        slow.is_slow = True
        # Time is not skipped while an activity is pending, so no further than the timer.
        await forward(claim, timer_of(claim, due_at(claim)) + timedelta(seconds=1))
        await pending(claim, 1)
        await claim.deliver(claim.receive(claim.opening()))
        await pending(claim, 2)
        # The workflow learns that the claim expired while it still waits for a decision, which then opens the claim.
        slow.may_happen["claim.expire"].set()
        await claim.shows(contract.CLAIM_STAGE, Stage.EXPIRED)
        extension = claim.receive(DeadlineExtended(LATER_ON, "illness"))
        slow.may_happen["submissions.decide"].set()
        assert (await claim.outcome(extension))["outcome"] == "accepted"
        slow.is_slow = False
        await claim.shows(contract.CLAIM_STAGE, Stage.AWAITING_EVALUATION)
        await expired(claim, forward)
        assert (await claim.handle.result())["stage"] == Stage.EXPIRED


class OvertakenLedger:
    """A ledger that decides nothing before it expired the claim, and says so only after that decision.

    ``was_in_time`` says whether both fell into the seconds that a write has before it counts as hanging.
    """

    def __init__(self, activities: Activities) -> None:
        self._has_expired, self._is_decided = threading.Event(), threading.Event()
        self.is_overtaken, self.was_in_time = False, True
        self._open = activities.claims.ledger
        activities.claims.ledger = self.ledger  # type: ignore[method-assign]  # stands for a busy database

    @contextmanager
    def ledger(self, claim_id: str) -> Iterator[ClaimLedger]:
        writing = activity.info().activity_type
        if writing == "submissions.decide" and self.is_overtaken:
            self.was_in_time &= self._has_expired.wait(timeout=3)
        with self._open(claim_id) as opened:
            yield opened
        if writing == "submissions.decide":
            self._is_decided.set()
        if writing == "claim.expire":
            self._is_decided.clear()
            self._has_expired.set()
            self.was_in_time &= self._is_decided.wait(timeout=3)
            # The workflow has the decision before it has this.
            time.sleep(0.5)


async def test_a_claim_ends_with_the_answer_to_its_last_write_although_another_tells_that_it_closed(
    new_claim: NewClaim, forward: Forward, workers: Workers, engine: Engine, settings: Settings
) -> None:
    async def ended() -> tuple[TestClaim, list[int], bool]:
        own = Activities(engine, settings, Postman(KeptMail(), settings.mail_from))
        overtaken = OvertakenLedger(own)
        async with workers.replaced(own):
            claim = new_claim(claim_window=A_MONTH, reminder_days=())
            await claim.brought_to(Stage.AWAITING_EVALUATION)
            due = due_at(claim)
            overtaken.is_overtaken = True
            async with workers.away():
                await forward(claim, timer_of(claim, due) + timedelta(seconds=1))
                late = claim.receive(claim.evaluation(), due + MICROSECOND)
                await claim.deliver(late)
            assert (await claim.outcome(late))["refusal"] == RefusalCode.DEADLINE_PASSED
            assert (await claim.handle.result())["stage"] == Stage.EXPIRED
        events = [int(event.event_type) async for event in claim.handle.fetch_history_events()]
        after_timer = events[-events[::-1].index(EventType.EVENT_TYPE_TIMER_FIRED) :]
        return claim, after_timer, overtaken.was_in_time

    # A busy machine may take longer than a write may: then it is another story, and told once more.
    for _ in range(4):
        claim, events, was_in_time = await ended()
        if was_in_time:
            break
    assert events.count(EventType.EVENT_TYPE_MARKER_RECORDED) == len(("the decision", "the expiry"))
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in events
    claim.assert_audited()


async def pending(claim: TestClaim, number: int) -> None:
    """Wait until so many activities are pending."""
    await claim.described(lambda description: len(description.raw_description.pending_activities) == number)


async def test_an_expired_claim_can_no_longer_be_withdrawn_or_opened(new_claim: NewClaim, forward: Forward) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.brought_to(Stage.AWAITING_TEST)
    await expired(claim, forward)
    late = due_at(claim) + timedelta(days=1)
    for body in (Withdrawal("changed my mind"), claim.opening()):
        assert (await claim.submit(body, late))["refusal"] == RefusalCode.DEADLINE_PASSED


async def test_an_extension_typed_into_the_temporal_ui_works_and_is_recorded_with_operator_and_reason(
    new_claim: NewClaim,
) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.brought_to(Stage.AWAITING_TEST)
    typed = {"operator": "j.doe", "reason": "illness", "due_on": LATER_ON.isoformat()}
    await claim.handle.signal("extend_deadline", typed)
    await claim.until(lambda: claim.events()[-1] == "extension.accepted")
    entry = claim.entries()[-1]
    assert (entry["actor"], entry["reason"]) == ("operator:j.doe", "illness")
    assert due_at(claim) == end_of_day(LATER_ON, ZONE)
    assert claim.row()["stage"] == Stage.AWAITING_TEST
    claim.assert_audited()


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param({"operator": "j.doe", "due_on": LATER_ON.isoformat()}, id="no reason"),
        pytest.param({"reason": "illness", "due_on": LATER_ON.isoformat()}, id="no operator"),
        pytest.param({"operator": "j.doe", "reason": "illness"}, id="no day"),
        pytest.param({"operator": "j.doe", "reason": "illness", "due_on": "31.01.2027"}, id="a day that is no date"),
        pytest.param({"operator": "j\x00doe", "reason": "illness", "due_on": "2027-01-31"}, id="a control character"),
        pytest.param({"operator": "j.doe", "reason": "\ud800", "due_on": "2027-01-31"}, id="half a character"),
        pytest.param({"operator": "j.doe", "reason": "x" * 100_000, "due_on": "2027-01-31"}, id="far too much"),
        pytest.param({}, id="nothing"),
    ],
)
async def test_a_signal_that_an_operator_filled_in_badly_is_recorded_as_refused_and_harms_nothing(
    new_claim: NewClaim, typed: dict[str, str]
) -> None:
    claim = new_claim(claim_window=A_MONTH)
    before = await claim.brought_to(Stage.VERIFYING_PARTICIPATION)
    await claim.handle.signal("extend_deadline", typed)
    await claim.until(lambda: claim.events()[-1] == "extension.refused")
    assert claim.entries()[-1]["after"] == {"refusal": "form_incomplete"}
    assert claim.row() == before
    assert (await claim.submit(claim.participation()))["outcome"] == "accepted"
    claim.assert_audited()


async def test_a_signal_that_is_no_object_at_all_harms_nothing(new_claim: NewClaim) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.VERIFYING_PARTICIPATION)
    await claim.handle.signal("extend_deadline", "please give Alice another week")
    await claim.handle.signal("extend_deadline", {"operator": 7, "reason": ["illness"]})
    await claim.handle.signal("no_such_signal", {"operator": "j.doe"})
    assert (await claim.submit(claim.participation()))["outcome"] == "accepted"


async def test_a_withdrawal_typed_into_the_temporal_ui_ends_the_claim(new_claim: NewClaim) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.READY_TO_CLAIM)
    await claim.handle.signal("withdraw", OperatorSignal(operator="j.doe", reason="asked by telephone"))
    assert (await claim.handle.result())["stage"] == Stage.WITHDRAWN
    assert claim.entries()[-1]["actor"] == "operator:j.doe"
