import http.client
import json
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from cli.local import ports
from cli.local.processes import wait_until
from cli.mailbox import Mailbox, create_page


class RunningMailbox:
    """``laurel mailbox`` as its own process."""

    def __init__(self, data_dir: Path) -> None:
        self.page = ports.next_free(18025)
        self.smtp = ports.next_free(11025)
        command = [sys.executable, "-m", "cli", "mailbox", "--data-dir", str(data_dir)]
        self.process = subprocess.Popen([*command, "--port", str(self.page), "--smtp-port", str(self.smtp)])

    def answers(self) -> bool:
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False

    def get(self, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.page, timeout=5)
        connection.request("GET", path)
        response = connection.getresponse()
        response.body = response.read()  # type: ignore[attr-defined]
        connection.close()
        return response

    def messages(self, query: str = "") -> list[dict[str, Any]]:
        return json.loads(self.get(f"/messages{query}").body)  # type: ignore[attr-defined, no-any-return]

    def send(self, message: EmailMessage) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=5) as session:
            session.send_message(message)


@contextmanager
def running_mailbox(data_dir: Path) -> Iterator[RunningMailbox]:
    mailbox = RunningMailbox(data_dir)
    try:
        assert wait_until(mailbox.answers, 15)
        yield mailbox
    finally:
        mailbox.process.kill()
        mailbox.process.wait()


def message(subject: str = "Your certificate", to: str = "ada@learner.example") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "credit@laurel.example", to, subject
    mail["Message-ID"] = "<one@laurel.example>"
    mail.set_content("Grüße: https://laurel.example/verify/ABC\n")
    mail.add_alternative("<h1>Grüße</h1>", subtype="html")
    return mail


def test_an_acknowledged_message_survives_kill_9(data_dir: Path) -> None:
    with running_mailbox(data_dir) as mailbox:
        mailbox.send(message())
        mailbox.process.send_signal(signal.SIGKILL)
    with running_mailbox(data_dir) as mailbox:
        mailbox.send(message("Second", "bob@learner.example"))
        assert [kept["subject"] for kept in mailbox.messages()] == ["Second", "Your certificate"]
        (kept,) = mailbox.messages("?to=ADA@learner.example")
        mailbox.process.terminate()
        assert mailbox.process.wait(timeout=10) in (0, -signal.SIGTERM)
    assert kept["from"] == "credit@laurel.example"
    assert kept["to"] == ["ada@learner.example"]
    assert kept["message_id"] == "<one@laurel.example>"
    assert kept["text"].strip() == "Grüße: https://laurel.example/verify/ABC"
    assert kept["html"].strip() == "<h1>Grüße</h1>"
    assert kept["received_at"].endswith("+00:00")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mail"


@pytest.fixture
def page(folder: Path) -> TestClient:
    return TestClient(create_page(Mailbox(folder)))


SCRIPT = "<script>alert(1)</script>"


def test_a_hostile_message_is_shown_as_text(folder: Path, page: TestClient) -> None:
    mail = EmailMessage()
    mail["Subject"] = SCRIPT
    mail.set_content(f"{SCRIPT} https://laurel.example/a?b=1&c=2")
    kept = Mailbox(folder).keep(f"{SCRIPT}@evil.example", [f'"{SCRIPT}"@evil.example'], mail.as_bytes())
    for path in ("/", f"/messages/{kept}"):
        shown = page.get(path)
        assert shown.status_code == 200
        assert SCRIPT not in shown.text
        assert "&lt;script&gt;" in shown.text
        assert "script-src" not in shown.headers["content-security-policy"]
        assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert 'href="https://laurel.example/a?b=1&amp;c=2"' in page.get(f"/messages/{kept}").text


def test_the_html_part_is_shown_without_scripts_origin_or_network(folder: Path, page: TestClient) -> None:
    kept = Mailbox(folder).keep("a@laurel.example", ["b@laurel.example"], message().as_bytes())
    policy = page.get(f"/messages/{kept}/html").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\xfe no header at all",
        b"Subject: =?utf-8?b?a?= =?x?q?=?=\r\nMessage-ID: caf\xe9\r\n\r\nx",
        b"Subject: =?utf-8?b?////?=\r\nMessage-ID: <\r\nTo: <<>>,,\r\n\r\nx",
        b"Content-Type: text/plain; charset=no-such\r\n\r\ncaf\xe9",
        b"Content-Type: multipart/alternative; boundary=\r\n\r\n--\r\n",
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%",
    ],
)
def test_a_malformed_message_is_kept_and_listed(folder: Path, page: TestClient, content: bytes) -> None:
    kept = Mailbox(folder).keep("", ["ada@learner.example"], content)
    assert [one["id"] for one in page.get("/messages").json()] == [kept]
    assert page.get(f"/messages/{kept}").status_code == 200
    assert page.get(f"/messages/{kept}/source").content.endswith(content)


def test_an_address_outside_ascii_is_found_again(folder: Path, page: TestClient) -> None:
    Mailbox(folder).keep("", ["zoë@learner.example"], b"Subject: x\r\n\r\ny")
    assert len(page.get("/messages", params={"to": "zoë@learner.example"}).json()) == 1


@pytest.mark.parametrize("path", ["/messages/nothing", "/messages/..%2f..%2fetc%2fpasswd/source", "/messages/x/html"])
def test_an_unknown_message_is_not_found(page: TestClient, path: str) -> None:
    assert page.get(path).status_code == 404
