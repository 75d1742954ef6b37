"""What a worker's process owes its machine: it ends when it must, and carries nothing that nobody asked for."""

import subprocess
import sys

import pytest

from config import tracing
from config.settings import Settings
from worker import pollers_of

HANGING = """
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from worker import _end_in_any_case
never = threading.Event()
# The interpreter waits for this thread when it ends, however long that takes.
ThreadPoolExecutor(1).submit(never.wait)
_end_in_any_case(timedelta(seconds=0.1), 0)
print("told to stop", flush=True)
"""

UNTRACED = """
import sys
import api.app, worker
from config import tracing
assert not tracing.start("worker-all")
assert tracing.temporal_interceptors() == []
api.app.create_app()
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
"""


def run(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)


def test_work_that_hangs_for_ever_is_given_back_by_ending_the_process() -> None:
    ended = run(HANGING)
    assert ended.returncode == 0, ended.stderr
    told, given_back = ended.stdout.splitlines()
    assert told == "told to stop"
    assert "work is given back" in given_back


def test_without_a_collector_nothing_of_tracing_is_even_loaded() -> None:
    ended = run(UNTRACED)
    assert (ended.stdout, ended.returncode) == ("[]\n", 0), ended.stderr


@pytest.mark.parametrize(
    ("environment", "is_wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
    ],
)
def test_the_standard_variables_say_whether_there_is_a_collector(
    environment: dict[str, str], *, is_wanted: bool
) -> None:
    assert tracing.is_wanted(environment) is is_wanted


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_a_way_of_sending_that_is_not_ours_is_refused_by_name(environment: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"OTEL_TRACES_EXPORTER must be otlp or none.*http/protobuf"):
        tracing.is_wanted(environment)


@pytest.mark.parametrize(("slots", "asked"), [(6, 10), (12, 10), (30, 10), (100, 10), (12, 2)])
def test_however_a_worker_is_set_a_slot_is_left_to_ask_for_claims_it_has_not_in_memory(slots: int, asked: int) -> None:
    # The SDK asks for work in two ways, each time in a slot: for claims in memory, and for all others.
    pollers = pollers_of(Settings(workflow_slots=slots, pollers=asked, _env_file=None))
    assert 2 <= pollers.maximum <= asked
    assert 2 * pollers.maximum < slots
