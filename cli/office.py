"""The parts that commands about claims need: the record and the way to Temporal, as the API has them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from api.database import Database
from api.gateway import Gateway
from api.policies import Policies
from api.wakeups import Wakeups
from cli.local.folders import running_stack
from cli.main import database_url, load_settings
from config.temporal import connect


@dataclass(frozen=True, slots=True)
class Office:
    """The machine's own desk; ``temporal_ui_url`` is where operators see workflows."""

    database: Database
    gateway: Gateway
    policies: Policies
    temporal_ui_url: str


@asynccontextmanager
async def office(data_dir: Path | None) -> AsyncIterator[Office]:
    """Open the desk; neither the database nor Temporal need answer yet.

    They are those of the environment, else of the stack that runs on the data folder.
    """
    settings, stack = load_settings(), running_stack(data_dir)
    database = Database(database_url(data_dir), 2)
    wakeups = Wakeups(database)
    lazily = partial(connect, lazy=True, address=stack.temporal_address) if stack else partial(connect, lazy=True)
    gateway = Gateway(database, wakeups, lazily)
    ui_url = stack.urls.get("temporal", settings.temporal_ui_url) if stack else settings.temporal_ui_url
    await gateway.start()
    wakeups.start()
    try:
        yield Office(database, gateway, Policies(database), ui_url)
    finally:
        await wakeups.stop()
        await gateway.stop()
        await database.close()
