from domain.problem_reports import ReportState


def test_a_report_waits_or_was_answered_or_closed_in_words_that_the_record_and_the_api_keep() -> None:
    assert [str(state) for state in ReportState] == ["open", "answered", "closed"]
