"""The connection to Temporal, configured by the SDK's standard environment (``TEMPORAL_ADDRESS`` ...)."""

import os

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from config import tracing


async def connect(*, lazy: bool = False, runtime: Runtime | None = None, address: str = "localhost:7233") -> Client:
    """Connect as the environment says; where it says nothing, to ``address``, namespace ``default``.

    A lazy client connects at its first call, so that a process may start while Temporal is away. A variable that is
    empty says nothing, so that a compose file can leave it to a file of profiles.
    """
    given = {name: value for name, value in os.environ.items() if value}
    options = ClientConfig.load_client_connect_config(override_env_vars=given)
    options.setdefault("target_host", address)
    return await Client.connect(**options, lazy=lazy, runtime=runtime, interceptors=tracing.temporal_interceptors())


def measured_runtime(port: int) -> Runtime:
    """A runtime whose SDK metrics Prometheus reads at this port; a process makes one."""
    prometheus = PrometheusConfig(
        bind_address=f"0.0.0.0:{port}", counters_total_suffix=True, durations_as_seconds=True, unit_suffix=True
    )
    return Runtime(telemetry=TelemetryConfig(metrics=prometheus))
