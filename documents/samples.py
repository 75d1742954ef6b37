"""Certificates that nobody holds, with which staff look at templates: an ordinary one, and everything that is not."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from io import BytesIO
from typing import Final

from PIL import Image as Canvas
from PIL import ImageDraw

from documents.jobs import CertificateJob, TemplateSource
from documents.models import (
    CertificateData,
    CertificateKind,
    CreditDetails,
    Identifier,
    Image,
    Paper,
    ProviderDetails,
    SessionLine,
    Signatory,
)


class Sample(StrEnum):
    """What is unusual about the data."""

    ORDINARY = "ordinary"
    LONG = "long"
    SCRIPTS = "scripts"
    HOSTILE = "hostile"
    PARTICIPATION = "participation"
    SESSIONS = "sessions"


_STATEMENT: Final = (
    "Northfield Medical Center is accredited by the Accreditation Council for Continuing Medical Education (ACCME) "
    "to provide continuing medical education for physicians."
)
_DESIGNATION: Final = (
    "Northfield Medical Center designates this live activity for a maximum of 1.50 AMA PRA Category 1 Credit(s)™. "
    "Physicians should claim only the credit commensurate with the extent of their participation in the activity."
)
_CREDIT: Final = CreditDetails(
    name="AMA PRA Category 1 Credit(s)",
    awarded_units=Decimal("1.25"),
    unit_name="credit",
    is_italic=True,
    has_trademark=True,
)
_DAY: Final = date(2026, 5, 3)
_LOGO_SIZE: Final = (480, 160)
_SIGNATURE_SIZE: Final = (480, 140)


def sample_job(sample: Sample, paper: Paper, template: TemplateSource | None = None) -> CertificateJob:
    """A certificate to render with a template, or with the built-in one; a logo and a signature are drawn for it."""
    logo, signature = _picture(_LOGO_SIZE, _draw_logo), _picture(_SIGNATURE_SIZE, _draw_signature)
    ordinary = _ordinary(_image(logo, _LOGO_SIZE), _image(signature, _SIGNATURE_SIZE))
    return CertificateJob(
        data=replace(_SAMPLES[sample](ordinary), paper=paper),
        template=template,
        images={sha256(each).hexdigest(): each for each in (logo, signature)},
    )


def _ordinary(logo: Image, signature: Image) -> CertificateData:
    return CertificateData(
        certificate_id="crt_sample0000",
        version=1,
        verification_code="SAMP-LE00-0000-00",
        verification_url="https://laurel.example/verify/SAMP-LE00-0000-00",
        kind=CertificateKind.CREDIT,
        learner_name="Alice Moreau",
        learner_credentials="MD",
        provider=ProviderDetails(
            name="Northfield Medical Center",
            address="1200 West Harrison Street, Chicago, Illinois",
            website="https://northfield.example",
            acronym="CME",
            logo=logo,
        ),
        ce_activity_title="Recognizing Sepsis in the First Hour",
        learning_format="live activity",
        location="Chicago, Illinois",
        starts_on=_DAY,
        ends_on=_DAY + timedelta(days=1),
        completed_on=_DAY + timedelta(days=1),
        credit=_CREDIT,
        accreditation_statement=_STATEMENT,
        designation_statement=_DESIGNATION,
        identifiers=(Identifier(label="Activity", value="485327"),),
        signatories=(
            Signatory(name="Margaret Osei, MD", title="Associate Dean", signature=signature),
            Signatory(name="Daniel Ruiz", title="Director of Continuing Education"),
        ),
        issued_on=_DAY + timedelta(days=2),
    )


def _long(data: CertificateData) -> CertificateData:
    """The longest that people may write (``domain.names``, ``domain.policy_checks``), or nearly."""
    name = "Wolfeschlegelsteinhausenbergerdorff Maria Theresia Adelheid von und zu Hohenstaufen-Wittelsbach "
    return replace(
        data,
        learner_name=(name * 3)[:200].strip(),
        learner_credentials="MD, PhD, MPH, FACP, FIDSA, FSHEA, CIC, MBA, MSc",
        provider=replace(
            data.provider,
            name="Northfield Medical Center and Affiliated Teaching Hospitals of the Greater Metropolitan Region, "
            "Department of Interprofessional Continuing Education",
            address="Office of Interprofessional Continuing Education, 1200 West Harrison Street, Suite 1100, "
            "Chicago, Illinois 60607, United States of America",
        ),
        ce_activity_title=(
            "Multidisciplinary Approaches to the Early Recognition, Diagnosis, and Management of Sepsis and Septic "
            "Shock in Community Hospitals, Critical Access Hospitals, and Long-Term Care: Evidence, Implementation, "
            "and the Measurement of What Matters to Patients, Families, and the Teams Who Care for Them Every Day"
        ),
        location="Donald E. Stephens Convention Center, Rosemont, Illinois, United States of America",
        accreditation_statement=" ".join([data.accreditation_statement] * 3),
        designation_statement=" ".join([data.designation_statement] * 3),
        identifiers=(
            Identifier(label="UAN (pharmacists)", value="0123-0000-26-045-L01-P"),
            Identifier(label="UAN (pharmacy technicians)", value="0123-0000-26-045-L01-T"),
            Identifier(label="California BRN provider number", value="CEP12345"),
            Identifier(label="RN license", value="RN1234567"),
        ),
        signatories=(*data.signatories, Signatory(name="Ekaterina Konstantinopolskaya-Petrova", title="Chair")),
    )


def _scripts(data: CertificateData) -> CertificateData:
    return replace(
        data,
        learner_name="Đặng Thị Ngọc Hân Αλεξάνδρα Щербакова محمد أحمد 山田 太郎 김민준",
        ce_activity_title="Antibiotics in Łódź, Çeşme, Þórshöfn and Ørsta: Ελληνικά, Українська, العربية, 日本語, 中文",
        location="São Paulo · Kraków · Αθήνα · Київ",
    )


def _hostile(data: CertificateData) -> CertificateData:
    """What a name may hold that is something else elsewhere: markup, style, templates, marks, 200 characters."""
    return replace(
        data,
        learner_name="<script>alert(1)</script> {{ 7*7 }}{% raw %} </p></body> &amp;",
        learner_credentials='"><img src=x onerror=alert(1)> \u202eDM\u202c',
        provider=replace(
            data.provider, name="</title><style>*{display:none}</style> red} body{background:url(//x.example)}"
        ),
        ce_activity_title="W" * 200,
        location="'; DROP TABLE claims; -- ${7*7} #{7*7} <!-- ]]> --> \u200f\u200e",
        accreditation_statement="@import url(//x.example); " + "\\0041 <![CDATA[ " * 20,
        signatories=(Signatory(name="<b>Margaret</b> " + "e\u0301" * 60, title="javascript:alert(1)"),),
    )


def _participation(data: CertificateData) -> CertificateData:
    return replace(
        data,
        kind=CertificateKind.PARTICIPATION,
        learner_credentials="BSN, RN",
        credit=CreditDetails(name="Certificate of participation", awarded_units=Decimal("1.25"), unit_name="hour"),
        designation_statement="This activity was designated for 1.50 AMA PRA Category 1 Credit(s)™.",
        provider=replace(data.provider, logo=None),
        identifiers=(),
        location=None,
        starts_on=None,
        ends_on=None,
        learning_format="enduring material",
        signatories=(),
    )


def _sessions(data: CertificateData) -> CertificateData:
    """Sixty sessions of a meeting, each with a title that takes more than one line now and then."""
    words = "Stewardship, Resistance, and the Economics of New Agents "
    sessions = tuple(
        SessionLine(
            title=f"Session {number}: {words * (number % 4 + 1)}".strip(),
            held_on=_DAY + timedelta(days=number // 20),
            units=Decimal("0.75"),
        )
        for number in range(1, 61)
    )
    return replace(data, sessions=sessions, credit=replace(data.credit, awarded_units=Decimal("45.00")))


_SAMPLES: Final[Mapping[Sample, Callable[[CertificateData], CertificateData]]] = {
    Sample.ORDINARY: lambda data: data,
    Sample.LONG: _long,
    Sample.SCRIPTS: _scripts,
    Sample.HOSTILE: _hostile,
    Sample.PARTICIPATION: _participation,
    Sample.SESSIONS: _sessions,
}


def _image(content: bytes, size: tuple[int, int]) -> Image:
    return Image(sha256=sha256(content).hexdigest(), width=size[0], height=size[1])


def _picture(size: tuple[int, int], draw: Callable[[ImageDraw.ImageDraw], None]) -> bytes:
    canvas, content = Canvas.new("RGB", size, "white"), BytesIO()
    draw(ImageDraw.Draw(canvas))
    canvas.save(content, "PNG")
    return content.getvalue()


def _draw_logo(pen: ImageDraw.ImageDraw) -> None:
    """Three leaves and a bar: a logo in shape and proportion, of no one."""
    for number, colour in enumerate(("#2f5d50", "#5b8a72", "#9cbfa5")):
        pen.ellipse((20 + 46 * number, 30, 110 + 46 * number, 130), fill=colour)
    pen.rectangle((250, 50, 460, 66), fill="#2f5d50")
    pen.rectangle((250, 94, 400, 110), fill="#9cbfa5")


def _draw_signature(pen: ImageDraw.ImageDraw) -> None:
    """A stroke of a pen."""
    points = [(20 + 11 * step, 70 + (38 if step % 2 else -38) * (1 - step / 48)) for step in range(40)]
    pen.line(points, fill="#1b2a5e", width=5, joint="curve")
