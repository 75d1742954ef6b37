"""Which servers are meant at the command line: those that the configuration names, else those of the running stack."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.errors import StackError

if TYPE_CHECKING:
    from cli.local.folders import RunningStack
    from config.settings import Settings


@dataclass(frozen=True)
class Servers:
    """The addresses of PostgreSQL, Temporal and the mail server; None where none is named."""

    database_url: str | None = None
    temporal_address: str | None = None
    smtp_url: str | None = None

    @classmethod
    def given(cls, settings: "Settings") -> "Servers":
        """What the environment and ``.env`` name, and Temporal's own variables or file of profiles.

        Raises ``StackError`` when that file cannot be used.
        """
        named = settings.model_fields_set
        return cls(
            settings.database_url if "database_url" in named else None,
            _temporal_address(),
            settings.smtp_url if "smtp_url" in named else None,
        )

    def or_of(self, stack: "RunningStack | None") -> "Servers":
        """The same, filled in from a running stack where nothing is named."""
        if stack is None:
            return self
        return Servers(
            self.database_url or stack.database_url,
            self.temporal_address or stack.temporal_address,
            self.smtp_url or stack.smtp_url,
        )


def _temporal_address() -> str | None:
    from temporalio.envconfig import ClientConfig  # noqa: PLC0415  # Slow to import.

    variables = {name: value for name, value in os.environ.items() if value}
    try:
        return ClientConfig.load_client_connect_config(override_env_vars=variables).get("target_host")
    except RuntimeError as error:
        # What follows the first line may repeat the file.
        msg = f"Temporal's configuration cannot be used: {str(error).splitlines()[0]}"
        raise StackError(msg) from error
