"""The worker: settings -> engine, mailer, renderer -> activity objects -> Temporal workers of a role.

Run it as ``laurel worker --role claims|documents|audit|all``.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Engine, RowMapping, text
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkerDeploymentConfig, WorkflowRunner

from activities.certificates import PostgresCertificateActivities
from activities.checkpoints import Checkpointer
from activities.claims import PostgresClaimActivities
from activities.corrections import PostgresCorrectionActivities
from activities.credentials import CredentialSigner, StatusPublisher
from activities.housekeeping import Housekeeper
from activities.logs import ActivityLog
from activities.mail import PostgresMailActivities, Postman
from activities.outbox import Outbox
from activities.people import PostgresPeopleActivities
from activities.policies import PolicyCache
from activities.privacy import PrivateFailures
from activities.relay import Relay, Restarter
from activities.smtp import SmtpMailer
from cli.ready import notify_ready
from config import __version__, tracing
from config.keys import KeyFolder
from config.logging import configure_logging
from config.memory import settle
from config.metrics import Check, HealthServer
from config.settings import Settings, load_settings
from config.temporal import connect, measured_runtime
from documents.render_process import ProcessRenderer
from documents.signature import PdfSigner
from domain.claims import Stage
from domain.submissions import SubmissionKind
from storage.corrections import unfinished_corrections
from storage.database import create_sync_engine
from storage.issuance import resumable_claims, resumable_corrections
from storage.merges import unfinished_merges
from workflows.claim import ClaimWorkflow
from workflows.contract import CLAIMS_QUEUE, DOCUMENTS_QUEUE
from workflows.correction import CorrectionWorkflow
from workflows.delivery import (
    ClaimOutline,
    CorrectionOutline,
    Delivery,
    deliver,
    resume_claim,
    start_correction,
    start_if_absent,
    start_merge,
)
from workflows.merge import MergeWorkflow
from workflows.sandbox import workflow_runner

logger = structlog.get_logger("laurel.worker")

# What ending takes beyond that: giving leases and connections back.
_LAST = timedelta(seconds=3)

Loops = list[Coroutine[Any, Any, None]]


class Role(StrEnum):
    """Which work a process takes: claims and mail, documents, the audit trail's checkpoints, or all of it."""

    CLAIMS = "claims"
    DOCUMENTS = "documents"
    AUDIT = "audit"
    ALL = "all"


class Activities:
    """Every activity object of one process, wired once."""

    def __init__(self, engine: Engine, settings: Settings, postman: Postman | None = None) -> None:
        self.policies = PolicyCache()
        self.postman = postman or Postman(SmtpMailer(settings.smtp_url, settings.smtp_ca_file), settings.mail_from)
        self.claims = PostgresClaimActivities(engine, self.policies, settings.public_url)
        self.credentials = CredentialSigner(engine, KeyFolder(settings.keys_dir), settings.public_url)
        self.renderer = ProcessRenderer(memory_mb=settings.render_memory_mb, seconds=settings.render_seconds)
        self.certificates = PostgresCertificateActivities(
            engine, self.claims, self.renderer, self.credentials, _pdf_signer(settings)
        )
        self.people = PostgresPeopleActivities(engine)
        self.corrections = PostgresCorrectionActivities(engine, self.claims, self.policies, settings.public_url)
        self.mail = PostgresMailActivities(engine, self.claims, self.policies, self.postman, settings.public_url)


def _pdf_signer(settings: Settings) -> PdfSigner | None:
    pkcs12 = settings.pdf_signing_pkcs12
    return PdfSigner(pkcs12, settings.pdf_signing_password_file) if pkcs12 else None


