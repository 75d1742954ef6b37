"""The way from a request to a claim's workflow. Nothing else in the API knows Temporal.

A step is recorded first, then delivered, then waited for. Whatever happens to Temporal, what was recorded is delivered
later by the relay, so a caller is never told that a recorded step failed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Connection
from temporalio.client import Client

from api import door
from api.database import Database
from api.wakeups import Waiter, Wakeups
from config import tracing
from config.crash_points import crash_point
from config.temporal import connect
from domain.stuck import Engine, PendingStep
from domain.submissions import SubmissionKind
from storage import intake
from storage.deliveries import note_delivered, note_queued
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
# Nearly every step is decided by then, and the relay takes what is undecided after two seconds.
_SLOW_SECONDS: Final = 1.0
# So many steps that are told and not decided keep workers busy. More would wait in Temporal, where a claim that waits
# for more than two seconds is taken from its worker's memory and built anew: the more waited, the less was done.
_UNDECIDED_AT_ONCE: Final = 40
# A claim that is begun is finished before another one is begun, so that those at work fit into workers' memory: with
# too many, each step finds its claim forgotten.
_OPENINGS_AT_ONCE: Final = 4
# A turn that ends in no decision ends then: its claim is stuck, and others are not.
_TURN_SECONDS: Final = 5.0
# Half of the time after which the relay takes over what an API has queued.
_RENEWAL_SECONDS: Final = 15.0
_NOTING_SECONDS: Final = 0.5

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
        self._deliveries: set[asyncio.Task[None]] = set()
        self._telling: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(_UNDECIDED_AT_ONCE)
        self._openings = asyncio.Semaphore(_OPENINGS_AT_ONCE)
        self._queued: dict[str, float] = {}
        self._slow: list[str] = []
        self._stopped = asyncio.Event()
        self._noting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make the client. It connects when it is first used, so Temporal may be away."""
        self._client = await self._connect()
        self._noting = asyncio.create_task(self._spare_the_relay())

    async def stop(self) -> None:
        """Let what Temporal is being told be told; the relay tells it of the rest."""
        self._stopped.set()
        for task in self._deliveries - self._telling:
            task.cancel()
        if self._telling:
            await asyncio.wait(self._telling, timeout=_DELIVERY_SECONDS)
        late = self._deliveries | self._telling
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if self._noting is not None:
            await self._noting

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

    async def wait_for(self, submission_id: str, patience: Patience) -> None:
        """Wait until a submission that was recorded earlier is decided, or patience ends."""
        with self._wakeups.expect(submission_id) as decided:
            if submission_id in await self._database.statements(lambda c: intake.decided_among(c, [submission_id])):
                return
            door.leave()
            await _wait(decided, patience.seconds)

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
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
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
                return [await self._queue(CLAIMS_QUEUE), await self._queue(DOCUMENTS_QUEUE)]
        except Exception:  # noqa: BLE001  # any failure means that it does not tell, as in is_temporal_up
            return None

    async def _queue(self, name: str) -> QueueView:
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
        task = asyncio.create_task(self._deliver(delivery, gives_up))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def _deliver(self, delivery: Delivery, gives_up: Waiter | None) -> None:
        submission_id = delivery.submission_id
        with self._wakeups.expect(submission_id) as decided:
            async with self._turn(delivery):
                is_delivered = decided.done() or await self._tell(delivery, gives_up)
                if is_delivered:
                    await self._await_decision(decided, submission_id)

    async def _await_decision(self, decided: Waiter, submission_id: str) -> None:
        if self._stopped.is_set():
            return
        await _wait(decided, _SLOW_SECONDS)
        if not decided.done():
            self._slow.append(submission_id)
            await _wait(decided, _TURN_SECONDS - _SLOW_SECONDS)

    @asynccontextmanager
    async def _turn(self, delivery: Delivery) -> AsyncIterator[None]:
        queues = [self._turns]
        if delivery.kind is SubmissionKind.OPENING:
            queues.insert(0, self._openings)
        with ExitStack() as turns:
            for queue in queues:
                await self._queue_in(queue, delivery.submission_id)
                turns.callback(queue.release)
            yield

    async def _queue_in(self, queue: asyncio.Semaphore, submission_id: str) -> None:
        self._queued[submission_id] = time.monotonic() + _SLOW_SECONDS
        try:
            await queue.acquire()
        finally:
            del self._queued[submission_id]

    async def _tell(self, delivery: Delivery, gives_up: Waiter | None) -> bool:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # this is one
        self._telling.add(task)
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
        finally:
            self._telling.discard(task)
        return True

    async def _spare_the_relay(self) -> None:
        """It would tell claims a second time of what Temporal has, and before its turn of what is queued here."""
        while not self._stopped.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _NOTING_SECONDS)
            now = time.monotonic()
            slow, self._slow = self._slow, []
            await self._note(note_delivered, slow)
            queued = [each for each, at in self._queued.items() if at <= now]
            await self._note(note_queued, queued)
            self._queued |= dict.fromkeys(self._queued.keys() & queued, now + _RENEWAL_SECONDS)

    async def _note(self, note: Callable[[Connection, Sequence[str]], None], submission_ids: list[str]) -> None:
        try:
            if submission_ids:
                await self._database.statements(lambda c: c.run_sync(note, submission_ids))
        except Exception as error:  # noqa: BLE001  # then the relay does what it need not
            _log.warning("notes.postponed", error=type(error).__name__)

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
