"""Ids, and the codes by which anyone may verify a certificate.

Ids are opaque, start with a word for what they name, and sort by the time they were made. Both use Crockford's base 32
alphabet, in which no two characters look alike.
"""

import re
import secrets
import time
from uuid import UUID, uuid5

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOK_ALIKES = str.maketrans("OIL", "011")
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015]")
_CODE = re.compile(f"[{_ALPHABET}]{{16}}")
# 128 bits fill 26 characters of 5 bits with 2 bits to spare, so the first character is at most 7.
_ID_BODY = re.compile(f"[0-7][{_ALPHABET.lower()}]{{25}}")
_NAMESPACE = UUID("5b9bd6d0-6ee4-5f0c-9a1e-3f5c2d7b8a14")


def new_id(prefix: str) -> str:
    """A new id: the prefix, an underscore and 26 characters of a UUID version 7 (RFC 9562)."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | secrets.randbits(80)
    version, variant = 0x7 << 76, 0b10 << 62
    value = value & ~(0xF << 76) & ~(0b11 << 62) | version | variant
    return f"{prefix}_{_encode(value, 26).lower()}"


def derived_id(prefix: str, *parts: str) -> str:
    """The id that always belongs to these parts: whoever repeats a step names the same row."""
    # Each part carries its length, so that ("ab", "c") and ("a", "bc") are different.
    name = "".join(f"{len(part)}:{part}" for part in (prefix, *parts))
    return f"{prefix}_{_encode(uuid5(_NAMESPACE, name).int, 26).lower()}"


def is_id(text: str, prefix: str) -> bool:
    """Whether a text has the shape of an id with this prefix."""
    start, _, body = text.partition("_")
    return start == prefix and _ID_BODY.fullmatch(body) is not None


def verification_code() -> str:
    """A new random code of 80 bits, as it is printed: ``XXXX-XXXX-XXXX-XXXX`` (R-VER-1)."""
    return _grouped(_encode(secrets.randbits(80), 16))


def normalize_code(text: str) -> str | None:
    """The code that a person meant, as it is printed; None if it cannot be one.

    Forgives case, spaces, dashes of any length, and the letters O, I and L written for digits.
    """
    code = _SEPARATORS.sub("", text)
    if not code.isascii():
        return None
    code = code.upper().translate(_LOOK_ALIKES)
    return _grouped(code) if _CODE.fullmatch(code) else None


def _grouped(code: str) -> str:
    return "-".join(code[start : start + 4] for start in range(0, 16, 4))


def _encode(value: int, length: int) -> str:
    return "".join(_ALPHABET[value >> 5 * place & 31] for place in reversed(range(length)))
