"""One way to use the database: a transaction, tried once more when the connection turns out to be lost."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from psycopg import OperationalError as DriverError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from storage.database import create_api_engine

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

UNAVAILABLE: Final = (OperationalError, InterfaceError, PoolTimeoutError, DriverError)
"""What is raised while there is no database."""


class Database:
    """The API's connections. After PostgreSQL restarted, a request that finds its connection dead takes a new one.

    Work may therefore run twice; everything the API writes is made to stand that (ids are chosen before).
    """

    def __init__(self, database_url: str, pool_size: int) -> None:
        self.url = database_url
        self._engine: AsyncEngine = create_api_engine(database_url, pool_size)
        # Without BEGIN and COMMIT a statement takes one round trip instead of three.
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def statements(self, work: Work[T]) -> T:
        """Run single statements, each a transaction of its own."""
        return await _twice(self._autocommit.connect, work)

    async def transaction(self, work: Work[T]) -> T:
        """Run one transaction; it is committed when this returns."""
        return await _twice(self._engine.begin, work)

    async def close(self) -> None:
        """Give every connection back."""
        await self._engine.dispose()


async def _twice(open_connection: Callable[[], object], work: Work[T]) -> T:
    try:
        async with open_connection() as connection:  # type: ignore[attr-defined]  # both are async context managers
            return await work(connection)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    async with open_connection() as connection:  # type: ignore[attr-defined]
        return await work(connection)
