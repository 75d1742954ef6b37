"""Staff: what a correction would change, before anybody asks for it. Nothing is written."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.responses import Response

from api.auth import Staff
from api.problems import ProblemError, refusal_kind
from api.services import Services, services_of
from api.v1 import answers
from api.v1.corrections import CorrectionRequest, needs_approval
from api.v1.steps import any_claim, json_response
from config.languages import gettext
from documents.typefaces import missing_glyphs
from domain import credit
from domain.claiming import correct
from domain.claims import ClaimFacts, Stage
from domain.corrections import (
    CorrectionKind,
    CreditChange,
    NameChange,
    corrected_name,
    kind_of,
    printed_name,
    refusal_by_standing,
    refusal_of_characters,
    refusal_of_name,
)
from domain.refusals import Refused
from storage import people, queries
from storage.queries import ClaimView

router = APIRouter(prefix="/v1/staff/claims/{claim_id}", tags=["corrections"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]


class Standing(BaseModel):
    """What a certificate says of whom and how much; ``sessions`` maps codes to units where there are sessions."""

    learner_name: str
    learner_credentials: str
    units: answers.Units
    sessions: dict[str, answers.Units]


class RefusalAhead(BaseModel):
    """Why the correction would be refused."""

    code: str
    title: str
    detail: str
    details: dict[str, Any]


class CorrectionPreview(BaseModel):
    """What a correction would change; ``after`` is null when it would be refused, and ``refusal`` says why."""

    kind: CorrectionKind
    needs_approval: bool
    credit_name: str
    unit: str
    version: int
    before: Standing
    after: Standing | None
    refusal: RefusalAhead | None


@router.post("/correct/preview", response_model=CorrectionPreview, responses={409: answers.TAKEN[409]})
async def preview_correction(
    claim_id: str, body: CorrectionRequest, principal: Staff, services: ServicesOf
) -> Response:
    """What a correction would change, and whether a second person would be asked. It asks for nothing."""
    view = await any_claim(services, claim_id)
    if view.learner_id == principal.learner_id:
        raise ProblemError("own_claim")
    award, certificate = view.award, view.certificate
    printed = None
    if certificate is not None:
        printed = await services.database.statements(lambda c: queries.certificate_data(c, certificate.id))
    if award is None or certificate is None or printed is None:
        raise ProblemError("wrong_state", details={"stage": view.stage})
    change, rule = body.change(), credit.rule(award.credit_type, award.rule_version)
    name = (printed["learner_name"], printed["learner_credentials"])
    refused = refusal_by_standing(kind_of(change), Stage(view.stage), award.state)
    after = refused or await _after(services, view, change, name)
    document = {
        "kind": kind_of(change),
        "needs_approval": needs_approval(services.settings, kind_of(change), view),
        "credit_name": rule.name,
        "unit": rule.unit,
        "version": certificate.version + 1,
        "before": _standing_json(view.facts, name, award.units),
        "after": None if isinstance(after, Refused) else after,
        "refusal": _refusal_json(after) if isinstance(after, Refused) else None,
    }
    return json_response(document)


async def _after(
    services: Services, view: ClaimView, change: CreditChange | NameChange, printed: tuple[str, str]
) -> dict[str, Any] | Refused:
    """What the certificate would say, by the rules that the correction itself follows; or why there would be none."""
    profile = await services.database.statements(lambda c: people.profile(c, view.learner_id))
    stored = {part: getattr(profile, part) for part in ("given_name", "family_name", "credentials")}
    policy, name, facts = await services.policies.get(view.version_id), stored, view.facts
    if isinstance(change, NameChange):
        name = corrected_name(stored, change)
        refused = refusal_of_name(printed, name)
    else:
        # The next version names its learner as of today.
        decision = correct(policy, facts, change, datetime.now(UTC))
        refused = decision if isinstance(decision, Refused) else None
        facts = facts if isinstance(decision, Refused) else decision.facts
    if refused is None and policy.certificate.is_here:
        # Another script's typeface takes a while to load.
        unprintable = await asyncio.to_thread(missing_glyphs, " ".join(printed_name(name)))
        refused = refusal_of_characters(unprintable)
    return refused or _standing_json(facts, printed_name(name), _units_of(facts))


def _units_of(facts: ClaimFacts) -> Decimal:
    return facts.credit.units if facts.credit else Decimal(0)


def _standing_json(facts: ClaimFacts, name: tuple[str, str], units: Decimal) -> dict[str, Any]:
    learner_name, learner_credentials = name
    return {
        "learner_name": learner_name,
        "learner_credentials": learner_credentials,
        "units": str(units),
        "sessions": {code: str(each) for code, each in facts.sessions.items()},
    }


def _refusal_json(refused: Refused) -> dict[str, Any]:
    words = refusal_kind(refused.code)
    return {
        "code": refused.code,
        "title": gettext(words.title),
        "detail": gettext(words.detail),
        "details": dict(refused.details),
    }
