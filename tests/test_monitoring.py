"""The dashboard and the alert rules are well formed, and ask only for metrics and labels that exist."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from api.v1 import metrics as _of_the_record  # noqa: F401  # its gauges are made with it
from cli.local import ports
from cli.local.temporal import installed_binary
from config import metrics as _of_processes  # noqa: F401
from config.temporal import measured_runtime
from tests.test_docs import ROOT, rows, section

# Prometheus itself adds these to whatever it reads.
ADDED = {"up": {"job", "instance"}}
ADDED_LABELS = {"job", "instance", "le"}
PARTS_OF_A_HISTOGRAM = re.compile(r"_(?:bucket|count|sum)$")


def documented() -> dict[str, set[str]]:
    """The labels of each metric in the tables of the page."""
    tables = section("docs/operations.md", "Metrics")
    return {name: set(re.findall(r"`(\w+)`", cells[0])) for name, cells in rows(tables).items()}


def measured() -> dict[str, set[str]]:
    """The labels of each metric that Laurel's code knows, under the name by which it is asked for."""
    ours = {each for each in REGISTRY._names_to_collectors.values() if isinstance(each, MetricWrapperBase)}
    return {
        metric._name + ("_total" if metric._type == "counter" else ""): set(metric._labelnames)
        for metric in ours
        if metric._name.startswith("laurel_")
    }


def alerts() -> dict[str, str]:
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def panels() -> dict[str, str]:
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/laurel.json").read_text())
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }


QUERIES = alerts() | panels()


def selectors(query: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics that a query asks for, with the labels that it filters by."""
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(query), found.append)
    for node in found:
        if isinstance(node, promql_parser.VectorSelector):
            yield str(node.name), {matcher.name for matcher in node.matchers.matchers}


def grouped(query: str) -> set[str]:
    """The labels that a query groups by."""
    return {name for names in re.findall(r"\bby \(([^)]*)\)", query) for name in names.split(", ")}


def test_every_metric_of_laurel_is_documented_with_its_labels_and_no_other() -> None:
    assert {name: labels for name, labels in documented().items() if name.startswith("laurel_")} == measured()


@activity.defn(name="fails.once")
async def fails_once() -> None:
    if activity.info().attempt == 1:
        raise ApplicationError("the first time")


@workflow.defn(name="measured")
class Measured:
    """Everything that the page names happens in it."""

    @workflow.run
    async def run(self) -> None:
        again = RetryPolicy(initial_interval=timedelta(milliseconds=10))
        await workflow.execute_activity(fails_once, start_to_close_timeout=timedelta(seconds=30), retry_policy=again)


async def test_temporals_sdk_measures_what_the_page_names_under_exactly_these_names() -> None:
    port = ports.next_free(19_800)
    binary = str(installed_binary())
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=binary) as server:
        address = server.client.service_client.config.target_host
        client = await Client.connect(address, runtime=measured_runtime(port))
        runner = UnsandboxedWorkflowRunner()
        async with Worker(
            client, task_queue="measured", workflows=[Measured], activities=[fails_once], workflow_runner=runner
        ):
            await client.execute_workflow(Measured.run, id="measured", task_queue="measured")
            # Not through a parser: those give counters the ending that they should have.
            text = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    told = {
        PARTS_OF_A_HISTOGRAM.sub("", name): set(re.findall(r'(\w+)="', labels))
        for name, labels in re.findall(r"^(\w+)\{(.*)\} ", text, re.MULTILINE)
    }
    named = {name: labels for name, labels in documented().items() if name.startswith("temporal_")}
    assert named
    for name, labels in named.items():
        assert labels <= told.get(name, set()), (name, sorted(told))


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_asks_only_for_metrics_and_labels_that_exist(name: str) -> None:
    known = documented() | ADDED
    asked = [(PARTS_OF_A_HISTOGRAM.sub("", metric), labels) for metric, labels in selectors(QUERIES[name])]
    assert asked
    assert {metric for metric, _ in asked} <= known.keys()
    for metric, labels in asked:
        assert labels | grouped(QUERIES[name]) <= known[metric] | ADDED_LABELS


def test_every_alert_says_what_is_wrong_and_how_grave_it_is() -> None:
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert shown <= grouped(rule["expr"]) | ADDED_LABELS


def test_of_every_service_a_process_that_hangs_and_one_that_is_gone_are_missed() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    watched = [name for name, each in services.items() if "laurel" in each.get("healthcheck", {}).get("test", [])]
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    jobs = {each["job_name"]: each["dns_sd_configs"][0]["names"] for each in scraped if "laurel" in each["job_name"]}
    # A target that is looked up by name vanishes with its container: a job of several services would not tell.
    assert jobs == {f"laurel-{name}": [name] for name in watched}
    expression = alerts()["LaurelProcessDown"]
    assert set(re.findall(r'or absent\(up\{job="([\w-]+)"\}\)', expression)) == jobs.keys()
    assert 'by (job) (up{job=~"laurel-.*"} == 0)' in expression


@pytest.mark.parametrize("query", ["sum(laurel_claims", "rate(laurel_claims)", "laurel_claims{stage}"])
def test_a_query_that_is_wrongly_written_is_found(query: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        list(selectors(query))
