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


def verification_status(certificate: str, award: str, *, is_newest: bool) -> VerificationStatus:
    """The status of an issued version, from the states of the newest issued certificate of its claim and of its award.

    A revocation ends every version: whoever scans the code of an older one must not be sent on to see it. One that was
    taken back leaves the revoked version superseded.
    """
    if "revoked" in (certificate, award):
        return VerificationStatus.REVOKED
    is_current = is_newest and certificate == "issued" and award == "active"
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
