"""Corrections on a real Temporal server, by the product's worker: approved, applied, issued, told; whatever happens."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, RowMapping
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.contract import ClaimRef, CorrectionAttention, CorrectionRef
from activities.outbox import Outbox
from activities.relay import Restarter
from activities.smtp import AddressRejectedError
from config.settings import Settings
from domain.claims import Attention, Stage
from domain.corrections import Change, CorrectionState, CreditChange, NameChange, Reissue, Revocation, RevocationClass
from domain.identities import new_id
from storage.corrections import unfinished_corrections
from tests.claims import KeptMail, TestClaim
from tests.corrections import asked, decided, row_of, versions_of
from tests.issuance import own_provider, pause, provider_of, resume
from tests.ways import FIRST, finalized, meeting
from tests.workflows.conftest import Workers
from workflows import contract, presence
from workflows.contract import correction_workflow_id
from workflows.delivery import CorrectionOutline, start_correction

NewClaim = Callable[..., TestClaim]
pytestmark = pytest.mark.usefixtures("workers")

HALF = CreditChange(units=Decimal("0.50"))
IN_ERROR = Revocation(RevocationClass.ISSUED_IN_ERROR)


def handle_of(claim: TestClaim, ref: CorrectionRef) -> WorkflowHandle[Any, Any]:
    return claim.client.get_workflow_handle(correction_workflow_id(ref.correction_id))


async def started(claim: TestClaim, ref: CorrectionRef, *, is_decided: bool = False) -> WorkflowHandle[Any, Any]:
    outline = CorrectionOutline(
        correction_id=ref.correction_id, ce_activity=claim.slug, provider="lakeside", is_decided=is_decided
    )
    await start_correction(claim.client, outline, timedelta(seconds=10))
    return handle_of(claim, ref)


async def corrected(claim: TestClaim, change: Change, **asking: Any) -> CorrectionRef:
    """A correction that went all its way."""
    ref = asked(claim, change, **asking)
    await (await started(claim, ref)).result()
    return ref


async def completed(claim: TestClaim) -> TestClaim:
    await claim.brought_to(Stage.COMPLETED)
    await claim.handle.result()
    return claim


async def reaches(claim: TestClaim, ref: CorrectionRef, **values: object) -> None:
    await claim.until(lambda: values.items() <= row_of(claim.engine, ref).items())


async def parked_at_email(claim: TestClaim, mail: KeptMail) -> CorrectionRef:
    """A correction of a completed claim that waits for a person, because the mail server refuses its e-mail."""
    await completed(claim)
    mail.failures[claim.email] = AddressRejectedError()
    ref = asked(claim, HALF)
    await started(claim, ref)
    await reaches(claim, ref, state="applied", attention="email_failed")
    return ref


async def test_a_correction_of_sessions_supersedes_the_award_and_tells_the_learner_once(
    new_claim: NewClaim, mail: KeptMail, engine: Engine
) -> None:
    claim = new_claim(**meeting())
    await finalized(claim)
    await claim.handle.result()
    claim.change_learner(family_name="Moreau-Lind")
    ref = await corrected(claim, CreditChange(sessions={FIRST: Decimal("0.50")}))
    assert row_of(engine, ref)["state"] == "completed"
    first, second = versions_of(claim)
    assert (first["state"], first["award_state"], first["units"]) == ("superseded", "superseded", Decimal("1.00"))
    assert (second["state"], second["award_state"], second["units"]) == ("issued", "active", Decimal("0.50"))
    names = [each["data"]["learner_name"] for each in (first, second)]
    assert names == ["Alice Moreau", "Alice Moreau-Lind"]
    assert [line["units"] for line in second["data"]["sessions"]] == ["0.50"]
    assert claim.row()["claimed_units"] == Decimal("0.50")
    told = mail.to(claim.email)
    assert len(told) == 2
    assert "corrected" in told[-1]["Subject"]
    claim.assert_audited()


async def test_each_version_is_announced_once_under_a_message_id_of_its_own(
    new_claim: NewClaim, mail: KeptMail
) -> None:
    claim = await completed(new_claim())
    for change in (HALF, NameChange(family_name="Lind"), Reissue()):
        await corrected(claim, change)
    assert [each["version"] for each in versions_of(claim)] == [1, 2, 3, 4]
    assert [each["state"] for each in versions_of(claim)] == ["superseded"] * 3 + ["issued"]
    assert [each["superseded_by"] for each in versions_of(claim)] == [2, 3, 4, None]
    assert len({message["Message-ID"] for message in mail.to(claim.email)}) == len(mail.to(claim.email)) == 4
    assert len({each["data"]["verification_code"] for each in versions_of(claim)}) == 4


async def test_a_revocation_is_told_calmly_and_once(
    new_claim: NewClaim, mail: KeptMail, workers: Workers, engine: Engine, settings: Settings
) -> None:
    claim = await completed(new_claim())
    ref = await corrected(claim, IN_ERROR, reason="The badge was a colleague's.")
    assert row_of(engine, ref)["state"] == "completed"
    outbox = Outbox(engine, workers.activities.policies, workers.activities.postman, settings.public_url)
    while outbox.send_next():
        pass
    _, told = mail.to(claim.email)
    body = told.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert told["Subject"] == f"Your {claim.policy.provider.acronym} credit was revoked: {claim.policy.title}"
    assert "It was issued in error." in text
    assert "1.00 AMA PRA Category 1 Credit(s)" in text
    assert claim.policy.contact in text
    assert "colleague" not in text, "staff's own words are not for everybody"


async def test_without_a_second_person_nothing_happens_however_long(
    new_claim: NewClaim, engine: Engine, mail: KeptMail
) -> None:
    claim = await completed(new_claim())
    ref = asked(claim, HALF, CorrectionState.AWAITING_APPROVAL)
    handle = await started(claim, ref)
    await claim.until(lambda: claim.events()[-1] == "correction.requested")
    await handle.signal(contract.CORRECTION_DECIDED)
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    assert len(versions_of(claim)) == 1
    decided(engine, ref, is_approved=True)
    await started(claim, ref, is_decided=True)
    assert (await handle.result())["state"] == "completed"
    assert claim.events().count("correction.approved") == 1
    assert versions_of(claim)[-1]["units"] == Decimal("0.50")
    assert len(mail.to(claim.email)) == 2


async def test_a_declined_correction_ends_and_changes_nothing(new_claim: NewClaim, engine: Engine) -> None:
    claim = await completed(new_claim())
    ref = asked(claim, IN_ERROR, CorrectionState.AWAITING_APPROVAL)
    decided(engine, ref, is_approved=False)
    assert (await (await started(claim, ref)).result())["state"] == "declined"
    assert claim.events()[-2:] == ["correction.requested", "correction.declined"]
    assert [each["award_state"] for each in versions_of(claim)] == ["active"]


async def test_a_refused_correction_ends(new_claim: NewClaim) -> None:
    claim = await completed(new_claim())
    ref = asked(claim, CreditChange(units=Decimal("99.00")))
    assert (await (await started(claim, ref)).result())["state"] == "refused"


async def test_a_refused_e_mail_parks_the_correction_until_an_operator_retries(
    new_claim: NewClaim, mail: KeptMail, engine: Engine
) -> None:
    ref = await parked_at_email(claim := new_claim(), mail)
    handle = handle_of(claim, ref)
    metadata: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    assert "Needs attention: email_failed" in metadata.current_details
    await handle.signal(contract.RETRY_CORRECTION, {"operator": "j.doe"})
    description = await handle.describe()
    assert description.typed_search_attributes.get(contract.CLAIM_ATTENTION) == Attention.EMAIL_FAILED
    del mail.failures[claim.email]
    await handle.signal(contract.RETRY_CORRECTION, {"operator": "j.doe", "reason": "mail server repaired"})
    await handle.result()
    row = row_of(engine, ref)
    assert (row["state"], row["attention"]) == ("completed", None)
    (parked, going_on) = [each for each in claim.entries() if each["event"].startswith("correction.") and "error" in
                          each["after"]]  # fmt: skip
    assert (parked["event"], parked["after"]["error"]) == ("correction.parked", "AddressRejected")
    assert (going_on["event"], going_on["actor"]) == ("correction.continued", "operator:j.doe")
    assert (await handle.describe()).typed_search_attributes.get(contract.CLAIM_ATTENTION) is None
    assert len(mail.to(claim.email)) == 2


async def test_a_parked_correction_tries_itself_again_after_six_hours(
    new_claim: NewClaim, mail: KeptMail, environment: WorkflowEnvironment
) -> None:
    ref = await parked_at_email(claim := new_claim(), mail)
    handle = handle_of(claim, ref)
    del mail.failures[claim.email]
    await environment.fast_forward(handle, timedelta(hours=7))
    await handle.result()
    assert "operator:" not in str(claim.entries()[-2:])


async def told(claim: TestClaim, ref: CorrectionRef) -> None:
    """What ``laurel reconcile`` does with a correction that differs from the record."""
    await presence.tell(claim.client, presence.Kind.CORRECTION, ref.correction_id)


async def test_a_parked_correction_that_is_finished_in_the_record_ends_as_soon_as_it_is_told(
    new_claim: NewClaim, workers: Workers, mail: KeptMail
) -> None:
    """So it is after Temporal was restored older than the record."""
    ref = await parked_at_email(claim := new_claim(), mail)
    handle = handle_of(claim, ref)
    del mail.failures[claim.email]
    workers.activities.mail.send_award_email(ClaimRef(claim.claim_id))
    going_on = CorrectionAttention(ref.correction_id, "another run", 1, attention=None)
    workers.activities.corrections.record_correction_attention(going_on)
    workers.activities.corrections.complete_correction(ref)
    before = claim.events()
    await told(claim, ref)
    assert (await handle.result())["state"] == "completed"
    assert (await handle.describe()).typed_search_attributes.get(contract.CLAIM_ATTENTION) is None
    assert claim.events() == before
    assert len(mail.to(claim.email)) == 2
    claim.assert_audited()


async def test_a_correction_that_waits_for_issuance_goes_on_from_the_record_as_soon_as_it_is_told(
    new_claim: NewClaim, workers: Workers, engine: Engine, mail: KeptMail
) -> None:
    claim = await completed(new_claim(**own_provider()))
    placed = pause(engine, provider_of(claim))
    ref = asked(claim, HALF)
    handle = await started(claim, ref)
    await reaches(claim, ref, attention="issuance_paused")
    resume(engine, placed)
    workers.activities.corrections.apply_correction(ref)
    await told(claim, ref)
    assert (await handle.result())["state"] == "completed"
    assert claim.events().count("credit.corrected") == 1
    assert len(mail.to(claim.email)) == 2
    claim.assert_audited()


async def test_a_correction_waits_for_a_worker_and_may_be_started_again(
    new_claim: NewClaim, workers: Workers, engine: Engine, mail: KeptMail
) -> None:
    claim = await completed(new_claim())
    ref = asked(claim, HALF)
    async with workers.away():
        handle = await started(claim, ref)
        await started(claim, ref)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    await handle.result()
    first = row_of(engine, ref), versions_of(claim), claim.events()
    await (await started(claim, ref)).result()
    assert (row_of(engine, ref), versions_of(claim), claim.events()) == first
    assert len(mail.to(claim.email)) == 2


async def restarted(claim: TestClaim, ref: CorrectionRef) -> None:
    """The product's restarter, for this correction only."""

    async def start(row: RowMapping) -> None:
        if row["correction_id"] == ref.correction_id:
            await start_correction(claim.client, CorrectionOutline(**row), timedelta(seconds=10))

    await Restarter(claim.engine, start, unfinished_corrections).restart_stalled()


