"""Corrections that are parked and that the office ends, on a real Temporal server: the way is free for what follows."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text, update
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowHandle

from activities.contract import CorrectionRef
from domain.claims import Attention
from domain.corrections import Reissue, Revocation, RevocationClass
from storage.tables import CorrectionRow
from tests.claims import KeptMail, TestClaim
from tests.corrections import asked, row_of, versions_of
from tests.issuance import own_provider, pause, provider_of, resume
from tests.workflows.conftest import Workers
from tests.workflows.test_corrections import (
    HALF,
    aged,
    completed,
    corrected,
    handle_of,
    parked_at_email,
    reaches,
    restarted,
    started,
)
from workflows import contract

NewClaim = Callable[..., TestClaim]
pytestmark = pytest.mark.usefixtures("workers")

IN_ERROR = Revocation(RevocationClass.ISSUED_IN_ERROR)
BY_OPERATOR = {"operator": "j.doe", "reason_code": "corrected_again", "reason": "The template is at fault."}


async def parked_at_certificate(claim: TestClaim, workers: Workers) -> CorrectionRef:
    """A correction whose new version cannot be made, however often it is tried: what it prints is settled."""
    await completed(claim)
    ref = asked(claim, HALF)
    workers.activities.corrections.load_correction(ref)
    workers.activities.corrections.apply_correction(ref)
    broken = text(
        "UPDATE certificates SET data = jsonb_set(data::jsonb, '{learner_name}', to_jsonb(CAST(:name AS text))) "
        "WHERE state = 'reserved' AND id = :id"
    )
    with claim.engine.begin() as connection:
        connection.execute(broken, {"name": "\U00013000 Moreau", "id": versions_of(claim)[-1]["id"]})
    await started(claim, ref)
    await reaches(claim, ref, state="applied", attention="certificate_failed")
    return ref


async def waiting_for_issuance(claim: TestClaim) -> CorrectionRef:
    ref = asked(claim, HALF)
    await started(claim, ref)
    await reaches(claim, ref, state="approved", attention="issuance_paused")
    return ref


def ended_over_http(engine: Engine, ref: CorrectionRef) -> None:
    """Record that staff end the correction, as the API does before it tells the workflow."""
    values = {
        "resolved_by": "acc_staff",
        "resolution_code": "corrected_again",
        "resolution": "The template is at fault.",
    }
    with engine.begin() as connection:
        connection.execute(
            update(CorrectionRow)
            .where(CorrectionRow.id == ref.correction_id, CorrectionRow.attention.is_not(None))
            .values(**values, resolved_at=text("clock_timestamp()"))
        )


async def details_of(handle: WorkflowHandle[Any, Any]) -> str:
    metadata: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return metadata.current_details


async def test_a_correction_whose_certificate_cannot_be_made_is_ended_and_the_next_one_replaces_it(
    new_claim: NewClaim, workers: Workers, engine: Engine, mail: KeptMail
) -> None:
    claim = new_claim()
    ref = await parked_at_certificate(claim, workers)
    handle = handle_of(claim, ref)
    await handle.signal(contract.RETRY_CORRECTION, {"operator": "j.doe", "reason": "once more"})
    await claim.until(lambda: claim.events().count("correction.parked") == 2)
    assert "`resolve_step`" in await details_of(handle)
    await handle.signal(contract.RESOLVE_CORRECTION, {"operator": "j.doe"})
    await handle.signal(contract.RESOLVE_CORRECTION, BY_OPERATOR)
    assert (await handle.result())["state"] == "resolved"
    row = row_of(engine, ref)
    assert (row["state"], row["attention"], row["resolved_by"]) == ("resolved", None, "operator:j.doe")
    assert row["finished_at"] is not None
    entry = claim.entries()[-1]
    assert (entry["event"], entry["actor"]) == ("correction.resolved", "operator:j.doe")
    assert entry["after"]["reason_code"] == "corrected_again"
    assert (await handle.describe()).typed_search_attributes.get(contract.CLAIM_ATTENTION) is None
    await corrected(claim, Reissue())
    assert [each["state"] for each in versions_of(claim)] == ["superseded", "superseded", "issued"]
    assert [each["email"] for each in versions_of(claim)] == ["sent", "dropped", "sent"]
    assert len(mail.to(claim.email)) == 2
    claim.assert_audited()


async def test_a_correction_whose_learner_was_told_otherwise_is_ended_and_the_credit_can_be_revoked(
    new_claim: NewClaim, engine: Engine, mail: KeptMail
) -> None:
    claim = new_claim()
    ref = await parked_at_email(claim, mail)
    assert "`resolve_step`" in await details_of(handle_of(claim, ref))
    told = {"operator": "j.doe", "reason_code": "told_otherwise", "reason": "by telephone"}
    await handle_of(claim, ref).signal(contract.RESOLVE_CORRECTION, told)
    assert (await handle_of(claim, ref).result())["state"] == "resolved"
    del mail.failures[claim.email]
    assert (versions_of(claim)[-1]["state"], versions_of(claim)[-1]["email"]) == ("issued", "dropped")
    assert row_of(engine, await corrected(claim, IN_ERROR))["state"] == "completed"
    assert versions_of(claim)[-1]["state"] == "revoked"
    assert len(mail.to(claim.email)) == 1
    claim.assert_audited()


@pytest.mark.parametrize("attention", [Attention.CERTIFICATE_FAILED, Attention.EMAIL_FAILED])
async def test_what_staff_end_over_http_ends_as_soon_as_the_workflow_is_told(
    new_claim: NewClaim, workers: Workers, engine: Engine, mail: KeptMail, attention: Attention
) -> None:
    claim = new_claim()
    is_at_email = attention is Attention.EMAIL_FAILED
    ref = await (parked_at_email(claim, mail) if is_at_email else parked_at_certificate(claim, workers))
    ended_over_http(engine, ref)
    await started(claim, ref, is_decided=True)
    assert (await handle_of(claim, ref).result())["state"] == "resolved"
    assert (claim.events()[-1], claim.entries()[-1]["actor"]) == ("correction.resolved", "acc_staff")
    assert claim.events().count("correction.continued") == 0
    assert versions_of(claim)[-1]["email"] == "dropped"


async def test_what_staff_end_ends_although_nobody_told_its_workflow(
    new_claim: NewClaim, workers: Workers, engine: Engine
) -> None:
    claim = new_claim()
    ref = await parked_at_certificate(claim, workers)
    ended_over_http(engine, ref)
    aged(engine, ref)
    await restarted(claim, ref)
    assert (await handle_of(claim, ref).result())["state"] == "resolved"


async def test_what_staff_end_ends_although_its_workflow_was_lost(
    new_claim: NewClaim, engine: Engine, mail: KeptMail
) -> None:
    claim = new_claim()
    ref = await parked_at_email(claim, mail)
    await handle_of(claim, ref).terminate("test")
    ended_over_http(engine, ref)
    del mail.failures[claim.email]
    assert (await (await started(claim, ref)).result())["state"] == "resolved"
    assert len(mail.to(claim.email)) == 1


async def test_a_correction_that_waits_for_a_pause_makes_way_for_a_revocation(
    new_claim: NewClaim, engine: Engine
) -> None:
    over_http, by_signal = claims = [new_claim(**own_provider()) for _ in range(2)]
    for claim in claims:
        await completed(claim)
    placed = [pause(engine, provider_of(claim)) for claim in claims]
    first, second = await waiting_for_issuance(over_http), await waiting_for_issuance(by_signal)
    ended_over_http(engine, first)
    await started(over_http, first, is_decided=True)
    await handle_of(by_signal, second).signal(contract.RESOLVE_CORRECTION, BY_OPERATOR)
    for claim, ref in ((over_http, first), (by_signal, second)):
        assert (await handle_of(claim, ref).result())["state"] == "resolved"
        assert row_of(engine, ref)["applied_at"] is None
        assert row_of(engine, await corrected(claim, IN_ERROR))["state"] == "completed"
        (only,) = versions_of(claim)
        assert (only["state"], only["award_state"], only["email"]) == ("revoked", "revoked", "sent")
        claim.assert_audited()
    for each in placed:
        resume(engine, each)
