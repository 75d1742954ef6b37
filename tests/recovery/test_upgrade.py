"""A new version is rolled out while claims are under way: schema, new workers and API beside the old, the old away."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, text
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from cli.learner import Json, Learner
from cli.local import EmbeddedTemporal, ports
from cli.local.postgres import EmbeddedPostgres
from cli.local.processes import wait_until
from cli.mailbox import Mailbox
from cli.ready import READY_FILE_VARIABLE
from documents.typefaces import SHA256
from domain.claims import Stage
from domain.corrections import CorrectionState, Revocation, RevocationClass
from domain.identities import new_id
from domain.submissions import AttemptStarted
from storage.database import create_sync_engine
from storage.migrate import check
from storage.replay import replay_all
from tests.claims import TestClaim, example_policy, full_responses, right_answers
from tests.corrections import asked, decided
from tests.recovery.world import aside, finished, quiet
from tests.workflows.test_corrections import reaches, started
from workflows.contract import SEARCH_ATTRIBUTES

ROOT = Path(__file__).parents[2]
RELEASES = Path(__file__).parent / "releases"


class Release:
    """One version's commands, workers and API, as processes that import the code of one folder."""

    def __init__(self, code: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._code = code
        self._folder = folder
        self._environment = {**os.environ, **environment, "PYTHONPATH": str(code)}
        self._worker: subprocess.Popen[bytes] | None = None
        self._api: subprocess.Popen[bytes] | None = None

    @classmethod
    def previous(cls, folder: Path, environment: Mapping[str, str]) -> "Release":
        """The release before this one, from its archive; fonts are the present ones, however they are packed."""
        (archive,) = RELEASES.glob("*.tar.xz")
        code = folder / "previous"
        with tarfile.open(archive) as packed:
            packed.extractall(code, filter="data")
        # Copied, because the process that renders may read its own folders only.
        shutil.copytree(ROOT / "documents" / "fonts", code / "documents" / "fonts")
        typefaces = code / "documents" / "typefaces.py"
        known = typefaces.read_text(encoding="utf-8")
        for name, digest in SHA256.items():
            known = re.sub(rf'(file="{re.escape(name)}",\s+sha256=")\w+', rf"\g<1>{digest}", known)
        typefaces.write_text(known, encoding="utf-8")
        return cls(code, folder, environment)

    def run(self, *arguments: str) -> None:
        """Run a command to its end."""
        ended = subprocess.run(
            self._laurel(*arguments), cwd=self._code, env=self._environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr

    def start_worker(self) -> int:
        """Start a worker of every role, and answer with its process id once it takes work."""
        ready, log = self._folder / f"{self._code.name}.ready", self._folder / f"{self._code.name}.log"
        with log.open("wb") as output:
            self._worker = subprocess.Popen(
                self._laurel("worker", "--role", "all"),
                cwd=self._code,
                env=self._environment | {READY_FILE_VARIABLE: str(ready)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        assert wait_until(ready.exists, 60), log.read_text()
        return self._worker.pid

    def stop_worker(self) -> int | None:
        """Let the worker finish what it began; answers with its exit code, None if there is no worker."""
        if self._worker is None:
            return None
        self._worker.send_signal(signal.SIGTERM)
        return self._worker.wait(40)

    def start_api(self) -> str:
        """Start the API, and answer with its address once it is ready."""
        port = ports.next_free(18100)
        command = self._laurel("api", "--port", str(port))
        self._api = subprocess.Popen(command, cwd=self._code, env=self._environment, stdout=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"
        assert wait_until(lambda: _answers(f"{url}/readyz"), 60)
        return url

    def stop_api(self) -> None:
        """Let the API finish what it began, if there is one."""
        if self._api is not None:
            self._api.terminate()
            self._api.wait(20)

    @staticmethod
    def _laurel(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "cli", *arguments]


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).is_success
    except httpx2.HTTPError:
        return False


class Visitor(Learner):
    """Someone with a claim, who does not know which release of the API answers."""

    def __init__(self, api_url: str, mail_url: str, claim: TestClaim) -> None:
        super().__init__(api_url, mail_url, claim.email)
        self.record = claim
        self._policy, self._slug = claim.policy, claim.slug
        self._claim: Json = {}
        self._attempt: Json = {}

    def move(self, api_url: str) -> None:
        """Another process answers from now on; who is signed in stays so."""
        self._http.base_url = api_url

    def open(self) -> None:
        self.sign_in()
        self._claim = self.open_claim(self._slug)

    def take_part(self) -> None:
        self._do("state_participation", {"value": "in_person"})

    def start_attempt(self) -> None:
        self._attempt = self._do("start_attempt", {})

    def finish(self) -> bytes:
        """The rest of the way; answers with the certificate."""
        self.take({"method": "POST", "href": self._attempt["answers_href"]}, {"answers": right_answers(self._policy)})
        path = self._claim["href"]
        self._claim = self.wait_for(path, lambda claim: claim["stage"] == "awaiting_evaluation")
        self._do("complete_evaluation", {"responses": full_responses(self._policy)})
        self._claim = self.get(path)
        credit = {"credit_type": "ama_pra_category_1", "units": "1.00", "attestation_version": "ama-2026-1"}
        self._do("claim_credit", {**credit, "attested": True})
        self.wait_for(path, lambda claim: claim["stage"] == "completed")
        return self._http.get(f"{path}/certificate").content

    def _do(self, name: str, body: Json) -> Json:
        (action,) = (each for each in self._claim["next_actions"] if each["action"] == name)
        answer = self.take(action, body)
        self._claim = answer if "stage" in answer else self._claim
        return answer


class Rollout:
    """PostgreSQL, Temporal and a mail catcher, with workers and APIs of two releases."""

    def __init__(self, folder: Path) -> None:
        self.postgres = EmbeddedPostgres(folder / "record", durable=False, say=quiet)
        self.temporal = EmbeddedTemporal(folder / "engine", search_attributes=SEARCH_ATTRIBUTES, say=quiet)
        self._smtp_port, self._mail_port = ports.next_free(11025), ports.next_free(18025)
        self._folder = folder
        self.engine: Engine
        self.client: Client
        self.before: Release
        self.now: Release

    async def start(self) -> None:
        await asyncio.gather(aside(self.postgres.start), aside(self.temporal.start))
        environment = {
            "LAUREL_DATABASE_URL": self.postgres.url,
            "LAUREL_OWNER_DATABASE_URL": self.postgres.owner_url,
            "LAUREL_KEYS_DIR": str(self._folder / "keys"),
            "LAUREL_PUBLIC_URL": "https://laurel.example",
            "LAUREL_SMTP_URL": f"smtp://127.0.0.1:{self._smtp_port}",
            "TEMPORAL_ADDRESS": self.temporal.address,
        }
        self.before = await aside(Release.previous, self._folder, environment)
        self.now = Release(ROOT, self._folder, environment)
        self._mailbox = self._start_mailbox()
        await aside(self.before.run, "db", "upgrade")
        await aside(self.before.run, "keys", "create")
        self.engine = create_sync_engine(self.postgres.url, pool_size=10)
        self.client = await Client.connect(self.temporal.address)

    def _start_mailbox(self) -> subprocess.Popen[bytes]:
        options = {
            "--data-dir": str(self._folder),
            "--port": str(self._mail_port),
            "--smtp-port": str(self._smtp_port),
        }
        command = [sys.executable, "-m", "cli", "mailbox", *(word for option in options.items() for word in option)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)

    async def stop(self) -> None:
        for release in (self.before, self.now):
            await aside(release.stop_api)
            await aside(release.stop_worker)
        self._mailbox.terminate()
        self._mailbox.wait()
        self.engine.dispose()
        await aside(self.temporal.stop)
        await aside(self.postgres.stop)

    def claim(self, **changes: Any) -> TestClaim:
        return TestClaim(self.engine, self.client, example_policy(**changes))

    def visitor(self, api_url: str) -> Visitor:
        """Someone who has not claimed anything yet."""
        return Visitor(api_url, f"http://127.0.0.1:{self._mail_port}", self.claim())

    def mails_to(self, address: str) -> int:
        folder = self._folder / "mail"
        mailbox = Mailbox(folder)
        kept = [mailbox.get(path.stem) for path in folder.glob("*.eml")]
        return sum(address in message.to for message in kept if message is not None)

    async def histories(self) -> list[tuple[set[int], set[str]]]:
        """Of every workflow, the processes that did its tasks, and the causes for which tasks failed."""
        found = []
        async for listed in self.client.list_workflows():
            handle = self.client.get_workflow_handle(listed.id, run_id=listed.run_id)
            workers, failures = set(), set()
            async for event in handle.fetch_history_events():
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                    workers.add(int(event.workflow_task_completed_event_attributes.identity.partition("@")[0]))
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                    failures.add(str(event.workflow_task_failed_event_attributes.failure.message))
            found.append((workers, failures))
        return found


@pytest.fixture
async def rollout(folder: Path) -> AsyncIterator[Rollout]:
    rollout = Rollout(folder / new_id("rollout"))
    await rollout.start()
    yield rollout
    await rollout.stop()


async def graded_later(claim: TestClaim) -> TestClaim:
    await claim.brought_to(Stage.AWAITING_TEST)
    await claim.submit(AttemptStarted())
    await claim.submit(claim.answers())
    return claim


@pytest.mark.timeout(300)
async def test_claims_under_way_are_finished_by_the_next_release(rollout: Rollout) -> None:
    old_pid = await aside(rollout.before.start_worker)
    stages = (Stage.AWAITING_TEST, Stage.AWAITING_EVALUATION, Stage.READY_TO_CLAIM, Stage.COMPLETED)
    claims = [rollout.claim() for _ in stages] + [rollout.claim(grading_seconds=20)]
    await asyncio.gather(
        *(claim.brought_to(stage) for claim, stage in zip(claims, stages, strict=False)), graded_later(claims[-1])
    )
    revoked = claims[3]
    correction = asked(revoked, Revocation(RevocationClass.ISSUED_IN_ERROR), CorrectionState.AWAITING_APPROVAL)
    await started(revoked, correction)
    await reaches(revoked, correction, state=CorrectionState.AWAITING_APPROVAL)

    await aside(rollout.now.run, "db", "upgrade")
    assert check(rollout.postgres.url) == []
    # For a while the old worker is alone with the new schema: it goes on, and also with claims that are new.
    assert (await claims[0].submit(AttemptStarted()))["outcome"] == "accepted"
    between = rollout.claim()
    await finished_from_opening(between)

    new_pid = await aside(rollout.now.start_worker)
    beside = [rollout.claim() for _ in range(2)]
    await asyncio.gather(*(finished_from_opening(claim) for claim in beside))
    assert await aside(rollout.before.stop_worker) == 0

    decided(rollout.engine, correction, is_approved=False)
    await started(revoked, correction, is_decided=True)
    await reaches(revoked, correction, state=CorrectionState.DECLINED)
    await asyncio.gather(*(finished(claim) for claim in claims))
    for claim in (*claims, between, *beside):
        claim.assert_awarded_once()
        assert rollout.mails_to(claim.email) == 1
    histories = await rollout.histories()
    assert set().union(*(failures for _, failures in histories)) == set()
    # Claims that the old worker began were replayed, and finished, by the new one.
    assert sum(workers == {old_pid, new_pid} for workers, _ in histories) >= len(claims) - 1
    with rollout.engine.connect() as connection:
        assert not connection.execute(text("SELECT id FROM submissions WHERE decided_at IS NULL")).all()
        assert not [each for each in replay_all(connection) if each.differences or not each.is_whole]


@pytest.mark.timeout(300)
async def test_a_learner_does_not_notice_that_the_api_is_replaced(rollout: Rollout) -> None:
    await aside(rollout.before.start_worker)
    visitor = rollout.visitor(await aside(rollout.before.start_api))
    with visitor:
        await aside(visitor.open)
        await aside(rollout.now.run, "db", "upgrade")
        await aside(visitor.take_part)
        await aside(rollout.now.start_worker)
        await aside(rollout.before.stop_worker)
        await aside(visitor.start_attempt)
        visitor.move(await aside(rollout.now.start_api))
        await aside(rollout.before.stop_api)
        certificate = await aside(visitor.finish)
    assert certificate.startswith(b"%PDF")
    visitor.record.assert_awarded_once()
    assert rollout.mails_to(visitor.record.email) == len(("the link to sign in", "the award"))
    assert all(failures == set() for _, failures in await rollout.histories())


async def finished_from_opening(claim: TestClaim) -> None:
    await claim.open()
    await finished(claim)
