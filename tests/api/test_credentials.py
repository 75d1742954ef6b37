"""The machine credential over HTTP, as a verifier of somebody else's fetches and checks it."""

import asyncio
import secrets
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import pikepdf
import pytest
from fastapi import FastAPI
from openbadgeslib.ob3.ldp import OB3LdpVerifier
from openbadgeslib.ob3.verifier import OB3VerificationError, OB3Verifier
from sqlalchemy import Engine, text

from activities.certificates import PostgresCertificateActivities
from activities.claims import PostgresClaimActivities
from activities.contract import ClaimRef
from activities.credentials import CredentialSigner, StatusPublisher
from config.keys import KeyFolder
from documents.certificate import render_certificate
from documents.credential.issuer import issuer_did
from documents.jobs import CertificateJob, Renderer
from domain.identities import new_id, verification_code
from tests.api.conftest import PUBLIC_URL, Person, publish_example
from tests.api.test_claim_over_http import awarded

DID = issuer_did(PUBLIC_URL)
HERE = PUBLIC_URL.replace("http://", "https://")


class Here(Renderer):
    """Renders in this process."""

    def render(self, job: CertificateJob) -> bytes:
        return render_certificate(job)


@dataclass
class Issued:
    """A claim whose certificate was issued, and where its credential is."""

    path: str
    code: str

    @property
    def public(self) -> str:
        return f"/v1/credentials/{self.code}"

    @property
    def own(self) -> str:
        return f"{self.path}/credential"


@pytest.fixture
def publisher(engine: Engine, keys_dir: Path) -> StatusPublisher:
    return StatusPublisher(engine, KeyFolder(keys_dir), PUBLIC_URL)


@pytest.fixture
async def issued(
    learner: Person,
    ledger: PostgresClaimActivities,
    engine: Engine,
    publisher: StatusPublisher,
    keys_dir: Path,
) -> Issued:
    claim = await awarded(learner, publish_example(engine), ledger)
    signer = CredentialSigner(engine, KeyFolder(keys_dir), PUBLIC_URL)
    certificates = PostgresCertificateActivities(engine, ledger, Here(), signer)
    before = await learner.get(f"/v1/claims/{claim['id']}/credential")
    assert (before.status_code, before.json()["code"]) == (409, "certificate_not_issued")
    await asyncio.to_thread(certificates.issue_certificate, ClaimRef(claim["id"]))
    await asyncio.to_thread(publisher.publish_due)
    return Issued(f"/v1/claims/{claim['id']}", claim["certificate"]["verification_code"])


async def fetched(client: httpx2.AsyncClient, *addresses: str) -> dict[str, bytes]:
    """What a verifier gets to read: the issuer's keys and these addresses."""
    answers = {f"{HERE}/.well-known/did.json": await client.get("/.well-known/did.json")}
    for address in addresses:
        answers[address] = await client.get(address.removeprefix(PUBLIC_URL))
    return {address: answer.content for address, answer in answers.items()}


async def verify(client: httpx2.AsyncClient, issued: Issued) -> Any:
    """What an independent library makes of both forms of a credential, and of what is published about it."""
    embedded = await client.get(issued.public)
    token = await client.get(issued.public, headers={"Accept": "application/vc+jwt"})
    assert (embedded.headers["content-type"], token.headers["content-type"]) == ("application/vc", "application/vc+jwt")
    world = await fetched(client, embedded.json()["credentialStatus"]["statusListCredential"])
    reads = world.__getitem__
    verifiers: tuple[Any, ...] = (OB3LdpVerifier, OB3Verifier)
    badges = [
        verifier.for_issuer_did(DID, download=reads).verify(answer.text, check_status=True, download=reads)
        for verifier, answer in zip(verifiers, (embedded, token), strict=True)
    ]
    assert badges[0].credits_earned == badges[1].credits_earned
    return badges[0]


