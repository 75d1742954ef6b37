"""Staff: what learners made of a CE activity, added up, and every single response without a name."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from api.auth import Office
from api.problems import ProblemError
from api.services import Services, services_of
from api.v1 import answers
from api.v1.ce_activities import SLUG
from api.v1.steps import json_response
from domain.outcomes import (
    QuestionOutcome,
    Tally,
    TestQuestionOutcome,
    asked_in,
    evaluation_outcomes,
    percent,
    post_test_outcomes,
    same_question,
)
from domain.policy import CEActivityPolicy, Evaluation, EvaluationQuestion, Option, QuestionKind
from domain.spreadsheet import BYTE_ORDER_MARK, csv_text
from storage import outcomes, queries
from storage.outcomes import ClaimedVersion, FirstAttempts, ResponseRow, SessionTallies

router = APIRouter(prefix="/v1/staff/ce-activities/{slug}/outcomes", tags=["staff"], responses=answers.STAFF_PROBLEMS)

ServicesOf = Annotated[Services, Depends(services_of)]

_MAXIMUM_SLUG_LENGTH: Final = 80
_ROWS_AT_ONCE: Final = 1000
_COLUMNS: Final = ("Version", "Session", "Session title", "Profession")


class OptionOutcome(BaseModel):
    """How often an option, or a number of a scale, was chosen."""

    code: str
    label: str
    count: int
    percent: str | None


class OutcomeOfQuestion(BaseModel):
    """What the responses to one question add up to; ``mean`` and ``median`` are of a scale."""

    code: str
    text: str
    kind: QuestionKind
    versions: list[int]
    answered: int
    options: list[OptionOutcome]
    mean: str | None
    median: str | None


class OutcomeOfSession(BaseModel):
    """What the responses to one session's evaluation add up to."""

    session: str
    title: str
    responses: int
    questions: list[OutcomeOfQuestion]


class OutcomeOfEvaluation(BaseModel):
    """What the responses to the evaluation of the whole CE activity add up to."""

    responses: int
    questions: list[OutcomeOfQuestion]


class OutcomeOfSessions(OutcomeOfEvaluation):
    """What the responses to the sessions' evaluations add up to: of all sessions together, and of each."""

    sessions: list[OutcomeOfSession]


class OutcomeOfTestQuestion(BaseModel):
    """How a question of the post-test was answered at the first attempt."""

    code: str
    text: str
    versions: list[int]
    answered: int
    right: int
    right_percent: str | None
    correct: str
    options: list[OptionOutcome]


class OutcomeOfPostTest(BaseModel):
    """Everybody's first attempt at the post-test."""

    first_attempts: int
    passed: int
    passed_percent: str | None
    questions: list[OutcomeOfTestQuestion]


class OutcomesAnswer(BaseModel):
    """What learners made of a CE activity."""

    ce_activity: str
    title: str
    versions: list[int]
    claims: int
    awards: int
    evaluation: OutcomeOfEvaluation
    session_evaluations: OutcomeOfSessions
    post_test: OutcomeOfPostTest
    responses_href: str


@dataclass(frozen=True, slots=True)
class _Subject:
    """A CE activity with its current policy, and the policies of the versions that claims were opened with."""

    id: str
    policy: CEActivityPolicy
    claimed: tuple[ClaimedVersion, ...]
    policies: Mapping[int, CEActivityPolicy]

    @property
    def whole(self) -> dict[int, tuple[EvaluationQuestion, ...]]:
        """The questions about the whole CE activity, by version."""
        return {number: _questions(policy.evaluation) for number, policy in self.policies.items()}

    @property
    def of_sessions(self) -> dict[int, tuple[EvaluationQuestion, ...]]:
        """The questions about each session, by version."""
        return {number: _questions(policy.session_evaluation) for number, policy in self.policies.items()}

    def session_titles(self) -> dict[str, str]:
        """The titles of all sessions in their order, as the newest version that has them says it."""
        newest_first = [self.policy, *(self.policies[number] for number in sorted(self.policies, reverse=True))]
        titles: dict[str, str] = {}
        for policy in newest_first:
            for session in policy.sessions:
                titles.setdefault(session.code, session.title)
        return titles


