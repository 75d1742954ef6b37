"""Signed PDFs: still archival and accessible, and broken by a single changed byte."""

import re
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pikepdf
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import NameOID
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.status import PdfSignatureStatus
from pyhanko_certvalidator import ValidationContext

from documents.certificate import render_certificate
from documents.jobs import CertificateJob
from documents.models import CertificateData
from documents.signature import PdfSigner, SignatureUnavailableError, sign_pdf

PASSWORD = b"correct horse"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``office.p12``, its ``password`` and the certificate ``office.pem``."""
    folder = tmp_path_factory.mktemp("office")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Northfield Medical Center")])
    now = datetime.now(UTC)
    others = ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
    refused = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
    usage = x509.KeyUsage(digital_signature=True, content_commitment=True, **refused)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    encryption = BestAvailableEncryption(PASSWORD)
    (folder / "office.p12").write_bytes(pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, encryption))
    (folder / "office.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "password").write_bytes(PASSWORD + b"\n")
    return folder


@pytest.fixture(scope="module")
def unsigned(certificate: CertificateData) -> bytes:
    return render_certificate(CertificateJob(data=certificate, credential=b'{"signed": "before"}'))


@pytest.fixture(scope="module")
def signed(unsigned: bytes, office: Path) -> bytes:
    return sign_pdf(unsigned, PdfSigner(office / "office.p12", office / "password"))


async def status_of(pdf: bytes, office: Path) -> PdfSignatureStatus:
    reader = PdfFileReader(BytesIO(pdf))
    root = load_cert_from_pemder(str(office / "office.pem"))  # type: ignore[no-untyped-call]  # pyHanko leaves it out
    trusted = ValidationContext(trust_roots=[root])
    return await async_validate_pdf_signature(reader.embedded_signatures[0], trusted)


async def test_the_signature_is_valid_and_certifies_the_whole_file(signed: bytes, office: Path) -> None:
    status = await status_of(signed, office)
    assert status.bottom_line
    assert (status.intact, status.valid, status.trusted) == (True, True, True)
    assert PdfFileReader(BytesIO(signed)).embedded_signatures[0].sig_object["/SubFilter"] == "/ETSI.CAdES.detached"


async def test_a_changed_byte_is_noticed(signed: bytes, unsigned: bytes, office: Path) -> None:
    for place in (len(unsigned) // 3, len(unsigned) // 2):
        changed = bytearray(signed)
        changed[place] ^= 1
        assert not (await status_of(bytes(changed), office)).intact


def test_nothing_of_what_was_rendered_is_rewritten(signed: bytes, unsigned: bytes) -> None:
    assert signed.startswith(unsigned)
    with pikepdf.open(BytesIO(signed)) as document:
        assert document.attachments["credential.json"].get_file().read_bytes() == b'{"signed": "before"}'


def test_a_signed_certificate_still_says_that_it_is_archival_and_accessible(signed: bytes) -> None:
    with pikepdf.open(BytesIO(signed)) as document:
        metadata = document.Root.Metadata.read_bytes().decode()
        assert document.Root.MarkInfo.Marked
        assert document.Root.Lang == "en"
    for identifier, value in (("pdfaid:part", "3"), ("pdfaid:conformance", "A"), ("pdfuaid:part", "1")):
        assert re.search(rf'{identifier}(?:>|="){value}', metadata), identifier


def test_without_a_signer_a_pdf_stays_as_it_is(unsigned: bytes) -> None:
    assert sign_pdf(unsigned, None) == unsigned


def test_a_wrong_password_and_a_missing_file_are_told_to_the_operator(office: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong")
    with pytest.raises(SignatureUnavailableError, match="password is another one"):
        PdfSigner(office / "office.p12", tmp_path / "password")
    with pytest.raises(SignatureUnavailableError, match="No such file"):
        PdfSigner(tmp_path / "absent.p12")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, office: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyhanko.sign.signers", None)
    with pytest.raises(SignatureUnavailableError, match=r"\[sign\]"):
        PdfSigner(office / "office.p12", office / "password")
