"""Claims run for months while releases change: histories of earlier releases must replay under this one.

``LAUREL_RECORD_HISTORIES=1 pytest tests/workflows/test_replay.py`` adds a history of each story as it runs today. Files
are only ever added: one that no longer replays shows a change that open claims would not survive.
"""

import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowReplayResult, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.smtp import AddressRejectedError
from domain.claims import Attention, Stage
from domain.corrections import CorrectionState, CreditChange, Revocation, RevocationClass
from domain.policy import CertificateIssue, ClaimWindow
from domain.reasons import DenialReason, ReleaseReason, ReopeningReason, ResolutionReason, WaiverReason
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    AttentionResolved,
    ClaimDenied,
    ClaimReleased,
    ClaimReopened,
    DeadlineExtended,
    ProgressReported,
    RequirementWaived,
    StepRetried,
    Withdrawal,
)
from tests import ways
from tests.activities.test_merge import asked as merge_asked
from tests.claims import KeptMail, TestClaim, wrong_answers
from tests.corrections import asked, decided
from tests.issuance import own_provider, pause, provider_of, resume
from tests.workflows.conftest import Forward
from tests.workflows.test_corrections import handle_of, parked_at_email, reaches, started
from workflows import contract
from workflows.claim import ClaimWorkflow
from workflows.contract import ClaimInput, ClaimResult, merge_workflow_id
from workflows.correction import CorrectionWorkflow
from workflows.delivery import start_merge
from workflows.merge import MergeWorkflow
from workflows.sandbox import IMPORTED, watching_runner, workflow_runner

NewClaim = Callable[..., TestClaim]
Handle = WorkflowHandle[Any, Any]
Story = Callable[[NewClaim, Forward, KeptMail], Awaitable[TestClaim | Handle]]

ROOT = Path(__file__).parents[2]
HISTORIES = Path(__file__).parent / "histories"
IS_RECORDING = os.environ.get("LAUREL_RECORD_HISTORIES") == "1"
# What differs between machines and decides nothing.
LOCAL = ("identity", "stackTrace")


async def completed(new_claim: NewClaim, _forward: Forward, _mail: KeptMail) -> TestClaim:
    claim = new_claim()
    await claim.complete()
    return claim


async def retaken(new_claim: NewClaim, forward: Forward, _mail: KeptMail) -> TestClaim:
    claim = new_claim(grading_seconds=30)
    await claim.brought_to(Stage.AWAITING_TEST)
    await claim.submit(AttemptStarted())
    await claim.submit(AnswersGiven(1, wrong_answers(claim.policy)))
    await forward(claim, timedelta(seconds=31))
    await claim.reaches(Stage.AWAITING_TEST)
    await claim.submit(AttemptStarted())
    await claim.submit(claim.answers(2))
    await forward(claim, timedelta(seconds=31))
    await claim.reaches(Stage.AWAITING_EVALUATION)
    await claim.submit(claim.evaluation(), datetime.now(UTC) + timedelta(minutes=5))
    await claim.submit(claim.credit(), datetime.now(UTC) + timedelta(minutes=6))
    return claim


async def expired(new_claim: NewClaim, forward: Forward, _mail: KeptMail) -> TestClaim:
    claim = new_claim(claim_window=ClaimWindow(days=3))
    await claim.brought_to(Stage.AWAITING_EVALUATION)
    await forward(claim, timedelta(days=5))
    return claim


async def extended(new_claim: NewClaim, forward: Forward, _mail: KeptMail) -> TestClaim:
    claim = new_claim(claim_window=ClaimWindow(days=3))
    await claim.brought_to(Stage.AWAITING_EVALUATION)
    later = datetime.now(UTC).date() + timedelta(days=10)
    await claim.handle.signal(
        "extend_deadline", {"operator": "j.doe", "reason": "illness", "due_on": later.isoformat()}
    )
    await claim.until(lambda: claim.events()[-1] == "extension.accepted")
    await claim.submit(DeadlineExtended(later + timedelta(days=10), "illness"))
    await forward(claim, timedelta(days=30))
    return claim


async def opened(new_claim: NewClaim, forward: Forward, _mail: KeptMail) -> TestClaim:
    claim = new_claim(claim_window=ClaimWindow(opens_on=datetime.now(UTC).date() + timedelta(days=3)))
    await claim.brought_to(Stage.AWAITING_WINDOW)
    await forward(claim, timedelta(days=4))
    await claim.reaches(Stage.READY_TO_CLAIM)
    # Credit that is claimed then would be completed after the day that the database prints as the day of issue.
    await claim.submit(Withdrawal("no longer needed"), datetime.now(UTC) + timedelta(days=5))
    return claim


