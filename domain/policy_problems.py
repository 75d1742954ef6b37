"""How a mistake in a policy is told to its author."""

from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """One mistake: the field's path in the policy, and a sentence that says what would be right."""

    path: Path
    message: str
