"""Who signs: the ``did:web`` of an installation, and its keys as anyone may fetch them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

DID_CONTEXTS: Final = ("https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1")

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ED25519_PUBLIC: Final = b"\xed\x01"


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key that verifies credentials: its name in the record, and its 32 raw Ed25519 bytes."""

    id: str
    public_key: bytes


def issuer_did(public_url: str) -> str:
    """Return the DID whose document lives below an address: ``did:web:ce.example.org``.

    A port is percent-encoded and the parts of a path follow with colons, as the method ``did:web`` says. DIDs of this
    method are always resolved by https; one made from an ``http:`` address serves for development.
    """
    address = urlsplit(public_url)
    parts = [address.netloc, *(part for part in address.path.split("/") if part)]
    return "did:web:" + ":".join(quote(part, safe="") for part in parts)


def verification_method(did: str, key_id: str) -> str:
    """Return the address of one key in the DID document."""
    return f"{did}#{key_id}"


def did_document(did: str, keys: Sequence[VerificationKey]) -> dict[str, Any]:
    """Return the DID document with these keys, of which the first is taken by whoever names none.

    Give every key that was ever published but the revoked ones: what retired keys signed still verifies, and what a
    stolen key signed fails also where a verifier only looks the key up.
    """
    methods = [
        {
            "id": verification_method(did, key.id),
            "type": "Multikey",
            "controller": did,
            "publicKeyMultibase": multikey(key.public_key),
        }
        for key in keys
    ]
    return {
        "@context": list(DID_CONTEXTS),
        "id": did,
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }


def multikey(public_key: bytes) -> str:
    """Return an Ed25519 public key as a Multikey, which begins with ``z6Mk`` (R-OB3-3)."""
    return multibase(_ED25519_PUBLIC + public_key)


def multibase(content: bytes) -> str:
    """Return bytes in base 58, with the ``z`` that says so."""
    number, digits = int.from_bytes(content, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    zeros = len(content) - len(content.lstrip(b"\0"))
    return "z" + _BASE58[0] * zeros + digits
