"""What a stranger is told of a certificate, and which hash is meant by what a person pastes."""

import pytest

from domain.verification import VerificationStatus, find_sha256, verification_status

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.mark.parametrize(
    ("certificate", "award", "is_newest", "status"),
    [
        ("issued", "active", True, VerificationStatus.VALID),
        ("issued", "active", False, VerificationStatus.SUPERSEDED),
        ("superseded", "active", True, VerificationStatus.SUPERSEDED),
        ("issued", "superseded", True, VerificationStatus.SUPERSEDED),
        ("issued", "merged", True, VerificationStatus.SUPERSEDED),
        ("revoked", "active", True, VerificationStatus.REVOKED),
        ("issued", "revoked", True, VerificationStatus.REVOKED),
        ("revoked", "revoked", False, VerificationStatus.REVOKED),
    ],
)
def test_a_certificate_holds_as_long_as_it_is_the_newest_and_its_award_counts(
    certificate: str, award: str, is_newest: bool, status: VerificationStatus
) -> None:
    assert verification_status(certificate, award, is_newest=is_newest) is status


@pytest.mark.parametrize(
    "pasted",
    [
        SHA256,
        f"  {SHA256.upper()}\n",
        f"{SHA256}  certificate.pdf",
        f"SHA2-256(certificate.pdf)= {SHA256}",
        f"SHA256 hash of certificate.pdf:\n{SHA256}\nCertUtil: done.",
        " ".join(SHA256[at : at + 2] for at in range(0, 64, 2)),
    ],
)
def test_the_hash_is_found_in_what_any_of_the_commands_writes(pasted: str) -> None:
    assert find_sha256(pasted) == SHA256


@pytest.mark.parametrize("pasted", ["", "certificate.pdf", SHA256[:-1], SHA256 + "0", SHA256.replace("9", "g")])
def test_what_has_no_hash_of_this_length_has_none(pasted: str) -> None:
    assert find_sha256(pasted) is None
