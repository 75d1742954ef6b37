"""Finding stuck claims: what the record is late with, and what Temporal knows of it."""

from collections.abc import Mapping
from dataclasses import replace

from api.database import Database
from api.gateway import Gateway
from domain.stuck import LATENESS, Engine, PendingStep, StuckReason, cause_of
from storage import stuck
from storage.stuck import StuckClaim, StuckGroup

# Whatever else is stuck waits for people, and its next try stands in the record.
_TRIED_BY_TEMPORAL = LATENESS | {StuckReason.WORKFLOW_FAILING}


async def find_stuck_claims(database: Database, gateway: Gateway) -> list[StuckGroup]:
    """Every reason for which claims are stuck, with its cause. Takes at most four seconds more than the record does.

    The claims of a group are counted in the record. What is being tried is asked for the oldest of them only, twenty of
    each group: that many answers come in a tenth of a second, and hundreds would say the same.
    """
    engine = await gateway.engine()
    failing = engine.failing if engine else ()
    groups = await database.statements(lambda c: stuck.stuck_groups(c, failing))
    asked = [each.claim_id for group in groups if group.reason in _TRIED_BY_TEMPORAL for each in group.oldest]
    steps = await gateway.pending_steps(asked) if engine and asked else {}
    return [_explained(group, engine, steps) for group in groups]


def _explained(group: StuckGroup, engine: Engine | None, steps: Mapping[str, PendingStep]) -> StuckGroup:
    if group.reason not in _TRIED_BY_TEMPORAL:
        return group
    told = replace(group, oldest=tuple(with_step(each, steps.get(each.claim_id)) for each in group.oldest))
    most_tries = max((each.tries for each in told.oldest if each.tries is not None), default=None)
    return replace(told, most_tries=most_tries, cause=cause_of(group.reason, engine, told.last_errors))


def with_step(claim: StuckClaim, pending: PendingStep | None) -> StuckClaim:
    """A claim with what Temporal says of its present step, which is newer than what the record says."""
    if pending is None:
        return claim
    return replace(
        claim,
        tries=pending.tries,
        last_error=pending.error or claim.last_error,
        next_try_at=pending.next_try_at or claim.next_try_at,
    )
