"""The real stack of the workflows' tests: PostgreSQL, a Temporal server that skips time, and the product's workers."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.model.mirror import mirrored
from tests.workflows.conftest import activities, environment, mail, plain_logging, settings, workers

__all__ = ["activities", "environment", "mail", "plain_logging", "settings", "workers"]


@pytest.fixture(scope="module")
def mirror(owner_engine: Engine) -> Iterator[None]:
    """The database notes each change of a claim's state by itself."""
    with mirrored(owner_engine):
        yield
