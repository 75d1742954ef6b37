"""Counting requests, and log lines that hold no values."""

import io
import json
import logging

import pytest
import structlog

from api.limits import Limit, Limiter
from api.problems import ProblemError
from api.v1.envelope import patience
from config.logging import configure_logging
from config.settings import Settings


def test_a_limit_begins_anew_with_the_next_window() -> None:
    now = 120.0
    limiter, limit = Limiter(lambda: now), Limit("requests", 2)
    assert limiter.hit(limit, "a")["RateLimit"] == '"requests";r=1;t=60'
    limiter.hit(limit, "a")
    limiter.hit(limit, "b")
    with pytest.raises(ProblemError) as refused:
        limiter.hit(limit, "a")
    assert refused.value.headers["Retry-After"] == "60"
    now = 180.0
    assert limiter.hit(limit, "a")["RateLimit"] == '"requests";r=1;t=60'


@pytest.mark.parametrize(
    ("prefer", "seconds", "is_insistent"),
    [
        (None, 2.0, False),
        ("wait=5", 5, True),
        ("wait=900", 30, True),
        ("respond-async, wait=10", 0, False),
        ("respond-async", 0, False),
        ("wait=abc", 2.0, False),
        ("return=minimal; wait=3", 3, True),
    ],
)
def test_a_client_chooses_how_long_it_waits(prefer: str | None, seconds: float, is_insistent: bool) -> None:
    chosen = patience(prefer)
    assert (chosen.seconds, chosen.is_insistent) == (seconds, is_insistent)


def test_a_logged_exception_says_where_but_not_what(settings: Settings) -> None:
    configure_logging(settings.model_copy(update={"log_format": "json"}))
    written = io.StringIO()
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    try:
        int("Ada Lovelace <ada@example.org>")
    except ValueError:
        structlog.get_logger("laurel.test").exception("it.failed", claim="clm_1")
        logging.getLogger("some.library").exception("it failed too")
    configure_logging(settings)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["error"] for line in lines] == ["ValueError", "ValueError"]
    assert "test_limits_and_logs.py" in lines[0]["raised_at"][-1]
    assert lines[0]["claim"] == "clm_1"
    assert "Ada" not in written.getvalue()
