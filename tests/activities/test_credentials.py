"""Signing a certificate's credential once, and publishing that it holds no more."""

import json
import secrets
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openbadgeslib.ob3.ldp import OB3LdpVerifier
from openbadgeslib.ob3.verifier import OB3VerificationError, OB3Verifier
from sqlalchemy import Engine, insert, select, text, update
from temporalio.exceptions import ApplicationError

from activities.credentials import CredentialSigner, StatusPublisher, status_list_address
from cli.keys import fields_of
from config.keys import KeyFolder, KeyMissingError, KeyPurpose
from documents.credential.issuer import VerificationKey, did_document, issuer_did
from domain.claims import Stage
from domain.identities import new_id, verification_code
from storage import credentials, keys
from storage.credentials import SignedCredential
from storage.tables import AwardRow, CertificateRow, CredentialRow, StatusListRow
from tests.activities.test_ledger_twice import brought_to, run_together
from tests.claims import TestClaim
from worker import Activities

PUBLIC_URL = "https://laurel.example"
DID = issuer_did(PUBLIC_URL)
NewClaim = Callable[..., TestClaim]


def certificate_of(claim: TestClaim) -> Any:
    query = select(*CertificateRow.__table__.columns).join(AwardRow, AwardRow.id == CertificateRow.award_id)
    with claim.engine.connect() as connection:
        return connection.execute(query.where(AwardRow.claim_id == claim.claim_id)).mappings().one()


def credential_row(engine: Engine, certificate_id: str) -> Any:
    with engine.connect() as connection:
        query = select(*CredentialRow.__table__.columns).where(CredentialRow.certificate_id == certificate_id)
        return connection.execute(query).mappings().one_or_none()


@pytest.fixture
def folder(keys_dir: Path, tmp_path: Path) -> KeyFolder:
    """A copy of the keys, for tests that add to them."""
    shutil.copytree(keys_dir, tmp_path / "keys")
    return KeyFolder(tmp_path / "keys")


@pytest.fixture
def world(engine: Engine) -> Callable[[str], bytes]:
    """What a verifier fetches: the issuer's keys and its status lists, from the record."""

    def fetch(address: str) -> bytes:
        with engine.connect() as connection:
            if address == f"{PUBLIC_URL}/.well-known/did.json":
                known = [key for key in keys.public_keys(connection, KeyPurpose.CREDENTIAL) if not key.revoked_at]
                return json.dumps(did_document(DID, [VerificationKey(k.id, k.public_key) for k in known])).encode()
            number = int(address.removeprefix(status_list_address(PUBLIC_URL, 0)[:-1]))
            jwt = connection.scalar(select(StatusListRow.jwt).where(StatusListRow.number == number))
            assert jwt is not None
            return jwt.encode()

    return fetch


@pytest.fixture
def publisher(engine: Engine, keys_dir: Path) -> StatusPublisher:
    return StatusPublisher(engine, KeyFolder(keys_dir), PUBLIC_URL)


def verify(signed: SignedCredential, fetch: Callable[[str], bytes]) -> Any:
    """An independent library checks both forms, and the status through a signed list."""
    embedded = OB3LdpVerifier.for_issuer_did(DID, download=fetch).verify(signed.content, download=fetch)
    badge = OB3Verifier.for_issuer_did(DID, download=fetch).verify(signed.jwt, check_status=True, download=fetch)
    assert (embedded.id, embedded.credits_earned) == (badge.id, badge.credits_earned)
    return badge


def test_a_credential_is_signed_once_however_often_it_is_asked_for(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.ISSUING)
    certificate = certificate_of(claim)
    answers = run_together(lambda: activities.credentials.signed(certificate["id"]), times=10)
    assert len(set(answers)) == 1
    row = credential_row(engine, certificate["id"])
    assert (row["sha256"], row["jwt"], row["key_id"]) == (answers[0].sha256, answers[0].jwt, answers[0].key_id)
    assert row["signed_at"] is not None


