"""One claim twice: in the model, and in the product with its real database, workflows and workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert, text, update
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from domain.corrections import CreditChange
from domain.identifiers import IDENTIFIERS
from domain.identities import new_id
from domain.intervals import Watched
from domain.policy import CEActivityPolicy, Profession
from domain.reasons import ReleaseReason
from domain.submissions import ClaimReleased, SubmissionBody
from storage.content_progress import save, watched_by
from storage.tables import LearnerIdentifierRow, RosterEntryRow
from tests.claims import TestClaim
from tests.corrections import asked, row_of
from tests.model.reference import Learner, ReferenceClaim, Rosters
from tests.model.reference_office import ENDED, WAITS
from tests.model.steps import Step
from tests.ways import enrol
from workflows.contract import correction_workflow_id
from workflows.delivery import CorrectionOutline, start_correction

# By then a deadline's timer has fired, whatever the claim's id adds to it.
TIMER_FIRED = timedelta(minutes=12)
MINE = ({"B17": "mine", "B18": "theirs"}, {"B17": "theirs", "B18": "mine"})


@dataclass
class ModelledClaim:
    """A claim whose every submission is told to the model as it is committed; ``expected`` is what the model said."""

    claim: TestClaim
    model: ReferenceClaim
    expected: dict[str, set[str]] = field(default_factory=dict)
    opening: str = ""
    is_started: bool = False

    def open(self, at: datetime) -> None:
        """The learner opens the claim."""
        self.receive(self.claim.opening(), at)
        (self.opening,) = self.expected

    def receive(self, body: SubmissionBody, at: datetime) -> None:
        """Commit a submission at its time; nobody is told yet."""
        submission_id = self.claim.receive(body, at)
        reasons = self.model.send(body, at, submission_id)
        if reasons is not None:
            self.expected[submission_id] = reasons
        self.expected |= dict(self.model.settled)
        self.model.settled = []

    def take(self, step: Step, at: datetime) -> SubmissionBody | None:
        body = step(self.model, at)
        if body is not None:
            self.receive(body, at)
        return body

    def undecided(self) -> list[str]:
        query = "SELECT id FROM submissions WHERE claim_id = :id AND decided_at IS NULL ORDER BY received_at, id"
        with self.claim.engine.connect() as connection:
            return list(connection.execute(text(query), {"id": self.claim.claim_id}).scalars())

    async def deliver(self, submission_ids: Sequence[str]) -> None:
        for submission_id in submission_ids:
            await self.claim.deliver(submission_id)
            self.is_started = True

    async def catch_up(self) -> None:
        """The relay delivers one of those that are left, and the claim finds the others by itself."""
        await self.deliver(self.undecided()[-1:])
        kept = {name for _, _, name in self.model.kept}
        await self.claim.until(lambda: set(self.undecided()) == kept)

    async def release(self, at: datetime) -> None:
        """The office ends its hold, if there is one, and with it the last doubts."""
        if self.model.is_held:
            self.receive(ClaimReleased(ReleaseReason.OTHER, "the end"), at)
        await self.catch_up()

    async def is_told(self) -> None:
        """Wait until a learner who holds an award has heard of it."""
        await self.catch_up()
        if self.model.awards:
            await self.claim.until(lambda: self.claim.row()["stage"] == "completed")
            self.model.tell()

    async def correct(self, change: CreditChange, at: datetime) -> None:
        """Staff correct what was awarded, if there is anything; it is refused for a reason of the model, or made."""
        if not self.model.awards:
            return
        reasons, ref = self.model.correct(change, at), asked(self.claim, change, at=at)
        outline = CorrectionOutline(correction_id=ref.correction_id, ce_activity=self.claim.slug, provider="lakeside")
        await start_correction(self.claim.client, outline, timedelta(seconds=10))
        await self.claim.client.get_workflow_handle(correction_workflow_id(ref.correction_id)).result()
        row = row_of(self.claim.engine, ref)
        assert row["outcome"]["refusal"] in reasons if reasons else row["state"] == "completed", (change, reasons)

    def watch(self, content: str, start: int, end: int) -> None:
        """A platform reports seconds; the record merges them."""
        self.model.watch(content, start, end)
        place = (self.claim.learner_id, self.claim.published.ce_activity_id)
        with self.claim.engine.begin() as connection:
            known = watched_by(connection, *place).get(content, Watched())
            save(connection, *place, content, known.with_report([(start, end)], 0))

    async def terminate(self) -> None:
        if (await self.claim.handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            await self.claim.handle.terminate("test")

    async def reset(self) -> None:
        """Run the claim again from its first workflow task, as an operator does in the Temporal UI."""
        history = await self.claim.handle.fetch_history()
        completed = (e.event_id for e in history.events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
        first = next(completed, None)
        if first is None:
            # It did nothing yet that could be undone.
            return
        request = ResetWorkflowExecutionRequest(
            namespace=self.claim.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=self.claim.handle.id),
            reason="test",
            workflow_task_finish_event_id=first,
            request_id=new_id("req"),
        )
        await self.claim.client.workflow_service.reset_workflow_execution(request)

    def record(self, at: datetime) -> Mapping[str, Any]:
        """The claim's record in the model's words; one that waits for its timer at the deadline counts as expired."""
        row, due = self.claim.row(), self.claim.row()["due_at"]
        with self.claim.engine.connect() as connection:
            sessions = connection.execute(text(_SESSIONS), {"id": row["id"]}).all()
            evaluated = connection.execute(text(_EVALUATED), {"id": row["id"]}).scalars()
            award = connection.execute(text(_AWARD), {"id": row["id"]}).one_or_none()
        is_held = row["held_at"] is not None
        is_overdue = row["stage"] in WAITS and due is not None and due < at < due + TIMER_FIRED and not is_held
        return {
            "stage": "expired" if is_overdue else row["stage"],
            "due": due,
            "way": row["participation"],
            "statement": row["statement"],
            "disclosed": row["disclosures_at"] is not None,
            "attempts": [attempt["has_passed"] for attempt in self.claim.attempts()],
            "evaluated": row["evaluated_at"] is not None,
            "sessions": {row.session: row.units for row in sessions},
            "evaluated_sessions": set(evaluated),
            "credit": (row["credit_type"], row["claimed_units"]) if row["credit_type"] else None,
            "final": row["finalized_at"] is not None,
            "award": tuple(award) if award else None,
            "time_asked": row["extension_requested_at"] is not None,
            "held": is_held,
            "waived": frozenset(row["waived"] or ()),
        }

    async def assert_same_state(self, skipped: timedelta = timedelta()) -> None:
        """Wait until the record says what the model says; a learner who was awarded credit is told in the end."""
        self.model.tell()

        def differing() -> dict[str, Any]:
            at = datetime.now(UTC) + skipped
            model, record = self.model.state(at), self.record(at)
            return {name: (model[name], record[name]) for name in model if model[name] != record[name]}

        try:
            await self.claim.until(lambda: not differing())
        except AssertionError:
            assert differing() == {}
            raise

    def assert_same_outcomes(self) -> None:
        """Each submission has one outcome, and a refusal's code is true."""
        query = "SELECT id, kind, refusal FROM submissions WHERE claim_id = :id"
        with self.claim.engine.connect() as connection:
            rows = connection.execute(text(query), {"id": self.claim.claim_id}).all()
        assert {row.id for row in rows} == self.expected.keys()
        for row in rows:
            reasons = self.expected[row.id]
            assert row.refusal in reasons if reasons else row.refusal is None, (row, reasons)

    async def go_forward(self, environment: WorkflowEnvironment, by: timedelta) -> timedelta:
        """Let time pass for a claim that still waits; answers with how much passed."""
        if by == timedelta() or self.claim.row()["stage"] in ENDED:
            return timedelta()
        await environment.fast_forward(self.claim.handle, by)
        return by


