"""Registers in Temporal's namespace what Laurel's workflows need."""

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

# A connection that breaks off is reported as UNKNOWN.
_NOT_YET = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.NOT_FOUND,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.UNKNOWN,
}
_PAUSE = 0.2
_TYPES = {
    name.removeprefix("INDEXED_VALUE_TYPE_").title().replace("_", ""): value for name, value in IndexedValueType.items()
}
_TYPE_NAMES = {value: name for name, value in _TYPES.items()}


async def registered_search_attributes(client: Client) -> dict[str, str]:
    """Return the namespace's own search attributes: name to type, such as ``Keyword`` or ``Datetime``."""
    answer = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return {name: _TYPE_NAMES[kind] for name, kind in answer.custom_attributes.items()}


async def register_search_attributes(
    client: Client, wanted: Mapping[str, str], *, patience: float = 30.0
) -> tuple[str, ...]:
    """Register the wanted search attributes that are missing, and return their names.

    Idempotent. A server or namespace that is not up yet is waited for, at most ``patience`` seconds.

    Raises:
        ValueError: An attribute exists with another type, which only a person may change.
        RPCError: The server refused, or went away for too long.
        RuntimeError: No connection could be made in time.
    """
    end = time.monotonic() + patience
    while True:
        try:
            return await _register_missing(client, wanted)
        except (RPCError, RuntimeError) as error:
            may_pass = not isinstance(error, RPCError) or error.status in _NOT_YET
            if not may_pass or time.monotonic() > end:
                raise
        await asyncio.sleep(_PAUSE)


async def _register_missing(client: Client, wanted: Mapping[str, str]) -> tuple[str, ...]:
    present = await registered_search_attributes(client)
    for name in wanted.keys() & present.keys():
        if present[name] != wanted[name]:
            msg = f"search attribute {name} exists with type {present[name]}; Laurel needs type {wanted[name]}"
            raise ValueError(msg)
    missing = {name: kind for name, kind in wanted.items() if name not in present}
    if missing:
        request = AddSearchAttributesRequest(
            namespace=client.namespace,
            search_attributes={name: _TYPES[kind] for name, kind in missing.items()},
        )
        try:
            await client.operator_service.add_search_attributes(request)
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:
                raise
    return tuple(missing)


async def create_namespace(client: Client, days: int, *, patience: float = 30.0) -> bool:
    """Make the namespace if there is none; answers whether it was made. Closed workflows stay ``days`` days.

    A server that is not up yet is waited for, at most ``patience`` seconds.

    Raises:
        RPCError: The server refused, or went away for too long.
        RuntimeError: No connection could be made in time.
    """
    retention = Duration()
    retention.FromTimedelta(timedelta(days=days))
    request = RegisterNamespaceRequest(namespace=client.namespace, workflow_execution_retention_period=retention)
    end = time.monotonic() + patience
    while True:
        try:
            await client.workflow_service.register_namespace(request)
        except (RPCError, RuntimeError) as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.ALREADY_EXISTS:
                return False
            may_pass = not isinstance(error, RPCError) or error.status in _NOT_YET
            if not may_pass or time.monotonic() > end:
                raise
            await asyncio.sleep(_PAUSE)
        else:
            return True


async def keep_closed_workflows(client: Client, days: int) -> None:
    """Let the namespace keep the histories of closed workflows this long; the record keeps claims without them."""
    retention = Duration()
    retention.FromTimedelta(timedelta(days=days))
    await client.workflow_service.update_namespace(
        UpdateNamespaceRequest(
            namespace=client.namespace, config=NamespaceConfig(workflow_execution_retention_ttl=retention)
        )
    )
