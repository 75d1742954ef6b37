"""JSON in one form only, so that the same values always have the same bytes, and the same hash."""

import hashlib
import json
from typing import Any


def canonical_json(values: Any) -> bytes:
    """Sorted keys, no white space, UTF-8; what JSON does not know is written as its ``str``."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode()


def sha256_of(values: Any) -> str:
    """The SHA-256, in hex, of values in their canonical form."""
    return hashlib.sha256(canonical_json(values)).hexdigest()
