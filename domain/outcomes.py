"""Outcomes of a CE activity: what all responses to its evaluations, and all first attempts at its post-test, add up to.

A question is counted across versions of the policy as long as its words and choices stay the same; one that was changed
counts anew, because its answers mean something else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeVar

from domain.policy import EvaluationQuestion, QuestionKind, TestQuestion

_HUNDREDTH = Decimal("0.01")
_TENTH = Decimal("0.1")

_Asked = TypeVar("_Asked", EvaluationQuestion, TestQuestion)


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a question of a version was answered in one way: by an option's code or a number of the scale.

    Answers in words are one way, whatever they say.
    """

    version: int
    question: str
    value: str
    count: int


@dataclass(frozen=True, slots=True)
class QuestionOutcome:
    """What the answers to one question of an evaluation add up to.

    ``versions`` ask it. ``counts`` holds every option or number of the scale, in order, and is empty for a text.
    ``mean`` (rounded half up to hundredths) and ``median`` are of a scale, and None without answers.
    """

    question: EvaluationQuestion
    versions: tuple[int, ...]
    answered: int
    counts: Mapping[str, int]
    mean: Decimal | None
    median: Decimal | None


@dataclass(frozen=True, slots=True)
class TestQuestionOutcome:
    """How a question of a post-test was answered; ``right_percent`` (to tenths) is None without answers."""

    __test__ = False

    question: TestQuestion
    versions: tuple[int, ...]
    answered: int
    right: int
    right_percent: Decimal | None
    counts: Mapping[str, int]


def same_question(question: _Asked) -> _Asked:
    """What makes a question the same in two versions: all but whether it is required, or why its answer is right."""
    if isinstance(question, EvaluationQuestion):
        return replace(question, is_required=True)
    return replace(question, rationale=None)


def asked_in(versions: Mapping[int, Iterable[_Asked]]) -> dict[_Asked, tuple[int, ...]]:
    """Each different question with the versions that ask it: in the newest version's order, then those before it."""
    asked: dict[_Asked, tuple[int, ...]] = {}
    for version in sorted(versions, reverse=True):
        for question in versions[version]:
            same: _Asked = same_question(question)
            asked[same] = (version, *asked.get(same, ()))
    return asked


def evaluation_outcomes(
    versions: Mapping[int, Iterable[EvaluationQuestion]], tallies: Sequence[Tally]
) -> tuple[QuestionOutcome, ...]:
    """What the responses to the evaluations of these versions add up to, question by question."""
    return tuple(_evaluated(question, asked, tallies) for question, asked in asked_in(versions).items())


def post_test_outcomes(
    versions: Mapping[int, Iterable[TestQuestion]], tallies: Sequence[Tally]
) -> tuple[TestQuestionOutcome, ...]:
    """How the questions of the post-tests of these versions were answered."""
    return tuple(_tested(question, asked, tallies) for question, asked in asked_in(versions).items())


def percent(part: int, whole: int) -> Decimal | None:
    """A share in percent to tenths, rounded half up; None of nothing."""
    return (Decimal(100 * part) / whole).quantize(_TENTH, ROUND_HALF_UP) if whole else None


def _evaluated(question: EvaluationQuestion, versions: tuple[int, ...], tallies: Sequence[Tally]) -> QuestionOutcome:
    given = _given(question.code, versions, tallies)
    match question.kind:
        case QuestionKind.TEXT:
            return QuestionOutcome(question, versions, sum(given.values()), {}, None, None)
        case QuestionKind.CHOICE:
            counts = {option.code: given.get(option.code, 0) for option in question.options}
            return QuestionOutcome(question, versions, sum(counts.values()), counts, None, None)
        case QuestionKind.SCALE:  # pragma: no branch -- mypy proves that no other case is left
            counts = {str(number): given.get(str(number), 0) for number in range(1, question.scale_maximum + 1)}
            row = [int(number) for number, count in counts.items() for _ in range(count)]
            return QuestionOutcome(question, versions, len(row), counts, _mean(row), _median(row))


def _tested(question: TestQuestion, versions: tuple[int, ...], tallies: Sequence[Tally]) -> TestQuestionOutcome:
    given = _given(question.code, versions, tallies)
    counts = {option.code: given.get(option.code, 0) for option in question.options}
    answered, right = sum(counts.values()), counts[question.correct]
    return TestQuestionOutcome(question, versions, answered, right, percent(right, answered), counts)


def _given(code: str, versions: tuple[int, ...], tallies: Sequence[Tally]) -> dict[str, int]:
    given: dict[str, int] = {}
    for tally in tallies:
        if tally.question == code and tally.version in versions:
            given[tally.value] = given.get(tally.value, 0) + tally.count
    return given


def _mean(row: Sequence[int]) -> Decimal | None:
    return (Decimal(sum(row)) / len(row)).quantize(_HUNDREDTH, ROUND_HALF_UP) if row else None


def _median(row: Sequence[int]) -> Decimal | None:
    """The middle one of a row in its order, or the mean of the two in the middle."""
    return Decimal(row[(len(row) - 1) // 2] + row[len(row) // 2]) / 2 if row else None
