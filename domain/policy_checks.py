"""What makes a policy fit to be published, beyond having the right fields.

A mistake found here costs its author a minute; found later, it costs every learner whose claim is judged by it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from functools import cache
from zoneinfo import available_timezones

from domain import designation_checks, names
from domain.policy import (
    CEActivityPolicy,
    Evaluation,
    EvaluationQuestion,
    Option,
    Participation,
    PostTest,
    QuestionKind,
    Requirement,
    TestQuestion,
)
from domain.policy_problems import Path, PolicyProblem

__all__ = ["Path", "PolicyProblem", "problems_with"]

_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_WEB_ADDRESS = re.compile(r"https?://[!-~]+")
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2100, 12, 31)
_LINE_LENGTH = 300
_TEXT_LENGTHS = {
    "accreditation_statement": 2000,
    "designation_statement": 2000,
    "description": 4000,
    "rationale": 2000,
    "text": 2000,
}


def problems_with(policy: CEActivityPolicy) -> tuple[PolicyProblem, ...]:
    """Everything that keeps this policy from being published; empty when nothing does."""
    return (
        *_texts(policy, ()),
        *_general(policy),
        *_window(policy),
        *_requirements(policy.requirements),
        *designation_checks.credit_problems(policy),
    )


def _texts(value: object, path: Path) -> Iterator[PolicyProblem]:
    """Every text is printable, not blank, and of a length that its reader can take in."""
    if isinstance(value, str):
        limit = next((_TEXT_LENGTHS[name] for name in path[-1:] if name in _TEXT_LENGTHS), _LINE_LENGTH)
        try:
            is_blank = not names.clean_text(value, limit)
        except ValueError as error:
            is_too_long = str(error) == "text_too_long"
            limits = f"is at most {limit} characters long" if is_too_long else "has no control characters"
            yield PolicyProblem(path, limits)
        else:
            if is_blank:
                yield PolicyProblem(path, "is not blank; leave the field out if there is nothing to say")
    elif isinstance(value, tuple):
        for at, each in enumerate(value):
            yield from _texts(each, (*path, at))
    elif is_dataclass(value):
        for field in fields(value):
            yield from _texts(getattr(value, field.name), (*path, field.name))


def _general(policy: CEActivityPolicy) -> Iterator[PolicyProblem]:
    if policy.time_zone not in _zones():
        yield PolicyProblem(("time_zone",), "is an IANA time zone, such as America/Chicago")
    for name in ("starts_on", "ends_on"):
        yield from _day((name,), getattr(policy, name))
    if policy.ends_on < policy.starts_on:
        yield PolicyProblem(("ends_on",), "is not before starts_on")
    addresses = ((("course_url",), policy.course_url), (("provider", "website"), policy.provider.website))
    for path, address in addresses:
        if address is not None and not _WEB_ADDRESS.fullmatch(address):
            yield PolicyProblem(path, "is a web address that starts with https:// or http://")


def _window(policy: CEActivityPolicy) -> Iterator[PolicyProblem]:
    window = policy.claim_window
    for name, day in (("opens_on", window.opens_on), ("closes_on", window.closes_on)):
        if day is not None:
            yield from _day(("claim_window", name), day)
    if window.opens_on is not None and window.closes_on is not None and window.closes_on < window.opens_on:
        yield PolicyProblem(("claim_window", "closes_on"), "is not before opens_on")
    if window.days is not None:
        yield from _between(("claim_window", "days"), window.days, 1, 3660)


def _requirements(requirements: Sequence[Requirement]) -> Iterator[PolicyProblem]:
    yield from _unique("requirements", "kind", [requirement.kind for requirement in requirements])
    for at, requirement in enumerate(requirements):
        path: Path = ("requirements", at)
        match requirement:
            case Participation():
                yield from _options((*path, "options"), requirement.options, at_least=1)
            case PostTest():
                yield from _post_test(path, requirement)
            case Evaluation():  # pragma: no branch -- mypy proves that no other case is left
                yield from _questions((*path, "questions"), requirement.questions)
                for number, question in enumerate(requirement.questions):
                    yield from _evaluation_question((*path, "questions", number), question)


def _post_test(path: Path, post_test: PostTest) -> Iterator[PolicyProblem]:
    yield from _between((*path, "passing_percent"), post_test.passing_percent, 1, 100)
    yield from _between((*path, "grading_seconds"), post_test.grading_seconds, 0, 3600)
    if post_test.attempts_allowed is not None:
        yield from _between((*path, "attempts_allowed"), post_test.attempts_allowed, 1, 100)
    yield from _questions((*path, "questions"), post_test.questions)
    for at, question in enumerate(post_test.questions):
        here = (*path, "questions", at)
        yield from _options((*here, "options"), question.options, at_least=2)
        if question.correct not in [option.code for option in question.options]:
            yield PolicyProblem((*here, "correct"), "is the code of one of the question's options")


def _evaluation_question(path: Path, question: EvaluationQuestion) -> Iterator[PolicyProblem]:
    if question.kind is QuestionKind.CHOICE:
        yield from _options((*path, "options"), question.options, at_least=2)
    elif question.options:
        yield PolicyProblem((*path, "options"), "belongs to questions of kind choice only")
    yield from _between((*path, "scale_maximum"), question.scale_maximum, 2, 10)


def _questions(path: Path, questions: Sequence[EvaluationQuestion | TestQuestion]) -> Iterator[PolicyProblem]:
    yield from _between(path, len(questions), 1, 200, "entries")
    yield from _unique_codes(path, [question.code for question in questions])


def _options(path: Path, options: Sequence[Option], at_least: int) -> Iterator[PolicyProblem]:
    yield from _between(path, len(options), at_least, 50, "entries")
    yield from _unique_codes(path, [option.code for option in options])


def _unique_codes(path: Path, codes: Sequence[str]) -> Iterator[PolicyProblem]:
    for at, code in enumerate(codes):
        if not _CODE.fullmatch(code):
            message = "is made of a to z, 0 to 9, _ and -, starts with a letter or digit, and is at most 64 long"
            yield PolicyProblem((*path, at, "code"), message)
        if code in codes[:at]:
            yield PolicyProblem((*path, at, "code"), "is used once only")


def _unique(name: str, key: str, values: Sequence[str]) -> Iterator[PolicyProblem]:
    for at, value in enumerate(values):
        if value in values[:at]:
            yield PolicyProblem((name, at, key), "is used once only")


def _between(path: Path, value: int, least: int, most: int, what: str = "") -> Iterator[PolicyProblem]:
    if not least <= value <= most:
        yield PolicyProblem(path, f"has {least} to {most} {what}" if what else f"is from {least} to {most}")


def _day(path: Path, day: date) -> Iterator[PolicyProblem]:
    if not _FIRST_DAY <= day <= _LAST_DAY:
        yield PolicyProblem(path, f"is from {_FIRST_DAY} to {_LAST_DAY}")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
