"""A learner whose claim is driven without HTTP: facts go into the intake, and signals to the workflow."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, select, text, update
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle
from temporalio.common import SearchAttributeKey

from domain import credit
from domain.claims import ClaimFacts, Stage, stage_of
from domain.deadlines import due_at
from domain.identities import derived_id, new_id
from domain.policy import CEActivityPolicy, Evaluation, PostTest, Profession
from domain.submissions import (
    AnswersGiven,
    AttemptStarted,
    CreditClaimed,
    EvaluationCompleted,
    Opening,
    ParticipationStated,
    SubmissionBody,
    SubmissionKind,
    kind_of,
    to_json,
)
from storage.audit import claim_stream, first_break
from storage.catalog import publish
from storage.definitions import Definition, DefinitionStatus, read_definition
from storage.replay import Replayed, replay_claim
from storage.sealing import open_entries
from storage.tables import AccountRow, AttemptRow, AuditEventRow, AwardRow, LearnerRow, SubmissionRow
from workflows.contract import claim_workflow_id
from workflows.delivery import Delivery, deliver

EXAMPLE = Path(__file__).parent.parent / "examples" / "managing-hypertension-in-primary-care.yaml"
PROVIDER = "lakeside-academy-of-medicine"


def example_policy(**changes: Any) -> CEActivityPolicy:
    """The flow C example, with a short grading delay unless the test says otherwise, and without its pictures."""
    policy = without_pictures(read_definition(EXAMPLE.read_text()).policy)
    grading_seconds = changes.pop("grading_seconds", 1)
    requirements = tuple(
        replace(r, grading_seconds=grading_seconds) if isinstance(r, PostTest) else r for r in policy.requirements
    )
    return replace(policy, **({"requirements": requirements} | changes))


def without_pictures(policy: CEActivityPolicy) -> CEActivityPolicy:
    """The policy for a record in which nobody stored a logo or a signature."""
    signatories = tuple(replace(each, signature=None) for each in policy.signatories)
    return replace(policy, provider=replace(policy.provider, logo=None), signatories=signatories)


def right_answers(policy: CEActivityPolicy) -> dict[str, str]:
    assert policy.post_test is not None
    return {question.code: question.correct for question in policy.post_test.questions}


def wrong_answers(policy: CEActivityPolicy) -> dict[str, str]:
    assert policy.post_test is not None
    return {
        question.code: next(option.code for option in question.options if option.code != question.correct)
        for question in policy.post_test.questions
    }


def full_responses(policy: CEActivityPolicy) -> dict[str, str | int]:
    """Responses that complete the policy's evaluation."""
    assert policy.evaluation is not None
    return responses_to(policy.evaluation)


def responses_to(evaluation: Evaluation) -> dict[str, str | int]:
    """Responses that complete an evaluation."""
    values: dict[str, Callable[[Any], str | int]] = {
        "choice": lambda question: question.options[0].code,
        "scale": lambda _: 4,
        "text": lambda _: "Clear and practical.",
    }
    return {question.code: values[question.kind](question) for question in evaluation.questions}


# Of tests that wait for a claim: longer than an activity that was lost with its worker is given by Temporal.
PATIENCE = 60


