"""Certificate, ledger, public page and credential agree on every field: checked for whatever a database holds."""

import asyncio
import json
import re
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import unescape
from io import BytesIO
from typing import Any
from unicodedata import normalize

import httpx2
import pikepdf
import pypdfium2
import zxingcpp
from sqlalchemy import text

from api.app import create_app
from api.formats import day
from config.settings import Settings
from documents.models import CertificateData
from documents.wording import day_words, unit_words
from storage.database import create_sync_engine

# A certificate that a test's own renderer made up is not one.
_LEAST_BYTES = 5_000
# To look for every other kind of code as well would take eight times as long.
_QR_CODES = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
_CERTIFICATES = text(
    """
    SELECT t.id, t.state, t.version, t.verification_code, t.data, d.content, a.units, a.completed_on, a.state AS award,
           c.jwt, s.content AS credential,
           (SELECT sum(l.units) FROM award_lines l WHERE l.award_id = a.id) AS line_units,
           (SELECT n.state FROM certificates n JOIN awards m ON m.id = n.award_id
             WHERE m.claim_id = a.claim_id AND n.issued_at IS NOT NULL ORDER BY n.version DESC LIMIT 1) AS newest_state
    FROM certificates t JOIN awards a ON a.id = t.award_id JOIN documents d ON d.sha256 = t.sha256
    LEFT JOIN credentials c ON c.certificate_id = t.id LEFT JOIN documents s ON s.sha256 = c.sha256
    WHERE length(d.content) > :least ORDER BY t.id
    """
)

Get = Callable[[str, str], Awaitable[httpx2.Response]]


@dataclass(frozen=True)
class Disagreement:
    """One representation that says something else than the record."""

    certificate_id: str
    where: str
    what: str


def check_every_certificate(database_url: str, public_url: str = "https://laurel.example") -> int:
    """Raise ``AssertionError`` if any two representations of any certificate disagree; answers with their number."""
    rows = every_certificate(database_url)
    found = asyncio.run(disagreements(rows, Settings(database_url=database_url, public_url=public_url)))
    assert found == [], found[:10]
    return len(rows)


def every_certificate(database_url: str) -> list[dict[str, Any]]:
    """Return what the record holds of each certificate whose PDF is real and was not purged."""
    engine = create_sync_engine(database_url, pool_size=1)
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(_CERTIFICATES, {"least": _LEAST_BYTES}).mappings()]
    finally:
        engine.dispose()


async def disagreements(rows: Sequence[Mapping[str, Any]], settings: Settings) -> list[Disagreement]:
    """Compare what the record says of each certificate with its PDF and its credential, and with what is published."""
    app = create_app(settings, _no_temporal)
    async with app.router.lifespan_context(app):

        async def get(path: str, client: str) -> httpx2.Response:
            # Every certificate is looked up from another address, because look-ups are limited for each.
            transport = httpx2.ASGITransport(app, client=(client, 1), raise_app_exceptions=False)
            async with httpx2.AsyncClient(transport=transport, base_url=settings.public_url) as browser:
                return await browser.get(path)

        return [
            Disagreement(row["id"], where, what)
            for number, row in enumerate(rows)
            for where, what in [
                *_offline(row),
                *[each async for each in _online(row, get, f"10.0.{number // 250}.{number % 250 + 1}")],
            ]
        ]


async def _no_temporal() -> Any:
    """Nothing that is asked here asks Temporal."""


