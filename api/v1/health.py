"""Whether the process runs, and whether everything it needs answers."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from api.auth import public
from api.services import Services, services_of
from api.v1 import answers
from api.v1.steps import json_response
from storage import migrate

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=answers.Health, dependencies=[Depends(public)])
async def healthz() -> Response:
    """The process runs."""
    return json_response({"status": "ok"})


@router.get(
    "/readyz", response_model=answers.Health, responses={503: {"model": answers.Health}}, dependencies=[Depends(public)]
)
async def readyz(services: Annotated[Services, Depends(services_of)]) -> Response:
    """What answers: the database in the right schema, notifications, Temporal.

    Without Temporal steps are still taken in, so only the database decides between 200 and 503.
    """
    database, temporal = await asyncio.gather(_is_migrated(services), services.gateway.is_temporal_up())
    checks = {"database": database, "listener": services.wakeups.is_listening, "temporal": temporal}
    status = "ok" if all(checks.values()) else "degraded" if database else "unavailable"
    return json_response({"status": status, "checks": checks}, 200 if database else 503)


async def _is_migrated(services: Services) -> bool:
    try:
        found = await services.database.statements(lambda c: c.scalar(text("SELECT version_num FROM alembic_version")))
    except (SQLAlchemyError, OSError):
        return False
    return bool(found == migrate.newest())
