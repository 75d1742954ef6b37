"""The way to a Temporal cluster or Temporal Cloud, by the SDK's own variables: TLS both ways, keys, a file of profiles.

The real server speaks plainly here, so a proxy before it speaks TLS and lets in who shows a certificate.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import TLSConfig
from temporalio.testing import WorkflowEnvironment

from cli.doctor import check_temporal
from cli.servers import Servers
from config.settings import Settings
from config.temporal import connect
from tests.authorities import Authority

SERVER = "temporal.example"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("cluster"))


@pytest.fixture(scope="module")
async def cluster(environment: WorkflowEnvironment, authority: Authority) -> AsyncIterator[str]:
    """The address of the server behind TLS; it lets in clients with a certificate of the authority."""
    host, _, port = environment.client.service_client.config.target_host.rpartition(":")
    context = authority.sign(SERVER).server_context()
    context.set_alpn_protocols(["h2"])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    relays: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        relays.add(task)
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
        finally:
            inner_writer.close()
            writer.close()

    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    for task in relays:
        task.cancel()
    await asyncio.gather(*relays, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while content := await reader.read(65_536):
        writer.write(content)
        await writer.drain()


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority, cluster: str) -> dict[str, str]:
    """What reaches the cluster; nothing of the machine's own configuration counts."""
    for name in ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE", "TEMPORAL_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    client = authority.sign("laurel.example")
    return {
        "TEMPORAL_CONFIG_FILE": str(tmp_path / "temporal.toml"),
        "TEMPORAL_ADDRESS": cluster,
        "TEMPORAL_TLS": "true",
        "TEMPORAL_TLS_SERVER_NAME": SERVER,
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(authority.file),
        "TEMPORAL_TLS_CLIENT_CERT_PATH": str(client.certificate),
        "TEMPORAL_TLS_CLIENT_KEY_PATH": str(client.key),
    }


def given(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    Path(variables["TEMPORAL_CONFIG_FILE"]).touch()


async def described_namespace() -> str:
    """Connect as every process does, and ask the server about the namespace."""
    client = await connect()
    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    return described.namespace_info.name


@pytest.mark.parametrize("has_key", [False, True], ids=["certificate", "certificate and API key"])
async def test_a_client_certificate_leads_to_the_cluster(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, has_key: bool
) -> None:
    given(monkeypatch, variables | ({"TEMPORAL_API_KEY": "key"} if has_key else {}))
    assert await described_namespace() == "default"


@pytest.mark.parametrize(
    "missing",
    [
        {"TEMPORAL_TLS_SERVER_CA_CERT_PATH"},
        {"TEMPORAL_TLS_SERVER_NAME"},
        {"TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH"},
    ],
    ids=["unknown authority", "another name", "no client certificate"],
)
async def test_whoever_cannot_trust_or_is_not_trusted_gets_no_connection(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], missing: set[str]
) -> None:
    given(monkeypatch, {name: value for name, value in variables.items() if name not in missing})
    with pytest.raises(RuntimeError):
        await described_namespace()


async def test_a_profile_of_a_file_says_all_of_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "profiles.toml"
    file.write_text(f"""
[profile.office]
address = "{variables["TEMPORAL_ADDRESS"]}"
namespace = "default"
[profile.office.tls]
server_name = "{SERVER}"
server_ca_cert_path = "{variables["TEMPORAL_TLS_SERVER_CA_CERT_PATH"]}"
client_cert_path = "{variables["TEMPORAL_TLS_CLIENT_CERT_PATH"]}"
client_key_path = "{variables["TEMPORAL_TLS_CLIENT_KEY_PATH"]}"
""")
    given(monkeypatch, {"TEMPORAL_CONFIG_FILE": str(file), "TEMPORAL_PROFILE": "office"})
    assert await described_namespace() == "default"
    address = Servers.given(Settings()).temporal_address
    assert address == variables["TEMPORAL_ADDRESS"]
    assert (await check_temporal(address)).passed, "the doctor looks where processes do"


async def test_an_api_key_and_a_namespace_are_handed_on_and_a_key_is_never_sent_plainly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address, namespace = "office.accounts.example:7233", "office.accounts"
    settings = {"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": namespace, "TEMPORAL_API_KEY": "key"}
    given(monkeypatch, settings | {"TEMPORAL_CONFIG_FILE": str(tmp_path / "none.toml")})
    client = await connect(lazy=True)
    config = client.service_client.config
    assert (config.target_host, client.namespace, config.api_key) == (address, namespace, "key")
    assert config.tls is True or isinstance(config.tls, TLSConfig)
