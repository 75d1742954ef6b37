"""One installation that is watched: its logs, metrics and traces tell of a step; and its worker stops without loss."""

import asyncio
import json
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psutil
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client

from cli.demo import STORY, load_examples
from cli.learner import Json
from cli.local import LocalStack, ports
from cli.local.processes import wait_until
from tests.e2e.collector import Collector, Span
from tests.e2e.people import Person, Town, action, credit_body
from tests.test_monitoring import documented
from workflows.contract import claim_workflow_id

WORKER = "worker-all"


@dataclass
class Watched:
    """The installation, and everything that it tells of itself."""

    stack: LocalStack
    collector: Collector
    metrics_url: str
    sdk_metrics_url: str
    said: list[str] = field(default_factory=list)

    def lines(self, part: str, **wanted: str) -> list[Json]:
        """The log lines of a part that say so, oldest first."""
        text = (self.stack.data_dir / "logs" / f"{part}.log").read_text()
        written = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [line for line in written if wanted.items() <= line.items()]

    def until_written(self, part: str, **wanted: str) -> Json:
        assert wait_until(lambda: self.lines(part, **wanted) != [], 20), wanted
        return self.lines(part, **wanted)[-1]

    def span(self, service: str, **attributes: str) -> Span:
        """The newest span of a service with these attributes (``laurel.`` and the name)."""
        wanted = {f"laurel.{name}": value for name, value in attributes.items()}.items()

        def found() -> list[Span]:
            return [s for s in self.collector.spans if s.service == service and wanted <= s.attributes.items()]

        assert wait_until(lambda: found() != [], 10), attributes
        return found()[-1]

    def span_of_id(self, span_id: str) -> Span:
        def found() -> list[Span]:
            return [span for span in self.collector.spans if span.span_id == span_id]

        assert wait_until(lambda: found() != [], 10)
        return found()[0]

    @property
    def worker(self) -> psutil.Process:
        return psutil.Process(self.stack.supervisor.pids[WORKER])

    def renderers(self) -> list[psutil.Process]:
        """The child that renders certificates, unless it is being replaced."""
        alive = [each for each in self.worker.children() if each.status() != psutil.STATUS_ZOMBIE]
        return [each for each in alive if "documents.render_child" in each.cmdline()]

    def issues(self, claim_id: str) -> bool:
        """Whether the worker has taken on to make this claim's certificate."""

        async def ask() -> bool:
            client = await Client.connect(self.stack.temporal_address)
            described = await client.get_workflow_handle(claim_workflow_id(claim_id)).describe()
            return any(
                pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
                for pending in described.raw_description.pending_activities
            )

        return asyncio.run(ask())

    def samples(self, url: str) -> dict[str, list[set[str]]]:
        """What is measured at an address: by name the labels of each sample, as ``name=value``."""
        found: dict[str, list[set[str]]] = {}
        for family in text_string_to_metric_families(httpx2.get(url, timeout=10).text):
            for sample in family.samples:
                found.setdefault(sample.name, []).append({f"{name}={value}" for name, value in sample.labels.items()})
        return found


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    folder = Path(tempfile.mkdtemp(prefix="laurel-watched-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user when we are root.
    collector, metrics, sdk_metrics = Collector(), ports.next_free(19_000), ports.next_free(19_500)
    environment = {
        "LAUREL_LOG_FORMAT": "json",
        "LAUREL_METRICS_PORT": str(metrics),
        "LAUREL_SDK_METRICS_PORT": str(sdk_metrics),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    said: list[str] = []
    stack = LocalStack(folder, roles=("all",), environment=environment, say=said.append)
    stack.start()
    load_examples(stack.database_url, fast=True)
    at = "http://127.0.0.1:{}"
    yield Watched(stack, collector, at.format(metrics), f"{at.format(sdk_metrics)}/metrics", said)
    stack.stop()
    collector.stop()
    shutil.rmtree(folder)


@pytest.fixture
def town(watched: Watched) -> Iterator[Town]:
    town = Town(watched.stack)
    yield town
    town.close()


@dataclass(frozen=True)
class Step:
    """One step of a learner: who took it in which claim, and under which ids."""

    learner: Person
    claim_id: str
    request_id: str


@pytest.fixture(scope="module")
def opening(watched: Watched) -> Iterator[Step]:
    """The first step of a claim."""
    town = Town(watched.stack)
    learner = town.learner()
    answer = learner.send("POST", "/v1/claims", {"ce_activity": STORY}, idempotency_key="watched")
    yield Step(learner, answer.json()["id"], answer.headers["X-Request-ID"])
    town.close()


def test_a_step_is_followed_from_its_answer_to_its_decision_in_the_logs(watched: Watched, opening: Step) -> None:
    ids = {"request_id": opening.request_id, "claim_id": opening.claim_id}
    answered = watched.until_written("api", event="request", **ids)
    decided = watched.until_written(WORKER, event="decided", **ids)
    assert decided["submission_id"] == answered["submission_id"]
    assert (decided["kind"], decided["refusal"]) == ("opening", None)
    done = watched.until_written(WORKER, event="activity", claim_id=opening.claim_id)
    assert done["activity"] == "claim.load"
    assert done["trace_id"] == decided["trace_id"] == answered["trace_id"]


def test_a_trace_leads_from_the_request_over_the_workflow_to_its_activities(watched: Watched, opening: Step) -> None:
    root = watched.span("laurel-api", request_id=opening.request_id)
    assert (root.name, root.parent_id) == ("POST /v1/claims", "")
    assert root.attributes["laurel.claim_id"] == opening.claim_id
    assert root.attributes["http.response.status_code"] == 201
    path = ["record submission", "StartWorkflow:claim", "RunWorkflow:claim", "RunActivity:claim.load"]
    assert wait_until(lambda: set(path) <= watched.collector.under(root).keys(), 10)
    below = watched.collector.under(root)
    assert {below[name].service for name in path} == {"laurel-api", "laurel-worker-all"}
    assert {below[name].trace_id for name in path} == {root.trace_id}


def test_a_later_step_is_linked_from_the_claims_own_trace(watched: Watched, opening: Step) -> None:
    learner = opening.learner
    learner.take_part()
    first = watched.span("laurel-api", request_id=opening.request_id)
    assert wait_until(lambda: "HandleSignal:participation_stated" in watched.collector.under(first), 10)
    [link] = watched.collector.under(first)["HandleSignal:participation_stated"].links
    sent = watched.span_of_id(link)
    assert (sent.service, sent.name) == ("laurel-api", "SignalWorkflow:participation_stated")
    assert watched.span_of_id(sent.parent_id).attributes["laurel.claim_id"] == opening.claim_id


def test_a_step_that_only_the_relay_could_deliver_is_followed_as_well(watched: Watched, town: Town) -> None:
    learner = town.learner()
    temporal = psutil.Process(watched.stack.supervisor.pids["temporal"])
    temporal.suspend()
    try:
        opened = learner.send("POST", "/v1/claims", {"ce_activity": STORY}, idempotency_key=learner.email)
        assert opened.status_code == 202
        ids = {"request_id": opened.headers["X-Request-ID"]}
        watched.until_written("api", event="delivery.postponed", **ids)
    finally:
        temporal.resume()
    with psycopg.connect(watched.stack.database_url, autocommit=True) as connection:
        due = "UPDATE submissions SET deliver_after = clock_timestamp() WHERE request_id = %s"
        connection.execute(due, (ids["request_id"],))
    delivered = watched.until_written(WORKER, event="delivered", **ids)
    assert delivered["submission_id"] == watched.until_written(WORKER, event="decided", **ids)["submission_id"]
    worker = watched.samples(f"{watched.metrics_url}/metrics")
    assert {"outcome=delivered"} in worker["laurel_relayed_submissions_total"]


def test_neither_logs_nor_traces_hold_anything_personal(watched: Watched, opening: Step) -> None:
    words = [opening.learner.email.encode(), b"Alice", b"Moreau", opening.learner.token.encode()]
    logs = [(watched.stack.data_dir / "logs" / f"{part}.log").read_bytes() for part in ("api", WORKER)]
    assert watched.collector.raw
    assert not [word for word in words for content in (*logs, *watched.collector.raw) if word in content]


@pytest.fixture(scope="module")
def killed(watched: Watched) -> Iterator[tuple[Person, str]]:
    """A learner whose certificate is made by a child that was killed until that failed; and the claim."""
    town = Town(watched.stack)
    learner = town.learner()
    claim = learner.reach_credit()
    assert learner.claim_credit(claim).status_code == 200

    def has_failed() -> bool:
        with suppress(psutil.NoSuchProcess):
            for child in watched.renderers():
                child.kill()
        return watched.lines(WORKER, event="activity", claim_id=claim["id"], error="RenderProcessDied") != []

    assert wait_until(has_failed, 20)
    yield learner, claim["id"]
    town.close()


def test_a_render_child_that_is_killed_takes_neither_worker_nor_certificate_along(
    watched: Watched, killed: tuple[Person, str]
) -> None:
    learner, claim_id = killed
    worker = watched.worker
    assert learner.until(claim_id, lambda status: status["stage"] == "completed")
    assert watched.worker == worker
    assert learner.certificate(claim_id).startswith(b"%PDF")
    tries = watched.lines(WORKER, event="activity", activity="certificate.issue", claim_id=claim_id)
    assert [each["attempt"] for each in tries] == list(range(1, len(tries) + 1))
    assert "error" not in tries[-1]


def test_api_and_worker_measure_what_they_do(watched: Watched, killed: tuple[Person, str]) -> None:
    learner, claim_id = killed
    assert learner.until(claim_id, lambda status: status["stage"] == "completed")
    api = watched.samples(f"{watched.stack.urls['api']}/metrics")
    assert {"stage=completed", "attention="} in api["laurel_claims"]
    assert {"kind=submission"} in api["laurel_waiting_seconds"]
    assert {"kind=checkpoint"} in api["laurel_waiting_seconds"]
    assert {"kind=credit", "outcome=accepted"} in api["laurel_step_seconds_count"]
    assert {"method=POST", "route=/v1/claims", "status=201"} in api["laurel_http_request_seconds_count"]
    worker = watched.samples(f"{watched.metrics_url}/metrics")
    assert {"outcome=sent"} in worker["laurel_emails_total"]
    outcomes = [{"outcome=rendered"}, {"outcome=failed"}]
    assert all(outcome in worker["laurel_render_seconds_count"] for outcome in outcomes)
    # The engine's own: what the page names is there, also what appears only when an activity has failed.
    engine = watched.samples(watched.sdk_metrics_url)
    named = {name for name in documented() if name.startswith("temporal_")}
    assert named
    assert named <= {re.sub(r"_bucket$", "", name) for name in engine}
    free = engine["temporal_worker_task_slots_available"][0]
    assert documented()["temporal_worker_task_slots_available"] <= {label.partition("=")[0] for label in free}


def _is_waited_for(connection: "psycopg.Connection[tuple[int]]") -> bool:
    """Whether somebody waits for what this connection has locked."""
    found = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return found is not None and found[0] > 0


def test_a_worker_that_is_told_to_stop_finishes_what_it_began(watched: Watched, town: Town) -> None:
    rendering, deciding = town.learner(), town.learner()
    claims = [rendering.reach_credit(), deciding.reach_credit()]
    worker = watched.worker
    [child] = watched.renderers()
    child.suspend()
    with psycopg.connect(watched.stack.database_url) as connection:
        connection.execute("SELECT 1 FROM claims WHERE id = %s FOR UPDATE", (claims[1]["id"],))
        assert rendering.claim_credit(claims[0]).status_code == 200
        step = action(claims[1], "claim_credit")
        body = credit_body(step["form"]["offers"][0])
        answer = deciding.send(step["method"], step["href"], body, prefer="respond-async")
        assert answer.status_code == 202
        assert wait_until(lambda: _is_waited_for(connection) and watched.issues(claims[0]["id"]), 10)
        worker.send_signal(signal.SIGTERM)
        watched.until_written(WORKER, event="stopping")
        assert worker.is_running()
    child.resume()
    psutil.wait_procs([worker], timeout=30)
    assert wait_until(lambda: any(f"{WORKER} ended with exit code 0" in line for line in watched.said), 30)
    for learner, claim in zip((rendering, deciding), claims, strict=True):
        assert learner.until(claim["id"], lambda status: status["stage"] == "completed")
        assert len(learner.award_mails()) == 1
    # It was not given back: the first try made the certificate.
    [made] = watched.lines(WORKER, event="activity", activity="certificate.issue", claim_id=claims[0]["id"])
    assert "error" not in made
