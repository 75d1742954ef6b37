"""What an account may do beyond its own claims."""

from enum import StrEnum


class Role(StrEnum):
    """Coordinators run CE activities and help with claims; administrators may do everything.

    Approvers are coordinators who may also agree to what somebody else asked for. Auditors read everything, the audit
    trail included, and change nothing.
    """

    LEARNER = "learner"
    COORDINATOR = "coordinator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


STAFF_ROLES = frozenset({Role.COORDINATOR, Role.APPROVER, Role.ADMINISTRATOR})
APPROVING_ROLES = frozenset({Role.APPROVER, Role.ADMINISTRATOR})
AUDITING_ROLES = frozenset({Role.AUDITOR, Role.ADMINISTRATOR})
