"""Numbering, storing, signing, publishing: nothing missed, nothing twice, and each round finishes what one left."""

import random
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from activities.checkpoints import Checkpointer, HistoryChangedError, kept_note
from activities.mail import Postman
from activities.outbox import Outbox
from activities.policies import PolicyCache
from config.keys import KeyMissingError
from domain.merkle import leaf_hash, root_of
from domain.signed_notes import Checkpoint, notes_in, open_note
from storage import audit_log
from storage.audit_log import is_signed_by
from storage.audit_report import Verdict
from tests.claims import KeptMail
from tests.trail.conftest import Trail, write_entry

LEAVES = "SELECT l.leaf_index, e.hash FROM audit_leaves l JOIN audit_events e USING (stream, seq) ORDER BY 1"


def leaves_of(trail: Trail) -> list[bytes]:
    rows = trail.ask(LEAVES)
    assert [row[0] for row in rows] == list(range(len(rows)))
    return [leaf_hash(row[1]) for row in rows]  # type: ignore[arg-type]


def missed(trail: Trail) -> int:
    question = "SELECT count(*) FROM audit_events e LEFT JOIN audit_leaves l USING (stream, seq) WHERE l.stream IS NULL"
    return int(trail.ask(question)[0][0])  # type: ignore[call-overload, no-any-return]


