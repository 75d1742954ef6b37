"""How often one client has asked for something in the present window, counted for all processes together."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_COUNT: Final = text(
    """
    INSERT INTO request_counts AS c (name, client, began_at, count)
    VALUES (:name, :client, date_bin(:window, clock_timestamp(), 'epoch'), 1)
    ON CONFLICT (name, client) DO UPDATE
       SET count = CASE WHEN c.began_at = excluded.began_at THEN c.count + 1 ELSE 1 END, began_at = excluded.began_at
    RETURNING count, extract(epoch FROM began_at + :window - clock_timestamp()) AS seconds_left
    """
)
_FORGET: Final = text("DELETE FROM request_counts WHERE began_at < clock_timestamp() - CAST(:age AS interval)")


@dataclass(frozen=True, slots=True)
class RequestCount:
    """The requests of one client in the present window, this one included, and the seconds until it ends."""

    count: int
    seconds_left: float


async def count_request(connection: AsyncConnection, name: str, client: str, window: timedelta) -> RequestCount:
    """Count one request. Only a hash of ``client`` is stored, and not for longer than ``forget`` lets it."""
    values = {"name": name, "client": hashlib.sha256(client.encode()).digest(), "window": window}
    row = (await connection.execute(_COUNT, values)).one()
    return RequestCount(row[0], float(row[1]))


async def forget(connection: AsyncConnection, age: timedelta) -> None:
    """Remove the counts of windows that began longer ago than this."""
    await connection.execute(_FORGET, {"age": age})
