"""What anyone with a certificate's code, or its file, is told about it (R-VER-1)."""

import re
from enum import StrEnum

_SHA256 = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


class VerificationStatus(StrEnum):
    """Whether a certificate holds. One that was reserved and never issued is as unknown as one that never was."""

    VALID = "valid"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


def verification_status(certificate: str, award: str, newest: str) -> VerificationStatus:
    """The status of an issued certificate, from its state, its award's, and that of the claim's newest certificate.

    A revocation ends every version: whoever scans the code of an older one must not be sent on to see it.
    """
    if "revoked" in (certificate, award, newest):
        return VerificationStatus.REVOKED
    is_current = certificate == "issued" and award == "active"
    return VerificationStatus.VALID if is_current else VerificationStatus.SUPERSEDED


def find_sha256(text: str) -> str | None:
    """The SHA-256 in what a person pasted, such as the whole line of ``sha256sum``, in small letters; None without one.

    What ``certutil`` writes on older Windows has blanks between the bytes.
    """
    for candidate in (text.lower(), re.sub(r"\s", "", text.lower())):
        found = _SHA256.search(candidate)
        if found:
            return found[0]
    return None
