"""Checking answers and responses for completeness, and grading a post-test.

Problems name questions by their code and never repeat what was sent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.policy import Evaluation, EvaluationQuestion, PostTest, QuestionKind

MAXIMUM_TEXT_LENGTH = 4000


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one answer.

    ``question`` is its code, or empty where the question itself is unknown. ``reason`` is ``missing``,
    ``unknown_question``, ``unknown_option``, ``outside_scale`` or ``text_invalid``.
    """

    question: str
    reason: str


@dataclass(frozen=True, slots=True)
class Grade:
    """The result of one attempt.

    ``percent`` is rounded down, so that it never shows a passing score that was not reached.
    """

    correct: int
    total: int
    percent: int
    has_passed: bool


def problems_with_answers(post_test: PostTest, answers: Mapping[str, str]) -> tuple[Problem, ...]:
    """Everything that keeps these answers from being final: each question needs exactly one of its options."""
    problems = _unknown_questions((question.code for question in post_test.questions), answers)
    for question in post_test.questions:
        if question.code not in answers:
            problems.append(Problem(question.code, "missing"))
        elif answers[question.code] not in [option.code for option in question.options]:
            problems.append(Problem(question.code, "unknown_option"))
    return tuple(problems)


def problems_with_responses(evaluation: Evaluation, responses: Mapping[str, str | int]) -> tuple[Problem, ...]:
    """Everything that keeps these responses from being a complete evaluation.

    A choice is answered with an option's code, a scale with a whole number from 1 to its maximum, a text with at most
    4,000 characters. A blank text counts as no answer; questions that are not required may be left out.
    """
    problems = _unknown_questions((question.code for question in evaluation.questions), responses)
    for question in evaluation.questions:
        reason = _reason_against(question, responses.get(question.code, ""))
        if reason is not None:
            problems.append(Problem(question.code, reason))
    return tuple(problems)


def grade(post_test: PostTest, answers: Mapping[str, str]) -> Grade:
    """Grade answers to a post-test of at least one question; what is not answered is wrong (R-AMA-8)."""
    total = len(post_test.questions)
    correct = sum(answers.get(question.code) == question.correct for question in post_test.questions)
    has_passed = 100 * correct >= post_test.passing_percent * total
    return Grade(correct=correct, total=total, percent=100 * correct // total, has_passed=has_passed)


def _unknown_questions(known: Iterable[str], given: Mapping[str, object]) -> list[Problem]:
    return [Problem("", "unknown_question")] if given.keys() - set(known) else []


def _reason_against(question: EvaluationQuestion, response: str | int) -> str | None:
    if isinstance(response, str) and not response.strip():
        return "missing" if question.is_required else None
    match question.kind:
        case QuestionKind.CHOICE:
            return None if response in [option.code for option in question.options] else "unknown_option"
        case QuestionKind.SCALE:
            # In Python True is the number 1, which no learner means by it.
            is_number = isinstance(response, int) and not isinstance(response, bool)
            is_inside = is_number and 1 <= int(response) <= question.scale_maximum
            return None if is_inside else "outside_scale"
        case QuestionKind.TEXT:  # pragma: no branch -- mypy proves that no other case is left
            is_text = isinstance(response, str) and len(response) <= MAXIMUM_TEXT_LENGTH
            return None if is_text else "text_invalid"
