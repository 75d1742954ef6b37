from dataclasses import fields, replace
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, get_args

import pytest

import documents.email
from documents.email import Envelope, compose, message_id_for
from documents.notices import (
    AuditCheckpointEmail,
    AwardEmail,
    AwardRevokedEmail,
    CertificateLinkEmail,
    ClaimDeniedEmail,
    ClaimExpiredEmail,
    ClaimHeldEmail,
    ClaimReleasedEmail,
    ClaimReopenedEmail,
    DeadlineExtendedEmail,
    DeadlineReminderEmail,
    Email,
    ExtensionRefusedEmail,
    ProblemAnsweredEmail,
    ProblemReportedEmail,
    SignInEmail,
    WindowOpenedEmail,
)
from documents.wording import OFFICE_WORDS, REVOCATION_WORDS, STEP_WORDS, credit_word, moment_words
from domain.corrections import RevocationClass
from domain.notices import NoticePurpose
from domain.progress import StepKind
from domain.reasons import DenialReason, HoldReason, ReleaseReason, ReopeningReason

AWARD = AwardEmail(
    recipient_name="Zoë Nguyễn",
    ce_activity_title="Sepsis in the First Hour",
    credit_word="CME credit",
    is_corrected=False,
    is_reinstated=False,
    credit_line="1.25 AMA PRA Category 1 Credit(s)™",
    provider_name="Northfield Medical Center",
    completed_on=date(2026, 11, 21),
    dashboard_url="https://ce.example.org/dashboard",
    course_url="https://ce.example.org/ce-activities/sepsis",
    is_issued_here=True,
    system=None,
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
CLAIM: dict[str, Any] = {
    "recipient_name": "Zoë Nguyễn",
    "ce_activity_title": "Sepsis in the First Hour",
    "credit_word": "CME credit",
    "provider_name": "Northfield Medical Center",
    "help_contact": "cme@northfield.example",
}
DEADLINE: dict[str, Any] = {
    **CLAIM,
    "claim_url": "https://ce.example.org/claims/clm_1",
    "due_on": date(2026, 11, 21),
    "deadline": "November 21, 2026, 23:59 (Chicago, UTC-6)",
}
REMINDER = DeadlineReminderEmail(
    **DEADLINE,
    steps=("Pass the post-test.", "Claim your credit."),
    opening="November 20, 2026, 00:00 (Chicago, UTC-6)",
    stop_url="https://ce.example.org/reminders/7KQF",
)
LINK = CertificateLinkEmail(
    **CLAIM, certificate_url="https://ce.example.org/certificates/1", is_issued_here=True, system=None
)
OPENED, EXPIRED = WindowOpenedEmail(**DEADLINE), ClaimExpiredEmail(**DEADLINE)
EXTENDED = DeadlineExtendedEmail(**DEADLINE)
REFUSED = ExtensionRefusedEmail(**DEADLINE, is_closed=False)
OF_OFFICE: dict[str, Any] = {**CLAIM, "claim_url": "https://ce.example.org/claims/clm_1"}
HELD = ClaimHeldEmail(**OF_OFFICE, why="The activity is being reviewed.")
RELEASED = ClaimReleasedEmail(**OF_OFFICE, why="Everything was checked.", deadline=DEADLINE["deadline"])
DENIED = ClaimDeniedEmail(**OF_OFFICE, why="This credit is not for your profession.")
REOPENED = ClaimReopenedEmail(**OF_OFFICE, why="Your appeal was granted.", deadline=DEADLINE["deadline"])
CHECKPOINT = AuditCheckpointEmail(
    origin="ce.example.org/audit", entries=42, note="ce.example.org/audit\n42\n+/s=\n", provider_name="Northfield CME"
)
REVOKED = AwardRevokedEmail(
    **CLAIM,
    credit_line="1.25 AMA PRA Category 1 Credit(s)™",
    why="It was issued in error.",
    dashboard_url="https://ce.example.org/dashboard",
)
REPORTED = ProblemReportedEmail(
    learner_name="Zoë Nguyễn",
    ce_activity_title="Sepsis in the First Hour",
    message="My badge id is refused.",
    staff_url="https://ce.example.org/staff/claims/clm_1",
    provider_name="Northfield Medical Center",
)
ANSWERED = ProblemAnsweredEmail(
    **CLAIM,
    message="My badge id is refused.",
    answer="We added your badge: try again.",
    claim_url="https://ce.example.org/claims/clm_1",
)
EMAILS: list[Email] = [
    AWARD, SIGN_IN, REMINDER, OPENED, EXPIRED, EXTENDED, REFUSED, HELD, RELEASED, DENIED, REOPENED, LINK, REVOKED,
    REPORTED, ANSWERED, CHECKPOINT,
]  # fmt: skip
EVERY_EMAIL = pytest.mark.parametrize("email", EMAILS, ids=lambda email: email.purpose)

ENVELOPE = Envelope(
    sender_address="cme@northfield.example",
    sender_name="Northfield CME",
    recipient_address="zoe@example.org",
    recipient_name="Zoë Nguyễn",
    message_id="<eml-1@northfield.example>",
    sent_at=datetime(2026, 11, 21, 12, 30, tzinfo=UTC),
)


def changed(email: Email, **values: Any) -> Email:
    different: Email = replace(email, **values)
    return different


def parts_of(email: Email) -> tuple[str, str]:
    received = message_from_bytes(bytes(compose(email, ENVELOPE)), policy=policy.default)
    text, html = received.iter_parts()
    return text.get_content().replace("\r\n", "\n"), html.get_content().replace("\r\n", "\n")


def subject_of(email: Email) -> str:
    return str(compose(email, ENVELOPE)["Subject"])


@EVERY_EMAIL
def test_every_purpose_has_its_three_files_and_nothing_else(email: Email) -> None:
    folder = Path(documents.email.__file__).parent / "templates" / "email"
    assert {path.name for path in (folder / email.purpose).iterdir()} == {"subject.txt", "body.txt", "body.html"}
    assert {path.name for path in folder.iterdir() if path.is_dir()} == set(NoticePurpose)


def test_every_purpose_has_its_view() -> None:
    assert {type(email) for email in EMAILS} == set(get_args(Email))
    assert {email.purpose for email in EMAILS} == set(NoticePurpose)


@EVERY_EMAIL
def test_both_bodies_say_everything(email: Email) -> None:
    text, html = parts_of(email)
    for field in fields(email):
        value = getattr(email, field.name)
        # The day of a deadline is in the subject; the moment is in the bodies.
        if value is None or isinstance(value, bool) or field.name in ("due_on", "credit_word"):
            continue
        for each in value if isinstance(value, tuple) else (value,):
            shown = "November 21, 2026" if isinstance(each, date) else str(each)
            assert shown in text
            assert shown.replace("&", "&amp;") in html


@pytest.mark.parametrize(
    ("email", "subject"),
    [
        (AWARD, "Your CME credit for Sepsis in the First Hour"),
        (changed(AWARD, is_corrected=True), "Your corrected CME credit for Sepsis in the First Hour"),
        (changed(AWARD, is_reinstated=True), "Your CME credit counts again: Sepsis in the First Hour"),
        (SIGN_IN, "Your sign-in link for Northfield CME"),
        (REMINDER, "Claim your CME credit by November 21, 2026: Sepsis in the First Hour"),
        (OPENED, "You can now claim your CME credit: Sepsis in the First Hour"),
        (EXPIRED, "Your claim of CME credit is closed: Sepsis in the First Hour"),
        (EXTENDED, "You have until November 21, 2026 to claim your CME credit: Sepsis in the First Hour"),
        (REFUSED, "Your request for more time to claim CME credit: Sepsis in the First Hour"),
        (HELD, "Your claim of CME credit is on hold: Sepsis in the First Hour"),
        (RELEASED, "Your claim of CME credit goes on: Sepsis in the First Hour"),
        (DENIED, "Your claim of CME credit was denied: Sepsis in the First Hour"),
        (REOPENED, "Your claim of CME credit is open again: Sepsis in the First Hour"),
        (LINK, "Your certificate: Sepsis in the First Hour"),
        (REPORTED, "A learner reports a problem: Sepsis in the First Hour"),
        (ANSWERED, "Answer to your question: Sepsis in the First Hour"),
    ],
)
def test_the_subject_says_what_it_is_about_and_is_the_title_of_the_html(email: Email, subject: str) -> None:
    assert subject_of(email) == subject
    assert f"<title>{subject}</title>" in parts_of(email)[1]


@pytest.mark.parametrize(
    "email",
    [REMINDER, OPENED, EXPIRED, EXTENDED, REFUSED, HELD, RELEASED, DENIED, REOPENED, LINK, ANSWERED],
    ids=lambda email: email.purpose,
)
def test_a_notice_greets_by_name_if_there_is_one_and_uses_the_providers_word_for_credit(email: Email) -> None:
    for body in parts_of(email):
        assert "Dear Zoë Nguyễn," in body
        assert "CME credit" in body
    for body in parts_of(changed(email, recipient_name="")):
        assert "Hello," in body
        assert "Dear" not in body


@pytest.mark.parametrize(
    ("email", "missing"),
    [
        (changed(REMINDER, opening=None), "may be claimed from"),
        (changed(OPENED, deadline=None), "Deadline"),
        (changed(REFUSED, deadline=None), "Deadline:"),
        (changed(REOPENED, deadline=None), "Deadline:"),
        (changed(RELEASED, deadline=None, why=None), "Everything was checked."),
        (changed(HELD, why=None), "The activity is being reviewed."),
        (changed(DENIED, why=None), "This credit is not for your profession."),
        (changed(AWARD, verification_url=None), "Anyone can check"),
    ],
)
def test_what_is_not_known_is_not_mentioned(email: Email, missing: str) -> None:
    known = next(each for each in EMAILS if each.purpose == email.purpose)
    for body, full_body in zip(parts_of(email), parts_of(known), strict=True):
        assert missing not in body
        assert "None" not in body
        assert missing in full_body


def test_a_refusal_of_more_time_says_whether_the_claim_can_still_go_on() -> None:
    for body in parts_of(REFUSED):
        assert "still open" in body
    for body in parts_of(changed(REFUSED, is_closed=True)):
        assert "stays closed" in body
        assert "still open" not in body


@pytest.mark.parametrize("email", [AWARD, LINK], ids=lambda email: email.purpose)
def test_a_certificate_that_is_issued_elsewhere_is_said_to_be(email: Email) -> None:
    url = "https://certificates.example/1"
    elsewhere = changed(email, is_issued_here=False, system="The Registry", certificate_url=url)
    for body in parts_of(elsewhere):
        assert "The certificate is issued in The Registry" in body
        assert url in body
    for body in parts_of(changed(elsewhere, system=None)):
        assert "The certificate is issued in another system" in body


def test_a_corrected_award_is_said_to_be_corrected() -> None:
    for body in parts_of(changed(AWARD, is_corrected=True)):
        assert "has corrected the certificate of your CME credit" in body
        assert "use the new version" in body
        assert "Congratulations" not in body


def test_a_revocation_that_was_taken_back_is_not_told_as_a_correction() -> None:
    for body in parts_of(changed(AWARD, is_reinstated=True)):
        assert "has taken the revocation back: your CME credit counts again" in body
        assert AWARD.credit_line in body
        assert "use the new version" in body
        assert "has corrected" not in body
        assert "Congratulations" not in body


def test_a_revocation_says_what_why_and_whom_to_ask_and_blames_nobody() -> None:
    for body in parts_of(REVOKED):
        for part in (REVOKED.credit_line, REVOKED.why, REVOKED.help_contact, "no longer on your transcript"):
            assert part in body
        assert "mistake" in body
    assert subject_of(REVOKED) == "Your CME credit was revoked: Sepsis in the First Hour"


def test_only_a_reminder_can_be_stopped_by_one_click_and_only_over_https() -> None:
    message = compose(REMINDER, ENVELOPE)
    assert message["List-Unsubscribe"] == "<https://ce.example.org/reminders/7KQF>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    local = compose(changed(REMINDER, stop_url="http://localhost:8000/reminders/7KQF"), ENVELOPE)
    assert local["List-Unsubscribe"] == "<http://localhost:8000/reminders/7KQF>"
    assert "List-Unsubscribe-Post" not in local
    assert "List-Unsubscribe" not in compose(EXPIRED, ENVELOPE)


def test_every_line_of_a_report_and_of_its_answer_is_set_apart() -> None:
    text, html = parts_of(changed(ANSWERED, answer="First.\nSecond.", message="One.\nTwo <b>."))
    assert "\n  First.\n  Second.\n" in text
    assert "\n  One.\n  Two <b>.\n" in text
    assert "First.\nSecond." in html
    assert "Two &lt;b&gt;." in html


def test_every_class_of_revocation_has_words_that_anyone_may_read() -> None:
    assert set(REVOCATION_WORDS) == set(RevocationClass)


def test_every_reason_of_the_office_that_is_mailed_has_its_words_but_another_one() -> None:
    mailed = {code for codes in (HoldReason, ReleaseReason, DenialReason, ReopeningReason) for code in codes}
    assert set(OFFICE_WORDS) == {code for code in mailed if code != "other"}


def test_every_step_of_a_learner_has_its_words() -> None:
    assert set(STEP_WORDS) == set(StepKind) - {StepKind.CLAIM_WINDOW, StepKind.CERTIFICATE}


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("America/Chicago", "November 20, 2026, 18:30 (Chicago, UTC-6)"),
        ("Europe/Berlin", "November 21, 2026, 01:30 (Berlin, UTC+1)"),
        ("Asia/Kolkata", "November 21, 2026, 06:00 (Kolkata, UTC+5:30)"),
        ("America/St_Johns", "November 20, 2026, 21:00 (St Johns, UTC-3:30)"),
        ("Pacific/Kiritimati", "November 21, 2026, 14:30 (Kiritimati, UTC+14)"),
        ("Europe/London", "November 21, 2026, 00:30 (London, UTC)"),
        ("UTC", "November 21, 2026, 00:30 (UTC)"),
        ("Etc/UTC", "November 21, 2026, 00:30 (UTC)"),
    ],
)
def test_a_moment_is_written_with_city_and_offset(zone: str, words: str) -> None:
    assert moment_words(datetime(2026, 11, 21, 0, 30, tzinfo=UTC), zone) == words


