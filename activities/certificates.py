"""Issuing certificates: render once, store the bytes under their hash, serve them unchanged for ever (R-PDF-1)."""

import hashlib
import time
from typing import Final

from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.claims import PostgresClaimActivities
from activities.contract import CertificateActivities, ClaimRef, issuance_paused
from activities.credentials import CredentialSigner
from config.crash_points import crash_point
from config.metrics import RENDERS
from documents.jobs import CertificateJob, Renderer, RenderFailedError, TemplateSource
from documents.lint import faults
from documents.models import CertificateData
from documents.signature import PdfSigner, sign_pdf
from domain import credit
from storage import awards, issuance
from storage.certificate_templates import source_of
from storage.images import contents

# A render that ran out of time or memory is tried so often, in case the machine was busy; then a person looks.
_MOST_TRIES: Final = 3


class PostgresCertificateActivities(CertificateActivities):
    """Has the credential signed, then gives a job to the renderer, unless the certificate has its bytes.

    With a ``signer``, the PDF itself is signed as well, last of all (R-PDF-3).
    """

    def __init__(
        self,
        engine: Engine,
        claims: PostgresClaimActivities,
        renderer: Renderer,
        credentials: CredentialSigner,
        signer: PdfSigner | None = None,
    ) -> None:
        self._engine = engine
        self._claims = claims
        self._renderer = renderer
        self._credentials = credentials
        self._signer = signer

    @activity.defn(name="certificate.issue")
    def issue_certificate(self, claim: ClaimRef) -> None:
        """See ``CertificateActivities``.

        What the lint finds, and what retrying can't help, ends it at once, and the claim is parked. Of an award that
        counts no more beside another one of the same credit, no certificate is issued.
        """
        with self._engine.connect() as connection:
            certificate = awards.current_certificate(connection, claim.claim_id)
            is_paused = issuance.is_paused(connection, claim.claim_id)
            is_merged = certificate is None and awards.merged_award(connection, claim.claim_id) is not None
        if is_merged:
            return
        if certificate is None:
            raise _final("CertificateNotReserved")
        if certificate["state"] == "issued":
            return
        if is_paused:
            raise issuance_paused()
        crash_point("certificate.begun")
        data = CertificateData.from_json(certificate["data"])
        if found := faults(data, credit.rule(certificate["credit_type"], certificate["rule_version"])):
            raise _final(found[0])
        credential = self._credentials.signed(certificate["id"])
        content = sign_pdf(self._rendered(self._job(data, credential.content)), self._signer)
        sha256 = hashlib.sha256(content).digest()
        crash_point("certificate.rendered")
        token = hashlib.sha256(credential.jwt.encode()).digest()
        with self._claims.ledger(claim.claim_id) as ledger:
            if ledger.claim.is_issuance_paused:
                raise issuance_paused()
            if awards.issue_certificate(ledger.connection, certificate["id"], sha256, content):
                evidence = {"certificate": sha256, "credential": credential.sha256, "credential_token": token}
                ledger.certificate_issued(certificate["id"], evidence)
            ledger.close()

    def _job(self, data: CertificateData, credential: bytes) -> CertificateJob:
        """All that the certificate needs, pinned by name and hash when it was reserved."""
        with self._engine.connect() as connection:
            images = contents(connection, (image.sha256 for image in data.images))
            source = source_of(connection, data.template_version)
        template = source and TemplateSource(reference=data.template_version, html=source.html, css=source.css)
        return CertificateJob(data=data, template=template, images=images, credential=credential)

    def _rendered(self, job: CertificateJob) -> bytes:
        started = time.perf_counter()
        try:
            pdf = self._renderer.render(job)
        except RenderFailedError as error:
            RENDERS.labels("final" if error.is_final else "failed").observe(time.perf_counter() - started)
            is_last_try = activity.in_activity() and activity.info().attempt >= _MOST_TRIES
            if error.is_final or is_last_try:
                raise _final(error.code) from None
            raise ApplicationError(error.code, type=error.code) from None
        RENDERS.labels("rendered").observe(time.perf_counter() - started)
        return pdf


def _final(code: str) -> ApplicationError:
    """What cannot get better by trying again; ``code`` says it in Temporal and in the claim's history."""
    return ApplicationError(code, type=code, non_retryable=True)
