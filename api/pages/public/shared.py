"""What a link in an e-mail or from a learner opens, without signing in: a shared transcript, the end of reminders."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.visit import Visitor

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]

_LONGEST_TOKEN: Final = 100


@dataclass(frozen=True, slots=True)
class SharedTranscript:
    """A transcript that its learner shares; ``address`` is the page's own."""

    transcript: Json
    address: str
    chosen: str


@dataclass(frozen=True, slots=True)
class StopPage:
    """The page that asks for the click that stops reminders, or says that they are stopped."""

    token: str
    is_stopped: bool


@router.get("/transcripts/{token}")
async def show_shared_transcript(visit: Visitor, token: str) -> Response:
    """The transcript, as it is now, for anyone who has the link."""
    address = f"/transcripts/{quote(token[:_LONGEST_TOKEN], safe='')}"
    transcript = await visit.get(f"/v1/transcript-links{address.removeprefix('/transcripts')}")
    types = {each["credit_type"]: each["credit_name"] for each in transcript["totals"]}
    chosen = types.get(transcript["credit_type"], transcript["credit_type"] or "")
    return visit.page("public/shared_transcript.html", view=SharedTranscript(transcript, address, chosen))


@router.get("/transcripts/{token}/file")
async def download_shared_transcript(visit: Visitor, token: str) -> Response:
    """The same as PDF or CSV, as ``format`` says."""
    return visit.forward(f"/v1/transcript-links/{quote(token[:_LONGEST_TOKEN], safe='')}")


@router.get("/reminders/{token}")
async def ask_to_stop(visit: Visitor, token: str) -> Response:
    """Ask for a click, because mail scanners open links too."""
    return visit.page("public/reminders.html", view=StopPage(token[:_LONGEST_TOKEN], is_stopped=False))


@router.post("/reminders/{token}")
async def stop_reminders(visit: Visitor, token: str) -> Response:
    """Stop all reminders of whoever has the e-mail, by the page's button or by the mail program's own (RFC 8058)."""
    await visit.send("POST", "/v1/reminders/stop", {"token": token[:_LONGEST_TOKEN]})
    return visit.page("public/reminders.html", view=StopPage("", is_stopped=True))