_SESSIONS = "SELECT session, units FROM claim_sessions WHERE claim_id = :id"
_EVALUATED = "SELECT session FROM evaluations WHERE claim_id = :id AND session <> ''"
_AWARD = "SELECT credit_type, units FROM awards WHERE claim_id = :id AND state = 'active'"


def two_claims(
    engine: Engine, client: Client, policy: CEActivityPolicy, learners: Sequence[Learner], opened_at: datetime
) -> list[ModelledClaim]:
    """Two learners' claims of one CE activity, whose roster holds a badge of each, and a group."""
    claims: list[ModelledClaim] = []
    for learner, badges in zip(learners, MINE, strict=True):
        slug, profession = claims[0].claim.slug if claims else "", Profession(learner.profession)
        claim = TestClaim(engine, client, policy, profession=profession, slug=slug)
        held = [kind for kind in IDENTIFIERS if kind in learner.has]
        with engine.begin() as connection:
            for kind in held:
                values = {"learner_id": claim.learner_id, "kind": kind, "value": claim.learner_id}
                connection.execute(insert(LearnerIdentifierRow).values(**values))
        claims.append(ModelledClaim(claim, ReferenceClaim(policy, learner, opened_at, Rosters(badges=badges))))
    for each, badge in zip(claims, ("B-17", "B-18"), strict=True):
        enrol(each.claim, {"badge_id": badge})
        with engine.begin() as connection:
            its = RosterEntryRow.ce_activity_id == each.claim.published.ce_activity_id
            free = RosterEntryRow.claim_id.is_(None)
            connection.execute(update(RosterEntryRow).where(its, free).values(claim_id=each.claim.claim_id))
    enrol(claims[0].claim, {"group_id": "G-4"}, is_group=True)
    return claims
