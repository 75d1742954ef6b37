from dataclasses import replace
from datetime import timedelta

from domain.policy import CEActivityPolicy, LearningFormat, Signatory
from tests.domain.flows import AT_CLAIM, CONFERENCE_VIDEOS, MEETING, PER_SESSION


def test_formats_are_printed_in_the_words_of_designation_statements() -> None:
    assert LearningFormat.ENDURING_MATERIAL.words == "enduring material"
    assert LearningFormat.JOURNAL_BASED.words == "journal-based activity"
    assert LearningFormat.INTERNET_POINT_OF_CARE.words == "Internet point-of-care activity"


def test_a_policy_finds_its_requirements(policy: CEActivityPolicy) -> None:
    assert (policy.participation, policy.post_test, policy.evaluation) == policy.requirements
    bare = replace(policy, requirements=())
    assert (bare.participation, bare.post_test, bare.evaluation, bare.content) == (None, None, None, None)
    assert (bare.disclosures, bare.finalization, bare.session_evaluation) == (None, None, None)
    assert not bare.has_statement


def test_a_meeting_has_a_statement_disclosures_evaluations_of_sessions_and_an_end() -> None:
    _, _, disclosures, session_evaluation, finalization = MEETING.requirements
    assert MEETING.has_statement
    assert MEETING.disclosures is disclosures
    assert MEETING.finalization is finalization
    assert (MEETING.evaluation, MEETING.session_evaluation) == (None, session_evaluation)
    assert CONFERENCE_VIDEOS.content in CONFERENCE_VIDEOS.requirements


def test_an_evaluation_of_the_whole_goes_beside_one_of_each_session() -> None:
    both = replace(MEETING, requirements=(PER_SESSION, AT_CLAIM))
    assert (both.evaluation, both.session_evaluation) == (AT_CLAIM, PER_SESSION)


def test_a_session_is_found_by_its_code() -> None:
    assert MEETING.session("sepsis") is MEETING.sessions[1]
    assert MEETING.session("dinner") is None


def test_a_certificate_is_issued_here_unless_the_policy_says_elsewhere() -> None:
    assert MEETING.certificate.is_here
    assert not CONFERENCE_VIDEOS.certificate.is_here


def test_the_grading_delay_is_given_in_seconds(policy: CEActivityPolicy) -> None:
    assert policy.post_test is not None
    assert policy.post_test.grading_delay == timedelta(seconds=30)


def test_a_policy_names_the_pictures_that_its_certificates_print(policy: CEActivityPolicy) -> None:
    provider = replace(policy.provider, logo="seal")
    signatories = (
        Signatory(name="Margaret Osei", title="Dean", signature="osei"),
        Signatory(name="Li Na", title="Dean"),
    )
    assert replace(policy, provider=provider, signatories=signatories).picture_names == ("seal", "osei")