def test_an_independent_library_verifies_what_was_signed_and_learns_when_it_is_superseded(
    new_claim: NewClaim,
    activities: Activities,
    engine: Engine,
    publisher: StatusPublisher,
    world: Callable[[str], bytes],
) -> None:
    claim = brought_to(new_claim(), activities, Stage.ISSUING)
    certificate = certificate_of(claim)
    signed = activities.credentials.signed(certificate["id"])
    publisher.publish_due()
    badge = verify(signed, world)
    assert [each.value for each in badge.results] == [certificate["data"]["credit"]["awarded_units"]]
    assert badge.identifiers[0].identity_hash == "Alice Moreau, MD"
    assert claim.email not in signed.content.decode()
    assert badge.issuance_date == certificate["reserved_at"].replace(microsecond=0)
    with engine.begin() as connection:
        ended = update(CertificateRow).where(CertificateRow.id == certificate["id"]).values(state="superseded")
        connection.execute(ended)
    assert publisher.publish_due() == 1
    assert publisher.publish_due() == 0
    with pytest.raises(OB3VerificationError, match="revocation"):
        verify(signed, world)


@pytest.mark.parametrize("state", ["revoked", "merged"])
def test_a_credential_whose_award_counts_no_more_holds_no_more(
    new_claim: NewClaim,
    activities: Activities,
    publisher: StatusPublisher,
    world: Callable[[str], bytes],
    state: str,
) -> None:
    claim = brought_to(new_claim(), activities, Stage.ISSUING)
    signed = activities.credentials.signed(certificate_of(claim)["id"])
    with claim.engine.begin() as connection:
        connection.execute(update(AwardRow).where(AwardRow.claim_id == claim.claim_id).values(state=state))
    publisher.publish_due()
    with pytest.raises(OB3VerificationError, match="revocation"):
        verify(signed, world)