async def withdrawn(new_claim: NewClaim, _forward: Forward, _mail: KeptMail) -> TestClaim:
    claim = new_claim()
    await claim.brought_to(Stage.READY_TO_CLAIM)
    await claim.submit(Withdrawal("no longer needed"))
    return claim


async def parked(new_claim: NewClaim, _forward: Forward, mail: KeptMail) -> TestClaim:
    claim = new_claim()
    mail.failures[claim.email] = AddressRejectedError()
    await claim.brought_to(Stage.ISSUING)
    await claim.shows(contract.CLAIM_ATTENTION, Attention.EMAIL_FAILED)
    del mail.failures[claim.email]
    await claim.submit(StepRetried("mail server repaired"))
    return claim


async def held(new_claim: NewClaim, forward: Forward, _mail: KeptMail) -> TestClaim:
    claim = new_claim(claim_window=ClaimWindow(days=3))
    await claim.brought_to(Stage.AWAITING_EVALUATION)
    await claim.handle.signal("place_hold", {"operator": "j.doe", "reason": "two people, one badge"})
    await claim.shows(contract.CLAIM_ATTENTION, Attention.ON_HOLD)
    due_at = claim.row()["due_at"]
    await claim.deliver(claim.receive(claim.evaluation(), due_at))
    await forward(claim, timedelta(days=5))
    await claim.submit(RequirementWaived("participation", WaiverReason.OTHER, "known"), due_at + timedelta(days=1))
    await claim.submit(ClaimReleased(ReleaseReason.CHECKED, "it is hers"), due_at + timedelta(days=2))
    return claim


async def paused(new_claim: NewClaim, forward: Forward, _mail: KeptMail) -> TestClaim:
    claim = new_claim(**own_provider(claim_window=ClaimWindow(days=3)))
    await claim.brought_to(Stage.READY_TO_CLAIM)
    placed = pause(claim.engine, provider_of(claim))
    await claim.deliver(claim.receive(claim.credit()))
    await claim.shows(contract.CLAIM_ATTENTION, Attention.ISSUANCE_PAUSED)
    await forward(claim, timedelta(days=5))
    resume(claim.engine, placed)
    await claim.handle.signal(contract.ISSUANCE_RESUMED)
    return claim


async def paused_at_email(new_claim: NewClaim, _forward: Forward, mail: KeptMail) -> TestClaim:
    claim = new_claim(**own_provider())
    mail.failures[claim.email] = AddressRejectedError()
    await claim.brought_to(Stage.ISSUING)
    await claim.shows(contract.CLAIM_ATTENTION, Attention.EMAIL_FAILED)
    placed = pause(claim.engine, provider_of(claim))
    del mail.failures[claim.email]
    await claim.submit(StepRetried("mail server repaired"))
    await claim.shows(contract.CLAIM_ATTENTION, Attention.ISSUANCE_PAUSED)
    resume(claim.engine, placed)
    await claim.handle.signal(contract.ISSUANCE_RESUMED)
    return claim


async def resolved(new_claim: NewClaim, _forward: Forward, mail: KeptMail) -> TestClaim:
    claim = new_claim()
    mail.failures[claim.email] = AddressRejectedError()
    await claim.brought_to(Stage.ISSUING)
    await claim.shows(contract.CLAIM_ATTENTION, Attention.EMAIL_FAILED)
    await claim.submit(AttentionResolved(ResolutionReason.HANDED_OVER, "on paper"))
    return claim


async def denied(new_claim: NewClaim, _forward: Forward, _mail: KeptMail) -> TestClaim:
    claim = new_claim()
    await claim.brought_to(Stage.READY_TO_CLAIM)
    await claim.submit(ClaimDenied(DenialReason.OTHER, "not a physician"))
    await claim.handle.result()
    await claim.submit(ClaimReopened(ReopeningReason.ENDED_IN_ERROR, "a physician"))
    await claim.submit(claim.credit())
    return claim


async def reminded(new_claim: NewClaim, forward: Forward, _mail: KeptMail) -> TestClaim:
    claim = new_claim(claim_window=ClaimWindow(days=20), reminder_days=(7, 1))
    await claim.brought_to(Stage.AWAITING_TEST)
    await forward(claim, timedelta(days=15))
    await claim.until(lambda: claim.row()["reminded_at"] is not None)
    later = datetime.now(UTC).date() + timedelta(days=60)
    await claim.submit(DeadlineExtended(later, "illness"))
    await forward(claim, timedelta(days=70))
    return claim


async def finalized(new_claim: NewClaim, _forward: Forward, _mail: KeptMail) -> TestClaim:
    claim = new_claim(**ways.meeting())
    await ways.finalized(claim)
    return claim


