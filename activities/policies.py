"""Policies by version id; a published version never changes, so it is read from the record once per process."""

from sqlalchemy import Connection, select

from domain.policy import CEActivityPolicy
from storage.definitions import policy_from_json
from storage.tables import CEActivityVersionRow

_MOST = 256


class PolicyCache:
    """The newest policies that were asked for; threads may share it, at worst two read the same one."""

    def __init__(self) -> None:
        self._policies: dict[str, CEActivityPolicy] = {}

    def get(self, connection: Connection, version_id: str) -> CEActivityPolicy:
        """The policy of one version; raises ``NoResultFound`` when the record has no such version."""
        policy = self._policies.get(version_id)
        if policy is None:
            query = select(CEActivityVersionRow.policy).where(CEActivityVersionRow.id == version_id)
            policy = policy_from_json(connection.execute(query).scalar_one())
            if len(self._policies) >= _MOST:
                self._policies.clear()
            self._policies[version_id] = policy
        return policy
