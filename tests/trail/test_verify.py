"""Checking a trail: what is clean, what is not sealed yet, and what was purged on whose authority."""

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from activities.checkpoints import kept_note
from storage import keys
from storage.audit import AuditEntry, AuditStream
from storage.audit_report import Verdict
from tests.trail.bulk import write_bulk
from tests.trail.conftest import Trail

AT_ONCE = timedelta(0)


def test_a_hundred_thousand_entries_that_nobody_touched_are_clean(trail: Trail) -> None:
    with trail.superuser.begin() as connection:
        write_bulk(connection, 100_000)
    trail.seal()
    report = trail.verify(anchor=trail.file.read_text())
    assert report.verdict is Verdict.CLEAN
    assert (report.entries, report.leaves, report.streams) == (100_001, 100_001, 10_001)
    trail.write("claim:later", 3)
    trail.seal()
    since = trail.verify(since=100_001)
    assert (since.verdict, since.entries, since.leaves) == (Verdict.CLEAN, 3, 3)


def test_a_trail_four_times_as_long_takes_no_more_memory(trail: Trail) -> None:
    peaks = []
    for number in (10_000, 30_000):
        with trail.superuser.begin() as connection:
            write_bulk(connection, number, f"claim:{number}")
        trail.seal()
        tracemalloc.start()
        assert trail.verify().verdict is Verdict.CLEAN
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0] + 1_000_000


def test_a_trail_nobody_has_sealed_yet_is_incomplete(trail: Trail) -> None:
    report = trail.verify()
    assert report.verdict is Verdict.INCOMPLETE
    assert "holds no signed checkpoint" in report.incomplete[0].what


def test_an_entry_may_be_without_leaf_for_some_minutes_and_no_longer(trail: Trail) -> None:
    trail.seal()
    trail.write("claim:1", 2)
    assert trail.verify().verdict is Verdict.CLEAN
    report = trail.verify(patience=AT_ONCE)
    assert report.verdict is Verdict.INCOMPLETE
    assert [(each.stream, each.seq) for each in report.incomplete] == [("claim:1", 1), ("claim:1", 2)]


@pytest.mark.parametrize("since", [1, 4, 9])
def test_only_what_came_later_is_read_again(trail: Trail, since: int) -> None:
    trail.seal()
    for _ in range(8):
        trail.write("claim:1")
        trail.seal()
    report = trail.verify(since=since)
    assert report.verdict is Verdict.CLEAN
    assert report.leaves == 9 - since


def test_a_size_without_checkpoint_is_no_place_to_start_from(trail: Trail) -> None:
    trail.write("claim:1", 8)
    trail.seal()
    assert trail.verify(since=5).verdict is Verdict.INCOMPLETE
    assert trail.verify(since=500).verdict is Verdict.TAMPERED


def test_what_was_changed_later_is_found_by_checking_what_came_later(trail: Trail) -> None:
    trail.write("claim:1", 4)
    trail.seal()
    trail.write("claim:1", 4)
    trail.seal()
    with trail.tampering(trail.owner) as connection:
        connection.execute(text("UPDATE audit_events SET body = '{}' WHERE stream = 'claim:1' AND seq = 7"))
    assert trail.verify(since=5).verdict is Verdict.TAMPERED
    assert trail.verify(since=9).verdict is Verdict.CLEAN, "which is why everything is checked at night"


def test_one_claim_is_checked_by_its_proofs(trail: Trail) -> None:
    trail.write("claim:1", 5)
    trail.write("claim:2", 5)
    trail.seal()
    report = trail.verify(stream="claim:1", anchor=trail.file.read_text())
    assert (report.verdict, report.entries, report.streams, report.leaves) == (Verdict.CLEAN, 5, 1, 5)
    with pytest.raises(LookupError):
        trail.verify(stream="claim:3")