class KeptMail:
    """A mailer that keeps what it is given, unless it is told to fail for an address."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.failures: dict[str, Exception] = {}

    def send(self, message: EmailMessage) -> None:
        for address, failure in self.failures.items():
            if address in message["To"]:
                raise failure
        self.messages.append(message)

    def to(self, address: str) -> list[EmailMessage]:
        return [message for message in self.messages if address in message["To"]]


@dataclass
class TestClaim:
    """One learner's claim of one CE activity of its own."""

    __test__ = False

    engine: Engine
    client: Client
    policy: CEActivityPolicy
    learner_id: str = field(default_factory=lambda: new_id("lrn"))
    account_id: str = field(default_factory=lambda: new_id("acc"))
    given_name: str | None = "Alice"
    family_name: str | None = "Moreau"
    profession: Profession = Profession.PHYSICIAN
    email: str = ""
    slug: str = ""
    claim_id: str = ""
    received: set[datetime] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.slug = self.slug or f"activity-{self.learner_id[4:].replace('_', '-')}"
        self.email = self.email or f"{self.learner_id}@learners.example"
        with self.engine.begin() as connection:
            connection.execute(insert(AccountRow).values(id=self.account_id, email=self.email, role="learner"))
            connection.execute(
                insert(LearnerRow).values(
                    id=self.learner_id,
                    account_id=self.account_id,
                    given_name=self.given_name,
                    family_name=self.family_name,
                    credentials="MD",
                    profession=self.profession,
                )
            )
            definition = Definition(slug=self.slug, status=DefinitionStatus.PUBLISHED, policy=self.policy)
            self.published = publish(connection, definition, None)
        self.claim_id = derived_id("clm", self.learner_id, self.published.ce_activity_id)

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(claim_workflow_id(self.claim_id))

    def receive(self, body: SubmissionBody, received_at: datetime | None = None, actor: str | None = None) -> str:
        """Commit a fact to the intake, as the API does before it acknowledges; answers with its id."""
        values: dict[str, Any] = {
            "id": new_id("sub"),
            "claim_id": self.claim_id,
            "learner_id": self.learner_id,
            "actor": actor or self.account_id,
            "kind": kind_of(body),
            "body": to_json(body),
        }
        if received_at is not None:
            # Of two facts with one time either might come first: what is received later gets a later time.
            while received_at in self.received:
                received_at += timedelta(microseconds=1)
            self.received.add(received_at)
            values["received_at"] = received_at
        with self.engine.begin() as connection:
            connection.execute(insert(SubmissionRow).values(**values))
        return str(values["id"])

    async def deliver(self, submission_id: str) -> None:
        """Signal the workflow about a fact, once more or for the first time."""
        with self.engine.connect() as connection:
            row = connection.execute(
                select(SubmissionRow.kind, SubmissionRow.received_at).where(SubmissionRow.id == submission_id)
            ).one()
        delivery = Delivery(
            claim_id=self.claim_id,
            submission_id=submission_id,
            kind=SubmissionKind(row.kind),
            received_at=row.received_at,
            ce_activity=self.slug,
            provider=PROVIDER,
            stage=stage_of(self.policy, ClaimFacts(profession=None, due_at=None), row.received_at),
            stage_since_at=row.received_at,
            due_at=due_at(self.policy.claim_window, self.policy.time_zone, row.received_at),
        )
        await deliver(self.client, delivery, timedelta(seconds=10))

    async def submit(
        self, body: SubmissionBody, received_at: datetime | None = None, actor: str | None = None
    ) -> dict[str, Any]:
        """Receive, deliver, and wait for the outcome: outcome, refusal, details."""
        submission_id = self.receive(body, received_at, actor)
        await self.deliver(submission_id)
        return await self.outcome(submission_id)

    async def outcome(self, submission_id: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """What became of a submission."""
        query = select(SubmissionRow.outcome, SubmissionRow.refusal, SubmissionRow.details, SubmissionRow.decided_at)
        query = query.where(SubmissionRow.id == submission_id)
        row = await self._until(lambda: self._one(query), lambda row: row["decided_at"] is not None, seconds)
        return {"outcome": row["outcome"], "refusal": row["refusal"], "details": row["details"]}

    async def reaches(self, stage: Stage, seconds: float = PATIENCE) -> Mapping[str, Any]:
        """The claim's projection once it is in this stage."""
        return await self._until(self.row, lambda row: row.get("stage") == stage, seconds)

    async def described(self, is_so: Callable[[WorkflowExecutionDescription], bool], seconds: float = PATIENCE) -> None:
        """Wait until Temporal says something of the workflow; it hears of a ledger write a moment after the record."""
        description = await self.handle.describe()
        for _ in range(int(seconds * 50)):
            if is_so(description):
                return
            await asyncio.sleep(0.02)
            description = await self.handle.describe()
        raise AssertionError(f"waited {seconds} s, and it still is {description.raw_description}")

    async def shows(self, attribute: SearchAttributeKey[Any], value: object) -> None:
        """Wait until operators see this value of a search attribute."""
        await self.described(lambda description: description.typed_search_attributes.get(attribute) == value)

    async def until(self, is_so: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until something is so."""
        await self._until(lambda: {"is_so": is_so()}, lambda row: row["is_so"], seconds)

    async def _until(
        self, read: Callable[[], Mapping[str, Any]], is_right: Callable[[Mapping[str, Any]], bool], seconds: float
    ) -> Mapping[str, Any]:
        last: Mapping[str, Any] = {}
        for _ in range(int(seconds * 50)):
            last = read()
            if is_right(last):
                return last
            await asyncio.sleep(0.02)
        raise AssertionError(f"waited {seconds} s, and it is still {dict(last)}")

    def _one(self, query: Any) -> Mapping[str, Any]:
        with self.engine.connect() as connection:
            return dict(connection.execute(query).mappings().one_or_none() or {})

    def row(self) -> Mapping[str, Any]:
        """The claim's projection, as the schema of whichever release has it; empty while there is no such claim."""
        return self._one(text("SELECT * FROM claims WHERE id = :id").bindparams(id=self.claim_id))

    def change_learner(self, **values: Any) -> None:
        """Change the learner's profile, as the API does."""
        with self.engine.begin() as connection:
            connection.execute(update(LearnerRow).where(LearnerRow.id == self.learner_id).values(**values))

    def count(self, table: str) -> int:
        """How many rows about this claim's award a table holds."""
        queries = {
            "awards": "SELECT count(*) FROM awards WHERE claim_id = :id",
            "award_lines": "SELECT count(*) FROM award_lines JOIN awards a ON a.id = award_id WHERE a.claim_id = :id",
            "certificates": "SELECT count(*) FROM certificates JOIN awards a ON a.id = award_id WHERE a.claim_id = :id",
            "outgoing_emails": "SELECT count(*) FROM outgoing_emails WHERE claim_id = :id AND purpose = 'award'",
            "attempts": "SELECT count(*) FROM attempts WHERE claim_id = :id",
            "submissions": "SELECT count(*) FROM submissions WHERE claim_id = :id",
            "documents": "SELECT count(*) FROM certificates c JOIN awards a ON a.id = c.award_id "
            "WHERE a.claim_id = :id AND c.sha256 IS NOT NULL",
        }
        with self.engine.connect() as connection:
            return int(connection.execute(text(queries[table]), {"id": self.claim_id}).scalar_one())

    def assert_awarded_once(self) -> None:
        """One award, with one line, one certificate and one e-mail; and the audit trail agrees with the projection."""
        counts = {table: self.count(table) for table in ("awards", "award_lines", "certificates", "outgoing_emails")}
        assert counts == dict.fromkeys(counts, 1)
        assert self.events().count("credit.awarded") == 1
        assert self.events().count("certificate.issued") == 1
        assert self.events().count("email.sent") == 1
        self.assert_audited()

    def assert_audited(self) -> None:
        """The audit chain holds, and replayed it says all that the tables say of the claim."""
        with self.engine.connect() as connection:
            assert first_break(connection, claim_stream(self.claim_id)) is None
            assert replay_claim(connection, self.claim_id) == Replayed(self.claim_id)
        stage = None
        for entry in self.entries():
            assert entry.get("before", {}).get("stage", stage) == stage
            stage = entry.get("after", {}).get("stage", stage)
        assert stage == self.row()["stage"]

    def awards(self) -> list[Mapping[str, Any]]:
        with self.engine.connect() as connection:
            query = select(*AwardRow.__table__.columns).where(AwardRow.claim_id == self.claim_id)
            return [dict(row) for row in connection.execute(query).mappings()]

    def attempts(self) -> list[Mapping[str, Any]]:
        with self.engine.connect() as connection:
            query = select(*AttemptRow.__table__.columns).where(AttemptRow.claim_id == self.claim_id)
            return [dict(row) for row in connection.execute(query.order_by(AttemptRow.number)).mappings()]

    def events(self) -> list[str]:
        """The codes of the claim's audit entries, in order."""
        return [entry["event"] for entry in self.entries()]

    def entries(self) -> list[dict[str, Any]]:
        """The claim's audit entries, in order, with what is sealed in them."""
        with self.engine.connect() as connection:
            query = select(AuditEventRow.body).where(AuditEventRow.stream == f"claim:{self.claim_id}")
            bodies = connection.execute(query.order_by(AuditEventRow.seq)).scalars()
            entries = open_entries(connection, [body for body in bodies if body])
        return [{**entry, **(entry.get("private") or {})} for entry in entries]

    def opening(self) -> Opening:
        return Opening(self.published.ce_activity_id, self.published.version_id)

    async def open(self) -> None:
        assert (await self.submit(self.opening()))["outcome"] == "accepted"

    def participation(self) -> ParticipationStated:
        assert self.policy.participation is not None
        return ParticipationStated("attestation", self.policy.participation.options[0].code)

    def answers(self, number: int = 1) -> AnswersGiven:
        return AnswersGiven(number, right_answers(self.policy))

    def evaluation(self) -> EvaluationCompleted:
        return EvaluationCompleted(full_responses(self.policy))

    def credit(self, units: str = "1.00") -> CreditClaimed:
        rule = credit.rule_of(self.policy.credit[0])
        return CreditClaimed(rule.code, Decimal(units), rule.attestation_version, is_attested=True)

    def steps(self) -> list[tuple[Stage, SubmissionBody]]:
        """The learner's way to the award: each step, with the stage that it is for."""
        steps: list[tuple[Stage, SubmissionBody]] = []
        if self.policy.participation is not None:
            steps.append((Stage.VERIFYING_PARTICIPATION, self.participation()))
        if self.policy.post_test is not None:
            steps += [(Stage.AWAITING_TEST, AttemptStarted()), (Stage.AWAITING_TEST, self.answers())]
        if self.policy.evaluation is not None:
            steps.append((Stage.AWAITING_EVALUATION, self.evaluation()))
        return [*steps, (Stage.READY_TO_CLAIM, self.credit())]

    def receive_steps(self, until: Stage, opened_at: datetime, pace: timedelta = timedelta(minutes=1)) -> list[str]:
        """Commit the opening and the steps before a stage, at this pace, and deliver none; answers with their ids."""
        received = [self.receive(self.opening(), opened_at)]
        for number, (stage, body) in enumerate(self.steps(), start=1):
            if stage is until:
                break
            received.append(self.receive(body, opened_at + number * pace))
        return received

    async def brought_to(self, stage: Stage, opened_at: datetime | None = None) -> Mapping[str, Any]:
        """The claim's projection after its learner came this far, by default within the last hour."""
        received = self.receive_steps(stage, opened_at or datetime.now(UTC) - timedelta(hours=1))
        await self.deliver(received[0])
        return await self.reaches(stage)

    async def pass_test(self) -> None:
        await self.submit(AttemptStarted())
        await self.submit(self.answers())
        await self.reaches(Stage.AWAITING_EVALUATION)

    async def complete(self) -> None:
        """The whole happy path, paced as a learner paces it."""
        await self.open()
        await self.submit(self.participation())
        await self.pass_test()
        await self.submit(self.evaluation())
        assert (await self.submit(self.credit()))["outcome"] == "accepted"
        await self.reaches(Stage.COMPLETED)
