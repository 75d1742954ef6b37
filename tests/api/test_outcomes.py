"""Outcomes over HTTP: what responses add up to, and every response without a name."""

import csv
import io
import json
from collections import Counter
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, insert

from activities.claims import PostgresClaimActivities
from domain.identities import new_id
from domain.policy import Evaluation, EvaluationQuestion, EvaluationTime, Option, PostTest, QuestionKind, Session
from domain.policy import TestQuestion as PostTestQuestion
from storage.catalog import publish
from storage.definitions import Definition, DefinitionStatus
from storage.tables import ClaimRow, EvaluationRow, LearnerRow
from tests.api.conftest import Person, publish_example
from tests.api.records import NOON, add_attempt, add_award, add_claim, add_evaluation, add_learner
from tests.api.test_claim_over_http import awarded
from tests.claims import example_policy

YES_NO = (Option(code="yes", label="Yes"), Option(code="no", label="No"))
BALANCED = EvaluationQuestion(code="balance", text="Was it balanced?", kind=QuestionKind.CHOICE, options=YES_NO)
RELEVANT = EvaluationQuestion(code="relevance", text="Was it relevant?", kind=QuestionKind.SCALE)
CHANGE = EvaluationQuestion(code="change", text="What will you change?", kind=QuestionKind.TEXT, is_required=False)
SPEAKER = EvaluationQuestion(code="speaker", text="How was the speaker?", kind=QuestionKind.SCALE, scale_maximum=3)
POST_TEST = PostTest(
    passing_percent=50,
    questions=(
        PostTestQuestion(code="dose", text="Which dose?", options=YES_NO, correct="yes"),
        PostTestQuestion(code="drug", text="Which drug?", options=YES_NO, correct="no"),
    ),
)
SESSIONS = tuple(
    Session(
        code=code,
        title=title,
        held_on=date(2026, 5, 30),
        starts_at=time(9),
        ends_at=time(10),
        maximum_units=Decimal("1.00"),
    )
    for code, title in (("s2", "Opening plenary"), ("s1", "=Workshop"))
)


def requirements(*questions: EvaluationQuestion) -> dict[str, Any]:
    return {"requirements": (POST_TEST, Evaluation(questions=questions or (BALANCED, RELEVANT, CHANGE)))}


@pytest.fixture
def slug(engine: Engine) -> str:
    return publish_example(engine, **requirements())


@pytest.fixture
def meeting(engine: Engine) -> str:
    of_sessions = Evaluation(asked=EvaluationTime.PER_SESSION, questions=(SPEAKER,))
    both = (*requirements()["requirements"], of_sessions)
    return publish_example(engine, requirements=both, sessions=SESSIONS)


def evaluated(engine: Engine, slug: str, responses: dict[str, Any], profession: str = "physician") -> str:
    """A new learner's claim with a response to the evaluation."""
    claim_id = add_claim(engine, add_learner(engine, profession=profession), slug)
    add_evaluation(engine, claim_id, responses)
    return claim_id


async def outcomes(person: Person, slug: str) -> dict[str, Any]:
    response = await person.get(f"/v1/staff/ce-activities/{slug}/outcomes")
    assert response.status_code == 200, response.text
    return dict(response.json())


async def exported(person: Person, slug: str, query: str = "") -> httpx2.Response:
    response = await person.get(f"/v1/staff/ce-activities/{slug}/outcomes/responses.csv{query}")
    assert response.status_code == 200, response.text
    return response


