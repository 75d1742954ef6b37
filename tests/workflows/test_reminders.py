"""Reminders and other notices: queued by the ledger with what causes them, once each."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from domain.claims import Stage
from domain.deadlines import local_date
from domain.notices import NoticePurpose, reminders
from domain.policy import ClaimWindow
from domain.submissions import AttemptStarted, DeadlineExtended, ExtensionRefused, ExtensionRequested
from tests.claims import TestClaim
from tests.workflows.conftest import Forward

NewClaim = Callable[..., TestClaim]
pytestmark = pytest.mark.usefixtures("workers")

A_MONTH = ClaimWindow(days=30)


def notices(claim: TestClaim) -> list[str]:
    """The purposes of the notices about a claim, in the order in which they were queued."""
    with claim.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT purpose FROM outgoing_emails WHERE claim_id = :id AND purpose <> 'award' ORDER BY created_at"),
            {"id": claim.claim_id},
        )
        return [row.purpose for row in rows]


def planned(claim: TestClaim) -> list[datetime]:
    policy = claim.policy
    return [
        each.at for each in reminders(claim.row()["due_at"], policy.reminder_days, policy.time_zone, claim.claim_id)
    ]


async def reminded(claim: TestClaim, forward: Forward, number: int) -> None:
    """Move on from the reminder before, or from now, until this one is queued."""
    at = planned(claim)[number - 1]
    before = datetime.now(UTC) if number == 1 else planned(claim)[number - 2]
    await forward(claim, at - before + timedelta(seconds=5))
    await claim.until(lambda: notices(claim).count(NoticePurpose.DEADLINE_REMINDER) >= number)


async def test_a_learner_is_reminded_14_3_and_1_days_before_the_deadline_and_then_told_of_the_end(
    new_claim: NewClaim, forward: Forward
) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.brought_to(Stage.AWAITING_TEST)
    for number in (1, 2, 3):
        await reminded(claim, forward, number)
    await forward(claim, timedelta(days=2))
    await claim.reaches(Stage.EXPIRED)
    assert notices(claim) == [NoticePurpose.DEADLINE_REMINDER] * 3 + [NoticePurpose.CLAIM_EXPIRED]
    days = [(local_date(claim.row()["due_at"], claim.policy.time_zone) - at.date()).days for at in planned(claim)]
    assert days == [14, 3, 1]


async def test_the_policy_chooses_the_days(new_claim: NewClaim, forward: Forward) -> None:
    claim = new_claim(claim_window=A_MONTH, reminder_days=(7,))
    await claim.brought_to(Stage.AWAITING_TEST)
    await reminded(claim, forward, 1)
    await forward(claim, timedelta(days=9))
    await claim.reaches(Stage.EXPIRED)
    assert notices(claim).count(NoticePurpose.DEADLINE_REMINDER) == 1


async def test_a_claim_without_a_deadline_reminds_of_nothing(new_claim: NewClaim, forward: Forward) -> None:
    claim = new_claim(claim_window=ClaimWindow())
    await claim.brought_to(Stage.AWAITING_TEST)
    await forward(claim, timedelta(days=400))
    await claim.submit(AttemptStarted())
    assert notices(claim) == []


async def test_a_claim_that_opens_late_is_not_reminded_of_days_that_are_past(
    new_claim: NewClaim, forward: Forward
) -> None:
    claim = new_claim(claim_window=ClaimWindow(days=5))
    await claim.brought_to(Stage.AWAITING_TEST)
    fourteen_days, three_days, one_day = planned(claim)
    assert fourteen_days < datetime.now(UTC) < three_days
    assert claim.row()["reminds_at"] == three_days
    assert notices(claim) == []
    await forward(claim, three_days + timedelta(seconds=5))
    await claim.until(lambda: bool(notices(claim)))
    assert notices(claim) == [NoticePurpose.DEADLINE_REMINDER]
    assert claim.row()["reminds_at"] == one_day


async def test_an_extended_deadline_has_reminders_of_its_own(new_claim: NewClaim, forward: Forward) -> None:
    claim = new_claim(claim_window=ClaimWindow(days=2))
    await claim.brought_to(Stage.AWAITING_TEST)
    due_on = datetime.now(UTC).date() + timedelta(days=60)
    assert (await claim.submit(DeadlineExtended(due_on, "illness"), actor="acc_staff"))["outcome"] == "accepted"
    assert notices(claim) == [NoticePurpose.DEADLINE_EXTENDED]
    await reminded(claim, forward, 1)
    assert claim.row()["stage"] == Stage.AWAITING_TEST


async def test_the_opening_of_the_claim_window_is_announced(new_claim: NewClaim, forward: Forward) -> None:
    opens_on = datetime.now(UTC).date() + timedelta(days=20)
    claim = new_claim(claim_window=ClaimWindow(opens_on=opens_on))
    await claim.brought_to(Stage.AWAITING_WINDOW)
    assert notices(claim) == []
    await forward(claim, timedelta(days=21))
    await claim.reaches(Stage.READY_TO_CLAIM)
    assert notices(claim) == [NoticePurpose.WINDOW_OPENED]


async def test_a_completed_claim_is_not_reminded_although_its_deadline_is_ahead(new_claim: NewClaim) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.complete()
    assert (await claim.handle.result())["stage"] == Stage.COMPLETED
    assert notices(claim) == []


async def test_a_request_for_more_time_waits_for_staff_who_may_refuse_it(new_claim: NewClaim) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.brought_to(Stage.AWAITING_TEST)
    assert (await claim.submit(ExtensionRequested("My clinic is closed.")))["outcome"] == "accepted"
    assert claim.row()["extension_requested_at"] is not None
    assert (await claim.submit(ExtensionRefused("The board has closed."), actor="acc_staff"))["outcome"] == "accepted"
    assert claim.row()["extension_requested_at"] is None
    assert notices(claim) == [NoticePurpose.EXTENSION_REFUSED]


async def test_more_time_can_be_asked_for_and_given_after_the_end(new_claim: NewClaim, forward: Forward) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await claim.brought_to(Stage.AWAITING_TEST)
    await forward(claim, timedelta(days=32))
    await claim.reaches(Stage.EXPIRED)
    await claim.handle.result()
    assert (await claim.submit(ExtensionRequested("I was ill.")))["outcome"] == "accepted"
    assert claim.row()["stage"] == Stage.EXPIRED
    due_on = datetime.now(UTC).date() + timedelta(days=90)
    assert (await claim.submit(DeadlineExtended(due_on, "illness"), actor="acc_staff"))["outcome"] == "accepted"
    row = await claim.reaches(Stage.AWAITING_TEST)
    assert row["extension_requested_at"] is None
    claim.assert_audited()
