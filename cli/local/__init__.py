"""The embedded stack: real PostgreSQL, real Temporal, a mail catcher, Laurel's workers and API under one supervisor."""

from cli.errors import StackError
from cli.local.folders import RunningStack, default_data_dir, running_stack
from cli.local.postgres import EmbeddedPostgres
from cli.local.stack import LocalStack
from cli.local.supervisor import Part, Supervisor
from cli.local.temporal import EmbeddedTemporal

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedTemporal",
    "LocalStack",
    "Part",
    "RunningStack",
    "StackError",
    "Supervisor",
    "default_data_dir",
    "running_stack",
]
