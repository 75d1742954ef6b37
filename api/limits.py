"""How often something may be asked for: counters per key in windows of fixed length.

Most limits keep one client from starving the others, and hold for each process by itself. What strangers could guess
with, codes and addresses, is counted in the database, for all processes together.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from api.database import Database
from api.problems import ProblemError
from storage import request_counts
from storage.request_counts import RequestCount

# Longer than any window.
_REMEMBERED: Final = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``most`` requests per ``seconds``; ``name`` names it in headers."""

    name: str
    most: int
    seconds: int = 60

    def checked(self, count: int, wait: int) -> Mapping[str, str]:
        """The headers that say where a client stands, which has ``wait`` seconds until the next window.

        Raises ``ProblemError`` (429 with ``Retry-After``) when the limit is used up.
        """
        left = self.most - count
        headers = {
            "RateLimit-Policy": f'"{self.name}";q={self.most};w={self.seconds}',
            "RateLimit": f'"{self.name}";r={max(0, left)};t={wait}',
        }
        if left < 0:
            raise ProblemError("rate_limited", headers={**headers, "Retry-After": str(wait)})
        return headers


class Limiter:
    """Counts requests per limit and key. A window's counters are dropped when the next one begins."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._counts: dict[Limit, tuple[int, Counter[str]]] = {}

    def hit(self, limit: Limit, key: str) -> Mapping[str, str]:
        """Count one request in this process; answers and raises as ``Limit.checked`` does."""
        now = self._clock()
        window = int(now // limit.seconds)
        current, counts = self._counts.get(limit, (window, Counter()))
        if current != window:
            counts = Counter()
        self._counts[limit] = (window, counts)
        counts[key] += 1
        return limit.checked(counts[key], math.ceil((window + 1) * limit.seconds - now))


class SharedLimiter:
    """Counts in the database, so that a limit holds whichever process a request comes to.

    A client that one process alone has seen too often is refused without asking the database.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._here = Limiter(clock)
        self._clock = clock
        self._forgot_at = 0.0

    async def hit(self, limit: Limit, key: str) -> Mapping[str, str]:
        """Count one request in all processes; answers and raises as ``Limit.checked`` does."""
        self._here.hit(limit, key)
        is_time_to_forget = self._clock() - self._forgot_at > limit.seconds
        if is_time_to_forget:
            self._forgot_at = self._clock()

        async def count(connection: AsyncConnection) -> RequestCount:
            if is_time_to_forget:
                await request_counts.forget(connection, _REMEMBERED)
            return await request_counts.count_request(connection, limit.name, key, timedelta(seconds=limit.seconds))

        counted = await self._database.statements(count)
        return limit.checked(counted.count, max(1, math.ceil(counted.seconds_left)))
