"""What operators do to a claim, by Laurel's signals and by signals typed into the Temporal UI."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, RowMapping, text
from temporalio.testing import WorkflowEnvironment

from activities.relay import Relay
from activities.smtp import AddressRejectedError
from config.settings import Settings
from domain.claims import Attention, Stage
from domain.deadlines import expires_at
from domain.identities import new_id
from domain.policy import ClaimWindow
from domain.reasons import (
    DenialReason,
    HoldReason,
    ReleaseReason,
    ReopeningReason,
    ResolutionReason,
    WaiverReason,
    WithdrawalReason,
)
from domain.refusals import RefusalCode
from domain.submissions import (
    AttentionResolved,
    ClaimDenied,
    ClaimHeld,
    ClaimReleased,
    ClaimReopened,
    ClaimWithdrawn,
    RequirementWaived,
    SubmissionBody,
    SubmissionKind,
    to_json,
)
from storage.acts import Actor
from storage.bulk_actions import BulkAction, preview, start
from storage.claims import stalled_claims
from storage.database import create_api_engine
from storage.submissions import take_undelivered
from tests.claims import KeptMail, TestClaim
from tests.workflows.conftest import Forward, Workers
from tests.workflows.test_recovery import reset_to_first_task
from workflows import contract
from workflows.delivery import Delivery, deliver

NewClaim = Callable[..., TestClaim]
Details = Callable[[TestClaim], Awaitable[str]]
pytestmark = pytest.mark.usefixtures("workers")

HOLD = ClaimHeld(HoldReason.PARTICIPATION_CHECK, "Was he there?")
RELEASE = ClaimReleased(ReleaseReason.CHECKED, "He was.")
DENY = ClaimDenied(DenialReason.PARTICIPATION_NOT_VERIFIED, "He was not.")
REOPEN = ClaimReopened(ReopeningReason.APPEAL_GRANTED, "He was, after all.")
A_MONTH = ClaimWindow(days=30)


async def accepted(claim: TestClaim, body: SubmissionBody) -> None:
    result = await claim.submit(body)
    assert result["outcome"] == "accepted", result


async def held(claim: TestClaim, stage: Stage = Stage.READY_TO_CLAIM) -> None:
    await claim.brought_to(stage)
    await accepted(claim, HOLD)
    await claim.shows(contract.CLAIM_ATTENTION, Attention.ON_HOLD)


def undecided(claim: TestClaim) -> int:
    query = text("SELECT count(*) FROM submissions WHERE claim_id = :id AND decided_at IS NULL")
    with claim.engine.connect() as connection:
        return int(connection.execute(query, {"id": claim.claim_id}).scalar_one())


async def completed(claim: TestClaim) -> None:
    await claim.reaches(Stage.COMPLETED)
    await claim.handle.result()
    claim.assert_awarded_once()


async def test_a_hold_typed_into_the_temporal_ui_keeps_every_step_until_the_release(
    new_claim: NewClaim, details: Details
) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.AWAITING_EVALUATION)
    typed = {"operator": "j.doe", "reason": "Was he there?", "reason_code": "participation_check"}
    await claim.handle.signal("place_hold", typed)
    await claim.shows(contract.CLAIM_ATTENTION, Attention.ON_HOLD)
    told = await details(claim)
    assert "Held by `operator:j.doe` since" in told
    assert "`participation_check`" in told
    assert "release_hold" in told
    for body in (claim.evaluation(), claim.credit()):
        await claim.deliver(claim.receive(body))
    # A signal that comes later is decided, so those before it were looked at.
    await accepted(claim, claim.opening())
    assert (undecided(claim), claim.row()["stage"]) == (2, Stage.AWAITING_EVALUATION)
    await claim.handle.signal("release_hold", {"operator": "j.doe", "reason": "He was."})
    await completed(claim)
    await claim.shows(contract.CLAIM_ATTENTION, None)
    entries = [entry for entry in claim.entries() if entry["actor"] == "operator:j.doe"]
    assert [(entry["event"], entry["reason"], entry["after"]["reason_code"]) for entry in entries] == [
        ("hold.accepted", "Was he there?", "participation_check"),
        ("release.accepted", "He was.", "other"),
    ]
    events = claim.events()
    assert events.index("release.accepted") < events.index("evaluation.accepted") < events.index("credit.accepted")


async def test_a_held_claim_does_not_expire_and_a_step_received_in_time_counts_after_the_release(
    new_claim: NewClaim, forward: Forward
) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await held(claim)
    due = claim.row()["due_at"]
    await claim.deliver(claim.receive(claim.credit(), due))
    await forward(claim, expires_at(due, claim.claim_id, contract.DEADLINE_GRACE, contract.DEADLINE_JITTER))
    await forward(claim, timedelta(days=2))
    assert claim.row()["stage"] == Stage.READY_TO_CLAIM
    assert (await claim.handle.describe()).history_length < 80
    await claim.submit(RELEASE, due + timedelta(days=2))
    await completed(claim)


async def test_a_claim_that_was_held_beyond_its_deadline_expires_after_its_release(
    new_claim: NewClaim, forward: Forward
) -> None:
    claim = new_claim(claim_window=A_MONTH)
    await held(claim)
    due = claim.row()["due_at"]
    late = claim.receive(claim.credit(), due + timedelta(hours=1))
    await forward(claim, due + timedelta(days=1))
    assert claim.row()["stage"] == Stage.READY_TO_CLAIM
    await claim.submit(RELEASE, due + timedelta(days=1))
    await claim.reaches(Stage.EXPIRED)
    assert (await claim.outcome(late))["refusal"] == RefusalCode.DEADLINE_PASSED
    claim.assert_audited()


@pytest.mark.parametrize("lost", ["terminated", "reset", "worker"])
async def test_a_hold_outlives_its_workflow_and_its_worker(new_claim: NewClaim, workers: Workers, lost: str) -> None:
    claim = new_claim()
    await held(claim)
    kept = claim.receive(claim.credit())
    if lost == "terminated":
        await claim.handle.terminate("test")
    elif lost == "reset":
        await reset_to_first_task(claim)
    if lost == "worker":
        async with workers.away():
            await claim.deliver(kept)
            await claim.deliver(claim.receive(RELEASE))
    else:
        await claim.deliver(kept)
        await accepted(claim, claim.opening())
        assert claim.row()["attention"] == Attention.ON_HOLD
        await claim.shows(contract.CLAIM_ATTENTION, Attention.ON_HOLD)
        await accepted(claim, RELEASE)
    await completed(claim)


async def test_what_a_held_claim_keeps_is_not_delivered_again_and_again(new_claim: NewClaim, engine: Engine) -> None:
    claim = new_claim()
    await held(claim)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    kept = claim.receive(claim.credit())
    with engine.begin() as connection:
        move = text("UPDATE submissions SET deliver_after = :at WHERE id = :id")
        connection.execute(move, {"at": long_ago, "id": kept})
        due = text("UPDATE claims SET due_at = :at WHERE id = :id")
        connection.execute(due, {"at": long_ago, "id": claim.claim_id})
        assert kept not in {row["submission_id"] for row in take_undelivered(connection)}
        assert claim.claim_id not in {row["claim_id"] for row in stalled_claims(connection)}
        connection.rollback()


@pytest.mark.parametrize(
    "body",
    [DENY, ClaimWithdrawn(WithdrawalReason.LEARNER_ASKED, "By telephone.")],
    ids=lambda body: type(body).__name__,
)
async def test_a_held_claim_that_is_ended_refuses_what_it_kept(new_claim: NewClaim, body: SubmissionBody) -> None:
    claim = new_claim()
    await held(claim)
    kept = claim.receive(claim.credit())
    await accepted(claim, body)
    assert (await claim.outcome(kept))["refusal"] == RefusalCode.WRONG_STATE
    await claim.handle.result()
    await claim.shows(contract.CLAIM_ATTENTION, None)
    assert claim.row()["held_at"] is None
    claim.assert_audited()


async def test_a_denied_claim_is_reopened_in_a_new_run_and_completed(new_claim: NewClaim) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.READY_TO_CLAIM)
    await accepted(claim, DENY)
    await claim.reaches(Stage.DENIED)
    await claim.handle.result()
    assert (await claim.submit(claim.credit()))["refusal"] == RefusalCode.WRONG_STATE
    await accepted(claim, REOPEN)
    await claim.reaches(Stage.READY_TO_CLAIM)
    await accepted(claim, claim.credit())
    await completed(claim)
    assert (await claim.submit(REOPEN))["refusal"] == RefusalCode.WRONG_STATE


async def test_a_waiver_typed_into_the_temporal_ui_lets_the_claim_on(new_claim: NewClaim) -> None:
    claim = new_claim()
    await claim.brought_to(Stage.AWAITING_EVALUATION)
    typed = {"operator": "j.doe", "reason": "On paper.", "reason_code": "done_otherwise", "requirement": "evaluation"}
    await claim.handle.signal("waive_requirement", typed)
    await claim.reaches(Stage.READY_TO_CLAIM)
    [entry] = [entry for entry in claim.entries() if entry["event"] == "waiver.accepted"]
    assert entry["after"]["waived"] == ["evaluation"]
    assert (entry["after"]["requirement"], entry["after"]["reason_code"]) == ("evaluation", "done_otherwise")
    await accepted(claim, claim.credit())
    await completed(claim)
    again = RequirementWaived("evaluation", WaiverReason.OTHER, "Once more.")
    assert (await claim.submit(again))["refusal"] == RefusalCode.WRONG_STATE


async def test_a_parked_e_mail_that_staff_replaced_completes_the_claim_and_is_never_sent(
    new_claim: NewClaim, mail: KeptMail
) -> None:
    claim = new_claim()
    mail.failures[claim.email] = AddressRejectedError()
    await claim.brought_to(Stage.ISSUING)
    await claim.shows(contract.CLAIM_ATTENTION, Attention.EMAIL_FAILED)
    del mail.failures[claim.email]
    await accepted(claim, AttentionResolved(ResolutionReason.TOLD_OTHERWISE, "By telephone."))
    await claim.reaches(Stage.COMPLETED)
    await claim.handle.result()
    await claim.shows(contract.CLAIM_ATTENTION, None)
    assert mail.to(claim.email) == []
    assert (claim.row()["attention"], claim.events()[-1]) == (None, "resolution.accepted")
    # Whatever runs the claim again sends nothing, either.
    await claim.submit(claim.opening())
    await claim.handle.result()
    assert mail.to(claim.email) == []
    claim.assert_audited()


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        (SubmissionKind.HOLD, {"operator": "j.doe"}),
        (SubmissionKind.HOLD, {"reason": "Was he there?"}),
        (SubmissionKind.HOLD, {"operator": "j.doe", "reason": "Was he there?", "reason_code": "bad_mood"}),
        (SubmissionKind.WAIVER, {"operator": "j.doe", "reason": "On paper."}),
        (SubmissionKind.DENIAL, {}),
        (SubmissionKind.STAFF_WITHDRAWAL, {"operator": "j.doe"}),
    ],
)
async def test_a_signal_that_is_not_filled_in_is_recorded_as_refused_and_changes_nothing(
    new_claim: NewClaim, kind: SubmissionKind, typed: dict[str, str]
) -> None:
    claim = new_claim()
    before = await claim.brought_to(Stage.READY_TO_CLAIM)
    await claim.handle.signal(contract.SIGNAL_OF_KIND[kind], typed)
    await claim.until(lambda: claim.events()[-1] == f"{kind}.refused")
    assert claim.entries()[-1]["after"]["refusal"] == RefusalCode.FORM_INCOMPLETE
    assert claim.row() == before


async def test_what_staff_started_for_many_claims_is_delivered_by_the_relay(
    new_claim: NewClaim, engine: Engine, environment: WorkflowEnvironment, settings: Settings
) -> None:
    claims = [new_claim() for _ in range(2)]
    for claim in claims:
        await claim.brought_to(Stage.READY_TO_CLAIM)
    ids, staff = [claim.claim_id for claim in claims], claims[0].account_id
    bulk = BulkAction(
        id=new_id("blk"), actor=staff, action="hold", body=to_json(HOLD), filter={"claim_ids": sorted(ids)}
    )
    database = create_api_engine(settings.database_url, 1)
    async with database.begin() as connection:
        assert await preview(connection, bulk, ids) == 2
    async with database.begin() as connection:
        await connection.run_sync(start, bulk, new_id("lrn"), Actor(staff))
    await database.dispose()

    async def deliver_row(row: RowMapping) -> None:
        if row["claim_id"] in ids:
            await deliver(environment.client, Delivery(**{**row, "kind": SubmissionKind(row["kind"])}))

    # Nothing but the record knows of it: whoever started it may be gone.
    relay = Relay(engine, deliver_row)
    while await relay.deliver_due():
        pass
    for claim in claims:
        await claim.shows(contract.CLAIM_ATTENTION, Attention.ON_HOLD)
        claim.assert_audited()
