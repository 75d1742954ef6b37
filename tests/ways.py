"""The four ways of claiming in tests: policies, rosters and progress for claims that are driven without HTTP."""

from datetime import date, time
from decimal import Decimal
from typing import Any

from sqlalchemy import insert

from domain.claims import Stage
from domain.identities import new_id
from domain.policy import (
    ClaimWindow,
    Content,
    ContentItem,
    DisclosurePage,
    Disclosures,
    Evaluation,
    EvaluationTime,
    Finalization,
    Participation,
    ParticipationMethod,
    Session,
    Statement,
)
from domain.rosters import normalize_key
from domain.submissions import (
    CreditClaimed,
    DisclosuresAcknowledged,
    ParticipationStated,
    SessionClaimed,
    StatementChosen,
    StatementFinalized,
)
from storage.tables import ContentProgressRow, RosterEntryRow, RosterKeyRow, RosterRow
from tests.claims import TestClaim, example_policy, responses_to

BADGE = "AB-1234"
TYPE = "ama_pra_category_1"
FIRST, SECOND, PARALLEL = "opening", "sepsis", "stewardship"
NO_DEADLINE = ClaimWindow()


def session(code: str, starts: int, ends: int) -> Session:
    """A session on the example's first day, in hours."""
    return Session(
        code=code,
        title=f"Session {code}",
        held_on=date(2026, 1, 15),
        starts_at=time(starts),
        ends_at=time(ends),
        maximum_units=Decimal(ends - starts),
    )


def evaluation(asked: EvaluationTime) -> Evaluation:
    kept = example_policy().evaluation
    assert kept is not None
    return Evaluation(asked=asked, questions=kept.questions)


def meeting(**changes: Any) -> dict[str, Any]:
    """The changes that make a meeting of the example: flow D."""
    requirements = (
        Statement(),
        Participation(methods=(ParticipationMethod.BADGE_ID,)),
        Disclosures(version="2026-1", pages=(DisclosurePage(title="Faculty", text="Nothing to disclose."),)),
        evaluation(EvaluationTime.PER_SESSION),
        Finalization(),
    )
    sessions = (session(FIRST, 8, 9), session(SECOND, 9, 10), session(PARALLEL, 9, 10))
    credit = tuple(
        offer if offer.credit_type != TYPE else _with_units(offer, Decimal("1.25")) for offer in example_policy().credit
    )
    return {
        "requirements": requirements,
        "sessions": sessions,
        "credit": credit,
        "claim_window": NO_DEADLINE,
    } | changes


def _with_units(offer: Any, units: Decimal) -> Any:
    return type(offer)(credit_type=TYPE, designated_units=units, designation_statement=offer.designation_statement)


def enrol(claim: TestClaim, keys: dict[str, str], *, is_group: bool = False) -> None:
    """Put somebody, or a group, on the roster of the claim's CE activity."""
    roster_id, entry_id = new_id("ros"), new_id("ent")
    ce_activity_id = claim.published.ce_activity_id
    with claim.engine.begin() as connection:
        connection.execute(
            insert(RosterRow).values(
                id=roster_id,
                ce_activity_id=ce_activity_id,
                file_name="roster.csv",
                sha256=b"",
                state="applied",
                row_count=1,
                problem_count=0,
                uploaded_by="acc_staff",
                reading={},
            )
        )
        entry = {"id": entry_id, "ce_activity_id": ce_activity_id, "roster_id": roster_id, "is_group": is_group}
        connection.execute(insert(RosterEntryRow).values(**entry))
        for kind, value in keys.items():
            key = {"ce_activity_id": ce_activity_id, "kind": kind, "value": normalize_key(kind, value)}
            connection.execute(insert(RosterKeyRow).values(**key, entry_id=entry_id))


def watched(claim: TestClaim, content: str, seconds: int) -> None:
    """Let a platform's progress be in the record."""
    with claim.engine.begin() as connection:
        connection.execute(
            insert(ContentProgressRow).values(
                learner_id=claim.learner_id,
                ce_activity_id=claim.published.ce_activity_id,
                content=content,
                intervals=[[0, seconds]],
                seconds=seconds,
            )
        )


async def accepted(claim: TestClaim, *bodies: Any) -> None:
    for body in bodies:
        result = await claim.submit(body)
        assert result["outcome"] == "accepted", result


def credit(units: str | None = None, credit_type: str = TYPE) -> CreditClaimed:
    version = {TYPE: "ama-2026-1"}[credit_type]
    return CreditClaimed(credit_type, Decimal(units) if units else None, version, is_attested=True)


def claimed(claim: TestClaim, code: str, units: str = "0.50") -> SessionClaimed:
    asked = claim.policy.session_evaluation
    assert asked is not None
    return SessionClaimed(code, Decimal(units), responses_to(asked))


async def at_sessions(claim: TestClaim) -> None:
    """Bring a meeting's claim to where sessions are claimed."""
    enrol(claim, {"badge_id": BADGE})
    await claim.open()
    await accepted(claim, StatementChosen(TYPE), ParticipationStated("badge_id", "ab 1234"))
    await accepted(claim, DisclosuresAcknowledged("2026-1"))
    await claim.reaches(Stage.READY_TO_CLAIM)


async def finalized(claim: TestClaim) -> None:
    await at_sessions(claim)
    await accepted(
        claim, claimed(claim, FIRST), claimed(claim, SECOND), credit(), StatementFinalized(is_confirmed=True)
    )
    await claim.reaches(Stage.COMPLETED)


def content(*, allows_partial: bool) -> Content:
    items = tuple(
        ContentItem(code=code, title=code, url="https://site.example/", minutes=30) for code in ("video", "live")
    )
    return Content(items=items, allows_partial=allows_partial)
