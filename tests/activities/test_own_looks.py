"""A certificate in a provider's own looks: template, logo and signature as they were when it was reserved."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pikepdf
import pypdf
import pytest
from PIL import Image
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from activities.certificates import PostgresCertificateActivities
from activities.contract import ClaimRef
from documents.certificate import render_certificate
from documents.images import clean_image
from documents.jobs import CertificateJob
from documents.models import TEMPLATE_VERSION, CertificateData
from domain.claims import Stage
from domain.identities import new_id
from domain.policy import Provider, Signatory
from storage import certificate_templates as templates
from storage import images
from storage.acts import Actor
from storage.catalog import provider_slug
from storage.certificate_templates import NewTemplate, Source
from storage.images import NewImage
from tests.activities.test_ledger_twice import brought_to, step
from tests.claims import TestClaim, example_policy
from worker import Activities

NewClaim = Callable[..., TestClaim]
EXAMPLE = Path(__file__).parents[2] / "examples" / "templates" / "great-lakes"
HTML = EXAMPLE.with_suffix(".html").read_text(encoding="utf-8")
CSS = EXAMPLE.with_suffix(".css").read_text(encoding="utf-8")
STAFF = Actor("acc_staff")


class InThisProcess:
    """Renders where the test runs."""

    def render(self, job: CertificateJob) -> bytes:
        return render_certificate(job)


@pytest.fixture
def issuing(engine: Engine, activities: Activities) -> PostgresCertificateActivities:
    return PostgresCertificateActivities(engine, activities.claims, InThisProcess(), activities.credentials)


@pytest.fixture
def pictures(engine: Engine) -> dict[str, str]:
    """The names of a logo and a signature of this test's own."""
    names = {kind: new_id(kind).replace("_", "-").lower() for kind in ("logo", "signature")}
    with engine.begin() as connection:
        for shade, name in enumerate(names.values()):
            images.add(connection, picture(name, shade), STAFF)
    return names


def picture(name: str, shade: int) -> NewImage:
    content = BytesIO()
    Image.new("RGB", (240, 80), (shade, 80, 120)).save(content, "PNG")
    clean = clean_image(content.getvalue())
    return NewImage(name, clean.content, clean.media_type, clean.width, clean.height)


def own_provider(pictures: dict[str, str]) -> Provider:
    return replace(example_policy().provider, name=f"Academy {new_id('prv')}", logo=pictures["logo"])


def claimed(new_claim: NewClaim, activities: Activities, pictures: dict[str, str]) -> TestClaim:
    """A claim that is ready to be claimed, of a provider of its own whose policy names the pictures."""
    signatory = Signatory(name="Margaret Osei, MD", title="Associate Dean", signature=pictures["signature"])
    claim = new_claim(provider=own_provider(pictures), signatories=(signatory,))
    return brought_to(claim, activities, Stage.READY_TO_CLAIM)


def awarded(claim: TestClaim, activities: Activities) -> CertificateData:
    claim.receive(claim.credit())
    activities.claims.decide_submissions(step(claim))
    return reserved(claim)


def reserved(claim: TestClaim) -> CertificateData:
    query = text("SELECT c.data, c.template_version FROM certificates c JOIN awards a ON a.id = c.award_id "
                 "WHERE a.claim_id = :id AND c.state IN ('reserved', 'issued')")  # fmt: skip
    with claim.engine.connect() as connection:
        row = connection.execute(query, {"id": claim.claim_id}).one()
    data = CertificateData.from_json(row.data)
    assert row.template_version == data.template_version
    return data


def issued(claim: TestClaim) -> bytes:
    query = text("SELECT d.content FROM documents d JOIN certificates c ON c.sha256 = d.sha256 "
                 "JOIN awards a ON a.id = c.award_id WHERE a.claim_id = :id")  # fmt: skip
    with claim.engine.connect() as connection:
        return bytes(connection.execute(query, {"id": claim.claim_id}).scalar_one())


def publish(claim: TestClaim, css: str = CSS) -> str:
    name, provider = new_id("t").replace("_", "-").lower(), provider_slug(claim.policy.provider.name)
    new = NewTemplate(name=name, provider=provider, credit_type=None, source=Source(HTML, css))
    with claim.engine.begin() as connection:
        return templates.publish(connection, new, STAFF)[0].reference


def test_a_certificate_has_the_template_logo_and_signature_of_the_day_it_was_reserved(
    new_claim: NewClaim, activities: Activities, issuing: PostgresCertificateActivities, pictures: dict[str, str]
) -> None:
    claim = claimed(new_claim, activities, pictures)
    reference = publish(claim)
    data = awarded(claim, activities)
    assert data.template_version == reference
    assert data.provider.logo is not None
    assert data.signatories[0].signature is not None
    hashes = {kind: picture(name, shade).sha256.hex() for shade, (kind, name) in enumerate(pictures.items())}
    assert (data.provider.logo.sha256, data.provider.logo.width) == (hashes["logo"], 240)
    assert data.signatories[0].signature.sha256 == hashes["signature"]

    # What staff do after it was reserved is for later certificates.
    with claim.engine.begin() as connection:
        images.add(connection, picture(pictures["logo"], 99), STAFF)
    publish(claim, f"{CSS}h1 {{ display: none }}")
    issuing.issue_certificate(ClaimRef(claim.claim_id))
    pdf = issued(claim)
    with pikepdf.open(BytesIO(pdf)) as document:
        sizes = sorted((int(each.Width), int(each.Height)) for each in document.pages[0].get_images().values())
        assert sizes == [(240, 80), (240, 80)]
        assert "credential.json" in document.attachments
    words = " ".join(pypdf.PdfReader(BytesIO(pdf)).pages[0].extract_text().split())
    assert "CERTIFICATE OF" in words
    assert data.verification_code in words
    assert claim.events().count("certificate.issued") == 1


def test_a_template_whose_page_cannot_be_read_parks_the_claim_and_the_award_stands(
    new_claim: NewClaim, activities: Activities, issuing: PostgresCertificateActivities, pictures: dict[str, str]
) -> None:
    claim = claimed(new_claim, activities, pictures)
    publish(claim, f"{CSS}.learner {{ display: none }}")
    awarded(claim, activities)
    with pytest.raises(ApplicationError) as raised:
        issuing.issue_certificate(ClaimRef(claim.claim_id))
    assert (raised.value.type, raised.value.non_retryable) == ("LearnerNotShown", True)
    assert claim.count("awards") == 1
    assert claim.count("documents") == 0


def test_without_a_template_the_built_in_one_is_used(
    new_claim: NewClaim, activities: Activities, pictures: dict[str, str]
) -> None:
    claim = claimed(new_claim, activities, pictures)
    assert awarded(claim, activities).template_version == TEMPLATE_VERSION
