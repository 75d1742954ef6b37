"""The counting after a storm finds what is wrong: a count that is always zero would prove nothing."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, insert

from cli.mailbox import Mailbox
from domain.identities import new_id
from storage.tables import IdempotencyKeyRow, LearnerRow, SubmissionRow
from tests.faults import invariants, record, report
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


def test_a_step_that_was_only_ever_refused_and_is_in_the_record_is_found(engine: Engine) -> None:
    step = Step("evaluation", new_id("key"), status=422, code="x", requests=Counter(failed=2))
    ids = {"id": new_id("sub"), "learner_id": new_id("lrn")}
    with engine.connect() as connection:  # Never committed, as above.
        connection.execute(insert(LearnerRow).values(id=ids["learner_id"]))
        values = {"claim_id": new_id("clm"), "actor": "acc_1", "kind": "evaluation", "body": {}, "outcome": "accepted"}
        connection.execute(insert(SubmissionRow).values(**ids, **values, decided_at=func.now()))
        key = {"principal": "acc_1", "key": step.key, "fingerprint": b"1" * 32, "submission_id": ids["id"]}
        connection.execute(insert(IdempotencyKeyRow).values(**key))
        found = record.of_steps(connection, [step])
        twice = record.of_record(connection, ["I7"])
    assert [each.partition(":")[0] for each in found] == ["refused to the learner every time, accepted in the record"]
    assert any("not decided exactly once in the audit trail" in each for each in twice)


def test_a_worker_that_speaks_of_nondeterminism_is_found(tmp_path: Path) -> None:
    (tmp_path / "worker-claims.log").write_text("[TMPRL1100] Nondeterminism error: ...\n")
    (tmp_path / "worker-documents.log").write_text("started\n")
    assert record.of_logs(tmp_path) == ["worker-claims.log speaks of nondeterminism 1 times"]


def test_everything_that_is_counted_has_its_words_in_the_published_table() -> None:
    assert set(report.MEANINGS) == invariants.NAMES


def test_a_result_takes_the_place_of_the_last_one_in_the_document(tmp_path: Path) -> None:
    document = tmp_path / "guarantees.md"
    document.write_text("# Guarantees\n\nWords.\n\n")
    for kills in (100, 600):
        report.publish(
            document,
            report.section({"I1": [], "G2": ["x"]}, ["9 kills in 1 s"], f"make faults KILLS={kills} SEED=7", "abc"),
        )
    text = document.read_text()
    assert text.startswith(f"# Guarantees\n\nWords.\n\n{report.HEADING}\n")
    assert text.count(report.HEADING) == 1
    assert "KILLS=600 SEED=7" in text
    assert "| G2 | answers to learners that the record does not know, or knows otherwise | 1 |" in text


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
