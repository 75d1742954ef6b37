"""Requests that are answered within their own transaction, and answered the same when they are repeated."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.database import UNAVAILABLE
from api.problems import ProblemError
from api.services import Services
from api.v1.steps import json_response
from storage import intake
from storage.intake import IdempotencyKey, KeyReusedError, StoredAnswer

Work = Callable[[AsyncConnection], Awaitable[Mapping[str, Any]]]


async def answer_once(services: Services, key: IdempotencyKey | None, work: Work, status: int = 200) -> Response:
    """Do the work in one transaction and answer with what it returns; under the same key, answer the same again.

    Without a key it is still done only once when the database commits and its answer is lost. Work that raises changes
    nothing and leaves the key unused. Raises 422 when the key stands for another request.
    """
    taken = key or intake.own_key()

    async def do(connection: AsyncConnection) -> StoredAnswer | Mapping[str, Any]:
        stored = await intake.begin_answer(connection, taken)
        if stored is not None:
            return stored
        document = await work(connection)
        await intake.finish_answer(connection, taken, status, document)
        return document

    try:
        outcome = await services.database.transaction(do)
    except KeyReusedError:
        raise ProblemError("idempotency_key_reused") from None
    if key is None:
        # The work is committed, so nothing that happens now may look like a failure; what stays is swept with all keys.
        with suppress(*UNAVAILABLE):
            await services.database.statements(lambda c: intake.forget_answer(c, taken))
    if isinstance(outcome, StoredAnswer):
        headers = {"Idempotent-Replayed": "true"} if key else {}
        return json_response(outcome.body, outcome.status or status, headers)
    return json_response(outcome, status)
