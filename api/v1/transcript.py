"""Transcripts: what a learner has completed, as JSON, CSV or PDF, for the learner and for staff."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from api.auth import Office, Principal, SignedIn
from api.limits import Limit
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.transcripts import LearnerTranscript, learner_transcript, transcript_csv, transcript_document, transcript_json
from api.v1 import answers
from api.v1.bodies import Code, Day
from api.v1.steps import json_response
from documents.transcript import render_transcript_pdf
from domain import credit
from domain.credit import UnknownCreditTypeError
from domain.identities import is_id
from domain.policy import LearningFormat
from domain.transcripts import FIRST_PLAUSIBLE_DAY, LAST_PLAUSIBLE_YEAR, TranscriptFilter

router = APIRouter(tags=["transcript"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_PDFS: Final = Limit("transcript-pdf", 10)
_QUALITY: Final = re.compile(r";\s*q=([01](?:\.[0-9]{0,3})?)\s*(?:;|$)", re.IGNORECASE)
# One at a time: the PDF engine cannot do more, and other work in threads must not wait for it.
_PRINTER: Final = ThreadPoolExecutor(1, "transcript-pdf")


class TranscriptFormat(StrEnum):
    """What a transcript may be answered as."""

    JSON = "json"
    CSV = "csv"
    PDF = "pdf"


_MEDIA_TYPES: Final = {
    "application/json": TranscriptFormat.JSON,
    "text/csv": TranscriptFormat.CSV,
    "application/pdf": TranscriptFormat.PDF,
    "text/*": TranscriptFormat.CSV,
    "application/*": TranscriptFormat.JSON,
    "*/*": TranscriptFormat.JSON,
}


class SessionOfEntry(BaseModel):
    """The part of an award that was claimed for one session."""

    title: str
    held_on: str | None
    units: answers.Units


class CertificateOfEntry(BaseModel):
    """Where the certificate is: here, or in the organisation's own ``system`` at its ``url``."""

    issued: Literal["here", "elsewhere"]
    state: Literal["reserved", "issued"] | None
    href: str | None
    page_url: str | None
    verification_code: str | None
    verification_url: str | None
    system: str | None
    url: str | None


class TotalOfCredit(BaseModel):
    """Credit of one type, added up."""

    credit_type: str
    credit_name: str
    credit_is_italic: bool
    unit: str
    units: answers.Units
    awards: int


class EntryOfTranscript(BaseModel):
    """One award; ``historical`` is credit from before this record began, as staff entered it."""

    id: str
    historical: bool
    title: str
    provider: str
    learning_format: LearningFormat | None
    completed_on: str
    credit_type: str
    credit_name: str
    credit_is_italic: bool
    unit: str
    units: answers.Units
    sessions: list[SessionOfEntry]
    is_final: bool
    reference: str | None
    claim: str | None
    certificate: CertificateOfEntry | None


class YearOfTranscript(BaseModel):
    """What was completed in one calendar year, added up by type."""

    year: int
    totals: list[TotalOfCredit]


class LearnerOfTranscript(BaseModel):
    """Whose transcript it is; those with whom it is shared are told no ``id``."""

    id: str | None
    name: str | None
    credentials: str | None


class TranscriptAnswer(BaseModel):
    """What was completed in a period, newest first, with totals by type and year."""

    learner: LearnerOfTranscript
    from_on: str | None = Field(alias="from")
    to: str | None
    year: int | None
    credit_type: str | None
    made_on: str
    entries: list[EntryOfTranscript]
    totals: list[TotalOfCredit]
    years: list[YearOfTranscript]


def known_credit_type(code: str) -> str:
    """A credit type that there is; else ``ValueError``."""
    try:
        return credit.rule(code).code
    except UnknownCreditTypeError:
        raise ValueError("credit_type_unknown") from None


class TranscriptFile(BaseModel):
    """As what a transcript is wanted."""

    format: Annotated[TranscriptFormat | None, Field(description="Instead of an Accept header.")] = None
    bom: Annotated[bool, Field(description="Whether CSV begins with the mark that Excel needs.")] = True


class TranscriptQuery(TranscriptFile):
    """Which awards to list, and as what; what is left out does not matter."""

    from_on: Annotated[Day | None, Field(alias="from", description="The first day of completion.")] = None
    to: Annotated[Day | None, Field(description="The last day of completion.")] = None
    year: Annotated[int | None, Field(ge=FIRST_PLAUSIBLE_DAY.year, le=LAST_PLAUSIBLE_YEAR)] = None
    credit_type: Annotated[Code, AfterValidator(known_credit_type)] | None = None

    def filter(self) -> TranscriptFilter:
        """The same for the domain; raises 422 when the period ends before it begins."""
        return checked_filter(self.from_on, self.to, self.year, self.credit_type)


