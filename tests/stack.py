"""One embedded stack for all tests from end to end, over HTTP and in a browser, and who is there.

Every part is real, the examples are loaded, and post-tests are graded after 2 s.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from cli.demo import load_examples
from cli.learner import Json
from cli.local import LocalStack
from domain.roles import Role
from storage import accounts
from storage.database import create_sync_engine
from tests.browser.frontend import Frontend
from tests.e2e.meeting import BADGE_IDS, MEETING, Attendee, attendee, meeting_with_badges
from tests.e2e.office import Office, own_example
from tests.e2e.people import Person, Town


@pytest.fixture(scope="session")
def frontend() -> Iterator[Frontend]:
    """The front end of the examples, on an origin of its own."""
    frontend = Frontend()
    yield frontend
    frontend.stop()


@pytest.fixture(scope="session")
def stack(frontend: Frontend) -> Iterator[LocalStack]:
    """The whole of Laurel; browsers may call it from the front end of the examples."""
    folder = Path(tempfile.mkdtemp(prefix="laurel-stack-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user when we are root.
    environment = {
        # All people of all tests sign in from one address.
        "LAUREL_SIGN_IN_LINKS_PER_HOUR": "400",
        "LAUREL_ALLOWED_ORIGINS": f'["{frontend.origin}"]',
    }
    stack = LocalStack(folder, environment=environment, say=lambda _: None)
    stack.start()
    load_examples(stack.database_url, fast=True)
    frontend.api = stack.urls["api"]
    yield stack
    from tests.agreement import check_every_certificate  # noqa: PLC0415 - it needs the whole application

    check_every_certificate(stack.database_url, stack.urls["api"])
    stack.stop()
    shutil.rmtree(folder)


@pytest.fixture
def town(stack: LocalStack) -> Iterator[Town]:
    town = Town(stack)
    yield town
    town.close()


@pytest.fixture
def learner(town: Town) -> Person:
    """A physician."""
    return town.learner()


@pytest.fixture(scope="session")
def holder(stack: LocalStack) -> Iterator[tuple[Person, Json]]:
    """A physician who holds credit, and the completed claim; for tests that change neither."""
    town = Town(stack)
    person = town.learner()
    yield person, person.complete()
    town.close()


@pytest.fixture
def coordinator(town: Town, stack: LocalStack) -> Person:
    person = town.stranger()
    accounts.add_staff(stack.database_url, person.email, Role.COORDINATOR)
    return person


@pytest.fixture(scope="session")
def office(stack: LocalStack) -> Iterator[Office]:
    """The accreditation office: staff who have no claim of their own."""
    with Office.opened(stack) as office:
        yield office


@pytest.fixture(scope="session")
def meeting(office: Office) -> str:
    """The society's meeting with its badges, set up by the office over HTTP."""
    return meeting_with_badges(office, own_example(MEETING))


@pytest.fixture(scope="session")
def badges() -> Iterator[str]:
    """Badges of the meeting that nobody used yet."""
    return iter(BADGE_IDS)


@pytest.fixture
def present(town: Town, meeting: str, badges: Iterator[str]) -> Attendee:
    """A physician at the sessions of the meeting."""
    return attendee(town.learner(), meeting, next(badges))


@pytest.fixture(scope="session")
def record(stack: LocalStack) -> Iterator[Engine]:
    """Connections to the stack's database."""
    engine = create_sync_engine(stack.database_url, pool_size=2)
    yield engine
    engine.dispose()


@pytest.fixture
async def temporal(stack: LocalStack) -> Client:
    return await Client.connect(stack.temporal_address)
