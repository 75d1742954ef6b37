"""The completion matrix: its columns hold every step that any learner of any version has, and cells say how far."""

from datetime import UTC, datetime

from hypothesis import given

from domain.claims import ClaimFacts
from domain.completion import cells, columns, steps_of
from domain.policy import CEActivityPolicy
from domain.progress import StepKind, StepState, progress_of
from tests.domain.policies import policies

AT = datetime(2026, 11, 22, tzinfo=UTC)


@given(policies())
def test_every_step_of_a_claim_has_its_column(policy: CEActivityPolicy) -> None:
    ways = [option.code for option in policy.participation.options] if policy.participation else []
    for participation in (None, *ways):
        facts = ClaimFacts(profession=None, due_at=None, participation=participation)
        assert {step.kind for step in progress_of(policy, facts, AT, None).steps} <= steps_of(policy)


@given(policies(), policies())
def test_columns_of_several_versions_stand_in_the_order_of_steps(
    one: CEActivityPolicy, other: CEActivityPolicy
) -> None:
    both = columns([one, other])
    assert set(both) == steps_of(one) | steps_of(other)
    assert list(both) == [kind for kind in StepKind if kind in both]
    assert columns([]) == ()


@given(policies())
def test_a_cell_is_the_state_of_its_step_or_nothing(policy: CEActivityPolicy) -> None:
    waived = frozenset(kind for kind in ("disclosures",) if policy.disclosures)
    progress = progress_of(policy, ClaimFacts(profession=None, due_at=None, waived=waived), AT, None)
    shown = cells(progress, tuple(StepKind))
    assert {kind: state for kind, state in shown.items() if state} == {each.kind: each.state for each in progress.steps}
    if waived:
        assert shown[StepKind.DISCLOSURES] is StepState.WAIVED
