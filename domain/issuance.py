"""The issuance pause: an office stops all awards and certificates at once, as certificate authorities can.

While issuance is paused for a claim's provider, or for all, no credit is awarded, no version of a certificate is made
and no e-mail about an award is sent. Everything else goes on: steps are taken, attempts graded, sessions claimed,
credit revoked. The step that would award the credit is kept as it was received, and whatever the learner does after it
is kept behind it; all of it is decided, in that order and as of its receipt, when the pause ends. What comes of a claim
is therefore the same as without a pause, only later, and nobody becomes late by it.
"""

from datetime import datetime

from domain.claims import ClaimFacts, Stage, stage_of
from domain.corrections import Change, Revocation
from domain.policy import CEActivityPolicy
from domain.roles import APPROVING_ROLES, Role


def is_award_due(policy: CEActivityPolicy, facts: ClaimFacts, at: datetime) -> bool:
    """Whether these facts amount to credit that is to be awarded, and has not been."""
    is_complete = stage_of(policy, facts, at) is Stage.AWARDING
    return is_complete and facts.credit is not None and not facts.is_awarded


def issues(change: Change) -> bool:
    """Whether a correction awards credit or makes a version of a certificate; a revocation only ends them."""
    return not isinstance(change, Revocation)


def may_pause(role: Role) -> bool:
    """Whether an account may pause issuance, and let it go on."""
    return role in APPROVING_ROLES
