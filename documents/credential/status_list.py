"""Bitstring Status Lists: one public bit for each credential, set once the credential holds no more.

Whoever fetches a list learns of one credential what they ask, and the issuer does not learn which one they asked for.
"""

import gzip
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from documents.credential.proofs import CREDENTIALS_CONTEXT, timestamp

LENGTH: Final = 131_072
"""Bits in a list: the least that the W3C allows, so that each credential hides among many."""

PURPOSE: Final = "revocation"


def status_list(
    address: str, issuer: str, ended: Iterable[int], *, valid_from: datetime, valid_until: datetime, ttl: timedelta
) -> dict[str, Any]:
    """Return an unsigned list that lives at ``address``; ``ended`` are the places of credentials that hold no more.

    ``valid_until`` keeps an old copy from hiding a later revocation, and ``ttl`` says how long a copy may be kept.
    """
    return {
        "@context": [CREDENTIALS_CONTEXT],
        "id": address,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": timestamp(valid_from),
        "validUntil": timestamp(valid_until),
        "credentialSubject": {
            "id": f"{address}#list",
            "type": "BitstringStatusList",
            "statusPurpose": PURPOSE,
            "encodedList": encode(ended),
            "ttl": ttl // timedelta(milliseconds=1),
        },
    }


def status_entry(address: str, index: int) -> dict[str, str]:
    """Return what a credential says about where its status is."""
    return {
        "id": f"{address}#{index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": PURPOSE,
        "statusListIndex": str(index),
        "statusListCredential": address,
    }


def encode(ended: Iterable[int]) -> str:
    """Return the bits of a list, compressed; the first place is the highest bit of the first byte."""
    bits = bytearray(LENGTH // 8)
    for index in ended:
        bits[index // 8] |= 0x80 >> (index % 8)
    # Without a time of day inside, so that equal lists are equal bytes.
    return "u" + urlsafe_b64encode(gzip.compress(bytes(bits), mtime=0)).rstrip(b"=").decode()


def decode(encoded: str) -> frozenset[int]:
    """Return the places that are set in a list that ``encode`` made."""
    bits = gzip.decompress(urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4)))
    return frozenset(
        8 * number + place for number, byte in enumerate(bits) if byte for place in range(8) if byte & 0x80 >> place
    )
