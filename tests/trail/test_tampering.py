"""The nine tamperings of G8, each at twenty random places, as owner of the tables and as superuser: all are found."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine

from activities.checkpoints import kept_note
from config.keys import KeyFolder, KeyPurpose, SigningKey
from storage.audit_report import Report, Verdict
from storage.audit_verify import Scope, verify_snapshot
from tests.trail.attacks import ATTACKS, Attacker, alter_checkpoint, reuse_seq
from tests.trail.conftest import Trail, new_database

PLACES = 20
EVERY_ATTACK = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
Attack = Callable[[Attacker], None]


@pytest.fixture(scope="module")
def sealed(postgres: object, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    """Twelve claims of four to eight entries under five checkpoints; nobody commits any change to it."""
    with new_database(postgres, template_database, tmp_path_factory.mktemp("sealed")) as trail:  # type: ignore[arg-type]
        rng = random.Random(8)  # noqa: S311  # no secret
        entries = [f"claim:{number}" for number in range(12) for _ in range(rng.randrange(4, 9))]
        rng.shuffle(entries)
        for number, stream in enumerate(entries):
            trail.write(stream)
            if number % (len(entries) // 4) == 0:
                trail.seal()
        trail.seal()
        yield trail


@contextmanager
def attacked(trail: Trail, who: Engine, attack: Attack, seed: str) -> Iterator[Attacker]:
    """The trail as it is after an attack, for as long as the block lasts."""
    with who.connect() as connection, connection.begin() as transaction:
        trail.switch_triggers_off(connection)
        attacker = Attacker(connection, random.Random(seed))  # noqa: S311  # no secret
        attack(attacker)
        yield attacker
        transaction.rollback()


def check(by: Attacker, **scope: object) -> Report:
    return verify_snapshot(by.connection, Scope(**scope))  # type: ignore[arg-type]


@EVERY_ATTACK
@pytest.mark.parametrize("who", ["owner", "superuser"])
def test_every_tampering_is_found_wherever_it_is_and_however_it_is_covered_up(
    sealed: Trail, attack: Attack, who: str
) -> None:
    for place in range(PLACES):
        with attacked(sealed, getattr(sealed, who), attack, f"{attack.__name__} {place}") as by:
            cover_up(by, attack, place % 3)
            report = check(by, anchor=kept_note(sealed.keys_dir))
        assert report.verdict is Verdict.TAMPERED, place
        assert report.tampered[0].what


def cover_up(by: Attacker, attack: Attack, how_far: int) -> None:
    """Not at all, by new chains, or by new chains and a new tree. Two rows of one place have no chain."""
    if how_far >= 1 and attack is not reuse_seq:
        by.rechain()
    if how_far >= 2 and attack not in (reuse_seq, alter_checkpoint):
        by.regrow()


@EVERY_ATTACK
def test_a_history_signed_anew_with_a_key_of_the_attackers_is_found(
    sealed: Trail, attack: Attack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    forged = KeyFolder(tmp_path_factory.mktemp("forged")).create(KeyPurpose.AUDIT)
    with attacked(sealed, sealed.owner, attack, attack.__name__) as by:
        cover_up(by, attack, 2)
        by.sign(forged)
        assert check(by).verdict is Verdict.TAMPERED
        by.run("UPDATE signing_keys SET id = :id, public_key = :public", id=forged.id, public=forged.public)
        assert check(by, pinned=frozenset({own_key(sealed).public})).verdict is Verdict.TAMPERED


@EVERY_ATTACK
def test_who_holds_the_key_too_is_found_by_the_anchor(sealed: Trail, attack: Attack) -> None:
    anchor = sealed.file.read_text()
    for place in range(PLACES):
        with attacked(sealed, sealed.superuser, attack, f"{attack.__name__} {place} with key") as by:
            cover_up(by, attack, 2)
            if attack is not alter_checkpoint:
                by.sign(own_key(sealed))
            assert check(by, anchor=anchor).verdict is Verdict.TAMPERED, place


def test_without_an_anchor_who_holds_the_key_and_the_database_is_not_found(sealed: Trail) -> None:
    """The limit that the documentation names: this is what anchors are for."""
    fork = next(attack for attack in ATTACKS if attack.__name__ == "fork_tree")
    with attacked(sealed, sealed.superuser, fork, "limit") as by:
        by.sign(own_key(sealed))
        assert check(by).verdict is Verdict.CLEAN


def test_an_untouched_trail_is_clean_with_and_without_its_anchor(sealed: Trail) -> None:
    assert sealed.verify().verdict is Verdict.CLEAN
    report = sealed.verify(anchor=sealed.file.read_text(), pinned=frozenset({own_key(sealed).public}))
    assert report.verdict is Verdict.CLEAN
    assert report.entries == report.leaves == len(sealed.ask("SELECT 1 FROM audit_events"))
    assert report.checkpoints == report.anchored == len(sealed.ask("SELECT 1 FROM audit_checkpoints"))


@pytest.mark.parametrize("stream", [None, "claim:3"])
@pytest.mark.parametrize("removed", ["true", "tree_size = (SELECT max(tree_size) FROM audit_checkpoints)"])
def test_checkpoints_that_were_removed_are_missed_by_the_note_beside_the_key(
    sealed: Trail, removed: str, stream: str | None
) -> None:
    with attacked(sealed, sealed.superuser, deletion(removed), "checkpoints") as by:
        report = check(by, anchor=kept_note(sealed.keys_dir), stream=stream)
    [size] = (number for (number,) in sealed.ask("SELECT max(tree_size) FROM audit_checkpoints"))
    assert [line for line in report.lines() if line.startswith("CHANGED")] == [
        f"CHANGED  checkpoint of {size} entries: was signed, and was removed"
    ]


def test_older_checkpoints_that_were_removed_are_missed_by_an_anchor_only(sealed: Trail) -> None:
    older = deletion("tree_size < (SELECT max(tree_size) FROM audit_checkpoints)")
    with attacked(sealed, sealed.superuser, older, "older checkpoints") as by:
        assert check(by, anchor=kept_note(sealed.keys_dir)).verdict is Verdict.CLEAN, "a limit that is documented"
        report = check(by, anchor=sealed.file.read_text())
    assert len(report.tampered) == len(sealed.ask("SELECT 1 FROM audit_checkpoints")) - 1
    assert {each.what for each in report.tampered} == {"was signed, and was removed"}


def deletion(condition: str) -> Attack:
    return lambda by: by.run(f"DELETE FROM audit_checkpoints WHERE {condition}")  # noqa: S608  # ours


@EVERY_ATTACK
def test_a_tampering_with_one_claim_is_found_by_checking_that_claim(sealed: Trail, attack: Attack) -> None:
    with attacked(sealed, sealed.owner, attack, attack.__name__) as by:
        streams = [row[0] for row in by.rows("SELECT DISTINCT stream FROM audit_leaves")]
        assert Verdict.TAMPERED in {check(by, stream=stream).verdict for stream in streams}


def test_what_is_wrong_is_said_in_words_with_the_first_bad_entry(sealed: Trail) -> None:
    def remove(by: Attacker) -> None:
        by.run("DELETE FROM audit_events WHERE stream = 'claim:3' AND seq = 2")

    with attacked(sealed, sealed.owner, remove, "words") as by:
        report = check(by)
    assert (report.tampered[0].stream, report.tampered[0].seq) == ("claim:3", 2)
    lines = list(report.lines())
    assert lines[0] == "CHANGED  claim:3, entry 2: is missing"
    assert lines[-1] == "verdict  CHANGED: the audit trail is not what it was"
    assert report.as_json()["tampered"][0]["where"] == "claim:3, entry 2"


def own_key(trail: Trail) -> SigningKey:
    return trail.keys.key(trail.keys.ids(KeyPurpose.AUDIT)[0])
