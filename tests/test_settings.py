"""Settings whose bounds keep a promise that is made elsewhere."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from config.settings import Settings
from workflows.contract import CERTIFICATE


def test_a_render_ends_before_temporal_gives_its_activity_up() -> None:
    most = Settings(render_seconds=15, _env_file=None).render_seconds
    given = CERTIFICATE["start_to_close_timeout"]
    assert given is not None
    assert timedelta(seconds=most) < given
    with pytest.raises(ValidationError, match="render_seconds"):
        Settings(render_seconds=most + 1, _env_file=None)