def _questions(evaluation: Evaluation | None) -> tuple[EvaluationQuestion, ...]:
    return evaluation.questions if evaluation else ()


async def _subject(services: Services, slug: str) -> _Subject:
    is_slug = SLUG.fullmatch(slug) and len(slug) <= _MAXIMUM_SLUG_LENGTH
    view = await services.database.statements(lambda c: queries.ce_activity(c, slug)) if is_slug else None
    if view is None:
        raise ProblemError("not_found")
    claimed = await services.database.statements(lambda c: outcomes.claimed_versions(c, view.id))
    policies = {version.number: await services.policies.get(version.version_id) for version in claimed}
    return _Subject(view.id, await services.policies.get(view.version_id), tuple(claimed), policies)


@router.get("", response_model=OutcomesAnswer)
async def show_outcomes(
    slug: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
) -> Response:
    """What all responses to the evaluations, and all first attempts at the post-test, add up to."""
    subject = await _subject(services, slug)
    texts = [
        f"{number} {question.code}"
        for asked in (subject.whole, subject.of_sessions)
        for number, questions in asked.items()
        for question in questions
        if question.kind is QuestionKind.TEXT
    ]
    counted = await services.database.statements(lambda c: outcomes.evaluation_tallies(c, subject.id, texts))
    attempts = await services.database.statements(lambda c: outcomes.first_attempts(c, subject.id))
    # A meeting of 300 sessions takes a while to add up; other requests go on meanwhile.
    return json_response(await asyncio.to_thread(_outcomes_json, slug, subject, counted, attempts))


def _outcomes_json(
    slug: str, subject: _Subject, counted: list[SessionTallies], attempts: FirstAttempts
) -> dict[str, Any]:
    whole = [each for each in counted if not each.session]
    of_sessions = {each.session: each for each in counted if each.session}
    titles = subject.session_titles()
    in_order = [code for code in titles if code in of_sessions]
    return {
        "ce_activity": slug,
        "title": subject.policy.title,
        "versions": sorted(subject.policies),
        "claims": sum(version.claims for version in subject.claimed),
        "awards": sum(version.awards for version in subject.claimed),
        "evaluation": _evaluation_json(subject.whole, whole),
        "session_evaluations": {
            **_evaluation_json(subject.of_sessions, of_sessions.values()),
            "sessions": [
                {
                    "session": code,
                    "title": titles[code],
                    **_evaluation_json(subject.of_sessions, [of_sessions[code]]),
                }
                for code in in_order
            ],
        },
        "post_test": _post_test_json(subject, attempts),
        "responses_href": f"/v1/staff/ce-activities/{slug}/outcomes/responses.csv",
    }


def _evaluation_json(
    versions: Mapping[int, Iterable[EvaluationQuestion]], counted: Iterable[SessionTallies]
) -> dict[str, Any]:
    counted = list(counted)
    tallies: list[Tally] = [tally for each in counted for tally in each.tallies]
    return {
        "responses": sum(each.responses for each in counted),
        "questions": [_question_json(outcome) for outcome in evaluation_outcomes(versions, tallies)],
    }


def _question_json(outcome: QuestionOutcome) -> dict[str, Any]:
    question = outcome.question
    options = question.options or tuple(Option(code=number, label=number) for number in outcome.counts)
    return {
        "code": question.code,
        "text": question.text,
        "kind": question.kind,
        "versions": list(outcome.versions),
        "answered": outcome.answered,
        "options": _counts_json(options if outcome.counts else (), outcome.counts, outcome.answered),
        "mean": _amount(outcome.mean),
        "median": _amount(outcome.median),
    }


