"""Issuing certificates: render once, store the bytes under their hash, serve them unchanged for ever (R-PDF-1)."""

import hashlib
from collections.abc import Callable

from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.claims import PostgresClaimActivities
from activities.contract import CertificateActivities, ClaimRef
from documents.certificate import missing_glyphs
from documents.models import CertificateData
from storage import awards

Render = Callable[[CertificateData], bytes]


class PostgresCertificateActivities(CertificateActivities):
    """Renders with the injected function; nothing is rendered for a certificate that has its bytes."""

    def __init__(self, engine: Engine, claims: PostgresClaimActivities, render: Render) -> None:
        self._engine = engine
        self._claims = claims
        self._render = render

    @activity.defn(name="certificate.issue")
    def issue_certificate(self, claim: ClaimRef) -> None:
        """See ``CertificateActivities``. A character that no bundled font has ends it at once: retrying can't help."""
        with self._engine.connect() as connection:
            certificate = awards.current_certificate(connection, claim.claim_id)
        if certificate is None:
            raise ApplicationError("CertificateNotReserved", type="CertificateNotReserved", non_retryable=True)
        if certificate["state"] == "issued":
            return
        content = self._content(certificate["data"])
        sha256 = hashlib.sha256(content).digest()
        with self._claims.ledger(claim.claim_id) as ledger:
            if awards.issue_certificate(ledger.connection, certificate["id"], sha256, content):
                ledger.certificate_issued(certificate["id"], sha256)
            ledger.close()

    def _content(self, stored: dict[str, object]) -> bytes:
        data = CertificateData.from_json(stored)
        if missing_glyphs(data.printed_text):
            raise ApplicationError("GlyphsMissing", type="GlyphsMissing", non_retryable=True)
        return self._render(data)