def test_a_moment_is_also_written_as_the_readers_clocks_show_it_if_they_differ() -> None:
    at = datetime(2026, 11, 21, 0, 30, tzinfo=UTC)
    assert moment_words(at, "America/Chicago", "Europe/Berlin") == (
        "November 20, 2026, 18:30 (Chicago, UTC-6), for you November 21, 2026, 01:30 (Berlin, UTC+1)"
    )
    assert moment_words(at, "Europe/Paris", "Europe/Berlin") == "November 21, 2026, 01:30 (Paris, UTC+1)"


def test_a_provider_without_a_word_of_its_own_for_credit_awards_credit() -> None:
    assert (credit_word("CPE"), credit_word("")) == ("CPE credit", "credit")


def test_the_headers_tell_who_writes_to_whom_and_when() -> None:
    received = message_from_bytes(bytes(compose(AWARD, ENVELOPE)), policy=policy.default)
    assert received["From"] == "Northfield CME <cme@northfield.example>"
    assert received["To"].addresses[0].addr_spec == "zoe@example.org"
    assert received["To"].addresses[0].display_name == "Zoë Nguyễn"
    assert received["Subject"] == "Your CME credit for Sepsis in the First Hour"
    assert received["Date"].datetime == ENVELOPE.sent_at
    assert received["Message-ID"] == "<eml-1@northfield.example>"
    assert [part.get_content_type() for part in received.iter_parts()] == ["text/plain", "text/html"]
    assert list(received.iter_attachments()) == []


