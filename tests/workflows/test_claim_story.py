"""A claim's life in the workflow: each transition, and what it leaves behind."""

from collections.abc import Callable

import pytest

from domain.claims import Stage
from tests.claims import TestClaim

NewClaim = Callable[..., TestClaim]
pytestmark = pytest.mark.usefixtures("worker")


async def test_a_claim_runs_from_opening_to_certificate_in_at_most_56_events(new_claim: NewClaim) -> None:
    claim = new_claim()
    await claim.complete()
    result = await claim.handle.result()
    description = await claim.handle.describe()
    history = await claim.handle.fetch_history()
    assert result['stage'] == Stage.COMPLETED
