"""The machine credential, as a library that is not ours reads and verifies it."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from openbadgeslib.ob3.ldp import OB3LdpVerifier
from openbadgeslib.ob3.status import decode_encoded_list, set_indices
from openbadgeslib.ob3.status_list import encode_bitstring
from openbadgeslib.ob3.verifier import OB3VerificationError, OB3Verifier
from pyld.jsonld import JsonLdError

from documents.credential import open_badge as badges
from documents.credential import status_list as lists
from documents.credential.issuer import (
    VerificationKey,
    did_document,
    issuer_did,
    multibase,
    multikey,
    verification_method,
)
from documents.credential.open_badge import CredentialTerms, credit_words, email_hash, open_badge
from documents.credential.proofs import as_jwt, canonical_rdf, proof_hash, to_bytes, with_proof
from documents.models import CertificateData, CertificateKind, CreditDetails, Identifier, SessionLine

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
DID = "did:web:ce.example.org"
METHOD = f"{DID}#credential-1"
TERMS = CredentialTerms(
    id="urn:uuid:6f1c5d60-54c5-4f5c-9d5b-2f0a4c4c1f01",
    issuer=DID,
    subject="urn:uuid:6f1c5d60-54c5-4f5c-9d5b-2f0a4c4c1f02",
    achievement="https://ce.example.org/ce-activities/sepsis#ama_pra_category_1",
    email="Alice.Moreau@north.example",
    first_awarded_at=datetime(2026, 3, 4, 9, 30, tzinfo=UTC),
    issued_at=datetime(2026, 4, 5, 6, 7, 8, 901_000, tzinfo=UTC),
    status_list="https://ce.example.org/v1/status-lists/3",
    status_index=70_000,
)


def published(_address: str) -> bytes:
    """The DID document, instead of a fetch."""
    keys = [VerificationKey("credential-1", KEY.public_key().public_bytes_raw())]
    return json.dumps(did_document(DID, keys)).encode()


def embedded(certificate: CertificateData) -> dict[str, Any]:
    return with_proof(open_badge(certificate, TERMS), KEY, METHOD, TERMS.issued_at)


def test_an_independent_library_verifies_the_embedded_proof(certificate: CertificateData) -> None:
    content = to_bytes(embedded(certificate))
    badge = OB3LdpVerifier.for_issuer_did(DID, download=published).verify(content, download=published)
    assert badge.id == TERMS.id
    assert badge.credits_earned == 1.25
    assert [result.value for result in badge.results] == ["1.25"]
    assert badge.achievement.result_descriptions[0].name == "AMA PRA Category 1 Credit(s)™"


def test_an_independent_library_verifies_the_token(certificate: CertificateData) -> None:
    token = as_jwt(open_badge(certificate, TERMS), KEY, METHOD)
    badge = OB3Verifier.for_issuer_did(DID, download=published).verify(token, download=published)
    assert badge.issuer.id == DID
    assert badge.issuance_date == TERMS.issued_at.replace(microsecond=0)
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "kid": METHOD, "typ": "JWT"}


@pytest.mark.parametrize("units", ["1.25", "2.00", "12.50"])
def test_a_changed_amount_is_noticed_however_it_is_written(certificate: CertificateData, units: str) -> None:
    credit = replace(certificate.credit, awarded_units=Decimal(units))
    genuine = embedded(replace(certificate, credit=credit))
    verifier = OB3LdpVerifier.for_issuer_did(DID, download=published)
    assert verifier.verify(genuine, download=published).credits_earned == float(units)
    changes: list[dict[str, Any]] = [
        {"creditsEarned": 25},
        {"result": [genuine["credentialSubject"]["result"][0] | {"value": "25.00"}]},
        {"narrative": "25.00 AMA PRA Category 1 Credit(s)™"},
    ]
    for change in changes:
        forged = genuine | {"credentialSubject": genuine["credentialSubject"] | change}
        with pytest.raises(OB3VerificationError, match="signature mismatch"):
            verifier.verify(forged, download=published)


def test_a_token_with_a_changed_amount_is_noticed(certificate: CertificateData) -> None:
    header, _, signature = as_jwt(open_badge(certificate, TERMS), KEY, METHOD).split(".")
    other = replace(certificate, credit=replace(certificate.credit, awarded_units=Decimal("25.00")))
    payload = as_jwt(open_badge(other, TERMS), KEY, METHOD).split(".")[1]
    with pytest.raises(OB3VerificationError, match="signature"):
        OB3Verifier.for_issuer_did(DID, download=published).verify(f"{header}.{payload}.{signature}")


def test_another_issuers_signature_is_not_taken(certificate: CertificateData) -> None:
    stranger = Ed25519PrivateKey.generate()
    forged = with_proof(open_badge(certificate, TERMS), stranger, METHOD, TERMS.issued_at)
    with pytest.raises(OB3VerificationError, match="signature mismatch"):
        OB3LdpVerifier.for_issuer_did(DID, download=published).verify(forged, download=published)


def test_equal_facts_and_keys_give_equal_bytes(certificate: CertificateData) -> None:
    assert to_bytes(embedded(certificate)) == to_bytes(embedded(certificate))
    assert as_jwt(open_badge(certificate, TERMS), KEY, METHOD) == as_jwt(open_badge(certificate, TERMS), KEY, METHOD)


def test_a_whole_amount_is_written_as_a_whole_number(certificate: CertificateData) -> None:
    """RDF would tell 2.0 from 2, which a verifier in JavaScript cannot."""
    credit = replace(certificate.credit, awarded_units=Decimal("2.00"))
    content = to_bytes(embedded(replace(certificate, credit=credit)))
    assert b'"creditsEarned": 2,' in content
    assert b'"value": "2.00"' in content


def test_the_credential_says_what_the_certificate_prints(
    certificate: CertificateData, forty_sessions: tuple[SessionLine, ...]
) -> None:
    badge = open_badge(replace(certificate, sessions=forty_sessions), TERMS)
    subject = badge["credentialSubject"]
    assert badge["name"] == "Sepsis in the First Hour: 1.25 AMA PRA Category 1 Credit(s)™"
    assert badge["issuer"] == {
        "id": DID,
        "type": ["Profile"],
        "name": "Northfield Medical Center",
        "url": "https://www.northfield.example",
    }
    assert (badge["validFrom"], badge["awardedDate"]) == ("2026-04-05T06:07:08Z", "2026-03-04T09:30:00Z")
    assert subject["identifier"][0]["identityHash"] == "Alice Moreau, MD"
    assert (subject["activityStartDate"], subject["activityEndDate"]) == ("2026-11-19", "2026-11-20")
    assert "completed on 2026-11-21" in subject["narrative"]
    assert subject["achievement"]["otherIdentifier"][0]["identifier"] == "485327"
    assert certificate.designation_statement in subject["achievement"]["criteria"]["narrative"]
    assert badge["evidence"][0]["id"] == certificate.verification_url
    assert [each["name"] for each in badge["evidence"][1:]] == [session.title for session in forty_sessions]
    assert badge["credentialStatus"]["statusListIndex"] == "70000"


def test_an_address_is_published_only_as_a_hash_that_its_owner_can_recognise(certificate: CertificateData) -> None:
    content = to_bytes(embedded(certificate))
    assert b"north.example" not in content.lower()
    identity = json.loads(content)["credentialSubject"]["identifier"][1]
    assert identity["identityHash"] == email_hash("alice.moreau@NORTH.example", identity["salt"])
    other = open_badge(replace(certificate, verification_code="another"), TERMS)
    assert other["credentialSubject"]["identifier"][1]["identityHash"] != identity["identityHash"]


def test_of_the_learners_own_numbers_only_a_license_is_named(certificate: CertificateData) -> None:
    own = (Identifier(label="RN license number", value="RN 654321"), Identifier(label="NABP e-Profile ID", value="987"))
    subject = open_badge(replace(certificate, identifiers=own), TERMS)["credentialSubject"]
    assert subject["licenseNumber"] == "RN 654321"
    assert "otherIdentifier" not in subject["achievement"]
    assert "987" not in json.dumps(subject)


def test_what_a_certificate_leaves_out_its_credential_leaves_out(certificate: CertificateData) -> None:
    bare = replace(
        certificate,
        kind=CertificateKind.PARTICIPATION,
        provider=replace(certificate.provider, website=""),
        credit=CreditDetails(name="Attendance", awarded_units=Decimal("3.00"), unit_name="hours"),
        location=None,
        starts_on=None,
        ends_on=None,
        accreditation_statement="",
        designation_statement="",
        identifiers=(),
        completed_on=date(2026, 5, 6),
    )
    badge = OB3LdpVerifier.for_issuer_did(DID, download=published).verify(embedded(bare), download=published)
    assert badge.achievement.achievement_type == "Certificate"
    assert badge.issuer.url is None
    assert credit_words(bare) == "3.00 Attendance (hours)"
    subject = open_badge(bare, TERMS)["credentialSubject"]
    assert "activityStartDate" not in subject
    assert subject["activityEndDate"] == "2026-05-06"


def test_a_document_that_rests_on_a_foreign_context_is_not_signed() -> None:
    with pytest.raises(JsonLdError):
        canonical_rdf({"@context": "https://elsewhere.example/context.json", "id": "urn:example:1"})


def test_the_proof_is_the_one_that_the_w3c_published() -> None:
    """Document, key and proof of w3c/vc-di-eddsa, TestVectors/eddsa-rdfc-2022 (R-OB3-3).

    Its context of examples is one line, written out here; what is signed is the meaning, not the context.
    """
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2", {"@vocab": "https://www.w3.org/ns/credentials/examples#"}],
        "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential", "AlumniCredential"],
        "name": "Alumni Credential",
        "description": "A minimum viable example of an Alumni Credential.",
        "issuer": "https://vc.example/issuers/5678",
        "validFrom": "2023-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
    }
    key = Ed25519PrivateKey.from_private_bytes(_base58("3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq")[2:])
    public = multikey(key.public_key().public_bytes_raw())
    assert public == "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
    method = f"https://vc.example/issuers/5678#{public}"
    signed = with_proof(document, key, method, datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC))
    options = {name: value for name, value in signed["proof"].items() if name != "proofValue"}
    assert proof_hash(document, options).hex() == (
        "4c4d3890a157f8d611b13c265c2c22f39aa0a567c7c7dd9ba3e45cd579784eeb"
        "517744132ae165a5349155bef0bb0cf2258fff99dfe1dbd914b938d775a36017"
    )
    assert signed["proof"]["proofValue"] == (
        "z21EVs3eXERqTn4acNHT9viboqgzUaQ3kTmhPT3eA8qrVPE7CrQq78WkzctnMX5W4CrzcKnHw8V6dvy5pgWYCU5e9"
    )


@pytest.mark.parametrize(
    ("address", "did"),
    [
        ("https://ce.example.org", "did:web:ce.example.org"),
        ("http://localhost:8000", "did:web:localhost%3A8000"),
        ("https://example.org/education/laurel", "did:web:example.org:education:laurel"),
    ],
)
def test_the_issuer_is_named_after_its_address(address: str, did: str) -> None:
    assert issuer_did(address) == did


def test_every_published_key_may_have_signed() -> None:
    document = did_document(DID, [VerificationKey("new", b"\x01" * 32), VerificationKey("old", bytes(32))])
    assert document["assertionMethod"] == [verification_method(DID, "new"), verification_method(DID, "old")]
    assert all(method["publicKeyMultibase"].startswith("z6Mk") for method in document["verificationMethod"])


def test_leading_zeros_are_kept_in_base_58() -> None:
    assert multibase(b"\0\0\x01") == "z112"


def test_a_status_list_holds_the_places_that_were_set_and_hides_how_many_others_there_are() -> None:
    ended = frozenset({0, 7, 8, 70_000, lists.LENGTH - 1})
    encoded = lists.encode(ended)
    bits = decode_encoded_list(encoded)
    assert len(bits) == 16_384
    assert set_indices(bits) == ended == lists.decode(encoded)
    assert lists.decode(encode_bitstring(ended)) == ended
    assert lists.encode(ended) == encoded


def test_a_signed_list_tells_the_verifier_that_a_credential_holds_no_more(certificate: CertificateData) -> None:
    token = as_jwt(open_badge(certificate, TERMS), KEY, METHOD)
    now = datetime.now(UTC)

    def verify(ended: set[int]) -> None:
        until = now + timedelta(days=7)
        listed = lists.status_list(
            TERMS.status_list, DID, ended, valid_from=now, valid_until=until, ttl=timedelta(seconds=30)
        )
        assert listed["credentialSubject"]["ttl"] == 30_000
        answers = {TERMS.status_list: as_jwt(listed, KEY, METHOD).encode()}
        verifier = OB3Verifier.for_issuer_did(DID, download=published)
        verifier.verify(token, check_status=True, download=lambda address: answers[address])

    verify({69_999, 70_001})
    with pytest.raises(OB3VerificationError, match="revocation"):
        verify({70_000})


def test_no_achievement_type_is_missing() -> None:
    assert set(badges._ACHIEVEMENT_TYPES) == set(CertificateKind)


def _base58(text: str) -> bytes:
    number = 0
    for digit in text:
        number = number * 58 + "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".index(digit)
    return number.to_bytes((number.bit_length() + 7) // 8)
