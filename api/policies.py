"""Published policies, kept in memory: they never change, and every status needs one."""

from typing import Final

from api.database import Database
from domain.policy import CEActivityPolicy
from storage.definitions import policy_from_json
from storage.queries import policy_json

_MOST_KEPT: Final = 500


class Policies:
    """Reads a policy at its first use and keeps it; when too many are kept, the one read first goes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[str, CEActivityPolicy] = {}

    async def get(self, version_id: str) -> CEActivityPolicy:
        """The policy of a published version."""
        policy = self._kept.get(version_id)
        if policy is None:
            stored = await self._database.statements(lambda c: policy_json(c, version_id))
            policy = policy_from_json(stored)
            if len(self._kept) >= _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[version_id] = policy
        return policy
