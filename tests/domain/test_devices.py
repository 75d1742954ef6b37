"""What a User-Agent is called by the person who uses it."""

import pytest

from domain.devices import UNKNOWN_DEVICE, Device, device_of

MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "browser", "system"),
    [
        (f"{MOZILLA} (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox", "Linux"),
        (f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/140.0.0.0 Safari/537.36", "Chrome", "Windows"),
        (f"{MOZILLA} (Windows NT 10.0) {WEBKIT} Chrome/140.0 Safari/537.36 Edg/140.0", "Edge", "Windows"),
        (f"{MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/18.0 Safari/605.1.15", "Safari", "macOS"),
        (f"{MOZILLA} (iPhone; CPU iPhone OS 18_0 like Mac OS X) {WEBKIT} CriOS/140.0 Safari/604.1", "Chrome", "iOS"),
        (f"{MOZILLA} (iPad; CPU OS 18_0 like Mac OS X) {WEBKIT} Version/18.0 Safari/604.1", "Safari", "iPadOS"),
        (f"{MOZILLA} (Linux; Android 15; K) {WEBKIT} SamsungBrowser/28.0 Chrome/130.0", "Samsung Internet", "Android"),
        (f"{MOZILLA} (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/140.0 Safari/537.36 OPR/120.0", "Opera", "ChromeOS"),
    ],
)
def test_a_browser_and_its_system_are_called_by_the_names_that_people_know(
    user_agent: str, browser: str, system: str
) -> None:
    assert device_of(user_agent) == Device(browser, system)


@pytest.mark.parametrize("user_agent", ["", "curl/8.0", "\x00", "x" * 10_000])
def test_a_program_that_nobody_knows_has_no_name(user_agent: str) -> None:
    assert device_of(user_agent) == UNKNOWN_DEVICE


def test_only_the_beginning_of_an_endless_user_agent_is_read() -> None:
    assert device_of("x" * 500 + " Firefox/1 Linux") == UNKNOWN_DEVICE
