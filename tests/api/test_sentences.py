"""The audit trail in sentences: every event that anything enters has words, and they say what belongs to it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from api.sentences import WORDS, sentence
from domain.claims import Attention
from domain.corrections import CorrectionKind, RevocationClass
from domain.refusals import RefusalCode
from domain.submissions import SubmissionKind

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("activities", "api", "cli", "storage")
# What happened is told in the past tense; names of activities, tables and files are not.
EVENT = re.compile(r"[a-z_]+\.(?:[a-z]+_)*(?:[a-z]+ed(?:_[a-z]+)?|sent|given)|erasure\.[a-z]+")
# Codes that are put together where they are entered, and of what.
PUT_TOGETHER = {
    "{}.{}": {f"{kind}.{outcome}" for kind in SubmissionKind for outcome in ("accepted", "refused")},
    "{}.refused": {f"{kind}.refused" for kind in SubmissionKind},
    "correction.{}": {"correction.approved", "correction.declined"},
    "historical_award.{}": {"historical_award.entered", "historical_award.voided"},
    "lookup.{}": {"lookup.account_found", "lookup.no_match"},
}
# Calls whose texts are for the log, or for tests that let a process fail.
NOT_ENTERING = {"debug", "info", "warning", "error", "exception", "crash_point"}


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            if called not in NOT_ENTERING:
                yield node


def values(tree: ast.Module) -> Iterator[ast.expr]:
    """What is passed to a call, or given a name, and may depend on a condition."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            yield node.value
    for call in calls(tree):
        yield from call.args
        yield from (keyword.value for keyword in call.keywords if keyword.arg != "name")


def strings(value: ast.expr) -> Iterator[str]:
    """The texts that an expression may be, with {} for what is put in."""
    match value:
        case ast.Constant(value=str(found)):
            yield found
        case ast.IfExp():
            yield from strings(value.body)
            yield from strings(value.orelse)
        case ast.Tuple():
            for each in value.elts:
                yield from strings(each)
        case ast.JoinedStr():
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in value.values)


