"""The connection to Temporal, configured by the SDK's standard environment (``TEMPORAL_ADDRESS`` ...)."""

from temporalio.client import Client
from temporalio.envconfig import ClientConfig


async def connect(*, lazy: bool = False) -> Client:
    """Connect as the environment says; the default is ``localhost:7233``, namespace ``default``.

    A lazy client connects at its first call, so that a process may start while Temporal is away.
    """
    options = ClientConfig.load_client_connect_config()
    options.setdefault("target_host", "localhost:7233")
    return await Client.connect(**options, lazy=lazy)
