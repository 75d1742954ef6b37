"""What an account may do beyond its own claims."""

from enum import StrEnum


class Role(StrEnum):
    """Coordinators run CE activities and help with claims; administrators may do everything.

    Approvers are coordinators who may also agree to what somebody else asked for. Auditors read everything, the audit
    trail included, and change nothing. Viewers read what coordinators read.
    """

    LEARNER = "learner"
    VIEWER = "viewer"
    COORDINATOR = "coordinator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


STAFF_ROLES = frozenset({Role.COORDINATOR, Role.APPROVER, Role.ADMINISTRATOR})
APPROVING_ROLES = frozenset({Role.APPROVER, Role.ADMINISTRATOR})
AUDITING_ROLES = frozenset({Role.AUDITOR, Role.ADMINISTRATOR})
OFFICE_ROLES = STAFF_ROLES | AUDITING_ROLES | {Role.VIEWER}
"""Everyone who may read other people's claims."""
