"""Requests that are answered within their own transaction, and answered the same when they are repeated."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.problems import ProblemError
from api.services import Services
from api.v1.steps import json_response
from storage import intake
from storage.intake import IdempotencyKey, KeyReusedError, StoredAnswer

Work = Callable[[AsyncConnection], Awaitable[Mapping[str, Any]]]


async def answer_once(services: Services, key: IdempotencyKey | None, work: Work, status: int = 200) -> Response:
    """Do the work in one transaction and answer with what it returns; under the same key, answer the same again.

    Work that raises changes nothing and leaves the key unused. Raises 422 when the key stands for another request.
    """

    async def do(connection: AsyncConnection) -> StoredAnswer | Mapping[str, Any]:
        if key is None:
            return await work(connection)
        stored = await intake.begin_answer(connection, key)
        if stored is not None:
            return stored
        document = await work(connection)
        await intake.finish_answer(connection, key, status, document)
        return document

    try:
        outcome = await services.database.transaction(do)
    except KeyReusedError:
        raise ProblemError("idempotency_key_reused") from None
    if isinstance(outcome, StoredAnswer):
        return json_response(outcome.body, outcome.status or status, {"Idempotent-Replayed": "true"})
    return json_response(outcome, status)