def rows_of(response: httpx2.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


async def test_without_claims_there_is_nothing_to_add_up(coordinator: Person, slug: str) -> None:
    found = await outcomes(coordinator, slug)
    assert (found["title"], found["claims"], found["awards"], found["versions"]) == (example_policy().title, 0, 0, [])
    assert found["evaluation"] == {"responses": 0, "questions": []}
    assert found["post_test"] == {"first_attempts": 0, "passed": 0, "passed_percent": None, "questions": []}
    assert rows_of(await exported(coordinator, slug)) == []


async def test_each_question_is_added_up(coordinator: Person, slug: str, engine: Engine) -> None:
    evaluated(engine, slug, {"balance": "yes", "relevance": 5, "change": "Ask more."})
    evaluated(engine, slug, {"balance": "yes", "relevance": 4, "change": "  "})
    evaluated(engine, slug, {"balance": "no", "relevance": 2})
    add_award(engine, add_learner(engine), slug)
    found = await outcomes(coordinator, slug)
    assert (found["claims"], found["awards"], found["evaluation"]["responses"]) == (4, 1, 3)
    balanced, relevant, change = found["evaluation"]["questions"]
    assert balanced == {
        "code": "balance",
        "text": "Was it balanced?",
        "kind": "choice",
        "versions": [1],
        "answered": 3,
        "options": [
            {"code": "yes", "label": "Yes", "count": 2, "percent": "66.7"},
            {"code": "no", "label": "No", "count": 1, "percent": "33.3"},
        ],
        "mean": None,
        "median": None,
    }
    assert (relevant["answered"], relevant["mean"], relevant["median"]) == (3, "3.67", "4")
    assert [option["count"] for option in relevant["options"]] == [0, 1, 0, 1, 1]
    assert (change["answered"], change["options"]) == (1, [])


async def test_what_a_learner_really_answered_is_counted(
    coordinator: Person, learner: Person, engine: Engine, ledger: PostgresClaimActivities
) -> None:
    slug = publish_example(engine)
    await awarded(learner, slug, ledger)
    found = await outcomes(coordinator, slug)
    assert (found["claims"], found["awards"], found["evaluation"]["responses"]) == (1, 1, 1)
    assert {question["answered"] for question in found["evaluation"]["questions"]} == {1}
    assert {question["right_percent"] for question in found["post_test"]["questions"]} == {"100.0"}
    [row] = rows_of(await exported(coordinator, slug))
    assert "Clear and practical." in row.values()


async def test_sessions_are_added_up_each_and_together(coordinator: Person, meeting: str, engine: Engine) -> None:
    claim_id = evaluated(engine, meeting, {"balance": "yes", "relevance": 1})
    add_evaluation(engine, claim_id, {"speaker": 3}, "s1")
    add_evaluation(engine, claim_id, {"speaker": 1}, "s2")
    other = add_claim(engine, add_learner(engine), meeting)
    add_evaluation(engine, other, {"speaker": 3}, "s1")
    found = await outcomes(coordinator, meeting)
    assert found["evaluation"]["responses"] == 1
    together = found["session_evaluations"]
    assert (together["responses"], together["questions"][0]["mean"]) == (3, "2.33")
    assert [(each["session"], each["title"], each["responses"]) for each in together["sessions"]] == [
        ("s2", "Opening plenary", 1),
        ("s1", "=Workshop", 2),
    ]
    assert [each["questions"][0]["median"] for each in together["sessions"]] == ["1", "3"]


async def test_the_post_test_counts_first_attempts_only(coordinator: Person, slug: str, engine: Engine) -> None:
    first, second = (add_claim(engine, add_learner(engine), slug) for _ in range(2))
    add_attempt(engine, first, 1, {"dose": "no", "drug": "yes"}, has_passed=False)
    add_attempt(engine, first, 2, {"dose": "yes", "drug": "no"}, has_passed=True)
    add_attempt(engine, second, 1, {"dose": "yes", "drug": "yes"}, has_passed=True)
    found = (await outcomes(coordinator, slug))["post_test"]
    assert (found["first_attempts"], found["passed"], found["passed_percent"]) == (2, 1, "50.0")
    assert [(each["code"], each["right"], each["right_percent"]) for each in found["questions"]] == [
        ("dose", 1, "50.0"),
        ("drug", 0, "0.0"),
    ]


async def test_a_question_that_was_changed_counts_anew(coordinator: Person, slug: str, engine: Engine) -> None:
    evaluated(engine, slug, {"balance": "yes", "relevance": 5})
    reworded = replace(BALANCED, text="Was it free of commercial bias?")
    policy = example_policy(**requirements(reworded, RELEVANT))
    with engine.begin() as connection:
        publish(connection, Definition(slug, DefinitionStatus.PUBLISHED, policy), None)
    evaluated(engine, slug, {"balance": "no", "relevance": 1})
    found = (await outcomes(coordinator, slug))["evaluation"]["questions"]
    assert [(each["code"], each["versions"], each["answered"]) for each in found] == [
        ("balance", [2], 1),
        ("relevance", [1, 2], 2),
        ("balance", [1], 1),
        ("change", [1], 0),
    ]
    rows = {row["Version"]: row for row in rows_of(await exported(coordinator, slug))}
    assert rows["1"]["balance: Was it balanced?"] == "Yes"
    assert rows["1"]["balance: Was it free of commercial bias?"] == ""
    assert rows["2"]["balance: Was it free of commercial bias?"] == "No"


async def test_an_export_has_one_row_for_each_response_in_words(
    coordinator: Person, meeting: str, engine: Engine
) -> None:
    hostile = '=HYPERLINK("http://evil.example","Click")'
    claim_id = evaluated(engine, meeting, {"balance": "no", "relevance": 2, "change": hostile}, "pharmacist")
    add_evaluation(engine, claim_id, {"speaker": 3}, "s1")
    response = await exported(coordinator, meeting)
    assert response.headers["content-type"].startswith("text/csv")
    assert response.headers["content-disposition"] == f'attachment; filename="responses-{meeting}.csv"'
    assert response.content.startswith(b"\xef\xbb\xbfVersion,Session,")
    assert (await exported(coordinator, meeting, "?bom=false")).content.startswith(b"Version,Session,")
    whole, session = sorted(rows_of(response), key=lambda row: row["Session"])
    assert whole == {
        "Version": "1",
        "Session": "",
        "Session title": "",
        "Profession": "pharmacist",
        "balance: Was it balanced?": "No",
        "relevance: Was it relevant?": "2",
        "change: What will you change?": f"'{hostile}",
        "speaker: How was the speaker?": "",
    }
    assert (session["Session"], session["Session title"], session["speaker: How was the speaker?"]) == (
        "s1",
        "'=Workshop",
        "3",
    )


async def test_an_export_says_nothing_of_whose_a_response_is(coordinator: Person, slug: str, engine: Engine) -> None:
    learner_id = add_learner(engine, given_name="Canary", family_name="Finch", profession="nurse")
    claim_id = add_claim(engine, learner_id, slug)
    add_evaluation(engine, claim_id, {"balance": "yes", "relevance": 3})
    for shown in ((await exported(coordinator, slug)).text, json.dumps(await outcomes(coordinator, slug))):
        for secret in (learner_id, claim_id, "Canary", "Finch", NOON.date().isoformat()):
            assert secret not in shown


async def test_every_export_has_another_order_and_the_same_rows(coordinator: Person, slug: str, engine: Engine) -> None:
    add_responses(engine, slug, 2100)
    first, second = [(await exported(coordinator, slug)).text.splitlines() for _ in range(2)]
    assert len(first) == 2101
    assert Counter(first) == Counter(second)
    assert first != second


def add_responses(engine: Engine, slug: str, number: int) -> None:
    """As many learners with a response each."""
    claim_id = add_claim(engine, add_learner(engine), slug)
    with engine.begin() as connection:
        pattern = connection.execute(ClaimRow.__table__.select().where(ClaimRow.id == claim_id)).mappings().one()
        learners = [{"id": new_id("lrn"), "profession": "physician"} for _ in range(number)]
        claims = [{**pattern, "id": new_id("clm"), "learner_id": learner["id"]} for learner in learners]
        responses = [
            {
                "claim_id": claim["id"],
                "session": "",
                "responses": {"balance": "yes", "relevance": place % 5 + 1, "change": f"Idea {place}."},
                "submitted_at": NOON,
            }
            for place, claim in enumerate(claims)
        ]
        for table, rows in ((LearnerRow, learners), (ClaimRow, claims), (EvaluationRow, responses)):
            connection.execute(insert(table), rows)


@pytest.mark.parametrize("path", ["", "/responses.csv"])
async def test_what_is_no_ce_activity_has_no_outcomes(
    path: str, learner: Person, coordinator: Person, slug: str
) -> None:
    for absent in ("nothing-of-the-kind", "UPPER", "%00", "x" * 81):
        response = await coordinator.get(f"/v1/staff/ce-activities/{absent}/outcomes{path}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    refused = await learner.get(f"/v1/staff/ce-activities/{slug}/outcomes{path}")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
