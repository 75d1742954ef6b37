from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.assessments import Problem, grade, problems_with_answers, problems_with_responses
from domain.policy import CEActivityPolicy, Evaluation, PostTest

RIGHT = {"q0": "yes", "q1": "yes", "q2": "yes", "q3": "yes"}
COMPLETE: dict[str, str | int] = {"balance": "yes", "relevance": 5, "change": "I will measure twice."}


@pytest.fixture(scope="session")
def post_test(policy: CEActivityPolicy) -> PostTest:
    assert policy.post_test is not None
    return policy.post_test


@pytest.fixture(scope="session")
def evaluation(policy: CEActivityPolicy) -> Evaluation:
    assert policy.evaluation is not None
    return policy.evaluation


def test_an_option_for_every_question_is_final(post_test: PostTest) -> None:
    assert problems_with_answers(post_test, RIGHT) == ()


def test_every_problem_with_answers_is_named_at_once_and_unknown_questions_are_not_repeated(
    post_test: PostTest,
) -> None:
    answers = {"q0": "yes", "q1": "perhaps", "q2": "yes", "my name is Ada": "yes"}
    assert problems_with_answers(post_test, answers) == (
        Problem("", "unknown_question"),
        Problem("q1", "unknown_option"),
        Problem("q3", "missing"),
    )


@pytest.mark.parametrize("more", [{}, {"topics": ""}, {"topics": "Asthma"}, {"relevance": 1}, {"change": "x" * 4000}])
def test_complete_responses_have_no_problems(evaluation: Evaluation, more: dict[str, str | int]) -> None:
    assert problems_with_responses(evaluation, COMPLETE | more) == ()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"balance": "perhaps"}, Problem("balance", "unknown_option")),
        ({"balance": 1}, Problem("balance", "unknown_option")),
        ({"balance": ""}, Problem("balance", "missing")),
        ({"relevance": 0}, Problem("relevance", "outside_scale")),
        ({"relevance": 6}, Problem("relevance", "outside_scale")),
        ({"relevance": True}, Problem("relevance", "outside_scale")),
        ({"relevance": "5"}, Problem("relevance", "outside_scale")),
        ({"change": " \n "}, Problem("change", "missing")),
        ({"change": 7}, Problem("change", "text_invalid")),
        ({"change": "x" * 4001}, Problem("change", "text_invalid")),
        ({"topics": "x" * 4001}, Problem("topics", "text_invalid")),
        ({"colour": "red"}, Problem("", "unknown_question")),
    ],
)
def test_a_wrong_response_is_named(evaluation: Evaluation, wrong: dict[str, str | int], problem: Problem) -> None:
    assert problems_with_responses(evaluation, COMPLETE | wrong) == (problem,)


def test_required_questions_left_out_are_missing_and_others_are_not(evaluation: Evaluation) -> None:
    missing = [(problem.question, problem.reason) for problem in problems_with_responses(evaluation, {})]
    assert missing == [("balance", "missing"), ("relevance", "missing"), ("change", "missing")]


@pytest.mark.parametrize(("correct", "has_passed"), [(4, True), (3, True), (2, False), (0, False)])
def test_the_passing_score_itself_passes(post_test: PostTest, correct: int, has_passed: bool) -> None:
    answers = {code: "yes" if n < correct else "no" for n, code in enumerate(RIGHT)}
    result = grade(post_test, answers)
    assert (result.correct, result.total, result.percent, result.has_passed) == (correct, 4, 25 * correct, has_passed)


def test_what_was_not_answered_is_wrong(post_test: PostTest) -> None:
    assert grade(post_test, {}).correct == 0


@given(total=st.integers(1, 60), wrong=st.integers(0, 60), passing=st.integers(1, 100))
def test_a_shown_percentage_reaches_the_passing_score_exactly_when_the_attempt_passed(
    post_test: PostTest, total: int, wrong: int, passing: int
) -> None:
    questions = tuple(replace(post_test.questions[0], code=f"q{n}") for n in range(total))
    longer = replace(post_test, passing_percent=passing, questions=questions)
    result = grade(longer, {f"q{n}": "no" if n < wrong else "yes" for n in range(total)})
    assert result.has_passed == (result.percent >= passing)
    stricter = grade(
        replace(longer, passing_percent=100), {f"q{n}": "no" if n < wrong else "yes" for n in range(total)}
    )
    assert stricter.has_passed <= result.has_passed