def build_claims_worker(
    client: Client, activities: Activities, settings: Settings, runner: WorkflowRunner | None = None
) -> Worker:
    """Workflows, ledger writes and mail."""
    claims, corrections = activities.claims, activities.corrections
    return Worker(
        client,
        task_queue=CLAIMS_QUEUE,
        workflows=[ClaimWorkflow, MergeWorkflow, CorrectionWorkflow],
        activities=[
            claims.load_claim,
            claims.decide_submissions,
            claims.grade_attempt,
            claims.open_window,
            claims.expire_claim,
            claims.remind_learner,
            claims.record_attention,
            claims.record_operator_act,
            activities.mail.send_award_email,
            activities.people.merge_learners,
            corrections.load_correction,
            corrections.apply_correction,
            corrections.complete_correction,
            corrections.record_correction_attention,
            corrections.resolve_correction,
        ],
        workflow_runner=runner or workflow_runner(),
        # Writes to the ledger have threads of their own beside e-mails, of which a silent mail server may hold all.
        activity_executor=ThreadPoolExecutor(2 * settings.activity_slots, "activity"),
        max_concurrent_activities=settings.activity_slots,
        max_concurrent_local_activities=settings.activity_slots,
        max_concurrent_workflow_tasks=settings.workflow_slots,
        max_cached_workflows=settings.workflow_cache,
        workflow_task_poller_behavior=pollers_of(settings),
        activity_task_poller_behavior=pollers_of(settings),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        graceful_shutdown_timeout=timedelta(seconds=settings.stop_seconds),
        interceptors=[ActivityLog(), PrivateFailures()],
        **build_of(settings),
    )


def build_of(settings: Settings) -> dict[str, Any]:
    """Which build a worker is. In a Worker Deployment it gets tasks once this build is current (docs/evolution.md)."""
    build_id = settings.build_id or __version__
    if settings.deployment is None:
        return {"build_id": build_id}
    version = WorkerDeploymentVersion(deployment_name=settings.deployment, build_id=build_id)
    upgrade = VersioningBehavior.AUTO_UPGRADE
    return {"deployment_config": WorkerDeploymentConfig(version, True, upgrade)}  # noqa: FBT003


