"""How a mistake in a policy is told to its author."""

from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """One mistake: the field's path in the policy, and a sentence that says what would be right.

    ``reads`` are the paths of other fields that the judgement rests on. While one of those is unreadable the problem
    is not reported, because its author would be sent to the wrong place.
    """

    path: Path
    message: str
    reads: tuple[Path, ...] = ()