async def correction_paused(new_claim: NewClaim, _forward: Forward, _mail: KeptMail) -> Handle:
    claim = new_claim(**own_provider())
    await claim.complete()
    placed = pause(claim.engine, provider_of(claim))
    ref = asked(claim, CreditChange(units=Decimal("0.50")))
    handle = await started(claim, ref)
    await reaches(claim, ref, attention="issuance_paused")
    resume(claim.engine, placed)
    await handle.signal(contract.ISSUANCE_RESUMED)
    return handle


async def corrected(new_claim: NewClaim, forward: Forward, mail: KeptMail) -> Handle:
    """A correction that a second person agreed to, whose e-mail was refused at first."""
    claim = await finalized(new_claim, forward, mail)
    await claim.handle.result()
    ref = asked(claim, CreditChange(sessions={ways.FIRST: Decimal("0.50")}), CorrectionState.AWAITING_APPROVAL)
    handle = await started(claim, ref)
    await claim.until(lambda: claim.events()[-1] == "correction.requested")
    mail.failures[claim.email] = AddressRejectedError()
    decided(claim.engine, ref, is_approved=True)
    await started(claim, ref, is_decided=True)
    await reaches(claim, ref, attention="email_failed")
    del mail.failures[claim.email]
    await handle.signal(contract.RETRY_CORRECTION, {"operator": "j.doe", "reason": "mail server repaired"})
    return handle


async def correction_ended(new_claim: NewClaim, _forward: Forward, mail: KeptMail) -> Handle:
    """A correction whose e-mail was refused, and which an operator ended after it had tried once more."""
    handle = handle_of(claim := new_claim(), await parked_at_email(claim, mail))
    await handle.signal(contract.RETRY_CORRECTION, {"operator": "j.doe", "reason": "mail server repaired"})
    await claim.until(lambda: claim.events().count("correction.parked") == 2)
    told = {"operator": "j.doe", "reason_code": "told_otherwise", "reason": "by telephone"}
    await handle.signal(contract.RESOLVE_CORRECTION, told)
    return handle


async def correction_told(new_claim: NewClaim, _forward: Forward, mail: KeptMail) -> Handle:
    """A parked correction that is told twice to read the record; the oldest of its histories went on waiting."""
    handle = handle_of(claim := new_claim(), await parked_at_email(claim, mail))
    await handle.signal(contract.CORRECTION_DECIDED)
    await claim.until(lambda: claim.events().count("correction.parked") == 2)
    del mail.failures[claim.email]
    await handle.signal(contract.CORRECTION_DECIDED)
    return handle


async def revoked(new_claim: NewClaim, _forward: Forward, _mail: KeptMail) -> Handle:
    claim = new_claim()
    await claim.brought_to(Stage.COMPLETED)
    await claim.handle.result()
    return await started(claim, asked(claim, Revocation(RevocationClass.ISSUED_IN_ERROR)))


async def merged(new_claim: NewClaim, _forward: Forward, _mail: KeptMail) -> Handle:
    kept, duplicate = new_claim(), new_claim()
    ref = merge_asked(kept.engine, kept.learner_id, duplicate.learner_id)
    await start_merge(kept.client, ref.merge_id, timedelta(seconds=10))
    return kept.client.get_workflow_handle(merge_workflow_id(ref.merge_id))


async def reported(new_claim: NewClaim, _forward: Forward, _mail: KeptMail) -> TestClaim:
    elsewhere = CertificateIssue(issued="elsewhere", system="The Hub", url="https://hub.example/")
    requirements = (ways.content(allows_partial=True),)
    claim = new_claim(requirements=requirements, certificate=elsewhere, claim_window=ways.NO_DEADLINE)
    await claim.open()
    ways.watched(claim, "video", 1800)
    await ways.accepted(claim, ProgressReported("video"), ways.credit("0.50"))
    return claim


STORIES: dict[str, Story] = {
    story.__name__: story
    for story in (
        completed,
        retaken,
        expired,
        extended,
        opened,
        withdrawn,
        parked,
        held,
        paused,
        paused_at_email,
        resolved,
        denied,
        reminded,
        finalized,
        corrected,
        correction_paused,
        correction_ended,
        correction_told,
        revoked,
        merged,
        reported,
    )
}


WHAT_TO_DO = (
    "Open claims have histories like this one, and the present code would do something else with them: see "
    "docs/evolution.md#a-workflow. Keep the old order of commands behind workflow.patched, or give the changed "
    "workflow a new type name beside the old one. Do not record this history again: that would only hide the claims "
    "that break."
)


async def replay(
    history: WorkflowHistory, runner: WorkflowRunner | None = None, claim_workflow: type = ClaimWorkflow
) -> WorkflowReplayResult:
    """Run a workflow against a history; raises, and says what to do, when it decides anything else than that."""
    workflows = [claim_workflow, CorrectionWorkflow, MergeWorkflow]
    replayer = Replayer(workflows=workflows, workflow_runner=runner or watching_runner())
    try:
        return await replayer.replay_workflow(history)
    except workflow.NondeterminismError as error:
        error.add_note(WHAT_TO_DO)
        raise


