"""The product's activities as plain objects: the database is real, Temporal is not needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from activities.certificates import PostgresCertificateActivities
from activities.mail import Postman
from config.settings import Settings
from documents.jobs import CertificateJob
from tests.claims import KeptMail, TestClaim, example_policy
from worker import Activities


class CountedRender:
    """Renders something else each time, so that a second rendering is noticed."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []

    def render(self, job: CertificateJob) -> bytes:
        content = f"%PDF-1.7 {job.data.certificate_id} {len(self.contents)}".encode()
        self.contents.append(content)
        return content


@pytest.fixture(scope="session")
def mail() -> KeptMail:
    return KeptMail()


@pytest.fixture(scope="session")
def render() -> CountedRender:
    return CountedRender()


@pytest.fixture(scope="session")
def activities(engine: Engine, database_url: str, keys_dir: Path, mail: KeptMail, render: CountedRender) -> Activities:
    settings = Settings(database_url=database_url, public_url="https://laurel.example", keys_dir=keys_dir)
    activities = Activities(engine, settings, Postman(mail, settings.mail_from))
    activities.certificates = PostgresCertificateActivities(engine, activities.claims, render, activities.credentials)
    return activities


@pytest.fixture
def new_claim(engine: Engine) -> Callable[..., TestClaim]:
    """A claim of a learner and a CE activity of its own; keyword arguments change the example's policy."""

    def make(**changes: Any) -> TestClaim:
        return TestClaim(engine, cast(Client, None), example_policy(**changes))

    return make
