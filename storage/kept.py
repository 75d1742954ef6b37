"""Which undecided steps wait on purpose: a hold, or an issuance pause, keeps them until it ends."""

from typing import Final

from domain.turns import KEPT_STEPS

_KINDS: Final = ", ".join(f"'{kind}'" for kind in sorted(KEPT_STEPS))
KEPT: Final = f"""
    (s.kind IN ({_KINDS})
     AND EXISTS (SELECT 1 FROM claims k WHERE k.id = s.claim_id
                    AND (k.held_at IS NOT NULL OR k.attention = 'issuance_paused')))
"""  # noqa: S608  # constants only
"""The condition in SQL, of an undecided submission ``s``."""