def without_local(value: Any) -> Any:
    """A history's JSON without what belongs to the machine that recorded it."""
    if isinstance(value, dict):
        return {name: without_local(each) for name, each in value.items() if name not in LOCAL}
    return [without_local(each) for each in value] if isinstance(value, list) else value


def record(story: str, history: WorkflowHistory) -> None:
    """Add a history; a file that is there already is never touched."""
    today, text = datetime.now(UTC).date(), json.dumps(without_local(history.to_json_dict()), separators=(",", ":"))
    number = 1 + len(list(HISTORIES.glob(f"{story}-{today}-*.json")))
    with (HISTORIES / f"{story}-{today}-{number}.json").open("x") as file:
        file.write(text + "\n")


def stored(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json("claim-stored", path.read_text())


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("story", STORIES)
async def test_a_story_of_today_replays(new_claim: NewClaim, forward: Forward, mail: KeptMail, story: str) -> None:
    told = await STORIES[story](new_claim, forward, mail)
    handle = told.handle if isinstance(told, TestClaim) else told
    await handle.result()
    history = await handle.fetch_history()
    assert (await replay(history)).replay_failure is None
    if IS_RECORDING:
        record(story, history)


@pytest.mark.parametrize("path", sorted(HISTORIES.glob("*.json")), ids=lambda path: path.stem)
async def test_a_stored_history_replays(path: Path) -> None:
    assert (await replay(stored(path))).replay_failure is None


def test_every_story_has_a_stored_history() -> None:
    assert {path.name.partition("-")[0] for path in HISTORIES.glob("*.json")} == set(STORIES)


def test_stored_histories_name_no_machine() -> None:
    for path in HISTORIES.glob("*.json"):
        text = path.read_text()
        assert not any(f'"{name}"' in text for name in LOCAL)
        assert "site-packages" not in text


async def test_a_history_that_names_another_activity_is_detected() -> None:
    path = min(HISTORIES.glob("completed-*.json"))
    changed = path.read_text().replace('"certificate.issue"', '"certificate.print"')
    with pytest.raises(workflow.NondeterminismError):
        await replay(WorkflowHistory.from_json("claim-stored", changed))


@workflow.defn(name=contract.CLAIM_WORKFLOW)
class EmailsFirst(ClaimWorkflow):
    """A claim whose author swapped two steps, with open claims about."""

    @workflow.init
    def __init__(self, claim: ClaimInput) -> None:
        super().__init__(claim)

    @workflow.run
    async def run(self, claim: ClaimInput) -> ClaimResult:
        return await super().run(claim)

    async def _issue_certificate(self) -> None:
        await super()._email_learner()


async def test_a_change_in_the_order_of_steps_fails_and_says_what_to_do() -> None:
    history = stored(min(HISTORIES.glob("completed-*.json")))
    await replay(history, UnsandboxedWorkflowRunner())
    with pytest.raises(workflow.NondeterminismError, match=r"workflow\.patched") as caught:
        await replay(history, UnsandboxedWorkflowRunner(), EmailsFirst)
    # pytest shows the note below the failure.
    (note,) = caught.value.__notes__
    (page,) = re.findall(r"docs/[\w.#-]+\w", note)
    name, _, anchor = page.partition("#")
    assert f"## {anchor.replace('-', ' ').capitalize()}\n" in (ROOT / name).read_text()


WORKFLOWS = ("claim", "correction", "merge")


class LookUps(MetaPathFinder):
    """Notes which of our modules are looked up, which happens when one is loaded anew."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> None:
        if fullname.partition(".")[0] in ("activities", "domain", "workflows"):
            self.names.add(fullname)


@pytest.fixture
def look_ups() -> Iterator[LookUps]:
    finder = LookUps()
    sys.meta_path.insert(0, finder)
    yield finder
    sys.meta_path.remove(finder)


async def test_only_workflows_themselves_are_loaded_again_for_a_claim_and_only_in_tests(look_ups: LookUps) -> None:
    history = stored(min(HISTORIES.glob("withdrawn-*.json")))
    runner = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default)
    await replay(history, runner)
    assert "workflows.contract" in look_ups.names, "a runner that passes nothing through is noticed"
    look_ups.names.clear()
    await replay(history)
    assert look_ups.names <= {"workflows", *(f"workflows.{name}" for name in WORKFLOWS)}
    look_ups.names.clear()
    await replay(history, workflow_runner())
    assert not look_ups.names, "in the product even those are loaded once"


def test_the_tests_watch_the_workflows_own_modules() -> None:
    # What is passed through is not watched for clocks, chance and input.
    assert not {"workflows", *(f"workflows.{name}" for name in WORKFLOWS)} & set(IMPORTED)