def change(engine: Engine, statement: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


async def test_an_independent_library_verifies_the_credential_with_what_is_published(
    client: httpx2.AsyncClient, issued: Issued
) -> None:
    badge = await verify(client, issued)
    assert badge.credits_earned == 1
    assert badge.evidence_url == f"{PUBLIC_URL}/verify/{issued.code}"


async def test_the_attachment_of_the_pdf_is_the_credential_of_the_api(
    client: httpx2.AsyncClient, learner: Person, issued: Issued
) -> None:
    pdf = await learner.get(f"{issued.path}/certificate")
    with pikepdf.open(BytesIO(pdf.content)) as document:
        attached = document.attachments["credential.json"].get_file().read_bytes()
    own, public = await learner.get(issued.own), await client.get(issued.public)
    assert attached == own.content == public.content
    assert own.headers["cache-control"] == "private, no-cache"
    assert own.headers["etag"] == public.headers["etag"]


async def test_a_changed_amount_is_rejected(client: httpx2.AsyncClient, issued: Issued) -> None:
    forged = (await client.get(issued.public)).json()
    forged["credentialSubject"]["creditsEarned"] = 25
    world = await fetched(client)
    with pytest.raises(OB3VerificationError, match="signature mismatch"):
        OB3LdpVerifier.for_issuer_did(DID, download=world.__getitem__).verify(forged, download=world.__getitem__)


async def test_a_superseded_credential_is_served_and_verifiers_learn_that_it_holds_no_more(
    client: httpx2.AsyncClient, issued: Issued, engine: Engine, publisher: StatusPublisher
) -> None:
    change(engine, "UPDATE certificates SET state = 'superseded' WHERE verification_code = :code", code=issued.code)
    publisher.publish_due()
    with pytest.raises(OB3VerificationError, match="revocation"):
        await verify(client, issued)


async def test_a_revoked_credential_is_gone(
    client: httpx2.AsyncClient, learner: Person, issued: Issued, engine: Engine
) -> None:
    change(engine, "UPDATE certificates SET state = 'revoked' WHERE verification_code = :code", code=issued.code)
    answer = await client.get(issued.public)
    assert (answer.status_code, answer.json()["code"]) == (410, "certificate_revoked")
    assert (await learner.get(issued.own)).status_code == 410


async def test_a_credential_whose_key_was_revoked_is_offered_to_nobody_and_its_certificate_holds(
    client: httpx2.AsyncClient, learner: Person, issued: Issued, engine: Engine
) -> None:
    look_up = f"/v1/certificates/{issued.code}"
    assert (await client.get(look_up)).json()["credential_url"].endswith(issued.public)
    # A key of this test's own: other credentials are signed with the one that all tests share.
    stolen = """
        INSERT INTO signing_keys (id, purpose, algorithm, public_key, retired_at)
        VALUES (:id, 'credential', 'Ed25519', :public_key, now())
    """
    key_id = new_id("key")
    change(engine, stolen, id=key_id, public_key=secrets.token_bytes(32))
    moved = """
        UPDATE credentials SET key_id = :id
         WHERE certificate_id = (SELECT id FROM certificates WHERE verification_code = :code)
    """
    change(engine, moved, id=key_id, code=issued.code)
    # A key that was only retired is trusted for what it signed.
    assert (await client.get(issued.public)).status_code == 200
    change(engine, "UPDATE signing_keys SET revoked_at = now() WHERE id = :id", id=key_id)
    for answer in (await client.get(issued.public), await learner.get(issued.own)):
        assert (answer.status_code, answer.json()["code"]) == (410, "credential_key_revoked")
    found = (await client.get(look_up)).json()
    assert (found["status"], found["credential_url"]) == ("valid", None)
    assert issued.public not in (await client.get(f"/verify/{issued.code}")).text


async def test_a_credential_whose_learner_hides_the_name_is_as_absent_as_any(
    client: httpx2.AsyncClient, learner: Person, issued: Issued
) -> None:
    assert (await learner.call("PATCH", "/v1/me", {"shows_name": False})).status_code == 200
    hidden, unknown = [await client.get(f"/v1/credentials/{code}") for code in (issued.code, verification_code())]
    malformed = await client.get("/v1/credentials/..%2Fx")
    for answer in (hidden, unknown, malformed):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await learner.get(issued.own)).status_code == 200


async def test_codes_cannot_be_tried_out_here_after_the_look_ups_are_used_up(app: FastAPI) -> None:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False, client=(new_id("client"), 1))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        for address in ("certificates", "credentials") * 15:
            assert (await client.get(f"/v1/{address}/{verification_code()}")).status_code == 404
        assert (await client.get(f"/v1/credentials/{verification_code()}")).status_code == 429


async def test_the_issuers_keys_are_published_without_the_revoked_ones(
    client: httpx2.AsyncClient, issued: Issued, engine: Engine
) -> None:
    change(
        engine,
        "INSERT INTO signing_keys (id, purpose, algorithm, public_key, retired_at, revoked_at) VALUES "
        "(:old, 'credential', 'Ed25519', :one, now(), NULL), (:stolen, 'credential', 'Ed25519', :two, NULL, now())",
        old=(old := new_id("old")), one=secrets.token_bytes(32), stolen=new_id("stolen"), two=secrets.token_bytes(32),
    )  # fmt: skip
    answer = await client.get("/.well-known/did.json")
    document = answer.json()
    names = [method["id"].partition("#")[2] for method in document["verificationMethod"]]
    assert old in names
    assert not any(name.startswith(("stolen", "audit")) for name in names)
    assert document["assertionMethod"] == [method["id"] for method in document["verificationMethod"]]
    assert (await client.get("/did.json")).content == answer.content
    assert answer.headers["access-control-allow-origin"] == "*"
    await verify(client, issued)


async def test_a_status_list_comes_as_a_token_unless_json_is_named(client: httpx2.AsyncClient, issued: Issued) -> None:
    assert issued.code
    token, named = [
        await client.get("/v1/status-lists/1", headers={"Accept": accept})
        for accept in ("*/*", "application/vc, text/html;q=0.5")
    ]
    assert token.headers["content-type"] == "application/vc+jwt"
    assert named.headers["content-type"] == "application/vc"
    assert named.json()["proof"]["cryptosuite"] == "eddsa-rdfc-2022"
    assert (await client.get("/v1/status-lists/999999")).status_code == 404
    for malformed in ("0", "-1", "x", "99999999999999999999"):
        assert (await client.get(f"/v1/status-lists/{malformed}")).status_code == 422
