"""The completion matrix of a CE activity: who has done which step, learner by learner.

Versions of a policy may ask for different steps, and one learner for fewer than another; a cell is None where a step
does not apply.
"""

from collections.abc import Iterable, Mapping, Sequence

from domain.policy import CEActivityPolicy
from domain.progress import Progress, StepKind, StepState

Cells = Mapping[StepKind, StepState | None]


def steps_of(policy: CEActivityPolicy) -> frozenset[StepKind]:
    """Every kind of step that some learner has under a policy."""
    # An evaluation of each session is a part of the step that claims the session.
    requirements = {StepKind(each.kind) for each in policy.requirements if each is not policy.session_evaluation}
    others = {
        StepKind.CLAIM_WINDOW: policy.claim_window.opens_on is not None,
        StepKind.SESSIONS: bool(policy.sessions),
        StepKind.CREDIT: True,
        StepKind.CERTIFICATE: True,
    }
    return frozenset(requirements | {kind for kind, is_asked in others.items() if is_asked})


def columns(policies: Iterable[CEActivityPolicy]) -> tuple[StepKind, ...]:
    """The steps that any of these policies asks for, in the order in which claims take them."""
    asked = frozenset[StepKind]().union(*(steps_of(policy) for policy in policies))
    return tuple(kind for kind in StepKind if kind in asked)


def cells(progress: Progress, wanted: Sequence[StepKind]) -> Cells:
    """How far one claim is with each of these steps."""
    states = {step.kind: step.state for step in progress.steps}
    return {kind: states.get(kind) for kind in wanted}