def test_eight_writers_who_commit_late_are_all_numbered_densely_and_once(trail: Trail) -> None:
    stop = threading.Event()

    def work(number: int) -> None:
        rng = random.Random(number)  # noqa: S311  # no secret
        for turn in range(25):
            with trail.engine.begin() as connection:
                write_entry(connection, f"claim:{number}-{turn % 3}")
                time.sleep(rng.random() * 0.02)

    def number_on() -> None:
        while not stop.is_set():
            trail.checkpointer.number_all()

    sequencers = [threading.Thread(target=number_on) for _ in range(2)]
    writers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in (*sequencers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in sequencers:
        thread.join()
    trail.checkpointer.number_all()
    assert missed(trail) == 0
    assert len(leaves_of(trail)) == 8 * 25 + 1


def test_an_entry_waits_for_every_transaction_that_began_before_it(trail: Trail) -> None:
    with trail.engine.begin() as early:
        write_entry(early, "claim:early")
        trail.write("claim:late")
        trail.checkpointer.number_all()
        assert missed(trail) == 1, "the early one is not visible yet, and the late one must wait for it"
    trail.checkpointer.number_all()
    assert [row[0] for row in trail.ask("SELECT stream FROM audit_leaves ORDER BY leaf_index")] == [
        "keys",
        "claim:early",
        "claim:late",
    ]


def test_what_a_dump_brought_from_another_server_is_numbered_first(trail: Trail) -> None:
    trail.write("claim:old", 3)
    with trail.tampering(trail.owner) as connection:
        connection.execute(text("UPDATE audit_events SET cluster = 1, xid = xid + 1000000000"))
    trail.write("claim:new", 2)
    trail.seal()
    assert missed(trail) == 0
    assert trail.ask("SELECT stream FROM audit_leaves ORDER BY leaf_index DESC LIMIT 2") == [("claim:new",)] * 2
    with trail.tampering(trail.owner) as connection:
        connection.execute(text("UPDATE audit_events SET cluster = 2"))
    trail.write("claim:newest")
    trail.seal()
    assert missed(trail) == 0
    assert trail.verify().verdict is Verdict.CLEAN


def test_the_signed_note_holds_the_root_over_all_entries(trail: Trail) -> None:
    trail.write("claim:1", 12)
    trail.seal()
    [note] = notes_in(trail.file.read_text())
    [key_id] = trail.ask("SELECT id FROM signing_keys")[0]
    public = trail.keys.key(str(key_id)).public
    checkpoint, _ = open_note(note, [public], is_signed_by)
    assert checkpoint == Checkpoint("credit.hospital.example/audit", 13, root_of(leaves_of(trail)))


def test_a_round_without_anything_new_makes_no_checkpoint(trail: Trail) -> None:
    trail.seal()
    trail.seal()
    assert len(trail.ask("SELECT 1 FROM audit_checkpoints")) == 1
    assert len(notes_in(trail.file.read_text())) == 1


def test_a_round_finishes_what_a_crash_left_at_any_step(trail: Trail) -> None:
    trail.write("claim:1", 5)
    trail.checkpointer.number_all()
    with trail.engine.begin() as connection:
        assert audit_log.store_checkpoint(connection)
    trail.write("claim:1", 5)
    assert trail.verify().verdict is Verdict.INCOMPLETE
    trail.seal()
    assert [row[0] for row in trail.ask("SELECT tree_size FROM audit_checkpoints ORDER BY 1")] == [6, 11]
    trail.write("claim:1")
    trail.checkpointer.number_all()
    with trail.engine.begin() as connection:
        assert audit_log.store_checkpoint(connection)
    trail.checkpointer.sign_stored()
    trail.checkpointer.publish()
    assert [Checkpoint.parse(note).size for note in notes_in(trail.file.read_text())] == [6, 11, 12]
    assert trail.verify(anchor=trail.file.read_text()).verdict is Verdict.CLEAN


@pytest.mark.parametrize("cut", [0, 1, 40, 120, 200])
def test_a_file_whose_last_note_was_cut_off_gets_it_again(trail: Trail, cut: int) -> None:
    trail.seal()
    trail.write("claim:1")
    trail.seal()
    whole = trail.file.read_text()
    trail.file.write_text(whole[: len(whole) - cut])
    trail.checkpointer.publish()
    sizes = [Checkpoint.parse(note).size for note in notes_in(trail.file.read_text())]
    assert sizes == [1, 2]


def test_a_new_public_address_appends_no_note_twice(trail: Trail) -> None:
    trail.seal()
    for _ in range(2):
        Checkpointer(trail.engine, trail.keys_dir, "https://moved.example", file=trail.file).publish()
    trail.write("claim:1")
    moved = Checkpointer(trail.engine, trail.keys_dir, "https://moved.example", file=trail.file)
    moved.number_all()
    moved.checkpoint()
    notes = [Checkpoint.parse(note) for note in notes_in(trail.file.read_text())]
    assert [(note.origin, note.size) for note in notes] == [
        ("credit.hospital.example/audit", 1),
        ("moved.example/audit", 2),
    ]
    assert trail.verify(anchor=trail.file.read_text()).verdict is Verdict.CLEAN


def test_an_anchor_that_cannot_be_written_holds_nothing_else_up(trail: Trail, tmp_path: Path) -> None:
    trail.file = tmp_path / "not mounted" / "notes"
    trail.write("claim:1")
    with pytest.raises(FileNotFoundError):
        trail.seal()
    trail.file.parent.mkdir()
    trail.checkpointer.publish()
    assert len(notes_in(trail.file.read_text())) == 1


def test_a_tree_that_does_not_begin_with_the_signed_one_is_never_signed(trail: Trail) -> None:
    trail.write("claim:1", 6)
    trail.seal()
    with trail.tampering(trail.owner) as connection:
        connection.execute(text("UPDATE audit_leaves SET hashes = sha256(hashes) WHERE leaf_index = 6"))
    trail.write("claim:1", 3)
    with pytest.raises(HistoryChangedError):
        trail.seal()
    assert trail.ask("SELECT count(*) FROM audit_checkpoints WHERE note IS NULL") == [(1,)]


def test_a_checkpoint_that_was_altered_is_not_built_upon(trail: Trail) -> None:
    trail.write("claim:1", 6)
    trail.seal()
    with trail.tampering(trail.owner) as connection:
        connection.execute(text("UPDATE audit_checkpoints SET root = sha256(root)"))
    trail.write("claim:1")
    with pytest.raises(HistoryChangedError, match="not the one that was signed"):
        trail.seal()


def test_a_database_that_was_set_back_to_an_earlier_day_is_not_signed_again(trail: Trail) -> None:
    trail.write("claim:1", 6)
    trail.seal()
    trail.write("claim:1", 6)
    trail.seal()
    assert Checkpoint.parse(kept_note(trail.keys_dir)).size == 13
    with trail.tampering(trail.superuser) as connection:
        connection.execute(text("DELETE FROM audit_events WHERE seq > 6"))
        connection.execute(text("DELETE FROM audit_leaves WHERE seq > 6"))
        connection.execute(text("DELETE FROM audit_checkpoints WHERE tree_size > 7"))
    assert trail.verify().verdict is Verdict.CLEAN, "everything that is there was signed"
    assert trail.verify(anchor=kept_note(trail.keys_dir)).verdict is Verdict.TAMPERED
    trail.write("claim:1", 2)
    with pytest.raises(HistoryChangedError, match="this one is smaller"):
        trail.seal()
    trail.write("claim:1", 9)
    with pytest.raises(HistoryChangedError, match="does not begin"):
        trail.seal()


def test_without_a_key_roots_are_stored_and_signed_later(trail: Trail) -> None:
    keys_dir, trail.keys_dir = trail.keys_dir, trail.file.parent / "empty"
    with pytest.raises(KeyMissingError):
        trail.seal()
    assert trail.verify().verdict is Verdict.INCOMPLETE
    trail.keys_dir = keys_dir
    trail.seal()
    assert trail.verify().verdict is Verdict.CLEAN


def test_the_newest_key_signs_and_the_older_one_still_proves(trail: Trail) -> None:
    trail.seal()
    newest = trail.create_key()
    trail.seal()
    assert trail.ask("SELECT key_id FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 1") == [(newest.id,)]
    assert trail.verify(pinned=frozenset({newest.public})).verdict is Verdict.CLEAN


def test_one_mail_a_day_carries_the_newest_checkpoint(trail: Trail) -> None:
    office, mail = "office@accreditor.example", KeptMail()
    checkpointer = Checkpointer(trail.engine, trail.keys_dir, "https://credit.hospital.example", address=office)
    outbox = Outbox(trail.engine, PolicyCache(), Postman(mail, "Laurel <credit@laurel.example>"), "https://x.example")
    for _ in range(2):
        trail.write("claim:1", 3)
        checkpointer.number_all()
        checkpointer.checkpoint()
    while outbox.send_next():
        pass
    [message] = mail.to(office)
    body = message.get_body(("plain",))
    assert body is not None
    assert notes_in(body.get_content()) == [trail.ask("SELECT note FROM audit_checkpoints ORDER BY tree_size")[0][0]]
    assert trail.verify(anchor=body.get_content()).anchored == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_checkpoints SET note = 'another'",
        "UPDATE audit_checkpoints SET root = sha256(root)",
        "DELETE FROM audit_checkpoints",
        "TRUNCATE audit_checkpoints",
        "UPDATE audit_leaves SET seq = seq",
        "DELETE FROM audit_leaves",
        "TRUNCATE audit_leaves",
        "UPDATE audit_events SET recorded_at = recorded_at",
        "UPDATE audit_events SET body = '{}'",
        "TRUNCATE audit_events",
    ],
)
def test_even_the_owner_cannot_change_the_trail_by_mistake(trail: Trail, change: str) -> None:
    trail.seal()
    with pytest.raises(DBAPIError, match="append-only"), trail.owner.begin() as connection:
        connection.execute(text(change))


