"""Names and titles are hostile input; and even a page that were hostile could not reach the network or a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread

import pikepdf
import pypdf
import pytest

from documents.certificate import certificate_css, render_certificate_pdf
from documents.models import CertificateData
from documents.pdf import PdfEngine

CANARY = "CANARY-4711"


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """A web server on the loopback interface, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "secret.txt"
    file.write_text(CANARY)
    return file.as_uri()


def attacks(web: str, file: str) -> list[str]:
    return [
        attack.format(address)
        for address in (f"{web}/x.png", file)
        for attack in (
            "<img src='{0}'>",
            "<link rel=stylesheet href='{0}'><link rel=attachment href='{0}'><a rel=attachment href='{0}'>x</a>",
            "<style>@import '{0}'; p {{ background: url({0}) }} @font-face {{ font-family: x; src: url({0}) }}</style>",
            "<p style='background: url({0}); list-style: url({0}); content: url({0})'>x</p>",
            "<object data='{0}'></object><embed src='{0}'><iframe src='{0}'></iframe><base href='{0}'>",
            "<svg><image href='{0}'/><use href='{0}#x'/></svg><meta http-equiv=refresh content='0; {0}'>",
        )
    ]


def everything_in(pdf: bytes) -> bytes:
    with pikepdf.open(BytesIO(pdf)) as document:
        assert "/EmbeddedFiles" not in document.Root.get("/Names", {})
        return b"".join(item.read_bytes() for item in document.objects if isinstance(item, pikepdf.Stream))


def test_a_hostile_name_is_printed_as_it_is_and_fetches_nothing(certificate: CertificateData, secret: str) -> None:
    with listening() as (web, asked):
        for attack in attacks(web, secret):
            pdf = render_certificate_pdf(replace(certificate, learner_name=attack, ce_activity_title=attack))
            printed = "".join("".join(page.extract_text() for page in pypdf.PdfReader(BytesIO(pdf)).pages).split())
            assert "".join(attack.split()) in printed
            assert CANARY.encode() not in everything_in(pdf)
    assert asked == []


def test_template_language_in_a_name_is_not_carried_out(certificate: CertificateData) -> None:
    pdf = render_certificate_pdf(replace(certificate, learner_name="{{ 7*7 }} {% raw %}"))
    assert "{{ 7*7 }} {% raw %}, MD" in pypdf.PdfReader(BytesIO(pdf)).pages[0].extract_text()


def test_the_engine_itself_has_neither_network_nor_files(secret: str) -> None:
    engine = PdfEngine(certificate_css())
    with listening() as (web, asked):
        for attack in attacks(web, secret):
            pdf = engine.render([f"<!DOCTYPE html><html lang=en><title>x</title><body>{attack}<p>end"], "x")
            assert CANARY.encode() not in everything_in(pdf)
    assert asked == []


def test_the_engine_reads_no_file_for_an_entity_of_the_page(secret: str) -> None:
    engine = PdfEngine(certificate_css())
    page = (
        f'<!DOCTYPE html [<!ENTITY x SYSTEM "{secret}">]><html lang="en"><head><title>x</title></head><p>&x;</p></html>'
    )
    assert CANARY not in pypdf.PdfReader(BytesIO(engine.render([page], "x"))).pages[0].extract_text()
