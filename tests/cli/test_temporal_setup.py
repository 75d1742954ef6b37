from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from cli.local import EmbeddedTemporal
from cli.temporal_setup import keep_closed_workflows, register_search_attributes, registered_search_attributes


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


async def test_closed_workflows_are_kept_as_long_as_asked(client: Client) -> None:
    await register_search_attributes(client, {})
    await keep_closed_workflows(client, 30)
    answer = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    assert answer.config.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=30)
