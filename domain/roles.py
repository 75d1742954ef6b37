"""What an account may do beyond its own claims."""

from enum import StrEnum


class Role(StrEnum):
    """Coordinators run CE activities and help with claims; administrators may do everything."""

    LEARNER = "learner"
    COORDINATOR = "coordinator"
    ADMINISTRATOR = "administrator"


STAFF_ROLES = frozenset({Role.COORDINATOR, Role.ADMINISTRATOR})