def _counts_json(options: tuple[Option, ...], counts: Mapping[str, int], answered: int) -> list[dict[str, Any]]:
    return [
        {
            "code": option.code,
            "label": option.label,
            "count": counts[option.code],
            "percent": _amount(percent(counts[option.code], answered)),
        }
        for option in options
    ]


def _amount(value: object) -> str | None:
    return None if value is None else str(value)


def _post_test_json(subject: _Subject, attempts: FirstAttempts) -> dict[str, Any]:
    versions = {
        number: policy.post_test.questions
        for number, policy in subject.policies.items()
        if policy.post_test is not None
    }
    questions = [_test_question_json(outcome) for outcome in post_test_outcomes(versions, attempts.tallies)]
    return {
        "first_attempts": attempts.attempts,
        "passed": attempts.passed,
        "passed_percent": _amount(percent(attempts.passed, attempts.attempts)),
        "questions": questions,
    }


def _test_question_json(outcome: TestQuestionOutcome) -> dict[str, Any]:
    question = outcome.question
    return {
        "code": question.code,
        "text": question.text,
        "versions": list(outcome.versions),
        "answered": outcome.answered,
        "right": outcome.right,
        "right_percent": _amount(outcome.right_percent),
        "correct": question.correct,
        "options": _counts_json(question.options, outcome.counts, outcome.answered),
    }


_CSV: Final[answers.Responses] = {
    200: {"description": "One record for each response.", "content": {"text/csv": {"schema": {"type": "string"}}}}
}


@router.get("/responses.csv", response_class=StreamingResponse, responses=_CSV)
async def export_responses(
    slug: str,
    principal: Office,  # noqa: ARG001  # only the office comes this far
    services: ServicesOf,
    bom: Annotated[bool, Query(description="Whether it begins with the mark that Excel needs.")] = True,  # noqa: FBT002
) -> Response:
    """Every response to an evaluation in a random order, without names, ids or times."""
    sheet = _Sheet(await _subject(services, slug))
    return StreamingResponse(
        _records(services, sheet, is_marked=bom),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="responses-{slug}.csv"'},
    )


class _Sheet:
    """The columns of an export, and which response belongs into which."""

    def __init__(self, subject: _Subject) -> None:
        self.ce_activity_id = subject.id
        self._titles = subject.session_titles()
        both = {number: (*subject.whole[number], *subject.of_sessions[number]) for number in subject.policies}
        self._questions = list(asked_in(both))
        places = {question: place for place, question in enumerate(self._questions)}
        self._places = {
            (number, is_session): {question.code: places[same_question(question)] for question in questions}
            for is_session, asked in ((False, subject.whole), (True, subject.of_sessions))
            for number, questions in asked.items()
        }

    def heading(self) -> list[str]:
        """The names of the columns."""
        return [*_COLUMNS, *(f"{question.code}: {question.text}" for question in self._questions)]

    def record(self, row: ResponseRow) -> list[str]:
        """One response, in words."""
        cells = [""] * len(self._questions)
        for code, place in self._places.get((row.version, bool(row.session)), {}).items():
            cells[place] = _words(self._questions[place], row.responses.get(code, ""))
        return [str(row.version), row.session, self._titles.get(row.session, ""), row.profession or "", *cells]


def _words(question: EvaluationQuestion, response: object) -> str:
    labels = {option.code: option.label for option in question.options}
    return labels.get(str(response), str(response))


async def _records(services: Services, sheet: _Sheet, *, is_marked: bool) -> AsyncIterator[str]:
    # Page by page, so that a slow reader holds no connection and no transaction open.
    yield f"{BYTE_ORDER_MARK if is_marked else ''}{csv_text([sheet.heading()])}"
    salt, after = secrets.token_hex(), ""
    while rows := await services.database.statements(
        lambda c: outcomes.response_rows(c, sheet.ce_activity_id, salt, after, _ROWS_AT_ONCE)  # noqa: B023  # used at once
    ):
        yield csv_text(sheet.record(row) for row in rows)
        after = rows[-1].mark
