"""Mistakes in a definition, as its author reads them."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.policy_problems import Path

_MAXIMUM_PROBLEMS = 100
_MAXIMUM_NAME_LENGTH = 60


@dataclass(frozen=True, slots=True)
class DefinitionProblem:
    """One mistake: the line (from 1), the field such as ``credit[0].designated_units``, and what would be right."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.field or 'the definition'}: {self.message}"


class DefinitionError(ValueError):
    """The definition cannot be used; ``problems`` are in the order of their lines, the first 100 of them."""

    def __init__(self, problems: Iterable[DefinitionProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line)[:_MAXIMUM_PROBLEMS])
        super().__init__("\n".join(map(str, self.problems)))


def printed(path: Path) -> str:
    """A path as it is read: ``sessions[2].held_on``."""
    # A field's name comes from the author, who may have pasted a page into it.
    parts = [f"[{part}]" if isinstance(part, int) else f".{part[:_MAXIMUM_NAME_LENGTH]}" for part in path]
    return "".join(parts).removeprefix(".")
