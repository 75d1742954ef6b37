from dataclasses import replace
from datetime import timedelta

from domain.policy import CEActivityPolicy, LearningFormat


def test_formats_are_printed_in_the_words_of_designation_statements() -> None:
    assert LearningFormat.ENDURING_MATERIAL.words == "enduring material"
    assert LearningFormat.JOURNAL_BASED.words == "journal-based activity"
    assert LearningFormat.INTERNET_POINT_OF_CARE.words == "Internet point-of-care activity"


def test_a_policy_finds_its_requirements_and_offers(policy: CEActivityPolicy) -> None:
    assert (policy.participation, policy.post_test, policy.evaluation) == policy.requirements
    assert policy.offer("participation") is policy.credit[-1]
    assert policy.offer("gold_stars") is None
    bare = replace(policy, requirements=())
    assert (bare.participation, bare.post_test, bare.evaluation) == (None, None, None)


def test_the_grading_delay_is_given_in_seconds(policy: CEActivityPolicy) -> None:
    assert policy.post_test is not None
    assert policy.post_test.grading_delay == timedelta(seconds=30)
