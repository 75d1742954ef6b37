"""Exports: the office's list of claims for a period, and one claim's audit bundle. Each is entered as handed out."""

import asyncio
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import partial
from io import BufferedRandom
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.auth import Auditor, Office
from api.limits import Limit
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.bodies import Code, Day, Reason
from api.v1.staff_claims import ClaimsMeant
from config import __version__
from documents.claims_list import ListFormat, WrittenList, write_claims
from domain import credit
from domain.credit import UnknownCreditTypeError
from domain.exports import ExportedClaim, ExportFilter, ExportHeading
from domain.identities import is_id
from storage import exports
from storage.acts import Actor
from storage.audit_bundle.collect import BundleOrder, ClaimNotFoundError, hand_out_bundle
from storage.disclosures import Disclosure

router = APIRouter(prefix="/v1/staff", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_EXPORTS: Final = Limit("exports", 10)
_PIECE: Final = 256 * 1024
# One at a time, so that requests go on: an export keeps a processor busy for seconds.
_WRITER: Final = ThreadPoolExecutor(1, "exports")


def _known(credit_type: str) -> str:
    try:
        return credit.rule(credit_type).code
    except UnknownCreditTypeError:
        raise ValueError("credit_type_unknown") from None


Why = Annotated[Reason, Field(description="Why it is needed; entered in the audit trail.")]


class BundleQuery(BaseModel):
    """Why a bundle is needed, and which checkpoints its auditor has."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    reason: Why
    anchored: Annotated[
        list[Annotated[int, Field(ge=1, le=2**62)]],
        Field(max_length=100, description="Sizes of checkpoints that you kept: the bundle proves growth from each."),
    ] = []


class ClaimsQuery(ClaimsMeant):
    """Which claims to list, as what, and why: of a period, and as the list of claims is filtered."""

    from_on: Annotated[Day | None, Field(alias="from", description="The first day, by local dates.")] = None
    to: Annotated[Day | None, Field(description="The last day, by the local dates of the CE activity.")] = None
    reason: Why
    credit_type: Annotated[Code, AfterValidator(_known)] | None = None
    format: Annotated[ListFormat | None, Field(description="Instead of an Accept header.")] = None
    bom: Annotated[bool, Field(description="Whether CSV begins with the mark that Excel needs.")] = True

    def filter(self) -> ExportFilter:
        """The same for the domain; raises 422 when the period has one end only, or ends before it begins."""
        from_on = date.fromisoformat(self.from_on) if self.from_on else None
        until_on = date.fromisoformat(self.to) if self.to else None
        if (from_on is None) != (until_on is None):
            missing = "from" if from_on is None else "to"
            raise ProblemError("validation_failed", errors=[FieldError(missing, "missing", "a period has two ends")])
        if from_on and until_on and until_on < from_on:
            raise ProblemError("validation_failed", errors=[FieldError("to", "range_reversed", "is not before from")])
        return ExportFilter(from_on=from_on, until_on=until_on, credit_type=self.credit_type, **asdict(self.wanted()))


_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_LISTS: Final[answers.Responses] = {
    200: {"description": "The list.", "content": {each.media_type: _FILE for each in ListFormat}}
}


@router.get("/exports/claims", response_class=StreamingResponse, responses=_LISTS)
async def export_claims(
    request: Request, principal: Office, services: ServicesOf, wanted: Annotated[ClaimsQuery, Query()]
) -> StreamingResponse:
    """Every claim of a period with its award, certificate, corrections and exceptions: CSV, XLSX or JSON Lines.

    The filter is that of the list of claims. Without a period claims of all days are meant.
    """
    asked_for = wanted.filter()
    request.state.limit_headers = services.limiter.hit(_EXPORTS, principal.account_id)
    file_format = wanted.format or format_asked(",".join(request.headers.getlist("accept")))
    heading = ExportHeading(asked_for, datetime.now(UTC), __version__)
    to = Disclosure(Actor(principal.account_id, request.state.request_id), wanted.reason)
    file = tempfile.TemporaryFile()  # noqa: SIM115  # closed once it is sent

    def write(claims: Iterator[ExportedClaim]) -> WrittenList:
        return write_claims(file, heading, claims, file_format, is_marked=wanted.bom)

    make = partial(exports.hand_out_claims, services.database.url, asked_for, file_format, to, write)
    try:
        await asyncio.get_running_loop().run_in_executor(_WRITER, make)
    except BaseException:
        file.close()
        raise
    return _sent(file, file_format.media_type, f"{heading.file_name}.{file_format}")


_BUNDLE: Final[answers.Responses] = {200: {"description": "The bundle.", "content": {"application/zip": _FILE}}}


@router.get("/claims/{claim_id}/audit.zip", response_class=Response, responses=_BUNDLE)
async def export_claim(
    request: Request, claim_id: str, principal: Auditor, services: ServicesOf, wanted: Annotated[BundleQuery, Query()]
) -> Response:
    """All that is on record of one claim, with the proofs and the program that checks it without Laurel."""
    request.state.limit_headers = services.limiter.hit(_EXPORTS, principal.account_id)
    if not is_id(claim_id, "clm"):
        raise ProblemError("not_found")
    to = Disclosure(Actor(principal.account_id, request.state.request_id), wanted.reason)
    order = BundleOrder(claim_id=claim_id, disclosure=to, release=__version__, anchored_sizes=wanted.anchored)
    make = partial(hand_out_bundle, services.database.url, order)
    try:
        bundle = await asyncio.get_running_loop().run_in_executor(_WRITER, make)
    except ClaimNotFoundError:
        raise ProblemError("not_found") from None
    headers = {"Content-Disposition": f'attachment; filename="audit-{claim_id}.zip"'}
    return Response(bundle, media_type="application/zip", headers=headers)


def format_asked(accept: str) -> ListFormat:
    """What an ``Accept`` header asks for by name, the first of several; CSV for anything else."""
    asked = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    known = {each.media_type: each for each in ListFormat} | {"application/x-ndjson": ListFormat.JSON_LINES}
    return next((known[each] for each in asked if each in known), ListFormat.CSV)


def _sent(file: BufferedRandom, media_type: str, name: str) -> StreamingResponse:
    """Answer with a file that is complete, so that nothing can fail while it is sent."""
    size = file.seek(0, 2)
    file.seek(0)

    def pieces() -> Iterator[bytes]:
        with file:
            while piece := file.read(_PIECE):
                yield piece

    headers = {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{name}"',
        "Vary": "Accept",
    }
    return StreamingResponse(pieces(), media_type=media_type, headers=headers)
