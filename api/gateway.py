"""The way from a request to a claim's workflow. Nothing else in the API knows Temporal.

A step is recorded first, then delivered, then waited for. Whatever happens to Temporal, what was recorded is delivered
later by the relay, so a caller is never told that a recorded step failed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from temporalio.client import Client

from api import door
from api.database import Database
from api.delivery_queue import DeliveryQueue, finish
from api.wakeups import Waiter, Wakeups
from config import tracing
from config.crash_points import crash_point
from config.temporal import connect
from domain.stuck import Engine, PendingStep
from storage import intake
from storage.intake import IdempotencyKey, NewSubmission, Receipt
from workflows import inspection
from workflows.contract import CLAIMS_QUEUE, DOCUMENTS_QUEUE, claim_workflow_id, correction_workflow_id
from workflows.delivery import (
    CorrectionOutline,
    Delivery,
    deliver,
    retry_correction,
    start_correction,
    start_merge,
)

_log = structlog.get_logger("laurel.api")

_DELIVERY_SECONDS: Final = 2.0

Connect = Callable[[], Awaitable[Client]]
Start = Callable[[Client], Awaitable[None]]


async def connect_lazily() -> Client:
    """A client as the environment says; it connects when it is first used."""
    return await connect(lazy=True)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request waits for its decision, and whether it still waits when Temporal cannot be reached."""

    seconds: float = 2.0
    is_insistent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimContext:
    """What operators filter claims by, known before the claim's workflow runs."""

    ce_activity: str
    provider: str
    stage: str
    stage_since_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """A queue of work: how many workers asked it for some in the last minutes, and when one did last."""

    name: str
    workers: int
    last_seen_at: datetime | None


