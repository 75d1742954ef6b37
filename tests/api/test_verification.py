"""Verifying a certificate: by its code, by its file's hash, by strangers who must not learn more than they hold."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, insert, text

from activities.claims import PostgresClaimActivities
from config.settings import Settings
from domain.corrections import RevocationClass
from domain.identities import new_id, verification_code
from storage.acts import Actor
from storage.erasure import erase_contact
from storage.tables import CertificateRow, DocumentRow
from tests.api.conftest import PUBLIC_URL, LedgerTemporal, Person, running, sign_in
from tests.api.test_claim_over_http import awarded, issue


@dataclass
class Issued:
    """A certificate that was issued, with the bytes of its file."""

    claim: dict[str, Any]
    code: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


async def issued(person: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine) -> Issued:
    claim = await awarded(person, slug, ledger)
    content = b"%PDF-1.7 " + secrets.token_bytes(8)
    await asyncio.to_thread(issue, engine, ledger, claim, content)
    return Issued(claim, claim["certificate"]["verification_code"], content)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with an address of its own, because look-ups are counted by address."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False, client=(new_id("client"), 1))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        yield client


@pytest.fixture
async def certificate(learner: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine) -> Issued:
    return await issued(learner, slug, ledger, engine)


def write(engine: Engine, statement: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def replaced(engine: Engine, old: Issued, *, state: str = "issued") -> Issued:
    """A newer version of the certificate, as a corrected name makes it."""
    code, content = verification_code(), b"%PDF-1.7 " + secrets.token_bytes(8)
    sha256 = hashlib.sha256(content).digest()
    ended = "UPDATE certificates SET state = 'superseded', ended_at = '2026-12-02T03:00:00Z'"
    with engine.begin() as connection:
        row = connection.execute(
            text("SELECT * FROM certificates WHERE verification_code = :code"), {"code": old.code}
        ).mappings()
        values = dict(row.one()) | {"id": new_id("crt"), "version": 2, "verification_code": code, "state": state}
        connection.execute(insert(DocumentRow).values(sha256=sha256, media_type="application/pdf", content=content))
        connection.execute(text(f"{ended} WHERE verification_code = :code"), {"code": old.code})
        has_bytes = state != "reserved"
        values |= {"sha256": sha256 if has_bytes else None, "issued_at": datetime.now(UTC) if has_bytes else None}
        connection.execute(insert(CertificateRow).values(**values))
    return Issued(old.claim, code, content)


def revoke(engine: Engine, code: str, why: str | None) -> None:
    write(
        engine,
        "UPDATE certificates SET state = 'revoked', ended_at = '2026-12-04T12:00:00Z', revocation_class = :why "
        "WHERE verification_code = :code",
        code=code,
        why=why,
    )


async def look_up(client: httpx2.AsyncClient, code: str) -> dict[str, Any]:
    response = await client.get(f"/v1/certificates/{code}")
    return dict(response.json())


async def test_anyone_with_the_code_reads_who_what_when_and_by_whom(
    learner: Person, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    claim = await awarded(learner, slug, ledger)
    code = claim["certificate"]["verification_code"]
    early = await learner.client.get(f"/v1/certificates/{code}")
    never = await learner.client.get(f"/v1/certificates/{verification_code()}")
    assert (early.status_code, early.content) == (404, never.content)
    await asyncio.to_thread(issue, engine, ledger, claim, b"%PDF-1.7 " + code.encode())
    found = await look_up(learner.client, code)
    assert (found["status"], found["message"]) == ("valid", "This certificate is valid.")
    assert (found["learner_name"], found["units"], found["version"]) == ("Ada Lovelace", "1.00", 1)
    assert found["ce_activity"] == claim["ce_activity"]["title"]
    assert found["provider"] == claim["ce_activity"]["provider"]
    assert found["completed_on"] == claim["award"]["completed_on"]
    assert found["accreditation_statement"]
    assert "designates" in found["designation_statement"]
    assert (found["superseded_by"], found["ended_on"]) == (None, None)
    assert learner.email not in str(found)
    assert claim["id"] not in str(found)


@pytest.mark.parametrize("typed", [str.lower, lambda code: code.replace("-", " "), lambda code: code.replace("-", "—")])
async def test_a_code_is_found_however_it_is_typed(typed: Any, certificate: Issued, client: httpx2.AsyncClient) -> None:
    look_alikes = certificate.code.replace("0", "O").replace("1", "l")
    assert (await look_up(client, typed(look_alikes)))["status"] == "valid"


async def test_an_answer_is_for_nobody_to_keep_to_list_or_to_refer_from(
    certificate: Issued, client: httpx2.AsyncClient
) -> None:
    for path in (f"/v1/certificates/{certificate.code}", f"/verify/{certificate.code}", "/verify"):
        headers = (await client.get(path)).headers
        # Nothing is kept, so that a revocation is seen as soon as it is committed.
        assert headers["cache-control"] == "no-store"
        assert headers["x-robots-tag"] == "noindex"
        # A page tells its own site where its forms come from, and no other site anything.
        assert headers["referrer-policy"] == ("no-referrer" if path.startswith("/v1/") else "same-origin")
    page = await client.get(f"/verify/{certificate.code}")
    assert '<meta name="robots" content="noindex, nofollow">' in page.text
    robots = await client.get("/robots.txt")
    assert robots.headers["content-type"].startswith("text/plain")
    assert robots.text.splitlines() == ["User-agent: *", "Allow: /verify", "Allow: /transcripts/", "Disallow: /"]


async def test_a_superseded_version_leads_to_the_newest_one_and_says_since_when(
    certificate: Issued, engine: Engine, client: httpx2.AsyncClient
) -> None:
    second = replaced(engine, certificate)
    old, new = await look_up(client, certificate.code), await look_up(client, second.code)
    assert (old["status"], old["superseded_by"], new["status"]) == ("superseded", second.code, "valid")
    # The evening before in Chicago, where the CE activity is.
    assert old["ended_on"] == "2026-12-01"
    page = await client.get(f"/verify/{certificate.code}")
    assert "This certificate was replaced by a newer version." in page.text
    assert f'<a href="/verify/{second.code}">' in page.text
    assert "1 Dec 2026" in page.text


async def test_while_the_newer_version_is_being_made_its_code_is_nobodys_to_see(
    certificate: Issued, engine: Engine, client: httpx2.AsyncClient
) -> None:
    second = replaced(engine, certificate, state="reserved")
    old = await client.get(f"/v1/certificates/{certificate.code}")
    assert (old.json()["status"], old.json()["superseded_by"]) == ("superseded", None)
    assert "being made" in old.json()["message"]
    assert second.code not in old.text
    assert (await look_up(client, second.code))["status"] == "unknown"


@pytest.mark.parametrize("why", [*RevocationClass, None])
async def test_of_a_revoked_certificate_only_that_it_was_is_told_with_day_and_reason(
    why: str | None, certificate: Issued, engine: Engine, client: httpx2.AsyncClient
) -> None:
    second = replaced(engine, certificate)
    revoke(engine, second.code, why)
    newer = await look_up(client, second.code)
    assert newer["message"].startswith("This certificate was revoked: " if why else "This certificate was revoked.")
    assert set(newer) == {"status", "message", "checked_at", "code", "version", "ended_on", "revocation_class"}
    assert (newer["status"], newer["ended_on"], newer["revocation_class"]) == ("revoked", "2026-12-04", why)
    older = await look_up(client, certificate.code)
    # Nobody who scans the older version's code may take it for one that is only out of date.
    told = ("status", "message", "ended_on", "revocation_class")
    assert [older[each] for each in told] == [newer[each] for each in told]
    page = await client.get(f"/verify/{certificate.code}")
    assert "4 Dec 2026" in page.text
    assert "Ada" not in page.text


async def test_a_revocation_that_was_taken_back_leaves_the_revoked_version_superseded(
    certificate: Issued, engine: Engine, client: httpx2.AsyncClient
) -> None:
    second = replaced(engine, certificate)
    revoke(engine, certificate.code, RevocationClass.ISSUED_IN_ERROR)
    old, new = await look_up(client, certificate.code), await look_up(client, second.code)
    assert (old["status"], old["superseded_by"], new["status"]) == ("superseded", second.code, "valid")


async def test_a_name_that_its_learner_hides_is_not_shown(
    certificate: Issued, learner: Person, client: httpx2.AsyncClient
) -> None:
    assert (await learner.get("/v1/me")).json()["shows_name"] is True
    hidden = await learner.call("PATCH", "/v1/me", {"shows_name": False})
    assert (hidden.status_code, hidden.json()["shows_name"]) == (200, False)
    found = await client.get(f"/v1/certificates/{certificate.code}")
    assert (found.json()["status"], found.json()["learner_name"]) == ("valid", None)
    page = await client.get(f"/verify/{certificate.code}")
    assert "The name is not shown here." in page.text
    for answer in (found, page):
        assert "Lovelace" not in answer.text
    await learner.call("PATCH", "/v1/me", {"shows_name": True})
    assert (await look_up(client, certificate.code))["learner_name"] == "Ada Lovelace"


async def test_a_certificate_whose_learner_was_erased_is_verified_without_the_name(
    certificate: Issued, learner: Person, owner_engine: Engine, client: httpx2.AsyncClient
) -> None:
    write(owner_engine, "UPDATE claims SET closed_at = now() WHERE id = :id", id=certificate.claim["id"])
    with owner_engine.begin() as connection:
        erase_contact(connection, learner.learner_id, "Asked for.", Actor("cli:tests"))
    found = await look_up(client, certificate.code)
    assert (found["status"], found["learner_name"], found["units"]) == ("valid", None, "1.00")
    assert "The name is not shown here." in (await client.get(f"/verify/{certificate.code}")).text


async def test_a_certificate_whose_retention_ended_is_verified_by_code_and_hash_without_the_name(
    certificate: Issued, learner: Person, owner_engine: Engine, client: httpx2.AsyncClient
) -> None:
    write(owner_engine, "UPDATE claims SET purged_at = now() WHERE id = :id", id=certificate.claim["id"])
    emptied = "UPDATE documents SET content = '' WHERE sha256 = :sha256"
    write(owner_engine, emptied, sha256=bytes.fromhex(certificate.sha256))
    for path in (certificate.code, f"by-hash/{certificate.sha256}"):
        found = await look_up(client, path)
        assert (found["status"], found["learner_name"], found["credential_url"]) == ("valid", None, None)
    # There is nothing left to download.
    assert (await learner.get(f"{certificate.claim['href']}/certificate")).status_code == 404


async def test_a_signed_credential_is_linked_to_as_long_as_the_name_is_shown(
    certificate: Issued, learner: Person, engine: Engine, client: httpx2.AsyncClient
) -> None:
    assert (await look_up(client, certificate.code))["credential_url"] is None
    signed = """
        WITH list AS (INSERT INTO status_lists (number) SELECT coalesce(max(number), 0) + 1 FROM status_lists
                      RETURNING number)
        INSERT INTO credentials (certificate_id, status_list, status_index, jwt, signed_at)
        SELECT :id, number, 0, 'a.b.c', now() FROM list
    """
    write(engine, signed, id=certificate.claim["certificate"]["id"])
    url = f"{PUBLIC_URL}/v1/credentials/{certificate.code}"
    assert (await look_up(client, certificate.code))["credential_url"] == url
    assert f'href="{url}"' in (await client.get(f"/verify/{certificate.code}")).text
    await learner.call("PATCH", "/v1/me", {"shows_name": False})
    assert (await look_up(client, certificate.code))["credential_url"] is None


async def test_a_file_is_known_by_its_hash_whatever_version_it_is(
    certificate: Issued, engine: Engine, client: httpx2.AsyncClient
) -> None:
    path = "/v1/certificates/by-hash"
    only = (await client.get(f"{path}/{certificate.sha256}")).json()
    assert (only["status"], only["document"], only["code"]) == ("valid", "newest_version", certificate.code)
    second = replaced(engine, certificate)
    old = (await client.get(f"{path}/{certificate.sha256.upper()}")).json()
    assert (old["status"], old["document"], old["superseded_by"]) == ("superseded", "older_version", second.code)
    new = (await client.get(f"{path}/{second.sha256}")).json()
    assert (new["status"], new["document"], new["version"]) == ("valid", "newest_version", 2)
    changed = hashlib.sha256(certificate.content + b"\n").hexdigest()
    unknown = await client.get(f"{path}/{changed}")
    assert unknown.status_code == 404
    assert set(unknown.json()) == {"status", "message"}
    revoke(engine, second.code, RevocationClass.DUPLICATE)
    assert (await client.get(f"{path}/{second.sha256}")).json()["status"] == "revoked"


async def test_a_hash_can_be_pasted_as_any_of_the_commands_writes_it(
    certificate: Issued, client: httpx2.AsyncClient
) -> None:
    sha256 = certificate.sha256
    in_pairs = " ".join(re.findall("..", sha256))
    for written in (sha256, f"{sha256}  certificate.pdf", f"SHA2-256(certificate.pdf)= {sha256}", in_pairs):
        page = await client.get("/verify", params={"sha256": written})
        assert page.status_code == 200
        assert "byte for byte, the certificate as it was issued" in page.text
        assert certificate.code in page.text
    unknown = await client.get("/verify", params={"sha256": "0" * 64})
    assert (unknown.status_code, "no certificate that was issued here" in unknown.text) == (404, True)


async def test_the_page_computes_hashes_by_a_script_of_its_own_and_works_without(
    certificate: Issued, client: httpx2.AsyncClient
) -> None:
    page = await client.get("/verify")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    scripts = re.findall(r"<script[^>]*>", page.text)
    assert '<script src="/static/verify.js" defer>' in scripts
    assert all(re.fullmatch(r'<script src="/static/[a-z./]+\.js" defer>', script) for script in scripts)
    assert (await client.get("/static/verify.js")).status_code == 200
    # The file itself has no name in the form, so that no browser sends it.
    assert '<input id="file" type="file"' in page.text
    assert not re.search(r'<input id="file"[^>]* name=', page.text)
    for command in ("certutil -hashfile", "shasum -a 256", "sha256sum"):
        assert command in page.text


async def test_the_page_shows_a_name_literally(
    database_url: str, client: httpx2.AsyncClient, slug: str, ledger: PostgresClaimActivities, engine: Engine
) -> None:
    name = "<img src=x onerror=alert(1)>"
    person = await sign_in(database_url, client, given_name=name, family_name="{{ 7*7 }}")
    certificate = await issued(person, slug, ledger, engine)
    page = await client.get(f"/verify/{certificate.code}")
    assert "This certificate is valid" in page.text
    assert "&lt;img src=x" in page.text
    assert "<img" not in page.text
    assert "{{ 7*7 }}" in page.text


ODD = ["x", "%00", "é", "0000-0000-0000-000", "0000-0000-0000-00000", "%3Cscript%3E", "'%20OR%201=1", "0" * 10_000]


@pytest.mark.parametrize("odd", ODD)
async def test_what_cannot_be_a_code_is_as_unknown_as_any_other(
    odd: str, settings: Settings, temporal: LedgerTemporal
) -> None:
    async with running(settings, temporal) as (_, client):
        never = await client.get("/v1/certificates/0000-0000-0000-0000")
        answer = await client.get(f"/v1/certificates/{odd}")
        by_hash = await client.get(f"/v1/certificates/by-hash/{odd}")
        page = await client.get(f"/verify/{odd}")
        typed = await client.get(f"/verify?code={odd}")
        pasted = await client.get(f"/verify?sha256={odd}")
    assert (answer.status_code, answer.content) == (404, never.content)
    assert [each.status_code for each in (by_hash, page, typed, pasted)] == [404] * 4
    for each in (page, typed):
        assert "There is no certificate with this code." in each.text
        assert "script&gt;" not in each.text


async def test_more_than_one_part_is_no_code_and_there_is_no_list(client: httpx2.AsyncClient) -> None:
    for path in ("/v1/certificates/A%2FB", "/verify/A%2fB", "/v1/certificates", "/v1/certificates/", "/verify/"):
        assert (await client.get(path)).status_code == 404


async def test_a_typed_code_leads_to_its_address(certificate: Issued, client: httpx2.AsyncClient) -> None:
    typed = await client.get("/verify", params={"code": f" {certificate.code.lower().replace('-', ' ')} "})
    assert (typed.status_code, typed.headers["location"]) == (303, f"/verify/{certificate.code}")


async def test_a_head_request_is_answered_like_a_get(certificate: Issued, client: httpx2.AsyncClient) -> None:
    paths = (
        "/verify",
        f"/verify/{certificate.code}",
        f"/v1/certificates/{certificate.code}",
        f"/v1/certificates/by-hash/{certificate.sha256}",
        f"/v1/certificates/{verification_code()}",
    )
    for path in paths:
        got, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.headers["content-type"]) == (got.status_code, got.headers["content-type"])
    refused = await client.post(f"/verify/{certificate.code}")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_codes_cannot_be_tried_one_after_the_other_whichever_process_answers(
    settings: Settings, temporal: LedgerTemporal
) -> None:
    paths = ("/v1/certificates/0000-0000-0000-0000", "/verify/x", "/v1/certificates/by-hash/x", "/verify?code=x")
    stranger = (new_id("client"), 1)
    answers = []
    async with AsyncExitStack() as stack:
        applications = [(await stack.enter_async_context(running(settings, temporal)))[0] for _ in range(3)]
        for number in range(62):
            transport = httpx2.ASGITransport(applications[number % 3], client=stranger)
            async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
                answers.append(await client.get(paths[number % 4]))
    statuses = [answer.status_code for answer in answers]
    # None of the three saw 30. A minute may end meanwhile, and then another 30 may be asked for.
    assert statuses[:30] == [404] * 30
    assert set(statuses) == {404, 429}
    refused = answers[statuses.index(429)]
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert answers[0].headers["ratelimit-policy"] == '"verification";q=30;w=60'


async def test_what_is_counted_of_a_client_is_forgotten_and_names_no_address(
    settings: Settings, temporal: LedgerTemporal, engine: Engine
) -> None:
    async with running(settings, temporal) as (_, client):
        address = client._transport.client[0]  # type: ignore[attr-defined]
        await client.get("/verify/x")
        hashed = hashlib.sha256(address.encode()).digest()
        old = "INSERT INTO request_counts VALUES (:name, :client, clock_timestamp() - interval '3 hours', 1)"
        write(engine, old, name=new_id("limit"), client=hashed)
    async with running(settings, temporal) as (_, client):
        await client.get("/verify/x")
    with engine.connect() as connection:
        query = text("SELECT name FROM request_counts WHERE client = :client")
        assert connection.execute(query, {"client": hashed}).scalars().all() == ["verification"]


async def test_a_code_that_nobody_issued_stays_in_its_field_to_be_put_right(client: httpx2.AsyncClient) -> None:
    for path in ("/verify/0000-0000-0000-0000", "/verify?code=0000-0000-0000-0000"):
        page = await client.get(path, follow_redirects=True)
        assert 'name="code" value="0000-0000-0000-0000"' in page.text
    for nothing in ({}, {"code": '"><b>'}, {"code": "0" * 65}):
        assert 'name="code" value=""' in (await client.get("/verify", params=nothing)).text
