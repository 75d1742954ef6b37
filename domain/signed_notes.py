"""Checkpoints of the audit trail as signed notes, the text format of transparency logs (C2SP signed-note).

A note is a text, an empty line and signature lines::

    credit.hospital.example/audit
    42
    <root, 32 bytes in base64>

    \u2014 credit.hospital.example/audit <hash of the key, 4 bytes, and signature, 64 bytes, in base64>

The text is the log's name (its *origin*), the number of its leaves and their root (C2SP tlog-checkpoint).
"""

import hashlib
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

_ED25519: Final = b"\x01"
_HASH_LENGTH: Final = 32
_KEY_HASH_LENGTH: Final = 4
_LINES: Final = 3
_DASH: Final = "\u2014 "

# Three lines or more, an empty one, and signatures of which the first is whole: 68 bytes in base64.
_NOTE: Final = re.compile(
    r"^[^\n]+\n[0-9]+\n[A-Za-z0-9+/]{43}=\n(?:[^\n]+\n)*\n\u2014 \S+ [A-Za-z0-9+/]{91}=(?:\n\u2014 [^\n]+)*(?:\n|\Z)",
    re.MULTILINE,
)

Sign = Callable[[bytes], bytes]
# From the public key's 32 bytes, the signature and what was signed to whether it is right.
Verify = Callable[[bytes, bytes, bytes], bool]


class NoteError(ValueError):
    """A text that is no signed checkpoint, or one that none of the known keys has signed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The root of the tree over the first ``size`` entries of a log; ``origin`` names the log."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The lines that are signed, each with its line break."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read the lines; extension lines after the third are signed too, but mean nothing here."""
        lines = text.splitlines()
        if len(lines) < _LINES or not lines[0] or lines[1] != str(_number(lines[1])):
            raise NoteError("this is no checkpoint")
        root = _bytes(lines[2])
        if len(root) != _HASH_LENGTH:
            raise NoteError("the root of a checkpoint has 32 bytes")
        return cls(lines[0], int(lines[1]), root)


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A note taken apart: its text, and per signature the key's name, the key's hash and the signature's bytes."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]


def log_origin(public_url: str) -> str:
    """The name of an installation's log: its public address without the scheme, and ``/audit``."""
    return f"{public_url.partition('://')[2]}/audit"


def key_hash(name: str, public: bytes) -> bytes:
    """The four bytes by which a signature line names its key."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_KEY_HASH_LENGTH]


def format_note(checkpoint: Checkpoint, public: bytes, sign: Sign) -> str:
    """The checkpoint, signed with an Ed25519 key under the name of its origin."""
    signature = key_hash(checkpoint.origin, public) + sign(checkpoint.text.encode())
    return f"{checkpoint.text}\n{_DASH}{checkpoint.origin} {b64encode(signature).decode()}\n"


def parse_note(note: str) -> SignedNote:
    """Take a note apart; raises ``NoteError``."""
    text, gap, lines = note.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise NoteError("a note ends in an empty line and its signatures")
    signatures = []
    for line in lines.splitlines():
        name, space, value = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space:
            raise NoteError("a signature line has a dash, a name and a signature")
        signature = _bytes(value)
        signatures.append((name, signature[:_KEY_HASH_LENGTH], signature[_KEY_HASH_LENGTH:]))
    return SignedNote(text + "\n", tuple(signatures))


def notes_in(text: str) -> list[str]:
    """Every signed checkpoint in a text, such as an anchor's file or a saved e-mail; the rest is passed over."""
    return [found if found.endswith("\n") else f"{found}\n" for found in _NOTE.findall(text.replace("\r\n", "\n"))]


def open_note(note: str, publics: Iterable[bytes], verify: Verify) -> tuple[Checkpoint, bytes]:
    """The checkpoint of a note, and the public key that signed it.

    Args:
        note: The signed note.
        publics: The public keys that are trusted, 32 bytes each.
        verify: Checks one Ed25519 signature.

    Raises:
        NoteError: The note is malformed, signed with none of these keys, or its signature is wrong.
    """
    parsed = parse_note(note)
    checkpoint = Checkpoint.parse(parsed.text)
    for public in publics:
        wanted = (checkpoint.origin, key_hash(checkpoint.origin, public))
        for name, hashed, signature in parsed.signatures:
            if (name, hashed) == wanted and verify(public, signature, parsed.text.encode()):
                return checkpoint, public
    raise NoteError("none of the known keys has signed this")


def _number(digits: str) -> int:
    return int(digits) if digits.isascii() and digits.isdigit() else -1


def _bytes(value: str) -> bytes:
    try:
        return b64decode(value, validate=True)
    except (Base64Error, ValueError) as error:
        raise NoteError("this is no base64") from error