def aged(engine: Engine, ref: CorrectionRef) -> None:
    """Let the correction have been asked for a minute ago."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE corrections SET requested_at = requested_at - interval '1 minute', "
            "decided_at = decided_at - interval '1 minute' WHERE id = %s",
            (ref.correction_id,),
        )


async def test_a_correction_that_temporal_never_heard_of_is_started_by_the_restarter(
    new_claim: NewClaim, engine: Engine
) -> None:
    claim = await completed(new_claim())
    ref = asked(claim, HALF)
    aged(engine, ref)
    await restarted(claim, ref)
    assert (await handle_of(claim, ref).result())["state"] == "completed"


async def test_an_approval_that_temporal_never_heard_of_is_told_by_the_restarter(
    new_claim: NewClaim, engine: Engine
) -> None:
    claim = await completed(new_claim())
    ref = asked(claim, HALF, CorrectionState.AWAITING_APPROVAL)
    handle = await started(claim, ref)
    await claim.until(lambda: claim.events()[-1] == "correction.requested")
    decided(engine, ref, is_approved=True)
    aged(engine, ref)
    await restarted(claim, ref)
    assert (await handle.result())["state"] == "completed"


async def test_a_terminated_correction_goes_on_where_the_record_is(
    new_claim: NewClaim, engine: Engine, mail: KeptMail
) -> None:
    ref = await parked_at_email(claim := new_claim(), mail)
    handle = handle_of(claim, ref)
    await handle.terminate("test")
    del mail.failures[claim.email]
    aged(engine, ref)
    await restarted(claim, ref)
    assert (await handle_of(claim, ref).result())["state"] == "completed"
    assert row_of(engine, ref)["attention"] is None
    assert [each["version"] for each in versions_of(claim)] == [1, 2]
    assert len(mail.to(claim.email)) == 2
    claim.assert_audited()


async def test_a_correction_that_is_reset_to_its_first_task_has_one_effect(
    new_claim: NewClaim, engine: Engine, mail: KeptMail
) -> None:
    claim = await completed(new_claim())
    ref = await corrected(claim, HALF)
    before = versions_of(claim), claim.events(), row_of(engine, ref)
    request = ResetWorkflowExecutionRequest(
        namespace=claim.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=correction_workflow_id(ref.correction_id)),
        reason="test",
        workflow_task_finish_event_id=4,
        request_id=new_id("req"),
    )
    await claim.client.workflow_service.reset_workflow_execution(request)
    assert (await handle_of(claim, ref).result())["state"] == "completed"
    assert (versions_of(claim), claim.events(), row_of(engine, ref)) == before
    assert len(mail.to(claim.email)) == 2


async def test_the_history_of_a_correction_holds_ids_and_codes_and_nothing_personal(
    new_claim: NewClaim, engine: Engine
) -> None:
    claim = await completed(new_claim())
    ref = await corrected(claim, NameChange(family_name="Canary-7f3a"), reason="Canary reason")
    history = (await handle_of(claim, ref).fetch_history()).to_json()
    for personal in ("anary", claim.learner_id, claim.email, "Moreau", "acc_staff"):
        assert personal not in history
    assert len(history) < 20_000


async def unprintable(claim: TestClaim) -> TestClaim:
    """A claim that is parked at its certificate for a name that no font has."""
    await claim.brought_to(Stage.ISSUING)
    await claim.shows(contract.CLAIM_ATTENTION, Attention.CERTIFICATE_FAILED)
    return claim


async def test_a_claim_that_is_parked_at_its_certificate_goes_on_once_a_correction_issued_one(
    new_claim: NewClaim, mail: KeptMail
) -> None:
    claim = await unprintable(new_claim(learner={"given_name": "\U00013000"}))
    await corrected(claim, NameChange(given_name="Alice"))
    await claim.handle.result()
    assert (claim.row()["stage"], claim.row()["attention"]) == (Stage.COMPLETED, None)
    assert claim.events()[-1] == "claim.continued"
    assert [each["state"] for each in versions_of(claim)] == ["superseded", "issued"]
    assert len(mail.to(claim.email)) == 1
    claim.assert_audited()


async def test_a_correction_of_a_parked_claim_ends_though_the_claim_does_not_run(new_claim: NewClaim) -> None:
    claim = await unprintable(new_claim(learner={"given_name": "\U00013000"}))
    await claim.handle.terminate("test")
    ref = await corrected(claim, NameChange(given_name="Alice"))
    assert row_of(claim.engine, ref)["state"] == "completed"
    assert (claim.row()["stage"], claim.row()["attention"]) == (Stage.COMPLETED, None)
