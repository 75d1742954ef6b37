"""The real stack of the workflows' tests: PostgreSQL, a Temporal server that skips time, and the product's workers."""

from tests.workflows.conftest import activities, environment, mail, plain_logging, settings, workers

__all__ = ["activities", "environment", "mail", "plain_logging", "settings", "workers"]
