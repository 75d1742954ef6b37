from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from statistics import mean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.outcomes import QuestionOutcome, Tally, asked_in, evaluation_outcomes, percent, post_test_outcomes
from domain.policy import EvaluationQuestion, Option, QuestionKind
from domain.policy import TestQuestion as PostTestQuestion

YES_NO = (Option(code="yes", label="Yes"), Option(code="no", label="No"))
BALANCED = EvaluationQuestion(code="balance", text="Was it balanced?", kind=QuestionKind.CHOICE, options=YES_NO)
RELEVANT = EvaluationQuestion(code="relevance", text="Was it relevant?", kind=QuestionKind.SCALE)
CHANGE = EvaluationQuestion(code="change", text="What will you change?", kind=QuestionKind.TEXT)
DOSE = PostTestQuestion(code="dose", text="Which dose?", options=YES_NO, correct="yes", rationale="It says so.")


def one(question: EvaluationQuestion, *tallies: Tally) -> QuestionOutcome:
    [outcome] = evaluation_outcomes({1: [question]}, tallies)
    return outcome


def test_choices_are_counted_with_those_that_nobody_made() -> None:
    outcome = one(BALANCED, Tally(1, "balance", "yes", 3), Tally(1, "relevance", "5", 9))
    assert (outcome.answered, outcome.counts) == (3, {"yes": 3, "no": 0})
    assert (outcome.mean, outcome.median) == (None, None)


def test_a_scale_has_a_mean_and_a_median() -> None:
    outcome = one(RELEVANT, Tally(1, "relevance", "2", 1), Tally(1, "relevance", "5", 2), Tally(1, "relevance", "4", 3))
    assert outcome.counts == {"1": 0, "2": 1, "3": 0, "4": 3, "5": 2}
    assert (outcome.answered, outcome.mean, outcome.median) == (6, Decimal("4.00"), Decimal(4))


def test_texts_are_only_counted() -> None:
    assert (one(CHANGE, Tally(1, "change", "", 7)).answered, one(CHANGE).counts) == (7, {})


@pytest.mark.parametrize("question", [BALANCED, RELEVANT, CHANGE])
def test_without_responses_there_is_neither_mean_nor_median(question: EvaluationQuestion) -> None:
    outcome = one(question)
    assert (outcome.answered, outcome.mean, outcome.median) == (0, None, None)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=40))
def test_mean_and_median_are_those_of_the_single_answers(answers: Sequence[int]) -> None:
    outcome = one(RELEVANT, *(Tally(1, "relevance", str(answer), 1) for answer in answers))
    assert outcome.mean is not None
    assert abs(Fraction(outcome.mean) - mean(map(Fraction, answers))) <= Fraction(1, 200)
    assert outcome.median == Decimal(median(answers))
    assert sum(outcome.counts.values()) == outcome.answered == len(answers)


def test_a_question_that_stays_the_same_is_counted_across_versions() -> None:
    versions = {1: [BALANCED, RELEVANT], 2: [replace(BALANCED, is_required=False)]}
    tallies = [Tally(1, "balance", "yes", 2), Tally(2, "balance", "yes", 3), Tally(1, "relevance", "1", 1)]
    balanced, relevant = evaluation_outcomes(versions, tallies)
    assert (balanced.versions, balanced.answered) == ((1, 2), 5)
    assert (relevant.versions, relevant.answered) == ((1,), 1)


def test_a_question_whose_words_changed_counts_anew() -> None:
    reworded = replace(BALANCED, text="Was it free of commercial bias?")
    tallies = [Tally(1, "balance", "yes", 2), Tally(2, "balance", "no", 3)]
    newer, older = evaluation_outcomes({1: [BALANCED], 2: [reworded]}, tallies)
    assert (newer.question.text, newer.versions, newer.counts) == (reworded.text, (2,), {"yes": 0, "no": 3})
    assert (older.versions, older.counts) == ((1,), {"yes": 2, "no": 0})


def test_questions_come_in_the_order_of_the_newest_version_that_asks_them() -> None:
    asked = asked_in({1: [CHANGE, BALANCED], 3: [RELEVANT, BALANCED], 2: [CHANGE]})
    assert list(asked.items()) == [(RELEVANT, (3,)), (BALANCED, (1, 3)), (CHANGE, (1, 2))]


def test_a_post_test_says_which_share_of_the_answers_was_right() -> None:
    tallies = [Tally(1, "dose", "yes", 2), Tally(2, "dose", "no", 1)]
    [outcome] = post_test_outcomes({1: [DOSE], 2: [replace(DOSE, rationale=None)]}, tallies)
    assert (outcome.answered, outcome.right, outcome.right_percent) == (3, 2, Decimal("66.7"))
    assert (outcome.counts, outcome.versions) == ({"yes": 2, "no": 1}, (1, 2))


def test_a_question_whose_right_answer_was_repaired_counts_anew() -> None:
    repaired = replace(DOSE, correct="no")
    newer, older = post_test_outcomes({1: [DOSE], 2: [repaired]}, [Tally(1, "dose", "yes", 1)])
    assert (newer.right_percent, older.right_percent) == (None, Decimal("100.0"))


def test_a_share_of_nothing_is_no_share() -> None:
    assert percent(0, 0) is None
    assert percent(1, 3) == Decimal("33.3")
    assert percent(1, 16) == Decimal("6.3")
