"""The wallet: every award of a learner, in pages and by filters, with the sums of all of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from api.auth import SignedIn
from api.problems import FieldError, ProblemError
from api.services import Services, services_of
from api.transcripts import entry_json, learner_transcript, total_json
from api.v1 import answers
from api.v1.bodies import Code
from api.v1.steps import json_response
from api.v1.transcript import EntryOfTranscript, TotalOfCredit, YearOfTranscript, known_credit_type
from domain.names import clean_text
from domain.transcripts import (
    FIRST_PLAUSIBLE_DAY,
    LAST_PLAUSIBLE_YEAR,
    Transcript,
    TranscriptEntry,
    TranscriptFilter,
    transcript_of,
)

router = APIRouter(tags=["transcript"], responses=answers.PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_MAXIMUM_WORDS = 200


def _words(text: str) -> str:
    return clean_text(text, _MAXIMUM_WORDS)


Words = Annotated[str, AfterValidator(_words)]


class WalletQuery(BaseModel):
    """Which awards to list; ``text`` is found in any order and case in title, provider and reference."""

    year: Annotated[int | None, Field(ge=FIRST_PLAUSIBLE_DAY.year, le=LAST_PLAUSIBLE_YEAR)] = None
    credit_type: Annotated[Code, AfterValidator(known_credit_type)] | None = None
    provider: Annotated[Words | None, Field(description="The provider's name, as `providers` has it.")] = None
    text: Annotated[Words | None, Field(description="Words of the title, the provider or the reference.")] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 25
    after: Annotated[str | None, Field(max_length=80, description="The `next` of the page before.")] = None

    def filter(self) -> TranscriptFilter:
        """The same for the domain."""
        return TranscriptFilter(
            year=self.year, credit_type=self.credit_type, provider=self.provider or None, words=self.text
        )


class Wallet(BaseModel):
    """A page of awards, newest first; ``found`` are all that match. Totals, years and providers are of everything."""

    data: list[EntryOfTranscript]
    has_more: bool
    next: str | None
    found: int
    totals: list[TotalOfCredit]
    years: list[YearOfTranscript]
    providers: list[str]


@router.get("/v1/wallet", response_model=Wallet)
async def show_wallet(principal: SignedIn, services: ServicesOf, wanted: Annotated[WalletQuery, Query()]) -> Response:
    """My awards, historical ones too, in pages; and what all of them add up to, by type and year."""
    made = await learner_transcript(services, principal.learner_id, TranscriptFilter())
    if made is None:
        raise ProblemError("not_found")
    found = transcript_of(made.transcript.entries, wanted.filter()).entries
    shown, has_more = _page(found, wanted.after, wanted.limit)
    everything = made.transcript
    document = {
        "data": [entry_json(entry, services.settings.public_url) for entry in shown],
        "has_more": has_more,
        "next": shown[-1].id if has_more else None,
        "found": len(found),
        **_sums(everything),
        "providers": list(everything.providers),
    }
    return json_response(document)


def _page(entries: tuple[TranscriptEntry, ...], after: str | None, limit: int) -> tuple[list[TranscriptEntry], bool]:
    """The entries that follow one, and whether more follow; raises 422 where that one is not among them."""
    start = 0
    if after is not None:
        start = next((at for at, entry in enumerate(entries, 1) if entry.id == after), 0)
        if start == 0:
            raise ProblemError("validation_failed", errors=[FieldError("after", "cursor_invalid")])
    return list(entries[start : start + limit]), len(entries) > start + limit


def _sums(everything: Transcript) -> dict[str, Any]:
    years = [{"year": year.year, "totals": [total_json(total) for total in year.totals]} for year in everything.years]
    return {"totals": [total_json(total) for total in everything.totals], "years": years}