def test_a_key_of_another_installation_signs_nothing_that_is_trusted_here(trail: Trail) -> None:
    trail.seal()
    assert trail.verify(pinned=frozenset({bytes(32)})).verdict is Verdict.TAMPERED


def test_what_a_revoked_key_signed_last_counts_as_unsigned_until_another_signs(trail: Trail) -> None:
    trail.seal()
    [key_id] = (str(row[0]) for row in trail.ask("SELECT id FROM signing_keys"))
    with trail.engine.begin() as connection:
        keys.revoke(connection, key_id, "cli:office", "the disk was stolen")
    assert trail.verify().verdict is Verdict.INCOMPLETE
    trail.create_key()
    trail.seal()
    assert trail.verify().verdict is Verdict.CLEAN


def test_an_anchor_without_a_note_of_this_trail_proves_nothing(trail: Trail) -> None:
    trail.seal()
    assert trail.verify(anchor="nothing that was signed\n").verdict is Verdict.INCOMPLETE
    other = kept_note(trail.keys_dir).replace("hospital", "clinic")
    assert trail.verify(anchor=other).verdict is Verdict.TAMPERED


def test_a_body_that_was_purged_is_listed_with_its_authority(trail: Trail) -> None:
    trail.write("claim:1", 3)
    trail.write("claim:2", 3)
    with trail.owner.begin() as connection:
        connection.execute(text("UPDATE audit_events SET body = NULL WHERE stream LIKE 'claim:%' AND seq <= 2"))
        entry = AuditEntry(
            step_key="purge:1",
            event="retention.purged",
            at=datetime.now(UTC),
            actor="cli:office",
            after={"authority": "schedule 7", "removed": {"audit_events": 2}},
        )
        AuditStream.open(connection, "claim:1").append(entry)
    trail.seal()
    report = trail.verify()
    assert report.purged == {"claim:1": 2, "claim:2": 2}
    assert report.unauthorised == {"claim:2": 2}
    assert report.verdict is Verdict.INCOMPLETE
    lines = list(report.lines())
    assert "missing  claim:2: 2 entries have no body, and no entry says who purged it" in lines
    assert "purged   2 entries at the end of their retention; hashes checked" in lines
    assert trail.verify(stream="claim:1").verdict is Verdict.CLEAN
    with trail.tampering(trail.owner) as connection:
        connection.execute(text("UPDATE audit_events SET body_hash = sha256('x') WHERE body IS NULL AND seq = 2"))
    assert trail.verify(stream="claim:1").verdict is Verdict.TAMPERED


def test_a_body_that_somebody_removed_is_not_called_purged(trail: Trail) -> None:
    trail.write("claim:1", 3)
    with trail.owner.begin() as connection:
        connection.execute(text("UPDATE audit_events SET body = NULL WHERE stream = 'claim:1' AND seq = 2"))
    trail.seal()
    lines = list(trail.verify().lines())
    assert "missing  claim:1: 1 entry has no body, and no entry says who purged it" in lines
    assert not any(line.startswith("purged") for line in lines)


@pytest.mark.parametrize("body", ["not json", "[]", "{}", '{"step": "step:1", "recorded_at": 7}'])
def test_a_text_that_says_nothing_is_no_reason_to_stop(trail: Trail, body: str) -> None:
    trail.write("claim:1", 2)
    trail.seal()
    with trail.tampering(trail.owner) as connection:
        connection.execute(
            text(
                "UPDATE audit_events SET body = :body, body_hash = sha256(:body) WHERE stream = 'claim:1' AND seq = 1"
            ),
            {"body": body.encode()},
        )
    assert trail.verify().verdict is Verdict.TAMPERED


def test_a_report_is_json_too(trail: Trail, tmp_path: Path) -> None:
    trail.write("claim:1")
    trail.seal()
    report = json.loads(json.dumps(trail.verify().as_json()))
    assert (report["verdict"], report["entries"], report["checkpoints"]) == ("clean", 2, 1)
