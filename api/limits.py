"""How often something may be asked for: counters per key in windows of fixed length, in this process.

Several API processes each count for themselves, so a limit holds per process.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from api.problems import ProblemError


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``most`` requests per ``seconds``; ``name`` names it in headers."""

    name: str
    most: int
    seconds: int = 60


class Limiter:
    """Counts requests per limit and key. A window's counters are dropped when the next one begins."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._counts: dict[Limit, tuple[int, Counter[str]]] = {}

    def hit(self, limit: Limit, key: str) -> Mapping[str, str]:
        """Count one request; answers with the headers that tell a client where it stands.

        Raises ``ProblemError`` (429 with ``Retry-After``) when the limit is used up.
        """
        now = self._clock()
        window = int(now // limit.seconds)
        current, counts = self._counts.get(limit, (window, Counter()))
        if current != window:
            counts = Counter()
        self._counts[limit] = (window, counts)
        counts[key] += 1
        left = limit.most - counts[key]
        wait = math.ceil((window + 1) * limit.seconds - now)
        headers = {
            "RateLimit-Policy": f'"{limit.name}";q={limit.most};w={limit.seconds}',
            "RateLimit": f'"{limit.name}";r={max(0, left)};t={wait}',
        }
        if left < 0:
            raise ProblemError("rate_limited", headers={**headers, "Retry-After": str(wait)})
        return headers