def test_the_next_version_is_the_same_credential_issued_later(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    claim = brought_to(new_claim(), activities, Stage.ISSUING)
    first = certificate_of(claim)
    before = json.loads(activities.credentials.signed(first["id"]).content)
    second = {**first, "id": new_id("crt"), "version": 2, "verification_code": verification_code(), "state": "reserved"}
    second["data"] = {
        **first["data"],
        "certificate_id": second["id"],
        "verification_code": second["verification_code"],
        "verification_url": first["data"]["verification_url"].replace(
            first["verification_code"], second["verification_code"]
        ),
        "version": 2,
        "learner_name": "Alice Moreau-Klein",
    }
    with engine.begin() as connection:
        ended = update(CertificateRow).where(CertificateRow.id == first["id"])
        connection.execute(ended.values(state="superseded"))
        second["reserved_at"] = connection.scalar(text("SELECT clock_timestamp() + interval '2 seconds'"))
        connection.execute(insert(CertificateRow).values(**second))
    after = json.loads(activities.credentials.signed(second["id"]).content)
    for same in ("id", "issuer", "awardedDate"):
        assert after[same] == before[same]
    assert after["credentialSubject"]["id"] == before["credentialSubject"]["id"]
    assert after["validFrom"] > before["validFrom"]
    assert after["credentialStatus"] != before["credentialStatus"]
    assert after["credentialSubject"]["identifier"][0]["identityHash"] == "Alice Moreau-Klein, MD"


def test_two_learners_credentials_share_nothing_that_tells_who_they_are(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    subjects = []
    for _ in range(2):
        claim = brought_to(new_claim(), activities, Stage.ISSUING)
        signed = json.loads(activities.credentials.signed(certificate_of(claim)["id"]).content)
        subjects.append(signed["credentialSubject"])
    assert subjects[0]["id"] != subjects[1]["id"]
    assert subjects[0]["identifier"][1]["salt"] != subjects[1]["identifier"][1]["salt"]


def test_without_a_key_of_the_record_nothing_is_signed_and_no_place_is_used(
    new_claim: NewClaim, activities: Activities, engine: Engine, tmp_path: Path
) -> None:
    claim = brought_to(new_claim(), activities, Stage.ISSUING)
    certificate_id = certificate_of(claim)["id"]
    unpublished = KeyFolder(tmp_path)
    unpublished.create(KeyPurpose.CREDENTIAL)
    with pytest.raises(ApplicationError) as caught:
        CredentialSigner(engine, unpublished, PUBLIC_URL).signed(certificate_id)
    assert (caught.value.type, caught.value.non_retryable) == ("SigningKeyMissing", True)
    assert credential_row(engine, certificate_id) is None
    assert activities.credentials.signed(certificate_id).key_id


def test_a_file_that_holds_another_key_than_its_name_says_signs_nothing(
    new_claim: NewClaim, activities: Activities, engine: Engine, keys_dir: Path, tmp_path: Path
) -> None:
    claim = brought_to(new_claim(), activities, Stage.ISSUING)
    own = KeyFolder(keys_dir).ids(KeyPurpose.CREDENTIAL)[0]
    other = KeyFolder(tmp_path).create(KeyPurpose.CREDENTIAL)
    (tmp_path / f"{other.id}.pem").rename(tmp_path / f"{own}.pem")
    with pytest.raises(ApplicationError, match="SigningKeyMissing"):
        CredentialSigner(engine, KeyFolder(tmp_path), PUBLIC_URL).signed(certificate_of(claim)["id"])


def test_there_is_no_credential_of_what_was_never_reserved(activities: Activities) -> None:
    with pytest.raises(ApplicationError, match="CertificateNotReserved"):
        activities.credentials.signed(new_id("crt"))


def test_after_a_rotation_the_new_key_signs_and_old_credentials_still_verify(
    new_claim: NewClaim, activities: Activities, engine: Engine, folder: KeyFolder, world: Callable[[str], bytes]
) -> None:
    before = activities.credentials.signed(certificate_of(brought_to(new_claim(), activities, Stage.ISSUING))["id"])
    new = folder.create(KeyPurpose.CREDENTIAL)
    with engine.begin() as connection:
        keys.register(connection, fields_of(new), "cli:tests")
    publisher = StatusPublisher(engine, folder, PUBLIC_URL)
    assert publisher.publish_due() >= 1
    claim = brought_to(new_claim(), activities, Stage.ISSUING)
    after = CredentialSigner(engine, folder, PUBLIC_URL).signed(certificate_of(claim)["id"])
    assert (before.key_id == new.id, after.key_id) == (False, new.id)
    # The library checks a list with the key that signed the credential, so it is asked for the proofs alone.
    for signed in (before, after):
        OB3LdpVerifier.for_issuer_did(DID, download=world).verify(signed.content, download=world)
    with engine.begin() as connection:
        keys.revoke(connection, new.id, "cli:tests", "The laptop was stolen.")
    OB3LdpVerifier.for_issuer_did(DID, download=world).verify(before.content, download=world)
    with pytest.raises(OB3VerificationError, match="no verificationMethod"):
        OB3LdpVerifier.for_issuer_did(DID, download=world).verify(after.content, download=world)
    with pytest.raises(KeyMissingError):
        StatusPublisher(engine, KeyFolder(Path("/nonexistent")), PUBLIC_URL).publish_due()


def test_lists_are_signed_anew_every_day_and_after_a_move(
    new_claim: NewClaim, activities: Activities, engine: Engine, keys_dir: Path, publisher: StatusPublisher
) -> None:
    claim = brought_to(new_claim(), activities, Stage.ISSUING)
    activities.credentials.signed(certificate_of(claim)["id"])
    publisher.publish_due()
    assert publisher.publish_due() == 0
    with engine.begin() as connection:
        aged = "UPDATE status_lists SET credential = regexp_replace(credential, :was, :day) WHERE number = 1"
        connection.execute(text(aged), {"was": '"validFrom": "20..', "day": '"validFrom": "2001'})
    assert publisher.publish_due() == 1
    assert StatusPublisher(engine, KeyFolder(keys_dir), "https://moved.example").publish_due() >= 1
    assert publisher.publish_due() >= 1


def test_places_are_random_never_used_twice_and_go_on_in_a_new_list_when_half_are_used(
    new_claim: NewClaim, activities: Activities, engine: Engine
) -> None:
    certificate = certificate_of(brought_to(new_claim(), activities, Stage.ISSUING))
    with engine.connect() as connection, connection.begin() as undone:
        places = []
        for number in range(9):
            values = {**certificate, "id": new_id("crt"), "version": number + 2, "state": "superseded"}
            values["verification_code"] = f"{secrets.token_hex(8)}"
            connection.execute(insert(CertificateRow).values(**values))
            # Lists of earlier tests are as good as full for lists of sixteen places.
            places.append(credentials.reserve_place(connection, values["id"], 16, count_every=1))
        undone.rollback()
    assert len(set(places)) == len(places)
    assert max(Counter(place.status_list for place in places).values()) <= 8
