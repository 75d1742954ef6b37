"""Handing in what somebody does to a claim: recorded, delivered, waited for. Routes and the command line share it.

Nothing here knows HTTP; who may ask for what is the caller's to check.
"""

import time
from dataclasses import dataclass, field, replace
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from api.database import Database
from api.gateway import ClaimContext, Gateway, Patience
from api.policies import Policies
from api.problems import ProblemError
from api.views import stage_if_opened
from config.metrics import STEPS
from domain.identities import new_id
from domain.office import OperatorAction
from domain.policy import CEActivityPolicy
from domain.submissions import SubmissionBody, kind_of, to_json
from domain.turns import is_kept
from storage import intake, queries
from storage.intake import IdempotencyKey, KeyReusedError, NewSubmission, SubmissionView
from storage.queries import ClaimView


class Parts(Protocol):
    """What handing in needs: the record, the way to Temporal, and the published policies."""

    @property
    def database(self) -> Database:
        """The record."""

    @property
    def gateway(self) -> Gateway:
        """The way to a claim's workflow."""

    @property
    def policies(self) -> Policies:
        """What claims were opened with."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who hands in, in which request and under which key if under one, and how long they wait for the decision."""

    actor: str
    request_id: str
    key: IdempotencyKey | None = None
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class ClaimOfLearner:
    """Which claim is meant, and whose it is; it need not be decided yet."""

    claim_id: str
    learner_id: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was taken: what became of it so far, and the claim as it stands now."""

    is_new: bool
    submission: SubmissionView
    claim: ClaimView | None


def bar_of(view: ClaimView, action: OperatorAction, learner_id: str | None) -> str | None:
    """The problem for which this person may not do this to a claim, whatever its rules say; None when they may.

    ``learner_id`` is the learner that the person is; nobody decides about their own credit.
    """
    if view.learner_id == learner_id:
        return "own_claim"
    return "retention_ended" if action is OperatorAction.REOPEN and view.is_purged else None


async def hand_in(parts: Parts, view: ClaimView, body: SubmissionBody, sender: Sender) -> Step:
    """Hand in a step of a claim that is there; what is kept until the claim's release is not waited for."""
    context = context_of(view, await parts.policies.get(view.version_id))
    is_waiting = is_kept(view.facts, kind_of(body))
    whose = ClaimOfLearner(view.id, view.learner_id)
    return await submit(parts, whose, body, context, replace(sender, patience=Patience(0)) if is_waiting else sender)


async def submit(
    parts: Parts, claim: ClaimOfLearner, body: SubmissionBody, context: ClaimContext, sender: Sender
) -> Step:
    """Hand a submission to the gateway, and read what became of it. Raises 422 for a key of another request."""
    submission = NewSubmission(
        id=new_id("sub"),
        claim_id=claim.claim_id,
        learner_id=claim.learner_id,
        actor=sender.actor,
        kind=kind_of(body),
        body=to_json(body),
        request_id=sender.request_id,
    )
    started = time.perf_counter()
    try:
        receipt = await parts.gateway.submit(submission, context, sender.key, sender.patience)
    except KeyReusedError:
        raise ProblemError("idempotency_key_reused") from None
    step = await read_step(parts, claim.claim_id, receipt.submission_id, is_new=receipt.is_new)
    if receipt.is_new:
        outcome = step.submission.outcome or "undecided"
        STEPS.labels(submission.kind, outcome).observe(time.perf_counter() - started)
    return step


async def read_step(parts: Parts, claim_id: str, submission_id: str, *, is_new: bool) -> Step:
    """What became of a submission that is recorded."""

    async def find(connection: AsyncConnection) -> tuple[SubmissionView | None, ClaimView | None]:
        submission = await intake.submission(connection, claim_id, submission_id)
        return submission, await queries.claim(connection, claim_id)

    submission, claim = await parts.database.statements(find)
    if submission is None:
        # The key stands for a step of another claim, so it was used for another request.
        raise ProblemError("idempotency_key_reused")
    return Step(is_new, submission, claim)


def context_of(view: ClaimView, policy: CEActivityPolicy) -> ClaimContext:
    """What the delivery tells operators about a claim."""
    stage, due_at = view.stage, view.facts.due_at
    if view.is_pending:
        stage, due_at = stage_if_opened(policy, view.facts.profession, view.opened_at)
    return ClaimContext(
        ce_activity=view.ce_activity,
        provider=view.provider,
        stage=stage,
        stage_since_at=view.stage_since_at,
        due_at=due_at,
    )
