"""How much CPU one certificate takes in a warm process, and how much of that its words take however they are set.

Run it as ``python -m bench.certificate``. It goes in steps from a page of one line to the certificate, for one sheet
and with a page of sessions, and ends with status 1 if the ratio of docs/decisions/0014-render-bar.md is missed. Times
differ between machines; ratios, taken in one run and in turns, much less.
"""

import gc
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from html import escape, unescape
from statistics import median, quantiles
from time import perf_counter, process_time

from documents.certificate import render_certificate, render_certificate_html, warm_up
from documents.jobs import CertificateJob
from documents.models import (
    CertificateData,
    CertificateKind,
    CreditDetails,
    Identifier,
    ProviderDetails,
    SessionLine,
    Signatory,
)
from documents.pdf import AttachedFile, PdfEngine
from documents.qr import QrCode

RENDERS = 40
MOST_MS = 40.0  # for a certificate of one sheet, on a machine with nothing else to do; on others only shown
MOST_RATIO = 1.6  # to the same words, set plainly

# The certificate's words and typefaces, and nothing that places them.
PLAIN = """
@page { size: 11in 8.5in; margin: 0.4in; }
html { font-size: 10pt; }
body { font-family: var(--sans); }
"""
TYPEFACES = """
h1, h2, .learner, .ce-activity, .credit { font-family: var(--serif); font-weight: 400; }
.phrase { font-family: var(--serif); font-style: italic; }
.provider, .code, .name, thead th, .total th, .total td { font-weight: 600; }
"""
BLOCK = re.compile(r"<(?:p|h1|h2)\b.*?</(?:p|h1|h2)>|<table>.*?</table>", re.DOTALL)
QR_CODE = "picture:qr"
CREDENTIAL = b"".join(sha256(bytes([number])).hexdigest().encode() for number in range(64))
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


Prepared = Callable[[CertificateData], Callable[[], object]]
"""What is done for a certificate before the clock runs, and what is measured."""


class Steps:
    """From one line to all that the certificate has but its look; each step has all that the one before it has."""

    def __init__(self) -> None:
        self._plain = PdfEngine(PLAIN)
        self._with_typefaces = PdfEngine(PLAIN + TYPEFACES)

    def one_line(self, data: CertificateData) -> Callable[[], object]:
        page = self._page(data, "<p>One line of text.</p>")
        return lambda: self._plain.render([page], "one-line")

    def words(self, data: CertificateData) -> Callable[[], object]:
        words = unescape(re.sub("<[^>]+>", " ", " ".join(self._blocks(data))))
        page = self._page(data, f"<p>{escape(words)}</p>")
        return lambda: self._plain.render([page], "words")

    def blocks(self, data: CertificateData) -> Callable[[], object]:
        page = self._page(data, re.sub(' class="[^"]*"', "", "".join(self._blocks(data))))
        return lambda: self._plain.render([page], "blocks")

    def typefaces(self, data: CertificateData) -> Callable[[], object]:
        page = self._page(data, "".join(self._blocks(data)))
        return lambda: self._with_typefaces.render([page], "typefaces")

    def plain(self, data: CertificateData) -> Callable[[], object]:
        page = self._page(data, "".join(self._blocks(data)) + f'<img src="{QR_CODE}" alt="QR code"/>')
        made_at = datetime(2026, 11, 22, tzinfo=UTC)
        file = AttachedFile(name="credential.json", description="Credential", content=CREDENTIAL, made_at=made_at)
        return lambda: self._with_typefaces.render(
            [page], "plain", pictures={QR_CODE: QrCode(data.verification_url)}, attachments=[file]
        )

    def _blocks(self, data: CertificateData) -> list[str]:
        return BLOCK.findall(render_certificate_html(data, stylesheet_url=""))

    def _page(self, data: CertificateData, body: str) -> str:
        head, _, _ = render_certificate_html(data, stylesheet_url="").partition("<body")
        return f"{head}<body>{body}</body></html>"


def certificate(data: CertificateData) -> Callable[[], object]:
    return lambda: render_certificate(CertificateJob(data=data, credential=CREDENTIAL))


def web_page(data: CertificateData) -> Callable[[], object]:
    return lambda: render_certificate_html(data, stylesheet_url="/c.css")


def measure(cases: dict[str, Prepared], data: CertificateData) -> dict[str, list[float]]:
    """Return milliseconds of CPU for each case, which take turns; each render is of another certificate."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(RENDERS + 2):
        address = f"{data.verification_url}{number}"
        other = replace(data, learner_name=f"{data.learner_name} {number}", verification_url=address)
        for name, prepared in cases.items():
            render = prepared(other)
            start = process_time()
            render()
            times[name].append((process_time() - start) * 1000)
    return {name: taken[2:] for name, taken in times.items()}


def usual(times: list[float]) -> float:
    """The time that a quarter of the renders keeps to: what others do on the machine delays it least."""
    return quantiles(times, n=4)[0]


def report(title: str, times: dict[str, list[float]]) -> None:
    """Print a table of the cases; ratios are to the first."""
    first = usual(next(iter(times.values())))
    print(f"\n{title:<52}{'usual ms':>9}{'median':>9}{'p95':>9}{'ratio':>8}")
    for name, taken in times.items():
        figures = usual(taken), median(taken), quantiles(taken, n=20)[-1]
        print(f"  {name:<50}{figures[0]:>9.1f}{figures[1]:>9.1f}{figures[2]:>9.1f}{figures[0] / first:>8.1f}")


def held(bar: str, value: float, most: float) -> bool:
    print(f"{bar}: {value:.2f}, at most {most:g}: {'held' if value <= most else 'MISSED'}")
    return value <= most


def main() -> None:
    start = perf_counter()
    warm_up()
    gc.freeze()  # as the process that renders does
    print(f"warm-up, once per process: {(perf_counter() - start) * 1000:.0f} ms. {RENDERS} renders each, warm, CPU.")
    listed = replace(CERTIFICATE, sessions=SESSIONS)
    alone = {
        "one sheet": measure({"": certificate}, CERTIFICATE)[""],
        "with ten sessions on a second page": measure({"": certificate}, listed)[""],
        "with a name in Japanese": measure({"": certificate}, replace(CERTIFICATE, learner_name="山田 太郎"))[""],
        "as a web page": measure({"": web_page}, CERTIFICATE)[""],
    }
    report("The certificate, one after the other", alone)
    steps = Steps()
    cases: dict[str, Prepared] = {
        "one line, same engine and variant": steps.one_line,
        "the words of the certificate as one paragraph": steps.words,
        "as headings, paragraphs and cells, tagged": steps.blocks,
        "in its five typefaces": steps.typefaces,
        "with QR code and credential: the plain page": steps.plain,
        "the certificate": certificate,
    }
    ratios = []
    for title, data in (("One sheet, in turns", CERTIFICATE), ("With ten sessions, in turns", listed)):
        times = measure(cases, data)
        report(title, times)
        *_, plain, whole = map(usual, times.values())
        ratios.append(whole / plain)
    print()
    held("milliseconds for a certificate of one sheet", usual(alone["one sheet"]), MOST_MS)
    are_held = [
        held("times the plain page, one sheet", ratios[0], MOST_RATIO),
        held("times the plain page, with ten sessions", ratios[1], MOST_RATIO),
    ]
    sys.exit(0 if all(are_held) else 1)


if __name__ == "__main__":
    main()
