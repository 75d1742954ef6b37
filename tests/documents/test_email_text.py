from dataclasses import fields, replace
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest

import documents.email
from documents.email import AwardEmail, Email, Envelope, SignInEmail, compose, message_id_for

AWARD = AwardEmail(
    recipient_name="Zoë Nguyễn",
    ce_activity_title="Sepsis in the First Hour",
    credit_line="1.25 AMA PRA Category 1 Credit(s)™",
    provider_name="Northfield Medical Center",
    completed_on=date(2026, 11, 21),
    dashboard_url="https://ce.example.org/dashboard",
    course_url="https://ce.example.org/ce-activities/sepsis",
    certificate_url="https://ce.example.org/certificates/1",
    verification_url="https://ce.example.org/verify/7KQF",
    help_contact="cme@northfield.example",
)
SIGN_IN = SignInEmail(
    sign_in_url="https://ce.example.org/sign-in?token=abc&next=%2Fdashboard",
    expires_in_minutes=10,
    provider_name="Northfield Medical Center",
    product_name="Northfield CME",
)
ENVELOPE = Envelope(
    sender_address="cme@northfield.example",
    sender_name="Northfield CME",
    recipient_address="zoe@example.org",
    recipient_name="Zoë Nguyễn",
    message_id="<eml-1@northfield.example>",
    sent_at=datetime(2026, 11, 21, 12, 30, tzinfo=UTC),
)


def parts_of(email: Email) -> tuple[str, str]:
    received = message_from_bytes(bytes(compose(email, ENVELOPE)), policy=policy.default)
    text, html = received.iter_parts()
    return text.get_content(), html.get_content()


@pytest.mark.parametrize("email", [AWARD, SIGN_IN])
def test_every_purpose_has_its_three_files_and_nothing_else(email: Email) -> None:
    folder = Path(documents.email.__file__).parent / "templates" / "email"
    assert {path.name for path in (folder / email.purpose).iterdir()} == {"subject.txt", "body.txt", "body.html"}
    assert {path.name for path in folder.iterdir()} == {AWARD.purpose, SIGN_IN.purpose}


@pytest.mark.parametrize("email", [AWARD, SIGN_IN])
def test_both_bodies_say_everything(email: Email) -> None:
    text, html = parts_of(email)
    for field in fields(email):
        value = getattr(email, field.name)
        shown = "November 21, 2026" if isinstance(value, date) else str(value)
        assert shown in text
        assert shown.replace("&", "&amp;") in html


def test_the_headers_tell_who_writes_to_whom_and_when() -> None:
    received = message_from_bytes(bytes(compose(AWARD, ENVELOPE)), policy=policy.default)
    assert received["From"] == "Northfield CME <cme@northfield.example>"
    assert received["To"].addresses[0].addr_spec == "zoe@example.org"
    assert received["To"].addresses[0].display_name == "Zoë Nguyễn"
    assert received["Subject"] == "Your credit for Sepsis in the First Hour"
    assert received["Date"].datetime == ENVELOPE.sent_at
    assert received["Message-ID"] == "<eml-1@northfield.example>"
    assert [part.get_content_type() for part in received.iter_parts()] == ["text/plain", "text/html"]
    assert list(received.iter_attachments()) == []


@pytest.mark.parametrize("email", [AWARD, SIGN_IN])
def test_the_same_email_has_the_same_bytes(email: Email) -> None:
    assert bytes(compose(email, ENVELOPE)) == bytes(compose(replace(email), replace(ENVELOPE)))
    assert bytes(compose(email, ENVELOPE)) != bytes(compose(email, replace(ENVELOPE, message_id="<eml-2@x.example>")))


def test_the_lines_are_short_ascii_and_end_as_smtp_wants_them() -> None:
    long_title = "Überaus lange Überschrift " * 60
    lines = bytes(compose(replace(AWARD, ce_activity_title=long_title), ENVELOPE)).split(b"\r\n")
    assert max(len(line) for line in lines) <= 998
    assert all(line.isascii() and b"\n" not in line and b"\r" not in line for line in lines)


def test_html_is_escaped_and_text_is_not() -> None:
    text, html = parts_of(replace(AWARD, recipient_name="<b>O'Brien & Co</b> {{ 7*7 }}"))
    assert "<b>O'Brien & Co</b> {{ 7*7 }}" in text
    assert "&lt;b&gt;O&#39;Brien &amp; Co&lt;/b&gt; {{ 7*7 }}" in html


@pytest.mark.parametrize("title", ["Sepsis\r\nBcc: eve@evil.example", "Sepsis\nBcc: eve@evil.example", "Sepsis\u2028x"])
def test_a_title_cannot_add_a_header(title: str) -> None:
    received = message_from_bytes(bytes(compose(replace(AWARD, ce_activity_title=title), ENVELOPE)))
    assert "Bcc" not in received
    assert received.keys().count("Subject") == 1


@pytest.mark.parametrize(
    "address",
    [
        "",
        "zoe",
        "a@x.org, b@y.org",
        "a@x.org b@y.org",
        "a@x.org\r\nBcc: b@y.org",
        "Zoë <a@x.org>",
        "ü@x.org",
        "a@x\ud800",
    ],
)
@pytest.mark.parametrize("field", ["recipient_address", "sender_address"])
def test_what_is_not_exactly_one_address_is_refused_without_repeating_it(field: str, address: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in an e-mail header") as refusal:
        compose(AWARD, replace(ENVELOPE, **{field: address}))  # type: ignore[arg-type]
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("name", ["Zoë\r\nBcc: eve@evil.example", "Zoë\nX: y", "Zoë\rX"])
def test_a_name_that_breaks_the_line_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in an e-mail header"):
        compose(AWARD, replace(ENVELOPE, recipient_name=name))


@pytest.mark.parametrize("name", ['"Eve" <eve@evil.example>', "Eve, Alice", "eve@evil.example", "=?utf-8?q?Eve?=", ""])
def test_a_display_name_that_looks_like_an_address_adds_no_recipient(name: str) -> None:
    received = message_from_bytes(bytes(compose(AWARD, replace(ENVELOPE, recipient_name=name))), policy=policy.default)
    assert [address.addr_spec for address in received["To"].addresses] == ["zoe@example.org"]


def test_a_naive_time_of_sending_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        compose(AWARD, replace(ENVELOPE, sent_at=ENVELOPE.sent_at.replace(tzinfo=None)))


def test_the_message_id_follows_from_the_email() -> None:
    assert message_id_for("eml-01jd", "ce.example.org") == "<eml-01jd@ce.example.org>"
    for email_id, domain in [("a b", "x.org"), ("a@b", "x.org"), ("a", "x.org\r\nX: y"), ("a", "")]:
        with pytest.raises(ValueError, match="Message-ID"):
            message_id_for(email_id, domain)
