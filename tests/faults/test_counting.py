"""The counting after a storm finds what is wrong: a count that is always zero would prove nothing."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from cli.mailbox import Mailbox
from domain.identities import new_id
from storage.tables import LearnerRow, SubmissionRow
from tests.faults import record
from tests.faults.learners import Diary, Letters, Step


def test_a_submission_without_decision_and_without_key_is_found(engine: Engine) -> None:
    learner_id = new_id("lrn")
    with engine.connect() as connection:  # Never committed: other tests share this record.
        connection.execute(insert(LearnerRow).values(id=learner_id))
        values = {"id": new_id("sub"), "claim_id": new_id("clm"), "learner_id": learner_id, "actor": "acc_1"}
        connection.execute(insert(SubmissionRow).values(**values, kind="opening", body={}))
        found = record.of_record(connection)
    assert any("submissions are undecided" in each for each in found)
    assert any("submissions came under no key" in each for each in found)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"is_acknowledged": True}, "acknowledged, and not in the record"),
        ({"is_acknowledged": True, "status": 201}, "accepted to the learner"),
        ({"status": 409, "code": "step_locked"}, "refused to the learner"),
    ],
)
def test_an_answer_that_the_record_does_not_know_is_found(engine: Engine, answer: dict[str, Any], words: str) -> None:
    with engine.connect() as connection:
        found = record.of_steps(connection, [Step("evaluation", "never-recorded", **answer)])
    assert any(each.startswith(words) for each in found)


def test_a_step_whose_answer_never_came_may_be_missing(engine: Engine) -> None:
    with engine.connect() as connection:
        assert record.of_steps(connection, [Step("evaluation", "never-recorded")]) == []


def test_an_award_mail_to_somebody_without_an_award_is_found(engine: Engine, tmp_path: Path) -> None:
    mail = b"Subject: Credit\r\nMessage-ID: <x@y>\r\n\r\nhttps://laurel.test/claims/clm_1/certificate\r\n"
    Mailbox(tmp_path).keep("credit@laurel.example", ["nobody@learners.example"], mail)
    with engine.connect() as connection:
        found = record.of_mail(connection, Letters(tmp_path))
    assert any(each.startswith("nobody@learners.example got the award mails {'x'}") for each in found)


def test_a_certificate_that_is_not_in_the_record_is_found(engine: Engine) -> None:
    with engine.connect() as connection:
        found = record.of_documents(connection, Diary(certificates={"clm_1": "00"}))
    assert found == ["the certificate of clm_1 was served as 00, and is None"]