def checked_filter(
    from_on: str | None, to: str | None, year: int | None, credit_type: str | None, *, pointer: str = "to"
) -> TranscriptFilter:
    """What to list, of days as RFC 3339 writes them; raises 422 at ``pointer`` when it ends before it begins."""
    first, last = (date.fromisoformat(day) if day else None for day in (from_on, to))
    if first and last and last < first:
        raise ProblemError("validation_failed", errors=[FieldError(pointer, "range_reversed", "is not before from")])
    return TranscriptFilter(from_on=first, until_on=last, year=year, credit_type=credit_type)


Wanted = Annotated[TranscriptQuery, Query()]
FileQuery = Annotated[TranscriptFile, Query()]

_ANSWERS: Final[answers.Responses] = {
    200: {
        "model": TranscriptAnswer,
        "description": "The transcript.",
        "content": {"text/csv": {"schema": {"type": "string"}}, "application/pdf": {}},
    }
}
_STAFF_ANSWERS: Final[answers.Responses] = {**_ANSWERS, 403: answers.STAFF_PROBLEMS[403]}
SHARED_ANSWERS: Final[answers.Responses] = {
    **_ANSWERS,
    410: {"model": answers.Problem, "description": "The link has expired, or was revoked."},
}


@router.get("/v1/transcript", responses=_ANSWERS)
async def show_transcript(request: Request, principal: SignedIn, services: ServicesOf, wanted: Wanted) -> Response:
    """What I have completed, newest first, with totals by type and year: JSON, CSV or PDF, as `Accept` asks."""
    return await _transcript(request, services, principal, principal.learner_id, wanted)


@router.get("/v1/staff/learners/{learner_id}/transcript", responses=_STAFF_ANSWERS)
async def show_transcript_of_learner(
    request: Request, learner_id: str, principal: Office, services: ServicesOf, wanted: Wanted
) -> Response:
    """The same for any learner."""
    return await _transcript(request, services, principal, learner_id, wanted)


async def _transcript(
    request: Request, services: Services, principal: Principal, learner_id: str, wanted: TranscriptQuery
) -> Response:
    asked_for = wanted.filter()
    made = await learner_transcript(services, learner_id, asked_for) if is_id(learner_id, "lrn") else None
    if made is None:
        raise ProblemError("not_found")
    return await transcript_response(request, services, made, wanted, who=principal.account_id)


async def transcript_response(
    request: Request,
    services: Services,
    made: LearnerTranscript,
    wanted: TranscriptFile,
    *,
    who: str,
    is_shared: bool = False,
) -> Response:
    """A transcript as what is wanted; PDFs are counted for ``who``, ten a minute."""
    public_url = services.settings.public_url
    match wanted.format or format_asked(",".join(request.headers.getlist("accept"))):
        case TranscriptFormat.CSV:
            content = transcript_csv(made, public_url, is_marked=wanted.bom)
            return Response(content, media_type="text/csv", headers=_headers(made, "attachment", "csv"))
        case TranscriptFormat.PDF:
            request.state.limit_headers = services.limiter.hit(_PDFS, who)
            document = transcript_document(made, public_url)
            # In a thread, because it takes some 10 ms for each award.
            pdf = await asyncio.get_running_loop().run_in_executor(_PRINTER, render_transcript_pdf, document)
            return Response(pdf, media_type="application/pdf", headers=_headers(made, "inline", "pdf"))
        case TranscriptFormat.JSON:
            return json_response(transcript_json(made, public_url, is_shared=is_shared), headers={"Vary": "Accept"})


def _headers(made: LearnerTranscript, disposition: str, extension: str) -> dict[str, Any]:
    name = f"transcript-{made.made_on}.{extension}"
    return {"Content-Disposition": f'{disposition}; filename="{name}"', "Vary": "Accept"}


def format_asked(accept: str) -> TranscriptFormat:
    """What an ``Accept`` header prefers; JSON for one that asks for nothing that there is (RFC 9110, 12.4.1)."""
    best, chosen = 0.0, TranscriptFormat.JSON
    for part in accept.split(","):
        media_type = part.partition(";")[0].strip().lower()
        found = _QUALITY.search(part)
        quality = float(found[1]) if found else 1.0
        if media_type in _MEDIA_TYPES and quality > best:
            best, chosen = quality, _MEDIA_TYPES[media_type]
    return chosen
