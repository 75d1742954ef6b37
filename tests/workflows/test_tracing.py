"""Traces of workflows and activities on the real Temporal: whole, and without a word of what somebody typed."""

from collections.abc import Callable

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from config import tracing
from config.settings import Settings
from domain.claims import Stage
from tests.claims import KeptMail, TestClaim
from tests.workflows.conftest import Workers

NewClaim = Callable[..., TestClaim]


async def test_a_failing_activity_is_named_in_its_span_by_the_type_of_its_error_alone(
    workers: Workers, environment: WorkflowEnvironment, settings: Settings, new_claim: NewClaim, mail: KeptMail
) -> None:
    spans = InMemorySpanExporter()
    assert tracing.start("tests", spans)
    try:
        async with workers.away():
            address = environment.client.service_client.config.target_host
            client = await Client.connect(address, interceptors=tracing.temporal_interceptors())
            traced = Workers(client, workers.activities, settings)
            await traced.start()
            claim = new_claim(client)
            mail.failures[claim.email] = RuntimeError(f"550 {claim.email} is nobody")
            await claim.brought_to(Stage.READY_TO_CLAIM)
            await claim.submit(claim.credit())
            await claim.until(lambda: "RunActivity:email.send" in names(spans))
            await traced.stop()
    finally:
        del mail.failures[claim.email]
        tracing.stop()
    [failed, *_] = [span for span in spans.get_finished_spans() if span.name == "RunActivity:email.send"]
    assert failed.status.description is not None
    assert "RuntimeError (incident " in failed.status.description
    assert claim.email not in "".join(span.to_json() for span in spans.get_finished_spans())
    assert {"RunWorkflow:claim", "RunActivity:claim.load", "RunActivity:certificate.issue"} <= names(spans)


def names(spans: InMemorySpanExporter) -> set[str]:
    """What was traced so far."""
    if tracing._provider is not None:
        tracing._provider.force_flush()
    return {span.name for span in spans.get_finished_spans()}