def pollers_of(settings: Settings) -> PollerBehaviorAutoscaling:
    """As many open requests for work as there is work, up to the setting.

    At most a third of the workflow slots: each open request holds one, and while claims that this worker had in memory
    are waiting, the SDK (1.35) lets requests for those take all that are left. Nobody would then ask for other claims
    for ten seconds at a time, with the machine idle (pull request 1579 of the SDK's core).
    """
    most = min(settings.pollers, settings.workflow_slots // 3)
    return PollerBehaviorAutoscaling(maximum=most, initial=min(5, most))


def build_documents_worker(client: Client, activities: Activities, settings: Settings) -> Worker:
    """Certificates, laid out one at a time in a child process; more capacity means more workers."""
    activities.renderer.start()
    return Worker(
        client,
        task_queue=DOCUMENTS_QUEUE,
        activities=[activities.certificates.issue_certificate],
        # While one is laid out, the one before is committed and the one after it fetched and signed.
        activity_executor=ThreadPoolExecutor(2, "document"),
        max_concurrent_activities=2,
        graceful_shutdown_timeout=timedelta(seconds=settings.stop_seconds),
        interceptors=[ActivityLog(), PrivateFailures()],
        **build_of(settings),
    )


def build_loops(client: Client, engine: Engine, activities: Activities, settings: Settings) -> Loops:
    """What runs beside the workflows: relay of submissions, restarters, outbox of e-mails, status lists."""

    async def deliver_row(row: RowMapping) -> None:
        await deliver(client, _delivery(row))

    async def restart_row(row: RowMapping) -> None:
        await start_if_absent(client, ClaimOutline(**row))

    async def start_merge_row(row: RowMapping) -> None:
        await start_merge(client, row["merge_id"])

    async def start_correction_row(row: RowMapping) -> None:
        await start_correction(client, CorrectionOutline(**row))

    async def resume_row(row: RowMapping) -> None:
        await resume_claim(client, ClaimOutline(**row))

    async def resume_correction_row(row: RowMapping) -> None:
        await start_correction(client, CorrectionOutline(**row, is_resumed=True))

    outbox = Outbox(engine, activities.policies, activities.postman, settings.public_url)
    return [
        Relay(engine, deliver_row).run(),
        Restarter(engine, restart_row).run(),
        Restarter(engine, start_merge_row, unfinished_merges).run(timedelta(seconds=10)),
        Restarter(engine, start_correction_row, unfinished_corrections).run(timedelta(seconds=10)),
        Restarter(engine, resume_row, resumable_claims).run(timedelta(seconds=2)),
        Restarter(engine, resume_correction_row, resumable_corrections).run(timedelta(seconds=2)),
        outbox.run(),
        Housekeeper(engine).run(),
        StatusPublisher(engine, KeyFolder(settings.keys_dir), settings.public_url).run(),
    ]


def build_checkpointer(engine: Engine, settings: Settings) -> Coroutine[Any, Any, None]:
    """What seals the audit trail; it needs the database and the audit key, and no Temporal."""
    checkpointer = Checkpointer(
        engine,
        settings.keys_dir,
        settings.public_url,
        file=settings.audit_anchor_file,
        address=settings.audit_anchor_email,
    )
    return checkpointer.run(timedelta(seconds=settings.audit_checkpoint_seconds))


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(
        **{**row, "kind": SubmissionKind(row["kind"]), "stage": row["stage"] or Stage.VERIFYING_PARTICIPATION}
    )


async def main(role: str, settings: Settings | None = None) -> None:
    """Work until SIGTERM or SIGINT; then finish what was begun, for at most ``LAUREL_STOP_SECONDS``, and end.

    What hangs for longer is given back: it rolls back or is done again, by whoever takes it next.
    """
    settings = settings or load_settings()
    configure_logging(settings)
    grace = timedelta(seconds=settings.stop_seconds)
    engine = create_sync_engine(settings.database_url, settings.activity_slots + 5)
    workers: list[Worker] = []
    loops: Loops = []
    with ExitStack() as ending:
        ending.callback(engine.dispose)
        if tracing.start(f"worker-{role}"):
            ending.callback(tracing.stop)
        if role in (Role.AUDIT, Role.ALL):
            loops.append(build_checkpointer(engine, settings))
        checks: dict[str, Check] = {"database": lambda: _answers(engine)}
        if role != Role.AUDIT:
            client = await connect(runtime=measured_runtime(port) if (port := settings.sdk_metrics_port) else None)
            activities = Activities(engine, settings)
            ending.callback(activities.renderer.close)
        if role in (Role.CLAIMS, Role.ALL):
            workers.append(build_claims_worker(client, activities, settings))
            loops += build_loops(client, engine, activities, settings)
        if role in (Role.DOCUMENTS, Role.ALL):
            workers.append(build_documents_worker(client, activities, settings))
        checks |= {f"worker {worker.task_queue}": partial(_polls, worker) for worker in workers}
        if settings.metrics_port is not None:
            health = HealthServer(settings.metrics_port, checks)
            health.start()
            ending.callback(health.stop)
        settle()
        await _run(workers, loops, grace)


def _answers(engine: Engine) -> bool:
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


def _polls(worker: Worker) -> bool:
    return worker.is_running and not worker.is_shutdown


async def _run(workers: list[Worker], loops: Loops, grace: timedelta) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(loop) for loop in loops]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    notify_ready()
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
    logger.info("stopping", seconds=grace.total_seconds())
    _end_in_any_case(grace + _LAST, 0 if stop.is_set() else 1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*(worker.shutdown() for worker in workers))
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in running:
        task.result()


def _end_in_any_case(after: timedelta, code: int) -> None:
    """End this process after a while, whatever still hangs in one of its threads."""

    def end() -> None:
        logger.warning("work is given back", seconds=after.total_seconds())
        os._exit(code)

    last = threading.Timer(after.total_seconds(), end)
    last.daemon = True
    last.start()
