from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from cli.local import EmbeddedTemporal
from cli.temporal_setup import register_search_attributes, registered_search_attributes


def quiet(_line: str) -> None:
    """Drop a progress line."""


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedTemporal]:
    with EmbeddedTemporal(data_dir, search_attributes={"FromStart": "Keyword"}, say=quiet) as server:
        yield server


@pytest.fixture
async def client(server: EmbeddedTemporal) -> Client:
    return await Client.connect(server.address)


async def test_search_attributes_are_registered_once_and_survive_kill_9(
    server: EmbeddedTemporal, client: Client
) -> None:
    wanted = {"ClaimStage": "Keyword", "ClaimDueAt": "Datetime", "FromStart": "Keyword"}
    assert set(await register_search_attributes(client, wanted)) == {"ClaimStage", "ClaimDueAt"}
    assert await register_search_attributes(client, wanted) == ()
    server.kill()
    assert await register_search_attributes(client, wanted) == ()
    assert wanted.items() <= (await registered_search_attributes(client)).items()

    with pytest.raises(ValueError, match="ClaimStage exists with type Keyword; Laurel needs type Datetime"):
        await register_search_attributes(client, {"ClaimStage": "Datetime"})
