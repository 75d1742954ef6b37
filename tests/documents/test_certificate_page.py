import re
from dataclasses import replace
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser

import pytest
import segno

from documents.certificate import certificate_stylesheet, render_certificate_html
from documents.models import CertificateData, CertificateKind, CreditDetails
from documents.typefaces import SHA256

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=http://evil.example/x onerror=alert(1)>",
    "</title></style><link rel=stylesheet href=//evil.example/x.css>",
    "\"><iframe src='file:///etc/passwd'>",
    "{{ 7*7 }}{% for x in ().__class__.__mro__ %}{{ x }}{% endfor %}",
    "&lt;b&gt; &amp; ™",
]


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def page_of(data: CertificateData) -> str:
    return render_certificate_html(data, stylesheet_url="/static/certificate.css")


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_people_type_stays_text(certificate: CertificateData, text: str) -> None:
    hostile = page_of(
        replace(
            certificate,
            learner_name=text,
            ce_activity_title=text,
            location=text,
            accreditation_statement=text,
            designation_statement=f"{text} AMA PRA Category 1 Credit(s)™ {text}",
            certificate_id=text,
        )
    )
    harmless = page_of(certificate)
    tags = [tag for tag in Elements(hostile).tags if tag != "br"]
    assert tags == [tag for tag in Elements(harmless).tags if tag != "br"]
    assert {name for name, _ in Elements(hostile).attributes} == {name for name, _ in Elements(harmless).attributes}
    assert "".join(text.split()) in "".join(unescape(re.sub(r"<br/>", "", hostile)).split())


def test_the_page_needs_neither_script_nor_inline_style(certificate: CertificateData) -> None:
    elements = Elements(page_of(certificate))
    assert not {"script", "style"} & set(elements.tags)
    assert "style" not in {name for name, _ in elements.attributes}
    assert ("href", "/static/certificate.css") in elements.attributes


def test_the_qr_code_holds_the_verification_address(certificate: CertificateData) -> None:
    expected = segno.make(certificate.verification_url, error="m", mask=3, micro=False)
    source = dict(Elements(page_of(certificate)).attributes)["src"]
    assert source == expected.svg_data_uri(border=0, omitsize=True, dark="#1d2522")


def test_the_ama_credit_is_set_in_full_in_italics_and_with_its_sign(certificate: CertificateData) -> None:
    page = page_of(certificate)
    assert "1.25 <em>AMA PRA Category 1 Credit(s)</em>™</p>" in page
    assert "1.50 <em>AMA PRA Category 1 Credit(s)</em>™. Claim" in page
    assert page.count("AMA PRA Category 1") == page.count("<em>AMA PRA Category 1 Credit(s)</em>™")


@pytest.mark.parametrize("form", ["Credit", "Credits", "Credit(s)"])
def test_a_statement_may_name_the_credit_in_the_singular_or_the_plural(certificate: CertificateData, form: str) -> None:
    page = page_of(replace(certificate, designation_statement=f"A maximum of 1.00 AMA PRA Category 1 {form}™."))
    assert f"1.00 <em>AMA PRA Category 1 {form}</em>™." in page


def test_other_credit_is_set_plainly_with_its_unit(certificate: CertificateData) -> None:
    credit = replace(certificate.credit, name="ACPE pharmacy education", unit_name="contact hours", is_italic=False)
    credit = replace(credit, has_trademark=False)
    page = page_of(replace(certificate, credit=credit, designation_statement=""))
    assert "1.25 contact hours<br/><span>ACPE pharmacy education</span></p>" in page
    assert "<em>" not in page


def test_participation_has_its_own_wording_and_claims_no_credit(certificate: CertificateData) -> None:
    hours = CreditDetails(name="Participation", awarded_units=certificate.credit.awarded_units, unit_name="hours")
    page = page_of(replace(certificate, kind=CertificateKind.PARTICIPATION, credit=hours, designation_statement=""))
    assert "Certificate of Participation" in page
    assert "for a recorded participation of" in page
    assert "1.25 hours" in page
    assert "Credit" not in page
    assert "awarded" not in page


def test_a_statement_sets_the_ama_credit_right_also_for_those_who_do_not_get_it(certificate: CertificateData) -> None:
    hours = CreditDetails(name="Certificate of participation", awarded_units=Decimal("1.25"), unit_name="hour")
    page = page_of(replace(certificate, kind=CertificateKind.PARTICIPATION, credit=hours))
    assert "1.50 <em>AMA PRA Category 1 Credit(s)</em>™. Claim" in page


@pytest.mark.parametrize(("units", "words"), [("1.00", "1.00 contact hour<"), ("1.25", "1.25 contact hours<")])
def test_what_is_counted_is_one_or_many(certificate: CertificateData, units: str, words: str) -> None:
    credit = CreditDetails(name="ACPE pharmacy education", awarded_units=Decimal(units), unit_name="contact hour")
    assert words in page_of(replace(certificate, credit=credit))


def test_the_code_in_a_long_address_stays_in_one_piece(certificate: CertificateData) -> None:
    address = "https://continuing-education.northfield.example.org/certificates/verify/7KQFM2XV9RTB4H"
    page = page_of(replace(certificate, verification_url=address))
    assert "northfield.example.org/<br/>certificates/verify/7KQFM2XV9RTB4H</a>" in page


def test_the_stylesheet_finds_every_font_below_the_prefix_and_nothing_else() -> None:
    css = certificate_stylesheet(font_url_prefix="/static/fonts/")
    addresses = re.findall(r"url\(\"?([^\")]*)\"?\)", css)
    assert sorted(addresses) == [f"/static/fonts/{name}" for name in sorted(SHA256)]
    assert "@import" not in css
