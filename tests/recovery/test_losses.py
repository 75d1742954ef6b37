"""What was lost or restored, every open claim comes back to a workflow, and ends as if nothing had happened."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping

from temporalio.client import WorkflowExecutionStatus

from activities.contract import NOT_IN_RECORD, CorrectionAttention, CorrectionRef
from activities.smtp import AddressRejectedError
from domain.claims import Attention, Stage
from domain.corrections import CorrectionState, Revocation, RevocationClass
from domain.submissions import AnswersGiven, AttemptStarted, StepRetried
from tests.claims import TestClaim, wrong_answers
from tests.corrections import asked, decided
from tests.recovery.world import World, aside, finished
from tests.workflows.test_corrections import handle_of, parked_at_email, reaches, started
from tests.workflows.test_recovery import reset_to_first_task
from workflows import contract

STAGES = (Stage.AWAITING_TEST, Stage.AWAITING_EVALUATION, Stage.READY_TO_CLAIM)


async def brought_to(claim: TestClaim, stage: Stage) -> TestClaim:
    await claim.brought_to(stage)
    return claim


async def grading(claim: TestClaim) -> TestClaim:
    """A claim whose result comes in a few seconds."""
    await claim.brought_to(Stage.AWAITING_TEST)
    await claim.submit(AttemptStarted())
    await claim.submit(claim.answers())
    return claim


async def parked(world: World, claim: TestClaim) -> TestClaim:
    """A claim whose e-mail the mail server refuses, so that it waits for a person."""
    world.mail.failures[claim.email] = AddressRejectedError()
    await claim.brought_to(Stage.ISSUING)
    await claim.until(lambda: claim.row()["attention"] == Attention.EMAIL_FAILED)
    return claim


async def asked_to_revoke(claim: TestClaim) -> CorrectionRef:
    """A correction that waits for a second person."""
    ref = asked(claim, Revocation(RevocationClass.ISSUED_IN_ERROR), CorrectionState.AWAITING_APPROVAL)
    await started(claim, ref)
    await reaches(claim, ref, state=CorrectionState.AWAITING_APPROVAL)
    return ref


async def awarded_but_not_told(world: World, claim: TestClaim, failure: Exception) -> None:
    """The learner claims the credit, and the mail server does not take the e-mail."""
    world.mail.failures[claim.email] = failure
    await claim.submit(claim.credit())
    await claim.reaches(Stage.ISSUING)


async def take_the_test_again(claim: TestClaim) -> None:
    """The learner takes a test which they had passed, and which the record has lost: wrong first, and then right."""
    run_id = (await claim.handle.describe()).run_id
    await claim.submit(AttemptStarted())
    assert (await claim.submit(AnswersGiven(1, wrong_answers(claim.policy))))["outcome"] == "accepted"
    await claim.until(lambda: claim.events().count("attempt.graded") == 1)
    await claim.described(lambda description: description.run_id != run_id)
    await claim.submit(AttemptStarted())
    await claim.submit(claim.answers(2))
    await claim.reaches(Stage.AWAITING_EVALUATION)


async def at_every_stage(world: World) -> list[TestClaim]:
    """Claims that wait for their learners, for time, for a person, and for nothing."""
    return await asyncio.gather(
        *(brought_to(world.claim(), stage) for stage in STAGES),
        grading(world.claim(grading_seconds=6)),
        parked(world, world.claim()),
        brought_to(world.claim(), Stage.COMPLETED),
    )


async def finished_all(world: World, claims: list[TestClaim]) -> None:
    """Every learner does what is left, and the office what it must; nothing happened twice."""
    world.mail.failures.clear()
    for claim in claims:
        if claim.row()["attention"] == Attention.EMAIL_FAILED:
            await claim.submit(StepRetried("mail server repaired"))
    await asyncio.gather(*(finished(claim) for claim in claims))
    for claim in claims:
        assert len(world.mail.to(claim.email)) == 1
    await world.assert_whole()


async def test_claims_that_are_reset_to_their_first_task_end_with_one_award_each(world: World) -> None:
    claims = await at_every_stage(world)
    # The others go on by themselves: one is being graded, one tries its e-mail again.
    still = [*claims[:3], claims[-1]]
    before = [claim.row() for claim in still]
    for claim in claims:
        await reset_to_first_task(claim)
    assert [claim.row() for claim in still] == before
    await world.assert_whole()
    await finished_all(world, claims)


async def test_claims_that_are_terminated_are_started_by_reconcile_without_waiting_for_anybody(world: World) -> None:
    claims = await at_every_stage(world)
    for claim in claims[:-1]:
        await claim.handle.terminate("test")
    looked = await world.reconcile(is_check=True)
    assert (looked["claims"].missing, looked["claims"].is_clean) == (5, False)
    assert (await claims[0].handle.describe()).status is WorkflowExecutionStatus.TERMINATED
    done = await world.reconcile()
    assert (done["claims"].missing, done["claims"].differing, done["claims"].failed) == (5, 0, 0)
    for claim in claims[:-1]:
        assert (await claim.handle.describe()).status is WorkflowExecutionStatus.RUNNING
    await finished_all(world, claims)


def laurel(world: World, *arguments: str) -> tuple[int, Mapping[str, Mapping[str, int]]]:
    """Run ``laurel reconcile`` as an operator does; answers with its exit code and its counts."""
    environment = {"LAUREL_DATABASE_URL": world.postgres.url, "TEMPORAL_ADDRESS": world.temporal.address}
    ended = subprocess.run(
        [sys.executable, "-m", "cli", "reconcile", "--json", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


async def test_after_the_loss_of_temporals_database_everything_is_started_again_from_the_record(world: World) -> None:
    claims = await at_every_stage(world)
    correction = await asked_to_revoke(claims[-1])
    # Received while nothing runs: the learner was told that it is.
    late = claims[2].receive(claims[2].credit())
    await world.restore_temporal(None)
    code, counts = await aside(laurel, world, "--check")
    assert (code, counts["claims"]["missing"], counts["corrections"]["missing"]) == (1, 5, 1)
    assert (await aside(laurel, world))[0] == 0
    assert (await claims[2].outcome(late))["outcome"] == "accepted"
    await finished_all(world, claims)
    decided(world.engine, correction, is_approved=False)
    assert (await world.reconcile())["corrections"].failed == 0
    await started(claims[-1], correction, is_decided=True)
    await reaches(claims[-1], correction, state=CorrectionState.DECLINED)


async def test_a_correction_is_told_to_read_the_record_that_knows_nothing_of_its_parking(world: World) -> None:
    correction = await parked_at_email(claim := world.claim(), world.mail)
    del world.mail.failures[claim.email]
    going_on = CorrectionAttention(correction.correction_id, "lost-run", 1, attention=None)
    world.activities.corrections.record_correction_attention(going_on)
    assert (await world.reconcile())["corrections"].differing == 1
    assert (await handle_of(claim, correction).result())["state"] == CorrectionState.COMPLETED


async def test_a_temporal_that_was_restored_older_than_the_record_goes_on_from_the_record(world: World) -> None:
    waiting, ready, failing = await asyncio.gather(
        brought_to(world.claim(), Stage.AWAITING_TEST),
        brought_to(world.claim(), Stage.READY_TO_CLAIM),
        parked(world, world.claim()),
    )
    held = await brought_to(world.claim(), Stage.AWAITING_EVALUATION)
    correction = await parked_at_email(corrected := world.claim(), world.mail)
    copy = await world.copy_temporal()

    new = await brought_to(world.claim(), Stage.AWAITING_EVALUATION)
    await waiting.pass_test()
    assert (await ready.submit(ready.credit()))["outcome"] == "accepted"
    await ready.reaches(Stage.COMPLETED)
    # Its workflow has noted since that the step went on, and that it was parked again.
    await failing.submit(StepRetried("mail server repaired"))
    await failing.until(lambda: failing.events().count("claim.parked") == 2)
    await held.handle.signal("place_hold", {"operator": "j.doe", "reason": "two people, one badge"})
    await held.until(lambda: held.row()["held_at"] is not None)
    del world.mail.failures[corrected.email]
    repaired = {"operator": "j.doe", "reason": "mail server repaired"}
    await handle_of(corrected, correction).signal(contract.RETRY_CORRECTION, repaired)
    await reaches(corrected, correction, state=CorrectionState.COMPLETED)

    await world.restore_temporal(copy)
    # A signal that is typed now is another one than that which the older workflow never saw.
    await held.handle.signal("release_hold", {"operator": "j.doe", "reason": "badge belongs to her"})
    await held.until(lambda: held.row()["held_at"] is None)
    found = await world.reconcile()
    done = found["claims"]
    assert (done.missing, done.superfluous, done.unknown, done.failed) == (1, 1, 0, 0)
    assert done.differing >= 1
    await ready.handle.result()
    assert found["corrections"].superfluous == 1
    assert (await handle_of(corrected, correction).result())["state"] == CorrectionState.COMPLETED
    assert len(world.mail.to(corrected.email)) == 2
    await finished_all(world, [waiting, ready, failing, held, new])


async def test_a_record_that_was_restored_older_than_temporal_is_the_record_all_the_same(world: World) -> None:
    stages = (Stage.AWAITING_TEST, *(Stage.READY_TO_CLAIM,) * 3, Stage.COMPLETED)
    claims = await asyncio.gather(*(brought_to(world.claim(), stage) for stage in stages))
    waiting, ready, failing, trying, done = claims
    dump = await world.copy_record()

    await waiting.pass_test()
    assert (await ready.submit(ready.credit()))["outcome"] == "accepted"
    await ready.reaches(Stage.COMPLETED)
    await awarded_but_not_told(world, failing, AddressRejectedError())
    await failing.until(lambda: failing.row()["attention"] == Attention.EMAIL_FAILED)
    # Not refused, but not taken either: its step is tried again and again.
    await awarded_but_not_told(world, trying, OSError("the mail server does not answer"))
    lost = await brought_to(world.claim(), Stage.AWAITING_TEST)
    correction = await asked_to_revoke(done)
    await asked_to_revoke(ready)

    await world.restore_record(dump)
    assert waiting.row()["stage"] == Stage.AWAITING_TEST
    assert lost.row() == {}
    # Its workflow knows of a passed test; the record does not, and grades what is handed in now.
    await take_the_test_again(waiting)
    # The workflow of a correction that nobody has asked for ends, and does not fail.
    handle = await started(done, correction, is_decided=True)
    assert (await handle.result())["state"] == NOT_IN_RECORD

    found = await world.reconcile()
    assert (found["claims"].missing, found["claims"].unknown, found["corrections"].unknown) == (1, 1, 1)
    assert found["claims"].failed == 0
    assert (await lost.handle.describe()).status is WorkflowExecutionStatus.TERMINATED
    for claim in (failing, trying):
        await claim.shows(contract.CLAIM_STAGE, Stage.READY_TO_CLAIM)
        assert claim.row()["attention"] is None
    world.mail.failures.clear()
    # The learner of an e-mail that is still tried comes back before its activity has heard that there is none.
    await asyncio.gather(*(finished(claim) for claim in claims))
    await world.assert_whole()


async def test_reconcile_beside_learners_at_work_starts_nothing_twice(world: World) -> None:
    claims = [world.claim() for _ in range(4)]
    working = [asyncio.create_task(claim.complete()) for claim in claims]
    while not all(task.done() for task in working):
        found = await world.reconcile()
        assert sum(counts.missing + counts.unknown + counts.failed for counts in found.values()) == 0
    await asyncio.gather(*working)
    await finished_all(world, claims)


async def test_reconcile_says_in_one_sentence_that_temporal_is_away(world: World) -> None:
    environment = {"LAUREL_DATABASE_URL": world.postgres.url, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    command = [sys.executable, "-m", "cli", "reconcile"]
    ended = await aside(
        lambda: subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("laurel: Temporal cannot be used")
