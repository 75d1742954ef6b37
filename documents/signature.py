"""Signing PDFs for people who check signatures in their reader (PAdES); an option that needs the extra ``sign``.

Whoever changes a signed certificate breaks the signature. Certificates hold without: their codes and hashes say so.
"""

import asyncio
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyhanko.sign.signers import SimpleSigner

_FIELD: Final = "Laurel"


class SignatureUnavailableError(Exception):
    """PDFs cannot be signed as the settings ask; the message says why, for an operator."""


class PdfSigner:
    """Signs with one key and certificate, which a PKCS#12 file holds."""

    def __init__(self, pkcs12: Path, password_file: Path | None = None) -> None:
        """Read the file. Raises ``SignatureUnavailableError`` when the extra is missing or the file cannot be read."""
        self._signer = _load(pkcs12, password_file)

    def sign(self, pdf: bytes) -> bytes:
        """Return the PDF with a certifying signature that allows no change, appended to its bytes (R-PDF-3).

        It names the time of signing, so each call gives other bytes: sign once, and keep what comes out.
        """
        from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter  # noqa: PLC0415 - an extra
        from pyhanko.sign import fields, signers  # noqa: PLC0415

        metadata = signers.PdfSignatureMetadata(
            field_name=_FIELD,
            subfilter=fields.SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=fields.MDPPerm.NO_CHANGES,
        )
        field = fields.SigFieldSpec(_FIELD, readable_field_name="Signature of the provider")
        signer = signers.PdfSigner(metadata, signer=self._signer, new_field_spec=field)
        out = BytesIO()
        asyncio.run(signer.async_sign_pdf(IncrementalPdfFileWriter(BytesIO(pdf)), output=out))
        return out.getvalue()


def sign_pdf(pdf: bytes, signer: PdfSigner | None) -> bytes:
    """Return the PDF signed, or as it is where no signer is configured."""
    return pdf if signer is None else signer.sign(pdf)


def _load(pkcs12: Path, password_file: Path | None) -> "SimpleSigner":
    try:
        from pyhanko.sign.signers import SimpleSigner  # noqa: PLC0415
    except ImportError as error:
        raise SignatureUnavailableError("signing PDFs needs the extra: pip install --editable '.[sign]'") from error
    try:
        content = pkcs12.read_bytes()
        password = password_file.read_bytes().strip() if password_file else None
        signer: SimpleSigner = SimpleSigner.load_pkcs12_data(content, other_certs=[], passphrase=password)
    except OSError as error:
        raise SignatureUnavailableError(f"{error.filename} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SignatureUnavailableError(
            f"{pkcs12} is no PKCS#12 file with a key, or the password is another one"
        ) from error
    return signer
