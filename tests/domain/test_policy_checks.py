from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from domain.policy import (
    CEActivityPolicy,
    ClaimWindow,
    Evaluation,
    Option,
    Participation,
)
from domain.policy_checks import problems_with

Change = Callable[[CEActivityPolicy], CEActivityPolicy]


def paths(policy: CEActivityPolicy) -> list[str]:
    return [".".join(str(part) for part in problem.path) for problem in problems_with(policy)]


def messages(policy: CEActivityPolicy) -> str:
    return "\n".join(problem.message for problem in problems_with(policy))


def with_post_test(policy: CEActivityPolicy, **changes: object) -> CEActivityPolicy:
    participation, post_test, evaluation = policy.requirements
    return replace(policy, requirements=(participation, replace(post_test, **changes), evaluation))  # type: ignore[arg-type]


def with_question(policy: CEActivityPolicy, **changes: object) -> CEActivityPolicy:
    assert policy.post_test is not None
    first, *others = policy.post_test.questions
    return with_post_test(policy, questions=(replace(first, **changes), *others))  # type: ignore[arg-type]


def with_evaluation_question(policy: CEActivityPolicy, at: int, **changes: object) -> CEActivityPolicy:
    participation, post_test, evaluation = policy.requirements
    assert isinstance(evaluation, Evaluation)
    questions = list(evaluation.questions)
    questions[at] = replace(questions[at], **changes)  # type: ignore[arg-type]
    return replace(policy, requirements=(participation, post_test, replace(evaluation, questions=tuple(questions))))


def with_offer(policy: CEActivityPolicy, at: int, **changes: object) -> CEActivityPolicy:
    offers = list(policy.credit)
    offers[at] = replace(offers[at], **changes)  # type: ignore[arg-type]
    return replace(policy, credit=tuple(offers))


def options(*codes: str) -> tuple[Option, ...]:
    return tuple(Option(code=code, label="One") for code in codes)


def test_a_sound_policy_has_no_problems(policy: CEActivityPolicy) -> None:
    assert problems_with(policy) == ()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda p: replace(p, time_zone="Mars/Olympus"), "time_zone"),
        (lambda p: replace(p, time_zone="../etc/passwd"), "time_zone"),
        (lambda p: replace(p, starts_on=date(1999, 12, 31)), "starts_on"),
        (lambda p: replace(p, ends_on=date(2101, 1, 1)), "ends_on"),
        (lambda p: replace(p, ends_on=date(2025, 12, 31)), "ends_on"),
        (lambda p: replace(p, course_url="javascript:alert(1)"), "course_url"),
        (lambda p: replace(p, provider=replace(p.provider, website="lakeside")), "provider.website"),
        (lambda p: replace(p, claim_window=ClaimWindow(opens_on=date(1999, 1, 1))), "claim_window.opens_on"),
        (
            lambda p: replace(p, claim_window=ClaimWindow(opens_on=date(2026, 3, 2), closes_on=date(2026, 3, 1))),
            "claim_window.closes_on",
        ),
        (lambda p: replace(p, claim_window=ClaimWindow(days=0)), "claim_window.days"),
        (lambda p: replace(p, title=" "), "title"),
        (lambda p: replace(p, title="x" * 301), "title"),
        (lambda p: replace(p, title="a\x00b"), "title"),
        (lambda p: replace(p, description="x" * 4001), "description"),
        (lambda p: with_question(p, options=(*options("no"), Option(code="yes", label=""))), None),
        (lambda p: replace(p, requirements=(*p.requirements, p.requirements[0])), "requirements.3.kind"),
        (lambda p: replace(p, requirements=(Participation(options=()), *p.requirements[1:])), "requirements.0.options"),
        (lambda p: with_post_test(p, passing_percent=0), "requirements.1.passing_percent"),
        (lambda p: with_post_test(p, passing_percent=101), "requirements.1.passing_percent"),
        (lambda p: with_post_test(p, grading_seconds=-1), "requirements.1.grading_seconds"),
        (lambda p: with_post_test(p, attempts_allowed=0), "requirements.1.attempts_allowed"),
        (lambda p: with_post_test(p, questions=()), "requirements.1.questions"),
        (lambda p: with_question(p, code="q1"), "requirements.1.questions.1.code"),
        (lambda p: with_question(p, code="Q 1"), "requirements.1.questions.0.code"),
        (lambda p: with_question(p, options=options("yes")), "requirements.1.questions.0.options"),
        (lambda p: with_question(p, options=options("yes", "yes")), "requirements.1.questions.0.options.1.code"),
        (lambda p: with_question(p, correct="maybe"), "requirements.1.questions.0.correct"),
        (lambda p: with_evaluation_question(p, 0, options=()), "requirements.2.questions.0.options"),
        (lambda p: with_evaluation_question(p, 1, options=options("a", "b")), "requirements.2.questions.1.options"),
        (lambda p: with_evaluation_question(p, 1, scale_maximum=1), "requirements.2.questions.1.scale_maximum"),
    ],
)
def test_a_mistake_is_reported_at_its_field_and_nowhere_else(
    policy: CEActivityPolicy, change: Change, path: str | None
) -> None:
    expected = [path] if path else ["requirements.1.questions.0.options.1.label"]
    assert paths(change(policy)) == expected


def test_a_window_may_be_open_at_both_ends_or_count_days(policy: CEActivityPolicy) -> None:
    for window in (ClaimWindow(), ClaimWindow(days=60), ClaimWindow(closes_on=date(2026, 6, 30))):
        assert problems_with(replace(policy, claim_window=window)) == ()


def test_attempts_without_limit_and_a_missing_scale_are_no_problem(policy: CEActivityPolicy) -> None:
    assert problems_with(with_post_test(policy, attempts_allowed=None)) == ()


def test_all_mistakes_are_reported_at_once(policy: CEActivityPolicy) -> None:
    broken = with_offer(replace(policy, title="", time_zone="Nowhere"), 2, designated_units=Decimal(0))
    assert paths(broken) == ["title", "time_zone", "credit.2.designated_units"]