def _offline(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    data = CertificateData.from_json(row["data"])
    yield from _ledger_faults(row, data)
    yield from _pdf_faults(row, data)


def _ledger_faults(row: Mapping[str, Any], data: CertificateData) -> Iterator[tuple[str, str]]:
    units = data.credit.awarded_units
    facts = {
        "units": (row["units"], units),
        "lines": (row["line_units"], units),
        "sessions": (sum((line.units for line in data.sessions), Decimal()) or units, units),
        "completed": (row["completed_on"], data.completed_on),
        "code": (row["verification_code"], data.verification_code),
        "id": (row["id"], data.certificate_id),
        "version": (row["version"], data.version),
    }
    yield from (("ledger", name) for name, (stored, printed) in facts.items() if stored != printed)


def _pdf_faults(row: Mapping[str, Any], data: CertificateData) -> Iterator[tuple[str, str]]:
    content = bytes(row["content"])
    document = pypdfium2.PdfDocument(content)
    try:
        words = "".join(page.get_textpage().get_text_range() for page in document)
        picture = document[0].render(scale=3, grayscale=True).to_pil()
    finally:
        document.close()
    expected = {
        "learner": data.learner,
        "title": data.ce_activity_title,
        "provider": data.provider.name,
        "units": unit_words(data.credit.awarded_units),
        "credit": data.credit.name if data.kind == "credit" else "",
        "completed": day_words(data.completed_on),
        "code": data.verification_code,
        "address": data.verification_url.partition("://")[2],
        "certificate": data.certificate_id,
        **{f"identifier {one.label}": one.value for one in data.identifiers},
        **{f"session {number}": one.title for number, one in enumerate(data.sessions)},
    }
    yield from (("pdf", name) for name, words_of_it in expected.items() if not _says(words, words_of_it))
    decoded = [found.text for found in zxingcpp.read_barcodes(picture, formats=_QR_CODES)]
    if decoded != [data.verification_url]:
        yield "qr", str(decoded)
    with pikepdf.open(BytesIO(content)) as pdf:
        attached = {name: file.get_file().read_bytes() for name, file in pdf.attachments.items()}
    yield from _credential_faults(row, data, attached)


def _credential_faults(
    row: Mapping[str, Any], data: CertificateData, attached: Mapping[str, bytes]
) -> Iterator[tuple[str, str]]:
    if row["credential"] is None:
        yield "credential", "missing"
        return
    if attached.get("credential.json") != bytes(row["credential"]):
        yield "credential", "the attached one is not the stored one"
    credential = json.loads(row["credential"])
    subject = credential["credentialSubject"]
    page = credential["evidence"][0]
    said = {
        "learner": (subject["identifier"][0]["identityHash"], data.learner),
        "title": (subject["achievement"]["name"], data.ce_activity_title),
        "provider": (credential["issuer"]["name"], data.provider.name),
        "units": (Decimal(str(subject["creditsEarned"])), data.credit.awarded_units),
        "result": (subject["result"][0]["value"], str(data.credit.awarded_units)),
        "completed": (subject["narrative"].rpartition(" ")[2], f"{data.completed_on}."),
        "address": (page["id"], data.verification_url),
        "sessions": ([each["name"] for each in credential["evidence"][1:]], [each.title for each in data.sessions]),
    }
    yield from (("credential", name) for name, (signed, printed) in said.items() if signed != printed)
    for words in (data.verification_code, data.certificate_id, f"version {data.version}", data.issued_on.isoformat()):
        if words not in page["narrative"]:
            yield "credential", words
    if {**_claims_of(row["jwt"]), "proof": 0} != {**_claims_of(row["jwt"]), **credential, "proof": 0}:
        yield "token", "says something else than the credential"


def _claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


async def _online(row: Mapping[str, Any], get: Get, client: str) -> Any:
    data, code = CertificateData.from_json(row["data"]), row["verification_code"]
    answer = (await get(f"/v1/certificates/{code}", client)).json()
    page = unescape(re.sub(r"<[^>]+>", " ", (await get(f"/verify/{code}", client)).text))
    # A revocation ends every version, and one that was taken back leaves the revoked version superseded.
    status = "valid" if (row["state"], row["award"]) == ("issued", "active") else "superseded"
    status = "revoked" if row["newest_state"] == "revoked" else status
    if answer["status"] != status:
        yield "api", f"status {answer['status']} of a certificate that is {row['state']}"
        return
    if status == "revoked":
        return
    said = {
        "ce_activity": data.ce_activity_title,
        "provider": data.provider.name,
        "units": str(data.credit.awarded_units),
        "completed_on": data.completed_on.isoformat(),
        "issued_on": data.issued_on.isoformat(),
        "version": data.version,
    }
    for name, value in said.items():
        if answer[name] != value:
            yield "api", name
    if answer["learner_name"] not in (data.learner_name, None):
        yield "api", "learner_name"
    for name, words in {
        "title": data.ce_activity_title,
        "provider": data.provider.name,
        "units": unit_words(data.credit.awarded_units),
        "completed": day(data.completed_on),
        "learner": answer["learner_name"] or "",
    }.items():
        if not _says(page, words):
            yield "page", name


def _says(words: str, expected: str) -> bool:
    """Whether a text holds another, wherever lines break; scripts that are joined or run backwards by their letters."""
    said, wanted = _compact(words), _compact(expected)
    if wanted in said:
        return True
    letters = Counter(letter for letter in wanted if ord(letter) > 0x52F)
    return bool(letters) and not letters - Counter(said)


def _compact(words: str) -> str:
    return re.sub(r"[\s\u00ad\u200b\u2060\ufffe\u0002]", "", normalize("NFKC", words)).casefold()
