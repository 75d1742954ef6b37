"""The issuance pause on a real Temporal server: what waits, what goes on, and that nothing is lost by it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Connection, Engine, RowMapping, text

from activities.contract import AttentionChange
from activities.relay import Restarter
from activities.smtp import AddressRejectedError
from domain.claims import Attention, Stage
from domain.corrections import CreditChange, Revocation, RevocationClass
from domain.deadlines import expires_at
from domain.policy import ClaimWindow
from domain.reasons import DenialReason, HoldReason, ReleaseReason
from domain.refusals import RefusalCode
from domain.submissions import ClaimDenied, ClaimHeld, ClaimReleased, StatementFinalized, StepRetried, Withdrawal
from storage.claims import stalled_claims
from storage.issuance import IssuancePause, resumable_claims, resumable_corrections
from storage.submissions import take_undelivered
from tests import ways
from tests.claims import KeptMail, TestClaim
from tests.corrections import asked, row_of, versions_of
from tests.issuance import everywhere, own_provider, pause, provider_of, resume
from tests.workflows.conftest import Forward, Workers
from tests.workflows.test_corrections import handle_of, started
from tests.workflows.test_recovery import reset_to_first_task
from workflows import contract
from workflows.delivery import ClaimOutline, CorrectionOutline, resume_claim, start_correction

NewClaim = Callable[..., TestClaim]
Details = Callable[[TestClaim], Awaitable[str]]
pytestmark = pytest.mark.usefixtures("workers")

A_MONTH = ClaimWindow(days=30)


def undecided(claim: TestClaim) -> int:
    query = text("SELECT count(*) FROM submissions WHERE claim_id = :id AND decided_at IS NULL")
    with claim.engine.connect() as connection:
        return int(connection.execute(query, {"id": claim.claim_id}).scalar_one())


async def claims_while_paused(claim: TestClaim) -> str:
    """The learner claims credit while issuance is paused; answers with the step that waits."""
    await claim.brought_to(Stage.READY_TO_CLAIM)
    submission_id = claim.receive(claim.credit())
    await claim.deliver(submission_id)
    await waits(claim)
    return submission_id


async def waits(claim: TestClaim) -> None:
    await claim.until(lambda: claim.row().get("attention") == Attention.ISSUANCE_PAUSED)
    await claim.shows(contract.CLAIM_ATTENTION, Attention.ISSUANCE_PAUSED)


async def paused_at_email(claim: TestClaim, mail: KeptMail) -> IssuancePause:
    """Bring the claim to where its certificate is issued, and only its e-mail waits for issuance to go on."""
    mail.failures[claim.email] = AddressRejectedError()
    await claim.brought_to(Stage.ISSUING)
    await claim.shows(contract.CLAIM_ATTENTION, Attention.EMAIL_FAILED)
    placed = pause(claim.engine, provider_of(claim))
    del mail.failures[claim.email]
    await claim.submit(StepRetried("address corrected"))
    await waits(claim)
    return placed


async def woken(claim: TestClaim) -> int:
    """Look for claims that wait although issuance goes on, as a worker does every other second; tell how many."""

    async def wake(row: RowMapping) -> None:
        await resume_claim(claim.client, ClaimOutline(**row), timedelta(seconds=10))

    return await Restarter(claim.engine, wake, resumable_claims).restart_stalled()


async def completed(claim: TestClaim) -> None:
    await claim.reaches(Stage.COMPLETED)
    await claim.handle.result()
    claim.assert_awarded_once()
    assert claim.row()["attention"] is None
    await claim.shows(contract.CLAIM_ATTENTION, None)


async def test_credit_that_is_claimed_during_a_pause_waits_visibly_and_is_awarded_after_it(
    new_claim: NewClaim, engine: Engine, details: Details, mail: KeptMail
) -> None:
    claim = new_claim(**own_provider())
    placed = pause(engine, provider_of(claim))
    waiting = await claims_while_paused(claim)
    assert (claim.row()["stage"], claim.awards(), undecided(claim)) == (Stage.READY_TO_CLAIM, [], 1)
    told = await details(claim)
    assert "Needs attention: issuance_paused" in told
    assert "laurel issuance resume" in told
    assert await woken(claim) == 0
    resume(engine, placed)
    assert await woken(claim) == 1
    assert (await claim.outcome(waiting))["outcome"] == "accepted"
    await completed(claim)
    assert len(mail.to(claim.email)) == 1
    events = claim.events()
    assert events[events.index("claim.parked") :] == [
        "claim.parked",
        "claim.continued",
        "credit.accepted",
        "credit.awarded",
        "certificate.issued",
        "email.sent",
    ]
    assert await woken(claim) == 0


async def test_everything_before_the_award_goes_on_during_a_pause(new_claim: NewClaim, engine: Engine) -> None:
    claim = new_claim(**own_provider())
    pause(engine, provider_of(claim))
    await claim.open()
    for body in (claim.participation(), *(body for _, body in claim.steps()[1:3])):
        assert (await claim.submit(body))["outcome"] == "accepted"
    await claim.reaches(Stage.AWAITING_EVALUATION)
    assert (await claim.submit(claim.evaluation()))["outcome"] == "accepted"
    wrong = await claim.submit(claim.credit("99.00"))
    assert wrong["refusal"] == RefusalCode.CREDIT_MAXIMUM, "what is refused anyway is refused at once"
    assert claim.row()["attention"] is None


async def test_a_pause_between_the_award_and_its_certificate_holds_back_certificate_and_e_mail(
    new_claim: NewClaim, engine: Engine, workers: Workers, mail: KeptMail
) -> None:
    claim = new_claim(**own_provider())
    await claim.brought_to(Stage.READY_TO_CLAIM)
    await workers.stop()
    claim.receive(claim.credit())
    workers.activities.claims._decide(claim.claim_id)
    assert claim.row()["stage"] == Stage.ISSUING
    placed = pause(engine, provider_of(claim))
    await workers.start()
    await claim.deliver(claim.receive(claim.opening()))
    await waits(claim)
    assert (claim.count("awards"), claim.count("documents"), mail.to(claim.email)) == (1, 0, [])
    assert (await claim.submit(StepRetried("impatient")))["outcome"] == "accepted"
    await claim.until(lambda: claim.events().count("claim.parked") == 2)
    await waits(claim)
    assert claim.count("documents") == 0
    resume(engine, placed)
    await woken(claim)
    await completed(claim)
    assert len(mail.to(claim.email)) == 1


async def test_a_claim_goes_on_that_only_the_record_knows_to_wait_no_more(
    new_claim: NewClaim, engine: Engine, workers: Workers, mail: KeptMail
) -> None:
    claim = new_claim(**own_provider())
    placed = await paused_at_email(claim, mail)
    resume(engine, placed)
    # As when Temporal is restored to a moment before a run that went on.
    going_on = AttentionChange(claim.claim_id, "lost-run", 1, attention=None, error=None)
    workers.activities.claims.record_attention(going_on)
    assert await woken(claim) == 0
    await claim.handle.signal(contract.READ_RECORD)
    await completed(claim)


async def test_a_pause_between_the_certificate_and_its_e_mail_holds_back_the_e_mail(
    new_claim: NewClaim, engine: Engine, mail: KeptMail
) -> None:
    claim = new_claim(**own_provider())
    placed = await paused_at_email(claim, mail)
    assert mail.to(claim.email) == []
    resume(engine, placed)
    await woken(claim)
    await completed(claim)
    assert len(mail.to(claim.email)) == 1


async def test_nobody_becomes_late_by_a_pause_that_outlasts_the_deadline(
    new_claim: NewClaim, engine: Engine, forward: Forward
) -> None:
    claim = new_claim(**own_provider(claim_window=A_MONTH))
    placed = pause(engine, provider_of(claim))
    await claims_while_paused(claim)
    due = claim.row()["due_at"]
    late = claim.receive(Withdrawal("too late"), due + timedelta(days=1))
    await forward(claim, expires_at(due, claim.claim_id, contract.DEADLINE_GRACE, contract.DEADLINE_JITTER))
    await forward(claim, timedelta(days=2))
    assert (claim.row()["stage"], undecided(claim)) == (Stage.READY_TO_CLAIM, 2)
    assert (await claim.handle.describe()).history_length < 90
    resume(engine, placed)
    await woken(claim)
    await completed(claim)
    assert (await claim.outcome(late))["refusal"] == RefusalCode.WRONG_STATE


async def test_what_the_learner_does_after_claiming_is_kept_behind_it_in_order(
    new_claim: NewClaim, engine: Engine
) -> None:
    claim = new_claim(**own_provider())
    placed = pause(engine, provider_of(claim))
    first = await claims_while_paused(claim)
    second = claim.receive(Withdrawal("changed my mind"))
    await claim.deliver(second)
    await claim.submit(claim.opening())
    assert undecided(claim) == 2
    resume(engine, placed)
    await woken(claim)
    assert (await claim.outcome(first))["outcome"] == "accepted"
    assert (await claim.outcome(second))["refusal"] == RefusalCode.WRONG_STATE, "as without a pause: it was awarded"
    await completed(claim)


async def test_a_final_statement_waits_as_credit_does(new_claim: NewClaim, engine: Engine) -> None:
    claim = new_claim(**ways.meeting(**own_provider()))
    placed = pause(engine, provider_of(claim))
    await ways.at_sessions(claim)
    await ways.accepted(claim, ways.claimed(claim, ways.FIRST), ways.claimed(claim, ways.SECOND), ways.credit())
    await claim.deliver(claim.receive(StatementFinalized(is_confirmed=True)))
    await waits(claim)
    assert claim.row()["stage"] == Stage.AWAITING_FINALIZATION
    resume(engine, placed)
    await woken(claim)
    await claim.reaches(Stage.COMPLETED)
    assert [award["units"] for award in claim.awards()] == [Decimal("1.00")]
    claim.assert_audited()


async def test_the_office_may_deny_what_waits_for_issuance_even_after_its_deadline(
    new_claim: NewClaim, engine: Engine
) -> None:
    claim = new_claim(**own_provider(claim_window=A_MONTH))
    pause(engine, provider_of(claim))
    waiting = await claims_while_paused(claim)
    denial = ClaimDenied(DenialReason.NOT_ELIGIBLE, "The session was never held.")
    assert (await claim.submit(denial, claim.row()["due_at"] + timedelta(days=1)))["outcome"] == "accepted"
    assert (await claim.outcome(waiting))["refusal"] == RefusalCode.WRONG_STATE
    await claim.handle.result()
    assert (claim.row()["stage"], claim.row()["attention"], claim.awards()) == (Stage.DENIED, None, [])
    claim.assert_audited()


async def test_a_claim_that_is_held_during_a_pause_waits_for_both(new_claim: NewClaim, engine: Engine) -> None:
    claim = new_claim(**own_provider())
    placed = pause(engine, provider_of(claim))
    await claims_while_paused(claim)
    await claim.submit(ClaimHeld(HoldReason.IDENTITY_CHECK, "Who is it?"))
    await claim.shows(contract.CLAIM_ATTENTION, Attention.ON_HOLD)
    await claim.submit(ClaimReleased(ReleaseReason.CHECKED, "It is she."))
    await waits(claim)
    await claim.submit(ClaimHeld(HoldReason.IDENTITY_CHECK, "Who is it?"))
    resume(engine, placed)
    assert await woken(claim) == 0
    await claim.submit(ClaimReleased(ReleaseReason.CHECKED, "It is she."))
    await completed(claim)


@pytest.mark.parametrize("lost", ["terminated", "reset", "worker"])
async def test_what_waits_for_issuance_outlives_its_workflow_and_its_worker(
    new_claim: NewClaim, engine: Engine, workers: Workers, lost: str
) -> None:
    claim = new_claim(**own_provider())
    placed = pause(engine, provider_of(claim))
    await claims_while_paused(claim)
    if lost == "terminated":
        await claim.handle.terminate("test")
    elif lost == "reset":
        await reset_to_first_task(claim)
        await waits(claim)
    if lost == "worker":
        async with workers.away():
            resume(engine, placed)
            await woken(claim)
            assert await woken(claim) == 1, "it is found until it goes on"
    else:
        resume(engine, placed)
        await woken(claim)
    await completed(claim)


async def test_a_pause_of_all_stops_every_provider(new_claim: NewClaim, engine: Engine) -> None:
    claim = new_claim(**own_provider())
    with everywhere(engine):
        await claims_while_paused(claim)
        assert await woken(claim) == 0
    await woken(claim)
    await completed(claim)


async def test_a_pause_of_one_provider_stops_no_other(new_claim: NewClaim, engine: Engine) -> None:
    paused, free = new_claim(**own_provider()), new_claim(**own_provider())
    pause(engine, provider_of(paused))
    await claims_while_paused(paused)
    await free.brought_to(Stage.READY_TO_CLAIM)
    assert (await free.submit(free.credit()))["outcome"] == "accepted"
    await completed(free)
    assert (free.count("awards"), paused.count("awards")) == (1, 0)


async def test_what_waits_for_issuance_is_neither_delivered_again_nor_restarted_meanwhile(
    new_claim: NewClaim, engine: Engine
) -> None:
    claim = new_claim(**own_provider(claim_window=A_MONTH))
    pause(engine, provider_of(claim))
    waiting = await claims_while_paused(claim)

    def found(connection: Connection) -> tuple[bool, bool]:
        delivered = waiting in {row["submission_id"] for row in take_undelivered(connection)}
        return delivered, claim.claim_id in {row["claim_id"] for row in stalled_claims(connection)}

    with engine.begin() as connection:
        connection.execute(text("UPDATE submissions SET deliver_after = now() WHERE id = :id"), {"id": waiting})
        connection.execute(
            text("UPDATE claims SET due_at = now() - interval '1 day', reminds_at = NULL WHERE id = :id"),
            {"id": claim.claim_id},
        )
        assert found(connection) == (False, False)
        connection.rollback()


async def test_a_correction_waits_before_it_changes_anything_and_a_revocation_does_not(
    new_claim: NewClaim, engine: Engine, mail: KeptMail
) -> None:
    claims = [new_claim(**own_provider()), new_claim(**own_provider())]
    for claim in claims:
        await claim.brought_to(Stage.COMPLETED)
    claim, revoked = claims
    placed, _ = pause(engine, provider_of(claim)), pause(engine, provider_of(revoked))
    ref = asked(claim, CreditChange(units=Decimal("0.50")))
    await started(claim, ref)
    await claim.until(lambda: row_of(engine, ref)["attention"] == Attention.ISSUANCE_PAUSED)
    assert [each["state"] for each in versions_of(claim)] == ["issued"]
    revocation = asked(revoked, Revocation(RevocationClass.ISSUED_IN_ERROR))
    assert (await (await started(revoked, revocation)).result())["state"] == "completed"
    resume(engine, placed)

    async def wake(row: RowMapping) -> None:
        outline = CorrectionOutline(**row, is_resumed=True)
        await start_correction(claim.client, outline, timedelta(seconds=10))

    await Restarter(engine, wake, resumable_corrections).restart_stalled()
    assert (await handle_of(claim, ref).result())["state"] == "completed"
    assert [each["state"] for each in versions_of(claim)] == ["superseded", "issued"]
    assert row_of(engine, ref)["attention"] is None
    assert len(mail.to(claim.email)) == 2
    assert claim.events()[-6:] == [
        "correction.parked",
        "correction.continued",
        "credit.corrected",
        "certificate.issued",
        "email.sent",
        "correction.completed",
    ]
    claim.assert_audited()


async def test_a_correction_that_is_impossible_is_refused_at_once_during_a_pause(
    new_claim: NewClaim, engine: Engine
) -> None:
    claim = new_claim(**own_provider())
    await claim.brought_to(Stage.COMPLETED)
    pause(engine, provider_of(claim))
    ref = asked(claim, CreditChange(units=Decimal("99.00")))
    assert (await (await started(claim, ref)).result())["state"] == "refused"


async def test_a_certificate_of_a_correction_that_was_made_before_a_pause_waits_too(
    new_claim: NewClaim, engine: Engine, workers: Workers
) -> None:
    claim = new_claim(**own_provider())
    await claim.brought_to(Stage.COMPLETED)
    ref = asked(claim, CreditChange(units=Decimal("0.50")))
    workers.activities.corrections.load_correction(ref)
    workers.activities.corrections.apply_correction(ref)
    placed = pause(engine, provider_of(claim))
    await started(claim, ref)
    await claim.until(lambda: row_of(engine, ref)["attention"] == Attention.ISSUANCE_PAUSED)
    assert [each["state"] for each in versions_of(claim)] == ["superseded", "reserved"]
    resume(engine, placed)
    await handle_of(claim, ref).signal(contract.ISSUANCE_RESUMED)
    assert (await handle_of(claim, ref).result())["state"] == "completed"
    assert [each["state"] for each in versions_of(claim)] == ["superseded", "issued"]