@EVERY_EMAIL
def test_the_same_email_has_the_same_bytes(email: Email) -> None:
    assert bytes(compose(email, ENVELOPE)) == bytes(compose(changed(email), replace(ENVELOPE)))
    assert bytes(compose(email, ENVELOPE)) != bytes(compose(email, replace(ENVELOPE, message_id="<eml-2@x.example>")))


def test_the_lines_are_short_ascii_and_end_as_smtp_wants_them() -> None:
    long_title = "Überaus lange Überschrift " * 60
    lines = bytes(compose(changed(AWARD, ce_activity_title=long_title), ENVELOPE)).split(b"\r\n")
    assert max(len(line) for line in lines) <= 998
    assert all(line.isascii() and b"\n" not in line and b"\r" not in line for line in lines)


def test_html_is_escaped_and_text_is_not() -> None:
    text, html = parts_of(changed(AWARD, recipient_name="<b>O'Brien & Co</b> {{ 7*7 }}"))
    assert "<b>O'Brien & Co</b> {{ 7*7 }}" in text
    assert "&lt;b&gt;O&#39;Brien &amp; Co&lt;/b&gt; {{ 7*7 }}" in html


@pytest.mark.parametrize("title", ["Sepsis\r\nBcc: eve@evil.example", "Sepsis\nBcc: eve@evil.example", "Sepsis\u2028x"])
def test_a_title_cannot_add_a_header(title: str) -> None:
    received = message_from_bytes(bytes(compose(changed(AWARD, ce_activity_title=title), ENVELOPE)))
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
