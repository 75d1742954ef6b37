"""Signing credentials: embedded with a Data Integrity proof, or wrapped as a JSON Web Token.

Both signatures are Ed25519, and equal documents get equal bytes: nothing random is in them.
"""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyld import jsonld

from documents.credential.issuer import multibase

Json = dict[str, Any]

CREDENTIALS_CONTEXT: Final = "https://www.w3.org/ns/credentials/v2"
OPEN_BADGES_CONTEXT: Final = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"

# EdDSA, and not the newer word Ed25519 of RFC 9864 for the same signature: verifiers of today refuse the new one.
JWT_ALGORITHM: Final = "EdDSA"

_CONTEXTS: Final = {
    CREDENTIALS_CONTEXT: "credentials-v2.json",
    OPEN_BADGES_CONTEXT: "open-badges-3.0.3.json",
}
_FOLDER: Final = Path(__file__).parent / "contexts"
# PyLD keeps the contexts that it has read in a dictionary that all threads share and none locks.
_TURN: Final = Lock()


def with_proof(document: Json, key: Ed25519PrivateKey, method: str, created: datetime) -> Json:
    """Return the document with its Data Integrity proof of the suite ``eddsa-rdfc-2022`` (R-OB3-2, R-OB3-3).

    ``method`` is the address of the key's public half. The signature is over what the document says, in canonical RDF,
    not over its bytes. Raises ``jsonld.JsonLdError`` for what is no JSON-LD, or rests on a context that we do not have.
    """
    proof = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-rdfc-2022",
        "created": timestamp(created),
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
    }
    signature = key.sign(proof_hash(document, proof))
    return {**document, "proof": {**proof, "proofValue": multibase(signature)}}


def proof_hash(document: Json, proof: Mapping[str, Any]) -> bytes:
    """Return the 64 bytes that are signed: the hash of the proof's options, then that of the document."""
    options = {"@context": document["@context"], **proof}
    return b"".join(hashlib.sha256(canonical_rdf(each).encode()).digest() for each in (options, document))


def canonical_rdf(document: Json) -> str:
    """Return what a JSON-LD document says as N-Quads in canonical order (RDFC-1.0, which PyLD calls URDNA2015)."""
    options = {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": _load}
    with _TURN:
        quads: str = jsonld.normalize(document, options)
    return quads


def as_jwt(document: Json, key: Ed25519PrivateKey, method: str) -> str:
    """Return the document as a signed VC-JWT: the payload is the credential with the claims that repeat it (R-OB3-2).

    The header holds what Open Badges 3.0 allows in it, and no more.
    """
    subject = document["credentialSubject"]
    claims = {
        "iss": _id_of(document["issuer"]),
        "jti": document["id"],
        "nbf": int(datetime.fromisoformat(document["validFrom"]).timestamp()),
        "sub": subject["id"],
    }
    header = {"alg": JWT_ALGORITHM, "kid": method, "typ": "JWT"}
    signed = f"{_encoded(header)}.{_encoded({**document, **claims})}"
    return f"{signed}.{_base64url(key.sign(signed.encode()))}"


def to_bytes(document: Json) -> bytes:
    """Return a document as the JSON that is stored, attached and served."""
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def timestamp(at: datetime) -> str:
    """Return a moment as credentials write it, to the second in UTC: ``2026-11-22T14:03:05Z``."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _load(address: str, _options: object) -> Json:
    return {"contextUrl": None, "documentUrl": address, "document": _context(address), "tag": "static"}


@cache
def _context(address: str) -> Json:
    context: Json = json.loads((_FOLDER / _CONTEXTS[address]).read_bytes())
    return context


def _id_of(issuer: str | Mapping[str, Any]) -> str:
    return issuer if isinstance(issuer, str) else str(issuer["id"])


def _encoded(values: Json) -> str:
    return _base64url(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode())


def _base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
