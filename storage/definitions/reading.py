"""Reading a definition: the policy, with a slug and a status beside it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Final

from domain.policy import CEActivityPolicy
from domain.policy_checks import problems_with
from domain.policy_problems import Path, PolicyProblem
from storage.definitions.notation import Document, Found, line_of
from storage.definitions.problems import DefinitionError, DefinitionProblem, printed
from storage.definitions.shapes import Shapes

SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
MAXIMUM_SLUG_LENGTH: Final = 80


class DefinitionStatus(StrEnum):
    """Who can open a claim: nobody yet, everybody, or nobody any more. Open claims go on in every case."""

    DRAFT = "draft"
    PUBLISHED = "published"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands beside the policy: the name in addresses, and who can open a claim."""

    slug: str
    status: DefinitionStatus = DefinitionStatus.PUBLISHED


@dataclass(frozen=True, slots=True)
class Definition:
    """What staff define. ``lines`` says where each field stands in the text that the definition was read from."""

    slug: str
    status: DefinitionStatus
    policy: CEActivityPolicy
    lines: Mapping[Path, int] = field(default_factory=lambda: {(): 1}, compare=False, repr=False)

    def error(self, path: Path, message: str) -> DefinitionError:
        """A mistake that shows only when the definition meets others."""
        return self.errors([(path, message)])

    def errors(self, found: Iterable[Found]) -> DefinitionError:
        """Several such mistakes."""
        return DefinitionError(
            DefinitionProblem(line_of(self.lines, path), printed(path), message) for path, message in found
        )


def read_definition(text: str, slug: str | None = None) -> Definition:
    """Read a definition, YAML or JSON; ``slug`` is the one that it must have, if that is decided elsewhere.

    Raises ``DefinitionError`` with all mistakes at once: those of the notation, missing, unknown and wrong fields, and
    what the readable fields say together (``domain/policy_checks.py``). Only a text that cannot be parsed to its end,
    or is too large, is refused for that alone.
    """
    document, shapes = Document(text), Shapes()
    names = ("slug", "status")
    beside = {name: value for name, value in document.values.items() if name in names}
    within = {name: value for name, value in document.values.items() if name not in names}
    heading: Heading = shapes.read(Heading, beside, ())
    policy: CEActivityPolicy = shapes.read(CEActivityPolicy, within, ())
    is_judged = _judge_of(shapes.unsound)
    found = (*_slug_problems(heading.slug, slug), *problems_with(policy))
    told: list[Found] = [(problem.path, problem.message) for problem in found if is_judged(problem)]
    problems = [*document.problems, *document.located([*shapes.problems, *told])]
    if problems:
        raise DefinitionError(problems)
    return Definition(heading.slug, heading.status, policy, document.lines)


def _slug_problems(slug: str, expected: str | None) -> Iterator[PolicyProblem]:
    if not SLUG.fullmatch(slug) or len(slug) > MAXIMUM_SLUG_LENGTH:
        what = f"is a name for addresses such as grand-rounds-2026: a-z, 0-9 and -, at most {MAXIMUM_SLUG_LENGTH} long"
        yield PolicyProblem(("slug",), what)
    elif slug != (expected or slug):
        yield PolicyProblem(("slug",), "is the one in the address that this definition is sent to")


def _judge_of(unsound: set[Path]) -> Callable[[PolicyProblem], bool]:
    """Whether a problem rests on fields that could be read: on no stand-in, and on nothing that holds one."""
    holders = {path[:length] for path in unsound for length in range(len(path))}

    @cache
    def is_within_unsound(path: Path) -> bool:
        return any(path[:length] in unsound for length in range(len(path) + 1))

    def is_judged(problem: PolicyProblem) -> bool:
        is_shaken = any(is_within_unsound(path) or path in holders for path in problem.reads)
        return not is_within_unsound(problem.path) and not is_shaken

    return is_judged
