"""Verifying a certificate by its file: the browser computes the fingerprint, and the file stays where it is."""

from playwright.async_api import FilePayload, Page, Request, expect

from cli.learner import Json
from tests.browser.conftest import Desk
from tests.e2e.people import Person

FINGERPRINT_SHOWN = "The file stays on this device"


def pdf(content: bytes) -> FilePayload:
    return {"name": "certificate.pdf", "mimeType": "application/pdf", "buffer": content}


async def opened(desk: Desk) -> tuple[Page, list[Request]]:
    """The page where anyone verifies, and the requests that it sends from then on."""
    sent: list[Request] = []
    page = await desk.window()
    await page.goto("/verify")
    await expect(page.locator("#file-note")).to_contain_text(FINGERPRINT_SHOWN)
    page.on("request", lambda request: sent.append(request))  # noqa: PLW0108  # it marks what it is given
    return page, sent


async def test_the_file_of_a_certificate_is_recognised_and_never_sent(desk: Desk, holder: tuple[Person, Json]) -> None:
    person, claim = holder
    page, sent = await opened(desk)
    await page.get_by_label("PDF file").set_input_files(pdf(person.certificate(claim["id"])))
    await expect(page.locator(".verdict")).to_have_class("verdict valid")
    await expect(page.get_by_text("The file is, byte for byte, the certificate as it was issued.")).to_be_visible()
    await expect(page.get_by_text("Alice Moreau")).to_be_visible()
    assert {request.method for request in sent} == {"GET"}
    assert all(request.post_data_buffer is None for request in sent)


async def test_a_file_that_was_changed_by_one_byte_is_not_recognised(desk: Desk, holder: tuple[Person, Json]) -> None:
    person, claim = holder
    content = bytearray(person.certificate(claim["id"]))
    content[len(content) // 2] ^= 1
    page, _ = await opened(desk)
    await page.get_by_label("PDF file").set_input_files(pdf(bytes(content)))
    await expect(page.locator(".verdict")).to_have_class("verdict unknown")
    await expect(page.get_by_text("Alice Moreau")).to_have_count(0)


async def test_without_scripts_the_fingerprint_is_computed_by_a_command_that_the_page_names(desk: Desk) -> None:
    page = await desk.window(has_scripts=False)
    await page.goto("/verify")
    await expect(page.get_by_text("sha256sum certificate.pdf")).to_be_visible()
    await expect(page.get_by_label("PDF file")).to_be_hidden()
