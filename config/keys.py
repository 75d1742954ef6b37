"""Private signing keys: one file each in one folder, readable by the process that signs and by nobody else.

What anyone needs to verify a signature, the public half, is in the record (``storage.keys``) and published.
"""

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


class KeyPurpose(StrEnum):
    """What a key signs. No key signs two kinds of things, so that no signature can be taken for another's."""

    CREDENTIAL = "credential"
    AUDIT = "audit"


class KeyMissingError(Exception):
    """There is no private key for this purpose in the folder."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key; ``id`` is its file's name, ``<purpose>-<day>-<random>``, and says nothing secret."""

    id: str
    purpose: KeyPurpose
    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The 32 raw bytes of the public key."""
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class KeyFolder:
    """The private keys of this installation. Old keys stay until they are removed by hand."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, purpose: KeyPurpose) -> SigningKey:
        """Draw a new key and store it, for its owner's eyes only, before anyone can have used it."""
        key_id = f"{purpose}-{datetime.now(UTC):%Y-%m-%d}-{secrets.token_hex(4)}"
        key = SigningKey(key_id, purpose, Ed25519PrivateKey.generate())
        pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._file(key_id)
        new = file.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(pem)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
        return key

    def key(self, key_id: str) -> SigningKey:
        """Read one key; raises ``KeyMissingError``."""
        try:
            private = load_pem_private_key(self._file(key_id).read_bytes(), password=None)
        except (OSError, TypeError, ValueError) as error:
            raise KeyMissingError(f"{self._folder} has no readable key {key_id}") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise KeyMissingError(f"{key_id} is no Ed25519 key")
        return SigningKey(key_id, KeyPurpose(key_id.partition("-")[0]), private)

    def ids(self, purpose: KeyPurpose) -> list[str]:
        """The ids of the keys for a purpose, oldest first."""
        files = sorted(self._folder.glob(f"{purpose}-*.pem"), key=lambda file: (file.stat().st_mtime_ns, file.name))
        return [file.stem for file in files]

    def _file(self, key_id: str) -> Path:
        if "/" in key_id or "\\" in key_id or key_id.startswith("."):
            raise KeyMissingError(f"{key_id} names no key")
        return self._folder / f"{key_id}.pem"