class Gateway:
    """Records and delivers submissions. ``connect`` makes the Temporal client, which connects at its first call."""

    def __init__(self, database: Database, wakeups: Wakeups, connect: Connect) -> None:
        self._database = database
        self._wakeups = wakeups
        self._connect = connect
        self._client: Client | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._queue = DeliveryQueue(database, wakeups)

    async def start(self) -> None:
        """Make the client. It connects when it is first used, so Temporal may be away."""
        self._client = await self._connect()
        self._queue.start()

    async def stop(self) -> None:
        """Let what Temporal is being told be told; the relay tells it of the rest."""
        await asyncio.gather(self._queue.stop(_DELIVERY_SECONDS), finish(self._starting, _DELIVERY_SECONDS))

    async def submit(
        self, submission: NewSubmission, context: ClaimContext, key: IdempotencyKey | None, patience: Patience
    ) -> Receipt:
        """Record a submission, deliver it, and wait for its decision as long as ``patience`` says.

        When this returns, the submission is recorded; whether it is decided, the record tells. Raises
        ``storage.intake.KeyReusedError``, and what the database raises when it cannot be reached.
        """
        tracing.note(claim_id=submission.claim_id, submission_id=submission.id)
        with self._wakeups.expect(submission.id) as decided:
            crash_point("step.received")
            with tracing.span("record submission"):
                receipt = await self._database.statements(lambda c: intake.record(c, submission, key))
            crash_point("step.recorded")
            if receipt.is_new:
                self._start_delivery(submission, receipt, context, None if patience.is_insistent else decided)
                door.leave()
                with tracing.span("wait for the decision"):
                    await _wait(decided, patience.seconds)
                return receipt
        await self.wait_for(receipt.submission_id, patience)
        return receipt

    async def wait_for(self, submission_id: str, patience: Patience) -> bool:
        """Wait until a submission that was recorded earlier is decided, or patience ends; whether it is decided."""
        with self._wakeups.expect(submission_id) as decided:
            if submission_id in await self._database.statements(lambda c: intake.decided_among(c, [submission_id])):
                return True
            door.leave()
            await _wait(decided, patience.seconds)
            return decided.done()

    async def merge(self, merge_id: str, patience: Patience) -> None:
        """Start the merge of two learners that is recorded, and wait until it is done or patience ends."""
        await self._start_and_wait(merge_id, lambda client: start_merge(client, merge_id), patience)

    async def correct(
        self, correction_id: str, patience: Patience, *, ce_activity: str, provider: str, is_decided: bool = False
    ) -> None:
        """Start a recorded correction, or tell it that a second person decided; wait until that has consequences."""
        outline = CorrectionOutline(
            correction_id=correction_id, ce_activity=ce_activity, provider=provider, is_decided=is_decided
        )
        await self._start_and_wait(correction_id, lambda client: start_correction(client, outline), patience)

    async def retry_correction(self, correction_id: str, operator: str, reason_code: str) -> bool:
        """Have a parked correction try its step again; False when Temporal does not take that within two seconds.

        What it is told stays in Temporal's history, so the reason is a code.
        """
        try:
            async with _asking():
                await retry_correction(self._temporal, correction_id, operator, reason_code)
        except Exception:  # noqa: BLE001  # any failure means that it was not told, as in is_temporal_up
            return False
        return True

    async def _start_and_wait(self, row_id: str, start: Start, patience: Patience) -> None:
        with self._wakeups.expect(row_id) as done:
            task = asyncio.create_task(self._start(row_id, start, None if patience.is_insistent else done))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)
            door.leave()
            await _wait(done, patience.seconds)

    async def is_temporal_up(self) -> bool:
        """Whether Temporal answers within two seconds."""
        try:
            async with _asking():
                return await self._temporal.service_client.check_health()
        except Exception:  # noqa: BLE001  # any failure means no; the client raises RuntimeError, RPCError and others
            return False

    async def queues(self) -> list[QueueView] | None:
        """Who works on claims and on documents; None when Temporal does not tell within two seconds."""
        try:
            async with _asking():
                return [await self._pollers(CLAIMS_QUEUE), await self._pollers(DOCUMENTS_QUEUE)]
        except Exception:  # noqa: BLE001  # any failure means that it does not tell, as in is_temporal_up
            return None

    async def _pollers(self, name: str) -> QueueView:
        found = await inspection.pollers(self._temporal, name)
        return QueueView(name=name, workers=found.workers, last_seen_at=found.last_seen_at)

    async def engine(self) -> Engine | None:
        """Whether Temporal can work on claims; None when it does not tell within two seconds."""
        try:
            async with _asking():
                return await inspection.inspect(self._temporal)
        except Exception:  # noqa: BLE001  # any failure means that it does not tell, as in is_temporal_up
            return None

    async def pending_steps(self, claim_ids: Sequence[str]) -> Mapping[str, PendingStep]:
        """What these claims try at present; empty when Temporal does not tell within two seconds."""
        try:
            async with _asking():
                return await inspection.pending_steps(self._temporal, claim_ids)
        except Exception:  # noqa: BLE001  # any failure means that it does not tell, as in is_temporal_up
            return {}

    @staticmethod
    def workflow_id(claim_id: str) -> str:
        """The id under which operators find a claim in the Temporal UI."""
        return claim_workflow_id(claim_id)

    @staticmethod
    def workflow_id_of_correction(correction_id: str) -> str:
        """The id under which operators find a correction in the Temporal UI."""
        return correction_workflow_id(correction_id)

    def workflow_url(self, workflow_id: str, temporal_ui_url: str) -> str:
        """Where operators see a claim's workflow."""
        return f"{temporal_ui_url}/namespaces/{self._temporal.namespace}/workflows/{workflow_id}"

    def _start_delivery(
        self, submission: NewSubmission, receipt: Receipt, context: ClaimContext, gives_up: Waiter | None
    ) -> None:
        delivery = Delivery(
            claim_id=submission.claim_id,
            submission_id=submission.id,
            kind=submission.kind,
            received_at=receipt.received_at,
            ce_activity=context.ce_activity,
            provider=context.provider,
            stage=context.stage,
            stage_since_at=context.stage_since_at,
            due_at=context.due_at,
        )
        self._queue.put(submission.id, submission.kind, lambda: self._tell(delivery, gives_up))

    async def _tell(self, delivery: Delivery, gives_up: Waiter | None) -> bool:
        try:
            crash_point("delivery.begun")
            async with asyncio.timeout(_DELIVERY_SECONDS):
                await deliver(self._temporal, delivery)
            crash_point("delivery.made")
        except Exception as error:  # noqa: BLE001  # recorded is recorded: the relay delivers what we could not
            _log.warning("delivery.postponed", submission=delivery.submission_id, error=type(error).__name__)
            if gives_up is not None and not gives_up.done():
                gives_up.set_result(False)
            return False
        return True

    async def _start(self, row_id: str, start: Start, gives_up: Waiter | None) -> None:
        try:
            async with asyncio.timeout(_DELIVERY_SECONDS):
                await start(self._temporal)
        except Exception as error:  # noqa: BLE001  # recorded is recorded: the restarter starts what we could not
            _log.warning("start.postponed", row=row_id, error=type(error).__name__)
            if gives_up is not None and not gives_up.done():
                gives_up.set_result(False)

    @property
    def _temporal(self) -> Client:
        if self._client is None:
            raise RuntimeError("the gateway was not started")
        return self._client


@asynccontextmanager
async def _asking() -> AsyncIterator[None]:
    """Ask Temporal, which has two seconds to answer."""
    door.leave()
    async with asyncio.timeout(_DELIVERY_SECONDS):
        yield


async def _wait(decided: Waiter, seconds: float) -> None:
    if seconds > 0:
        await asyncio.wait([decided], timeout=seconds)