def test_only_the_owner_ends_a_body_and_only_whole(trail: Trail) -> None:
    trail.write("claim:1", 2)
    with pytest.raises(DBAPIError, match="permission denied"), trail.engine.begin() as connection:
        connection.execute(text("UPDATE audit_events SET body = NULL"))
    with pytest.raises(DBAPIError, match="append-only"), trail.owner.begin() as connection:
        connection.execute(text("UPDATE audit_events SET body = NULL, body_hash = sha256(body_hash)"))
    with trail.owner.begin() as connection:
        connection.execute(text("UPDATE audit_events SET body = NULL WHERE seq = 1"))
    trail.seal()
    report = trail.verify()
    assert (report.verdict, report.unauthorised) == (Verdict.INCOMPLETE, {"claim:1": 1, "keys": 1})


@pytest.mark.parametrize(
    "wrong",
    [
        "seq = 7",
        "body = '{}'",
        "body_hash = sha256('x')",
        "prev_hash = sha256('x')",
        "hash = sha256('x')",
        "stream = 'claim:2'",
        "body = NULL",
    ],
)
def test_an_entry_that_does_not_follow_is_refused_as_it_arrives(trail: Trail, wrong: str) -> None:
    trail.write("claim:1", 3)
    column = wrong.partition(" ")[0]
    columns = ("stream", "seq", "step_key", "recorded_at", "body", "body_hash", "prev_hash", "hash")
    with trail.tampering(trail.owner) as connection:
        connection.execute(
            text("CREATE TABLE taken AS SELECT * FROM audit_events WHERE stream = 'claim:1' AND seq = 3")
        )
        connection.execute(text("DELETE FROM audit_events WHERE stream = 'claim:1' AND seq = 3"))
    values = ", ".join(wrong.partition("= ")[2] if name == column else name for name in columns)
    insert = f"INSERT INTO audit_events ({', '.join(columns)}) SELECT {{}} FROM taken"  # noqa: S608  # ours
    with pytest.raises(DBAPIError, match="does not follow"), trail.owner.begin() as connection:
        connection.execute(text(insert.format(values)))
    with trail.owner.begin() as connection:
        connection.execute(text(insert.format(", ".join(columns))))
