"""Checkpoints as signed notes: what is written can be read by others, and nothing else is taken for one."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.signed_notes import (
    Checkpoint,
    NoteError,
    SignedNote,
    format_note,
    key_hash,
    log_origin,
    notes_in,
    open_note,
    parse_note,
)

ROOT = hashlib.sha256(b"root").digest()
CHECKPOINT = Checkpoint("credit.hospital.example/audit", 42, ROOT)
PUBLIC, OTHER = b"p" * 32, b"o" * 32


def verify(public: bytes, signature: bytes, text: bytes) -> bool:
    """Stands for Ed25519: the rules know nothing of how a signature is checked."""
    return hmac.compare_digest(signature, hmac.digest(public, text, "sha512"))


def note(checkpoint: Checkpoint = CHECKPOINT, public: bytes = PUBLIC) -> str:
    return format_note(checkpoint, public, lambda text: hmac.digest(public, text, "sha512"))


def test_a_note_has_three_lines_an_empty_one_and_its_signature() -> None:
    origin, size, root, empty, signature, end = note().split("\n")
    assert (origin, size, empty, end) == ("credit.hospital.example/audit", "42", "", "")
    assert root.endswith("=")
    assert signature.startswith("\u2014 credit.hospital.example/audit ")


def test_a_log_is_named_by_the_public_address() -> None:
    assert log_origin("https://credit.hospital.example") == CHECKPOINT.origin


def test_the_hash_of_a_key_is_the_one_of_the_format() -> None:
    # The example of the specification of signed notes: a verifier key names its hash before the key itself.
    public = hashlib.sha256(b"any").digest()
    name = "example.com/foo"
    assert key_hash(name, public) == hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]


@given(st.integers(0, 10**12), st.binary(min_size=32, max_size=32))
def test_what_was_signed_is_read_back(size: int, root: bytes) -> None:
    checkpoint = Checkpoint("log.example/audit", size, root)
    assert open_note(note(checkpoint), [OTHER, PUBLIC], verify) == (checkpoint, PUBLIC)


def test_a_note_that_no_known_key_signed_is_refused() -> None:
    with pytest.raises(NoteError, match="none of the known keys"):
        open_note(note(), [OTHER], verify)


@pytest.mark.parametrize(("old", "new"), [("42", "43"), ("audit\n42", "audits\n42"), ("/audit ", "/other ")])
def test_a_note_that_was_changed_is_refused(old: str, new: str) -> None:
    with pytest.raises(NoteError, match="none of the known keys"):
        open_note(note().replace(old, new), [PUBLIC], verify)


def test_a_second_signature_does_no_harm() -> None:
    both = note() + note(public=OTHER).rpartition("\n\n")[2]
    assert open_note(both, [PUBLIC], verify) == (CHECKPOINT, PUBLIC)
    assert open_note(both, [OTHER], verify) == (CHECKPOINT, OTHER)
    assert parse_note(both) == SignedNote(CHECKPOINT.text, parse_note(both).signatures)


def test_the_notes_of_a_file_are_found_among_anything_else() -> None:
    one, other = note(), note(Checkpoint("log.example/audit", 7, ROOT), OTHER)
    half = one[: len(one) // 2]
    assert notes_in(f"Dear colleague,\n\n{one}\n{half}\n\n{other}\n--\nthe office\n") == [one, other]
    assert notes_in(f"{one}\n{other}".replace("\n", "\r\n").rstrip()) == [one, other]
    assert notes_in(half) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log.example\n42\n",
        "\n42\nAAAA\n",
        "log.example\n042\nAAAA\n",
        "log.example\n-1\nAAAA\n",
        "log.example\nmany\nAAAA\n",
        "log.example\n42\nAAAA\n",
        "log.example\n42\n?\n",
        "log.example\n42\n\u00e9\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "text", ["", "text\n", "text\n\n", "text\n\n\u2014 name QUFB", "text\n\nname QUFB\n", "text\n\n\u2014 name\n"]
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        parse_note(text)