@cache
def entered() -> dict[str, str]:
    """Each event that the code enters, with a file that does."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for value in values(ast.parse(path.read_text(encoding="utf-8"))):
                for each in strings(value):
                    for event in PUT_TOGETHER.get(each, {each} if EVENT.fullmatch(each) else ()):
                        found[event] = str(path.relative_to(ROOT))
    return found


def test_every_event_that_the_code_enters_has_a_sentence() -> None:
    events = entered()
    # Enough to know that they were found at all.
    assert {"credit.awarded", "claim.parked", "claim.continued", "ce_activity.published", "erasure.contact"} <= set(
        events
    )
    told = {event for event in events if event in WORDS or event.endswith(".refused")}
    assert {event: where for event, where in events.items() if event not in told} == {}


def test_no_sentence_is_about_an_event_that_nothing_enters() -> None:
    assert set(WORDS) <= set(entered())


def test_every_entry_that_tests_have_written_has_a_sentence(engine: Engine) -> None:
    query = "SELECT DISTINCT convert_from(body, 'UTF8')::json ->> 'event' FROM audit_events WHERE body IS NOT NULL"
    with engine.connect() as connection:
        events = set(connection.execute(text(query)).scalars())
    assert {event for event in events if event not in WORDS and not event.endswith(".refused")} == set()


@pytest.mark.parametrize("code", RefusalCode)
def test_every_refusal_says_why(code: str) -> None:
    told = sentence("credit.refused", {"refusal": code})
    assert told.startswith("Claiming credit was refused: ")
    assert code not in told
    assert told.endswith(".")


@pytest.mark.parametrize(
    ("event", "after", "told"),
    [
        ("attempt.graded", {"correct": 4, "total": 5, "has_passed": True},
         "The post-test was graded. 4 of 5 answers are right: passed."),
        ("attempt.graded", {}, "The post-test was graded."),
        ("credit.awarded", {"units": "1.25", "credit_type": "ama_pra_category_1"},
         "The credit was awarded: 1.25 AMA PRA Category 1 Credit(s)™."),
        ("credit.awarded", {"units": "1.25", "credit_type": "from_another_time"},
         "The credit was awarded: 1.25 from_another_time."),
        ("statement.accepted", {"credit_type": "participation"},
         "The statement was chosen: Certificate of participation."),
        ("credit.accepted", {"units": "6.00", "credit_type": "participation"},
         "Participation of 6.00 hours was stated."),
        ("credit.awarded", {"units": "6.00", "credit_type": "participation"},
         "Participation of 6.00 hours was recorded."),
        ("credit.corrected", {"units": "5.50", "credit_type": "participation", "version": 2},
         "The participation was corrected: 5.50 hours. Version 2 of the certificate follows."),
        ("credit.revoked", {"credit_type": "participation", "reason_class": "issued_in_error"},
         "The certificate of participation was revoked: it was issued in error."),
        ("certificate.issued", {"credit_type": "participation"}, "The certificate was issued."),
        ("extension.accepted", {"due_at": "2027-02-01T05:59:59.999999+00:00"},
         "The deadline was extended to 31 Jan 2027, 23:59 (Chicago, UTC-6)."),
        ("session.accepted", {"session": "S1", "units": None, "is_evaluated": False}, "Session S1 is not claimed."),
        ("credit.refused", {"refusal": "credit_maximum", "limit": "1.25"},
         "Claiming credit was refused: the amount is above the maximum (1.25)."),
        ("credit.refused", {"refusal": "profile_incomplete", "fields": "family_name,profession"},
         "Claiming credit was refused: your profile is not complete (family name, profession)."),
        ("profile.changed", {"fields": ["given_name", "npi"]}, "The profile was changed: given name, npi."),
        ("correction.requested", {"kind": "reissue"}, "A reissue of the certificate was asked for."),
        ("correction.refused", {"refusal": "no_active_award", "award": "merged", "kind": "name"},
         "A correction of the name was refused: there is no award to correct."),
        ("historical_award.voided", {"units": "2.00", "credit_type": "ancc_contact_hours",
                                     "completed_on": "2019-05-31"},
         "Credit from before this record was voided: 2.00 nursing contact hour(s), completed on 31 May 2019."),
        ("correction.refused", {"refusal": "form_incomplete"},
         "Correcting the award was refused: the signal was not filled in."),
        ("ce_activity.status_changed", {"slug": "grand-rounds", "status": "closed"},
         "The CE activity grand-rounds has another status: closed."),
        ("claim.expired", {"due_at": "some day"}, "The deadline passed, and the claim was closed."),
        ("extension.accepted", {"due_at": "some day"}, "The deadline was extended to some day."),
        ("something.unheard_of", {}, "Something: unheard of."),
    ],
)  # fmt: skip
def test_a_sentence_says_what_belongs_to_it(event: str, after: dict[str, object], told: str) -> None:
    assert sentence(event, after, "America/Chicago") == told


def test_sessions_are_called_by_their_titles_as_far_as_these_are_known() -> None:
    titles = {"thu-b1": "Sepsis in Neonates", "fri-a1": "Biofilms"}
    saved = sentence("session.accepted", {"session": "thu-b1", "units": "1.00"}, "UTC", titles)
    assert saved == "Session “Sepsis in Neonates” was saved with 1.00 units."
    refused = {"refusal": "sessions_overlap", "sessions": "thu-b1,fri-a1,gone"}
    assert "(“Sepsis in Neonates”, “Biofilms”, gone)" in sentence("session.refused", refused, "UTC", titles)
    assert sentence("session.accepted", {"session": "gone", "units": "1.00"}, "UTC", titles) == (
        "Session gone was saved with 1.00 units."
    )


def test_every_kind_of_correction_reason_and_parking_has_words() -> None:
    for kind in CorrectionKind:
        assert sentence("correction.requested", {"kind": kind}) != "Correction: requested."
    for why in RevocationClass:
        assert sentence("credit.revoked", {"reason_class": why}) != "Credit: revoked."
    for attention in Attention:
        assert sentence("claim.parked", {"attention": attention}) != sentence("claim.parked", {})
