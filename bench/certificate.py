"""How much CPU one certificate takes in a warm process, and how that compares with a page of one line.

Run it as ``python -m bench.certificate``. Times differ between machines; the ratios, taken in one run, much less.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from statistics import median, quantiles
from time import perf_counter, process_time

from documents.certificate import certificate_css, render_certificate_html, render_certificate_pdf, warm_up
from documents.models import (
    CertificateData,
    CertificateKind,
    CreditDetails,
    Identifier,
    ProviderDetails,
    SessionLine,
    Signatory,
)
from documents.pdf import PdfEngine

RENDERS = 60
ONE_LINE = (
    '<!DOCTYPE html><html lang="en"><head><title>One line</title></head>'
    '<body class="letter"><p>One line of text.</p></body></html>'
)
CERTIFICATE = CertificateData(
    certificate_id="crt_01jd4xg7q2m8",
    version=1,
    verification_code="7KQF-M2XV-9RTB-4H",
    verification_url="https://ce.example.org/verify/7KQFM2XV9RTB4H",
    kind=CertificateKind.CREDIT,
    learner_name="Alice Moreau",
    learner_credentials="MD",
    provider=ProviderDetails(name="Northfield Medical Center", address="Chicago, Illinois", acronym="CME"),
    ce_activity_title="Sepsis in the First Hour: Recognition, Resuscitation and the Limits of Protocols",
    learning_format="live activity",
    location="Chicago, Illinois",
    completed_on=date(2026, 11, 21),
    credit=CreditDetails(
        name="AMA PRA Category 1 Credit(s)", awarded_units=Decimal("1.25"), is_italic=True, has_trademark=True
    ),
    accreditation_statement="Northfield Medical Center is accredited to provide continuing medical education.",
    designation_statement="Northfield Medical Center designates this live activity for a maximum of 1.50 "
    "AMA PRA Category 1 Credit(s)™. Physicians should claim only the credit commensurate with their participation.",
    identifiers=(Identifier(label="Activity", value="485327"),),
    signatories=(Signatory(name="Margaret Osei, MD", title="Associate Dean"),),
    issued_on=date(2026, 11, 22),
)
SESSIONS = tuple(
    SessionLine(title=f"Session {number}", held_on=date(2026, 11, 20), units=Decimal("0.25")) for number in range(1, 11)
)


def measure(render: Callable[[CertificateData], object]) -> tuple[float, float]:
    """Return median and 95th percentile in milliseconds of CPU; each render is of another certificate."""
    times = []
    for number in range(RENDERS + 2):
        address = f"{CERTIFICATE.verification_url}{number}"
        data = replace(CERTIFICATE, learner_name=f"Alice Moreau {number}", verification_url=address)
        start = process_time()
        render(data)
        times.append((process_time() - start) * 1000)
    return median(times[2:]), quantiles(times[2:], n=20)[-1]


def main() -> None:
    start = perf_counter()
    warm_up()
    print(f"warm-up, once per process: {(perf_counter() - start) * 1000:.0f} ms\n")
    engine = PdfEngine(certificate_css())
    cases: dict[str, Callable[[CertificateData], object]] = {
        "one line, same engine and variant": lambda _: engine.render([ONE_LINE], "one-line"),
        "certificate": render_certificate_pdf,
        "certificate with ten sessions": lambda data: render_certificate_pdf(replace(data, sessions=SESSIONS)),
        "certificate of a name in Japanese": lambda data: render_certificate_pdf(
            replace(data, learner_name=data.learner_name.replace("Alice Moreau", "山田 太郎"))
        ),
        "certificate as a web page": lambda data: render_certificate_html(data, stylesheet_url="/c.css"),
    }
    figures = {name: measure(render) for name, render in cases.items()}
    floor = next(iter(figures.values()))[0]
    print(f"{RENDERS} renders each, CPU, warm{'median ms':>19}{'p95 ms':>10}{'ratio':>8}")
    for name, (middle, slow) in figures.items():
        print(f"{name:<38}{middle:>10.1f}{slow:>10.1f}{middle / floor:>8.1f}")


if __name__ == "__main__":
    main()
