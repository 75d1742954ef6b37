"""My profile."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import SignedIn
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import ProfileChange
from api.v1.envelope import Envelope, envelope
from api.v1.steps import json_response
from storage import intake, people
from storage.intake import KeyReusedError

router = APIRouter(prefix="/v1/me", tags=["me"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]


@router.get("", response_model=answers.Profile)
async def show_profile(principal: SignedIn, services: ServicesOf) -> Response:
    """Who I am here."""
    profile = await services.database.statements(lambda c: people.profile(c, principal.learner_id))
    return json_response(asdict(profile))


@router.patch("", response_model=answers.Profile)
async def change_profile(
    body: ProfileChange,
    principal: SignedIn,
    head: Annotated[Envelope, Depends(envelope)],
    services: ServicesOf,
) -> Response:
    """Change my profile; what is left out stays, what is null is emptied. Issued certificates stay as they are."""
    changes = body.model_dump(exclude_unset=True, exclude={"identifiers"})

    async def change(connection: AsyncConnection) -> bool:
        if head.key is not None and await intake.begin_answer(connection, head.key) is not None:
            return True
        await people.change_profile(connection, principal.learner_id, changes, body.identifiers)
        return False

    try:
        is_repeated = await services.database.transaction(change)
    except KeyReusedError:
        raise ProblemError("idempotency_key_reused") from None
    response = await show_profile(principal, services)
    if is_repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return response
