"""Links with which a learner shares a transcript for a while, and the transcript that whoever has one reads."""

import secrets
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from api.auth import Principal, SignedIn, public
from api.limits import Limit
from api.problems import ProblemError
from api.services import Services, services_of
from api.transcripts import learner_transcript
from api.v1 import answers
from api.v1.bodies import Body, Code, Day
from api.v1.envelope import Envelope, envelope
from api.v1.once import answer_once
from api.v1.steps import json_response
from api.v1.transcript import (
    SHARED_ANSWERS,
    FileQuery,
    TranscriptQuery,
    checked_filter,
    known_credit_type,
    transcript_response,
)
from api.views import time_json
from domain.identities import is_id
from domain.transcripts import FIRST_PLAUSIBLE_DAY, LAST_PLAUSIBLE_YEAR, TranscriptLinkState
from storage import transcript_links
from storage.acts import Actor
from storage.transcript_links import TranscriptLink

router = APIRouter(tags=["transcript"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]
EnvelopeOf = Annotated[Envelope, Depends(envelope)]

_MOST_LISTED: Final = 100
_NEW_LINKS: Final = Limit("transcript_links", 20, 3600)


class TranscriptLinkRequest(Body):
    """What to share, as ``GET /v1/transcript`` filters it, and for how many days."""

    days: Annotated[int, Field(ge=1, le=365)] = 30
    from_on: Annotated[Day | None, Field(alias="from")] = None
    to: Day | None = None
    year: Annotated[int | None, Field(ge=FIRST_PLAUSIBLE_DAY.year, le=LAST_PLAUSIBLE_YEAR)] = None
    credit_type: Annotated[Code, AfterValidator(known_credit_type)] | None = None


class TranscriptLinkAnswer(BaseModel):
    """A link. ``url`` is told once, when the link is made: only the hash of its token is stored."""

    id: str
    href: str
    url: str | None
    state: TranscriptLinkState
    from_on: str | None = Field(serialization_alias="from")
    to: str | None
    year: int | None
    credit_type: str | None
    created_at: answers.Time
    expires_at: answers.Time
    revoked_at: answers.Time | None


class TranscriptLinkList(BaseModel):
    """My newest links, whether they work or not."""

    data: list[TranscriptLinkAnswer]


def _link_json(link: TranscriptLink, url: str | None = None) -> dict[str, Any]:
    return {
        "id": link.id,
        "href": f"/v1/me/transcript-links/{link.id}",
        "url": url,
        "state": link.state,
        "from": link.from_on and link.from_on.isoformat(),
        "to": link.until_on and link.until_on.isoformat(),
        "year": link.year,
        "credit_type": link.credit_type,
        "created_at": time_json(link.created_at),
        "expires_at": time_json(link.expires_at),
        "revoked_at": time_json(link.revoked_at),
    }


@router.post("/v1/me/transcript-links", status_code=201, response_model=TranscriptLinkAnswer)
async def create_transcript_link(
    request: Request, body: TranscriptLinkRequest, principal: SignedIn, head: EnvelopeOf, services: ServicesOf
) -> Response:
    """Share my transcript: whoever has the link reads it, as it is then, until the link ends.

    A repeated request finds the link that was made, but not its `url`.
    """
    wanted = checked_filter(body.from_on, body.to, body.year, body.credit_type, pointer="/to")
    request.state.limit_headers = services.limiter.hit(_NEW_LINKS, principal.account_id)
    token = secrets.token_urlsafe(32)
    made: dict[str, Any] = {}

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        link = await connection.run_sync(
            lambda c: transcript_links.add(
                c, principal.learner_id, token, wanted, life=timedelta(days=body.days), actor=_actor(principal, head)
            )
        )
        # What is stored for repeated requests must not open anything.
        made.update(_link_json(link, f"{services.settings.public_url}/transcripts/{token}"))
        return _link_json(link)

    response = await answer_once(services, head.key, make, 201)
    return response if "idempotent-replayed" in response.headers else json_response(made, 201)


def _actor(principal: Principal, head: Envelope) -> Actor:
    return Actor(principal.account_id, head.request_id)


@router.get("/v1/me/transcript-links", response_model=TranscriptLinkList)
async def list_transcript_links(principal: SignedIn, services: ServicesOf) -> Response:
    """The links to my transcript, the newest first."""
    links = await services.database.statements(
        lambda c: transcript_links.links_of(c, principal.learner_id, _MOST_LISTED)
    )
    return json_response({"data": [_link_json(link) for link in links]})


@router.delete("/v1/me/transcript-links/{link_id}", status_code=204)
async def revoke_transcript_link(link_id: str, principal: SignedIn, head: EnvelopeOf, services: ServicesOf) -> Response:
    """End a link of mine now; one that has ended stays as it is."""
    actor = _actor(principal, head)
    is_mine = is_id(link_id, "trl") and await services.database.transaction(
        lambda c: c.run_sync(transcript_links.revoke, principal.learner_id, link_id, actor)
    )
    if not is_mine:
        raise ProblemError("not_found")
    return Response(status_code=204)


@router.get("/v1/transcript-links/{token}", responses=SHARED_ANSWERS, dependencies=[Depends(public)])
async def show_shared_transcript(request: Request, token: str, services: ServicesOf, wanted: FileQuery) -> Response:
    """A transcript that its learner shares, as it is now: JSON, CSV or PDF. What only the learner may open is left out.

    410 once the link has expired or was revoked.
    """
    link = await services.database.statements(lambda c: transcript_links.link_with(c, token[:100]))
    if link is None:
        raise ProblemError("not_found")
    if link.state is not TranscriptLinkState.ACTIVE:
        raise ProblemError("link_ended")
    made = await learner_transcript(services, link.learner_id, link.wanted)
    if made is None:
        raise ProblemError("not_found")
    query = TranscriptQuery(format=wanted.format, bom=wanted.bom)
    return await transcript_response(request, services, made, query, who=link.id, is_shared=True)
