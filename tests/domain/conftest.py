"""One policy for the tests of the rules: every requirement, a claim window, and three offers."""

from datetime import date
from decimal import Decimal

import pytest

from domain.policy import (
    CEActivityPolicy,
    ClaimWindow,
    CreditOffer,
    Evaluation,
    EvaluationQuestion,
    LearningFormat,
    Option,
    Participation,
    ParticipationOption,
    PostTest,
    Provider,
    QuestionKind,
    TestQuestion,
)

WAYS = (ParticipationOption(code="yes", label="Yes"), ParticipationOption(code="no", label="No"))
YES_NO = (Option(code="yes", label="Yes"), Option(code="no", label="No"))


def _post_test() -> PostTest:
    questions = tuple(
        TestQuestion(code=f"q{n}", text=f"Question {n}?", options=YES_NO, correct="yes") for n in range(4)
    )
    return PostTest(passing_percent=75, attempts_allowed=2, grading_seconds=30, questions=questions)


def _evaluation() -> Evaluation:
    return Evaluation(
        questions=(
            EvaluationQuestion(code="balance", text="Was it balanced?", kind=QuestionKind.CHOICE, options=YES_NO),
            EvaluationQuestion(code="relevance", text="Was it relevant?", kind=QuestionKind.SCALE),
            EvaluationQuestion(code="change", text="What will you change?", kind=QuestionKind.TEXT),
            EvaluationQuestion(code="topics", text="What next?", kind=QuestionKind.TEXT, is_required=False),
        )
    )


def _credit() -> tuple[CreditOffer, ...]:
    designation = (
        "The Lakeside Academy designates this enduring material for a maximum of 1.25 AMA PRA Category 1 Credit(s)™. "
        "Physicians should claim only the credit commensurate with the extent of their participation in the activity."
    )
    number = Option(code="0999-0000-26-014-H01-P", label="UAN")
    one = Decimal("1.00")
    return (
        CreditOffer(
            credit_type="ama_pra_category_1", designated_units=Decimal("1.25"), designation_statement=designation
        ),
        CreditOffer(
            credit_type="acpe_contact_hours", designated_units=one, designation_statement="One.", identifiers=(number,)
        ),
        CreditOffer(credit_type="participation", designated_units=one, designation_statement="One."),
    )


@pytest.fixture(scope="session")
def policy() -> CEActivityPolicy:
    return CEActivityPolicy(
        title="Managing Hypertension",
        format=LearningFormat.ENDURING_MATERIAL,
        provider=Provider(name="Lakeside Academy", accreditation_statement="The Lakeside Academy is accredited."),
        time_zone="America/Chicago",
        starts_on=date(2026, 1, 1),
        ends_on=date(2026, 12, 31),
        contact="ce@lakeside.example",
        requirements=(Participation(options=WAYS), _post_test(), _evaluation()),
        credit=_credit(),
        claim_window=ClaimWindow(opens_on=date(2026, 3, 1), closes_on=date(2026, 6, 30)),
    )
