"""Engines: one synchronous for activities and commands, one asynchronous for the API, on the same driver."""

from typing import Any, Final

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

# What is told on this channel: "<claim id> <submission id or ->".
CLAIMS_CHANNEL: Final = "laurel_claims"

# A statement or an idle transaction that hangs must not hold a claim's row: the caller retries with a new connection.
_SERVER_SETTINGS: Final = "-c statement_timeout=10000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=15000"


def _options(pool_size: int) -> dict[str, Any]:
    return {
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": 5,
        "pool_pre_ping": False,
        "pool_recycle": 1800,
        "connect_args": {"connect_timeout": 3, "options": _SERVER_SETTINGS, "application_name": "laurel"},
    }


def _url(database_url: str) -> Any:
    return make_url(database_url).set(drivername="postgresql+psycopg")


def create_sync_engine(database_url: str, pool_size: int = 5) -> Engine:
    """For activities, the relay and commands; at most ``pool_size`` connections."""
    return create_engine(_url(database_url), **_options(pool_size))


def create_api_engine(database_url: str, pool_size: int = 10) -> AsyncEngine:
    """For the API; at most ``pool_size`` connections."""
    return create_async_engine(_url(database_url), **_options(pool_size))
