"""The order in which a certificate prints the sessions that were claimed."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import cast

from activities.awards import AwardOrder, printed_credit
from domain.claims import ClaimedCredit, ClaimFacts
from domain.policy import Profession, Session
from storage.claims import LockedClaim
from tests.claims import example_policy

NOW = datetime(2026, 11, 21, 18, tzinfo=UTC)
FRIDAY = date(2026, 11, 20)


def session(code: str, held_on: date, hour: int) -> Session:
    return Session(
        code=code,
        title=f"Session {code}",
        held_on=held_on,
        starts_at=time(hour),
        ends_at=time(hour + 1),
        maximum_units=Decimal("1.00"),
    )


def test_sessions_are_printed_as_they_followed_each_other_whatever_the_definitions_order() -> None:
    policy = example_policy()
    credit_type = policy.credit[0].credit_type
    programme = (
        session("closing", FRIDAY + timedelta(days=1), 8),
        session("afternoon", FRIDAY, 14),
        session("morning", FRIDAY, 9),
        session("skipped", FRIDAY, 8),
    )
    units = {code: Decimal("0.50") for code in ("morning", "afternoon", "closing")}
    order = AwardOrder(
        claim=cast("LockedClaim", None),  # what is printed of the credit rests on policy and facts alone
        policy=replace(policy, sessions=programme),
        facts=ClaimFacts(profession=Profession.PHYSICIAN, due_at=None, sessions=units),
        credit=ClaimedCredit(credit_type=credit_type, units=Decimal("1.50")),
        attestation_version="1",
        attested_at=NOW,
        completed_on=FRIDAY,
        public_url="https://ce.example.org",
    )
    printed = [line.title for line in printed_credit(order)["sessions"]]
    assert printed == ["Session morning", "Session afternoon", "Session closing"]
