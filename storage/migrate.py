"""Bringing the schema up to date, under an advisory lock and with short lock timeouts."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from storage.database import create_sync_engine
from storage.roles import grant_application
from storage.tables import Base

_LOCK = 7_216_524_051


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(database_url: str) -> None:
    """Migrate to the newest schema, as the tables' owner, and grant the application its rights.

    Nothing happens when both are there already. Several callers wait for each other. All of it is one transaction,
    which gives up when a table stays locked for five seconds; what it then does may take as long as it takes.
    """
    engine = create_sync_engine(database_url, pool_size=1)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = '120s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        command.upgrade(_config(connection), "head")
        grant_application(connection)
    engine.dispose()


@cache
def newest() -> str | None:
    """The revision of the schema that this release wants."""
    folder = Path(__file__).parent / "migrations"
    return ScriptDirectory(str(folder)).get_current_head()


def check(database_url: str) -> list[str]:
    """What keeps the schema from being the one this release wants; empty when nothing does."""
    engine = create_sync_engine(database_url, pool_size=1)
    try:
        with engine.connect() as connection:
            head = ScriptDirectory.from_config(_config(connection)).get_current_head()
            context = MigrationContext.configure(connection)
            if context.get_current_revision() != head:
                return [f"the schema is at {context.get_current_revision() or 'nothing'}, this release wants {head}"]
            return [str(difference) for difference in compare_metadata(context, Base.metadata)]
    finally:
        engine.dispose()
